//! Another SCIM server in the same run: scim2-server, in Python, which keeps everything in memory.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// What lets one in.
const TOKEN: &str = "token-of-the-service";

pub(crate) struct Other {
    child: Child,
    address: String,
    ids: OnceLock<Vec<String>>,
}

impl Other {
    pub(crate) fn start() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
        let mut child = Command::new(root.join(".cache/venv/bin/python"))
            .args([root.join("it/harness/scim_server.py").as_os_str(), TOKEN.as_ref()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the virtual environment of tests/run is there");
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Self { child, address: format!("127.0.0.1:{}", line.trim()), ids: OnceLock::new() }
    }

    pub(crate) fn fill(&self, users: usize) {
        let make = |n| self.send("POST", "/Users", &super::user(n));
        let ids = (0..users).map(|n| make(n)["id"].as_str().unwrap().to_owned()).collect();
        self.ids.set(ids).unwrap();
    }

    pub(crate) fn ids(&self) -> &[String] {
        self.ids.get().unwrap()
    }

    /// Microseconds of its processor time for one request.
    pub(crate) fn cost(&self, method: &str, requests: usize, make: impl Fn(usize) -> (String, Value)) -> f64 {
        let before = self.ticks();
        for n in 0..requests {
            let (path, body) = make(n);
            self.send(method, &path, &if body.is_null() { String::new() } else { body.to_string() });
        }
        // USER_HZ is 100 on Linux.
        (self.ticks() - before) as f64 * 10_000.0 / requests as f64
    }

    fn ticks(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    }

    /// One request on a connection of its own: it speaks HTTP/1.0.
    fn send(&self, method: &str, path: &str, body: &str) -> Value {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        let head = format!(
            "{method} /v2{path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {TOKEN}\r\n\
             content-type: application/scim+json\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let text = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.split(' ').nth(1).is_some_and(|status| status.starts_with('2')), "{text}");
        serde_json::from_str(body).unwrap_or_default()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
