//! Login, session, introspection and forward-auth as applications use them.

use serde_json::{Value, json};

use crate::harness::daemon::TestDaemon;

const PASSWORD: &str = "correct horse battery";

#[test]
fn the_answer_of_a_login_is_the_contracts() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    let answer = daemon.login("Ada@Example.org", PASSWORD);
    assert_eq!(answer.status, 200);
    assert_eq!(answer.json["status"], "authenticated");
    assert_eq!(answer.json["user"]["username"], "ada");
    assert_eq!(answer.json["authenticated_by"], "local");
    assert_eq!(answer.json["factors"], json!(["pwd"]));
    assert_eq!(answer.json["session"]["expires_at"], "2026-11-24T12:00:00Z");
    assert!(answer.text("/session/token").starts_with("mst_s_"));
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(!answer.json.to_string().contains("argon2"));
}

#[test]
fn wrong_and_unknown_look_the_same() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    let (wrong, unknown) = (daemon.login("ada", "wrong"), daemon.login("nobody", "wrong"));
    assert_eq!(wrong.json, unknown.json);
    assert_eq!((wrong.status, unknown.status), (401, 401));
    assert_eq!(daemon.login("ada", "").json, wrong.json);
    assert_eq!(daemon.login("", "").json, wrong.json);
    assert_eq!(daemon.login("ada", &"x".repeat(100_000)).json, wrong.json);
}

#[test]
fn malformed_logins_are_refused_and_count_nothing() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    let post = |body: &str| daemon.anonymous().call("POST", "/api/v1/authenticate", Some(body.to_owned()), &[]);
    for body in [
        "",
        "{}",
        "null",
        "[]",
        "{",
        r#"{"username":"ada"}"#,
        r#"{"username":["ada"],"password":"x"}"#,
        r#"{"username":"ada","password":"x","admin":true}"#,
    ] {
        assert_eq!(post(body).status, 400, "{body}");
    }
    let forged = post(r#"{"username":"ada","password":"x","client_ip":"192.0.2.1"}"#);
    assert_eq!(forged.status, 403, "an address is believed from an application's token only");
    assert_eq!(daemon.login("ada", PASSWORD).status, 200);
}

#[test]
fn forged_addresses_do_not_get_around_the_throttle() {
    let daemon = TestDaemon::start("[lockout]\nnetwork_attempts = 8\n");
    let mut codes = Vec::new();
    for n in 0..12 {
        let body = json!({"username": format!("nobody{n}"), "password": "x"}).to_string();
        let forwarded = format!("192.0.2.{n}");
        let answer =
            daemon.anonymous().call("POST", "/api/v1/authenticate", Some(body), &[("x-forwarded-for", &forwarded)]);
        codes.push(answer.status);
    }
    assert_eq!(codes.iter().filter(|code| **code == 401).count(), 8, "{codes:?}");
    assert_eq!(codes.last(), Some(&429));
}

#[test]
fn a_trusted_proxys_word_on_the_address_is_taken() {
    let settings = "trusted_proxies = [\"127.0.0.1\"]\n";
    let daemon = TestDaemon::start_with_server(settings, "[lockout]\nnetwork_attempts = 3\n");
    let from = |address: &str, name: &str| {
        let body = json!({"username": name, "password": "x"}).to_string();
        daemon.anonymous().call("POST", "/api/v1/authenticate", Some(body), &[("x-forwarded-for", address)]).status
    };
    let first: Vec<u16> = (0..4).map(|n| from("10.9.9.9, 192.0.2.1", &format!("a{n}"))).collect();
    assert_eq!(first, [401, 401, 401, 429], "the last untrusted hop counts, not what the client wrote before it");
    assert_eq!(from("192.0.2.2", "b"), 401);
}

#[test]
fn a_session_is_shown_introspected_and_ended() {
    let daemon = TestDaemon::start("");
    daemon.admin().post("/api/v1/groups", &json!({"name": "crème, brûlée"}));
    daemon.local_user("ada", PASSWORD);
    daemon.admin().patch("/api/v1/users/ada", &json!({"groups": ["crème, brûlée"]}));
    let session = daemon.session("ada", PASSWORD);
    let application = daemon.with_token(&daemon.token(&["--scope", "login.introspect"]));
    let introspect = |token: &str| {
        let body = format!("token={token}");
        application
            .call("POST", "/api/v1/introspect", Some(body), &[("content-type", "application/x-www-form-urlencoded")])
            .json
    };
    let active = introspect(&session);
    assert_eq!(
        (&active["active"], &active["username"], &active["amr"]),
        (&json!(true), &json!("ada"), &json!(["pwd"]))
    );
    assert_eq!(active["exp"].as_i64().unwrap() - active["iat"].as_i64().unwrap(), 86_400);
    assert_eq!(active["groups"], json!(["crème, brûlée"]));
    assert_eq!(daemon.anonymous().get("/api/v1/forward-auth").status, 401);
    assert_eq!(daemon.with_token(&session).delete("/api/v1/session").status, 204);
    assert_eq!(introspect(&session), json!({"active": false}));
    for token in ["", "x", "mst_s_", &daemon.token(&["--scope", "admin"])] {
        assert_eq!(introspect(token), json!({"active": false}), "{token}");
    }
    assert_eq!(daemon.anonymous().post("/api/v1/introspect", &json!({"token": session})).status, 401);
}

#[test]
fn p_07_the_own_password_is_changed_with_the_old_one() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    let session = daemon.session("ada", PASSWORD);
    let change = |current: &str, new: &str| {
        daemon.with_token(&session).post("/api/v1/me/password", &json!({"current_password": current, "password": new}))
    };
    assert_eq!(change("wrong", "another long password").code(), "invalid_credentials");
    assert_eq!(change(PASSWORD, "short").code(), "password_rejected");
    assert_eq!(change(PASSWORD, PASSWORD).json["errors"][0]["code"], "used_before");
    assert_eq!(change(PASSWORD, "another long password").status, 204);
    assert!(!daemon.is_in(&session), "all sessions end");
    assert_eq!(daemon.login("ada", "another long password").status, 200);
}

#[test]
fn own_sessions_are_listed_and_ended_and_nobody_elses() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    daemon.local_user("bob", PASSWORD);
    let (first, second) = (daemon.session("ada", PASSWORD), daemon.session("ada", PASSWORD));
    let bob = daemon.session("bob", PASSWORD);
    let ada = daemon.with_token(&second);
    let sessions = ada.get("/api/v1/me/sessions").json["items"].clone();
    assert_eq!(sessions.as_array().unwrap().len(), 2);
    let other = |items: &Value| {
        let other = items.as_array().unwrap().iter().find(|session| session["current"] == false).unwrap();
        other["id"].as_str().unwrap().to_owned()
    };
    let id = other(&sessions);
    assert_eq!(daemon.with_token(&bob).delete(&format!("/api/v1/me/sessions/{id}")).status, 404);
    assert_eq!(ada.delete(&format!("/api/v1/me/sessions/{id}")).status, 204);
    assert!(!daemon.is_in(&first) && daemon.is_in(&second));
    assert_eq!(daemon.admin().delete("/api/v1/users/ada/sessions").status, 204);
    assert!(!daemon.is_in(&second) && daemon.is_in(&bob));
}
