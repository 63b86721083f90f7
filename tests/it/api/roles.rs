//! Roles: the built-in ones stay as they are, and the directory's own give no more than their maker holds.

use serde_json::{Value, json};

use crate::harness::daemon::TestDaemon;

const PASSWORD: &str = "correct horse battery";

#[test]
fn the_built_in_roles_are_unchangeable() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let all = admin.get("/api/v1/roles").json;
    let built_in = all["items"].as_array().unwrap().iter().filter(|role| role["built_in"] == true);
    let built_in: Vec<&str> = built_in.map(|role| role["id"].as_str().unwrap()).collect();
    assert_eq!(built_in.len(), 6, "{built_in:?}");
    for role in built_in {
        let path = format!("/api/v1/roles/{role}");
        assert_eq!(admin.get(&path).json["built_in"], true);
        assert_eq!(admin.patch(&path, &json!({"name": "Mine"})).code(), "built_in", "{role}");
        assert_eq!(admin.delete(&path).code(), "built_in", "{role}");
        assert_eq!(admin.post("/api/v1/roles", &json!({"id": role, "name": "Mine"})).code(), "id_taken", "{role}");
    }
}

#[test]
fn a_role_is_made_cloned_changed_and_stays_while_somebody_holds_it() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let desk = json!({"name": "Help Desk", "permissions": ["users.view", "users.password"]});
    let made = admin.post("/api/v1/roles", &desk);
    assert_eq!((made.status, made.header("location")), (201, "/api/v1/roles/help-desk"), "{made:?}");
    let night = admin.post("/api/v1/roles", &json!({"name": "Night desk", "clone": "help-desk"}));
    assert_eq!(night.json["permissions"], made.json["permissions"]);
    daemon.local_user("ada", PASSWORD);
    daemon.local_user("bob", PASSWORD);
    let given = admin.patch("/api/v1/users/ada", &json!({"roles": ["help-desk", "night-desk", "user"]}));
    assert_eq!(given.json["roles"], json!(["help-desk", "night-desk", "user"]), "several at once");
    let ada = daemon.with_token(&daemon.session("ada", PASSWORD));
    assert_eq!(ada.get("/api/v1/users").status, 200);
    assert_eq!(ada.post("/api/v1/users/bob/password", &json!({"password": "a brand new password"})).status, 204);
    assert_eq!(ada.post("/api/v1/users/bob/disable", &json!({})).status, 403);
    // Permissions add up, and a change counts from the next request on.
    let more = json!({"permissions": ["users.state"]});
    let changed = admin.patch("/api/v1/roles/night-desk", &more);
    assert_eq!((changed.status, changed.header("etag")), (200, "W/\"2\""));
    assert_eq!(ada.post("/api/v1/users/bob/disable", &json!({})).status, 200);
    assert_eq!(ada.get("/api/v1/users").status, 200);
    assert_eq!(admin.delete("/api/v1/roles/night-desk").code(), "in_use");
    admin.patch("/api/v1/users/ada", &json!({"roles": ["help-desk"]}));
    assert_eq!(admin.delete("/api/v1/roles/night-desk").status, 204);
    assert_eq!(ada.post("/api/v1/users/bob/enable", &json!({})).status, 403);
    let lines = admin.get("/api/v1/audit?action=role.changed").json;
    let changes = lines["items"][0]["changes"].clone();
    assert_eq!(changes[0]["new"], json!(["users.state"]));
    assert_eq!(changes[0]["old"], json!(["users.view", "users.password"]));
}

#[test]
fn a_role_holds_where_it_belongs() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let post = |wish: Value| admin.post("/api/v1/roles", &wish);
    let wide = post(json!({"name": "Wide", "scope": "organization", "permissions": ["users.view", "users.delete"]}));
    assert_eq!(wide.text("/errors/0/code"), "out_of_place", "{wide:?}");
    assert_eq!(post(json!({"name": "Desk", "scope": "organization", "permissions": ["users.view"]})).status, 201);
    daemon.local_user("ada", PASSWORD);
    let refused = admin.patch("/api/v1/users/ada", &json!({"roles": ["desk"]}));
    assert_eq!(refused.text("/errors/0/code"), "unknown_role");
    let organization = admin.post("/api/v1/organizations", &json!({"name": "Acme"})).text("/id");
    let place = |role: &str| json!({"organizations": [{"id": "acme", "roles": [role]}]});
    assert_eq!(admin.patch("/api/v1/users/ada", &place("system-auditor")).text("/errors/0/code"), "unknown_role");
    assert_eq!(admin.patch("/api/v1/users/ada", &place("desk")).json["organizations"][0]["id"], json!(organization));
    assert_eq!(admin.delete("/api/v1/roles/desk").code(), "in_use", "held inside an organisation too");
    let cloned = post(json!({"name": "Auditor here", "clone": "system-auditor", "scope": "organization"}));
    let auditor = admin.get("/api/v1/roles/organization-auditor").json;
    assert_eq!(cloned.json["permissions"], auditor["permissions"], "what does not hold there stays behind");
}

#[test]
fn bad_roles_are_refused_with_every_fault() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let wish = json!({"id": "No Slug", "name": "", "permissions": ["users.view", "users.fly"], "clone": "nobody"});
    let refused = admin.post("/api/v1/roles", &wish);
    let codes: Vec<_> = refused.json["errors"].as_array().unwrap().iter().map(|error| error["field"].clone()).collect();
    assert_eq!(codes, ["clone", "id", "name", "permissions"], "{refused:?}");
    let itself = admin.post("/api/v1/roles", &json!({"id": "loop", "name": "Loop", "clone": "loop"}));
    assert_eq!(itself.text("/errors/0/code"), "unknown_role");
    assert_eq!(admin.get("/api/v1/roles/loop").status, 404, "nothing half-done");
    assert_eq!(admin.post("/api/v1/roles", &json!({"name": "名前"})).text("/errors/0/field"), "id");
    let stale = admin.post("/api/v1/roles", &json!({"name": "Desk"}));
    let headers = [("if-match", "W/\"7\"")];
    let body = Some(json!({"name": "Other"}).to_string());
    assert_eq!(admin.call("PATCH", &format!("/api/v1/roles/{}", stale.text("/id")), body, &headers).code(), "stale");
}

#[test]
fn nobody_makes_or_changes_a_role_beyond_what_they_hold_nor_their_own() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let keeper = json!({"name": "Keeper", "permissions": ["roles.manage", "roles.view", "users.view", "users.roles", "users.update"]});
    assert_eq!(admin.post("/api/v1/roles", &keeper).status, 201);
    let strong = json!({"name": "Strong", "permissions": ["users.view", "users.delete"]});
    assert_eq!(admin.post("/api/v1/roles", &strong).status, 201);
    daemon.local_user("ada", PASSWORD);
    daemon.local_user("bob", PASSWORD);
    admin.patch("/api/v1/users/ada", &json!({"roles": ["keeper"]}));
    let ada = daemon.with_token(&daemon.session("ada", PASSWORD));
    assert_eq!(ada.post("/api/v1/roles", &json!({"name": "X", "permissions": ["users.delete"]})).status, 403);
    assert_eq!(ada.post("/api/v1/roles", &json!({"name": "X", "clone": "system-admin"})).status, 403);
    assert_eq!(ada.patch("/api/v1/roles/strong", &json!({"permissions": []})).status, 403, "holds more");
    assert_eq!(ada.delete("/api/v1/roles/strong").status, 403);
    assert_eq!(ada.patch("/api/v1/roles/keeper", &json!({"permissions": ["users.view"]})).status, 403, "her own");
    assert_eq!(ada.post("/api/v1/roles", &json!({"name": "Viewer", "permissions": ["users.view"]})).status, 201);
    assert_eq!(ada.patch("/api/v1/roles/viewer", &json!({"permissions": ["users.view", "users.delete"]})).status, 403);
    assert_eq!(ada.patch("/api/v1/users/bob", &json!({"roles": ["viewer"]})).status, 200);
    assert_eq!(ada.patch("/api/v1/users/bob", &json!({"roles": ["strong"]})).status, 403);
    assert_eq!(ada.patch("/api/v1/users/ada", &json!({"roles": ["viewer"]})).status, 403);
}

#[test]
fn whoever_may_change_somebody_and_not_see_them_learns_the_revision_alone() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let blind = json!({"name": "Blind", "permissions": ["users.update", "users.state", "users.create"]});
    assert_eq!(admin.post("/api/v1/roles", &blind).status, 201);
    let id = daemon.local_user("bob", PASSWORD).text("/id");
    daemon.local_user("ada", PASSWORD);
    admin.patch("/api/v1/users/ada", &json!({"roles": ["blind"]}));
    let ada = daemon.with_token(&daemon.session("ada", PASSWORD));
    for answer in [
        ada.patch("/api/v1/users/bob", &json!({"description": "quiet"})),
        ada.post("/api/v1/users/bob/disable", &json!({})),
        ada.post("/api/v1/users/bob/enable", &json!({})),
    ] {
        let revision = answer.json["revision"].as_u64().unwrap();
        assert_eq!((answer.status, &answer.json), (200, &json!({"id": id, "revision": revision})));
        assert_eq!(answer.header("etag"), format!("W/\"{revision}\""));
    }
    assert_eq!(ada.get("/api/v1/users/bob").status, 403);
    let copy = json!({"username": "cat", "name": "Cat", "email": "cat@example.org"});
    let copied = ada.post("/api/v1/users/bob/duplicate", &copy);
    assert!(copied.status == 403 && copied.json.to_string().contains("users.view"), "{copied:?}");
}

#[test]
fn the_list_of_permissions_says_what_each_is_for() {
    let daemon = TestDaemon::start("");
    let list = daemon.admin().get("/api/v1/permissions").json;
    let item = |name: &str| list["items"].as_array().unwrap().iter().find(|item| item["name"] == name).unwrap().clone();
    assert_eq!(item("users.view")["inside_organizations"], true);
    assert_eq!(item("users.delete")["inside_organizations"], false);
    assert!(item("roles.manage")["description"].as_str().unwrap().contains("custom roles"));
}
