//! Users over the API: made, listed, changed, duplicated, removed and restored.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::harness::daemon::TestDaemon;

const PASSWORD: &str = "correct horse battery";

#[test]
fn a_user_keeps_every_field_that_was_written() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let group = admin.post("/api/v1/groups", &json!({"name": "Engineers"}));
    let organization = admin.post("/api/v1/organizations", &json!({"name": "Example Ltd"})).text("/id");
    let wish = json!({
        "username": "Ada", "name": "Ada Lovelace", "email": "Ada@Example.org", "phone": "+31 20 123 4567",
        "description": "first of her kind", "groups": ["engineers"], "roles": ["system-auditor", "user"],
        "organizations": [{"id": organization, "roles": ["organization-admin"]}],
        "expires_at": "2027-12-31T23:59:59Z", "mfa": "enabled", "must_change_password": true,
    });
    let made = admin.post("/api/v1/users", &wish);
    assert_eq!(made.status, 201, "{made:?}");
    let shown = admin.get(&format!("/api/v1/users/{}", made.text("/id"))).json;
    for (member, value) in wish.as_object().unwrap() {
        match member.as_str() {
            "groups" => assert_eq!(shown["groups"][0]["id"], group.json["id"]),
            "phone" => assert_eq!(shown["phone"], "+31201234567"),
            _ => assert_eq!(shown[member], *value, "{member}"),
        }
    }
    assert_eq!(shown["source"], "local");
    assert_eq!(shown["state"], "active");
    assert_eq!(shown["has_password"], false);
    assert_eq!(made.header("location"), format!("/api/v1/users/{}", made.text("/id")));
}

#[test]
fn a_default_lifetime_is_given_to_who_names_no_expiry() {
    let daemon = TestDaemon::start("[users]\ndefault_lifetime = \"10d\"\n");
    let made = daemon.local_user("ada", PASSWORD);
    assert_eq!(made.json["expires_at"], "2026-12-03T12:00:00Z");
    let wish = json!({"username": "bob", "name": "Bob", "email": "bob@example.org", "expires_at": null});
    assert_eq!(daemon.admin().post("/api/v1/users", &wish).json["expires_at"], Value::Null);
}

#[test]
fn the_list_is_filtered_sorted_and_continued() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    for n in 0..25 {
        let wish = json!({"username": format!("u{n:02}"), "name": format!("Name {}", 25 - n), "email": format!("u{n:02}@example.org")});
        assert_eq!(admin.post("/api/v1/users", &wish).status, 201);
    }
    let names = |answer: &Value, member: &str| -> Vec<String> {
        answer["items"].as_array().unwrap().iter().map(|user| user[member].as_str().unwrap().to_owned()).collect()
    };
    for (sort, member) in
        [("username", "username"), ("-username", "username"), ("name", "name"), ("-created_at", "username")]
    {
        let mut all = Vec::new();
        let mut cursor = String::new();
        loop {
            let page = admin.get(&format!("/api/v1/users?limit=7&sort={sort}{cursor}"));
            assert_eq!(page.status, 200, "{page:?}");
            all.extend(names(&page.json, member));
            match page.json["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(all.len(), 26, "{sort}: {all:?}");
        let mut sorted = all.clone();
        sorted.sort_by_key(|name| name.to_lowercase());
        if sort.starts_with('-') && member == "username" && sort != "-created_at" {
            sorted.reverse();
        }
        if sort != "-created_at" {
            assert_eq!(all, sorted, "{sort}");
        }
    }
    let filter = |text: &str| {
        let text = text.replace(' ', "%20").replace('"', "%22");
        names(&admin.get(&format!("/api/v1/users?filter={text}")).json, "username")
    };
    assert_eq!(filter("username eq \"U07\""), ["u07"]);
    assert_eq!(filter("email eq \"u08@EXAMPLE.org\""), ["u08"]);
    assert_eq!(filter("username eq \"u07\" and state eq \"disabled\""), Vec::<String>::new());
    assert_eq!(filter("username sw \"u1\" and not (username ew \"5\")").len(), 9);
    assert_eq!(filter("roles eq \"system-admin\""), ["admin"]);
    assert_eq!(filter("last_login pr"), Vec::<String>::new());
}

#[test]
fn lists_that_an_index_serves_are_those_of_a_look_at_everybody() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    for n in 0..40 {
        let wish = json!({"username": format!("u{n:02}"), "name": format!("N {}", n % 7), "email": format!("u{n:02}@example.org")});
        assert_eq!(admin.post("/api/v1/users", &wish).status, 201);
        if n % 5 == 4 {
            daemon.advance(SignedDuration::from_secs(10));
        }
        if n % 3 == 2 {
            let disabled = admin.post(&format!("/api/v1/users/u{:02}/disable", n / 2), &json!({"reason": "x"}));
            assert!(disabled.status < 300 || disabled.status == 404, "{disabled:?}");
        }
        if n % 10 == 9 {
            assert_eq!(admin.delete(&format!("/api/v1/users/u{n:02}")).status, 204);
        }
    }
    let all = |query: &str| {
        let (mut found, mut cursor) = (Vec::new(), String::new());
        let query = query.replace(' ', "%20").replace('"', "%22");
        loop {
            let page = admin.get(&format!("/api/v1/users?limit=3&{query}{cursor}"));
            assert_eq!(page.status, 200, "{page:?}");
            let items = page.json["items"].as_array().unwrap().clone();
            found.extend(items.into_iter().map(|user| user["username"].as_str().unwrap().to_owned()));
            let Some(next) = page.json["next_cursor"].as_str() else { return found };
            cursor = format!("&cursor={next}");
        }
    };
    let time = "\"2026-11-23T12:00:40Z\"";
    for (by_index, by_scan) in [
        ("state eq \"Disabled\"".to_owned(), "not (state ne \"disabled\")".to_owned()),
        (format!("modified_at ge {time}"), format!("not (modified_at lt {time})")),
        (format!("modified_at gt {time}"), format!("not (modified_at le {time})")),
        (
            format!("modified_at gt {time} and state eq \"disabled\""),
            format!("not (modified_at le {time} or active eq true)"),
        ),
    ] {
        for sort in ["username", "-username", "name", "modified_at", "-modified_at"] {
            let found = all(&format!("sort={sort}&filter={by_index}"));
            assert!(!found.is_empty());
            assert_eq!(found, all(&format!("sort={sort}&filter={by_scan}")), "{sort}: {by_index}");
        }
    }
    let up = all("sort=modified_at");
    assert_eq!(up.len(), 37);
    let seconds = |user: &String| admin.get(&format!("/api/v1/users/{user}")).text("/modified_at");
    let times: Vec<_> = up.iter().map(seconds).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(all("removed=true"), ["u09", "u19", "u29", "u39"]);
    for cursor in ["x", "eyJ9", "WzEsMl0"] {
        for query in ["sort=modified_at", "sort=name", "removed=true"] {
            let answer = admin.get(&format!("/api/v1/users?{query}&cursor={cursor}"));
            assert_eq!(answer.json["errors"][0]["field"], "cursor", "{answer:?}");
        }
    }
    let other = admin.get("/api/v1/users?sort=name&limit=1").text("/next_cursor");
    assert_eq!(admin.get(&format!("/api/v1/users?sort=modified_at&cursor={other}")).status, 400);
}

#[test]
fn a_change_touches_what_it_names_and_expects_what_it_saw() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let made = daemon.local_user("ada", PASSWORD);
    let tag = made.header("etag").to_owned();
    let patch =
        |body: Value, tag: &str| admin.call("PATCH", "/api/v1/users/ada", Some(body.to_string()), &[("if-match", tag)]);
    let changed = patch(json!({"phone": "+31201234567", "description": "x"}), &tag);
    assert_eq!((changed.status, &changed.json["name"]), (200, &made.json["name"]));
    assert_eq!(patch(json!({"phone": null}), &tag).code(), "stale");
    assert_eq!(patch(json!({"phone": null}), changed.header("etag")).json["phone"], Value::Null);
    assert_eq!(admin.patch("/api/v1/users/ada", &json!({"email": null})).json["errors"][0]["code"], "required");
    assert_eq!(admin.patch("/api/v1/users/ada", &json!({"username": "Lovelace"})).status, 200);
    assert_eq!(admin.get("/api/v1/users/ada").status, 404);
    assert_eq!(daemon.login("lovelace", PASSWORD).status, 200);
}

#[test]
fn a_duplicate_has_everything_but_name_username_email_and_password() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    admin.post("/api/v1/groups", &json!({"name": "engineers"}));
    let wish = json!({
        "username": "ada", "name": "Ada", "email": "ada@example.org", "phone": "+31201234567", "description": "d",
        "groups": ["engineers"], "roles": ["system-auditor"], "mfa": "forced", "expires_at": "2027-01-01T00:00:00Z", "password": PASSWORD,
    });
    assert_eq!(admin.post("/api/v1/users", &wish).status, 201);
    let asked = admin.post("/api/v1/users/ada/duplicate", &json!({"username": "bob"}));
    assert_eq!(asked.json["errors"].as_array().unwrap().len(), 2, "{asked:?}");
    let copy = admin
        .post("/api/v1/users/ada/duplicate", &json!({"username": "bob", "name": "Bob", "email": "bob@example.org"}));
    assert_eq!(copy.status, 201, "{copy:?}");
    for member in ["phone", "description", "roles", "mfa", "expires_at", "groups"] {
        assert_eq!(copy.json[member], admin.get("/api/v1/users/ada").json[member], "{member}");
    }
    assert_eq!(copy.json["has_password"], false);
    assert_eq!(daemon.login("bob", PASSWORD).code(), "invalid_credentials");
}

#[test]
fn a_duplicate_has_the_chosen_parts_alone() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    admin.post("/api/v1/groups", &json!({"name": "engineers"}));
    let organization = admin.post("/api/v1/organizations", &json!({"name": "Example Ltd"})).text("/id");
    let wish = json!({
        "username": "ada", "name": "Ada", "email": "ada@example.org", "phone": "+31201234567", "description": "d",
        "groups": ["engineers"], "roles": ["system-auditor"], "organizations": [{"id": organization}], "mfa": "forced",
        "expires_at": "2027-01-01T00:00:00Z", "must_change_password": true,
    });
    assert_eq!(admin.post("/api/v1/users", &wish).status, 201);
    let (ada, plain) = (admin.get("/api/v1/users/ada").json, daemon.local_user("plain", PASSWORD).json);
    let parts =
        ["phone", "description", "groups", "roles", "organizations", "mfa", "expires_at", "must_change_password"];
    let copy = |name: &str, choice: Value| {
        let mut wish = json!({"username": name, "name": name, "email": format!("{name}@example.org")});
        wish.as_object_mut().unwrap().extend(choice.as_object().unwrap().clone());
        admin.post("/api/v1/users/ada/duplicate", &wish)
    };
    for (number, chosen) in parts.iter().enumerate() {
        let with = copy(&format!("with{number}"), json!({"copy": [chosen]})).json;
        let without = copy(&format!("without{number}"), json!({"without": [chosen]})).json;
        for part in parts {
            let (one, other) = if part == *chosen { (&ada, &plain) } else { (&plain, &ada) };
            assert_eq!(with[part], one[part], "with {chosen}: {part}");
            assert_eq!(without[part], other[part], "without {chosen}: {part}");
        }
    }
    assert_eq!(copy("none", json!({"copy": []})).json["phone"], Value::Null);
    assert_eq!(copy("own", json!({"copy": [], "phone": "+31207654321"})).json["phone"], "+31207654321");
    assert_eq!(copy("both", json!({"copy": [], "without": []})).json["errors"][0]["code"], "one_of");
    assert_eq!(copy("wrong", json!({"copy": ["password"]})).status, 400);
}

#[test]
fn a_removed_user_frees_the_name_and_comes_back_whole() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    admin.post("/api/v1/groups", &json!({"name": "engineers"}));
    let id = daemon.local_user("ada", PASSWORD).text("/id");
    admin.patch("/api/v1/users/ada", &json!({"groups": ["engineers"]}));
    let session = daemon.session("ada", PASSWORD);
    assert_eq!(admin.delete("/api/v1/users/ada").status, 204);
    assert!(!daemon.is_in(&session));
    assert_eq!(daemon.login("ada", PASSWORD).code(), "invalid_credentials");
    assert_eq!(admin.get("/api/v1/users/ada").status, 404);
    assert_eq!(admin.get("/api/v1/users?removed=true").json["items"][0]["id"], id.as_str());
    let back = admin.post(&format!("/api/v1/users/{id}/restore"), &json!({}));
    assert_eq!((back.status, &back.json["groups"][0]["name"]), (200, &json!("engineers")));
    assert_eq!(daemon.login("ada", PASSWORD).status, 200);
    assert!(!daemon.is_in(&session), "what died stays dead");
}

#[test]
fn the_last_administrator_is_neither_disabled_nor_demoted_nor_removed() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let answers = [
        admin.post("/api/v1/users/admin/disable", &json!({})),
        admin.delete("/api/v1/users/admin"),
        admin.patch("/api/v1/users/admin", &json!({"roles": ["user"]})),
        admin.patch("/api/v1/users/admin", &json!({"expires_at": "2027-01-01T00:00:00Z"})),
    ];
    for answer in answers {
        assert_eq!((answer.status, answer.code()), (409, "last_administrator"), "{answer:?}");
    }
}

#[test]
fn a_link_sets_the_first_password_once_and_is_mailed() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let wish = json!({"username": "ada", "name": "Ada", "email": "ada@example.org", "password_link": true});
    let made = admin.post("/api/v1/users", &wish);
    let token = made.text("/password_link").split('#').nth(1).unwrap().to_owned();
    let page = daemon.anonymous().get("/set-password");
    assert!(page.header("content-security-policy").contains("default-src 'none'"));
    let set = |password: &str| {
        daemon.anonymous().post("/api/v1/password-link", &json!({"token": token, "password": password}))
    };
    assert_eq!(set("short").code(), "password_rejected");
    assert_eq!(set(PASSWORD).status, 204);
    assert_eq!(set(PASSWORD).code(), "no_such_transaction");
    assert_eq!(daemon.login("ada", PASSWORD).status, 200);
    let queued = musterd::store::outbox::list(&daemon.inside.store.view(), 10).unwrap();
    assert!(queued.iter().any(|(_, message)| message.to == "ada@example.org" && message.body.kind() == "set_password"));
}

#[test]
fn a_reset_ends_sessions_and_factors_are_reset_by_an_administrator() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    daemon.local_user("ada", PASSWORD);
    let session = daemon.session("ada", PASSWORD);
    assert_eq!(
        admin
            .post("/api/v1/users/ada/password", &json!({"password": "another long password", "must_change": true}))
            .status,
        204
    );
    assert!(!daemon.is_in(&session));
    assert_eq!(daemon.login("ada", "another long password").json["status"], "password_change_required");
    assert_eq!(admin.delete("/api/v1/users/ada/mfa").json["removed"], 0);
    for _ in 0..5 {
        daemon.login("ada", "wrong");
    }
    assert_eq!(daemon.login("ada", "another long password").code(), "too_many_attempts");
    assert!(!admin.get("/api/v1/users/ada/explain").json["waits_until"].is_null());
    assert_eq!(admin.post("/api/v1/users/ada/unlock", &json!({})).status, 204);
    assert_eq!(daemon.login("ada", "another long password").status, 200);
}

#[test]
fn acknowledged_changes_survive_a_restart() {
    let daemon = TestDaemon::start("");
    daemon.local_user("ada", PASSWORD);
    let session = daemon.session("ada", PASSWORD);
    let daemon = daemon.restart();
    assert!(daemon.first_link.is_none(), "the administrator is made once");
    assert!(daemon.is_in(&session));
    daemon.advance(SignedDuration::from_hours(25));
    assert!(!daemon.is_in(&session));
}

#[test]
fn p_14_a_password_that_somebody_else_set_is_changed_at_the_first_login() {
    let daemon = TestDaemon::start("");
    let admin = daemon.admin();
    let wish = |name: &str, more: Value| {
        let mut wish = json!({"username": name, "name": name, "email": format!("{name}@example.org")});
        wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        wish
    };
    let due = |name: &str, password: &str| daemon.login(name, password).json["reason"] == "must_change";
    admin.post("/api/v1/users", &wish("ada", json!({"password": PASSWORD})));
    admin.post("/api/v1/users", &wish("bob", json!({"password": PASSWORD, "must_change_password": false})));
    assert!(due("ada", PASSWORD) && !due("bob", PASSWORD));
    admin.post("/api/v1/users/bob/duplicate", &wish("eve", json!({"password": PASSWORD})));
    assert!(due("eve", PASSWORD));
    admin.post("/api/v1/users/bob/password", &json!({"password": "another long password"}));
    assert!(due("bob", "another long password"));
    daemon.advance(SignedDuration::from_hours(24));
    let late = daemon.login("bob", "another long password");
    assert_eq!((late.status, late.code()), (403, "initial_password_expired"), "only for who has the password");
    assert_eq!(daemon.login("bob", PASSWORD).status, 401);
    admin.patch("/api/v1/users/bob", &json!({"must_change_password": false}));
    assert_eq!(daemon.login("bob", "another long password").json["status"], "authenticated");
    admin.post("/api/v1/users/bob/password", &json!({"password": "a third long password", "must_change": false}));
    assert_eq!(daemon.login("bob", "a third long password").json["status"], "authenticated");
}

#[test]
fn users_are_found_by_everything_that_is_shown_of_them() {
    let daemon = TestDaemon::start("[[sources]]\nid = \"okta\"\nkind = \"scim\"\n");
    let admin = daemon.admin();
    daemon.local_user("ada", PASSWORD);
    let bob = json!({"username": "bob", "name": "Bob", "email": "bob@example.org"});
    assert_eq!(admin.post("/api/v1/users", &bob).status, 201);
    for (group, member) in
        [("Engineers", json!({"add_users": ["ada"]})), ("Staff", json!({"add_groups": ["Engineers"]}))]
    {
        let group = admin.post("/api/v1/groups", &json!({"name": group})).text("/id");
        assert_eq!(admin.post(&format!("/api/v1/groups/{group}/members"), &member).status, 200);
    }
    let okta = daemon.with_token(&daemon.token(&["--source", "okta"]));
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let carol = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", enterprise], "userName": "carol", "title": "Countess",
        "name": {"formatted": "Carol", "familyName": "Shaw"}, enterprise: {"department": "Games"},
    });
    assert_eq!(okta.post("/scim/v2/Users", &carol).status, 201);
    let ask = |filter: &str| {
        let filter = filter.replace(' ', "%20").replace('"', "%22");
        admin.get(&format!("/api/v1/users?filter={filter}"))
    };
    let found = |filter: &str| {
        let page = ask(filter);
        let items = page.json["items"].as_array().unwrap_or_else(|| panic!("{filter}: {page:?}"));
        items.iter().map(|item| item["username"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(found("has_password eq true"), ["ada"]);
    assert_eq!(found("has_factor eq true"), Vec::<String>::new());
    assert_eq!(found("groups.name eq \"staff\" and username pr"), ["ada"]);
    assert_eq!(found("groups[name eq \"Staff\" and direct eq true]"), Vec::<String>::new());
    assert_eq!(found("not (groups pr) and source eq \"local\""), ["admin", "bob"]);
    assert_eq!(found("title eq \"countess\""), ["carol"]);
    assert_eq!(found(&format!("{enterprise}:department sw \"Ga\"")), ["carol"]);
    assert_eq!(found("urn:ietf:params:scim:schemas:core:2.0:User:name.familyName eq \"Shaw\""), ["carol"]);
    assert_eq!(admin.get("/api/v1/users/carol").json["scim"]["title"], "Countess");
    let refused = ask("username pr and shoe_size gt 40");
    assert_eq!((refused.status, refused.json["errors"][0]["code"].as_str()), (400, Some("unknown_attribute")));
    assert!(refused.text("/detail").contains("shoe_size"), "{refused:?}");
}
