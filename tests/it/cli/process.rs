//! The daemon as a process: started as a new user would, stopped by signal, killed.

use std::path::Path;
use std::process::Output;
use std::time::Duration;

use crate::harness::process::{Place, Process};

fn start(folder: &Path) -> Process {
    Place::new(folder).start()
}

fn run(folder: &Path, arguments: &[&str]) -> Output {
    Place::new(folder).run(arguments)
}

#[test]
fn the_first_start_needs_no_settings_prints_the_link_once_and_says_where_to_go() {
    let folder = tempfile::tempdir().unwrap();
    let first = start(folder.path());
    assert!(run(folder.path(), &["user", "list"]).status.success());
    let ended = first.end("-TERM");
    assert!(ended.stdout.contains("/set-password#mst_l_"), "{}", ended.stdout);
    assert_eq!(ended.code(), Some(0));
    let ended = start(folder.path()).end("-INT");
    assert!(!ended.stdout.contains("set-password"));
    assert_eq!(ended.code(), Some(0));
}

#[test]
fn a_second_daemon_on_the_same_folder_names_the_holder() {
    let folder = tempfile::tempdir().unwrap();
    let first = start(folder.path());
    let second = run(folder.path(), &["serve"]);
    let complaint = String::from_utf8(second.stderr).unwrap();
    assert!(!second.status.success());
    assert!(complaint.contains(&format!("held by process {}", first.id())), "{complaint}");
    let verify = run(folder.path(), &["verify"]);
    assert!(!verify.status.success(), "verify wants the store for itself");
    first.end("-TERM");
    assert!(run(folder.path(), &["verify"]).status.success());
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..5 {
        let daemon = start(folder.path());
        let name = format!("user{round}");
        let email = format!("{name}@example.org");
        assert!(run(folder.path(), &["user", "create", &name, "--name", "X", "--email", &email]).status.success());
        daemon.end("-KILL");
    }
    let daemon = start(folder.path());
    let list = String::from_utf8(run(folder.path(), &["user", "list"]).stdout).unwrap();
    assert!((0..5).all(|round| list.contains(&format!("user{round}"))), "{list}");
    daemon.end("-TERM");
    assert!(run(folder.path(), &["verify"]).status.success());
}

#[test]
fn a_kill_during_the_start_leaves_a_store_that_opens() {
    let folder = tempfile::tempdir().unwrap();
    start(folder.path()).end("-TERM");
    for milliseconds in (0..30).step_by(2) {
        Place::new(folder.path()).kill_during(&["serve"], Duration::from_millis(milliseconds));
    }
    start(folder.path()).end("-TERM");
}

#[test]
fn check_shows_every_setting_and_all_faults_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let good = run(folder.path(), &["check"]);
    let shown = String::from_utf8(good.stdout).unwrap();
    assert!(shown.contains("server.listen = \"127.0.0.1:0\"  # environment MUSTERD__SERVER__LISTEN"), "{shown}");
    assert!(shown.contains("login.deadline = \"10s\"  # default"), "{shown}");
    let file = folder.path().join("bad.toml");
    std::fs::write(&file, "[login]\ndeadlin = \"5s\"\ndeadline = 7\n[nonsense]\nx = 1\n").unwrap();
    let bad = run(folder.path(), &["check", "--config", file.to_str().unwrap()]);
    let faults = String::from_utf8(bad.stderr).unwrap();
    assert_eq!(bad.status.code(), Some(8));
    for expected in ["bad.toml:2", "deadlin", "bad.toml:3", "nonsense"] {
        assert!(faults.contains(expected), "{expected} in {faults}");
    }
    assert!(!run(folder.path(), &["serve", "--config", file.to_str().unwrap()]).status.success());
}

#[test]
fn without_a_daemon_the_command_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["user", "list"]);
    let complaint = String::from_utf8(output.stderr).unwrap();
    assert!(complaint.contains("musterd serve"), "{complaint}");
}

#[test]
fn a_token_that_was_sent_in_a_url_is_refused_and_not_in_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let daemon = start(folder.path());
    let token = Place::new(folder.path()).token(&["--scope", "users.view"]);
    for path in ["/api/v1/users", "/scim/v2/Users", "/nowhere"] {
        let answer = daemon.with_token("none").get(&format!("{path}?access_token={token}"));
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    let ended = daemon.end("-TERM");
    let log = format!("{}{}", ended.stdout, ended.stderr);
    assert!(log.contains("http.status") || log.contains("request"), "{log}");
    assert!(!log.contains(&token) && !log.contains("access_token"), "{log}");
}
