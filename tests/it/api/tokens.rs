//! API tokens over the API.

use jiff::SignedDuration;
use serde_json::json;

use crate::harness::daemon::TestDaemon;

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
