//! The daemon on the store that was filled: how fast it starts, what memory it takes after mixed work, and what disk
//! after a compaction.

use std::time::{Duration, Instant};

use super::{Daemon, limit, ms, name, percentile, scattered, settings};
use crate::Figure;
use crate::client::{Client, request};

/// Requests of each kind.
const MIXED: usize = 5_000;
const PAGES: usize = 1_000;

pub(crate) fn figures(folder: tempfile::TempDir, users: usize) -> Vec<Figure> {
    let goals = if users > 100_000 { (1_000.0, 5.0) } else { (250.0, 5.0) };
    let data = settings(folder.path()).folder;
    let start = Instant::now();
    let daemon = Daemon::start_in(folder, "[[sources]]\nid = \"corp\"\nkind = \"scim\"\n");
    let ready = start.elapsed().as_secs_f64();
    let fresh = daemon.memory_mb();
    let pages = mixed(&daemon, users);
    let used = daemon.memory_mb();
    let mut figures = vec![
        limit(format!("start with {users} users"), ready, goals.1, "s"),
        limit(format!("memory with {users} users after mixed work ({fresh:.0} MB before)"), used, goals.0, "MB"),
        limit(format!("GET /api/v1/users?limit=100 anywhere among {users}, p99"), ms(pages), 5.0, "ms"),
    ];
    let folder = daemon.stop();
    let before = disk(&data);
    let compaction = Instant::now();
    Daemon::run_in(&folder, &["compact"]);
    figures.push(limit(
        format!(
            "disk for {users} users after compact ({before:.0} MB before, {:.0} s)",
            compaction.elapsed().as_secs_f64()
        ),
        disk(&data),
        2_000.0 * users as f64 / 1e6,
        "MB",
    ));
    figures
}

/// Lookups, creations and changes over HTTP, then pages. Gives the p99 of the pages.
fn mixed(daemon: &Daemon, users: usize) -> Duration {
    let admin = daemon.musterd(&["token", "create", "--scope", "admin"])["token"].as_str().unwrap().to_owned();
    let mut client = Client::connect(&daemon.address);
    for (n, user) in scattered(MIXED, users - 101).enumerate() {
        let (status, _) = client.send(&request("GET", &format!("/api/v1/users/{}", name(user)), &admin, ""));
        assert_eq!(status, 200);
        if n % 4 == 0 {
            let body = format!(r#"{{"username":"new{n}","name":"New","email":"new{n}@example.com"}}"#);
            assert_eq!(client.send(&request("POST", "/api/v1/users", &admin, &body)).0, 201);
            let change = r#"{"description":"changed"}"#;
            let patch = request("PATCH", &format!("/api/v1/users/new{n}"), &admin, change);
            assert_eq!(client.send(&patch).0, 200);
        }
    }
    let mut times = Vec::new();
    for user in scattered(PAGES, users - 101) {
        // A cursor says where a page ended: place, and the id of the user there.
        let (_, body) = client.send(&request("GET", &format!("/api/v1/users/{}", name(user)), &admin, ""));
        let shown: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let place = serde_json::json!([false, name(user), shown["id"]]).to_string();
        let cursor = data_encoding::BASE64URL_NOPAD.encode(place.as_bytes());
        let page = request("GET", &format!("/api/v1/users?limit=100&cursor={cursor}"), &admin, "");
        let start = Instant::now();
        let (status, body) = client.send(&page);
        times.push(start.elapsed());
        let page: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((status, page["items"][0]["username"].as_str()), (200, Some(name(user + 1).as_str())));
    }
    percentile(&mut times, 0.99)
}

/// Megabytes that the store takes.
fn disk(data: &std::path::Path) -> f64 {
    let output = std::process::Command::new("du").args(["-sk", "--"]).arg(data.join("store")).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    text.split('\t').next().unwrap().parse::<f64>().unwrap() / 1_024.0
}
