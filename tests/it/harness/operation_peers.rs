//! What watches the directory from outside, by programs that are not ours.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::json;

use super::web_server::Asked;

fn peer(arguments: &[&str], input: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut child = Command::new(root.join("tests/.cache/venv/bin/python"))
        .arg(root.join("tests/it/harness/operation_peers.py"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the tests' own python runs; tests/run makes it");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "operation_peers.py fails");
    String::from_utf8(output.stdout).unwrap()
}

/// What the reference library of Standard Webhooks says of each of these requests: `ok`, or why not.
pub(crate) fn verified(secret: &str, asked: &[Asked]) -> Vec<String> {
    let line = |one: &Asked| {
        let names = ["webhook-id", "webhook-timestamp", "webhook-signature"];
        let headers: BTreeMap<_, _> = names.iter().map(|name| (*name, one.header(name))).collect();
        json!({"headers": headers, "body": one.body}).to_string()
    };
    let lines: Vec<String> = asked.iter().map(line).collect();
    peer(&["verify", secret], &lines.join("\n")).lines().map(str::to_owned).collect()
}

/// Figures as Prometheus parses them: by name and labels, such as `musterd_users{source=local,state=active}`.
pub(crate) fn figures(text: &str) -> BTreeMap<String, f64> {
    serde_json::from_str(&peer(&["metrics"], text)).unwrap()
}
