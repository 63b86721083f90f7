//! A real OpenLDAP under the running daemon: what a pass does, and what it never does.

use std::process::Output;

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::daemon::TestDaemon;
use crate::harness::fault_proxy::{Fault, FaultProxy};
use crate::harness::slapd::{BASE, READER, READER_PASSWORD, Slapd};

/// The settings of a source `corp` on this server; `more` goes into its table.
pub(crate) fn settings(slapd: &Slapd, more: &str) -> String {
    source(&slapd.ldaps_url(), &slapd.ca_file().display().to_string(), more)
}

fn source(url: &str, ca_file: &str, more: &str) -> String {
    format!(
        "[[sources]]\nid = \"corp\"\nkind = \"ldap\"\nurls = [\"{url}\"]\nca_file = \"{ca_file}\"\n\
         bind_dn = \"{READER}\"\nbind_password = \"{READER_PASSWORD}\"\nbase_dn = \"{BASE}\"\n\
         schedule = \"off\"\noperation_timeout = \"2s\"\nidle_timeout = \"2s\"\nconnect_timeout = \"2s\"\nlogin_timeout = \"2s\"\n{more}\n"
    )
}

fn sync(daemon: &TestDaemon) -> (Output, Value) {
    let output = daemon.musterd(&["source", "sync", "corp", "--json"]);
    let run = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output, run)
}

fn run_whole(daemon: &TestDaemon) -> (Output, Value) {
    let output = daemon.musterd(&["source", "sync", "corp", "--full", "--json"]);
    let run = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    (output, run)
}

fn active(daemon: &TestDaemon) -> usize {
    let filter = "source%20eq%20%22corp%22%20and%20active%20eq%20true";
    daemon.admin().get(&format!("/api/v1/users?limit=1000&filter={filter}")).json["items"].as_array().unwrap().len()
}

#[test]
fn a_pass_is_tested_planned_and_run_and_the_second_writes_nothing() {
    let slapd = Slapd::start(30);
    let daemon = TestDaemon::start(&settings(&slapd, ""));
    let tested = daemon.musterd(&["source", "test", "corp"]);
    assert!(tested.status.success(), "{tested:?}");
    let planned: Value = serde_json::from_slice(&daemon.musterd(&["source", "plan", "corp", "--json"]).stdout).unwrap();
    assert_eq!((&planned["counts"]["create"], active(&daemon)), (&json!(30), 0));
    let (_, first) = sync(&daemon);
    assert_eq!(first["counts"], planned["counts"], "what was previewed is what is applied");
    assert_eq!(active(&daemon), 30);
    let trail =
        |daemon: &TestDaemon| daemon.admin().get("/api/v1/audit?limit=1").json["items"][0]["seq"].as_u64().unwrap();
    let before = trail(&daemon);
    let (_, second) = sync(&daemon);
    assert_eq!((&second["counts"]["unchanged"], &second["counts"]["update"]), (&json!(30), &json!(0)));
    // The token that reads the trail is a line of its own.
    assert_eq!(trail(&daemon), before + 1);
}

#[test]
fn changes_absence_and_return_follow_the_directory() {
    let slapd = Slapd::start(30);
    let daemon = TestDaemon::start(&settings(&slapd, ""));
    sync(&daemon);
    let admin = daemon.admin();
    let id = admin.get("/api/v1/users/u0000003").text("/id");
    slapd.modify("u0000003", "replace: mail\nmail: new@example.org");
    slapd.delete_user("u0000004");
    slapd.add_user("newcomer", "secret-password", "");
    let (_, run) = sync(&daemon);
    let counts = ["create", "update", "disable"].map(|name| run["counts"][name].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 1], "{run}");
    assert_eq!(admin.get(&format!("/api/v1/users/{id}")).json["email"], "new@example.org");
    assert_eq!(daemon.login("newcomer", "secret-password").status, 200);
    let lines = admin.get("/api/v1/audit?user=u0000003&limit=1").json;
    assert_eq!(lines["items"][0]["actor"]["kind"], "source", "{lines}");
    assert_eq!(lines["items"][0]["changes"][0]["old"], "u0000003@example.org");
}

#[test]
fn whatever_befalls_the_server_nobody_changes_and_local_users_log_in() {
    let mut slapd = Slapd::start(300);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let proxy = runtime.block_on(FaultProxy::start(slapd.port));
    let url = format!("ldap://{}", proxy.address());
    let more = "start_tls = true\npage_size = 50\n";
    let settings = source(&url, &slapd.ca_file().display().to_string(), more);
    let daemon = TestDaemon::start(&settings);
    daemon.local_user("ada", "correct horse battery");
    assert!(sync(&daemon).0.status.success());
    assert_eq!(active(&daemon), 300);
    let faults = [
        Fault::Refuse,
        Fault::Stall,
        Fault::CutAfter(40_000),
        Fault::StallAfter(20_000),
        Fault::Drip(1, std::time::Duration::from_millis(50)),
    ];
    for fault in faults {
        proxy.set(fault);
        let started = musterd::base::clock::Stopwatch::start();
        let remote = daemon.login("u0000002", "pw-2");
        let is_told = remote.status == 200 || (remote.status, remote.code()) == (503, "backend_unavailable");
        assert!(is_told, "{fault:?}: {remote:?}");
        let tested = daemon.musterd(&["source", "test", "corp"]);
        assert!(!tested.status.success() || matches!(fault, Fault::CutAfter(_) | Fault::StallAfter(_)), "{fault:?}");
        assert!(started.elapsed() < std::time::Duration::from_secs(20), "{fault:?}: {:?}", started.elapsed());
        let (output, run) = run_whole(&daemon);
        assert!(!output.status.success());
        assert_eq!(run["outcome"]["is"], "failed", "{fault:?}: {run}");
        assert!(!run["outcome"]["why"].as_str().unwrap().is_empty());
        assert_eq!(active(&daemon), 300, "{fault:?}");
        assert_eq!(daemon.login("ada", "correct horse battery").status, 200, "{fault:?}");
    }
    proxy.set(Fault::Stall);
    let answer = daemon.login("u0000001", "pw-1");
    assert_eq!((answer.status, answer.code()), (503, "backend_unavailable"));
    assert!(!answer.header("retry-after").is_empty());
    slapd.stop();
    assert_eq!(sync(&daemon).1["outcome"]["is"], "failed");
    assert_eq!(active(&daemon), 300);
}

#[test]
fn an_emptied_directory_is_held_until_a_person_says_so() {
    let slapd = Slapd::start(12);
    let daemon = TestDaemon::start(&settings(&slapd, ""));
    sync(&daemon);
    for n in 1..=12 {
        slapd.delete_user(&format!("u{n:07}"));
    }
    let (output, run) = sync(&daemon);
    assert!(!output.status.success());
    assert_eq!(run["outcome"]["is"], "held", "{run}");
    assert_eq!(active(&daemon), 12);
    let plan = run["outcome"]["plan"].as_str().unwrap();
    let shown = String::from_utf8(daemon.musterd(&["plan", "show", plan]).stdout).unwrap();
    assert_eq!(shown.matches("disable ").count(), 12, "{shown}");
    let rejected = daemon.musterd(&["plan", "reject", plan]);
    assert!(rejected.status.success());
    assert!(!daemon.musterd(&["plan", "approve", plan]).status.success());
    let (_, again) = sync(&daemon);
    let approved = daemon.musterd(&["plan", "approve", again["outcome"]["plan"].as_str().unwrap()]);
    assert!(approved.status.success(), "{approved:?}");
    assert_eq!(active(&daemon), 0);
}

#[test]
fn a_name_that_a_local_user_holds_is_a_conflict_and_not_taken_over() {
    let slapd = Slapd::start(3);
    let daemon = TestDaemon::start(&settings(&slapd, ""));
    daemon.local_user("U0000002", "correct horse battery");
    let (_, run) = sync(&daemon);
    assert_eq!((&run["counts"]["create"], &run["counts"]["conflict"]), (&json!(2), &json!(1)), "{run}");
    assert_eq!(daemon.admin().get("/api/v1/users/u0000002").json["source"], "local");
    assert_eq!(daemon.login("u0000002", "correct horse battery").status, 200);
}

#[test]
fn backends_are_asked_in_order_or_the_own_only() {
    let slapd = Slapd::start(3);
    let open = TestDaemon::start(&settings(&slapd, ""));
    open.local_user("u0000002", "correct horse battery");
    assert_eq!(open.login("u0000002", "pw-2").json["authenticated_by"], "corp");
    let own = TestDaemon::start(&format!("[login]\nonly_from_source = true\n{}", settings(&slapd, "")));
    own.local_user("u0000002", "correct horse battery");
    assert_eq!(own.login("u0000002", "pw-2").code(), "invalid_credentials");
    assert_eq!(own.login("u0000002", "correct horse battery").status, 200);
}

#[test]
fn an_unknown_user_is_taken_at_the_first_login_where_the_option_says_so() {
    let slapd = Slapd::start(3);
    let closed = TestDaemon::start(&settings(&slapd, ""));
    assert_eq!(closed.login("u0000001", "pw-1").code(), "invalid_credentials");
    let open = TestDaemon::start(&format!("[login]\nexisting_users_only = false\n{}", settings(&slapd, "")));
    let answer = open.login("u0000001", "pw-1");
    assert_eq!(answer.json["user"]["source"], "corp", "{answer:?}");
    assert_eq!(open.login("u0000002", "wrong").code(), "invalid_credentials");
    assert_eq!(active(&open), 1);
    assert_eq!(sync(&open).1["counts"]["create"], 2);
}

#[test]
fn a_source_follows_its_schedule() {
    let slapd = Slapd::start(3);
    let scheduled = settings(&slapd, "").replace("schedule = \"off\"", "schedule = \"1h\"");
    let daemon = TestDaemon::start(&scheduled);
    let runs = || daemon.admin().get("/api/v1/runs?source=corp").json["items"].as_array().unwrap().len();
    let until = |wanted: usize| {
        for _ in 0..200 {
            if runs() == wanted {
                return true;
            }
            // The tick comes from the daemon's own scheduler, once a second.
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        false
    };
    assert!(until(1), "the first pass comes with the start");
    assert_eq!(active(&daemon), 3);
    daemon.advance(SignedDuration::from_mins(60));
    assert!(until(2));
}
