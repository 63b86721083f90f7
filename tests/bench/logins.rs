//! Logins: a second against bare argon2 on the same cores, in turns; at more than they can take; whether the time tells
//! who exists; and what many tries at a time come to.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use serde_json::json;

use crate::Figure;
use crate::client::{Client, request};
use crate::daemon::Daemon;

mod forgotten;
mod load;
mod races;
mod timing;

const ROUND: Duration = Duration::from_secs(6);
const ROUNDS: usize = 3;
/// Enough waiting clients that the hashing threads never are idle.
const CLIENTS: usize = 8;
const PASSWORD: &str = "correct horse battery";

/// Whose password was forgotten does not show.
pub(crate) fn forgotten() -> Vec<Figure> {
    vec![forgotten::figure()]
}

pub(crate) fn figures() -> Vec<Figure> {
    let daemon = Daemon::start("");
    add_users(&daemon, CLIENTS);
    let (mut ours, mut bare) = (0.0, 0.0);
    for _ in 0..ROUNDS {
        bare += rate(bare_hashes());
        ours += rate(logins(&daemon));
    }
    let (ours, bare) = (ours / ROUNDS as f64, bare / ROUNDS as f64);
    let mut figures = vec![Figure {
        what: "local logins (argon2id 19 MiB, t=2, p=1; session and audit on disk)".to_owned(),
        ours: format!("{ours:.0}/s"),
        other: format!("{bare:.0}/s bare argon2 on all cores, memory pooled"),
        ratio: ours / bare,
        goal: "at least 0.95".to_owned(),
        met: ours / bare >= 0.95,
    }];
    figures.extend(load::figures(&daemon, ours));
    drop(daemon);
    figures.push(timing::figure());
    figures.extend(races::figures());
    figures
}

/// Makes `user0`, `user1` and so on, and gives an administrator's token.
fn add_users(daemon: &Daemon, number: usize) -> String {
    let token = daemon.musterd(&["token", "create", "--scope", "admin"])["token"].as_str().unwrap().to_owned();
    for n in 0..number {
        let body = json!({"username": format!("user{n}"), "name": "X", "email": format!("user{n}@example.org"), "password": PASSWORD});
        let (status, _) =
            Client::connect(&daemon.address).send(&request("POST", "/api/v1/users", &token, &body.to_string()));
        assert_eq!(status, 201);
    }
    token
}

/// A login as bytes.
fn login(username: &str, password: &str) -> Vec<u8> {
    let body = json!({"username": username, "password": password}).to_string();
    request("POST", "/api/v1/authenticate", "", &body)
}

/// Sends the same number of requests at a time, each over a connection of its own, and gives the statuses.
fn at_once(daemon: &Daemon, requests: &[Vec<u8>]) -> Vec<u16> {
    let start = std::sync::Barrier::new(requests.len());
    std::thread::scope(|scope| {
        let start = &start;
        let mut senders = Vec::new();
        for request in requests {
            senders.push(scope.spawn(move || {
                let mut client = Client::connect(&daemon.address);
                start.wait();
                client.send(request).0
            }));
        }
        senders.into_iter().map(|sender| sender.join().unwrap()).collect()
    })
}

fn rate((count, took): (usize, Duration)) -> f64 {
    count as f64 / took.as_secs_f64()
}

/// Runs the same work on several threads for one round.
fn in_parallel(threads: usize, work: impl Fn(usize, &AtomicBool) -> usize + Sync) -> (usize, Duration) {
    let stop = AtomicBool::new(false);
    let start = Instant::now();
    let count = std::thread::scope(|scope| {
        let (stop, work) = (&stop, &work);
        let workers: Vec<_> = (0..threads).map(|n| scope.spawn(move || work(n, stop))).collect();
        std::thread::sleep(ROUND);
        stop.store(true, Ordering::Relaxed);
        workers.into_iter().map(|worker| worker.join().unwrap()).sum()
    });
    (count, start.elapsed())
}

fn bare_hashes() -> (usize, Duration) {
    let params = Params::new(19_456, 2, 1, Some(32)).unwrap();
    in_parallel(std::thread::available_parallelism().unwrap().get(), |_, stop| {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let mut blocks = vec![Block::default(); params.block_count()];
        let mut count = 0;
        while !stop.load(Ordering::Relaxed) {
            let mut out = [0; 32];
            argon2
                .hash_password_into_with_memory(PASSWORD.as_bytes(), b"0123456789abcdef", &mut out, &mut blocks)
                .unwrap();
            count += 1;
        }
        count
    })
}

fn logins(daemon: &Daemon) -> (usize, Duration) {
    in_parallel(CLIENTS, |n, stop| {
        let login = login(&format!("user{n}"), PASSWORD);
        let mut client = Client::connect(&daemon.address);
        let mut count = 0;
        while !stop.load(Ordering::Relaxed) {
            let (status, _) = client.send(&login);
            assert_eq!(status, 200);
            count += 1;
        }
        count
    })
}
