//! A source never takes over, changes or sees another source's user.

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use super::support::{GROUP, USER, give_token, world};
use crate::directory::permission::Permission;
use crate::directory::token::Grant;
use crate::http::middleware::access::Access;

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
    for odd in ["/scim/v2/users", "/scim/v2//Users", "/scim/v2/Users/", "/scim/v9/Users", "/scim/v2/Bulk/", "/scim/x"] {
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
