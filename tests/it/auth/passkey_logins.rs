//! Logins by passkeys: a real browser on the running daemon's page, as second factor and without a password.

use data_encoding::BASE64URL_NOPAD;
use serde_json::{Value, json};

use crate::harness::browser::{BUILT_IN, Browser, PLUGGED_IN};
use crate::harness::daemon::{Answer, Caller, TestDaemon};

const PASSWORD: &str = "correct horse battery";

/// A daemon with a name, and a browser on its page.
struct Site {
    daemon: TestDaemon,
    browser: Browser,
}

impl Site {
    fn new(settings: &str) -> Self {
        let daemon = TestDaemon::start_at_localhost(settings);
        let browser = Browser::open(&format!("{}/healthz", daemon.base.replace("127.0.0.1", "localhost")));
        Self { daemon, browser }
    }

    /// A user with a session.
    fn user(&self, name: &str) -> Caller {
        self.daemon.local_user(name, PASSWORD);
        self.daemon.with_token(&self.daemon.session(name, PASSWORD))
    }

    /// Enrols a passkey by self-service: its id, and the user in the session that goes on.
    fn enrol(&mut self, user: &Caller, proof: Value) -> (String, Caller) {
        let mut wish = proof;
        wish["method"] = "passkey".into();
        let enrolment = user.post("/api/v1/me/factors", &wish);
        assert_eq!(enrolment.status, 201, "{enrolment:?}");
        let (id, credential) = (enrolment.text("/id"), self.browser.create(&enrolment.json["options"]).unwrap());
        let done = user.post(&format!("/api/v1/me/factors/{id}/confirm"), &json!({"credential": credential}));
        assert_eq!(done.status, 200, "{done:?}");
        (id, self.daemon.with_token(&done.text("/session/token")))
    }

    fn enrol_by_password(&mut self, user: &Caller) -> (String, Caller) {
        self.enrol(user, json!({"current_password": PASSWORD}))
    }

    fn step(&self, transaction: &str, what: &str, body: &Value) -> Answer {
        self.daemon.anonymous().post(&format!("/api/v1/authenticate/{transaction}/{what}"), body)
    }

    /// A login up to the challenge of a passkey: its transaction, and the options.
    fn challenge(&self, name: &str) -> (String, Value) {
        let asked = self.daemon.login(name, PASSWORD);
        assert_eq!((&asked.json["status"], &asked.json["methods"]), (&json!("mfa_required"), &json!(["passkey"])));
        let transaction = asked.text("/transaction");
        let mut challenge = self.step(&transaction, "challenge", &json!({"method": "passkey"}));
        assert_eq!(challenge.status, 200, "{challenge:?}");
        (transaction, challenge.json["options"].take())
    }

    fn verify(&self, transaction: &str, credential: &Value) -> Answer {
        self.step(transaction, "verify", &json!({"method": "passkey", "credential": credential}))
    }

    /// What the browser answers to who asks for any passkey, and the transaction.
    fn find(&mut self) -> (String, Value) {
        let begun = self.daemon.anonymous().post("/api/v1/authenticate/passkey", &json!({}));
        assert_eq!(begun.status, 200, "{begun:?}");
        (begun.text("/transaction"), self.browser.get(&begun.json["options"]).unwrap())
    }

    fn enter(&self, transaction: &str, credential: &Value) -> Answer {
        let body = json!({"transaction": transaction, "credential": credential});
        self.daemon.anonymous().post("/api/v1/authenticate/passkey/verify", &body)
    }
}

#[test]
fn a_passkey_is_enrolled_by_its_owner_and_asked_for_from_then_on() {
    let mut site = Site::new("");
    site.browser.add(BUILT_IN);
    let ada = site.user("ada");
    let (id, ada) = site.enrol_by_password(&ada);
    let listed = ada.get("/api/v1/me/factors");
    let shown = (&listed.json["items"][0]["id"], &listed.json["items"][0]["kind"], &listed.json["items"][0]["name"]);
    assert_eq!(shown, (&json!(id), &json!("passkey"), &json!("Passkey")));

    let (transaction, options) = site.challenge("ada");
    let credential = site.browser.get(&options).unwrap();
    for body in [json!({"method": "passkey"}), json!({"method": "passkey", "credential": null})] {
        assert_eq!(site.step(&transaction, "verify", &body).status, 400);
    }
    let done = site.verify(&transaction, &credential);
    assert_eq!((&done.json["status"], &done.json["factors"]), (&json!("authenticated"), &json!(["passkey", "pwd"])));
    assert_eq!((&done.json["amr"], &done.json["acr"]), (&json!(["mfa", "pop", "pwd", "user"]), &json!("aal2")));
    // It answered one question, once.
    assert_eq!(site.verify(&transaction, &credential).code(), "no_such_transaction");
    let (transaction, _) = site.challenge("ada");
    assert_eq!(site.verify(&transaction, &credential).code(), "invalid_credentials");
    assert_eq!(site.verify(&transaction, &credential).code(), "no_challenge");
}

#[test]
fn a_passkey_is_enrolled_in_the_login_that_asks_for_a_factor() {
    let mut site = Site::new("[mfa]\npolicy = \"all\"\n");
    site.browser.add(BUILT_IN);
    site.daemon.local_user("ada", PASSWORD);
    let asked = site.daemon.login("ada", PASSWORD);
    assert_eq!(asked.json["status"], "mfa_enrolment_required");
    assert!(asked.json["methods"].as_array().unwrap().contains(&json!("passkey")), "{asked:?}");
    let transaction = asked.text("/transaction");
    let enrolment = site.step(&transaction, "enrol", &json!({"method": "passkey"}));
    let credential = site.browser.create(&enrolment.json["options"]).unwrap();
    let mut forged = credential.clone();
    forged["id"] = "AAAA".into();
    assert_eq!(site.verify(&transaction, &forged).code(), "invalid_credentials");
    assert_eq!(site.verify(&transaction, &credential).code(), "no_challenge");
    let again = site.step(&transaction, "enrol", &json!({"method": "passkey"}));
    let credential = site.browser.create(&again.json["options"]).unwrap();
    assert_eq!(site.verify(&transaction, &credential).json["status"], "authenticated");
    let (transaction, options) = site.challenge("ada");
    let credential = site.browser.get(&options).unwrap();
    assert_eq!(site.verify(&transaction, &credential).json["status"], "authenticated");
}

#[test]
fn w_17_w_20_a_passkey_alone_lets_its_owner_in_as_long_as_they_may() {
    let mut site = Site::new("");
    site.browser.add(BUILT_IN);
    let ada = site.user("ada");
    site.enrol_by_password(&ada);
    let (transaction, credential) = site.find();
    let done = site.enter(&transaction, &credential);
    assert_eq!((&done.json["status"], &done.json["user"]["username"]), (&json!("authenticated"), &json!("ada")));
    assert_eq!((&done.json["amr"], &done.json["acr"]), (&json!(["mfa", "pop", "user"]), &json!("aal2")));
    assert_eq!(done.json["authenticated_by"], "local");
    assert!(site.daemon.is_in(&done.text("/session/token")));
    assert_eq!(site.enter(&transaction, &credential).code(), "no_such_transaction");
    // A wrong password that was tried too often is no matter; an account that is closed is.
    for _ in 0..6 {
        site.daemon.login("ada", "wrong password");
    }
    assert_eq!(site.daemon.login("ada", PASSWORD).code(), "too_many_attempts");
    let (transaction, credential) = site.find();
    assert_eq!(site.enter(&transaction, &credential).json["status"], "authenticated");
    let (transaction, credential) = site.find();
    assert_eq!(site.daemon.admin().post("/api/v1/users/ada/disable", &json!({})).status, 200);
    let refused = site.enter(&transaction, &credential);
    assert_eq!((refused.status, refused.code()), (403, "account_disabled"));
    assert!(!site.daemon.is_in(&done.text("/session/token")));
}

#[test]
fn two_passkeys_have_names_and_each_lets_in_until_it_is_removed() {
    let mut site = Site::new("");
    let built_in = site.browser.add(BUILT_IN);
    let ada = site.user("ada");
    let (first, ada) = site.enrol_by_password(&ada);
    // The proof for a second one is the first.
    let wish = json!({"method": "passkey", "current_password": PASSWORD});
    assert_eq!(ada.post("/api/v1/me/factors", &wish).code(), "proof_required");
    let challenge = ada.post("/api/v1/me/challenge", &json!({"method": "passkey"}));
    let credential = site.browser.get(&challenge.json["options"]).unwrap();
    let plugged_in = site.browser.add(PLUGGED_IN);
    let (second, ada) = site.enrol(&ada, json!({"proof": {"method": "passkey", "credential": credential}}));
    let renamed = ada.patch(&format!("/api/v1/me/factors/{second}"), &json!({"name": "The key on my ring"}));
    assert_eq!(renamed.status, 204);
    let listed = ada.get("/api/v1/me/factors");
    // Both were made in one instant of the test's clock: their order is not told.
    let mut names: Vec<_> = listed.json["items"].as_array().unwrap().iter().map(|item| item["name"].as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, [Some("Passkey"), Some("The key on my ring")]);

    let (transaction, options) = site.challenge("ada");
    assert_eq!(options["allowCredentials"].as_array().map(Vec::len), Some(2));
    let kept = site.browser.passkeys(&built_in);
    site.browser.remove(&built_in);
    let credential = site.browser.get(&options).unwrap();
    assert_eq!(site.verify(&transaction, &credential).json["status"], "authenticated");

    let challenge = ada.post("/api/v1/me/challenge", &json!({"method": "passkey"}));
    let credential = site.browser.get(&challenge.json["options"]).unwrap();
    let proof = json!({"method": "passkey", "credential": credential}).to_string();
    let gone = ada.call("DELETE", &format!("/api/v1/me/factors/{first}"), Some(proof), &[]);
    assert_eq!(gone.status, 200, "{gone:?}");
    let (_, options) = site.challenge("ada");
    assert_eq!(options["allowCredentials"].as_array().map(Vec::len), Some(1));
    // The browser still has what was removed here.
    site.browser.remove(&plugged_in);
    let built_in = site.browser.add(BUILT_IN);
    site.browser.put(&built_in, &kept[0]);
    let (transaction, credential) = site.find();
    assert_eq!(site.enter(&transaction, &credential).code(), "invalid_credentials");
}

#[test]
fn w_13_another_users_passkey_is_refused() {
    let mut site = Site::new("");
    let (ada, bob) = (site.user("ada"), site.user("bob"));
    let device = site.browser.add(BUILT_IN);
    site.enrol_by_password(&ada);
    site.browser.remove(&device);
    site.browser.add(BUILT_IN);
    site.enrol_by_password(&bob);
    let (_, of_bob) = site.challenge("bob");
    let (transaction, mut options) = site.challenge("ada");
    options["allowCredentials"] = of_bob["allowCredentials"].clone();
    let credential = site.browser.get(&options).unwrap();
    assert_eq!(site.verify(&transaction, &credential).code(), "invalid_credentials");
    // Nor by saying that it is hers.
    let (transaction, mut credential) = site.find();
    let id = site.daemon.admin().get("/api/v1/users/ada").text("/id");
    let bytes: Vec<u8> = id.parse::<uuid::Uuid>().unwrap().into_bytes().to_vec();
    credential["response"]["userHandle"] = BASE64URL_NOPAD.encode(&bytes).into();
    assert_eq!(site.enter(&transaction, &credential).code(), "invalid_credentials");
}

#[test]
fn a_changed_answer_changes_nothing_but_what_is_counted() {
    let mut site = Site::new("[lockout]\ncode_attempts = 50\n");
    site.browser.add(BUILT_IN);
    let ada = site.user("ada");
    let (_, ada) = site.enrol_by_password(&ada);
    let before = ada.get("/api/v1/me/factors").json;
    let flip = |credential: &mut Value, member: &str| {
        let text = credential["response"][member].as_str().unwrap();
        let mut bytes = BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        credential["response"][member] = BASE64URL_NOPAD.encode(&bytes).into();
    };
    let edits: [&dyn Fn(&mut Value); 7] = [
        &|credential| flip(credential, "signature"),
        &|credential| flip(credential, "authenticatorData"),
        &|credential| flip(credential, "clientDataJSON"),
        &|credential| credential["rawId"] = "AAAA".into(),
        &|credential| credential["type"] = "password".into(),
        &|credential| credential["response"] = json!({}),
        &|credential| *credential = json!("x".repeat(100_000)),
    ];
    for (number, edit) in edits.into_iter().enumerate() {
        let (transaction, options) = site.challenge("ada");
        let mut credential = site.browser.get(&options).unwrap();
        edit(&mut credential);
        let refused = site.verify(&transaction, &credential);
        assert_eq!((refused.status, refused.code()), (401, "invalid_credentials"), "edit {number}");
        let (transaction, mut credential) = site.find();
        edit(&mut credential);
        assert_eq!(site.enter(&transaction, &credential).code(), "invalid_credentials", "edit {number}");
    }
    assert_eq!(ada.get("/api/v1/me/factors").json, before);
    let (transaction, credential) = site.find();
    assert_eq!(site.enter(&transaction, &credential).json["status"], "authenticated");
}

#[test]
fn without_a_page_that_browsers_trust_there_are_no_passkeys() {
    let daemon = TestDaemon::start("[mfa]\npolicy = \"all\"\n");
    daemon.local_user("ada", PASSWORD);
    assert_eq!(daemon.login("ada", PASSWORD).json["methods"], json!(["totp"]));
    let refused = daemon.anonymous().post("/api/v1/authenticate/passkey", &json!({}));
    assert_eq!((refused.status, refused.code()), (409, "method_not_offered"));
}
