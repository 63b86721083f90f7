//! Forgotten passwords: what anybody may ask, what nobody learns by it, and the links that come of it (security
//! requirements F-01 to F-12).

use std::net::TcpListener;

use jiff::SignedDuration;
use musterd::directory::message::{Body, Message};
use musterd::store::outbox;
use serde_json::{Value, json};

use super::factors::enrolled;
use super::totp::oathtool;
use crate::harness::daemon::{Answer, TestDaemon};

const PASSWORD: &str = "correct horse battery";
const NEW: &str = "another long password";

/// A daemon whose mail server takes connections and says nothing.
fn start(settings: &str) -> (TestDaemon, TcpListener) {
    let hanging = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = hanging.local_addr().unwrap().port();
    let mail = format!("[mail]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nfrom = \"d@example.org\"\n");
    let server = "public_url = \"https://id.example.org/dir\"\n";
    (TestDaemon::start_with_server(server, &format!("{mail}{settings}")), hanging)
}

fn forgot(daemon: &TestDaemon, username: &str) -> Answer {
    daemon.anonymous().post("/api/v1/forgotten-password", &json!({"username": username}))
}

fn queued(daemon: &TestDaemon) -> Vec<Message> {
    outbox::list(&daemon.inside.store.view(), 100).unwrap().into_iter().map(|(_, message)| message).collect()
}

fn links(daemon: &TestDaemon) -> Vec<String> {
    let link = |message: Message| match message.body {
        Body::ResetPassword { url } | Body::SetPassword { url } => Some(url),
        _ => None,
    };
    queued(daemon).into_iter().filter_map(link).collect()
}

fn token(link: &str) -> &str {
    link.split_once('#').unwrap().1
}

fn lines(daemon: &TestDaemon) -> Vec<Value> {
    let lines = daemon.admin().get("/api/v1/audit?action=password.forgotten").json;
    lines["items"].as_array().unwrap().clone()
}

#[test]
fn f_01_to_f_07_a_forgotten_password_is_set_by_a_link_that_works_once_and_ends_everything() {
    let (daemon, _mail) = start("");
    daemon.local_user("ada", PASSWORD);
    let session = daemon.session("ada", PASSWORD);
    assert_eq!(forgot(&daemon, "ADA@example.org").status, 202);
    daemon.advance(SignedDuration::from_secs(60));
    assert_eq!(forgot(&daemon, "ada").status, 202);
    let links = links(&daemon);
    assert_eq!(links.len(), 2);
    assert!(links.iter().all(|link| link.starts_with("https://id.example.org/dir/set-password#mst_l_")), "{links:?}");
    assert!(queued(&daemon).iter().all(|message| message.to == "ada@example.org"));
    assert!(daemon.is_in(&session), "asking for a link ends nothing");

    let show = |link: &str| daemon.with_token(token(link)).get("/api/v1/password-link");
    let using = |link: &str, password: &str| {
        daemon.anonymous().post("/api/v1/password-link", &json!({"token": token(link), "password": password}))
    };
    let (older, newer) = (&links[0], &links[1]);
    assert_eq!((show(older).status, using(older, NEW).status), (404, 404), "the newest kills the older");
    for _ in 0..3 {
        let shown = show(newer);
        assert_eq!((shown.status, shown.text("/username").as_str()), (200, "ada"));
        assert!(shown.json["rules"]["min_length"].is_u64() && shown.header("cache-control") == "no-store");
    }
    assert_eq!(using(newer, "short").code(), "password_rejected", "the rules hold here too");
    assert_eq!(using(newer, NEW).status, 204);
    assert_eq!((show(newer).status, using(newer, NEW).status), (404, 404), "once");
    assert!(!daemon.is_in(&session), "everything that was open has ended");
    assert_eq!((daemon.login("ada", PASSWORD).status, daemon.login("ada", NEW).status), (401, 200));
    let last = queued(&daemon).pop().unwrap();
    assert_eq!((last.body.kind(), last.to.as_str()), ("password_changed", "ada@example.org"));
}

#[test]
fn f_01_f_08_a_link_ends_after_an_hour_and_with_the_address_that_it_went_to() {
    let (daemon, _mail) = start("");
    for (name, spoil) in [("ada", 0), ("bob", 1)] {
        daemon.local_user(name, PASSWORD);
        forgot(&daemon, name);
        let link = links(&daemon).pop().unwrap();
        match spoil {
            0 => daemon.advance(SignedDuration::from_hours(1)),
            _ => drop(daemon.admin().patch("/api/v1/users/bob", &json!({"email": "other@example.org"}))),
        }
        let body = json!({"token": token(&link), "password": NEW});
        assert_eq!(daemon.anonymous().post("/api/v1/password-link", &body).status, 404, "{name}");
    }
}

#[test]
fn f_04_a_link_signs_nobody_in_and_skips_no_factor() {
    let (daemon, _mail) = start("[mfa]\npolicy = \"all\"\n");
    daemon.local_user("ada", PASSWORD);
    let (secret, _) = enrolled(&daemon, "ada");
    forgot(&daemon, "ada");
    let body = json!({"token": token(&links(&daemon)[0]), "password": NEW});
    let used = daemon.anonymous().post("/api/v1/password-link", &body);
    assert_eq!((used.status, used.json.as_str()), (204, Some("")), "no session comes of it");
    let login = daemon.login("ada", NEW);
    assert_eq!(login.json["status"], "mfa_required");
    let path = format!("/api/v1/authenticate/{}/verify", login.text("/transaction"));
    daemon.advance(SignedDuration::from_secs(30));
    let code = oathtool(&daemon, &secret);
    let answer = daemon.anonymous().post(&path, &json!({"method": "totp", "code": code}));
    assert_eq!(answer.json["status"], "authenticated", "{answer:?}");
}

#[test]
fn f_02_no_header_says_where_a_link_leads() {
    let (daemon, _mail) = start("[sessions]\nlink_lifetime = \"1d\"\n");
    daemon.local_user("ada", PASSWORD);
    let poison = [
        ("host", "evil.example.com"),
        ("x-forwarded-host", "evil.example.com"),
        ("x-forwarded-server", "evil.example.com"),
        ("forwarded", "host=evil.example.com;proto=http"),
        ("x-original-host", "evil.example.com"),
        ("x-host", "evil.example.com"),
        ("origin", "https://evil.example.com"),
        ("referer", "https://evil.example.com/"),
    ];
    for header in poison {
        let body = Some(json!({"username": "ada"}).to_string());
        let answer = daemon.anonymous().call("POST", "/api/v1/forgotten-password", body, &[header]);
        assert_eq!(answer.status, 202, "{header:?}");
        daemon.advance(SignedDuration::from_mins(61));
    }
    let links = links(&daemon);
    assert_eq!(links.len(), poison.len());
    assert!(links.iter().all(|link| link.starts_with("https://id.example.org/dir/set-password#")), "{links:?}");
}

#[test]
fn f_03_one_name_as_one_text_is_taken_and_nothing_else() {
    let (daemon, _mail) = start("");
    daemon.local_user("ada", PASSWORD);
    let bodies = [
        json!({"username": ["ada@example.org", "eve@example.org"]}).to_string(),
        json!({"username": {"$ne": ""}}).to_string(),
        json!({"username": "ada@example.org,eve@example.org"}).to_string(),
        json!({"username": "ada@example.org;eve@example.org"}).to_string(),
        json!({"username": "ada@example.org\r\nBcc: eve@example.org"}).to_string(),
        json!({"username": "Ada <ada@example.org>"}).to_string(),
        json!({"username": ""}).to_string(),
        json!({"username": "x".repeat(2_000)}).to_string(),
        json!({"username": "ada", "email": "eve@example.org"}).to_string(),
        r#"{"username": "ada", "username": "eve@example.org"}"#.to_owned(),
        "{}".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        String::new(),
    ];
    for body in bodies {
        let answer = daemon.anonymous().call("POST", "/api/v1/forgotten-password", Some(body.clone()), &[]);
        assert_eq!(answer.status, 400, "{body}");
    }
    assert!(links(&daemon).is_empty() && lines(&daemon).is_empty());
}

#[test]
fn t_07_everybody_gets_the_same_answer_and_only_whom_a_link_helps_gets_mail() {
    let (daemon, _mail) = start("");
    let admin = daemon.admin();
    for name in ["ada", "gone", "ended", "off"] {
        daemon.local_user(name, PASSWORD);
    }
    let invited = json!({"username": "new", "name": "New", "email": "new@example.org"});
    assert_eq!(admin.post("/api/v1/users", &invited).status, 201);
    admin.delete("/api/v1/users/gone");
    admin.patch("/api/v1/users/ended", &json!({"expires_at": "2026-11-23T13:00:00Z"}));
    admin.post("/api/v1/users/off/disable", &json!({}));
    daemon.advance(SignedDuration::from_hours(2));
    let shape = |answer: &Answer| {
        let mut names: Vec<_> = answer.headers.keys().map(|name| name.as_str().to_owned()).collect();
        names.sort();
        (answer.status, answer.json.clone(), names)
    };
    let expected = shape(&forgot(&daemon, "nobody"));
    assert_eq!(expected.0, 202);
    // The first administrator's address is a placeholder.
    for name in
        ["ada", "new", "gone", "ended", "off", "admin", "nobody@example.org", "mıke@example.org", "ADA@EXAMPLE.ORG"]
    {
        assert_eq!(shape(&forgot(&daemon, name)), expected, "{name}");
    }
    let mails: Vec<_> = queued(&daemon).into_iter().map(|message| (message.to, message.body.kind())).collect();
    assert!(mails.contains(&("ada@example.org".to_owned(), "reset_password")), "{mails:?}");
    assert!(mails.contains(&("new@example.org".to_owned(), "set_password")), "{mails:?}");
    assert_eq!(links(&daemon).len(), 2, "once a minute and account: {mails:?}");
    let reasons: Vec<_> = lines(&daemon).iter().map(|line| line["reason"].as_str().unwrap().to_owned()).collect();
    for reason in
        ["no such account", "the account may not come in", "no address that mail can reach", "asked too often"]
    {
        assert!(reasons.iter().any(|said| said == reason), "{reason}: {reasons:?}");
    }
}

#[test]
fn whoever_asks_too_often_waits_and_a_victim_gets_few_mails() {
    let (daemon, _mail) = start("");
    daemon.local_user("ada", PASSWORD);
    for n in 0..30 {
        assert_eq!(forgot(&daemon, "ada").status, 202, "{n}");
        daemon.advance(SignedDuration::from_secs(61));
    }
    let held = forgot(&daemon, "nobody");
    assert_eq!((held.status, held.code()), (429, "too_many_attempts"));
    assert!(held.header("retry-after").parse::<u64>().unwrap() > 1_000);
    assert_eq!(links(&daemon).len(), 5);
    // An application asks for its users from its own address, and says whose it was.
    let body = json!({"username": "ada", "client_ip": "192.0.2.9"});
    assert_eq!(daemon.anonymous().post("/api/v1/forgotten-password", &body).status, 403);
    let application = daemon.with_token(&daemon.token(&["--scope", "login.authenticate"]));
    assert_eq!(application.post("/api/v1/forgotten-password", &body).status, 202);
}

#[test]
fn where_no_mail_goes_out_or_the_settings_say_so_nothing_is_offered() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    for name in ["ada", "nobody"] {
        assert_eq!((forgot(&daemon, name).status, forgot(&daemon, name).code()), (409, "not_offered"));
    }
    let (daemon, _mail) = start("[login]\nforgotten_password = false\n");
    assert_eq!(forgot(&daemon, "nobody").status, 409);
}
