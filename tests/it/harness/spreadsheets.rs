//! Spreadsheets as another program reads and writes them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

fn peer(what: &str, file: &Path, input: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut child = Command::new(root.join("tests/.cache/venv/bin/python"))
        .arg(root.join("tests/it/harness/spreadsheets.py"))
        .arg(what)
        .arg(file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the tests' own python runs; tests/run makes it");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "spreadsheets.py fails");
    String::from_utf8(output.stdout).unwrap()
}

/// The rows of a workbook: each cell its type and its value.
pub(crate) fn rows(file: &[u8]) -> Vec<Vec<(String, Value)>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.xlsx");
    std::fs::write(&path, file).unwrap();
    serde_json::from_str(&peer("read", &path, "")).unwrap()
}

/// A workbook of these rows.
pub(crate) fn workbook(rows: &Value) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("users.xlsx");
    peer("write", &path, &rows.to_string());
    std::fs::read(&path).unwrap()
}
