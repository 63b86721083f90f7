//! Removed users: gone for everybody, and back whole when their source sends them again.

use serde_json::json;

use super::support::{USER, world};
use crate::directory::user::{DisabledReason, State, User};
use crate::store::credentials;

#[tokio::test]
async fn a_removed_user_is_gone_on_every_way_and_the_name_is_free() {
    let world = world().await;
    let id = world.okta.user("ada", json!({"emails": [{"value": "ada@x.org"}]})).await;
    let group = world.okta.group("staff", &[&id]).await;
    let (path, epoch) = (format!("/Users/{id}"), world.user(&id).session_epoch);
    let gone = world.okta.delete(&path).await;
    assert_eq!((gone.status.as_u16(), gone.body.is_null()), (204, true));
    assert!(world.user(&id).session_epoch > epoch, "sessions die with the user");
    world.okta.get(&path).await.expect(404);
    world.okta.delete(&path).await.expect(404);
    world.okta.put(&path, json!({"schemas": [USER], "userName": "ada"})).await.expect(404);
    world.okta.patch(&path, json!([{"op": "replace", "path": "active", "value": true}])).await.expect(404);
    for filter in
        [format!("id eq \"{id}\""), "userName eq \"ada\"".to_owned(), "emails.value eq \"ada@x.org\"".to_owned()]
    {
        assert_eq!(world.okta.find("/Users", &filter).await.expect(200).body["totalResults"], 0);
    }
    assert_eq!(world.okta.get("/Users").await.expect(200).body["totalResults"], 0);
    let group = format!("/Groups/{group}");
    assert!(world.okta.get(&group).await.expect(200).members().is_empty());
    let found = world.okta.find("/Groups", &format!("members.value eq \"{id}\"")).await.expect(200);
    assert_eq!(found.body["totalResults"], 0);
    let add = json!([{"op": "add", "path": "members", "value": [{"value": id}]}]);
    world.okta.patch(&group, add).await.refused(400, "invalidValue");
    assert_ne!(world.entra.user("ada", json!({"emails": [{"value": "ada@x.org"}]})).await, id);
}

#[tokio::test]
async fn a_person_whom_the_source_sends_again_comes_back_whole() {
    let world = world().await;
    let more = json!({"externalId": "e1", "title": "Dr", "password": "correct horse battery"});
    let id = world.okta.user("ada", more).await;
    let group = world.okta.group("staff", &[&id]).await;
    world.administer(&id, |user, _, _| Ok(User { description: "our first".parse().unwrap(), ..user })).await;
    world.okta.delete(&format!("/Users/{id}")).await.expect(204);
    world.entra.user("ada", json!({})).await;
    let body = json!({"schemas": [USER], "userName": "ada2", "externalId": "e1", "nickName": "A"});
    let back = world.okta.post("/Users", body).await.expect(201);
    assert_eq!(back.id(), id);
    assert_eq!((&back.body["nickName"], &back.body["active"]), (&json!("A"), &json!(true)));
    assert!(back.body.get("title").is_none());
    assert_eq!(back.body["groups"][0]["value"], json!(group));
    assert_eq!(world.okta.get(&format!("/Groups/{group}")).await.expect(200).members(), [id.as_str()]);
    assert_eq!(world.user(&id).description.as_str(), "our first");
    assert!(credentials::get(&world.app.store.view(), id.parse().unwrap()).unwrap().is_some());
}

#[tokio::test]
async fn who_was_disabled_by_the_source_comes_back_active_and_who_was_by_an_administrator_does_not() {
    let world = world().await;
    for (name, active) in [("ada", true), ("grace", false)] {
        let id = world.okta.user(name, json!({"externalId": name, "active": name == "grace"})).await;
        if name == "grace" {
            world.administer(&id, |user, by, now| user.disable(DisabledReason::Admin, by, now)).await;
        }
        world.okta.delete(&format!("/Users/{id}")).await.expect(204);
        let body = json!({"schemas": [USER], "userName": name, "externalId": name});
        let back = world.okta.post("/Users", body).await.expect(201);
        assert_eq!((back.id(), &back.body["active"]), (id, &json!(active)));
    }
}

#[tokio::test]
async fn whom_an_administrator_removed_the_source_does_not_bring_back() {
    let world = world().await;
    let id = world.okta.user("ada", json!({"externalId": "e1"})).await;
    let keep = world.app.users.retention;
    world.administer(&id, move |user, by, now| Ok(user.remove(by, now, keep))).await;
    let body = json!({"schemas": [USER], "userName": "ada", "externalId": "e1"});
    world.okta.post("/Users", body).await.refused(409, "uniqueness");
    assert!(matches!(world.user(&id).state, State::Removed { .. }));
}

#[tokio::test]
async fn without_an_external_id_the_name_alone_brings_nobody_back() {
    let world = world().await;
    let id = world.okta.user("ada", json!({})).await;
    world.okta.delete(&format!("/Users/{id}")).await.expect(204);
    assert_ne!(world.okta.user("ada", json!({"externalId": "e2"})).await, id);
}
