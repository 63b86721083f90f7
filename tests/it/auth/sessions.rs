//! S-01, S-04, S-06, S-09 and J-11: sessions as they are kept, listed, asked about and ended.

use std::process::Command;

use data_encoding::BASE64;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::daemon::{Answer, TestDaemon};

const PASSWORD: &str = "correct horse battery";
const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

/// Does this text stand in any file below a folder?
fn is_found(folder: &std::path::Path, text: &str) -> bool {
    let output = Command::new("grep").args(["-rlaF", "--", text]).arg(folder).output().unwrap();
    output.status.success()
}

#[test]
fn s_01_a_session_is_256_random_bits_of_which_the_store_keeps_the_hash() {
    let daemon = TestDaemon::start("[jwt]\nenabled = true\naudiences = [\"wiki\"]\n");
    daemon.local_user("ada", PASSWORD);
    let (one, other) = (daemon.session("ada", PASSWORD), daemon.session("ada", PASSWORD));
    let random = |token: &str| {
        let text = token.strip_prefix("mst_s_").unwrap();
        data_encoding::BASE64URL_NOPAD.decode(&text.as_bytes()[..43]).unwrap()
    };
    assert_eq!(random(&one).len(), 32);
    assert_ne!(random(&one), random(&other));
    let signed = daemon.with_token(&one).post("/api/v1/session/token", &json!({"audience": "wiki"}));
    let signature = signed.text("/access_token").rsplit_once('.').unwrap().1.to_owned();
    let dump = daemon.folder().join("dump");
    let exported = daemon.musterd(&["export", dump.join("export.jsonl").to_str().unwrap()]);
    let exported = if exported.status.success() {
        exported
    } else {
        std::fs::create_dir_all(&dump).unwrap();
        daemon.musterd(&["export", dump.join("export.jsonl").to_str().unwrap()])
    };
    assert!(exported.status.success(), "{exported:?}");
    assert!(is_found(&dump, "\"space\":\"session\"") && is_found(&dump, "\"space\":\"signing-key\""));
    for secret in [&one[6..49], &signature] {
        assert!(!is_found(daemon.folder(), secret), "neither in the store nor in an export");
    }
}

#[test]
fn s_04_a_session_ends_when_it_is_idle_and_in_any_case_over_a_restart_and_a_clock_step() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    let (idle, used) = (daemon.session("ada", PASSWORD), daemon.session("ada", PASSWORD));
    daemon.advance(SignedDuration::from_mins(59));
    assert!(daemon.is_in(&used));
    // The use is noted by the writer behind the answer; anything that is written after it shows that it is there.
    daemon.local_user("bob", PASSWORD);
    daemon.advance(SignedDuration::from_mins(1));
    assert!(!daemon.is_in(&idle) && daemon.is_in(&used));
    let daemon = daemon.restart();
    assert!(!daemon.is_in(&idle) && daemon.is_in(&used));
    for _ in 0..47 {
        daemon.advance(SignedDuration::from_mins(29));
        assert!(daemon.is_in(&used), "{}", daemon.clock.now());
        daemon.anonymous().post("/api/v1/authenticate", &json!({"username": "bob", "password": PASSWORD}));
    }
    daemon.advance(SignedDuration::from_mins(29));
    assert!(!daemon.is_in(&used), "a day is the end");
    // A clock that is turned back revives no session for longer than it would have lived.
    daemon.advance(SignedDuration::from_hours(-1));
    let again = daemon.with_token(&used).get("/api/v1/session");
    assert!(again.status == 401 || again.text("/session/expires_at").as_str() <= "2026-11-24T12:00:00Z");
    daemon.advance(SignedDuration::from_hours(1));
    assert!(!daemon.is_in(&used));
}

#[test]
fn s_06_administrators_see_and_end_one_session_or_all() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    daemon.local_user("bob", PASSWORD);
    let application = daemon.token(&["--scope", "login.authenticate"]);
    let login = json!({"username": "ada", "password": PASSWORD, "client_ip": "192.0.2.7"}).to_string();
    let headers = [("user-agent", "Browser/1.0")];
    let answer = daemon.with_token(&application).call("POST", "/api/v1/authenticate", Some(login), &headers);
    let (first, second) = (answer.text("/session/token"), daemon.session("ada", PASSWORD));
    let bob = daemon.session("bob", PASSWORD);
    let shown = daemon.admin().get("/api/v1/users/ada/sessions").json["items"].clone();
    let of_application = shown.as_array().unwrap().iter().find(|one| one["agent"] == "Browser/1.0").unwrap();
    assert_eq!((&of_application["address"], &of_application["factors"]), (&json!("192.0.2.7"), &json!(["pwd"])));
    assert!(of_application["client"].is_string() && !shown.to_string().contains("mst_"), "{shown}");
    let list = daemon.musterd(&["user", "sessions", "ada"]);
    let list = String::from_utf8(list.stdout).unwrap();
    assert!(list.contains("192.0.2.7") && list.contains("Browser/1.0"), "{list}");

    let id = of_application["id"].as_str().unwrap();
    let viewer = daemon.with_token(&daemon.token(&["--scope", "users.view"]));
    assert_eq!(viewer.delete(&format!("/api/v1/users/ada/sessions/{id}")).status, 403);
    assert_eq!(daemon.with_token(&bob).delete(&format!("/api/v1/users/ada/sessions/{id}")).status, 403);
    assert_eq!(daemon.admin().delete(&format!("/api/v1/users/bob/sessions/{id}")).status, 404, "not this user's");
    let ended = daemon.musterd(&["user", "end-sessions", "ada", "--session", id]);
    assert!(ended.status.success(), "{ended:?}");
    assert!(!daemon.is_in(&first) && daemon.is_in(&second));
    assert_eq!(daemon.admin().delete(&format!("/api/v1/users/ada/sessions/{id}")).status, 404);
    assert!(daemon.musterd(&["user", "logout", "ada"]).status.success());
    assert!(!daemon.is_in(&second) && daemon.is_in(&bob));
}

#[test]
fn s_06_nobody_ends_sessions_of_who_holds_more() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    daemon.admin().patch("/api/v1/users/ada", &json!({"roles": ["system-admin"]}));
    let ada = daemon.session("ada", PASSWORD);
    let id = daemon.admin().get("/api/v1/users/ada/sessions").text("/items/0/id");
    let helper = daemon.with_token(&daemon.token(&["--scope", "users.sessions"]));
    assert_eq!(helper.delete(&format!("/api/v1/users/ada/sessions/{id}")).status, 403);
    assert_eq!(helper.delete("/api/v1/users/ada/sessions").status, 403);
    assert!(daemon.is_in(&ada));
}

#[test]
fn s_09_a_logout_ends_the_session_and_clears_the_browser() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    let session = daemon.session("ada", PASSWORD);
    let answer = daemon.with_token(&session).delete("/api/v1/session");
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("clear-site-data"), "\"cookies\", \"storage\"");
    assert!(
        answer.header("set-cookie").starts_with("__Host-musterd=; ") && answer.header("set-cookie").ends_with("=0")
    );
    assert!(!daemon.is_in(&session));
}

/// Somebody who asks about tokens.
struct Application {
    daemon: TestDaemon,
    id: String,
    token: String,
}

fn application() -> Application {
    let daemon = TestDaemon::start("");
    let made = daemon.musterd(&["token", "create", "--scope", "login.introspect", "--json"]);
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let (id, token) = (text("id"), text("token"));
    Application { daemon, id, token }
}

impl Application {
    /// Asks with this header, and this body.
    fn ask(&self, path: &str, authorization: &str, body: &str) -> Answer {
        let headers = [FORM, ("authorization", authorization)];
        self.daemon.anonymous().call("POST", path, Some(body.to_owned()), &headers)
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    fn basic(&self, id: &str, secret: &str) -> String {
        format!("Basic {}", BASE64.encode(format!("{id}:{secret}").as_bytes()))
    }
}

#[test]
fn j_11_introspection_wants_a_client_and_tells_of_what_is_not_valid_nothing() {
    let desk = application();
    desk.daemon.admin().post("/api/v1/groups", &json!({"name": "staff"}));
    desk.daemon.local_user("ada", PASSWORD);
    desk.daemon.admin().patch("/api/v1/users/ada", &json!({"groups": ["staff"]}));
    let session = desk.daemon.session("ada", PASSWORD);
    let about = |token: &str| format!("token={token}&token_type_hint=access_token");
    let introspect = "/api/v1/introspect";
    for authorization in [desk.bearer(), desk.basic(&desk.id, &desk.token)] {
        let told = desk.ask(introspect, &authorization, &about(&session));
        assert_eq!((told.status, told.header("cache-control")), (200, "no-store"));
        let user = desk.daemon.admin().get("/api/v1/users/ada").json;
        assert_eq!((&told.json["active"], &told.json["sub"]), (&json!(true), &user["id"]));
        assert_eq!((&told.json["iss"], &told.json["groups"]), (&json!(desk.daemon.base), &json!(["staff"])));
        assert_eq!((&told.json["amr"], &told.json["acr"]), (&json!(["pwd"]), &json!("aal1")));
        let known =
            ["iss", "sub", "username", "name", "email", "groups", "sid", "iat", "exp", "auth_time", "amr", "acr"];
        let mut names: Vec<_> = told.json.as_object().unwrap().keys().map(String::as_str).collect();
        names.retain(|name| !known.contains(name));
        assert_eq!(names, ["active", "token_type"]);
    }
    // Whoever is no client is told nothing; the header says both ways in (RFC 6749 §5.2).
    let other = desk.daemon.token(&["--scope", "users.view"]);
    for (authorization, status) in [
        (String::new(), 401),
        (desk.basic(&desk.id, &other), 401),
        (desk.basic("01900000-0000-7000-8000-000000000000", &desk.token), 401),
        (desk.basic(&desk.token, ""), 401),
        (desk.basic("", &desk.token), 401),
        ("Basic x".to_owned(), 401),
        (format!("Bearer {session}"), 403),
        (format!("Bearer {other}"), 403),
    ] {
        let answer = desk.ask(introspect, &authorization, &about(&session));
        assert_eq!(answer.status, status, "{authorization}");
        assert!(!answer.json.to_string().contains("active"), "{answer:?}");
        let ways: Vec<_> = answer.headers.get_all("www-authenticate").iter().collect();
        assert_eq!(ways.len(), if status == 401 { 2 } else { 0 });
    }
    assert_eq!(desk.daemon.with_token(&desk.token).get(introspect).status, 405);
    // Basic opens nothing but what is for applications.
    let users = [("authorization", desk.basic(&desk.id, &desk.token))];
    let users = users.each_ref().map(|(name, value)| (*name, value.as_str()));
    assert_eq!(desk.daemon.anonymous().call("GET", "/api/v1/users", None, &users).status, 401);

    for token in ["", "x", "mst_s_", &session[1..], &desk.token, &"a".repeat(100_000), "eyJhbGciOiJub25lIn0.e30."] {
        let told = desk.ask(introspect, &desk.bearer(), &about(token));
        assert_eq!((told.status, told.json), (200, json!({"active": false})), "{token:.40}");
    }
}

#[test]
fn j_02_tokens_in_other_places_are_not_looked_at() {
    let desk = application();
    desk.daemon.local_user("ada", PASSWORD);
    let session = desk.daemon.session("ada", PASSWORD);
    let (bearer, introspect) = (desk.bearer(), "/api/v1/introspect");
    for body in [
        format!("token={session}&access_token={}", desk.token),
        format!("token={session}&client_id={}&client_secret={}", desk.id, desk.token),
        format!("token={session}&token={session}"),
        format!("access_token={session}"),
        String::new(),
        "token".repeat(2),
    ] {
        assert_eq!(desk.ask(introspect, &bearer, &body).status, 400, "{body:.20}");
    }
    assert_eq!(desk.ask(&format!("{introspect}?token={session}"), &bearer, "").status, 400);
    let by_query = format!("{introspect}?access_token={}", desk.token);
    for authorization in ["", &bearer] {
        assert_eq!(desk.ask(&by_query, authorization, &format!("token={session}")).status, 400);
    }
    let cookie = [("cookie", format!("__Host-musterd={session}"))];
    let cookie = cookie.each_ref().map(|(name, value)| (*name, value.as_str()));
    for (method, path) in [("GET", "/api/v1/session"), ("GET", "/api/v1/me"), ("DELETE", "/api/v1/session")] {
        assert_eq!(desk.daemon.anonymous().call(method, path, None, &cookie).status, 401, "{path}");
    }
    assert!(desk.daemon.is_in(&session));
}

#[test]
fn a_token_is_revoked_by_its_bearer_or_by_the_application_that_began_it() {
    let desk = application();
    desk.daemon.local_user("ada", PASSWORD);
    desk.daemon.local_user("bob", PASSWORD);
    let revoke =
        |authorization: &str, token: &str| desk.ask("/api/v1/revoke", authorization, &format!("token={token}")).status;
    let (ada, bob) = (desk.daemon.session("ada", PASSWORD), desk.daemon.session("bob", PASSWORD));
    assert_eq!(revoke("", &ada), 401);
    assert_eq!(revoke(&format!("Bearer {bob}"), &ada), 403);
    assert!(desk.daemon.is_in(&ada));
    assert_eq!(revoke(&format!("Bearer {ada}"), &ada), 200);
    assert!(!desk.daemon.is_in(&ada) && desk.daemon.is_in(&bob));
    assert_eq!(revoke(&desk.basic(&desk.id, &desk.token), &bob), 200);
    assert!(!desk.daemon.is_in(&bob));
    for token in [&bob, "x", "mst_s_", ""] {
        assert_eq!(revoke(&desk.bearer(), token), 200, "what opens nothing is ended already (RFC 7009 §2.2)");
    }
    // One that another application began is that application's.
    let shop = desk.daemon.token(&["--scope", "login.introspect"]);
    let login = json!({"username": "ada", "password": PASSWORD});
    let begun = desk.daemon.with_token(&shop).post("/api/v1/authenticate", &login).text("/session/token");
    assert_eq!(revoke(&desk.bearer(), &begun), 403);
    assert!(desk.daemon.is_in(&begun));
    assert_eq!(revoke(&format!("Bearer {shop}"), &begun), 200);
    assert!(!desk.daemon.is_in(&begun));
}
