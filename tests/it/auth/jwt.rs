//! Signed tokens over HTTP, with an implementation of the tests' side: keys by address, checks by the library.

use jiff::SignedDuration;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Value, json};

use crate::harness::daemon::{Answer, TestDaemon};

const PASSWORD: &str = "correct horse battery";
const SETTINGS: &str = "[jwt]\nenabled = true\naudiences = [\"wiki\", \"shop\"]\ngroups = true\n";

fn keys(daemon: &TestDaemon) -> JwkSet {
    let answer = daemon.anonymous().get("/.well-known/jwks.json");
    assert_eq!((answer.status, answer.header("cache-control")), (200, "public, max-age=300"));
    assert_eq!(answer.header("content-type"), "application/jwk-set+json");
    serde_json::from_value(answer.json).unwrap()
}

/// What an application does with a token: the key by its name, then algorithm, issuer, audience.
fn checked(daemon: &TestDaemon, token: &str, audience: &str) -> Option<Value> {
    let head = jsonwebtoken::decode_header(token).unwrap();
    let set = keys(daemon);
    let key = DecodingKey::from_jwk(set.find(&head.kid.unwrap())?).unwrap();
    let mut rules = Validation::new(Algorithm::EdDSA);
    rules.set_audience(&[audience]);
    rules.set_issuer(&[&daemon.base]);
    // The daemon's time is the test's.
    rules.validate_exp = false;
    jsonwebtoken::decode(token, &key, &rules).ok().map(|found| found.claims)
}

fn signed(daemon: &TestDaemon, session: &str, audience: &str) -> Answer {
    daemon.with_token(session).post("/api/v1/session/token", &json!({"audience": audience}))
}

#[test]
fn a_session_gets_a_token_that_an_application_can_check_by_itself() {
    let daemon = TestDaemon::start(SETTINGS);
    daemon.admin().post("/api/v1/groups", &json!({"name": "staff"}));
    let user = daemon.local_user("ada", PASSWORD).text("/id");
    daemon.admin().patch("/api/v1/users/ada", &json!({"groups": ["staff"]}));
    let session = daemon.session("ada", PASSWORD);
    let answer = signed(&daemon, &session, "wiki");
    assert_eq!((answer.status, answer.header("cache-control")), (200, "no-store"), "J-03");
    assert_eq!((&answer.json["token_type"], &answer.json["expires_in"]), (&json!("Bearer"), &json!(300)));
    let token = answer.text("/access_token");
    let claims = checked(&daemon, &token, "wiki").unwrap();
    assert_eq!((&claims["sub"], &claims["groups"]), (&json!(user), &json!(["staff"])));
    assert!(checked(&daemon, &token, "shop").is_none(), "J-08");
    let fields =
        |path: &str, body: Value| daemon.with_token(&session).post(path, &body).json["errors"][0]["code"].clone();
    assert_eq!(fields("/api/v1/session/token", json!({"audience": "mail"})), "unknown_audience");
    assert_eq!(fields("/api/v1/session/token", json!({"audience": "wiki", "session": session})), "misplaced");

    // musterd itself lets nobody in by it.
    for path in ["/api/v1/session", "/api/v1/me", "/api/v1/users"] {
        assert_eq!(daemon.with_token(&token).get(path).status, 401, "{path}");
    }
    assert_eq!(signed(&daemon, &token, "wiki").status, 401, "none begets another");

    // An application may ask early whether the session still lives.
    let application = daemon.with_token(&daemon.token(&["--scope", "login.introspect"]));
    let told = application.post("/api/v1/introspect", &json!({"token": token})).json;
    assert_eq!((&told["active"], &told["aud"], &told["sub"]), (&json!(true), &json!("wiki"), &json!(user)));
    assert_eq!(told["exp"], claims["exp"]);
    daemon.advance(SignedDuration::from_secs(300));
    assert_eq!(application.post("/api/v1/introspect", &json!({"token": token})).json, json!({"active": false}));
    let again = signed(&daemon, &session, "wiki").text("/access_token");
    assert_eq!(application.post("/api/v1/revoke", &json!({"token": again})).status, 200);
    assert!(!daemon.is_in(&session), "what is revoked is the session behind it");
}

#[test]
fn an_application_gets_one_for_a_session_that_it_holds() {
    let daemon = TestDaemon::start(SETTINGS);
    daemon.local_user("ada", PASSWORD);
    let session = daemon.session("ada", PASSWORD);
    let made = daemon.musterd(&["token", "create", "--scope", "login.introspect", "--json"]);
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let application = daemon.with_token(made["token"].as_str().unwrap());
    let ask = |body: Value| application.post("/api/v1/session/token", &body);
    let answer = ask(json!({"audience": "shop", "session": session}));
    let claims = checked(&daemon, &answer.text("/access_token"), "shop").unwrap();
    assert_eq!(claims["client_id"], made["id"]);
    assert_eq!(ask(json!({"audience": "shop"})).json["errors"][0]["code"], "missing");
    daemon.admin().post("/api/v1/users/ada/disable", &json!({}));
    assert_eq!(ask(json!({"audience": "shop", "session": session})).json["errors"][0]["code"], "ended");
    let viewer = daemon.with_token(&daemon.token(&["--scope", "users.view"]));
    assert_eq!(viewer.post("/api/v1/session/token", &json!({"audience": "shop", "session": session})).status, 403);
}

#[test]
fn j_10_keys_are_rotated_over_http_and_by_the_command_and_survive_a_restart() {
    let daemon = TestDaemon::start(SETTINGS);
    daemon.local_user("ada", PASSWORD);
    let session = daemon.session("ada", PASSWORD);
    let token = signed(&daemon, &session, "wiki").text("/access_token");
    let tag = daemon.anonymous().get("/.well-known/jwks.json").header("etag").to_owned();
    let unchanged = daemon.anonymous().call("GET", "/.well-known/jwks.json", None, &[("if-none-match", &tag)]);
    assert_eq!((unchanged.status, unchanged.header("etag")), (304, tag.as_str()));
    // A new seal key: what signs stays.
    assert!(daemon.musterd(&["key", "rotate"]).status.success());
    let daemon = daemon.restart();
    let later = signed(&daemon, &session, "wiki").text("/access_token");
    let kid = |token: &str| jsonwebtoken::decode_header(token).unwrap().kid;
    assert_eq!(kid(&token), kid(&later));

    let viewer = daemon.with_token(&daemon.token(&["--scope", "users.view"]));
    assert_eq!(viewer.post("/api/v1/key/rotate-signing", &json!({})).status, 403);
    let due = daemon.admin().post("/api/v1/key/rotate-signing", &json!({})).text("/signs_from");
    assert_eq!(due, "2026-11-24T12:00:00Z", "not before it was told of for a day");
    assert_eq!(kid(&signed(&daemon, &session, "wiki").text("/access_token")), kid(&token));
    let replaced = daemon.musterd(&["key", "rotate-signing", "--at-once"]);
    assert!(replaced.status.success(), "{replaced:?}");
    assert!(keys(&daemon).find(&kid(&token).unwrap()).is_none());
    let application = daemon.with_token(&daemon.token(&["--scope", "login.introspect"]));
    assert_eq!(application.post("/api/v1/introspect", &json!({"token": token})).json, json!({"active": false}));
    let new = signed(&daemon, &session, "wiki").text("/access_token");
    assert!(checked(&daemon, &new, "wiki").is_some() && kid(&new) != kid(&token));
    let trail = daemon.admin().get("/api/v1/audit?limit=200").json.to_string();
    assert!(trail.contains("signing_key.made") && trail.contains("signing_key.dropped"));
}

#[test]
fn nothing_is_signed_where_the_settings_do_not_say_so() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    let session = daemon.session("ada", PASSWORD);
    assert_eq!(signed(&daemon, &session, "wiki").code(), "jwt_disabled");
    assert_eq!(daemon.anonymous().get("/.well-known/jwks.json").code(), "jwt_disabled");
}
