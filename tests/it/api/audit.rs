//! The audit trail over the API: found by whom, who, what and when; exported so that others can prove it.

use jiff::SignedDuration;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::daemon::{Answer, TestDaemon};

const PASSWORD: &str = "correct horse battery";

fn actions(answer: &Answer) -> Vec<String> {
    let items = answer.json["items"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    items.iter().map(|line| line["action"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn lines_are_found_by_whom_who_what_and_when() {
    let daemon = TestDaemon::start("");
    let token: Value =
        serde_json::from_slice(&daemon.musterd(&["token", "create", "--scope", "admin", "--json"]).stdout).unwrap();
    let admin = daemon.with_token(token["token"].as_str().unwrap());
    let user = |name: &str| json!({"username": name, "name": name, "email": format!("{name}@example.org"), "password": PASSWORD, "must_change_password": false});
    let ada = admin.post("/api/v1/users", &user("ada")).text("/id");
    assert_eq!(admin.patch("/api/v1/users/ada", &json!({"roles": ["system-admin"]})).status, 200);
    daemon.advance(SignedDuration::from_hours(1));
    let session = daemon.with_token(&daemon.session("ada", PASSWORD));
    assert_eq!(session.post("/api/v1/users", &user("bob")).status, 201);
    assert_eq!(session.patch("/api/v1/users/bob", &json!({"name": "Bob"})).status, 200);
    let find = |query: &str| actions(&admin.get(&format!("/api/v1/audit?{query}")));

    assert_eq!(find("user=bob&action=user.*"), ["user.changed", "user.created"]);
    for actor in ["ada".to_owned(), "user:ADA".to_owned(), format!("user:{ada}"), ada.clone()] {
        assert_eq!(find(&format!("actor={actor}&action=user.*")), ["user.changed", "user.created"], "{actor}");
    }
    let by_token = find(&format!("actor=token:{}&action=user.*", token["id"].as_str().unwrap()));
    assert_eq!(by_token, ["user.changed", "user.created"]);
    assert_eq!(find("actor=token:01900000-0000-7000-8000-000000000000"), [""; 0]);
    assert!(find("actor=system:setup").contains(&"user.created".to_owned()));
    let uid = std::process::Command::new("id").arg("-u").output().unwrap();
    let uid = String::from_utf8(uid.stdout).unwrap();
    assert_eq!(find(&format!("actor=socket:{}", uid.trim())), ["token.created"]);
    assert_eq!(find("actor=source:okta"), [""; 0]);
    assert_eq!(
        find("user=ada&until=2026-11-23T12:30:00Z").len(),
        2 + usize::from(find("user=ada&action=password.*").len() == 1)
    );
    assert!(find("user=ada&since=2026-11-23T12:30:00Z").iter().all(|action| action.starts_with("login.")));
    let page = admin.get("/api/v1/audit?user=bob&limit=1");
    assert_eq!(actions(&page), ["user.changed"]);
    let rest = find(&format!("user=bob&limit=1&cursor={}", page.text("/next_cursor")));
    assert_eq!(rest.len(), 1);
}

#[test]
fn of_a_user_who_is_gone_the_id_finds_the_lines() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let gone = "01900000-0000-7000-8000-000000000000";
    for parameter in ["user", "actor"] {
        let answer = admin.get(&format!("/api/v1/audit?{parameter}={gone}"));
        assert_eq!((answer.status, actions(&answer).len()), (200, 0), "{answer:?}");
    }
    assert_eq!(admin.get("/api/v1/audit?user=nobody").code(), "not_found");
    assert_eq!(admin.get("/api/v1/audit?actor=nobody").json["errors"][0]["code"], "unknown_user");
}

#[test]
fn what_is_malformed_is_named() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    for (parameter, values) in [
        ("actor", &["emperor:1", "token:1", "socket:-1", "socket:root", "source:", "system:", "user:", ""][..]),
        ("action", &["", "user", "user.", ".*", "*", "user.*.*", "USER.created", "user.created%00"]),
        ("since", &["", "yesterday", "2026-11-23", "2026-11-23T12:00:00"]),
        ("until", &["", "1"]),
        ("cursor", &["", "-1", "x"]),
        ("limit", &["0", "1001", "x"]),
    ] {
        for value in values {
            for path in ["audit", "audit/export"] {
                if path != "audit" && ["cursor", "limit"].contains(&parameter) {
                    continue;
                }
                let answer = admin.get(&format!("/api/v1/{path}?{parameter}={value}"));
                assert_eq!(answer.status, 400, "{parameter}={value}: {answer:?}");
                assert_eq!(answer.json["errors"][0]["field"], parameter, "{value}: {answer:?}");
            }
        }
    }
}

#[test]
fn an_export_is_what_is_stored_oldest_first_and_its_chain_can_be_computed_by_others() {
    let daemon = TestDaemon::start("");
    for n in 0..90 {
        daemon.login(&format!("nobody{n} \"ü\u{7f}/"), "wrong");
    }
    daemon.local_user("ada", PASSWORD);
    let admin = daemon.admin();
    let answer = admin.get("/api/v1/audit/export");
    assert_eq!((answer.status, answer.header("content-type")), (200, "application/x-ndjson"));
    let text = answer.json.as_str().unwrap();
    assert!(text.ends_with('\n') && text.lines().count() > 90);
    let mut hash = String::new();
    for (seq, line) in (1..).zip(text.lines()) {
        let mut line: Value = serde_json::from_str(line).unwrap();
        assert_eq!(line["seq"], seq);
        let claimed = line.as_object_mut().unwrap().remove("hash").unwrap();
        hash = data_encoding::HEXLOWER.encode(&Sha256::digest(format!("{hash}{line}")));
        assert_eq!(claimed, hash, "line {seq}");
    }
    let some = admin.get("/api/v1/audit/export?user=ada&action=user.created");
    assert_eq!(some.json["target"]["username"], "ada", "{some:?}");
    let viewer = daemon.with_token(&daemon.token(&["--scope", "audit.view"]));
    assert_eq!(viewer.call("HEAD", "/api/v1/audit/export", None, &[]).status, 200);
    assert_eq!(viewer.get("/api/v1/export").status, 403);
}
