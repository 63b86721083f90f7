//! Each fault of a caller has its own code, and nothing is written.

use serde_json::{Value, json};

use crate::harness::daemon::TestDaemon;

fn valid() -> Value {
    json!({"username": "ada", "name": "Ada", "email": "ada@example.org", "password": "correct horse battery"})
}

fn with(member: &str, value: Value) -> Value {
    let mut wish = valid();
    wish[member] = value;
    wish
}

#[test]
fn each_bad_field_has_its_own_code_and_nothing_is_written() {
    let daemon = TestDaemon::start("[[sources]]\nid = \"okta\"\nkind = \"scim\"\n");
    let admin = daemon.admin();
    let cases = [
        ("username", json!("nul\u{0}byte"), "username", "control_character"),
        ("username", json!(""), "username", "empty"),
        ("username", json!("a".repeat(129)), "username", "too_long"),
        ("name", json!("x".repeat(257)), "name", "too_long"),
        ("email", json!("no address"), "email", "malformed"),
        ("email", json!("a@x.org,b@x.org"), "email", "malformed"),
        ("phone", json!("12"), "phone", "malformed"),
        ("description", json!("x".repeat(2049)), "description", "too_long"),
        ("expires_at", json!("2020-01-01T00:00:00Z"), "expires_at", "in_the_past"),
        ("expires_at", json!("tomorrow"), "expires_at", "malformed"),
        ("source", json!("nowhere"), "source", "unknown_source"),
        ("source", json!("okta"), "source", "not_creatable"),
        ("password", json!(""), "password", "empty"),
        ("password", json!("short"), "password", "too_short"),
        ("password", json!("x".repeat(1025)), "password", "too_long"),
        ("roles", json!(["emperor"]), "roles", "unknown_role"),
        ("groups", json!(["nobody's"]), "groups", "unknown_group"),
        ("organizations", json!([{"id": "x"}]), "organizations", "unknown_organization"),
    ];
    for (member, value, field, code) in cases {
        let answer = admin.post("/api/v1/users", &with(member, value));
        assert_eq!(answer.status, 400, "{member}: {answer:?}");
        assert_eq!(answer.json["errors"][0]["field"], field, "{answer:?}");
        assert_eq!(answer.json["errors"][0]["code"], code, "{answer:?}");
        assert_eq!(answer.header("content-type"), "application/problem+json");
    }
    assert_eq!(admin.get("/api/v1/users/ada").status, 404);
}

#[test]
fn each_bad_body_has_its_own_code() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let post = |body: &str| admin.call("POST", "/api/v1/users", Some(body.to_owned()), &[]);
    assert_eq!(post("{\"username\": ").code(), "malformed_json");
    assert_eq!(post("[]").code(), "wrong_type");
    assert_eq!(post(&with("colour", json!("red")).to_string()).code(), "unknown_field");
    assert_eq!(post(&with("username", json!(7)).to_string()).code(), "wrong_type");
    assert_eq!(post(&with("mfa", json!("always")).to_string()).status, 400);
    assert_eq!(post(&format!("{{\"username\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000))).status, 400);
    assert_eq!(post(&"x".repeat((1 << 20) + 1)).code(), "body_too_large");
    let form = admin.call("POST", "/api/v1/users", Some("username=ada".to_owned()), &[("content-type", "text/plain")]);
    assert_eq!(form.code(), "unsupported_media_type");
    let missing = post("{}");
    assert_eq!(missing.json["errors"].as_array().unwrap().len(), 3, "all at once: {missing:?}");
}

#[test]
fn a_name_or_address_that_differs_in_case_only_is_taken() {
    let daemon = TestDaemon::start("");
    daemon.local_user("Ada", "correct horse battery");
    let admin = daemon.admin();
    let twin = json!({"username": "aDA", "name": "X", "email": "other@example.org"});
    let answer = admin.post("/api/v1/users", &twin);
    assert_eq!((answer.status, answer.code()), (409, "username_taken"));
    let twin = json!({"username": "bob", "name": "X", "email": "ADA@Example.ORG"});
    let answer = admin.post("/api/v1/users", &twin);
    assert_eq!((answer.status, answer.code()), (409, "email_taken"));
    assert_eq!(admin.get("/api/v1/users/bob").status, 404);
}

#[test]
fn faults_never_show_the_password() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    for password in [json!("S3cret"), json!(["S3cret"]), json!({"S3cret": 1})] {
        let answer = admin.post("/api/v1/users", &with("password", password));
        assert_eq!(answer.status, 400);
        assert!(!answer.json.to_string().contains("S3cret"), "{answer:?}");
    }
}

#[test]
fn bad_pages_are_refused() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let encoded = |filter: &str| filter.replace(' ', "%20").replace('"', "%22");
    for query in [
        "limit=0",
        "limit=1001",
        "limit=x",
        "sort=password",
        "cursor=%21",
        "filter=",
        "filter=username%20is%201",
        "filter=%FF",
    ] {
        let answer = admin.get(&format!("/api/v1/users?{query}"));
        assert_eq!(answer.status, 400, "{query}: {answer:?}");
    }
    let deep = format!("filter={}", encoded(&"(".repeat(50_000)));
    assert!([400, 414, 431].contains(&admin.get(&format!("/api/v1/users?{}", &deep[..20_000])).status));
}
