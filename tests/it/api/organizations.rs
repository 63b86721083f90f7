//! Organisations: administered from inside, by people who see and reach nothing else.

use serde_json::{Value, json};

use super::import::import;
use crate::harness::daemon::{Caller, TestDaemon};

const PASSWORD: &str = "correct horse battery";

/// A directory with two organisations, each with an administrator and a member of its own.
fn world() -> (TestDaemon, String, String) {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let make = |name: &str| admin.post("/api/v1/organizations", &json!({"name": name})).text("/id");
    let (acme, other) = (make("Acme"), make("Other"));
    for (name, organization, role) in [
        ("boss", &acme, "organization-admin"),
        ("mel", &acme, "organization-user"),
        ("rival", &other, "organization-admin"),
        ("kim", &other, "organization-user"),
    ] {
        daemon.local_user(name, PASSWORD);
        let place = json!({"organizations": [{"id": organization, "roles": [role]}], "managed_by": organization});
        let changed = admin.patch(&format!("/api/v1/users/{name}"), &place);
        assert_eq!(changed.status, 200, "{changed:?}");
    }
    (daemon, acme, other)
}

fn session(daemon: &TestDaemon, name: &str) -> Caller {
    daemon.with_token(&daemon.session(name, PASSWORD))
}

fn names(answer: &Value, member: &str) -> Vec<String> {
    let items = answer["items"].as_array().unwrap_or_else(|| panic!("{answer}"));
    let mut names: Vec<_> = items.iter().map(|item| item[member].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

#[test]
fn an_organisation_admin_sees_its_members_groups_and_roles_and_nothing_else() {
    let (daemon, acme, other) = world();
    let admin = daemon.admin();
    admin.post("/api/v1/groups", &json!({"name": "global"}));
    admin.post("/api/v1/groups", &json!({"name": "theirs", "organization": other}));
    assert_eq!(admin.post("/api/v1/groups", &json!({"name": "ours", "organization": "acme"})).status, 201);
    let boss = session(&daemon, "boss");
    assert_eq!(names(&boss.get("/api/v1/users").json, "username"), ["boss", "mel"]);
    assert_eq!(names(&boss.get("/api/v1/users?filter=username+eq+%22kim%22").json, "username"), [""; 0]);
    assert_eq!(names(&boss.get("/api/v1/organizations").json, "name"), ["Acme"]);
    assert_eq!(names(&boss.get("/api/v1/groups").json, "name"), ["ours"]);
    assert_eq!(boss.get("/api/v1/groups/organization%2FAcme:ours").json["name"], "ours");
    assert_eq!(boss.get(&format!("/api/v1/groups/organization%2F{acme}:OURS")).json["name"], "ours");
    assert_eq!(names(&boss.get(&format!("/api/v1/organizations/{acme}/members")).json, "username"), ["boss", "mel"]);
    for path in [
        "/api/v1/users/kim".to_owned(),
        "/api/v1/users/kim/mfa".to_owned(),
        "/api/v1/users/admin".to_owned(),
        format!("/api/v1/organizations/{other}"),
        format!("/api/v1/organizations/{other}/members"),
        "/api/v1/groups/global".to_owned(),
        "/api/v1/groups/organization%2Fother:theirs".to_owned(),
        "/api/v1/groups/organization%2Fother:nothing".to_owned(),
        format!("/api/v1/groups?organization={other}"),
        "/api/v1/roles/system-auditor".to_owned(),
    ] {
        assert_eq!(boss.get(&path).status, 404, "{path}");
    }
    let roles = names(&boss.get("/api/v1/roles").json, "id");
    assert_eq!(roles, ["organization-admin", "organization-auditor", "organization-user"]);
    for path in ["/api/v1/audit", "/api/v1/tokens", "/api/v1/sources", "/api/v1/settings", "/api/v1/backup"] {
        assert_eq!(boss.get(path).status, 403, "{path}");
    }
}

#[test]
fn an_organisation_admin_manages_its_accounts_and_makes_new_ones_for_it_alone() {
    let (daemon, acme, other) = world();
    let boss = session(&daemon, "boss");
    let new = json!({
        "username": "new", "name": "New", "email": "new@example.org", "password": PASSWORD, "must_change_password": false,
    });
    let made = boss.post("/api/v1/users", &new);
    assert_eq!((made.status, &made.json["managed_by"]), (201, &json!(acme)), "{made:?}");
    assert_eq!(made.json["organizations"], json!([{"id": acme, "roles": ["organization-user"]}]));
    assert_eq!(boss.patch("/api/v1/users/mel", &json!({"name": "Mel B"})).status, 200);
    assert_eq!(boss.post("/api/v1/users/mel/disable", &json!({})).status, 200);
    assert_eq!(boss.post("/api/v1/users/mel/enable", &json!({})).status, 200);
    let password = json!({"password": "another long password", "must_change": false});
    assert_eq!(boss.post("/api/v1/users/mel/password", &password).status, 204);
    // Not for another one, not with roles of the directory, not beyond the accounts that are at home here.
    let refused = |wish: Value| {
        let mut body = json!({"username": "x", "name": "X", "email": "x@example.org"});
        body.as_object_mut().unwrap().extend(wish.as_object().unwrap().clone());
        boss.post("/api/v1/users", &body).status
    };
    assert_eq!(refused(json!({"managed_by": other})), 403);
    assert_eq!(refused(json!({"organizations": [{"id": other}]})), 403);
    assert_eq!(refused(json!({"roles": ["system-auditor"]})), 403);
    for (call, path) in [("DELETE", "/api/v1/users/mel"), ("POST", "/api/v1/users/mel/restore")] {
        assert_eq!(boss.call(call, path, Some("{}".to_owned()), &[]).status, 403, "{path}: never deletes");
    }
    assert_eq!(boss.patch("/api/v1/users/mel", &json!({"roles": ["system-admin"]})).status, 403);
    assert_eq!(boss.patch("/api/v1/users/mel", &json!({"managed_by": null})).status, 403);
    assert_eq!(boss.patch("/api/v1/users/kim", &json!({"name": "Mine"})).status, 404);
    assert_eq!(boss.patch("/api/v1/users/boss", &json!({"organizations": []})).status, 403, "not oneself");
}

#[test]
fn who_is_invited_is_a_guest_whose_account_stays_out_of_reach() {
    let (daemon, acme, _) = world();
    let boss = session(&daemon, "boss");
    daemon.local_user("ada", PASSWORD);
    let members = format!("/api/v1/organizations/{acme}/members");
    let invite = boss.post(&members, &json!({"add": [{"user": "ADA@example.org"}, {"user": "kim"}]}));
    assert_eq!(invite.status, 200, "{invite:?}");
    assert_eq!(names(&invite.json, "outcome"), ["added", "added"]);
    assert_eq!(names(&boss.get(&members).json, "username"), ["ada", "boss", "kim", "mel"]);
    assert_eq!(names(&boss.get("/api/v1/users").json, "username"), ["boss", "mel"], "whose records are open");
    for path in ["", "/mfa", "/explain", "/sessions"] {
        assert_eq!(boss.get(&format!("/api/v1/users/ada{path}")).status, 403, "{path}");
    }
    let password = json!({"password": "another long password"});
    assert_eq!(boss.post("/api/v1/users/ada/password", &password).status, 403);
    assert_eq!(boss.post("/api/v1/users/ada/password-link", &json!({})).status, 403);
    assert_eq!(boss.patch("/api/v1/users/ada", &json!({"email": "evil@example.org"})).status, 403);
    assert_eq!(boss.delete("/api/v1/users/ada/mfa").status, 403);
    assert_eq!(boss.post("/api/v1/users/ada/disable", &json!({})).status, 403);
    assert_eq!(boss.get("/api/v1/users/ada/sessions").status, 403);
    let again = boss.post(&members, &json!({"add": [{"user": "ada"}], "remove": ["kim"]}));
    let outcomes = json!({"ada": "unchanged", "kim": "removed"});
    for item in again.json["items"].as_array().unwrap() {
        assert_eq!(item["outcome"], outcomes[item["username"].as_str().unwrap()]);
    }
    assert_eq!(boss.get("/api/v1/users/kim").status, 404, "taken out, and not deleted");
    assert_eq!(daemon.admin().get("/api/v1/users/kim").json["state"], "active");
}

#[test]
fn a_membership_gives_no_more_than_its_giver_holds_and_a_bad_line_changes_nothing() {
    let (daemon, acme, other) = world();
    let admin = daemon.admin();
    let inviter = json!({"name": "Inviter", "scope": "organization", "permissions": [
        "organizations.members", "organizations.view", "users.view",
    ]});
    assert_eq!(admin.post("/api/v1/roles", &inviter).status, 201);
    daemon.local_user("ivy", PASSWORD);
    let members = format!("/api/v1/organizations/{acme}/members");
    assert_eq!(admin.post(&members, &json!({"add": [{"user": "ivy", "roles": ["inviter"]}]})).status, 200);
    let ivy = session(&daemon, "ivy");
    daemon.local_user("ada", PASSWORD);
    let home = json!({"organizations": [{"id": acme}], "managed_by": acme});
    assert_eq!(admin.patch("/api/v1/users/ada", &home).status, 200);
    assert_eq!(ivy.post(&members, &json!({"remove": ["kim"]})).text("/errors/0/code"), "unknown_user", "no member");
    let add = |user: &str, role: &str| ivy.post(&members, &json!({"add": [{"user": user, "roles": [role]}]})).status;
    assert_eq!(add("ada", "organization-admin"), 403, "holds more than an inviter");
    assert_eq!(add("ada", "inviter"), 200);
    assert_eq!(add("kim", "inviter"), 403, "an account that is managed elsewhere is not given power from here");
    assert_eq!(add("boss", "organization-user"), 403, "takes what she does not hold");
    assert_eq!(add("ivy", "organization-admin"), 403, "oneself");
    assert_eq!(ivy.post(&members, &json!({"remove": ["boss"]})).status, 403);
    assert_eq!(ivy.post(&format!("/api/v1/organizations/{other}/members"), &json!({"remove": ["kim"]})).status, 404);
    let bad = json!({"add": [
        {"user": "kim"}, {"user": "nobody"}, {"user": "mel", "roles": ["system-admin"]}, {"user": "kim"},
    ]});
    let refused = admin.post(&members, &bad);
    let codes = refused.json["errors"].as_array().unwrap().iter().map(|error| error["code"].as_str().unwrap());
    assert_eq!(codes.collect::<Vec<_>>(), ["unknown_user", "unknown_role", "twice"]);
    assert_eq!(names(&admin.get(&members).json, "username"), ["ada", "boss", "ivy", "mel"]);
}

#[test]
fn a_group_of_an_organisation_has_its_members_alone_and_who_leaves_leaves_it() {
    let (daemon, acme, other) = world();
    let (admin, boss) = (daemon.admin(), session(&daemon, "boss"));
    let made = boss.post("/api/v1/groups", &json!({"name": "devs", "organization": acme}));
    assert_eq!(made.status, 201, "{made:?}");
    let path = format!("/api/v1/groups/{}", made.text("/id"));
    assert_eq!(boss.post("/api/v1/groups", &json!({"name": "devs"})).status, 403, "none of the directory");
    assert_eq!(admin.post("/api/v1/groups", &json!({"name": "devs", "organization": other})).status, 201);
    assert_eq!(admin.post("/api/v1/groups", &json!({"name": "DEVS", "organization": acme})).code(), "name_taken");
    let members = format!("{path}/members");
    assert_eq!(boss.post(&members, &json!({"add_users": ["mel"]})).json["changed"], 1);
    assert_eq!(admin.post(&members, &json!({"add_users": ["kim"]})).text("/errors/0/code"), "not_a_member");
    assert_eq!(boss.post(&members, &json!({"add_users": ["kim"]})).text("/errors/0/code"), "unknown_user");
    let session = daemon.session("mel", PASSWORD);
    let application = daemon.with_token(&daemon.token(&["--scope", "login.introspect"]));
    let told = |name: &str| {
        let body = format!("token={session}");
        let form = [("content-type", "application/x-www-form-urlencoded")];
        let answer = application.call("POST", "/api/v1/introspect", Some(body), &form);
        answer.json["groups"].as_array().unwrap().contains(&json!(name))
    };
    assert!(told("organization/Acme:devs"), "never as one of the directory's");
    admin.patch(&format!("/api/v1/organizations/{acme}"), &json!({"name": "Acme Ltd"}));
    assert!(told("organization/Acme Ltd:devs"));
    admin.post(&format!("/api/v1/organizations/{acme}/members"), &json!({"remove": ["mel"]}));
    assert_eq!(admin.get(&members).json["items"], json!([]));
    assert_eq!(admin.get("/api/v1/users/mel").json["managed_by"], Value::Null, "at home nowhere");
}

#[test]
fn an_account_is_given_to_an_organisation_by_who_holds_what_its_administrators_may_do() {
    let (daemon, acme, _) = world();
    let admin = daemon.admin();
    let little = json!({"name": "Little", "permissions": ["users.view", "users.update"]});
    admin.post("/api/v1/roles", &little);
    assert_eq!(admin.patch("/api/v1/users/boss", &json!({"roles": ["little"]})).status, 200);
    daemon.local_user("bob", PASSWORD);
    let boss = session(&daemon, "boss");
    let members = format!("/api/v1/organizations/{acme}/members");
    assert_eq!(boss.post(&members, &json!({"add": [{"user": "bob"}]})).status, 200);
    assert_eq!(boss.patch("/api/v1/users/bob", &json!({"managed_by": acme})).status, 403);
    assert_eq!(boss.patch("/api/v1/users/bob", &json!({"email": "mine@example.org"})).status, 403, "a link goes there");
    assert_eq!(boss.patch("/api/v1/users/bob", &json!({"description": "seen"})).status, 200);
}

#[test]
fn an_organisation_admin_follows_the_import_that_they_began_and_no_other_run() {
    let (daemon, acme, _) = world();
    let (boss, rival) = (session(&daemon, "boss"), session(&daemon, "rival"));
    let file = format!("username,name,email,managed_by\r\nnew,New,new@example.org,{acme}\r\nmel,,,{acme}\r\n");
    let begun = import(&boss, "wait=false&mode=good", &file);
    assert_eq!((begun.status, &begun.json["status"]), (202, &json!("running")), "{begun:?}");
    let run = begun.text("/next");
    let ended = || (0..2_000).map(|_| boss.get(&run)).find(|run| run.json["outcome"]["is"] != "running").unwrap();
    assert_eq!(ended().json["outcome"]["is"], "applied");
    let items = boss.get(&format!("{run}/items"));
    let outcomes: Vec<_> = items.json["items"].as_array().unwrap().iter().map(|item| &item["outcome"]).collect();
    assert_eq!(outcomes, ["created", "refused"], "{items:?}");
    for path in [run.clone(), format!("{run}/items")] {
        assert_eq!((rival.get(&path).status, daemon.anonymous().get(&path).status), (403, 401), "{path}");
    }
    assert_eq!(boss.get("/api/v1/runs").status, 403);
}

#[test]
fn what_an_organisation_admin_may_not_give_is_refused_in_the_same_words_whether_it_is_there_or_not() {
    let (daemon, acme, _) = world();
    let admin = daemon.admin();
    for group in [json!({"name": "global"}), json!({"name": "theirs", "organization": "other"})] {
        assert_eq!(admin.post("/api/v1/groups", &group).status, 201);
    }
    assert_eq!(admin.post("/api/v1/roles", &json!({"name": "Strong", "permissions": ["audit.view"]})).status, 201);
    let boss = session(&daemon, "boss");
    let new = |wish: Value| {
        let mut user = json!({"username": "new", "name": "New", "email": "new@example.org", "managed_by": acme});
        user.as_object_mut().unwrap().extend(wish.as_object().unwrap().clone());
        user
    };
    let pairs = [
        ("roles", json!(["strong"]), json!(["nothing"])),
        ("groups", json!(["global"]), json!(["nothing"])),
        ("groups", json!(["theirs"]), json!(["nothing"])),
        ("organizations", json!([{"id": "other"}]), json!([{"id": "nothing"}])),
        ("managed_by", json!("other"), json!("nothing")),
    ];
    for (field, there, not_there) in pairs {
        let said = |value: &Value| {
            let wish = json!({ field: value });
            let bad = json!({ field: value, "name": "" });
            let change = match field {
                "organizations" => json!({"organizations": {"add": value}}),
                "managed_by" => json!({"expires_at": null}),
                _ => json!({field: {"add": value}}),
            };
            let bulk = json!({"users": ["mel"], "action": "change", "change": change});
            [
                boss.patch("/api/v1/users/mel", &wish),
                boss.patch("/api/v1/users/mel", &bad),
                boss.post("/api/v1/users", &new(wish)),
                boss.post("/api/v1/users/bulk", &bulk),
            ]
            .map(|answer| (answer.status, answer.json["code"].clone(), answer.json["detail"].clone()))
        };
        let (there, not_there) = (said(&there), said(&not_there));
        assert_eq!(there, not_there, "{field}");
        assert_eq!((there[0].0, there[1].0, there[2].0), (403, 400, 403), "{field}: {there:?}");
    }
    // Whoever sees everything is told what is wrong.
    let told = admin.patch("/api/v1/users/mel", &json!({"groups": ["nothing"], "roles": ["nothing"]}));
    assert_eq!((told.status, told.json["errors"].as_array().map(Vec::len)), (400, Some(2)), "{told:?}");
}

#[test]
fn who_comes_back_does_so_without_what_went_meanwhile() {
    let (daemon, acme, _) = world();
    let admin = daemon.admin();
    admin.post("/api/v1/roles", &json!({"name": "Desk", "permissions": ["users.view"]}));
    admin.patch("/api/v1/users/mel", &json!({"roles": ["desk"]}));
    let id = admin.get("/api/v1/users/mel").text("/id");
    assert_eq!(admin.delete("/api/v1/users/mel").status, 204);
    admin.post(&format!("/api/v1/organizations/{acme}/members"), &json!({"remove": ["boss"]}));
    assert_eq!(admin.delete("/api/v1/roles/desk").status, 204, "a tombstone is no holder");
    assert_eq!(admin.delete(&format!("/api/v1/organizations/{acme}")).status, 204);
    let again = json!({"id": "desk", "name": "Desk", "permissions": ["users.view", "users.delete"]});
    assert_eq!(admin.post("/api/v1/roles", &again).code(), "id_taken", "no name comes back with more");
    let back = admin.post(&format!("/api/v1/users/{id}/restore"), &json!({})).json;
    assert_eq!((&back["organizations"], &back["managed_by"]), (&json!([]), &Value::Null), "{back}");
    assert_eq!(back["roles"], json!(["user"]), "everybody keeps one, and none that is gone");
    let mel = daemon.with_token(&daemon.session("mel", PASSWORD));
    assert_eq!(mel.get("/api/v1/users").status, 403);
}

#[test]
fn an_organisation_is_renamed_and_removed_only_when_it_is_empty() {
    let (daemon, acme, _) = world();
    let admin = daemon.admin();
    let path = format!("/api/v1/organizations/{acme}");
    let shown = admin.get(&path);
    assert_eq!(admin.get("/api/v1/organizations/ACME").json, shown.json, "by its name too");
    let stale = admin.call("PATCH", &path, Some(json!({"name": "A"}).to_string()), &[("if-match", "W/\"99\"")]);
    assert_eq!(stale.code(), "stale");
    assert_eq!(admin.patch(&path, &json!({"name": "other"})).code(), "name_taken");
    assert_eq!(session(&daemon, "boss").patch(&path, &json!({"name": "Mine"})).status, 403);
    assert_eq!(admin.delete(&path).code(), "in_use");
    admin.post(&format!("{path}/members"), &json!({"remove": ["boss", "mel"]}));
    let group = admin.post("/api/v1/groups", &json!({"name": "left", "organization": acme})).text("/id");
    assert_eq!(admin.delete(&path).code(), "in_use");
    assert_eq!(admin.delete(&format!("/api/v1/groups/{group}")).status, 204);
    assert_eq!(admin.delete(&path).status, 204);
    assert_eq!(admin.get(&path).status, 404);
    let actions: Vec<String> = names(&admin.get("/api/v1/audit?limit=6").json, "action");
    assert!(actions.contains(&"organization.removed".to_owned()), "{actions:?}");
}

#[test]
fn organisations_come_in_pages() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    for n in 0..7 {
        admin.post("/api/v1/organizations", &json!({"name": format!("Org {n}")}));
    }
    let (mut found, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = admin.get(&format!("/api/v1/organizations?limit=3{cursor}")).json;
        found.extend(names(&page, "name"));
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={}", next.replace(' ', "%20"));
    }
    assert_eq!(found, (0..7).map(|n| format!("Org {n}")).collect::<Vec<_>>());
}
