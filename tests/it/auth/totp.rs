//! Second factors with an independent one-time password program, `oathtool`.

use std::process::Command;

use jiff::SignedDuration;
use serde_json::json;

use crate::harness::daemon::TestDaemon;

const PASSWORD: &str = "correct horse battery";

/// The code that oathtool computes for the daemon's time.
pub(super) fn oathtool(daemon: &TestDaemon, secret: &str) -> String {
    let now = daemon.clock.now().as_second();
    let output = Command::new("oathtool")
        .args(["--totp", "--base32", "--now", &format!("@{now}"), secret])
        .output()
        .expect("oathtool runs; install the package oathtool");
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn o_03_o_07_a_factor_is_enrolled_by_its_owner_and_each_step_of_it_counts_once() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    let ada = daemon.with_token(&daemon.session("ada", PASSWORD));
    assert_eq!(ada.post("/api/v1/me/factors", &json!({"current_password": "wrong"})).code(), "invalid_credentials");
    let enrolment = ada.post("/api/v1/me/factors", &json!({"current_password": PASSWORD}));
    let (id, secret) = (enrolment.text("/id"), enrolment.text("/secret"));
    assert!(enrolment.text("/uri").starts_with("otpauth://totp/musterd:ada?secret="), "{enrolment:?}");
    assert_eq!(daemon.login("ada", PASSWORD).json["status"], "authenticated", "not before it is confirmed");
    let confirm = |code: &str| ada.post(&format!("/api/v1/me/factors/{id}/confirm"), &json!({"code": code}));
    assert_eq!(confirm("000000").code(), "invalid_credentials");
    let session = confirm(&oathtool(&daemon, &secret)).text("/session/token");
    assert_eq!(confirm("000000").code(), "unauthenticated", "the old token has ended");
    let ada = daemon.with_token(&session);
    let confirm = |code: &str| ada.post(&format!("/api/v1/me/factors/{id}/confirm"), &json!({"code": code}));

    daemon.advance(SignedDuration::from_secs(30));
    assert_eq!(confirm(&oathtool(&daemon, &secret)).code(), "not_found", "a factor is added once");
    let asked = daemon.login("ada", PASSWORD);
    assert_eq!((&asked.json["status"], &asked.json["methods"]), (&json!("mfa_required"), &json!(["totp"])));
    assert!(asked.json.get("session").is_none() && asked.json.get("user").is_none());
    let step = |what: &str, body| {
        daemon.anonymous().post(&format!("/api/v1/authenticate/{}/{what}", asked.text("/transaction")), &body)
    };
    assert_eq!(step("challenge", json!({"method": "totp"})).status, 200);
    assert_eq!(step("password", json!({"password": "another long password"})).code(), "wrong_step");
    assert_eq!(step("enrol", json!({"method": "totp"})).code(), "wrong_step");
    for body in [json!({}), json!(null), json!([]), json!({"code": null})] {
        assert_eq!(step("verify", body).status, 400);
    }
    let code = oathtool(&daemon, &secret);
    let done = step("verify", json!({"method": "totp", "code": code}));
    assert_eq!((&done.json["status"], &done.json["factors"]), (&json!("authenticated"), &json!(["otp", "pwd"])));
    assert_eq!(step("verify", json!({"code": code})).code(), "no_such_transaction");

    let replay = daemon.login("ada", PASSWORD).text("/transaction");
    let replayed = daemon.anonymous().post(&format!("/api/v1/authenticate/{replay}/verify"), &json!({"code": code}));
    assert_eq!(replayed.code(), "invalid_credentials");
    // What was accepted stays accepted once over a restart, even when the clock is turned back.
    let daemon = daemon.restart();
    daemon.advance(SignedDuration::from_hours(-24));
    let replay = daemon.login("ada", PASSWORD).text("/transaction");
    let early = oathtool(&daemon, &secret);
    let replayed = daemon.anonymous().post(&format!("/api/v1/authenticate/{replay}/verify"), &json!({"code": early}));
    assert_eq!(replayed.code(), "invalid_credentials");
}

#[test]
fn a_forced_factor_is_enrolled_during_the_login_and_cannot_be_switched_off() {
    let daemon = TestDaemon::start("[mfa]\npolicy = \"all\"\n[passwords]\nmin_length_with_factor = 8\n");
    daemon.local_user("ada", "8 chars!");
    let asked = daemon.login("ada", "8 chars!");
    assert_eq!(asked.json["status"], "mfa_enrolment_required");
    let step = |what: &str, body| {
        daemon.anonymous().post(&format!("/api/v1/authenticate/{}/{what}", asked.text("/transaction")), &body)
    };
    assert_eq!(step("verify", json!({"code": "123456"})).code(), "wrong_step");
    let enrolment = step("enrol", json!({"method": "totp"}));
    let (id, secret) = (enrolment.text("/factor"), enrolment.text("/secret"));
    let done = step("verify", json!({"code": oathtool(&daemon, &secret)}));
    assert_eq!(done.json["status"], "authenticated", "{done:?}");
    let ada = daemon.with_token(&done.text("/session/token"));
    daemon.advance(SignedDuration::from_secs(30));
    let removal = json!({"code": oathtool(&daemon, &secret)}).to_string();
    let refused = ada.call("DELETE", &format!("/api/v1/me/factors/{id}"), Some(removal), &[]);
    assert_eq!(refused.json["errors"][0]["code"], "required", "{refused:?}");
    assert_eq!(daemon.admin().delete("/api/v1/users/ada/mfa").json["removed"], 1);
    assert_eq!(daemon.login("ada", "8 chars!").json["status"], "mfa_enrolment_required");
}
