//! A fake service under the daemon: readings that must not harm anybody, and what a person decides.

use serde_json::{Value, json};

use crate::e2e::directory::settings as directory;
use crate::harness::daemon::TestDaemon;
use crate::harness::fake_scim::{FakeScim, Reply, Service, TOKEN, touch};
use crate::harness::process::Place;
use crate::harness::slapd::Slapd;

/// Runs a command with `--json`.
pub(super) fn run(daemon: &TestDaemon, arguments: &[&str]) -> Value {
    let output = daemon.musterd(&[arguments, &["--json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{arguments:?}: {output:?}"))
}

fn settings(fake: &FakeScim, more: &str) -> String {
    let url = &fake.url;
    format!(
        "[[sources]]\nid = \"hr\"\nkind = \"scim-pull\"\nurl = \"{url}\"\ntoken = \"{TOKEN}\"\nschedule = \"off\"\n\
         pass_timeout = \"60s\"\n{more}"
    )
}

fn active(daemon: &TestDaemon) -> usize {
    let found = daemon.admin().get("/api/v1/users?filter=source%20eq%20%22hr%22%20and%20active%20eq%20true&limit=200");
    found.json["items"].as_array().unwrap_or_else(|| panic!("{found:?}")).len()
}

#[test]
fn a_reading_that_is_cut_short_disables_nobody() {
    let fake = FakeScim::start(Service::with_users(150));
    let daemon = TestDaemon::start(&settings(&fake, ""));
    assert_eq!(run(&daemon, &["source", "sync", "hr"])["counts"]["create"], 150);
    let full = ["source", "sync", "hr", "--full"];
    for _ in 0..3 {
        fake.reply("startIndex=100", Reply::new(500, ""));
    }
    let cut = run(&daemon, &full);
    assert_eq!(cut["outcome"]["is"], "failed", "{cut}");
    fake.change(|service| service.total = Some(json!(160)));
    assert_eq!(run(&daemon, &full)["outcome"]["is"], "failed");
    fake.change(|service| {
        service.total = None;
        service.tokens.clear();
    });
    let refused = run(&daemon, &full);
    assert!(refused["outcome"]["why"].as_str().unwrap().contains("the token is refused"), "{refused}");
    assert!(!refused.to_string().contains(TOKEN));
    assert_eq!(active(&daemon), 150);
    let listed = run(&daemon, &["source", "list"]);
    assert!(listed["items"][1]["servers"][0]["down"]["why"].is_string(), "{listed}");
}

#[test]
fn no_token_is_in_the_log_whatever_is_logged() {
    let fake = FakeScim::start(Service::with_users(150));
    fake.reply("startIndex=100", Reply::new(503, "").with("retry-after", 1));
    let folder = tempfile::tempdir().unwrap();
    let log = "[log]\nlevel = \"trace\"\n";
    let place = Place::new(folder.path()).with_settings(&format!("{log}{}", settings(&fake, "")));
    let daemon = place.start();
    let sync = || place.run(&["source", "sync", "hr", "--full", "--json"]);
    let first = sync();
    assert!(first.status.success(), "{first:?}");
    fake.change(|service| service.tokens.clear());
    let refused = sync();
    assert!(!refused.status.success(), "{refused:?}");
    let ended = daemon.end("-TERM");
    let all = format!("{}{}{first:?}{refused:?}", ended.stdout, ended.stderr);
    assert!(all.contains("the server is busy (503)"), "{all}");
    assert!(!all.contains(TOKEN), "{all}");
}

#[test]
fn a_reading_that_would_disable_many_waits_for_a_person() {
    let fake = FakeScim::start(Service::with_users(60));
    let daemon = TestDaemon::start(&settings(&fake, ""));
    run(&daemon, &["source", "sync", "hr"]);
    fake.change(|service| service.users.truncate(20));
    let held = run(&daemon, &["source", "sync", "hr", "--full"]);
    assert_eq!(held["outcome"]["is"], "held", "{held}");
    assert_eq!(active(&daemon), 60);
    let plan = held["outcome"]["plan"].as_str().unwrap();
    assert!(daemon.musterd(&["plan", "approve", plan]).status.success());
    assert_eq!(active(&daemon), 20);
    // So does one of changes, and what it read is not lost with it.
    fake.change(|service| {
        for user in &mut service.users[..15] {
            touch(user, "2026-11-22T00:00:00Z", "active", json!(false));
        }
    });
    let held = run(&daemon, &["source", "sync", "hr"]);
    assert_eq!((&held["outcome"]["is"], &held["counts"]["disable"]), (&json!("held"), &json!(15)), "{held}");
    let again = run(&daemon, &["source", "sync", "hr"]);
    assert_eq!(again["outcome"]["is"], "held", "{again}");
    assert_eq!(active(&daemon), 20);
    // Nobody at all is nobody's proof.
    fake.change(|service| service.users.clear());
    assert_eq!(run(&daemon, &["source", "sync", "hr", "--full"])["outcome"]["is"], "held");
    assert_eq!(active(&daemon), 20);
}

#[test]
fn a_name_that_a_local_user_holds_waits_in_the_inbox() {
    let fake = FakeScim::start(Service::with_users(3));
    let daemon = TestDaemon::start(&settings(&fake, ""));
    let local = daemon.local_user("u0001", "correct horse battery").text("/id");
    let first = run(&daemon, &["source", "sync", "hr"]);
    assert_eq!((&first["counts"]["create"], &first["counts"]["conflict"]), (&json!(2), &json!(1)), "{first}");
    let inbox = run(&daemon, &["conflict", "list"]);
    assert_eq!(inbox["items"][0]["external_id"], "ID-1", "{inbox}");
    let other = json!({"username": "own", "email": "own@example.org"});
    assert_eq!(daemon.admin().patch(&format!("/api/v1/users/{local}"), &other).status, 200);
    // A reading of changes looks it up by itself.
    run(&daemon, &["source", "sync", "hr"]);
    assert_eq!(run(&daemon, &["conflict", "list"])["items"], json!([]));
    assert_eq!(daemon.admin().get("/api/v1/users/u0001").json["source"], "hr");
}

#[test]
fn a_pulled_user_logs_in_by_the_directory_that_the_source_names() {
    let slapd = Slapd::start(3);
    let mut service = Service::with_users(3);
    for (number, user) in (1..).zip(&mut service.users) {
        user["userName"] = json!(format!("u{number:07}"));
    }
    let fake = FakeScim::start(service);
    let corp = directory(&slapd, "");
    let daemon = TestDaemon::start(&format!("{}{corp}", settings(&fake, "verify_with = \"corp\"\n")));
    run(&daemon, &["source", "sync", "hr"]);
    let login = daemon.login("u0000001", "pw-1");
    assert_eq!(login.json["authenticated_by"], "corp", "{login:?}");
    assert_eq!(daemon.login("u0000001", "pw-2").status, 401);
    fake.change(|service| service.users[0]["active"] = json!(false));
    run(&daemon, &["source", "sync", "hr", "--full"]);
    assert_eq!(daemon.login("u0000001", "pw-1").code(), "account_disabled");
}

#[test]
fn without_such_a_directory_a_pulled_user_has_a_password_here() {
    let fake = FakeScim::start(Service::with_users(2));
    let daemon = TestDaemon::start(&settings(&fake, ""));
    run(&daemon, &["source", "sync", "hr"]);
    let set = daemon.admin().post("/api/v1/users/u0001/password", &json!({"password": "correct horse battery"}));
    assert!((200..300).contains(&set.status), "{set:?}");
    assert_eq!(daemon.login("u0001", "correct horse battery").status, 200);
    assert_eq!(daemon.login("u0002", "correct horse battery").status, 401);
}
