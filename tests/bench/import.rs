//! A file of users into a daemon that is a process of its own, every row looked at before one is written; against a bare
//! fill of a store with the same users, which looks at nothing, in this process on the same disk.

use std::time::{Duration, Instant};

use musterd::base::clock::Clock;
use serde_json::Value;

use crate::Figure;
use crate::client::{Client, request};
use crate::daemon::Daemon;
use crate::store::{limit, settle};
use crate::sweep;

/// Users a second, at least.
const GOAL: f64 = 5_000.0;

pub(crate) fn figures(users: usize) -> Vec<Figure> {
    let bare = bare(users);
    settle();
    let daemon = Daemon::start("");
    let token = daemon.musterd(&["token", "create", "--scope", "admin"])["token"].as_str().unwrap().to_owned();
    let rows: String = (0..users).map(|n| format!("user{n:07},Ada Number {n},user{n:07}@example.org\n")).collect();
    let file = format!("username,name,email\n{rows}");
    daemon.forget_peak();
    let before = daemon.memory_mb();
    let (seconds, counts) = imported(&daemon.address, &token, &file);
    assert_eq!(counts["create"], users, "{counts}");
    let rate = users as f64 / seconds;
    let (again, counts) = imported(&daemon.address, &token, &file);
    assert_eq!(counts["unchanged"], users, "{counts}");
    vec![
        Figure {
            what: format!("import of {users} users by CSV, validated first, against a bare fill of a store"),
            ours: format!("{rate:.0}/s"),
            other: format!("{bare:.0}/s"),
            ratio: rate / bare,
            goal: format!(">= {GOAL:.0}/s"),
            met: rate >= GOAL,
        },
        limit(format!("the same file again: {users} rows, nothing to do"), again, users as f64 / GOAL, "s"),
        limit(format!("memory above rest while {users} users come in"), daemon.peak_mb() - before, 512.0, "MB"),
    ]
}

/// Users a second that a store takes from whoever asks nothing.
fn bare(users: usize) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = sweep::open(&folder.path().join("data"), &Clock::system());
        let start = Instant::now();
        sweep::fill(&store, users).await;
        users as f64 / start.elapsed().as_secs_f64()
    })
}

/// Sends a file, waits for the end of its run, and gives how long that took and what it came to.
fn imported(address: &str, token: &str, file: &str) -> (f64, Value) {
    let start = Instant::now();
    let mut client = Client::connect(address);
    let path = "/api/v1/users/import?format=csv&wait=false";
    let (status, answer) = client.send(&request("POST", path, token, file));
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(status, 202, "{answer}");
    let look = request("GET", &format!("/api/v1/runs/{}", answer["run"].as_str().unwrap()), token, "");
    loop {
        let (_, shown) = client.send(&look);
        let shown: Value = serde_json::from_slice(&shown).unwrap();
        if shown["outcome"]["is"] != "running" {
            assert_eq!(shown["outcome"]["is"], "applied", "{shown}");
            return (start.elapsed().as_secs_f64(), shown["counts"].clone());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
