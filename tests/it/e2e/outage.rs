//! A directory that is away, and one that keeps somebody out, as the users of the running daemon meet them.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::directory::settings;
use crate::harness::daemon::TestDaemon;
use crate::harness::slapd::Slapd;

/// A daemon that has read the directory.
fn synced(slapd: &Slapd, more: &str) -> TestDaemon {
    let daemon = TestDaemon::start(&settings(slapd, more));
    let output = daemon.musterd(&["source", "sync", "corp", "--json"]);
    assert!(output.status.success(), "{output:?}");
    daemon
}

/// Waits for what goes on beside the logins.
fn settle(daemon: &TestDaemon) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    daemon.inside.auth.beside.close();
    runtime.block_on(daemon.inside.auth.beside.wait());
    daemon.inside.auth.beside.reopen();
}

fn last_line(daemon: &TestDaemon, user: &str, action: &str) -> Value {
    daemon.admin().get(&format!("/api/v1/audit?user={user}&action={action}&limit=1")).json["items"][0].clone()
}

#[test]
fn who_logged_in_before_comes_in_while_the_directory_is_away_and_others_do_not() {
    let mut slapd = Slapd::start(4);
    let daemon = synced(&slapd, "outage_cache = \"3d\"");
    for user in 1..=3 {
        assert_eq!(daemon.login(&format!("u000000{user}"), &format!("pw-{user}")).status, 200);
    }
    settle(&daemon);
    slapd.stop();
    let answer = daemon.login("u0000001", "pw-1");
    assert_eq!((answer.status, &answer.json["authenticated_by"]), (200, &json!("corp")), "{answer:?}");
    let line = last_line(&daemon, "u0000001", "login.succeeded");
    assert_eq!(line["details"]["backends"][0]["verdict"], "unavailable", "{line}");
    assert_eq!(line["details"]["backends"][1]["verdict"], "accepted_offline", "{line}");
    assert_eq!(daemon.login("u0000001", "pw-2").code(), "invalid_credentials");
    assert_eq!(daemon.login("u0000004", "pw-4").code(), "backend_unavailable", "who did not log in before");
    daemon.admin().post("/api/v1/users/u0000002/disable", &json!({}));
    daemon.admin().delete("/api/v1/users/u0000003/sessions");
    for user in ["2", "3"] {
        let answer = daemon.login(&format!("u000000{user}"), &format!("pw-{user}"));
        assert_eq!((answer.status, answer.code()), (503, "backend_unavailable"), "{user}");
    }
    let daemon = daemon.restart();
    assert_eq!(daemon.login("u0000001", "pw-1").status, 200, "a restart does not change it");
    daemon.advance(SignedDuration::from_hours(72));
    daemon.advance(SignedDuration::from_secs(1));
    assert_eq!(daemon.login("u0000001", "pw-1").code(), "backend_unavailable", "too old");
    slapd.restart();
}

#[test]
fn without_the_cache_nobody_of_the_directory_comes_in_while_it_is_away() {
    let mut slapd = Slapd::start(1);
    let daemon = synced(&slapd, "");
    assert_eq!(daemon.login("u0000001", "pw-1").status, 200);
    settle(&daemon);
    slapd.stop();
    let answer = daemon.login("u0000001", "pw-1");
    assert_eq!((answer.status, answer.code()), (503, "backend_unavailable"));
}

#[test]
fn whom_the_directory_disabled_is_told_so_with_the_right_password_only() {
    let slapd = Slapd::start(1);
    let daemon = synced(&slapd, "disabled_when = \"(title=gone)\"");
    slapd.modify("u0000001", "replace: title\ntitle: gone");
    let answer = daemon.login("u0000001", "pw-1");
    assert_eq!((answer.status, answer.code()), (403, "account_disabled"));
    let line = last_line(&daemon, "u0000001", "login.refused");
    let asked = &line["details"]["backends"][0];
    assert_eq!((&asked["verdict"], &asked["reason"]), (&json!("refused"), &json!("disabled")), "{line}");
    let answer = daemon.login("u0000001", "pw-2");
    assert_eq!((answer.status, answer.code()), (401, "invalid_credentials"));
}
