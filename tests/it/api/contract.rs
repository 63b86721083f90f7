//! What the API promises everywhere: pages, entity tags, merge patches, its own description.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::e2e::directory::settings;
use crate::harness::daemon::{Caller, TestDaemon};
use crate::harness::slapd::Slapd;

const PASSWORD: &str = "correct horse battery";

/// All items of a list, page by page.
fn all(caller: &Caller, path: &str, limit: usize) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = caller.get(&format!("{path}?limit={limit}{cursor}"));
        assert_eq!(page.status, 200, "{page:?}");
        let found = page.json["items"].as_array().unwrap();
        assert!(found.len() <= limit, "{page:?}");
        items.extend(found.clone());
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return items,
        }
    }
}

#[test]
fn runs_plans_and_their_items_come_in_pages() {
    let slapd = Slapd::start(30);
    let daemon = TestDaemon::start(&settings(&slapd, ""));
    let admin = daemon.admin();
    let sync = || admin.post("/api/v1/sources/corp/sync", &json!({}));
    assert_eq!(sync().status, 200);
    (1..=25).for_each(|number| slapd.delete_user(&format!("u{number:07}")));
    for number in 26..=28 {
        slapd.delete_user(&format!("u{number:07}"));
        daemon.advance(SignedDuration::from_mins(1));
        assert_eq!(sync().json["outcome"]["is"], "held");
    }
    for (path, most) in [("/api/v1/runs", 4), ("/api/v1/plans", 3)] {
        let whole = all(&admin, path, 1_000);
        assert_eq!(whole.len(), most, "{path}");
        assert_eq!(all(&admin, path, 1), whole, "{path}");
        assert_eq!(admin.get(&format!("{path}?cursor=nowhere")).status, 400, "{path}");
    }
    let plan = format!("/api/v1/plans/{}", all(&admin, "/api/v1/plans", 9)[0]["id"].as_str().unwrap());
    let whole = all(&admin, &plan, 1_000);
    assert_eq!((whole.len(), all(&admin, &plan, 7)), (28, whole.clone()));
    assert_eq!(admin.get(&format!("{plan}?cursor=zz")).status, 400);
}

#[test]
fn what_a_caller_has_is_not_sent_again() {
    let daemon = TestDaemon::start("[jwt]\nenabled = true\naudiences = [\"wiki\"]\n");
    let made = daemon.local_user("ada", PASSWORD);
    let admin = daemon.admin();
    let ada = daemon.with_token(&daemon.session("ada", PASSWORD));
    let user = format!("/api/v1/users/{}", made.text("/id"));
    let paths = ["/api/v1/openapi.json", "/.well-known/jwks.json", &user, "/api/v1/me"];
    for (path, caller) in paths.iter().zip([&admin, &admin, &admin, &ada]) {
        let first = caller.get(path);
        let tag = first.header("etag");
        let again = caller.call("GET", path, None, &[("if-none-match", &format!("\"else\", {tag}"))]);
        assert_eq!((again.status, again.header("etag"), &again.json), (304, tag, &json!("")), "{path}");
        assert_eq!(caller.call("GET", path, None, &[("if-none-match", "\"else\"")]).status, 200, "{path}");
    }
    let tag = admin.get(&user).header("etag").to_owned();
    assert_eq!(admin.patch(&user, &json!({"description": "first of her kind"})).status, 200);
    assert_eq!(admin.call("GET", &user, None, &[("if-none-match", &tag)]).status, 200);
}

#[test]
fn a_profile_that_was_changed_meanwhile_is_not_changed_over() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    let ada = daemon.with_token(&daemon.session("ada", PASSWORD));
    let tag = ada.get("/api/v1/me").header("etag").to_owned();
    let rename = |name: &str| {
        let body = json!({"name": name}).to_string();
        let headers = [("if-match", tag.as_str()), ("content-type", "application/merge-patch+json")];
        ada.call("PATCH", "/api/v1/me", Some(body), &headers)
    };
    let first = rename("Ada King");
    assert_eq!((first.status, first.text("/name").as_str()), (200, "Ada King"));
    assert_ne!(first.header("etag"), tag);
    let second = rename("Ada Byron");
    assert_eq!((second.status, second.code()), (412, "stale"));
    assert_eq!(ada.get("/api/v1/me").text("/name"), "Ada King");
}

#[test]
fn query_strings_say_each_thing_once_and_switches_are_true_or_false() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    assert_eq!(admin.get("/api/v1/users?limit=1&limit=2").code(), "malformed_query");
    for path in ["/api/v1/users?removed=yes", "/api/v1/conflicts?all=1"] {
        assert_eq!(admin.get(path).code(), "invalid_fields", "{path}");
    }
}

#[test]
fn the_api_describes_itself_to_anybody() {
    let daemon = TestDaemon::start("");
    let document = daemon.anonymous().get("/api/v1/openapi.json");
    assert_eq!((document.status, document.json["openapi"].as_str()), (200, Some("3.1.0")));
    let create = &document.json["paths"]["/api/v1/users"]["post"];
    assert_eq!(create["x-permission"], "users.create");
    let body = &create["requestBody"]["content"]["application/json"];
    assert_eq!(body["schema"]["required"], json!(["username", "name", "email"]));
    assert_eq!(daemon.admin().post("/api/v1/users", &body["example"]).status, 201);
}
