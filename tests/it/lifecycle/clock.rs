//! The daemon as a process whose clock jumps, while it runs and while it does not: by libfaketime, which changes what
//! programs take for the time and not the time since the boot.

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use musterd::base::clock::{Clock, Stopwatch};
use serde_json::{Value, json};

use crate::harness::daemon::Caller;
use crate::harness::process::{Place, Process};

/// Users, half of whom expire in ten days; the others are quiet after ninety.
const USERS: usize = 20;
/// The clock is wrong by so much, in the words of libfaketime.
const JUMPS: [&str; 4] = ["+400d", "-400d", "+3d", "-3d"];
/// No budget holds anybody back: only the doubt does.
const SETTINGS: &str = "[sweep]\nschedule = \"1s\"\nbudget_floor = 1000\n[upkeep]\nschedule = \"1s\"\n\
                        [inactivity]\nthreshold = \"90d\"\n[log]\nlevel = \"info,musterd::http=warn\"\n";

fn library() -> String {
    let places = std::fs::read_dir("/usr/lib").unwrap().filter_map(Result::ok).map(|entry| entry.path());
    let found = places.map(|path| path.join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    found.expect("the package faketime is installed").display().to_string()
}

/// A place where programs have the time that the file `wrong` says.
fn place(folder: &Path) -> Place {
    let file = folder.join("wrong");
    set(folder, "+0");
    let words = [
        "env".to_owned(),
        format!("LD_PRELOAD={}", library()),
        format!("FAKETIME_TIMESTAMP_FILE={}", file.display()),
        "FAKETIME_NO_CACHE=1".to_owned(),
        "FAKETIME_DONT_FAKE_MONOTONIC=1".to_owned(),
        "DONT_FAKE_MONOTONIC=1".to_owned(),
    ];
    Place::new(folder).with_settings(SETTINGS).behind(&words)
}

/// Sets the clock wrong, or right again, for every program of the place.
fn set(folder: &Path, wrong: &str) {
    // A whole file at once: it is read at each look at the clock.
    std::fs::write(folder.join("new"), wrong).unwrap();
    std::fs::rename(folder.join("new"), folder.join("wrong")).unwrap();
}

fn fill(caller: &Caller) {
    let end = Clock::system().now().checked_add(SignedDuration::from_hours(240)).unwrap();
    for n in 0..USERS {
        let expires_at = (n % 2 == 0).then_some(end);
        let wish = json!({
            "username": format!("user{n}"), "name": "X", "email": format!("user{n}@example.org"),
            "expires_at": expires_at,
        });
        let answer = caller.post("/api/v1/users", &wish);
        assert_eq!(answer.status, 201, "{answer:?}");
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let stopwatch = Stopwatch::start();
    while !is_so() {
        assert!(stopwatch.elapsed() < Duration::from_secs(60), "{what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn sweeps(caller: &Caller) -> Value {
    caller.get("/api/v1/sweep").json
}

/// Waits until some more sweeps have begun, whatever time they take it for.
fn until_swept(caller: &Caller) {
    for _ in 0..3 {
        let last = sweeps(caller)["last_run"].clone();
        until("the sweep runs", || sweeps(caller)["last_run"] != last);
    }
}

fn is_paused(caller: &Caller) -> bool {
    !sweeps(caller)["paused"].is_null()
}

/// How many of the users are in, and how many are there.
fn active(caller: &Caller) -> (usize, usize) {
    let list = caller.get("/api/v1/users?limit=1000").json;
    let users: Vec<&Value> = list["items"].as_array().unwrap().iter().collect();
    let ours: Vec<_> = users.iter().filter(|user| user["username"].as_str().unwrap().starts_with("user")).collect();
    (ours.iter().filter(|user| user["state"] == "active").count(), ours.len())
}

fn times(log: &str, words: &str) -> usize {
    log.lines().filter(|line| line.contains(words)).count()
}

#[test]
fn a_clock_that_jumps_while_the_daemon_runs_takes_nobody_out_until_somebody_says_that_it_is_right() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    let daemon = place.start();
    let caller = daemon.with_token(&place.token(&["--scope", "admin"]));
    fill(&caller);
    until_swept(&caller);
    for jump in JUMPS {
        set(folder.path(), jump);
        until(&format!("{jump} is noticed"), || is_paused(&caller));
        until_swept(&caller);
        assert_eq!(active(&caller), (USERS, USERS), "{jump}");
        let refused = caller.post("/api/v1/sweep", &json!({}));
        assert_eq!((refused.status, refused.code()), (409, "clock_in_doubt"), "{jump}: {refused:?}");
        set(folder.path(), "+0");
        until(&format!("it is right again after {jump}"), || !is_paused(&caller));
        assert_eq!(active(&caller), (USERS, USERS), "{jump}");
    }
    set(folder.path(), "+400d");
    until("the last jump is noticed", || is_paused(&caller));
    let said = place.run(&["sweep", "--clock-is-right"]);
    assert!(said.status.success(), "{said:?}");
    until("everybody is out", || active(&caller).0 == 0);
    let seen = caller.get("/api/v1/audit?action=clock.confirmed").json;
    assert_eq!(seen["items"].as_array().unwrap().len(), 1, "{seen}");
    let log = daemon.end("-TERM").stderr;
    assert_eq!(times(&log, "the clock is in doubt"), JUMPS.len() + 1, "{log}");
    assert_eq!(times(&log, "the clock is right again"), JUMPS.len(), "{log}");
    let paused = |way: &str| times(&log, &format!("upkeep are paused: it jumped {way}"));
    assert_eq!((paused("forward"), paused("back")), (3, 2), "{log}");
}

#[test]
fn a_clock_that_is_wrong_at_the_start_takes_nobody_out() {
    let folder = tempfile::tempdir().unwrap();
    let place = place(folder.path());
    let first = place.start();
    let token = place.token(&["--scope", "admin"]);
    fill(&first.with_token(&token));
    until_swept(&first.with_token(&token));
    let mut before: Process = first;
    for jump in JUMPS {
        before.end("-TERM");
        set(folder.path(), jump);
        let wrong = place.start();
        let caller = wrong.with_token(&token);
        until(&format!("{jump} is noticed"), || is_paused(&caller));
        until_swept(&caller);
        assert_eq!(active(&caller), (USERS, USERS), "{jump}");
        let log = wrong.end("-KILL").stderr;
        assert_eq!(times(&log, "the clock is in doubt"), 1, "{jump}: {log}");
        set(folder.path(), "+0");
        before = place.start();
        let caller = before.with_token(&token);
        until(&format!("it is right again after {jump}"), || !is_paused(&caller));
        assert_eq!(active(&caller), (USERS, USERS), "{jump}");
    }
    let now: Timestamp = Clock::system().now();
    let last: Timestamp = sweeps(&before.with_token(&token))["last_run"].as_str().unwrap().parse().unwrap();
    assert!(now.duration_since(last).abs() < SignedDuration::from_hours(1), "sweeps go on by the right clock");
}
