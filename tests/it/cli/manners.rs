//! What every command has in common: exit codes, tables, pages, completion.

use std::process::Output;

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::daemon::TestDaemon;
use crate::harness::process::Place;

fn stdout(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

#[test]
fn a_command_ends_with_the_code_of_its_failure() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", "correct horse battery");
    for (arguments, expected) in [
        (vec!["user", "list"], 0),
        (vec!["status"], 0),
        (vec!["sweep", "--status"], 0),
        (vec!["source", "sync", "local"], 4),
        (vec!["user", "eat"], 2),
        (vec!["user", "show", "nobody"], 3),
        (vec!["token", "revoke", "mst_a_nobody"], 3),
        (vec!["user", "create", "ada", "--name", "A", "--email", "a@example.org"], 4),
        (vec!["user", "disable", "admin"], 4),
        (vec!["token", "create", "--scope", "users.eat"], 4),
        (vec!["mail", "test", "ada@example.org"], 4),
    ] {
        let output = daemon.musterd(&arguments);
        assert_eq!(code(&output), expected, "{arguments:?}: {output:?}");
    }
}

#[test]
fn a_command_without_daemon_or_with_faulty_settings_says_so_by_its_code() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path());
    assert_eq!(code(&place.run(&["user", "list"])), 5);
    assert_eq!(code(&place.run(&["status"])), 5);
    let file = folder.path().join("bad.toml");
    std::fs::write(&file, "[nonsense]\nx = 1\n").unwrap();
    let bad = file.to_str().unwrap();
    for arguments in [["user", "list", "--config", bad].as_slice(), &["check", "--config", bad]] {
        assert_eq!(code(&place.run(arguments)), 8, "{arguments:?}");
    }
    assert_eq!(code(&place.run(&["backup", "/nowhere/at/all"])), 1);
}

#[test]
fn a_sweep_that_is_held_ends_with_a_code_of_its_own_and_a_plan_that_was_decided_with_another() {
    let daemon = TestDaemon::start("[inactivity]\nthreshold = \"30d\"\n[sweep]\nbudget_floor = 0\nbudget_count = 1\n");
    for name in ["ada", "bob", "eve"] {
        daemon.local_user(name, "correct horse battery");
    }
    daemon.advance(SignedDuration::from_hours(24 * 31));
    let held = daemon.musterd(&["sweep", "--json"]);
    assert_eq!(code(&held), 6, "{held:?}");
    let run: Value = serde_json::from_slice(&held.stdout).unwrap();
    let plan = run["outcome"]["plan"].as_str().unwrap();
    stdout(&daemon.musterd(&["plan", "reject", plan]));
    assert_eq!(code(&daemon.musterd(&["plan", "approve", plan])), 7);
}

#[test]
fn a_list_of_users_shows_the_wanted_columns_of_all_of_them_and_ids_alone_where_asked() {
    let daemon = TestDaemon::start("");
    for name in ["ada", "bob", "eve"] {
        daemon.local_user(name, "correct horse battery");
    }
    let wanted = ["user", "list", "--columns", "username,must_change_password", "--filter", "username ne \"admin\""];
    let table = stdout(&daemon.musterd(&wanted));
    assert_eq!(table.lines().next(), Some("USERNAME  MUST CHANGE PASSWORD"));
    assert_eq!(table.lines().nth(1), Some("ada       no"));
    let bare = stdout(&daemon.musterd(&[wanted.as_slice(), &["--no-headers"]].concat()));
    assert_eq!(bare.lines().count(), 3);
    let page = daemon.musterd(&["user", "list", "--limit", "2"]);
    assert_eq!(stdout(&page).lines().count(), 3);
    assert!(String::from_utf8_lossy(&page.stderr).contains("--cursor"));
    let all: Value = serde_json::from_str(&stdout(&daemon.musterd(&["user", "list", "--all", "--json"]))).unwrap();
    let ids: Vec<&str> = all["items"].as_array().unwrap().iter().map(|user| user["id"].as_str().unwrap()).collect();
    assert_eq!(stdout(&daemon.musterd(&["user", "list", "--all", "-q"])).lines().collect::<Vec<_>>(), ids);
}

#[test]
fn more_users_than_a_page_has_are_all_listed() {
    let daemon = TestDaemon::start("[[sources]]\nid = \"okta\"\nkind = \"scim\"\n");
    let provider = daemon.with_token(&daemon.token(&["--source", "okta"]));
    for number in 0..1_010 {
        let wish = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": format!("u{number:04}"),
            "displayName": "U",
        });
        assert_eq!(provider.post("/scim/v2/Users", &wish).status, 201);
    }
    let listed = stdout(&daemon.musterd(&["user", "list", "--all", "--no-headers", "--columns", "username"]));
    assert_eq!(listed.lines().filter(|line| line.starts_with('u')).count(), 1_010);
    let some = stdout(&daemon.musterd(&["user", "list", "--limit", "1005", "--no-headers"]));
    assert_eq!(some.lines().count(), 1_005);
}

#[test]
fn a_name_that_would_move_the_cursor_or_turn_the_text_is_shown_and_not_obeyed() {
    let daemon = TestDaemon::start("[[sources]]\nid = \"okta\"\nkind = \"scim\"\n");
    let provider = daemon.with_token(&daemon.token(&["--source", "okta"]));
    let wish = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "mallory",
        "displayName": "M\u{202e}gnp", "title": "\u{1b}]0;owned\u{7}",
    });
    let made = provider.post("/scim/v2/Users", &wish);
    assert_eq!(made.status, 201, "{made:?}");
    for arguments in
        [["user", "list"].as_slice(), &["user", "show", "mallory"], &["audit"], &["source", "journal", "okta"]]
    {
        let shown = stdout(&daemon.musterd(arguments));
        let obeyed = |c: &char| c.is_control() && *c != '\n' || *c == '\u{202e}';
        assert_eq!(shown.chars().find(obeyed), None, "{arguments:?}: {shown}");
    }
}

#[test]
fn each_shell_gets_its_completion_without_settings_or_daemon() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path());
    for (shell, sign) in
        [("bash", "complete -F _musterd"), ("zsh", "#compdef musterd"), ("fish", "complete -c musterd")]
    {
        let script = stdout(&place.run(&["completion", shell]));
        assert!(script.contains(sign) && script.contains("rotate-signing"), "{shell}");
    }
    assert!(stdout(&place.run(&["--help"])).contains("Exit codes:"));
}

#[test]
fn factors_and_devices_of_a_user_are_shown() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", "correct horse battery");
    let factors = stdout(&daemon.musterd(&["user", "mfa", "ada"]));
    assert!(factors.contains("KIND") && factors.contains("recovery codes left"), "{factors}");
    assert!(stdout(&daemon.musterd(&["user", "devices", "ada"])).contains("UNTIL"));
    assert!(stdout(&daemon.musterd(&["user", "forget-devices", "ada"])).contains("0 devices of ada"));
}
