//! What an administrator of a provider's source sees: where to type what, what was sent, what waits, who is in the way.

use serde_json::{Value, json};

use crate::e2e::directory::settings as directory;
use crate::harness::daemon::TestDaemon;
use crate::harness::slapd::Slapd;

const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const SETTINGS: &str = "[[sources]]\nid = \"okta\"\nkind = \"scim\"\nbudget_floor = 1\nbudget_percent = 1\n";

fn printed(daemon: &TestDaemon, arguments: &[&str]) -> String {
    let output = daemon.musterd(arguments);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    format!("{}{errors}", String::from_utf8_lossy(&output.stdout))
}

#[test]
fn a_token_comes_with_what_to_type_where() {
    let daemon = TestDaemon::start(SETTINGS);
    let base = format!("{}/scim/v2", daemon.base);
    for (profile, expected) in [
        ("okta", format!("SCIM connector base URL: {base}")),
        ("entra", format!("Tenant URL: {base}?aadOptscim062020")),
        ("strict", format!("base URL: {base}")),
    ] {
        let said = printed(&daemon, &["token", "create", "--source", "okta", "--profile", profile]);
        assert!(said.starts_with("mst_") && said.contains(&expected), "{said}");
    }
    let listed = printed(&daemon, &["token", "list"]);
    assert!(listed.contains("entra") && listed.contains("strict"), "{listed}");
    for wrong in [&["--source", "okta", "--profile", "azure"][..], &["--scope", "users.view", "--profile", "okta"]] {
        let output = daemon.musterd(&[&["token", "create"], wrong].concat());
        assert!(!output.status.success(), "{wrong:?}");
    }
}

#[test]
fn the_journal_answers_what_the_provider_has_sent_and_what_came_of_it() {
    let daemon = TestDaemon::start(SETTINGS);
    let okta = daemon.with_token(&daemon.token(&["--source", "okta"]));
    let body = json!({"schemas": [USER], "userName": "ada", "password": "correct horse battery", "title": "Dr"});
    let id = okta.post("/scim/v2/Users", &body).text("/id");
    assert_eq!(okta.post("/scim/v2/Users", &body).status, 409);
    let answer = daemon.admin().get("/api/v1/sources/okta/journal?failed=true");
    let items = answer.json["items"].as_array().unwrap();
    assert_eq!((items.len(), &items[0]["scim_type"]), (1, &json!("uniqueness")), "{:?}", answer.json);
    let all = daemon.admin().get("/api/v1/sources/okta/journal?limit=1");
    let next = all.text("/next_cursor");
    let older = daemon.admin().get(&format!("/api/v1/sources/okta/journal?cursor={next}"));
    // Both were answered within one moment of the daemon's clock.
    assert_eq!(older.status, 200);
    let said = printed(&daemon, &["source", "journal", "okta"]);
    for expected in
        ["POST /scim/v2/Users -> 201", "-> 409", "uniqueness: userName", "user.created ada", "\"title\":\"Dr\""]
    {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!said.contains("correct horse") && said.contains("[redacted]"), "{said}");
    let shown: Value = serde_json::from_str(&printed(&daemon, &["--json", "source", "journal", "okta"])).unwrap();
    let changed = &shown["items"].as_array().unwrap().last().unwrap()["changed"][0];
    assert_eq!(changed["target"]["id"], id);
    assert_eq!(daemon.admin().get("/api/v1/sources/local/journal").status, 404);
    assert_eq!(okta.get("/api/v1/sources/okta/journal").status, 403);
    // What a restart finds.
    let daemon = daemon.restart();
    assert!(printed(&daemon, &["source", "journal", "okta", "--failed"]).contains("-> 409"));
}

#[test]
fn a_held_burst_is_approved_and_a_conflict_linked_by_the_command() {
    let daemon = TestDaemon::start(SETTINGS);
    let okta = daemon.with_token(&daemon.token(&["--source", "okta"]));
    let user = |name: &str| json!({"schemas": [USER], "userName": name, "externalId": name});
    let ids: Vec<String> =
        ["ada", "bob", "eve"].iter().map(|name| okta.post("/scim/v2/Users", &user(name)).text("/id")).collect();
    let out = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "value": {"active": false}}]});
    let statuses: Vec<u16> = ids.iter().map(|id| okta.patch(&format!("/scim/v2/Users/{id}"), &out).status).collect();
    assert_eq!(statuses, [200, 429, 429]);
    let plans: Value = serde_json::from_str(&printed(&daemon, &["--json", "plan", "list"])).unwrap();
    let plan = plans["items"][0]["id"].as_str().unwrap();
    assert!(printed(&daemon, &["plan", "show", plan]).contains("eve"));
    printed(&daemon, &["plan", "approve", plan]);
    assert_eq!(okta.get(&format!("/scim/v2/Users/{}", ids[2])).json["active"], false);

    daemon.local_user("zoe", "correct horse battery staple");
    assert_eq!(okta.post("/scim/v2/Users", &user("zoe")).status, 409);
    assert!(printed(&daemon, &["conflict", "list"]).contains("zoe"));
    printed(&daemon, &["conflict", "link", "okta", "zoe"]);
    let found = okta.get("/scim/v2/Users?filter=userName%20eq%20%22zoe%22");
    assert_eq!(found.json["Resources"][0]["externalId"], "zoe");
    assert_eq!(daemon.login("zoe", "correct horse battery staple").json["status"], "authenticated");
}

#[test]
fn a_pushed_user_logs_in_by_the_directory_that_the_source_names() {
    let slapd = Slapd::start(2);
    let corp = directory(&slapd, "");
    let daemon = TestDaemon::start(&format!("{SETTINGS}verify_with = \"corp\"\n{corp}"));
    let okta = daemon.with_token(&daemon.token(&["--source", "okta"]));
    // The throw-away password that providers send is none.
    let body = json!({"schemas": [USER], "userName": "u0000001", "password": "thrown away at once"});
    let id = okta.post("/scim/v2/Users", &body).text("/id");
    let login = daemon.login("u0000001", "pw-1");
    assert_eq!((&login.json["authenticated_by"], &login.json["user"]["id"]), (&json!("corp"), &json!(id)), "{login:?}");
    assert_eq!(daemon.login("u0000001", "thrown away at once").status, 401);
    let session = daemon.session("u0000001", "pw-1");
    let out = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "active", "value": false}]});
    assert_eq!(okta.patch(&format!("/scim/v2/Users/{id}"), &out).status, 200);
    assert!(!daemon.is_in(&session), "out means out");
    assert_eq!(daemon.login("u0000001", "pw-1").code(), "account_disabled");
}
