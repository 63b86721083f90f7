//! The sweep from outside: previews, what lies ahead, how it stands, and what is refused.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::daemon::TestDaemon;

const QUIET: &str = "[inactivity]\nthreshold = \"30d\"\n[mail]\nhost = \"127.0.0.1\"\nport = 1\ntls = \"none\"\n\
                     from = \"directory@example.org\"\n";

fn json(daemon: &TestDaemon, arguments: &[&str]) -> Value {
    let output = daemon.musterd(&[arguments, &["--json"]].concat());
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn labels(items: &Value) -> Vec<&str> {
    items.as_array().unwrap().iter().map(|item| item["label"].as_str().unwrap()).collect()
}

#[test]
fn a_preview_takes_a_date_or_a_time_and_the_view_ahead_names_who_is_told_and_who_falls_out() {
    let daemon = TestDaemon::start(QUIET);
    daemon.local_user("ada", "correct horse battery staple");
    let wish = json!({"expires_at": "2026-12-03T12:00:00Z"});
    assert_eq!(daemon.admin().patch("/api/v1/users/ada", &wish).status, 200);
    for at in ["2026-12-04", "2026-12-03T12:00:00Z"] {
        let preview = json(&daemon, &["sweep", "--dry-run", "--at", at]);
        assert_eq!(labels(&preview["items"]), ["ada"], "{at}");
    }
    let preview = json(&daemon, &["sweep", "--dry-run", "--at", "2026-12-03"]);
    assert_eq!((labels(&preview["items"]).len(), &preview["at"]), (0, &json!("2026-12-03T00:00:00Z")));
    let ahead = json(&daemon, &["sweep", "--upcoming"]);
    let told: Vec<_> = ahead["notices"].as_array().unwrap().iter().filter(|one| one["label"] == "ada").collect();
    let days: Vec<_> = told.iter().map(|one| one["at"].as_str().unwrap()).collect();
    let expected = ["2026-11-24T08:00:00Z", "2026-12-01T08:00:00Z", "2026-12-02T08:00:00Z", "2026-12-03T08:00:00Z"];
    assert_eq!(days, expected, "{ahead}");
    assert_eq!(labels(&ahead["sweeps"][0]["items"]), ["ada"], "{ahead}");
    let short = json(&daemon, &["sweep", "--upcoming", "--days", "3"]);
    assert_eq!(short["sweeps"], json!([]), "{short}");
    let shown = daemon.musterd(&["sweep", "--upcoming"]);
    let shown = String::from_utf8(shown.stdout).unwrap();
    assert!(
        shown.contains("TOLD AT") && shown.contains("Sweep at") && shown.contains("the expiry has passed"),
        "{shown}"
    );
    let state = daemon.admin().get("/api/v1/sweep").json;
    assert_eq!((&state["paused"], &state["held"], &state["notices"]), (&Value::Null, &Value::Null, &json!(true)));
}

#[test]
fn a_wish_that_makes_no_sense_is_refused_by_its_field() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    for (wish, field) in [
        (json!({"dry_run": true, "at": "tomorrow"}), "at"),
        (json!({"dry_run": true, "at": "2026-13-01"}), "at"),
        (json!({"at": "2027-01-01"}), "at"),
        (json!({"dry_run": true, "clock_is_right": true}), "clock_is_right"),
    ] {
        let refused = admin.post("/api/v1/sweep", &wish);
        assert_eq!((refused.status, &refused.json["errors"][0]["field"]), (400, &json!(field)), "{refused:?}");
    }
    for days in ["0", "91", "x", "-1"] {
        assert_eq!(admin.get(&format!("/api/v1/sweep/upcoming?days={days}")).status, 400, "{days}");
    }
    daemon.local_user("ada", "correct horse battery staple");
    let made = json!({"username": "bob", "name": "Bob", "email": "bob@example.org"});
    for (end, code) in [
        ("2026-11-23T12:00:00Z", "in_the_past"),
        ("1999-01-01T00:00:00Z", "in_the_past"),
        ("10000-01-01T00:00:00Z", "malformed"),
        ("+010000-01-01T00:00:00Z", "malformed"),
        ("99999-01-01T00:00:00Z", "malformed"),
        ("next year", "malformed"),
    ] {
        let mut made = made.clone();
        made["expires_at"] = end.into();
        for refused in
            [admin.post("/api/v1/users", &made), admin.patch("/api/v1/users/ada", &json!({"expires_at": end}))]
        {
            let fault = &refused.json["errors"][0];
            assert_eq!((refused.status, &fault["field"]), (400, &json!("expires_at")), "{end}: {refused:?}");
            assert_eq!(fault["code"], code, "{end}: {refused:?}");
        }
    }
}

#[test]
fn each_part_of_the_upkeep_runs_in_its_own_time_and_what_is_in_doubt_shows_among_the_tasks() {
    let daemon = TestDaemon::start("[sweep]\nschedule = \"off\"\n");
    let admin = daemon.admin();
    let tasks = || admin.get("/api/v1/tasks").json["items"].clone();
    let wait = |task: &str, words: &str| {
        for _ in 0..600 {
            if tasks()[task]["last_result"]["Ok"].as_str().is_some_and(|said| said.contains(words)) {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
        panic!("{task} does not say {words}: {}", tasks());
    };
    wait("upkeep", "purged");
    wait("clock", "believed");
    assert_eq!(tasks()["sweep"]["last_result"], Value::Null, "it is off");
    daemon.clock.jump(SignedDuration::from_hours(24 * 30));
    wait("upkeep", "paused");
    wait("clock", "in doubt");
    let shown = String::from_utf8(daemon.musterd(&["sweep", "--dry-run"]).stdout).unwrap();
    assert!(shown.contains("the clock is in doubt"), "{shown}");
    let said = daemon.musterd(&["sweep", "--clock-is-right"]);
    assert!(said.status.success(), "{said:?}");
    assert_eq!(admin.get("/api/v1/sweep").json["paused"], Value::Null);
}
