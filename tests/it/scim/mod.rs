//! The SCIM endpoint under a suite that is not ours.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use crate::harness::daemon::TestDaemon;

mod administration;
mod checklist;
mod clients;
mod oracle;

#[test]
fn scim2_tester_finds_no_error() {
    // The tester makes up passwords of its own.
    let daemon = TestDaemon::start(
        "[passwords]\nmin_length = 8\nmin_length_with_factor = 8\n[[sources]]\nid = \"okta\"\nkind = \"scim\"\n",
    );
    let token = daemon.token(&["--source", "okta"]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let output = Command::new(root.join(".cache/venv/bin/python"))
        .arg(root.join("it/scim/tester.py"))
        .args([&format!("{}/scim/v2", daemon.base), &token])
        .output()
        .expect("the virtual environment of tests/run is there");
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("SUCCESS="), "{printed}");
}

#[test]
fn a_request_that_takes_too_long_is_answered_in_scims_form() {
    let settings = "[[sources]]\nid = \"okta\"\nkind = \"scim\"\n";
    let daemon = TestDaemon::start_with_server("request_timeout = \"1s\"\n", settings);
    let token = daemon.token(&["--source", "okta"]);
    let mut stream = TcpStream::connect(daemon.inside.settings.listen).unwrap();
    // A body that is announced and never comes.
    let head = format!(
        "POST /scim/v2/Users HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         content-type: application/scim+json\r\ncontent-length: 100\r\n\r\n{{"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = vec![0; 4_096];
    let length = stream.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]).to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 503") && answer.contains("content-type: application/scim+json"), "{answer}");
    assert!(answer.contains("urn:ietf:params:scim:api:messages:2.0:error"), "{answer}");
}
