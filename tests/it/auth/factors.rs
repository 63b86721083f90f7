//! Second factors over HTTP: every step with every wrong body, codes through a real mail server, and self-service.

use std::process::Command;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::daemon::{Answer, Caller, TestDaemon};
use crate::harness::smtpd::Smtpd;

const PASSWORD: &str = "correct horse battery";

/// The code that oathtool computes for the daemon's time.
pub(crate) fn oathtool(daemon: &TestDaemon, secret: &str) -> String {
    let now = format!("@{}", daemon.clock.now().as_second());
    let output = Command::new("oathtool").args(["--totp", "--base32", "--now", &now, secret]).output();
    String::from_utf8(output.expect("oathtool runs; install the package oathtool").stdout).unwrap().trim().to_owned()
}

/// Enrols a one-time password in a login that asks for one; gives its secret and a caller who is in.
pub(super) fn enrolled(daemon: &TestDaemon, name: &str) -> (String, Caller) {
    let asked = daemon.login(name, PASSWORD);
    let step = |what: &str, body| {
        daemon.anonymous().post(&format!("/api/v1/authenticate/{}/{what}", asked.text("/transaction")), &body)
    };
    let secret = step("enrol", json!({"method": "totp"})).text("/secret");
    let done = step("verify", json!({"code": oathtool(daemon, &secret)}));
    daemon.advance(SignedDuration::from_secs(30));
    (secret, daemon.with_token(&done.text("/session/token")))
}

fn delete(caller: &Caller, path: &str, body: &Value) -> Answer {
    caller.call("DELETE", path, Some(body.to_string()), &[])
}

#[test]
fn s_10_no_step_is_taken_by_an_empty_null_or_foreign_body() {
    let daemon = TestDaemon::start("[mfa]\npolicy = \"all\"\n");
    daemon.local_user("ada", PASSWORD);
    let (secret, _) = enrolled(&daemon, "ada");
    daemon.local_user("bob", PASSWORD);
    let must_change = json!({"must_change_password": true});
    daemon.local_user("eve", PASSWORD);
    daemon.admin().patch("/api/v1/users/eve", &must_change);
    let begun = ["ada", "bob", "eve"].map(|name| daemon.login(name, PASSWORD));
    let statuses = begun.each_ref().map(|answer| answer.json["status"].clone());
    assert_eq!(statuses, ["mfa_required", "mfa_enrolment_required", "password_change_required"]);
    let before = daemon.admin().get("/api/v1/audit?limit=1").json["items"][0]["seq"].clone();
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let strange = [
        "",
        "{}",
        "null",
        "[]",
        "{",
        "\"x\"",
        "1",
        "{\"code\":null}",
        "{\"code\":{}}",
        "{\"admin\":true}",
        "{\"method\":\"carrier-pigeon\",\"code\":\"123456\"}",
        "{\"password\":[]}",
        "{\"code\":123456}",
        &deep,
    ];
    for answer in &begun {
        for step in ["verify", "password", "challenge", "enrol"] {
            for body in strange {
                let path = format!("/api/v1/authenticate/{}/{step}", answer.text("/transaction"));
                let refused = daemon.anonymous().call("POST", &path, Some(body.to_owned()), &[]);
                assert!([400, 409].contains(&refused.status), "{step} {body}: {refused:?}");
                let foreign = [("content-type", "application/x-www-form-urlencoded")];
                let form = daemon.anonymous().call("POST", &path, Some("code=123456".to_owned()), &foreign);
                assert_eq!(form.status, 415);
            }
        }
    }
    for (answer, wrong) in begun.iter().zip([["password", "enrol"], ["password", "verify"], ["enrol", "verify"]]) {
        for step in wrong {
            let path = format!("/api/v1/authenticate/{}/{step}", answer.text("/transaction"));
            let body = match step {
                "password" => json!({"password": "another long password"}),
                "enrol" => json!({"method": "totp"}),
                _ => json!({"code": oathtool(&daemon, &secret)}),
            };
            assert_eq!(daemon.anonymous().post(&path, &body).code(), "wrong_step", "{step}");
        }
    }
    let after = daemon.admin().get("/api/v1/audit?limit=9").json["items"].clone();
    let lines = after.as_array().unwrap().iter().take_while(|line| line["seq"] != before);
    let actions: Vec<_> = lines.map(|line| line["action"].as_str().unwrap().to_owned()).collect();
    assert!(actions.iter().all(|action| action.starts_with("token.")), "nothing was changed: {actions:?}");
    let path = format!("/api/v1/authenticate/{}/verify", begun[0].text("/transaction"));
    let done = daemon.anonymous().post(&path, &json!({"code": oathtool(&daemon, &secret)}));
    assert_eq!(done.json["status"], "authenticated", "the login still waits for the right answer: {done:?}");
}

#[test]
fn a_transaction_survives_a_restart_and_ends_after_ten_minutes() {
    let daemon = TestDaemon::start("[mfa]\npolicy = \"all\"\n");
    daemon.local_user("ada", PASSWORD);
    let (secret, _) = enrolled(&daemon, "ada");
    let (first, second) = (daemon.login("ada", PASSWORD), daemon.login("ada", PASSWORD));
    let daemon = daemon.restart();
    let verify = |answer: &Answer| {
        let path = format!("/api/v1/authenticate/{}/verify", answer.text("/transaction"));
        daemon.anonymous().post(&path, &json!({"code": oathtool(&daemon, &secret)}))
    };
    assert_eq!(verify(&first).json["status"], "authenticated");
    daemon.advance(SignedDuration::from_mins(10));
    assert_eq!(verify(&second).code(), "no_such_transaction");
}

#[test]
fn a_code_by_mail_comes_through_a_real_server_and_in_no_answer_or_audit_line() {
    // The pool of connections to the mail server ends with the daemon, and wants a runtime around it.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let _inside = runtime.enter();
    let smtpd = Smtpd::start(&[]);
    let settings = format!(
        "[mfa]\npolicy = \"all\"\nmethods = [\"email\"]\n[mail]\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n\
         from = \"musterd@example.org\"\n",
        smtpd.port
    );
    let daemon = TestDaemon::start(&settings);
    daemon.local_user("ada", PASSWORD);
    let asked = daemon.login("ada", PASSWORD);
    assert_eq!(asked.json["methods"], json!(["email"]));
    let step = |what: &str, body| {
        daemon.anonymous().post(&format!("/api/v1/authenticate/{}/{what}", asked.text("/transaction")), &body)
    };
    let enrolment = step("enrol", json!({"method": "email"}));
    assert_eq!(enrolment.json["sent_to"], "a***@example.org", "{enrolment:?}");
    assert_eq!(step("challenge", json!({"method": "email"})).code(), "too_many_codes", "one a minute");
    let code = mailed_code(&smtpd, 1);
    assert!(!enrolment.json.to_string().contains(&code));
    let wrong = if code == "123456" { "654321" } else { "123456" };
    assert_eq!(step("verify", json!({"code": wrong})).code(), "invalid_credentials");
    let done = step("verify", json!({"code": code}));
    assert_eq!((&done.json["factors"], &done.json["acr"]), (&json!(["email", "pwd"]), &json!("aal1")), "{done:?}");
    let trail = daemon.admin().get("/api/v1/audit?limit=100").json.to_string();
    assert!(!trail.contains(&code) && trail.contains("factor.refused") && trail.contains("factor.added"));
}

/// The code in the mail of that number, once it has come.
fn mailed_code(smtpd: &Smtpd, number: usize) -> String {
    let watch = musterd::base::clock::Stopwatch::start();
    loop {
        if let Some(mail) = smtpd.mails().get(number - 1) {
            let text = crate::notify::part(&mail.text, "text/plain");
            let digits = text.split(|c: char| !c.is_ascii_digit()).find(|run| run.len() == 6);
            return digits.unwrap_or_else(|| panic!("no code in {text}")).to_owned();
        }
        assert!(watch.elapsed() < Duration::from_secs(30), "the mail does not come");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn s_07_what_matters_is_changed_with_a_fresh_proof_by_the_strongest_factor_alone() {
    let daemon = TestDaemon::start("[mfa]\npolicy = \"all\"\n");
    daemon.local_user("ada", PASSWORD);
    let (secret, ada) = enrolled(&daemon, "ada");
    let code = || oathtool(&daemon, &secret);
    assert_eq!(ada.patch("/api/v1/me", &json!({"name": "Countess"})).json["name"], "Countess");
    for body in [json!({"email": "x@example.org"}), json!({"email": "x@example.org", "current_password": PASSWORD})] {
        let refused = ada.patch("/api/v1/me", &body);
        assert_eq!((refused.code(), &refused.json["methods"]), ("proof_required", &json!(["totp"])));
    }
    let wrong = ada.patch("/api/v1/me", &json!({"email": "x@example.org", "proof": {"code": "000000"}}));
    assert_eq!(wrong.code(), "invalid_credentials");
    let moved = ada.patch("/api/v1/me", &json!({"email": "x@example.org", "proof": {"code": code()}}));
    assert_eq!(moved.json["email"], "x@example.org", "{moved:?}");
    for body in [json!({"mfa": "disabled", "proof": {"code": "000000"}}), json!({"mfa": "forced"})] {
        let refused = ada.patch("/api/v1/me", &body);
        assert!([400, 403].contains(&refused.status), "{refused:?}");
    }
    for field in ["roles", "active", "source", "expires_at", "id", "must_change_password"] {
        assert_eq!(ada.patch("/api/v1/me", &json!({field: "x"})).code(), "unknown_field", "A-03 {field}");
    }
    daemon.advance(SignedDuration::from_secs(30));
    let codes = ada.post("/api/v1/me/recovery-codes", &json!({"code": code()}));
    assert_eq!(codes.json["codes"].as_array().unwrap().len(), 10, "{codes:?}");
    assert_eq!(ada.get("/api/v1/me/recovery-codes").json["left"], 10);
    let factors = ada.get("/api/v1/me/factors").json;
    let id = factors["items"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/me/factors/{id}");
    assert_eq!(ada.patch(&path, &json!({"name": "Old phone"})).status, 204);
    assert_eq!(ada.get("/api/v1/me/factors").json["items"][0]["name"], "Old phone");
    daemon.advance(SignedDuration::from_secs(30));
    let refused = delete(&ada, &path, &json!({"code": code()}));
    assert_eq!(refused.json["errors"][0]["code"], "required", "O-15: {refused:?}");
    let lost = codes.json["codes"][0].as_str().unwrap();
    let new = ada.post("/api/v1/me/factors", &json!({"proof": {"method": "recovery", "code": lost}}));
    let (new_id, new_secret) = (new.text("/id"), new.text("/secret"));
    assert!(new.text("/qr_svg").contains("<svg") && new.text("/uri").starts_with("otpauth://"));
    let first = json!({"code": oathtool(&daemon, &new_secret)});
    let confirmed = ada.post(&format!("/api/v1/me/factors/{new_id}/confirm"), &first);
    let renewed = daemon.with_token(&confirmed.text("/session/token"));
    assert_eq!(ada.get("/api/v1/me").status, 401, "the token before it is dead");
    daemon.advance(SignedDuration::from_secs(30));
    let by_new = json!({"factor": new_id, "code": oathtool(&daemon, &new_secret)});
    let gone = delete(&renewed, &path, &by_new);
    assert!(gone.text("/session/token").starts_with("mst_s_"), "{gone:?}");
}

#[test]
fn a_device_is_trusted_for_some_days_and_forgotten_by_its_owner() {
    let daemon = TestDaemon::start("[mfa]\npolicy = \"all\"\ntrusted_device = \"7d\"\n");
    daemon.local_user("ada", PASSWORD);
    let (secret, _) = enrolled(&daemon, "ada");
    let asked = daemon.login("ada", PASSWORD);
    assert_eq!(asked.json["may_trust_device"], true);
    let path = format!("/api/v1/authenticate/{}/verify", asked.text("/transaction"));
    let done = daemon.anonymous().post(&path, &json!({"code": oathtool(&daemon, &secret), "trust_device": true}));
    let device = done.text("/device/token");
    let body = json!({"username": "ada", "password": PASSWORD, "device": device});
    let spared = daemon.anonymous().post("/api/v1/authenticate", &body);
    assert_eq!(spared.json["factors"], json!(["device", "pwd"]), "{spared:?}");
    let wrong = json!({"username": "ada", "password": "wrong", "device": device});
    assert_eq!(daemon.anonymous().post("/api/v1/authenticate", &wrong).code(), "invalid_credentials");
    let ada = daemon.with_token(&spared.text("/session/token"));
    let id = ada.get("/api/v1/me/devices").json["items"][0]["id"].as_str().unwrap().to_owned();
    assert_eq!(ada.delete(&format!("/api/v1/me/devices/{id}")).status, 204);
    assert_eq!(ada.delete(&format!("/api/v1/me/devices/{id}")).status, 404);
    assert_eq!(daemon.anonymous().post("/api/v1/authenticate", &body).json["status"], "mfa_required");
}

#[test]
fn a_source_and_a_group_can_ask_everybody_and_explain_says_who_does() {
    let daemon = TestDaemon::start("[mfa]\ngroups = [\"Vault\"]\n");
    daemon.local_user("ada", PASSWORD);
    daemon.admin().post("/api/v1/groups", &json!({"name": "vault"}));
    assert_eq!(daemon.login("ada", PASSWORD).json["status"], "authenticated");
    daemon.admin().patch("/api/v1/users/ada", &json!({"groups": ["vault"]}));
    assert_eq!(daemon.login("ada", PASSWORD).json["status"], "mfa_enrolment_required");
    assert_eq!(daemon.login("ada", "wrong").code(), "invalid_credentials");
    let explained = daemon.admin().get("/api/v1/users/ada/explain").json;
    assert_eq!(
        (&explained["second_factor"], &explained["second_factor_by"]),
        (&json!("required"), &json!("the group vault (mfa.groups)"))
    );
    assert_eq!(explained["login"]["backends"][0]["asked"], true, "{explained}");
    let attempts = explained["login"]["attempts"].as_array().unwrap();
    assert_eq!((&attempts[0]["outcome"], &attempts[0]["reason"]), (&json!("refused"), &json!("wrong")));
    let shown = daemon.musterd(&["explain", "ada", "--login"]);
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(text.contains("the group vault") && text.contains("LAST TRIES") && text.contains("refused"), "{text}");
    let short = String::from_utf8(daemon.musterd(&["explain", "ada"]).stdout).unwrap();
    assert!(!short.contains("LAST TRIES"), "{short}");
}

#[test]
fn o_01_s_01_j_01_no_secret_stands_in_what_is_stored() {
    let daemon = TestDaemon::start("[mfa]\npolicy = \"all\"\ntrusted_device = \"7d\"\n");
    daemon.local_user("ada", PASSWORD);
    let (secret, ada) = enrolled(&daemon, "ada");
    let codes = ada.post("/api/v1/me/recovery-codes", &json!({"code": oathtool(&daemon, &secret)}));
    daemon.advance(SignedDuration::from_secs(30));
    let asked = daemon.login("ada", PASSWORD);
    let path = format!("/api/v1/authenticate/{}/verify", asked.text("/transaction"));
    let waiting = daemon.login("ada", PASSWORD).text("/transaction");
    let done = daemon.anonymous().post(&path, &json!({"code": oathtool(&daemon, &secret), "trust_device": true}));
    let api = daemon.token(&["--scope", "admin"]);
    let link = daemon.admin().post("/api/v1/users/ada/password-link", &json!({})).text("/password_link");
    let link = link.split('#').next_back().unwrap().to_owned();
    let tokens = [done.text("/session/token"), done.text("/device/token"), waiting, api, link];
    let prefixes = ["mst_s_", "mst_d_", "mst_t_", "mst_a_", "mst_l_"];
    assert!(tokens.iter().zip(prefixes).all(|(token, prefix)| token.starts_with(prefix) && token.len() == 57));
    // The lines of an export are what is stored, taken out of its compression.
    let stored = daemon.with_token(&tokens[3]).get("/api/v1/export").json.to_string();
    assert!(stored.contains("\\\"space\\\":\\\"factor\\\"") && stored.contains("\\\"space\\\":\\\"device\\\""));
    let recovery = codes.json["codes"].as_array().unwrap().iter().map(|code| code.as_str().unwrap().to_owned());
    for text in tokens.into_iter().chain(recovery).chain([secret, PASSWORD.to_owned()]) {
        assert!(!stored.contains(&text), "{} stands in the export", &text[..6]);
    }
}

#[test]
fn a_factor_that_is_there_comes_before_a_new_password() {
    let daemon = TestDaemon::start("[mfa]\npolicy = \"all\"\n");
    daemon.local_user("ada", PASSWORD);
    let (secret, ada) = enrolled(&daemon, "ada");
    let both = json!({"current_password": PASSWORD, "password": "another long password"});
    assert_eq!(ada.post("/api/v1/me/password", &both).code(), "proof_required", "S-07: a password is not enough");
    daemon.admin().patch("/api/v1/users/ada", &json!({"must_change_password": true}));
    let asked = daemon.login("ada", PASSWORD);
    assert_eq!(asked.json["status"], "mfa_required", "who guessed the password puts no other in its place");
    let step = |what: &str, body| {
        daemon.anonymous().post(&format!("/api/v1/authenticate/{}/{what}", asked.text("/transaction")), &body)
    };
    assert_eq!(step("password", json!({"password": "another long password"})).code(), "wrong_step");
    let next = step("verify", json!({"code": oathtool(&daemon, &secret)}));
    assert_eq!(next.json["status"], "password_change_required", "{next:?}");
    let done = step("password", json!({"password": "another long password"}));
    assert_eq!((&done.json["status"], &done.json["acr"]), (&json!("authenticated"), &json!("aal2")), "{done:?}");
}

#[test]
fn the_steps_of_an_applications_login_count_for_its_client_and_not_for_itself() {
    let daemon = TestDaemon::start("[mfa]\npolicy = \"all\"\n[lockout]\nnetwork_attempts = 4\ncode_attempts = 50\n");
    daemon.local_user("ada", PASSWORD);
    let (secret, _) = enrolled(&daemon, "ada");
    let application = daemon.with_token(&daemon.token(&["--scope", "login.authenticate"]));
    let begin = |address: &str| {
        let body = json!({"username": "ada", "password": PASSWORD, "client_ip": address});
        application.post("/api/v1/authenticate", &body).text("/transaction")
    };
    let verify = |transaction: &str, code: &str| {
        application.post(&format!("/api/v1/authenticate/{transaction}/verify"), &json!({"code": code}))
    };
    let guessed = begin("192.0.2.1");
    let codes: Vec<String> = (0..6).map(|_| verify(&guessed, "000000").code().to_owned()).collect();
    assert!(codes.iter().any(|code| code == "too_many_attempts"), "{codes:?}");
    let own = begin("198.51.100.7");
    let done = verify(&own, &oathtool(&daemon, &secret));
    assert_eq!(done.json["status"], "authenticated", "another client of the same application: {done:?}");
}
