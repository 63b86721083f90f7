//! Who may call what.

use axum::http::Method;
use musterd::base::id::{FactorId, UserId};
use musterd::http::middleware::access::Access;
use musterd::http::routes;
use musterd::store::credentials::{self, Factor, FactorKind};
use musterd::store::tx::Tx;
use serde_json::json;

use super::import::import;
use crate::harness::daemon::{Caller, TestDaemon};

/// A path of the table with something in each place.
fn concrete(path: &str) -> String {
    let parts =
        path.split('/').map(|part| if part.starts_with('{') { "01900000-0000-7000-8000-000000000000" } else { part });
    parts.collect::<Vec<_>>().join("/")
}

#[test]
fn every_route_but_login_health_set_up_password_rules_and_scims_description_refuses_the_anonymous() {
    let daemon = TestDaemon::start("");
    let anonymous = daemon.anonymous();
    let mut open = Vec::new();
    for route in routes::table() {
        let answer = anonymous.call(route.method.as_str(), &concrete(route.path), Some("{}".to_owned()), &[]);
        if matches!(route.access, Access::Anonymous | Access::ScimDiscovery) {
            open.push(route.path);
        } else {
            assert_eq!(answer.status, 401, "{} {}", route.method, route.path);
        }
    }
    assert_eq!(
        open,
        [
            "/api/v1/authenticate",
            "/api/v1/authenticate/passkey",
            "/api/v1/authenticate/passkey/verify",
            "/api/v1/authenticate/{transaction}/challenge",
            "/api/v1/authenticate/{transaction}/verify",
            "/api/v1/authenticate/{transaction}/password",
            "/api/v1/authenticate/{transaction}/enrol",
            "/api/v1/forgotten-password",
            "/api/v1/password-link",
            "/api/v1/password-link",
            "/api/v1/settings/password-rules",
            "/api/v1/session/cookie",
            "/.well-known/jwks.json",
            "/healthz",
            "/readyz",
            "/api/v1/openapi.json",
            "/scim/v2/ServiceProviderConfig",
            "/set-password",
            "/set-password.js",
            "/set-password.css",
            "/forgotten-password",
            "/forgotten-password.js",
        ]
    );
}

#[test]
fn a_token_opens_what_its_scopes_name_and_nothing_else() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", "correct horse battery");
    let viewer = daemon.with_token(&daemon.token(&["--scope", "users.view"]));
    for route in routes::table() {
        let (Access::Holder(permission) | Access::Within(permission) | Access::Own(permission)) = route.access else {
            continue;
        };
        let answer = viewer.call(route.method.as_str(), &concrete(route.path), Some("{}".to_owned()), &[]);
        let refused = answer.status == 403;
        assert_eq!(refused, permission.name() != "users.view", "{} {} {}", route.method, route.path, answer.status);
    }
    let session = daemon.session("ada", "correct horse battery");
    let ada = daemon.with_token(&session);
    assert_eq!(ada.get("/api/v1/users").status, 403);
    assert_eq!(ada.get("/api/v1/me").json["username"], "ada");
    assert_eq!(viewer.get("/api/v1/me").status, 401, "a token is nobody's self");
}

#[test]
fn a_scim_token_opens_scim_only_and_an_api_token_no_scim() {
    let daemon = TestDaemon::start("[[sources]]\nid = \"okta\"\nkind = \"scim\"\n");
    let scim = daemon.with_token(&daemon.token(&["--source", "okta"]));
    assert_eq!(scim.get("/api/v1/users").status, 403);
    assert_eq!(daemon.admin().get("/scim/v2/Users").status, 403);
    assert_eq!(scim.get("/scim/v2/Users").status, 200);
}

#[test]
fn tokens_in_the_wrong_place_or_of_the_wrong_form_open_nothing() {
    let daemon = TestDaemon::start("");
    let token = daemon.token(&["--scope", "admin"]);
    let anonymous = daemon.anonymous();
    assert_eq!(anonymous.get(&format!("/api/v1/users?access_token={token}")).code(), "token_in_query");
    for value in ["", "Bearer", "Bearer ", "Basic YTpi", "Bearer mst_a_", &format!("Bearer {token}x"), &token] {
        let answer = anonymous.call("GET", "/api/v1/users", None, &[("authorization", value)]);
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer"), "{value:?}");
    }
    let any_case = format!("bEARER {token}");
    assert_eq!(anonymous.call("GET", "/api/v1/users", None, &[("authorization", &any_case)]).status, 200);
}

#[test]
fn nobody_changes_who_holds_more_or_gives_what_they_do_not_hold() {
    let daemon = TestDaemon::start("");
    let helper = daemon.with_token(&daemon.token(&[
        "--scope",
        "users.view",
        "--scope",
        "users.update",
        "--scope",
        "users.roles",
        "--scope",
        "users.password",
        "--scope",
        "users.state",
        "--scope",
        "users.create",
    ]));
    daemon.local_user("ada", "correct horse battery");
    let admin = ["system-admin"];
    assert_eq!(helper.patch("/api/v1/users/ada", &json!({"roles": admin})).code(), "forbidden");
    assert_eq!(
        helper.post("/api/v1/users/admin/password", &json!({"password": "a brand new password"})).code(),
        "forbidden"
    );
    assert_eq!(helper.post("/api/v1/users/admin/disable", &json!({})).code(), "forbidden");
    let copy = json!({"username": "eve", "name": "Eve", "email": "eve@example.org"});
    assert_eq!(helper.post("/api/v1/users/admin/duplicate", &copy).code(), "forbidden");
    assert_eq!(helper.patch("/api/v1/users/ada", &json!({"name": "Ada L"})).status, 200);
}

#[test]
fn nobody_changes_their_own_roles_or_state() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", "correct horse battery");
    let admin = daemon.admin();
    assert_eq!(admin.patch("/api/v1/users/ada", &json!({"roles": ["system-admin"]})).status, 200);
    let ada = daemon.with_token(&daemon.session("ada", "correct horse battery"));
    assert_eq!(ada.patch("/api/v1/users/ada", &json!({"roles": ["user"]})).code(), "forbidden");
    assert_eq!(ada.post("/api/v1/users/ada/disable", &json!({})).code(), "forbidden");
    assert_eq!(ada.delete("/api/v1/users/ada").code(), "forbidden");
    assert_eq!(ada.get("/api/v1/users").status, 200);
    // What was given is taken at the next request.
    assert_eq!(admin.patch("/api/v1/users/ada", &json!({"roles": []})).status, 200);
    assert_eq!(ada.get("/api/v1/users").status, 403);
}

#[test]
fn an_undeclared_method_or_path_is_refused_in_the_form_of_its_endpoint() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    assert_eq!(admin.call(Method::PUT.as_str(), "/api/v1/users", None, &[]).code(), "method_not_allowed");
    assert_eq!(admin.get("/api/v1/nothing").code(), "not_found");
    assert_eq!(admin.get("/api/v1/users/nobody").code(), "not_found");
    assert_eq!(admin.get("/api/v1/plans/no-uuid").code(), "not_found");
}

#[test]
fn what_cannot_be_given_outright_cannot_be_given_around_a_corner() {
    let daemon = TestDaemon::start("[[sources]]\nid = \"okta\"\nkind = \"scim\"\n");
    let admin = daemon.admin();
    admin.post("/api/v1/groups", &json!({"name": "vault"}));
    daemon.local_user("ada", "correct horse battery");
    admin.patch("/api/v1/users/ada", &json!({"groups": ["vault"]}));
    let little = daemon.with_token(&daemon.token(&[
        "--scope",
        "users.create",
        "--scope",
        "users.update",
        "--scope",
        "tokens.manage",
    ]));
    let copy = json!({"username": "eve", "name": "Eve", "email": "eve@example.org"});
    assert_eq!(little.post("/api/v1/users/ada/duplicate", &copy).code(), "forbidden");
    assert_eq!(little.patch("/api/v1/users/ada", &json!({"mfa": "forced"})).code(), "forbidden");
    assert_eq!(little.post("/api/v1/tokens", &json!({"name": "x", "source": "okta"})).code(), "forbidden");
}

#[test]
fn a_source_cannot_come_in_as_its_user_who_became_an_administrator() {
    let daemon = TestDaemon::start("[[sources]]\nid = \"okta\"\nkind = \"scim\"\n");
    let okta = daemon.with_token(&daemon.token(&["--source", "okta"]));
    let wish = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "kim",
        "emails": [{"value": "kim@example.com", "primary": true}], "password": "correct horse battery",
    });
    let id = okta.post("/scim/v2/Users", &wish).text("/id");
    let patch = |path: &str, value: serde_json::Value| {
        let operation = json!({"op": "replace", "path": path, "value": value});
        let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [operation]});
        okta.patch(&format!("/scim/v2/Users/{id}"), &body).status
    };
    assert_eq!(patch("password", json!("another long password")), 200);
    assert_eq!(daemon.admin().patch("/api/v1/users/kim", &json!({"roles": ["system-admin"]})).status, 200);
    assert_eq!(patch("password", json!("yet another password")), 403);
    assert_eq!(patch("userName", json!("kimberly")), 403);
    assert_eq!(patch("title", json!("Dr")), 200);
    assert_eq!(patch("active", json!(false)), 200);
}

const PASSWORD: &str = "correct horse battery";

/// A user who holds a role of these permissions, with a session.
fn holder(daemon: &TestDaemon, name: &str, permissions: &[&str]) -> Caller {
    let admin = daemon.admin();
    daemon.local_user(name, PASSWORD);
    let role = format!("{name}-role");
    let made = admin.post("/api/v1/roles", &json!({"id": role, "name": role, "permissions": permissions}));
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(admin.patch(&format!("/api/v1/users/{name}"), &json!({"roles": [role]})).status, 200);
    daemon.with_token(&daemon.session(name, PASSWORD))
}

#[test]
fn a_factor_does_not_fall_with_its_number_by_who_may_not_take_it_away() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let bob: UserId = daemon.local_user("bob", PASSWORD).text("/id").parse().unwrap();
    let number = json!({"phone": "+31201234567"});
    assert_eq!(admin.patch("/api/v1/users/bob", &number).status, 200);
    let store = daemon.inside.store.clone();
    let factor = Factor {
        id: FactorId::new(store.clock().now(), store.rng()),
        name: "phone".to_owned(),
        created_at: store.clock().now(),
        confirmed: true,
        used_at: None,
        kind: FactorKind::Sms { number: "+31201234567".to_owned() },
    };
    let put = store.write(move |tx: &mut Tx<'_>| credentials::put_factor(tx, bob, &factor));
    tokio::runtime::Runtime::new().unwrap().block_on(put).unwrap();
    let desk = holder(&daemon, "desk", &["users.view", "users.create", "users.update", "users.password"]);
    let other = json!({"phone": "+31207654321"});
    for refused in [
        desk.patch("/api/v1/users/bob", &other),
        desk.patch("/api/v1/users/bob", &json!({"phone": null})),
        desk.delete("/api/v1/users/bob/mfa"),
    ] {
        assert!(refused.status == 403 && refused.json.to_string().contains("users.reset_mfa"), "{refused:?}");
    }
    let file = import(&desk, "", "username,phone\r\nbob,+31207654321\r\n");
    assert_eq!(file.json["report"]["items"][0]["faults"][0]["code"], "forbidden", "{file:?}");
    assert_eq!(admin.get("/api/v1/users/bob").json["phone"], "+31201234567");
    assert_eq!(desk.patch("/api/v1/users/bob", &json!({"phone": "+31201234567", "description": "x"})).status, 200);
    assert_eq!(admin.patch("/api/v1/users/bob", &other).status, 200);
}

#[test]
fn nobody_leaves_a_group_that_asks_for_a_second_factor_by_managing_groups() {
    let daemon = TestDaemon::start("[mfa]\ngroups = [\"vault\"]\n");
    let admin = daemon.admin();
    for name in ["vault", "inner", "plain"] {
        assert_eq!(admin.post("/api/v1/groups", &json!({"name": name})).status, 201);
    }
    admin.post("/api/v1/groups/vault/members", &json!({"add_groups": ["inner"]}));
    daemon.local_user("bob", PASSWORD);
    let keeper = holder(&daemon, "keeper", &["users.view", "users.update", "groups.view", "groups.manage"]);
    let judge =
        holder(&daemon, "judge", &["users.view", "users.update", "users.reset_mfa", "groups.view", "groups.manage"]);
    let members = json!({"add_users": ["bob", "judge"]});
    assert_eq!(admin.post("/api/v1/groups/inner/members", &members).status, 200);
    admin.post("/api/v1/groups/plain/members", &json!({"add_users": ["bob"]}));
    let tries = |caller: &Caller| {
        [
            caller.post("/api/v1/groups/inner/members", &json!({"remove_users": ["judge"]})),
            caller.post("/api/v1/groups/vault/members", &json!({"remove_groups": ["inner"]})),
            caller.patch("/api/v1/groups/vault", &json!({"name": "cellar"})),
            caller.delete("/api/v1/groups/inner"),
        ]
    };
    for refused in tries(&keeper).into_iter().chain(tries(&judge)) {
        assert_eq!(refused.status, 403, "{refused:?}");
    }
    assert_eq!(keeper.patch("/api/v1/users/bob", &json!({"groups": ["plain"]})).status, 403);
    let bulk = json!({"users": ["bob"], "action": "change", "change": {"groups": {"remove": ["inner"]}}});
    assert_eq!(keeper.post("/api/v1/users/bulk", &bulk).json["items"][0]["outcome"], "refused");
    // Nor by leaving an organisation whose group is nested there, nor by taking back what brought somebody in.
    let acme = admin.post("/api/v1/organizations", &json!({"name": "Acme"})).text("/id");
    admin.post("/api/v1/groups", &json!({"name": "devs", "organization": "Acme"}));
    admin.post("/api/v1/groups/inner/members", &json!({"add_groups": ["organization/Acme:devs"]}));
    daemon.local_user("mel", PASSWORD);
    let place = json!({"organizations": [{"id": acme}], "groups": ["organization/Acme:devs"]});
    assert_eq!(admin.patch("/api/v1/users/mel", &place).status, 200);
    let inviter = holder(
        &daemon,
        "inviter",
        &["users.view", "users.update", "organizations.manage", "groups.manage", "plans.approve"],
    );
    let out = inviter.post(&format!("/api/v1/organizations/{acme}/members"), &json!({"remove": ["mel"]}));
    let moved = inviter.patch("/api/v1/users/mel", &json!({"organizations": []}));
    assert_eq!((out.status, moved.status), (403, 403), "{out:?} {moved:?}");
    let join = json!({"users": ["inviter"], "action": "change", "change": {"groups": {"add": ["vault"]}}});
    let joined = admin.post("/api/v1/users/bulk", &join);
    let undo = format!("/api/v1/runs/{}/undo", joined.text("/run"));
    assert_eq!(inviter.post(&undo, &json!({})).json["counts"]["leave"], 0);
    let groups = admin.get("/api/v1/users/inviter").json["groups"].to_string();
    assert!(groups.contains("vault"), "{groups}");
    // Another name for one that is nested is no way out.
    assert_eq!(keeper.patch("/api/v1/groups/inner", &json!({"name": "inner2"})).status, 200);
    assert_eq!(keeper.patch("/api/v1/groups/inner2", &json!({"name": "inner"})).status, 200);
    // Joining, and leaving others, is as ever; who may take factors away may do this too.
    assert_eq!(keeper.patch("/api/v1/users/bob", &json!({"groups": ["inner"]})).status, 200);
    assert_eq!(judge.post("/api/v1/groups/inner/members", &json!({"remove_users": ["bob"]})).status, 200);
}

#[test]
fn what_tells_of_users_wants_the_permission_to_see_them() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let rows: String = (0..30).map(|n| format!("u{n},U,u{n}@example.org\r\n")).collect();
    assert_eq!(import(&admin, "", &format!("username,name,email\r\n{rows}")).status, 200);
    let held = admin.post("/api/v1/users/bulk", &json!({"filter": "username sw \"u\"", "action": "disable"}));
    assert_eq!(held.status, 202, "{held:?}");
    let (plan, run) = (held.text("/plan"), held.text("/run"));
    let bad = import(&admin, "", "username,name,email\r\nsecretive,S,nothing\r\n");
    assert_eq!(bad.status, 400);
    let blind = daemon.with_token(&daemon.token(&["--scope", "sources.view", "--scope", "plans.approve"]));
    let seeing = daemon.with_token(&daemon.token(&["--scope", "sources.view", "--scope", "users.view"]));
    for path in [format!("/api/v1/plans/{plan}"), format!("/api/v1/runs/{run}/items"), "/api/v1/conflicts".to_owned()] {
        assert_eq!((blind.get(&path).status, seeing.get(&path).status), (403, 200), "{path}");
    }
    let runs = |caller: &Caller| caller.get("/api/v1/runs").json.to_string();
    assert!(!runs(&blind).contains("secretive") && runs(&seeing).contains("secretive"));
    assert_eq!(blind.get("/api/v1/plans").status, 200, "how many of what");
}

#[test]
fn nobody_keeps_their_own_account_from_its_source_or_puts_a_new_password_off() {
    let daemon = TestDaemon::start("");
    let ada = holder(&daemon, "ada", &["users.view", "users.update"]);
    for wish in [json!({"kept": ["expires_at"]}), json!({"kept": null}), json!({"must_change_password": false})] {
        assert_eq!(ada.patch("/api/v1/users/ada", &wish).status, 403, "{wish}");
    }
    assert_eq!(ada.patch("/api/v1/users/ada", &json!({"description": "mine"})).status, 200);
}
