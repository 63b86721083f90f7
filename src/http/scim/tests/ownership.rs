//! A source never takes over, changes or sees another source's user.

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use super::support::{GROUP, USER, World, give_token, world, world_with};
use crate::directory::audit::Author;
use crate::directory::conflict::Conflict;
use crate::directory::field::Username;
use crate::directory::permission::Permission;
use crate::directory::token::Grant;
use crate::directory::user::User;
use crate::http::middleware::access::Access;
use crate::store::{conflicts, users};
use crate::sync::inbox as decisions;

#[tokio::test]
async fn users_and_groups_of_another_source_do_not_exist() {
    let world = world().await;
    let user = world.okta.user("ada", json!({"externalId": "e1", "emails": [{"value": "ada@x.org"}]})).await;
    let group = world.okta.group("staff", &[&user]).await;
    for path in [format!("/Users/{user}"), format!("/Groups/{group}")] {
        let schemas = if path.starts_with("/U") { USER } else { GROUP };
        let body = json!({"schemas": [schemas], "userName": "mine", "displayName": "mine"});
        world.entra.get(&path).await.expect(404);
        world.entra.put(&path, body).await.expect(404);
        world.entra.patch(&path, json!([{"op": "replace", "path": "displayName", "value": "x"}])).await.expect(404);
        world.entra.delete(&path).await.expect(404);
        world.okta.get(&path).await.expect(200);
    }
    let filters = [
        ("/Users", "userName eq \"ada\"".to_owned()),
        ("/Users", "externalId eq \"e1\"".to_owned()),
        ("/Users", "emails eq \"ada@x.org\"".to_owned()),
        ("/Users", format!("id eq \"{user}\"")),
        ("/Users", "userName sw \"a\"".to_owned()),
        ("/Groups", "displayName eq \"staff\"".to_owned()),
        ("/Groups", format!("members.value eq \"{user}\"")),
        ("/Groups", format!("id eq \"{group}\"")),
        ("", "id pr".to_owned()),
    ];
    for (path, filter) in filters {
        assert_eq!(world.entra.find(path, &filter).await.expect(200).body["totalResults"], 0, "{filter}");
        assert_ne!(world.okta.find(path, &filter).await.expect(200).body["totalResults"], 0, "{filter}");
    }
}

#[tokio::test]
async fn nobody_of_another_source_becomes_a_member() {
    let world = world().await;
    let user = world.okta.user("ada", json!({})).await;
    let group = world.okta.group("staff", &[]).await;
    let own = world.entra.group("mine", &[]).await;
    for id in [&user, &group, "nobody", "00000000-0000-7000-8000-000000000000"] {
        let body = json!({"schemas": [GROUP], "displayName": "new", "members": [{"value": id}]});
        world.entra.post("/Groups", body).await.refused(400, "invalidValue");
        let add = json!([{"op": "add", "path": "members", "value": [{"value": id}]}]);
        world.entra.patch(&format!("/Groups/{own}"), add).await.refused(400, "invalidValue");
    }
}

#[tokio::test]
async fn external_ids_that_look_like_ids_or_names_resolve_nobody() {
    let world = world().await;
    let ada = world.okta.user("ada", json!({"externalId": "1"})).await;
    for forged in [ada.as_str(), "ada", "1"] {
        let id = world.entra.user(&format!("user-{}", forged.len()), json!({"externalId": forged, "id": ada})).await;
        assert_ne!(id, ada);
        world.entra.delete(&format!("/Users/{id}")).await.expect(204);
    }
    world.okta.get(&format!("/Users/{}", ada.to_uppercase())).await.expect(404);
    world.okta.get(&format!("/Users/{{{ada}}}").replace('{', "%7B").replace('}', "%7D")).await.expect(404);
}

#[tokio::test]
async fn the_anonymous_and_holders_of_other_tokens_are_refused_everywhere() {
    let world = world().await;
    let admin = give_token(&world.app, Grant::Scopes(Permission::ALL.iter().copied().collect())).await;
    let unknown = give_token(&world.app, Grant::Scim(super::support::source("gone"))).await;
    let mut paths: Vec<(Method, String)> = super::super::routes()
        .into_iter()
        // What anybody may read of it without a token has a test of its own.
        .filter(|route| route.access != Access::ScimDiscovery)
        .map(|route| {
            assert!(matches!(route.access, Access::Scim | Access::ScimMe), "{}", route.path);
            (route.method, route.path.replace(['{', '}', '*'], ""))
        })
        .collect();
    for odd in ["/scim/v2/users", "/scim/v2//Users", "/scim/v2/Users/", "/scim/v9/Users", "/scim/x"] {
        paths.push((Method::GET, odd.to_owned()));
    }
    for (method, path) in paths {
        for bad in [None, Some("non-token"), Some("mst_a_")] {
            let client = world.okta.with(bad);
            let answer = client.request(method.clone(), &path, &[], Body::empty()).await.expect(401);
            assert_eq!(answer.header("www-authenticate"), "Bearer realm=\"scim\"", "{method} {path}");
        }
        for known in [&admin, &unknown] {
            let client = world.okta.with(Some(known));
            client.request(method.clone(), &path, &[], Body::empty()).await.expect(403);
        }
    }
    let cookie = [("cookie", format!("session={}", world.okta.token.clone().unwrap()))];
    let headers: Vec<_> = cookie.iter().map(|(name, value)| (*name, value.as_str())).collect();
    world.okta.with(None).request(Method::GET, "/scim/v2/Users", &headers, Body::empty()).await.expect(401);
}

/// A user of another source with this name.
async fn in_the_way(world: &World, name: &str) -> String {
    world.entra.user(name, json!({"emails": [{"value": format!("{name}@example.org")}]})).await
}

fn inbox(world: &World) -> Vec<Conflict> {
    conflicts::list(&world.app.store.view(), None).unwrap()
}

#[tokio::test]
async fn who_is_in_the_way_stands_in_the_inbox_until_a_person_or_the_provider_decides() {
    let world = world().await;
    let eve = in_the_way(&world, "eve").await;
    let wish = json!({"schemas": [USER], "userName": "Eve", "externalId": "7"});
    for _ in 0..2 {
        world.okta.post("/Users", wish.clone()).await.refused(409, "uniqueness");
    }
    let email = json!({"schemas": [USER], "userName": "mallory", "emails": [{"value": "EVE@example.org"}]});
    world.okta.post("/Users", email).await.refused(409, "uniqueness");
    let found = inbox(&world);
    let what: Vec<_> = found.iter().map(|one| (one.external_id.as_str(), one.field.as_str(), one.unnamed)).collect();
    assert_eq!(what, [("7", "username", false), ("mallory", "email", true)]);
    // A duplicate of the provider's own is its own affair.
    world.okta.user("own", json!({})).await;
    world.okta.post("/Users", json!({"schemas": [USER], "userName": "own"})).await.refused(409, "uniqueness");
    assert_eq!(inbox(&world).len(), 2);

    let author = Author::system("test");
    let (store, source, id) = (&world.app.store, &found[0].source, &found[0].external_id);
    let rename = decisions::rename(store, &author, source, id, Username::parse("e2").unwrap());
    assert!(rename.await.unwrap_err().to_string().contains("rename the person there"));
    let holder = users::get(&store.view(), found[0].holder).unwrap().unwrap();
    decisions::link(store, &author, source, id, (holder.id, holder.revision)).await.unwrap();
    world.entra.get(&format!("/Users/{eve}")).await.expect(404);
    let mine = world.okta.find("/Users", "userName eq \"eve\"").await.expect(200);
    assert_eq!((json!(mine.each("id")), json!(mine.each("externalId"))), (json!([eve]), json!(["7"])));
    world.okta.put(&format!("/Users/{eve}"), wish).await.expect(200);

    world.okta.delete(&format!("/Users/{eve}")).await.expect(204);
    let mallory = json!({"schemas": [USER], "userName": "mallory", "emails": [{"value": "eve@example.org"}]});
    world.okta.post("/Users", mallory).await.expect(201);
    assert!(inbox(&world).is_empty(), "what is taken waits no longer");
}

#[tokio::test]
async fn a_change_that_clashes_is_in_the_inbox_too_and_changes_nothing() {
    let world = world().await;
    in_the_way(&world, "eve").await;
    let id = world.okta.user("ada", json!({"externalId": "1"})).await;
    let operation = json!([{"op": "replace", "path": "userName", "value": "eve"}]);
    world.okta.patch(&format!("/Users/{id}"), operation).await.refused(409, "uniqueness");
    let found = inbox(&world);
    assert_eq!(found[0].user, Some(id.parse().unwrap()));
    assert_eq!(world.user(&id).username.as_str(), "ada");
}

#[tokio::test]
async fn users_of_a_source_that_may_be_adopted_are_taken_over_unless_they_hold_a_role() {
    let world = world_with(|setup| setup.push.adopts = vec![super::support::source("entra")]).await;
    let (eve, root) = (in_the_way(&world, "eve").await, in_the_way(&world, "root").await);
    world
        .administer(&root, |user, _, _| {
            let roles = [crate::base::id::RoleId::parse("system-auditor").unwrap()];
            Ok(User { roles: roles.into(), ..user })
        })
        .await;
    let wish = |name: &str| json!({"schemas": [USER], "userName": name, "externalId": name, "title": "Dr", "password": "correct horse battery"});
    let taken = world.okta.post("/Users", wish("EVE")).await.expect(201);
    assert_eq!((taken.id(), &taken.body["title"], &taken.body["userName"]), (eve.clone(), &json!("Dr"), &json!("EVE")));
    world.entra.get(&format!("/Users/{eve}")).await.expect(404);
    world.session("eve", "correct horse battery").await;
    world.okta.post("/Users", wish("root")).await.refused(409, "uniqueness");
    world.entra.get(&format!("/Users/{root}")).await.expect(200);
}

#[tokio::test]
async fn an_administrator_who_was_deleted_does_not_come_back_as_the_source_wants() {
    let world = world().await;
    let id = world.okta.user("root", json!({"externalId": "1"})).await;
    world
        .administer(&id, |user, _, _| {
            let roles = [crate::base::id::RoleId::parse("system-auditor").unwrap()];
            Ok(User { roles: roles.into(), ..user })
        })
        .await;
    world.okta.delete(&format!("/Users/{id}")).await.expect(204);
    let wish = |more: serde_json::Value| {
        let mut wish = json!({"schemas": [USER], "userName": "root", "externalId": "1"});
        wish.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        wish
    };
    world.okta.post("/Users", wish(json!({"password": "correct horse battery"}))).await.expect(403);
    world.okta.post("/Users", wish(json!({"emails": [{"value": "mallory@example.org"}]}))).await.expect(403);
    assert_eq!(world.okta.post("/Users", wish(json!({}))).await.expect(201).id(), id);
}
