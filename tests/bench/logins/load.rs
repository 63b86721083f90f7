//! Three times as many logins as can be checked: what is accepted is accepted soon, and the rest is told at once.

use std::time::{Duration, Instant};

use super::{CLIENTS, PASSWORD, login};
use crate::Figure;
use crate::client::Client;
use crate::daemon::Daemon;

const TIME: Duration = Duration::from_secs(12);
/// So many that some are free to send while all places of the queue are taken.
const SENDERS: usize = 192;

pub(super) fn figures(daemon: &Daemon, capacity: f64) -> [Figure; 3] {
    daemon.forget_peak();
    let before = daemon.memory_mb();
    let offered = 3.0 * capacity;
    let every = Duration::from_secs_f64(SENDERS as f64 / offered);
    let answers: Vec<(u16, Duration)> = std::thread::scope(|scope| {
        let senders: Vec<_> = (0..SENDERS).map(|n| scope.spawn(move || send(daemon, n, every))).collect();
        senders.into_iter().flat_map(|sender| sender.join().unwrap()).collect()
    });
    let peak = daemon.peak_mb();
    let of = |wanted: u16| -> Vec<f64> {
        let times = answers.iter().filter(|(status, _)| *status == wanted);
        times.map(|(_, took)| took.as_secs_f64() * 1_000.0).collect()
    };
    let (accepted, refused) = (of(200), of(429));
    assert_eq!(accepted.len() + refused.len(), answers.len(), "nothing else is answered");
    let rate = answers.len() as f64 / TIME.as_secs_f64();
    let (slow, late) = (p99(&accepted), p99(&refused));
    let row = |what: String, ours: String, ratio: f64, goal: &str| Figure {
        what,
        ours,
        other: format!("{rate:.0}/s offered"),
        ratio,
        goal: goal.to_owned(),
        met: ratio < 1.0,
    };
    let count = |all: &[f64]| format!("{:.0}/s", all.len() as f64 / TIME.as_secs_f64());
    [
        row(
            format!("overload: p99 of the {} accepted", count(&accepted)),
            format!("{slow:.0} ms"),
            slow / 1_500.0,
            "below 1,500 ms",
        ),
        row(
            format!("overload: p99 of the {} refused", count(&refused)),
            format!("{late:.1} ms"),
            late / 50.0,
            "below 50 ms",
        ),
        row(
            format!("overload: most memory ({before:.0} MB before)"),
            format!("{peak:.0} MB"),
            peak / 400.0,
            "below 400 MB",
        ),
    ]
}

/// Sends a login at each of its times, unless the one before is not answered yet.
fn send(daemon: &Daemon, n: usize, every: Duration) -> Vec<(u16, Duration)> {
    let login = login(&format!("user{}", n % CLIENTS), PASSWORD);
    let mut client = Client::connect(&daemon.address);
    let start = Instant::now();
    let mut next = every.mul_f64(n as f64 / SENDERS as f64);
    let mut answers = Vec::new();
    while next < TIME {
        std::thread::sleep(next.saturating_sub(start.elapsed()));
        let sent = Instant::now();
        let (status, _) = client.send(&login);
        answers.push((status, sent.elapsed()));
        while next <= start.elapsed() {
            next += every;
        }
    }
    answers
}

fn p99(times: &[f64]) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times.get(times.len() * 99 / 100).copied().unwrap_or(f64::NAN)
}
