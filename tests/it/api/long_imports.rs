//! Imports that take long: watched while they go on, within bounds, and to their end whatever happens to the daemon.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};

use super::import::{import, is_there};
use crate::harness::daemon::{Caller, TestDaemon};
use crate::harness::process::Place;

/// Waits until a run is over; gives it.
fn ended(caller: &Caller, run: &str) -> Value {
    for _ in 0..1_200 {
        let shown = caller.get(&format!("/api/v1/runs/{run}")).json;
        if shown["outcome"]["is"] != "running" {
            return shown;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("the run {run} does not end");
}

#[test]
fn a_long_import_goes_on_by_itself_and_is_watched() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let rows: String = (0..1_000).map(|n| format!("u{n:04},User {n},u{n:04}@example.org\n")).collect();
    let answer = import(&admin, "wait=false", &format!("username,name,email\n{rows}"));
    assert_eq!((answer.status, &answer.json["status"]), (202, &json!("running")), "{answer:?}");
    let second = import(&admin, "", "username\nu0000\n");
    if second.status != 200 {
        assert_eq!((second.status, second.code()), (429, "busy"), "{second:?}");
        assert!(!second.header("retry-after").is_empty());
    }
    let run = ended(&admin, &answer.text("/run"));
    assert_eq!((&run["outcome"]["is"], &run["counts"]["create"]), (&json!("applied"), &json!(1_000)), "{run}");
    assert!(is_there(&admin, "u0999"));
}

#[test]
fn a_hundred_thousand_bad_rows_are_told_within_bounds() {
    let daemon = TestDaemon::start_with_server("request_timeout = \"10m\"\n", "");
    let admin = daemon.admin();
    let rows: String = (0..100_000).map(|n| format!("u{n},User {n},no address\n")).collect();
    let file = format!("username,name,email\n{rows}");
    let answer = import(&admin, "wait=false", &file);
    let run = ended(&admin, &answer.text("/run"));
    assert_eq!((&run["outcome"]["is"], &run["counts"]["skipped"]), (&json!("failed"), &json!(100_000)));
    assert_eq!(run["skipped"].as_array().unwrap().len(), 1_000);
    let (mut cursor, mut told) = (String::new(), 0);
    loop {
        let page = admin.get(&format!("/api/v1/runs/{}/items?limit=1000{cursor}", run["id"].as_str().unwrap()));
        let items = page.json["items"].as_array().unwrap();
        assert!(items.iter().all(|item| item["faults"][0]["column"] == "email"));
        told += items.len();
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(told, 100_000);
    assert!(!is_there(&admin, "u0"));
    let peak = std::fs::read_to_string("/proc/self/status").unwrap();
    let peak = peak.lines().find(|line| line.starts_with("VmHWM:")).unwrap().split_whitespace().nth(1).unwrap();
    assert!(peak.parse::<u64>().unwrap() < 500 << 10, "{peak} KiB at most");
}

#[test]
fn a_kill_in_the_middle_leaves_no_row_half_done_and_the_rest_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let place = Place::new(folder.path());
    let mut daemon = place.start();
    let token = place.token(&["--scope", "admin"]);
    let admin = daemon.with_token(&token);
    assert_eq!(admin.post("/api/v1/groups", &json!({"name": "Staff"})).status, 201);
    let rows: String = (0..4_000).map(|n| format!("u{n:04},User {n},u{n:04}@example.org,Staff\n")).collect();
    let answer = import(&admin, "wait=false", &format!("username,name,email,groups\n{rows}"));
    let run = answer.text("/run");
    let written = |admin: &Caller| {
        let shown = admin.get(&format!("/api/v1/runs/{run}")).json;
        assert_eq!(shown["outcome"]["is"], "running", "it was killed too late: {shown}");
        shown["progress"]["written"].as_u64().unwrap_or_default()
    };
    while written(&admin) < 200 {
        std::thread::sleep(Duration::from_millis(5));
    }
    daemon.kill();
    daemon = place.start();
    let admin = daemon.with_token(&token);
    let run = ended(&admin, &run);
    assert_eq!((&run["outcome"]["is"], &run["counts"]["create"]), (&json!("applied"), &json!(4_000)), "{run}");
    let (mut cursor, mut seen) = (String::new(), 0);
    loop {
        let page = admin.get(&format!("/api/v1/users?limit=1000&filter=username%20sw%20%22u%22{cursor}"));
        for user in page.json["items"].as_array().unwrap() {
            assert_eq!(user["groups"][0]["name"], "Staff", "{user}");
            seen += 1;
        }
        match page.json["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, 4_000);
    let lines = admin.get("/api/v1/audit?action=user.created&limit=1000");
    assert_eq!(lines.status, 200);
    daemon.end("-TERM");
    let verified = place.run(&["verify"]);
    assert!(verified.status.success(), "{verified:?}");
}

#[test]
fn who_sends_a_file_slowly_keeps_nobody_else_out() {
    let daemon = TestDaemon::start("");
    let host = daemon.base.strip_prefix("http://").unwrap();
    let token = daemon.token(&["--scope", "admin"]);
    let head = format!(
        "POST /api/v1/users/import HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\
        Content-Type: text/csv\r\nContent-Length: 1000\r\nExpect: 100-continue\r\n\r\n"
    );
    let mut slow = TcpStream::connect(host).unwrap();
    slow.write_all(head.as_bytes()).unwrap();
    // The daemon asks for the body: from here on it reads.
    let mut asked = [0; 12];
    slow.read_exact(&mut asked).unwrap();
    assert_eq!(&asked, b"HTTP/1.1 100");
    let answer = import(&daemon.admin(), "", "username,name,email\nada,Ada,ada@example.org\n");
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn who_would_plan_beyond_the_bound_waits() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let wish = json!({"everybody": true, "action": "enable", "dry_run": true});
    let turns: Vec<_> = std::iter::from_fn(|| daemon.inside.bulk.planning_turn()).collect();
    let busy = admin.post("/api/v1/users/bulk", &wish);
    assert_eq!((turns.len(), busy.status, busy.code()), (4, 429, "busy"), "{busy:?}");
    drop(turns);
    for _ in 0..5 {
        assert_eq!(admin.post("/api/v1/users/bulk", &wish).status, 200, "a plan that is made gives its turn back");
    }
}

#[test]
fn an_approval_that_takes_long_is_answered_at_once_and_followed_by_the_command() {
    let daemon = TestDaemon::start_with_server("request_timeout = \"1s\"\n", "");
    let admin = daemon.admin();
    let rows: String = (0..2_500).map(|n| format!("u{n:04},User {n},u{n:04}@example.org\n")).collect();
    let answer = import(&admin, "wait=false", &format!("username,name,email\n{rows}"));
    ended(&admin, &answer.text("/run"));
    let held = |action: &str| {
        let wish = json!({"filter": "username sw \"u\"", "action": action});
        let run = ended(&admin, &admin.post("/api/v1/users/bulk", &wish).text("/run"));
        run["outcome"]["plan"].as_str().unwrap_or_else(|| panic!("{run}")).to_owned()
    };
    let plan = held("disable");
    let answer = admin.post(&format!("/api/v1/plans/{plan}/approve"), &json!({}));
    assert_eq!((answer.status, &answer.json["status"]), (202, &json!("running")), "{answer:?}");
    let twice = admin.post(&format!("/api/v1/plans/{plan}/approve"), &json!({}));
    assert_eq!((twice.status, twice.code()), (409, "plan_decided"), "{twice:?}");
    let run = answer.text("/run");
    while !admin.get(&format!("/api/v1/runs/{run}")).json["progress"].is_null() {
        std::thread::sleep(Duration::from_millis(50));
    }
    let plan = admin.get(&format!("/api/v1/plans/{plan}?limit=1")).json;
    assert_eq!(
        (&plan["plan"]["status"]["is"], &plan["plan"]["counts"]["disable"]),
        (&json!("approved"), &json!(2_500))
    );
    let plan = held("delete");
    let followed = daemon.musterd(&["plan", "approve", &plan]);
    let text = String::from_utf8_lossy(&followed.stdout).into_owned();
    assert!(followed.status.success() && text.contains("2,500 to remove") && text.contains("written"), "{followed:?}");
}
