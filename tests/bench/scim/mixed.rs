//! A hundred requests a second of every kind while a directory of many users is read for the first time.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{USERS, active, fill, ids, patch, start, user};
use crate::Figure;
use crate::client::{Client, request};
use crate::daemon::Daemon;
use crate::harness::slapd::{Slapd, SlapdOptions, Syncprov};

/// Entries of the directory.
const ENTRIES: usize = 50_000;
const CLIENTS: usize = 4;
const EVERY: Duration = Duration::from_millis(10);
/// Requests without an import, to compare with.
const QUIET: usize = 500;

pub(crate) fn figure() -> Figure {
    let slapd = Slapd::with(SlapdOptions { users: ENTRIES, sync: Syncprov::Log(10_000), ..SlapdOptions::default() });
    let settings = format!("{}{}", super::SETTINGS, crate::ldap::section(&slapd));
    let (daemon, token) = start(&settings);
    fill(&daemon, &token, 0..USERS);
    let ids = ids(&daemon, &token);
    let (next, ended) = (AtomicUsize::new(0), AtomicBool::new(false));
    let quiet = run(&daemon, &token, &ids, &next, |n| n >= QUIET);
    let loaded = std::thread::scope(|scope| {
        scope.spawn(|| {
            let run = daemon.musterd(&["source", "sync", "corp"]);
            println!("meanwhile {} entries of a directory were taken", run["counts"]["create"]);
            ended.store(true, Ordering::Relaxed);
        });
        run(&daemon, &token, &ids, &next, |_| ended.load(Ordering::Relaxed))
    });
    println!("{} requests while the directory was read", loaded.len());
    let p99 = |times: &[Duration]| times[times.len() * 99 / 100].as_secs_f64() * 1e3;
    let (quiet, loaded) = (p99(&quiet), p99(&loaded));
    Figure {
        what: format!("p99 at 100 requests a second, mixed, while {ENTRIES} LDAP entries are taken"),
        ours: format!("{loaded:.1} ms"),
        other: format!("{quiet:.1} ms without"),
        ratio: loaded / quiet,
        goal: "under 50 ms".to_owned(),
        met: loaded < 50.0,
    }
}

/// Sends requests at their times until it is enough; gives how long they took from when they were due, in order.
fn run(
    daemon: &Daemon,
    token: &str,
    ids: &[String],
    next: &AtomicUsize,
    enough: impl Fn(usize) -> bool + Sync,
) -> Vec<Duration> {
    let (start, first) = (Instant::now(), next.load(Ordering::Relaxed));
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| {
                scope.spawn(|| {
                    let (mut client, mut times) = (Client::connect(&daemon.address), Vec::new());
                    loop {
                        let n = next.fetch_add(1, Ordering::Relaxed);
                        let due = start + EVERY * u32::try_from(n - first).unwrap();
                        if enough(n) {
                            return times;
                        }
                        std::thread::sleep(due.saturating_duration_since(Instant::now()));
                        let status = client.send(&kind(n, token, ids)).0;
                        assert!(status < 300, "{status}");
                        times.push(due.elapsed());
                    }
                })
            })
            .collect();
        clients.into_iter().flat_map(|client| client.join().unwrap()).collect()
    });
    times.sort_unstable();
    times
}

/// One of the requests that providers send.
fn kind(n: usize, token: &str, ids: &[String]) -> Vec<u8> {
    let id = &ids[(n * 7919) % ids.len()];
    match n % 8 {
        0 => request("POST", "/scim/v2/Users", token, &user(1_000_000 + n)),
        1 => request("PATCH", &format!("/scim/v2/Users/{id}"), token, &active(n % 16 == 1).to_string()),
        2 => {
            let body = patch(json!([{"op": "replace", "path": "title", "value": format!("title {n}")}]));
            request("PATCH", &format!("/scim/v2/Users/{id}"), token, &body.to_string())
        }
        3 => request("GET", &format!("/scim/v2/Users?startIndex={}&count=100", 1 + n % USERS), token, ""),
        4 => request("GET", "/scim/v2/Groups?count=10", token, ""),
        5 => request("GET", &format!("/scim/v2/Users/{id}"), token, ""),
        _ => request("GET", &format!("/scim/v2/Users?filter=userName%20eq%20%22user{n}%22"), token, ""),
    }
}
