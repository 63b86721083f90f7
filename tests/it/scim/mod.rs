//! The SCIM endpoint under a suite that is not ours.

use std::path::Path;
use std::process::Command;

use crate::harness::daemon::TestDaemon;

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
