//! A face as a second factor, with a provider over HTTPS that does what it should, and much that it should not.

use std::time::Duration;

use jiff::SignedDuration;
use musterd::base::clock::Stopwatch;
use serde_json::{Value, json};

use super::totp::oathtool;
use crate::harness::daemon::{Answer, TestDaemon};
use crate::harness::face_provider::{Does, FaceProvider, TOKEN};

const PASSWORD: &str = "correct horse battery";

/// A daemon that asks this provider.
fn daemon(provider: &FaceProvider, policy: &str) -> TestDaemon {
    let mfa = format!("[mfa]\nmethods = [\"totp\", \"face\"]\npolicy = \"{policy}\"\n");
    let daemon = TestDaemon::start(&format!("{mfa}{}", provider.settings()));
    provider.follow(&daemon.clock);
    daemon
}

/// Ada with a face; gives her session and the factor.
fn ada(daemon: &TestDaemon) -> (String, String) {
    daemon.local_user("ada", PASSWORD);
    let caller = daemon.with_token(&daemon.session("ada", PASSWORD));
    let wish = json!({"method": "face", "consent": true, "current_password": PASSWORD});
    let enrolment = caller.post("/api/v1/me/factors", &wish);
    assert_eq!(enrolment.status, 201, "{enrolment:?}");
    let id = enrolment.text("/id");
    let confirmed = caller.post(&format!("/api/v1/me/factors/{id}/confirm"), &json!({}));
    assert_eq!(confirmed.status, 200, "{confirmed:?}");
    (confirmed.text("/session/token"), id)
}

/// One login under way.
struct Login<'a> {
    daemon: &'a TestDaemon,
    transaction: String,
}

impl<'a> Login<'a> {
    fn begin(daemon: &'a TestDaemon) -> Self {
        let asked = daemon.login("ada", PASSWORD);
        Self { daemon, transaction: asked.text("/transaction") }
    }

    /// The same, with the face asked for.
    fn asked(daemon: &'a TestDaemon) -> Self {
        let login = Self::begin(daemon);
        let asked = login.step("challenge", json!({"method": "face"}));
        assert_eq!(asked.status, 200, "{asked:?}");
        login
    }

    fn step(&self, what: &str, body: Value) -> Answer {
        self.daemon.anonymous().post(&format!("/api/v1/authenticate/{}/{what}", self.transaction), &body)
    }

    fn verify(&self) -> Answer {
        self.step("verify", json!({"method": "face"}))
    }
}

/// The newest line of this action about Ada.
fn audited(daemon: &TestDaemon, action: &str) -> Value {
    let lines = daemon.admin().get("/api/v1/audit?user=ada&limit=20").json["items"].clone();
    let lines = lines.as_array().unwrap();
    lines.iter().find(|line| line["action"] == action).unwrap_or_else(|| panic!("no {action} in {lines:?}")).clone()
}

/// What an administrator sees of Ada and of her sessions.
fn seen(daemon: &TestDaemon) -> (Value, Value) {
    let admin = daemon.admin();
    (admin.get("/api/v1/users/ada").json, admin.get("/api/v1/users/ada/sessions").json["items"].clone())
}

#[test]
fn a_face_is_enrolled_with_consent_and_proved_at_the_next_login() {
    let provider = FaceProvider::start();
    let daemon = daemon(&provider, "off");
    daemon.local_user("ada", PASSWORD);
    let caller = daemon.with_token(&daemon.session("ada", PASSWORD));
    let enrol = |body| caller.post("/api/v1/me/factors", &body);
    assert_eq!(enrol(json!({"method": "face", "current_password": PASSWORD})).code(), "consent_required");
    assert_eq!(enrol(json!({"method": "face", "consent": false, "current_password": PASSWORD})).status, 400);
    assert_eq!(enrol(json!({"method": "face", "consent": true})).code(), "proof_required");
    assert!(provider.take().is_empty(), "nobody is asked without consent and a proof");

    let enrolment = enrol(json!({"method": "face", "consent": true, "current_password": PASSWORD}));
    assert_eq!(enrolment.json["capture_expires_at"], "2026-11-23T12:02:00Z", "{enrolment:?}");
    let asked = provider.take().remove(0);
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("POST", "/v1/verifications"));
    assert_eq!(asked.authorization, format!("Bearer {TOKEN}"));
    let question: Value = serde_json::from_str(&asked.body).unwrap();
    let (nonce, subject) = (question["nonce"].as_str().unwrap(), question["subject"].as_str().unwrap());
    let expected =
        json!({"nonce": nonce, "subject": subject, "purpose": "enrol", "ttl_seconds": 120, "issuer": "musterd"});
    assert_eq!(question, expected, "and no name");
    assert_eq!((nonce.len(), subject.len()), (43, 22));
    assert_eq!(enrolment.text("/capture_url"), format!("https://faces.example.org/c/{nonce}"));

    let confirm = || caller.post(&format!("/api/v1/me/factors/{}/confirm", enrolment.text("/id")), &json!({}));
    provider.finds(Does::Answers(202, "application/json", "{}".to_owned()));
    for _ in 0..7 {
        let early = confirm();
        assert_eq!((early.status, early.code(), early.header("retry-after")), (409, "not_ready", "2"), "{early:?}");
    }
    provider.finds(Does::Right);
    let session = confirm().text("/session/token");
    let factors = daemon.with_token(&session).get("/api/v1/me/factors").json["items"].clone();
    assert_eq!((&factors[0]["kind"], &factors[0]["consented_at"]), (&json!("face"), &json!("2026-11-23T12:00:00Z")));

    let login = Login::begin(&daemon);
    assert_eq!(login.verify().code(), "no_challenge", "there is nothing to look at yet");
    provider.take();
    let challenge = login.step("challenge", json!({"method": "face"}));
    assert_eq!((&challenge.json["status"], &challenge.json["method"]), (&json!("mfa_required"), &json!("face")));
    let question: Value = serde_json::from_str(&provider.take()[0].body).unwrap();
    assert_eq!((&question["subject"], &question["purpose"]), (&json!(subject), &json!("login")));
    assert_ne!(question["nonce"], nonce);
    let done = login.verify();
    assert_eq!(done.json["status"], "authenticated", "{done:?}");
    assert_eq!(done.json["amr"], json!(["face", "mfa", "pwd"]));
    assert_eq!(done.json["acr"], "aal1", "a face is nothing that one has");
    assert_eq!(login.verify().code(), "no_such_transaction");
}

#[test]
fn a_result_that_is_not_for_this_very_question_lets_nobody_in() {
    let provider = FaceProvider::start();
    let daemon = daemon(&provider, "off");
    ada(&daemon);
    let earlier = Login::asked(&daemon);
    assert_eq!(earlier.verify().json["status"], "authenticated");
    let cases: [(Does, &str); 12] = [
        (Does::SignsFalsely, "face_signature"),
        (Does::Replays, "face_nonce"),
        (Does::Signs(|claims| claims["nonce"] = "x".into()), "face_nonce"),
        (Does::Signs(|claims| claims["subject"] = "somebody else".into()), "face_subject"),
        (Does::Signs(|claims| claims["purpose"] = "enrol".into()), "face_purpose"),
        (Does::Signs(|claims| claims["decision"] = "no_match".into()), "face_no_match"),
        (Does::Signs(|claims| claims["liveness"]["passed"] = false.into()), "face_liveness"),
        (Does::Signs(|claims| drop(claims.as_object_mut().unwrap().remove("liveness"))), "face_form"),
        (Does::Signs(|claims| claims["iat"] = (claims["iat"].as_i64().unwrap() - 121).into()), "face_expired"),
        (Does::Signs(|claims| claims["exp"] = claims["iat"].clone()), "face_expired"),
        (Does::Signs(|claims| claims["iat"] = (claims["iat"].as_i64().unwrap() + 60).into()), "face_future"),
        (Does::Answers(200, "application/jwt", "no.jws.at all".to_owned()), "face_form"),
    ];
    for (does, why) in cases {
        daemon.advance(SignedDuration::from_mins(2));
        let login = Login::asked(&daemon);
        let before = seen(&daemon);
        provider.finds(does);
        let wrong = login.verify();
        assert_eq!((wrong.status, wrong.code()), (401, "invalid_credentials"), "{why}: {wrong:?}");
        assert!(!wrong.json.to_string().contains("face"), "which part was wrong is not told");
        let line = audited(&daemon, "factor.refused");
        assert_eq!((&line["details"]["reason"], &line["details"]["method"]), (&json!(why), &json!("face")));
        provider.finds(Does::Right);
        assert_eq!(login.verify().code(), "no_challenge", "{why}: the question is over");
        assert_eq!(seen(&daemon), before, "{why}");
        assert_eq!(daemon.admin().post("/api/v1/users/ada/unlock", &json!({})).status, 204);
    }
    let late = Login::asked(&daemon);
    daemon.advance(SignedDuration::from_secs(121));
    assert_eq!(late.verify().code(), "no_challenge", "a question ends after two minutes");
}

#[test]
fn a_provider_that_cannot_be_asked_counts_nothing_and_holds_nobody_up() {
    let provider = FaceProvider::start();
    let daemon = daemon(&provider, "off");
    ada(&daemon);
    let unavailable = |what: &str, ask: &dyn Fn() -> Answer| {
        let since = Stopwatch::start();
        let answer = ask();
        assert_eq!((answer.status, answer.code()), (503, "method_unavailable"), "{what}: {answer:?}");
        assert!(since.elapsed() < Duration::from_secs(6), "{what}");
        assert!(!answer.header("retry-after").is_empty() && !answer.json.to_string().contains(TOKEN));
    };
    let answers = |status, kind, body: &str| Does::Answers(status, kind, body.to_owned());
    let login = Login::asked(&daemon);
    let before = seen(&daemon);
    for (what, does) in [
        ("an internal error", answers(500, "text/html", "<h1>500</h1>")),
        ("busy", answers(503, "text/html", "")),
        ("the token is refused", answers(401, "text/plain", "no")),
        ("a redirect", answers(302, "application/jwt", "")),
        ("another status", answers(201, "application/jwt", "a.b.c")),
        ("another type", answers(200, "application/json", "a.b.c")),
        ("more than may be", answers(200, "application/jwt", &"A".repeat(9 * 1024))),
        ("a gigabyte", Does::NeverEnds),
        ("silence", Does::Hangs),
    ] {
        provider.finds(does);
        unavailable(what, &|| login.verify());
    }
    provider.finds(answers(404, "text/plain", ""));
    assert_eq!(login.verify().code(), "no_challenge");
    for (what, does) in [
        ("an internal error", answers(500, "text/html", "")),
        ("a redirect", answers(307, "text/html", "")),
        ("another status", answers(200, "application/json", r#"{"capture_url": "https://x.example.org/"}"#)),
        ("no page", answers(201, "application/json", "{}")),
        ("a page in plain text", answers(201, "application/json", r#"{"capture_url": "http://x.example.org/"}"#)),
        ("a script", answers(201, "application/json", r#"{"capture_url": "javascript:alert(1)"}"#)),
        ("a gigabyte", Does::NeverEnds),
        ("silence", Does::Hangs),
    ] {
        provider.opens(does);
        daemon.advance(SignedDuration::from_mins(1));
        let login = Login::begin(&daemon);
        unavailable(what, &|| login.step("challenge", json!({"method": "face"})));
    }
    assert_eq!(seen(&daemon), before);
    daemon.advance(SignedDuration::from_mins(10));
    provider.opens(Does::Right);
    provider.finds(Does::Right);
    assert_eq!(Login::asked(&daemon).verify().json["status"], "authenticated", "nothing was counted");
}

#[test]
fn a_provider_whose_certificate_is_not_good_gets_no_token() {
    for certificate in ["expired", "no-san"] {
        let provider = FaceProvider::start_with(certificate);
        let daemon = daemon(&provider, "off");
        daemon.local_user("ada", PASSWORD);
        let caller = daemon.with_token(&daemon.session("ada", PASSWORD));
        let wish = json!({"method": "face", "consent": true, "current_password": PASSWORD});
        assert_eq!(caller.post("/api/v1/me/factors", &wish).code(), "method_unavailable", "{certificate}");
        assert!(provider.take().is_empty(), "{certificate}");
        assert_eq!(caller.get("/api/v1/me/factors").json["items"], json!([]));
    }
}

#[test]
fn five_failed_faces_keep_the_face_out_and_no_other_method() {
    let provider = FaceProvider::start();
    let daemon = daemon(&provider, "off");
    daemon.local_user("ada", PASSWORD);
    let caller = daemon.with_token(&daemon.session("ada", PASSWORD));
    let enrolment = caller.post("/api/v1/me/factors", &json!({"method": "totp", "current_password": PASSWORD}));
    let secret = enrolment.text("/secret");
    let code = || {
        daemon.advance(SignedDuration::from_secs(30));
        oathtool(&daemon, &secret)
    };
    let confirm = format!("/api/v1/me/factors/{}/confirm", enrolment.text("/id"));
    let session = caller.post(&confirm, &json!({"code": code()})).text("/session/token");
    let caller = daemon.with_token(&session);
    let wish = json!({"method": "face", "consent": true, "proof": {"method": "totp", "code": code()}});
    let id = caller.post("/api/v1/me/factors", &wish).text("/id");
    assert_eq!(caller.post(&format!("/api/v1/me/factors/{id}/confirm"), &json!({})).status, 200);

    provider.finds(Does::Signs(|claims| claims["decision"] = "no_match".into()));
    for _ in 0..5 {
        assert_eq!(Login::asked(&daemon).verify().code(), "invalid_credentials");
        daemon.advance(SignedDuration::from_mins(1));
    }
    provider.finds(Does::Right);
    let login = Login::asked(&daemon);
    let locked = login.verify();
    assert_eq!((locked.status, locked.code()), (429, "too_many_attempts"), "{locked:?}");
    let by_code = login.step("verify", json!({"code": code()}));
    assert_eq!(by_code.json["status"], "authenticated", "a code is what is meant without a method: {by_code:?}");
    daemon.advance(SignedDuration::from_mins(15));
    assert_eq!(Login::asked(&daemon).verify().json["status"], "authenticated");
}

#[test]
fn a_login_that_asks_for_a_factor_can_enrol_a_face() {
    let provider = FaceProvider::start();
    let daemon = daemon(&provider, "all");
    daemon.local_user("ada", PASSWORD);
    let login = Login::begin(&daemon);
    assert_eq!(login.step("enrol", json!({"method": "face"})).code(), "consent_required");
    let enrolment = login.step("enrol", json!({"method": "face", "consent": true}));
    assert!(enrolment.text("/capture_url").starts_with("https://"), "{enrolment:?}");
    provider.finds(Does::Signs(|claims| claims["purpose"] = "login".into()));
    assert_eq!(login.verify().code(), "invalid_credentials");
    assert_eq!(login.step("challenge", json!({"method": "face"})).json["status"], "mfa_enrolment_required");
    provider.finds(Does::Right);
    let done = login.verify();
    assert_eq!((&done.json["status"], &done.json["acr"]), (&json!("authenticated"), &json!("aal1")), "{done:?}");
}

#[test]
fn a_face_proves_a_change_and_is_forgotten_by_the_provider_when_it_is_removed() {
    let provider = FaceProvider::start();
    let daemon = daemon(&provider, "off");
    let (session, id) = ada(&daemon);
    let caller = daemon.with_token(&session);
    let path = format!("/api/v1/me/factors/{id}");
    let remove = |body: Value| caller.call("DELETE", &path, Some(body.to_string()), &[]);
    assert_eq!(remove(json!({"method": "face"})).code(), "no_challenge");
    provider.take();
    assert_eq!(caller.post("/api/v1/me/challenge", &json!({"method": "face"})).status, 200);
    let question: Value = serde_json::from_str(&provider.take()[0].body).unwrap();
    assert_eq!(question["purpose"], "prove");
    // The provider cannot be reached for a while: it is told all the same.
    provider.opens(Does::Answers(500, "text/plain", String::new()));
    assert_eq!(remove(json!({"method": "face"})).status, 200);
    assert_eq!(daemon.login("ada", PASSWORD).json["status"], "authenticated");
    let target = format!("/v1/subjects/{}", question["subject"].as_str().unwrap());
    let told = || provider.take().iter().filter(|asked| asked.method == "DELETE" && asked.target == target).count();
    let wait = |what: &str| {
        let since = Stopwatch::start();
        while told() == 0 {
            assert!(since.elapsed() < Duration::from_secs(30), "{what}");
            // The pause after a failure begins when that is written, which may be after the first of these.
            daemon.advance(SignedDuration::from_mins(2));
            daemon.inside.driver.poke("outbox");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    wait("the first try");
    provider.opens(Does::Right);
    wait("the second try");
}
