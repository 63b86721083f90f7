//! `musterd sms test`: what an administrator sees.

use serde_json::json;

use super::NUMBER;
use crate::harness::daemon::TestDaemon;
use crate::harness::web_server::{Does, WebServer};

fn settings(refusing: &str, taking: &str) -> String {
    let one = |name: &str, at: &str| {
        format!(
            "[[sms.providers]]\nname = \"{name}\"\nkind = \"http\"\nurl = \"http://{at}/send\"\ntoken = \"hunter2\"\n\
             body = '{{\"to\": \"{{to}}\", \"text\": \"{{text}}\"}}'\n"
        )
    };
    format!("[sms]\ncalling_codes = [\"+31\"]\ndaily_limit = 2\n{}{}", one("first", refusing), one("second", taking))
}

#[test]
fn a_test_tells_what_each_provider_said_and_counts_against_the_limits() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let refusing = runtime.block_on(WebServer::start(None, Does::answer("400 Bad Request", "", "")));
    let taking = runtime.block_on(WebServer::start(None, Does::answer("200 OK", "", r#"{"id": "m-1"}"#)));
    let daemon = TestDaemon::start(&settings(&refusing.authority, &taking.authority));
    let output = daemon.musterd(&["sms", "test", NUMBER, "--json"]);
    assert!(output.status.success(), "{output:?}");
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let outcomes: Vec<_> =
        answer["items"].as_array().unwrap().iter().map(|one| (&one["provider"], &one["outcome"])).collect();
    assert_eq!(outcomes, [(&json!("first"), &json!("refused")), (&json!("second"), &json!("accepted"))]);
    assert_eq!(taking.asked().len(), 1);

    let again = daemon.musterd(&["sms", "test", NUMBER]);
    let said = String::from_utf8(again.stderr).unwrap();
    assert!(!again.status.success() && said.contains("limit of texts to this number"), "{said}");
    let elsewhere = daemon.musterd(&["sms", "test", "+4915112345678"]);
    let said = String::from_utf8(elsewhere.stderr).unwrap();
    assert!(!elsewhere.status.success() && said.contains("sms.calling_codes"), "{said}");
    let only = daemon.musterd(&["sms", "test", "+31612345601", "--provider", "first"]);
    assert!(!only.status.success(), "no provider took it");
    let full = daemon.musterd(&["sms", "test", "+31612345602"]);
    assert!(String::from_utf8(full.stderr).unwrap().contains("sms.daily_limit"));
    assert_eq!((refusing.asked().len(), taking.asked().len()), (2, 1));

    let audit = daemon.musterd(&["audit", "--json"]);
    let audit = String::from_utf8(audit.stdout).unwrap();
    assert!(audit.contains("sms.tested") && !audit.contains(&NUMBER[1..]), "{audit}");
}

#[test]
fn without_a_provider_a_test_says_so() {
    let daemon = TestDaemon::start("");
    let output = daemon.musterd(&["sms", "test", NUMBER]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.contains("[[sms.providers]]"), "{said}");
}
