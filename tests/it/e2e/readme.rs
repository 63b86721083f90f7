//! The tour of the README, word for word: every block is run as it stands, in one shell. Only the folder and the
//! ports are the test's own, and the program is the one that was built with the tests.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use crate::harness::daemon::binary;

/// The shell blocks of a section.
fn blocks(readme: &str, section: &str) -> Vec<String> {
    let start = readme.find(&format!("\n## {section}\n")).unwrap() + 4;
    let text = &readme[start..];
    let text = &text[..text.find("\n## ").unwrap()];
    text.split("```sh\n").skip(1).map(|block| block.split("```").next().unwrap().to_owned()).collect()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn the_tour_of_the_readme_works_word_for_word() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = std::fs::read_to_string(root.join("README.md")).unwrap();
    let blocks = blocks(&readme, "Five minutes");
    assert!(blocks[0].contains("cargo build --release"));
    let folder = tempfile::tempdir().unwrap();
    let tour = folder.path().join("tour").display().to_string();
    let (http, ldap) = (free_port().to_string(), free_port().to_string());
    let mut script = format!(
        "set -euo pipefail\nmkdir -p {tour}; cd {tour}\n\
         trap 'kill $(jobs -p) $(cat {tour}/ldap/slapd.pid) 2>/dev/null || true' EXIT\nexport MUSTERD__SERVER__LISTEN=127.0.0.1:{http}\n"
    );
    for block in &blocks[1..] {
        script += &block.replace("/tmp/musterd-tour", &tour).replace("8480", &http).replace("3636", &ldap);
    }
    let path = format!("{}:{}", binary().parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash").arg("-c").arg(&script).env("PATH", path).output().unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("/set-password#mst_l_"), "{printed}");
    assert_eq!(printed.matches("\"status\":\"authenticated\"").count(), 3, "{printed}");
    for expected in
        ["1 read: 0 new", "invalid_credentials", "account_disabled", "Grace Hopper", "katherine@example.org"]
    {
        assert!(printed.contains(expected), "{expected} in {printed}");
    }
}
