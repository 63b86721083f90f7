//! API tokens over the API.

use std::io::{Read, Write};
use std::net::TcpStream;

use jiff::SignedDuration;
use musterd::http::routes;
use serde_json::{Value, json};

use crate::harness::daemon::{Answer, TestDaemon};

/// Uses a token from an address, as a trusted proxy tells it.
fn from(daemon: &TestDaemon, token: &str, address: &str) -> Answer {
    daemon.with_token(token).call("GET", "/api/v1/users", None, &[("x-forwarded-for", address)])
}

/// Asks until an answer is as it should be: some notes are written beside the request.
fn soon(look: impl Fn() -> Value, wanted: impl Fn(&Value) -> bool) -> Value {
    (0..1_000).map(|_| look()).find(|found| wanted(found)).unwrap_or_else(|| panic!("{}", look()))
}

/// A request that was let in, and whose body is yet to come.
struct Held {
    stream: TcpStream,
    body: String,
}

impl Held {
    fn new(daemon: &TestDaemon, token: &str, (method, path): (&str, &str), body: &Value) -> Self {
        let mut stream = TcpStream::connect(daemon.inside.settings.listen).unwrap();
        let body = body.to_string();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\nconnection: close\r\n\
             content-type: application/json\r\ncontent-length: {}\r\nexpect: 100-continue\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).unwrap();
        // The server asks for the body when the guard is behind it.
        let mut answer = [0; 25];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"HTTP/1.1 100 Continue\r\n\r\n");
        Self { stream, body }
    }

    /// Sends the body; gives the status.
    fn finish(mut self) -> u16 {
        self.stream.write_all(self.body.as_bytes()).unwrap();
        let mut answer = String::new();
        self.stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

#[test]
fn a_body_that_comes_late_makes_nothing_for_whoever_is_out_by_then() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    daemon.local_user("ada", "correct horse battery");
    admin.patch("/api/v1/users/ada", &json!({"roles": ["system-admin"]}));
    let ada = daemon.session("ada", "correct horse battery");
    let wish = json!({"name": "p", "scopes": ["tokens.manage", "users.view"]});
    let (revoked, narrowed, replaced) =
        (admin.post("/api/v1/tokens", &wish), admin.post("/api/v1/tokens", &wish), admin.post("/api/v1/tokens", &wish));
    let other = admin.post("/api/v1/tokens", &json!({"name": "o", "scopes": ["users.view"]}));
    let path = |token: &Answer| format!("/api/v1/tokens/{}", token.text("/id"));
    let (rename, rotation) = (path(&other), format!("{}/rotate", path(&other)));
    let child = json!({"name": "c", "scopes": ["users.view"]});
    let requests = [
        (("POST", "/api/v1/tokens"), &child),
        (("PATCH", rename.as_str()), &json!({"name": "c"})),
        (("POST", rotation.as_str()), &json!({})),
    ];
    let hold = |token: &str| requests.map(|(line, body)| Held::new(&daemon, token, line, body));
    let held = [ada.as_str(), &revoked.text("/token"), &replaced.text("/token")].map(hold);
    let own = Held::new(&daemon, &revoked.text("/token"), ("POST", "/api/v1/token/rotate"), &json!({}));
    let wide = Held::new(&daemon, &narrowed.text("/token"), ("POST", "/api/v1/tokens"), &child);
    let before = admin.get("/api/v1/tokens").json["items"].as_array().unwrap().len();
    assert_eq!(admin.post("/api/v1/users/ada/disable", &json!({})).status, 200);
    assert_eq!(admin.delete(&path(&revoked)).status, 204);
    assert_eq!(admin.patch(&path(&narrowed), &json!({"scopes": ["tokens.manage"]})).status, 200);
    assert_eq!(admin.post(&format!("{}/rotate", path(&replaced)), &json!({"overlap": "0s"})).status, 200);
    assert_eq!(held.map(|held| held.map(Held::finish)), [[401; 3]; 3]);
    assert_eq!((own.finish(), wide.finish()), (401, 403));
    assert_eq!(admin.get("/api/v1/tokens").json["items"].as_array().unwrap().len(), before - 1);
}

#[test]
fn a_body_that_comes_late_changes_nothing_for_whoever_may_not_any_more() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    for name in ["ada", "bob", "eve", "dan"] {
        daemon.local_user(name, "correct horse battery");
    }
    let roles = |name: &str, roles: &[&str]| {
        let changed = admin.patch(&format!("/api/v1/users/{name}"), &json!({"roles": roles}));
        assert_eq!(changed.status, 200, "{changed:?}");
    };
    ["ada", "bob", "eve"].iter().for_each(|name| roles(name, &["system-admin"]));
    let sessions = ["ada", "bob", "eve"].map(|name| daemon.session(name, "correct horse battery"));
    let name = admin.get("/api/v1/users/dan").text("/name");
    let (change, file) = (json!({"name": "Late"}), json!("username,name\ndan,Late\n"));
    let held = sessions.each_ref().map(|session| {
        let patch = Held::new(&daemon, session, ("PATCH", "/api/v1/users/dan"), &change);
        let import = "/api/v1/users/import?format=csv&mode=good";
        [patch, Held::new(&daemon, session, ("POST", import), &file)]
    });
    assert_eq!(admin.post("/api/v1/users/ada/disable", &json!({})).status, 200);
    roles("bob", &["system-auditor"]);
    let [ada, bob, [rename, _]] = held;
    assert_eq!((ada.map(Held::finish), bob.map(Held::finish)), ([401; 2], [403; 2]));
    assert_eq!(admin.get("/api/v1/users/dan").json["name"], name);
    // Who is still who they were is not held up.
    assert_eq!(rename.finish(), 200);
    assert_eq!(admin.get("/api/v1/users/dan").json["name"], "Late");
}

#[test]
fn nobody_widens_a_token_that_would_outlast_them() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    daemon.local_user("ada", "correct horse battery");
    admin.patch("/api/v1/users/ada", &json!({"roles": ["system-admin"]}));
    let ada = daemon.with_token(&daemon.session("ada", "correct horse battery"));
    let wish = json!({"name": "a", "scopes": ["users.view"], "expires_at": "2027-01-01T00:00:00Z"});
    let (ownerless, own) = (admin.post("/api/v1/tokens", &wish), ada.post("/api/v1/tokens", &wish));
    let path = |token: &Answer| format!("/api/v1/tokens/{}", token.text("/id"));
    for wider in [json!({"scopes": ["admin"]}), json!({"expires_at": null})] {
        assert_eq!(ada.patch(&path(&ownerless), &wider).status, 403, "{wider}");
        assert_eq!(ada.patch(&path(&own), &wider).status, 200, "it ends with her: {wider}");
        assert_eq!(daemon.with_token(&own.text("/token")).patch(&path(&ownerless), &wider).status, 403, "{wider}");
    }
    let narrower = json!({"name": "b", "networks": ["10.0.0.0/8"], "expires_at": "2026-12-01T00:00:00Z"});
    assert_eq!(ada.patch(&path(&ownerless), &narrower).status, 200);
    assert_eq!(ada.patch(&path(&ownerless), &json!({"networks": null})).status, 403);
}

#[test]
fn a_token_is_shown_once_expires_and_is_revoked_at_once() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let wish = json!({"name": "billing", "scopes": ["users.view"], "expires_at": "2026-11-24T12:00:00Z"});
    let made = admin.post("/api/v1/tokens", &wish);
    let billing = daemon.with_token(&made.text("/token"));
    assert_eq!(billing.get("/api/v1/users").status, 200);
    let listed = admin.get("/api/v1/tokens").json.to_string();
    assert!(listed.contains("billing") && !listed.contains(&made.text("/token")));
    daemon.advance(SignedDuration::from_hours(24));
    assert_eq!(billing.get("/api/v1/users").status, 401);
    let second = admin.post("/api/v1/tokens", &json!({"name": "x", "scopes": ["users.view"]}));
    let other = daemon.with_token(&second.text("/token"));
    assert_eq!(other.get("/api/v1/users").status, 200);
    assert_eq!(admin.delete(&format!("/api/v1/tokens/{}", second.text("/id"))).status, 204);
    assert_eq!(other.get("/api/v1/users").status, 401);
}

#[test]
fn a_token_dies_with_the_administrator_who_made_it() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    daemon.local_user("ada", "correct horse battery");
    admin.patch("/api/v1/users/ada", &json!({"roles": ["system-admin"]}));
    let ada = daemon.with_token(&daemon.session("ada", "correct horse battery"));
    let token =
        ada.post("/api/v1/tokens", &json!({"name": "x", "scopes": ["users.view", "users.create"]})).text("/token");
    let token = daemon.with_token(&token);
    assert_eq!(token.get("/api/v1/users").status, 200);
    let child =
        ada.post("/api/v1/tokens", &json!({"name": "t", "scopes": ["tokens.manage", "users.view"]})).text("/token");
    let child = daemon
        .with_token(&child)
        .post("/api/v1/tokens", &json!({"name": "c", "scopes": ["users.view"]}))
        .text("/token");
    let child = daemon.with_token(&child);
    assert_eq!(child.get("/api/v1/users").status, 200);
    admin.patch("/api/v1/users/ada", &json!({"roles": ["system-auditor"]}));
    assert_eq!(token.post("/api/v1/users", &json!({})).status, 403, "it may not do more than its owner");
    assert_eq!(token.get("/api/v1/users").status, 200);
    admin.post("/api/v1/users/ada/disable", &json!({}));
    assert_eq!(token.get("/api/v1/users").status, 401);
    let states = |owner: &str| {
        let list = admin.get(&format!("/api/v1/tokens?owner={owner}")).json["items"].clone();
        list.as_array().unwrap().iter().map(|token| token["state"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(states("ada"), ["owner_out"; 3], "and lists say so");
    assert_eq!(child.get("/api/v1/users").status, 401, "nor does a token that a token made live on");
    admin.post("/api/v1/users/ada/enable", &json!({}));
    assert_eq!(token.get("/api/v1/users").status, 401, "what died stays dead");
}

#[test]
fn whose_token_is_used_has_been_there() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    daemon.local_user("ada", "correct horse battery");
    admin.patch("/api/v1/users/ada", &json!({"roles": ["system-admin"]}));
    let ada = daemon.with_token(&daemon.session("ada", "correct horse battery"));
    let token = ada.post("/api/v1/tokens", &json!({"name": "x", "scopes": ["users.view"]})).text("/token");
    let before = admin.get("/api/v1/users/ada").json["last_seen"].clone();
    daemon.advance(SignedDuration::from_hours(48));
    let wanted = daemon.clock.now().to_string();
    assert_eq!(daemon.with_token(&token).get("/api/v1/users").status, 200);
    // It is noted beside the request.
    let seen =
        (0..1_000).map(|_| admin.get("/api/v1/users/ada").json["last_seen"].clone()).find(|seen| *seen != before);
    assert_eq!(seen, Some(json!(wanted)));
}

#[test]
fn a_wish_for_a_token_that_makes_no_sense_is_refused() {
    let daemon = TestDaemon::start("[[sources]]\nid = \"okta\"\nkind = \"scim\"\n");
    let admin = daemon.admin();
    let code = |wish| admin.post("/api/v1/tokens", &wish).json["errors"][0]["code"].clone();
    assert_eq!(code(json!({"name": "x"})), "one_of");
    assert_eq!(code(json!({"name": "x", "scopes": ["users.view"], "source": "okta"})), "one_of");
    assert_eq!(code(json!({"name": "x", "scopes": ["users.eat"]})), "unknown_permission");
    assert_eq!(code(json!({"name": "x", "source": "local"})), "unknown_source");
    assert_eq!(code(json!({"name": "", "source": "okta"})), "empty");
    let little = daemon.with_token(&daemon.token(&["--scope", "tokens.manage"]));
    let answer = little.post("/api/v1/tokens", &json!({"name": "x", "scopes": ["users.view"]}));
    assert_eq!(answer.json["errors"][0]["code"], "not_held");
}

#[test]
fn what_a_token_makes_does_not_outlive_it() {
    let daemon = TestDaemon::start("");
    let wish =
        json!({"name": "short", "scopes": ["tokens.manage", "tokens.view"], "expires_at": "2026-11-24T00:00:00Z"});
    let parent = daemon.admin().post("/api/v1/tokens", &wish);
    assert_eq!(parent.status, 201, "{parent:?}");
    let short = daemon.with_token(&parent.text("/token"));
    for end in [json!(null), json!("2030-01-01T00:00:00Z")] {
        let child =
            short.post("/api/v1/tokens", &json!({"name": "child", "scopes": ["tokens.view"], "expires_at": end}));
        assert_eq!(child.json["expires_at"], "2026-11-24T00:00:00Z", "{child:?}");
    }
}

#[test]
fn a_token_for_networks_opens_nothing_from_elsewhere_and_the_trail_tells_once_an_hour() {
    let daemon = TestDaemon::start_with_server("trusted_proxies = [\"127.0.0.1\"]\n", "");
    let admin = daemon.admin();
    let wish = json!({"name": "x", "scopes": ["users.view"], "networks": ["192.0.2.0/24", "2001:db8::7"]});
    let made = admin.post("/api/v1/tokens", &wish);
    assert_eq!(made.json["networks"], json!(["192.0.2.0/24", "2001:db8::7"]));
    let text = made.text("/token");
    assert_eq!(from(&daemon, &text, "192.0.2.77").status, 200);
    assert_eq!(from(&daemon, &text, "2001:db8::7").status, 200);
    let refused = from(&daemon, &text, "198.51.100.1");
    assert_eq!((refused.status, refused.code()), (401, "unauthenticated"), "as any unknown token");
    assert_eq!(daemon.with_token(&text).get("/api/v1/users").status, 401, "nor from the proxy itself");
    let lines = || admin.get("/api/v1/audit?action=token.refused").json["items"].clone();
    let told = soon(lines, |items| items.as_array().unwrap().len() == 2);
    assert_eq!(
        (&told[1]["address"], &told[1]["details"]["network"]),
        (&json!("198.51.100.1"), &json!("198.51.100.0/24"))
    );
    for _ in 0..20 {
        assert_eq!(from(&daemon, &text, "198.51.100.2").status, 401);
    }
    daemon.advance(SignedDuration::from_hours(1));
    from(&daemon, &text, "198.51.100.3");
    soon(lines, |items| items.as_array().unwrap().len() == 3);
    let shown = admin.get(&format!("/api/v1/tokens/{}", made.text("/id")));
    assert_eq!(shown.json["refused"][0]["network"], "198.51.100.0/24");
}

#[test]
fn a_token_is_changed_where_it_is_as_it_was_seen() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let made = admin.post("/api/v1/tokens", &json!({"name": "x", "scopes": ["users.view", "groups.view"]}));
    let path = format!("/api/v1/tokens/{}", made.text("/id"));
    let seen = admin.get(&path);
    let patch = |body: Value| admin.call("PATCH", &path, Some(body.to_string()), &[("if-match", seen.header("etag"))]);
    let wish = json!({"name": "y", "scopes": ["users.view"], "networks": ["10.0.0.0/8"], "expires_at": "2030-01-01T00:00:00Z"});
    let changed = patch(wish);
    assert_eq!(changed.status, 200, "{changed:?}");
    assert_eq!((&changed.json["name"], &changed.json["scopes"]), (&json!("y"), &json!(["users.view"])));
    assert_ne!(changed.header("etag"), seen.header("etag"));
    assert_eq!(patch(json!({"name": "z"})).code(), "stale");
    let cleared = admin.patch(&path, &json!({"networks": null, "expires_at": null}));
    assert_eq!((&cleared.json["networks"], &cleared.json["expires_at"]), (&json!([]), &json!(null)));
    let line = admin.get("/api/v1/audit?action=token.changed&limit=1").json["items"][0].clone();
    assert_eq!(line["changes"].as_array().unwrap().len(), 2, "{line}");
    let code = |wish: Value| admin.patch(&path, &wish).json["errors"][0]["code"].clone();
    assert_eq!(code(json!({"scopes": []})), "required");
    assert_eq!(code(json!({"networks": ["10.0.0.1/8"]})), "behind_prefix");
    assert_eq!(code(json!({"networks": vec!["10.0.0.0/8"; 33]})), "too_many");
    assert_eq!(code(json!({"expires_at": "2020-01-01T00:00:00Z"})), "in_the_past");
}

#[test]
fn nobody_changes_or_rotates_a_token_that_opens_more_than_they_hold() {
    let daemon = TestDaemon::start("[[sources]]\nid = \"okta\"\nkind = \"scim\"\n");
    let admin = daemon.admin();
    let strong = admin.post("/api/v1/tokens", &json!({"name": "x", "scopes": ["admin"]})).text("/id");
    let provider = admin.post("/api/v1/tokens", &json!({"name": "x", "source": "okta"})).text("/id");
    let own = admin.post("/api/v1/tokens", &json!({"name": "h", "scopes": ["tokens.manage", "tokens.view"]}));
    let helper = daemon.with_token(&own.text("/token"));
    for id in [&strong, &provider] {
        let path = format!("/api/v1/tokens/{id}");
        assert_eq!(helper.patch(&path, &json!({"name": "mine"})).code(), "forbidden");
        assert_eq!(helper.post(&format!("{path}/rotate"), &json!({})).code(), "forbidden");
    }
    let path = format!("/api/v1/tokens/{}", own.text("/id"));
    let wider = helper.patch(&path, &json!({"scopes": ["tokens.manage", "users.view"]}));
    assert_eq!(wider.json["errors"][0]["code"], "not_held");
}

#[test]
fn nobody_gets_the_text_of_a_token_that_would_outlast_them() {
    let daemon = TestDaemon::start("[[sources]]\nid = \"okta\"\nkind = \"scim\"\n");
    let admin = daemon.admin();
    for name in ["ada", "bob"] {
        daemon.local_user(name, "correct horse battery");
        admin.patch(&format!("/api/v1/users/{name}"), &json!({"roles": ["system-admin"]}));
    }
    let [ada, bob] = ["ada", "bob"].map(|name| daemon.with_token(&daemon.session(name, "correct horse battery")));
    let wish = json!({"name": "x", "scopes": ["users.view"]});
    let provider = json!({"name": "x", "source": "okta"});
    let rotates = |made: &Answer| ada.post(&format!("/api/v1/tokens/{}/rotate", made.text("/id")), &json!({})).status;
    assert_eq!(rotates(&bob.post("/api/v1/tokens", &wish)), 403, "somebody else's");
    assert_eq!(rotates(&admin.post("/api/v1/tokens", &wish)), 403, "nobody's");
    assert_eq!(rotates(&ada.post("/api/v1/tokens", &wish)), 200, "her own");
    assert_eq!(rotates(&bob.post("/api/v1/tokens", &provider)), 200, "a provider's");
}

#[test]
fn what_a_token_makes_or_rotates_lies_within_it_and_ends_with_it() {
    let daemon = TestDaemon::start_with_server("trusted_proxies = [\"127.0.0.1\"]\n", "");
    let admin = daemon.admin();
    let wish = json!({
        "name": "parent", "scopes": ["tokens.manage", "users.view"], "networks": ["10.0.0.0/8"],
        "expires_at": "2027-06-01T00:00:00Z",
    });
    let parent = admin.post("/api/v1/tokens", &wish);
    let bearer = daemon.with_token(&parent.text("/token"));
    let call =
        |path: &str, body: Value| bearer.call("POST", path, Some(body.to_string()), &[("x-forwarded-for", "10.1.2.3")]);
    let child = call("/api/v1/tokens", json!({"name": "c", "scopes": ["users.view"]}));
    assert_eq!(
        (&child.json["networks"], &child.json["expires_at"]),
        (&parent.json["networks"], &parent.json["expires_at"])
    );
    assert_eq!(child.json["made_by"], parent.json["id"]);
    let wider = call("/api/v1/tokens", json!({"name": "c", "scopes": ["users.view"], "networks": ["0.0.0.0/0"]}));
    assert_eq!(wider.json["errors"][0]["code"], "not_held");
    // Others with no more than its own scopes are not to be had by rotating them: they would live on without it.
    let like_it = json!({
        "name": "e", "scopes": ["users.view"], "networks": ["10.0.0.0/8"], "expires_at": "2027-06-01T00:00:00Z",
    });
    for other in [&json!({"name": "e", "scopes": ["users.view"]}), &like_it] {
        let other = admin.post("/api/v1/tokens", other).text("/id");
        assert_eq!(call(&format!("/api/v1/tokens/{other}/rotate"), json!({})).code(), "forbidden");
    }
    let rotated = call(&format!("/api/v1/tokens/{}/rotate", child.text("/id")), json!({}));
    let text = rotated.text("/token");
    assert_eq!(from(&daemon, &text, "10.1.2.3").status, 200);
    assert_eq!(admin.delete(&format!("/api/v1/tokens/{}", parent.text("/id"))).status, 204);
    assert_eq!(from(&daemon, &text, "10.1.2.3").status, 401, "revoked with what made it");
    let lines = admin.get("/api/v1/audit?action=token.revoked").json["items"].clone();
    assert_eq!(lines.as_array().unwrap().len(), 2);
    assert_eq!(lines[0]["details"]["made_by"], parent.json["id"]);
}

#[test]
fn a_rotated_token_stays_itself_and_its_old_text_works_until_the_overlap_is_over() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let made = admin.post("/api/v1/tokens", &json!({"name": "x", "scopes": ["users.view"]}));
    let path = format!("/api/v1/tokens/{}", made.text("/id"));
    let rotated = admin.post(&format!("{path}/rotate"), &json!({"overlap": "1h"}));
    assert_eq!(rotated.status, 200, "{rotated:?}");
    assert_eq!((&rotated.json["id"], &rotated.json["scopes"]), (&made.json["id"], &made.json["scopes"]));
    assert_eq!(
        (&rotated.json["previous_until"], &rotated.json["previous_prefix"]),
        (&json!("2026-11-23T13:00:00Z"), &made.json["prefix"])
    );
    let (old, new) = (daemon.with_token(&made.text("/token")), daemon.with_token(&rotated.text("/token")));
    assert_eq!((old.get("/api/v1/users").status, new.get("/api/v1/users").status), (200, 200));
    let shown = soon(|| admin.get(&path).json, |shown| !shown["previous_last_used_at"].is_null());
    assert_eq!(shown["rotated_at"], "2026-11-23T12:00:00Z");
    daemon.advance(SignedDuration::from_hours(1));
    assert_eq!((old.get("/api/v1/users").status, new.get("/api/v1/users").status), (401, 200));
    let at_once = admin.post(&format!("{path}/rotate"), &json!({"overlap": "0s"}));
    assert_eq!(new.get("/api/v1/users").status, 401);
    assert_eq!(daemon.with_token(&at_once.text("/token")).get("/api/v1/users").status, 200);
    let refused = admin.post(&format!("{path}/rotate"), &json!({"overlap": "8d"}));
    assert_eq!(refused.json["errors"][0]["code"], "out_of_range");
    let trail = admin.get("/api/v1/audit?action=token.rotated").json;
    assert_eq!(trail["items"].as_array().unwrap().len(), 2);
    assert!(!trail.to_string().contains(&rotated.text("/token")));
}

#[test]
fn a_program_sees_and_rotates_its_own_token_by_the_text_that_it_has_now() {
    let daemon = TestDaemon::start("[[sources]]\nid = \"okta\"\nkind = \"scim\"\n");
    for arguments in [["--scope", "login.introspect"], ["--source", "okta"]] {
        let first = daemon.token(&arguments);
        let old = daemon.with_token(&first);
        let shown = old.get("/api/v1/token");
        assert_eq!((shown.status, shown.json["prefix"].as_str()), (200, first.get(..12)), "{arguments:?}");
        let new = daemon.with_token(&old.post("/api/v1/token/rotate", &json!({})).text("/token"));
        assert_eq!(new.get("/api/v1/token").json["id"], shown.json["id"]);
        assert_eq!(old.get("/api/v1/token").status, 200);
        assert_eq!(old.post("/api/v1/token/rotate", &json!({})).code(), "already_rotated");
    }
    let other = daemon.with_token(&daemon.token(&["--scope", "login.introspect"]));
    assert_eq!(other.get("/api/v1/tokens").status, 403, "its own is all that it sees");
    let strong = daemon.admin();
    let path = format!("/api/v1/tokens/{}/rotate", strong.get("/api/v1/token").text("/id"));
    assert_eq!(strong.post(&path, &json!({})).status, 200);
    assert_eq!(strong.post(&path, &json!({})).code(), "already_rotated", "nor by its id");
    daemon.local_user("ada", "correct horse battery");
    let session = daemon.session("ada", "correct horse battery");
    assert_eq!(daemon.with_token(&session).get("/api/v1/token").status, 401, "a session is no token");
}

#[test]
fn lists_come_in_pages_by_owner_source_and_kind_and_one_is_found_by_its_beginning() {
    let daemon = TestDaemon::start("[[sources]]\nid = \"okta\"\nkind = \"scim\"\n");
    let admin = daemon.admin();
    daemon.local_user("ada", "correct horse battery");
    admin.patch("/api/v1/users/ada", &json!({"roles": ["system-admin"]}));
    let ada = daemon.with_token(&daemon.session("ada", "correct horse battery"));
    let hers = ada.post("/api/v1/tokens", &json!({"name": "hers", "scopes": ["users.view"]}));
    daemon.token(&["--source", "okta"]);
    daemon.token(&["--application", "portal"]);
    let names = |query: &str| {
        let list = admin.get(&format!("/api/v1/tokens?{query}")).json["items"].clone();
        list.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names("owner=ada"), ["hers"]);
    assert_eq!(names("source=okta"), ["okta"]);
    assert_eq!(names("kind=scim"), ["okta"]);
    assert_eq!(names("kind=application"), ["portal"]);
    let all = names("");
    let (mut paged, mut query) = (Vec::new(), "limit=2".to_owned());
    for _ in 0..20 {
        let page = admin.get(&format!("/api/v1/tokens?{query}")).json;
        paged.extend(page["items"].as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { break };
        query = format!("limit=2&cursor={next}");
    }
    assert_eq!(paged, all);
    let found = admin.get(&format!("/api/v1/tokens/{}", hers.text("/prefix")));
    assert_eq!((&found.json["id"], &found.json["kind"]), (&hers.json["id"], &json!("administration")));
    assert_eq!(admin.get("/api/v1/tokens/mst_a_nobody").status, 404);
    assert_eq!(admin.get("/api/v1/tokens?kind=other").status, 400);
}

#[test]
fn a_token_in_the_query_is_refused_on_every_route_and_no_answer_is_kept_by_caches() {
    let daemon = TestDaemon::start("");
    let token = daemon.token(&["--scope", "admin"]);
    let admin = daemon.with_token(&token);
    for route in routes::table() {
        let parts = route.path.split('/').map(|part| if part.starts_with('{') { "x" } else { part });
        let path = parts.collect::<Vec<_>>().join("/");
        for name in ["access_token", "access%5Ftoken"] {
            let answer =
                admin.call(route.method.as_str(), &format!("{path}?{name}={token}"), Some("{}".to_owned()), &[]);
            assert_eq!(answer.status, 400, "{} {path}", route.method);
            let is_told = answer.code() == "token_in_query" || path.starts_with("/scim/");
            assert!(is_told && !answer.json.to_string().contains(&token), "{answer:?}");
        }
        if path.starts_with("/api/") || path.starts_with("/scim/") {
            let answer = daemon.anonymous().call(route.method.as_str(), &path, Some("{}".to_owned()), &[]);
            assert_eq!(answer.header("cache-control"), "no-store", "{} {path}", route.method);
        }
    }
    assert_eq!(admin.get("/api/v1/users").header("cache-control"), "no-store");
}
