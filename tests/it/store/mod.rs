//! The store under what befalls machines: kills without warning, power cuts, damaged files, a full disk.
//!
//! Clients write through the real daemon process and note what they were told; afterwards each acknowledged write
//! is looked for. `tests/kill` runs the same for longer.

mod client;
mod damage;
mod disk;
mod kill;
mod migration;
mod tmpfs;

use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::harness::process::{Ended, Place, Process};
use client::Client;

/// Hashing is cheap: nothing here is about guessing passwords.
const SETTINGS: &str = "[store]\ncache = \"16MiB\"\n[hashing]\nmemory_kib = 64\niterations = 1\n";

/// A number from the environment.
fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} must be a number")),
        Err(_) => default,
    }
}

/// How often something is done in a run that kills `MUSTERD_KILLS` times under writes; six times by default.
pub(crate) fn times(in_the_default_run: u64) -> u64 {
    (number("MUSTERD_KILLS", 6) * in_the_default_run).div_ceil(6)
}

/// Prints what a run came to.
#[expect(clippy::print_stdout, reason = "the counts are what these runs are for")]
pub(crate) fn tell(line: &str) {
    println!("{line}");
}

/// What all pseudo-random choices of a run follow from.
pub(crate) fn seed() -> u64 {
    number("MUSTERD_SEED", 17)
}

/// Lets all clients write until the daemon is killed after this time.
fn kill_under_writes(daemon: Process, clients: &mut [Client], after: Duration) {
    let base = daemon.base();
    thread::scope(|scope| {
        for client in clients {
            scope.spawn(|| client.write_until_cut_off(&base));
        }
        thread::sleep(after);
        killed(daemon);
    });
}

/// Kills the daemon some time after a work that it was asked for has begun. Gives what the work came to.
fn kill_while<T: Send>(
    daemon: Process,
    work: impl FnOnce() -> T + Send,
    begun: impl Fn() -> bool,
    after: Duration,
) -> T {
    thread::scope(|scope| {
        let work = scope.spawn(work);
        while !work.is_finished() && !begun() {}
        thread::sleep(after);
        killed(daemon);
        work.join().unwrap()
    })
}

/// Asks each client for what is not as it was acknowledged.
fn lost(clients: &mut [Client], daemon: &Process) -> Vec<String> {
    let base = daemon.base();
    let base = &base;
    thread::scope(|scope| {
        let checks: Vec<_> = clients.iter_mut().map(|client| scope.spawn(move || client.lost(base))).collect();
        checks.into_iter().flat_map(|check| check.join().unwrap()).collect()
    })
}

/// Writes acknowledged to these clients so far.
fn acknowledged(clients: &[Client]) -> u64 {
    clients.iter().map(|client| client.acknowledged).sum()
}

/// What `musterd verify` counts in a store that holds together.
fn verified(place: &Place) -> Value {
    let output = place.run(&["verify", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert!(output.status.success(), "{report}");
    report
}

/// A kill finds a daemon that had nothing to complain of.
fn killed(daemon: Process) {
    let ended: Ended = daemon.kill();
    assert!(ended.signal() == Some(9) && !ended.panicked(), "{ended:?}");
}
