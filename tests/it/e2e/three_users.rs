//! A real OpenLDAP, a real SCIM client and a local user meet at one login endpoint.

use std::path::Path;
use std::process::Command;

use jiff::SignedDuration;
use serde_json::json;

use super::directory::settings;
use crate::harness::daemon::TestDaemon;
use crate::harness::slapd::Slapd;

const PASSWORD: &str = "correct horse battery";

/// Runs the identity provider in small; gives what it printed.
fn provider(daemon: &TestDaemon, token: &str, arguments: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let output = Command::new(root.join(".cache/venv/bin/python"))
        .arg(root.join("it/scim/provision.py"))
        .args([&format!("{}/scim/v2", daemon.base), token])
        .args(arguments)
        .output()
        .expect("the virtual environment of tests/run is there");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn three_kinds_of_users_log_in_and_each_is_out_at_once_when_taken_away() {
    let slapd = Slapd::start(5);
    let okta = "[[sources]]\nid = \"okta\"\nkind = \"scim\"\n";
    let daemon = TestDaemon::start(&format!("{}{okta}", settings(&slapd, "")));

    // Three users, each in their own way.
    daemon.local_user("ada", PASSWORD);
    let synced = daemon.musterd(&["source", "sync", "corp"]);
    assert!(synced.status.success(), "{synced:?}");
    let token = daemon.token(&["--source", "okta"]);
    let kim = provider(&daemon, &token, &["create", "kim", PASSWORD]);

    // All three log in, verified by whom they belong to.
    let mut sessions = Vec::new();
    for (name, password, by) in [("ada", PASSWORD, "local"), ("u0000001", "pw-1", "corp"), ("kim", PASSWORD, "okta")] {
        let answer = daemon.login(name, password);
        assert_eq!(answer.json["authenticated_by"], by, "{answer:?}");
        assert_eq!(answer.json["user"]["source"], by);
        assert_eq!(daemon.login(name, "wrong").code(), "invalid_credentials");
        sessions.push(answer.text("/session/token"));
    }
    assert!(sessions.iter().all(|session| daemon.is_in(session)));

    // By email too, and each source only sees its own.
    assert_eq!(daemon.login("u0000001@example.org", "pw-1").status, 200);
    let seen = daemon.with_token(&token).get("/scim/v2/Users").json;
    assert_eq!((&seen["totalResults"], &seen["Resources"][0]["userName"]), (&json!(1), &json!("kim")));

    // The pushed user is deactivated by the provider.
    provider(&daemon, &token, &["deactivate", &kim]);
    assert!(!daemon.is_in(&sessions[2]));
    assert_eq!(daemon.login("kim", PASSWORD).code(), "account_disabled");
    assert!(provider(&daemon, &token, &["show", &kim]).contains("false"), "still readable");

    // The directory's user leaves the directory.
    slapd.delete_user("u0000001");
    assert!(daemon.musterd(&["source", "sync", "corp"]).status.success());
    assert!(!daemon.is_in(&sessions[1]));
    assert_eq!(daemon.login("u0000001", "pw-1").code(), "invalid_credentials");
    assert_eq!(daemon.admin().get("/api/v1/users/u0000001").json["disabled"]["reason"], "absent_from_source");

    // The local user expires: no sweep is needed.
    assert!(daemon.is_in(&sessions[0]));
    let end = daemon.clock.now().checked_add(SignedDuration::from_mins(10)).unwrap();
    daemon.admin().patch("/api/v1/users/ada", &json!({"expires_at": end}));
    assert!(daemon.is_in(&sessions[0]));
    daemon.advance(SignedDuration::from_mins(10));
    assert!(!daemon.is_in(&sessions[0]));
    assert_eq!(daemon.login("ada", PASSWORD).code(), "account_expired");

    // And who comes back comes back.
    provider(&daemon, &token, &["activate", &kim]);
    assert_eq!(daemon.login("kim", PASSWORD).status, 200);
    assert!(!daemon.is_in(&sessions[2]), "an ended session does not");
}
