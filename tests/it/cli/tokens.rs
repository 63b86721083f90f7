//! Tokens by the command.

use std::process::Output;

use crate::harness::daemon::TestDaemon;

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn an_applications_token_is_made_shown_bound_rotated_and_revoked() {
    let daemon = TestDaemon::start("");
    let made = daemon.musterd(&["token", "create", "--application", "portal"]);
    let first = stdout(&made).trim().to_owned();
    assert!(first.starts_with("mst_a_") && String::from_utf8_lossy(&made.stderr).contains("shown once"));
    let begins = first.get(..12).unwrap();
    let shown = stdout(&daemon.musterd(&["token", "show", begins]));
    assert!(shown.contains("login.introspect, login.authenticate") && shown.contains("application"), "{shown}");
    let rotated = daemon.musterd(&["token", "rotate", begins, "--overlap", "1h"]);
    assert!(String::from_utf8_lossy(&rotated.stderr).contains("the old text works until 2026-11-23T13:00:00Z"));
    let second = stdout(&rotated).trim().to_owned();
    for text in [&first, &second] {
        assert_eq!(daemon.with_token(text).get("/api/v1/token").json["name"], "portal");
    }
    stdout(&daemon.musterd(&["token", "set", begins, "--network", "10.0.0.0/8", "--name", "gate"]));
    assert_eq!(daemon.with_token(&second).get("/api/v1/token").status, 401, "not from here any more");
    stdout(&daemon.musterd(&["token", "set", begins, "--network", "", "--expires-at", "2030-01-01T00:00:00Z"]));
    assert_eq!(daemon.with_token(&second).get("/api/v1/token").json["expires_at"], "2030-01-01T00:00:00Z");
    let listed = stdout(&daemon.musterd(&["token", "list", "--kind", "application"]));
    assert!(listed.contains("gate") && listed.contains("OLD TEXT UNTIL") && !listed.contains(&second), "{listed}");
    assert!(!stdout(&daemon.musterd(&["token", "list", "--kind", "scim"])).contains("gate"));
    stdout(&daemon.musterd(&["token", "revoke", second.get(..12).unwrap()]));
    assert_eq!(daemon.with_token(&second).get("/api/v1/token").status, 401);
}

#[test]
fn the_text_of_a_token_is_shown_where_ids_alone_are_wanted() {
    let daemon = TestDaemon::start("");
    let made = stdout(&daemon.musterd(&["token", "create", "--scope", "users.view", "--quiet"]));
    assert_eq!(daemon.with_token(made.trim()).get("/api/v1/users").status, 200);
    let ids = stdout(&daemon.musterd(&["token", "list", "--quiet"]));
    let shown = daemon.with_token(made.trim()).get("/api/v1/token");
    assert_eq!(ids.trim(), shown.text("/id"));
}
