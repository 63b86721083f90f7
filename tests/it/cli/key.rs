//! `musterd key rotate`: a new key for stored secrets, while people log in.

use std::process::Command;

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::daemon::TestDaemon;

const PASSWORD: &str = "correct horse battery staple";

fn code(daemon: &TestDaemon, secret: &str) -> Value {
    daemon.advance(SignedDuration::from_secs(60));
    let now = format!("@{}", daemon.clock.now().as_second());
    let output = Command::new("oathtool").args(["--totp", "--base32", "--now", &now, secret]).output().unwrap();
    json!({"code": String::from_utf8(output.stdout).unwrap().trim()})
}

fn logs_in(daemon: &TestDaemon, secret: &str) {
    let asked = daemon.login("ada", PASSWORD);
    assert_eq!(asked.json["status"], "mfa_required", "{asked:?}");
    let verify = format!("/api/v1/authenticate/{}/verify", asked.text("/transaction"));
    let done = daemon.anonymous().post(&verify, &code(daemon, secret));
    assert_eq!(done.json["status"], "authenticated", "{done:?}");
}

#[test]
fn after_a_rotation_second_factors_work_and_the_old_key_opens_nothing() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    let ada = daemon.with_token(&daemon.session("ada", PASSWORD));
    let enrolment = ada.post("/api/v1/me/factors", &json!({"current_password": PASSWORD}));
    let secret = enrolment.text("/secret");
    let confirm = format!("/api/v1/me/factors/{}/confirm", enrolment.text("/id"));
    assert_eq!(ada.post(&confirm, &code(&daemon, &secret)).status, 200);
    let key_file = daemon.folder().join("data/seal.key");
    let before = std::fs::read_to_string(&key_file).unwrap();

    let output = daemon.musterd(&["key", "rotate", "--json"]);
    assert!(output.status.success(), "{output:?}");
    let done: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(done["values"].as_u64().unwrap() >= 1, "{done}");
    let kept = std::fs::read_to_string(done["old_key_file"].as_str().unwrap()).unwrap();
    let after = std::fs::read_to_string(&key_file).unwrap();
    assert!(kept == before && after != before && after.lines().count() == 1);
    logs_in(&daemon, &secret);
    assert_eq!(daemon.admin().get("/api/v1/audit?limit=200").json.to_string().matches("store.key_rotated").count(), 1);

    let daemon = daemon.restart();
    logs_in(&daemon, &secret);
    let viewer = daemon.token(&["--scope", "users.view"]);
    let refused = daemon.with_token(&viewer).post("/api/v1/key/rotate", &json!({}));
    assert_eq!((refused.status, refused.code()), (403, "forbidden"), "{refused:?}");
}
