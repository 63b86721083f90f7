//! What a SCIM lookup by userName among 10,000 users costs the server, against `GET /healthz`.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use serde_json::json;

use crate::Figure;
use crate::client::{Client, request};
use crate::daemon::Daemon;

const USERS: usize = 10_000;
const REQUESTS: usize = 60_000;
const ROUNDS: usize = 3;
const CLIENTS: usize = 16;

pub(crate) fn figures() -> Vec<Figure> {
    let daemon = Daemon::start("[[sources]]\nid = \"okta\"\nkind = \"scim\"\n");
    let token = daemon.musterd(&["token", "create", "--source", "okta"])["token"].as_str().unwrap().to_owned();
    let start = Instant::now();
    fill(&daemon, &token);
    println!(
        "{USERS} users pushed by SCIM, acknowledged on disk: {:.0}/s",
        USERS as f64 / start.elapsed().as_secs_f64()
    );
    let (mut lookup, mut health) = (0.0, 0.0);
    for _ in 0..ROUNDS {
        health += cost(&daemon, |_| request("GET", "/healthz", "", ""));
        lookup += cost(&daemon, |n| {
            let path = format!("/scim/v2/Users?filter=userName%20eq%20%22User{}%22", (n * 7919) % USERS);
            request("GET", &path, &token, "")
        });
    }
    let (lookup, health) = (lookup / ROUNDS as f64, health / ROUNDS as f64);
    vec![Figure {
        what: format!("GET /scim/v2/Users?filter=userName eq … among {USERS}"),
        ours: format!("{lookup:.1} µs server CPU"),
        other: format!("{health:.1} µs GET /healthz"),
        ratio: lookup / health,
        goal: "less than 3".to_owned(),
        met: lookup / health < 3.0,
    }]
}

fn fill(daemon: &Daemon, token: &str) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CLIENTS {
            scope.spawn(|| {
                let mut client = Client::connect(&daemon.address);
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= USERS {
                        return;
                    }
                    let body = json!({
                        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
                        "userName": format!("user{n}"), "externalId": format!("id-{n}"), "displayName": format!("User {n}"),
                        "name": {"givenName": "User", "familyName": format!("{n}")},
                        "emails": [{"value": format!("user{n}@example.org"), "type": "work", "primary": true}],
                    });
                    let (status, answer) = client.send(&request("POST", "/scim/v2/Users", token, &body.to_string()));
                    assert_eq!(status, 201, "{}", String::from_utf8_lossy(&answer));
                }
            });
        }
    });
}

/// Microseconds of the daemon's processor time for one request.
fn cost(daemon: &Daemon, make: impl Fn(usize) -> Vec<u8> + Sync) -> f64 {
    let before = daemon.cpu();
    std::thread::scope(|scope| {
        for client in 0..2 {
            let make = &make;
            scope.spawn(move || {
                let mut connection = Client::connect(&daemon.address);
                for n in 0..REQUESTS / 2 {
                    assert_eq!(connection.send(&make(n * 2 + client)).0, 200);
                }
            });
        }
    });
    (daemon.cpu() - before).as_micros() as f64 / REQUESTS as f64
}
