//! Does the time of an answer tell whose password was forgotten, while the mail server hangs?

use std::net::TcpListener;
use std::time::Instant;

use serde_json::json;

use super::timing::median;
use super::{add_users, request};
use crate::Figure;
use crate::client::Client;
use crate::daemon::Daemon;

/// Each asked for once: who is asked for again within a minute gets nothing.
const SAMPLES: usize = 1_000;

pub(super) fn figure() -> Figure {
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = hanging.local_addr().unwrap().port();
    let daemon = Daemon::start(&format!(
        "[mail]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nfrom = \"directory@example.org\"\n\
         [lockout]\ntrusted_networks = [\"127.0.0.1\"]\n[hashing]\nmemory_kib = 64\niterations = 1\n"
    ));
    add_users(&daemon, SAMPLES);
    let mut client = Client::connect(&daemon.address);
    let mut took = |name: &str| {
        let body = json!({"username": name}).to_string();
        let asked = request("POST", "/api/v1/forgotten-password", "", &body);
        let start = Instant::now();
        assert_eq!(client.send(&asked).0, 202);
        start.elapsed().as_secs_f64() * 1_000.0
    };
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for n in 0..SAMPLES {
        // In turns, so that neither is always the first after the other.
        if n % 2 == 0 {
            known.push(took(&format!("user{n}")));
            unknown.push(took(&format!("none{n}")));
        } else {
            unknown.push(took(&format!("none{n}")));
            known.push(took(&format!("user{n}")));
        }
    }
    let (known, unknown) = (median(known), median(unknown));
    Figure {
        what: format!("a forgotten password of a known user, mail server hanging, median of {SAMPLES}"),
        ours: format!("{known:.2} ms"),
        other: format!("{unknown:.2} ms of an unknown one"),
        ratio: known / unknown,
        goal: "0.95 to 1.05".to_owned(),
        met: (0.95..=1.05).contains(&(known / unknown)),
    }
}
