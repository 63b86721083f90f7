//! What administrators type, against the running daemon.

use std::process::Output;

use serde_json::Value;

use crate::harness::daemon::TestDaemon;

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_user_is_made_shown_changed_disabled_removed_and_restored() {
    let daemon = TestDaemon::start("");
    let made = daemon.musterd_with_input(
        &["user", "create", "ada", "--name", "Ada L", "--email", "ada@example.org", "--password-stdin"],
        "correct horse battery\n",
    );
    assert_eq!(stdout(&made), "ada is made\n");
    assert_eq!(daemon.login("ada", "correct horse battery").status, 200);
    let shown: Value = serde_json::from_str(&stdout(&daemon.musterd(&["user", "show", "ada", "--json"]))).unwrap();
    assert_eq!(shown["name"], "Ada L");
    stdout(&daemon.musterd(&["user", "change", "ada", "--phone", "+31201234567", "--role", "system-auditor"]));
    assert!(stdout(&daemon.musterd(&["user", "list", "--filter", "phone pr"])).contains("Ada L"));
    stdout(&daemon.musterd(&["user", "disable", "ada", "--reason", "left"]));
    assert_eq!(daemon.login("ada", "correct horse battery").code(), "account_disabled");
    assert!(stdout(&daemon.musterd(&["audit", "--user", "ada"])).contains("left"));
    assert!(stdout(&daemon.musterd(&["explain", "ada"])).contains("account_disabled"));
    stdout(&daemon.musterd(&["user", "enable", "ada"]));
    let copy = ["user", "duplicate", "ada", "bob", "--name", "Bob", "--email", "bob@example.org"];
    assert!(stdout(&daemon.musterd(&copy)).contains("/set-password#mst_l_"));
    let removed = stdout(&daemon.musterd(&["user", "delete", "ada"]));
    let id = removed
        .split_whitespace()
        .find(|word| word.contains("-") && word.len() >= 36)
        .unwrap()
        .trim_matches('`')
        .to_owned();
    assert!(stdout(&daemon.musterd(&["user", "restore", &id])).contains("ada is back"));
    assert!(stdout(&daemon.musterd(&["user", "link", "ada"])).contains("/set-password#mst_l_"));
    let set = daemon.musterd_with_input(&["user", "password", "ada"], "another long password");
    assert!(stdout(&set).contains("is set"));
}

#[test]
fn faults_are_said_in_words_with_every_field() {
    let daemon = TestDaemon::start("");
    let wrong =
        stderr(&daemon.musterd(&["user", "create", "ada", "--email", "none", "--expires-at", "2020-01-01T00:00:00Z"]));
    assert!(wrong.contains("name must be given"), "{wrong}");
    let wrong = stderr(&daemon.musterd(&[
        "user",
        "create",
        "ada",
        "--name",
        "A",
        "--email",
        "none",
        "--expires-at",
        "2020-01-01T00:00:00Z",
    ]));
    assert!(
        wrong.contains("email is not an email address") && wrong.contains("expires_at must lie in the future"),
        "{wrong}"
    );
    assert!(stderr(&daemon.musterd(&["user", "show", "nobody"])).contains("there is no such user"));
    assert!(stderr(&daemon.musterd(&["source", "sync", "local"])).contains("no enabled source of the kind ldap"));
    assert_eq!(daemon.musterd(&["user", "eat"]).status.code(), Some(2));
}

#[test]
fn groups_tokens_sweeps_and_tasks_are_within_reach() {
    let daemon = TestDaemon::start("[[sources]]\nid = \"okta\"\nkind = \"scim\"\n");
    daemon.local_user("ada", "correct horse battery");
    stdout(&daemon.musterd(&["group", "create", "engineers"]));
    assert!(stdout(&daemon.musterd(&["group", "add", "engineers", "ada"])).contains("1 joined"));
    assert!(stdout(&daemon.musterd(&["group", "members", "engineers"])).contains("user"));
    assert!(stdout(&daemon.musterd(&["group", "remove", "engineers", "ada"])).contains("1 left"));
    assert!(stdout(&daemon.musterd(&["group", "list"])).contains("engineers"));
    let made: Value =
        serde_json::from_str(&stdout(&daemon.musterd(&["token", "create", "--source", "okta", "--json"]))).unwrap();
    assert!(made["token"].as_str().unwrap().starts_with("mst_a_"));
    assert!(stdout(&daemon.musterd(&["token", "list"])).contains("okta"));
    stdout(&daemon.musterd(&["token", "revoke", made["id"].as_str().unwrap()]));
    assert!(stdout(&daemon.musterd(&["sweep", "--dry-run", "--at", "2030-01-01T00:00:00Z"])).contains("USER"));
    assert!(stdout(&daemon.musterd(&["sweep"])).contains("0 disabled"));
    assert!(stdout(&daemon.musterd(&["tasks"])).contains("sweep"));
    assert!(stdout(&daemon.musterd(&["source", "list"])).contains("okta"));
    assert!(stdout(&daemon.musterd(&["plan", "list"])).contains("STATUS"));
    assert!(stdout(&daemon.musterd(&["source", "runs"])).contains("sweep"));
}

#[test]
fn the_sweep_tells_whom_it_would_disable_and_then_does() {
    let daemon = TestDaemon::start("[inactivity]\nthreshold = \"30d\"\n");
    daemon.local_user("ada", "correct horse battery");
    let preview = stdout(&daemon.musterd(&["sweep", "--dry-run", "--at", "2027-01-01T00:00:00Z"]));
    assert!(preview.contains("ada") && !preview.contains("admin"), "{preview}");
    assert_eq!(daemon.login("ada", "correct horse battery").status, 200);
    daemon.advance(jiff::SignedDuration::from_hours(24 * 31));
    assert!(stdout(&daemon.musterd(&["sweep"])).contains("1 disabled"));
    assert_eq!(daemon.login("ada", "correct horse battery").code(), "account_disabled");
    assert_eq!(daemon.admin().get("/api/v1/users/ada").json["disabled"]["reason"], "inactivity");
}
