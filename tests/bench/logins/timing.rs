//! Does the time of a refusal tell whether there is such a user?

use std::time::Instant;

use super::{add_users, login};
use crate::Figure;
use crate::client::Client;
use crate::daemon::Daemon;

const SAMPLES: usize = 2_000;
/// Wrong passwords of one user: fewer than what locks for good.
const EACH: usize = 50;

pub(super) fn figure() -> Figure {
    let daemon = Daemon::start("[lockout]\npassword_attempts = 1000\nnetwork_attempts = 1000000\n");
    add_users(&daemon, SAMPLES / EACH);
    let mut client = Client::connect(&daemon.address);
    let mut took = |name: &str| {
        let login = login(name, "a wrong password");
        let start = Instant::now();
        assert_eq!(client.send(&login).0, 401);
        start.elapsed().as_secs_f64() * 1_000.0
    };
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for n in 0..SAMPLES {
        known.push(took(&format!("user{}", n / EACH)));
        unknown.push(took(&format!("none{}", n / EACH)));
    }
    let (known, unknown) = (median(known), median(unknown));
    Figure {
        what: format!("a wrong password of a known user, median of {SAMPLES}"),
        ours: format!("{known:.2} ms"),
        other: format!("{unknown:.2} ms of an unknown one"),
        ratio: known / unknown,
        goal: "0.95 to 1.05".to_owned(),
        met: (0.95..=1.05).contains(&(known / unknown)),
    }
}

pub(super) fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}
