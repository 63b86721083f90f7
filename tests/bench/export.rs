//! Users as files, from the daemon as a process of its own: the time of an export, against one that reads the same
//! records and writes nothing but their ids, and the memory that it takes while it runs.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use musterd::base::clock::Clock;

use crate::Figure;
use crate::client::request;
use crate::daemon::Daemon;
use crate::store::limit;
use crate::sweep;

const SOURCES: &str = "[[sources]]\nid = \"corp\"\nkind = \"scim\"\n[[sources]]\nid = \"exempt\"\nkind = \"scim\"\n";

pub(crate) fn figures(users: usize) -> Vec<Figure> {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = sweep::open(&folder.path().join("data"), &Clock::system());
        sweep::fill(&store, users).await;
    });
    drop(runtime);
    let daemon = Daemon::start_in(folder, SOURCES);
    let token = daemon.musterd(&["token", "create", "--scope", "admin"])["token"].as_str().unwrap().to_owned();
    let take = |query: &str| {
        daemon.forget_peak();
        let (before, start) = (daemon.memory_mb(), Instant::now());
        let bytes = taken(&daemon.address, &format!("/api/v1/users/export?{query}"), &token);
        (start.elapsed().as_secs_f64(), daemon.peak_mb() - before, bytes)
    };
    take("columns=id");
    let (alone, alone_memory, _) = take("columns=id");
    let hundred_thousands = users as f64 / 100_000.0;
    let mut figures = Vec::new();
    for (format, goal) in [("csv", 3.0), ("xlsx", 12.0)] {
        let (seconds, memory, bytes) = take(&format!("format={format}"));
        let goal = goal * hundred_thousands;
        figures.push(Figure {
            what: format!(
                "export of {users} users as {format} ({:.0} MB), against their ids alone",
                bytes as f64 / 1e6
            ),
            ours: format!("{seconds:.2} s"),
            other: format!("{alone:.2} s"),
            ratio: seconds / alone,
            goal: format!("<= {goal:.1} s"),
            met: seconds <= goal,
        });
        let what = format!("memory above rest while {users} users leave as {format} (ids alone: {alone_memory:.0} MB)");
        figures.push(limit(what, memory, 64.0, "MB"));
    }
    figures
}

/// Takes an answer of any length, and gives how many bytes came.
fn taken(address: &str, path: &str, token: &str) -> usize {
    let mut stream = TcpStream::connect(address).unwrap();
    let asked = request("GET", path, token, "");
    let asked =
        String::from_utf8(asked).unwrap().replacen("host: bench\r\n", "host: bench\r\nconnection: close\r\n", 1);
    stream.write_all(asked.as_bytes()).unwrap();
    let (mut buffer, mut bytes, mut last) = (vec![0; 64 << 10], 0, Vec::new());
    loop {
        let count = stream.read(&mut buffer).unwrap();
        if count == 0 {
            break;
        }
        if bytes == 0 {
            assert!(buffer.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&buffer[..count]));
        }
        bytes += count;
        last.extend_from_slice(&buffer[..count]);
        last.drain(..last.len().saturating_sub(5));
    }
    assert_eq!(last, b"0\r\n\r\n", "it came whole");
    bytes
}
