//! Passwords that a source sets.

use serde_json::{Value, json};

use super::support::{USER, World, world, world_with};
use crate::base::secret::Secret;
use crate::store::credentials;

const GOOD: &str = "correct horse battery";

async fn verifies(world: &World, id: &str, password: &str) -> bool {
    let credential = credentials::get(&world.app.store.view(), id.parse().unwrap()).unwrap();
    match credential {
        Some(credential) => world.app.auth.hasher.verify(&Secret::new(password), &credential.hash).await.unwrap(),
        None => false,
    }
}

#[tokio::test]
async fn a_password_is_set_by_every_kind_of_write_and_shown_by_none() {
    let world = world().await;
    let made =
        world.okta.post("/Users", json!({"schemas": [USER], "userName": "ada", "password": GOOD})).await.expect(201);
    let path = format!("/Users/{}?attributes=password,userName", made.id());
    assert!(verifies(&world, &made.id(), GOOD).await);
    let put = json!({"schemas": [USER], "userName": "ada", "password": "another fine password"});
    let replaced = world.okta.put(&path, put).await.expect(200);
    assert!(verifies(&world, &made.id(), "another fine password").await);
    let patch = json!([{"op": "replace", "path": "password", "value": "a third fine password"}]);
    let epoch = world.user(&made.id()).session_epoch;
    let patched = world.okta.patch(&path, patch).await.expect(200);
    assert!(verifies(&world, &made.id(), "a third fine password").await);
    assert!(world.user(&made.id()).session_epoch > epoch);
    let read = world.okta.get(&path).await.expect(200);
    for answer in [made, replaced, patched, read] {
        assert!(answer.body.get("password").is_none());
    }
    let omitted = json!({"schemas": [USER], "userName": "ada"});
    let id = world.okta.put(&path, omitted).await.expect(200).id();
    assert!(verifies(&world, &id, "a third fine password").await);
    let stored = serde_json::to_string(&world.user(&id)).unwrap();
    assert!(!stored.contains("fine password"), "{stored}");
    let trail = crate::store::audit::list(&world.app.store.view(), &crate::store::audit::Query::default(), None, 99)
        .unwrap()
        .lines;
    assert!(!serde_json::to_string(&trail).unwrap().contains("fine password"));
}

#[tokio::test]
async fn the_present_password_again_is_no_change_so_that_a_request_can_be_repeated() {
    let world = world().await;
    let body = json!({"schemas": [USER], "userName": "ada", "password": GOOD});
    let id = world.okta.post("/Users", body.clone()).await.expect(201).id();
    let path = format!("/Users/{id}");
    let first = world.okta.put(&path, body.clone()).await.expect(200);
    let again = world.okta.put(&path, body).await.expect(200);
    assert_eq!(first.header("etag"), again.header("etag"));
}

#[tokio::test]
async fn password_rules_hold_on_this_path_too_and_nothing_else_of_the_request_is_kept() {
    let world = world().await;
    let create = |password: &str| json!({"schemas": [USER], "userName": "augusta", "password": password});
    for weak in ["hunter2", "augusta-augusta-augusta"] {
        let refused = world.okta.post("/Users", create(weak)).await.refused(400, "invalidValue");
        assert!(!refused.body.to_string().contains(weak), "{}", refused.body);
    }
    let id = world.okta.user("augusta", json!({"password": GOOD})).await;
    let path = format!("/Users/{id}");
    let patch =
        json!([{"op": "add", "path": "title", "value": "Dr"}, {"op": "add", "path": "password", "value": "hunter2"}]);
    world.okta.patch(&path, patch).await.refused(400, "invalidValue");
    assert!(world.okta.get(&path).await.body.get("title").is_none());
    let change = |password: &str| json!([{"op": "replace", "path": "password", "value": password}]);
    world.okta.patch(&path, change("another fine password")).await.expect(200);
    world.okta.patch(&path, change(GOOD)).await.refused(400, "invalidValue");
}

#[tokio::test]
async fn a_throw_away_password_is_dropped_where_another_source_verifies() {
    let world = world().await;
    let id = world.entra.user("ada", json!({"password": "x"})).await;
    assert!(credentials::get(&world.app.store.view(), id.parse().unwrap()).unwrap().is_none());
}

#[tokio::test]
async fn a_password_cannot_be_probed_or_sorted_by() {
    let world = world().await;
    world.okta.user("ada", json!({"password": GOOD})).await;
    for filter in
        ["password eq \"correct horse battery\"", "not (password co \"c\")", "userName eq \"ada\" and password pr"]
    {
        world.okta.find("/Users", filter).await.refused(403, "sensitive");
    }
    world.okta.get("/Users?sortBy=password").await.refused(403, "sensitive");
}

#[tokio::test]
async fn too_many_passwords_at_once_are_refused_with_a_time_to_come_back() {
    let world = world_with(|setup| {
        let login = &mut setup.login;
        login.hashing.memory_kib = 32_768;
        login.hashing.iterations = 3;
        login.hashing.queue = 1;
    })
    .await;
    let tries = (0..20).map(|n| {
        let okta = world.okta.clone();
        let body: Value = json!({"schemas": [USER], "userName": format!("user{n}"), "password": GOOD});
        tokio::spawn(async move { okta.post("/Users", body).await })
    });
    let mut busy = 0;
    for answer in tries.collect::<Vec<_>>() {
        let answer = answer.await.unwrap();
        if answer.status == 429 {
            assert_ne!(answer.header("retry-after"), "");
            answer.expect(429);
            busy += 1;
        }
    }
    assert!(busy > 0);
}
