//! How clients of several profiles are heard and answered.

use serde_json::{Value, json};

use super::support::{Client, ENTERPRISE, USER, World, give_token_for, source, world, world_with};
use crate::directory::token::{Grant, Profile};

async fn speaking(world: &World, profile: Profile) -> Client {
    world.okta.with(Some(&give_token_for(&world.app, Grant::Scim(source("okta")), profile).await))
}

fn title(value: &str) -> Value {
    json!([{"op": "replace", "path": "title", "value": value}])
}

#[tokio::test]
async fn rfc_7644_3_5_2_a_patch_is_answered_as_the_profile_wants() {
    let world = world().await;
    let path = format!("/Users/{}", world.okta.user("ada", json!({})).await);
    for (profile, status) in
        [(Profile::Default, 200), (Profile::Okta, 200), (Profile::Strict, 200), (Profile::Entra, 204)]
    {
        let client = speaking(&world, profile).await;
        let answer = client.patch(&path, title(profile.name())).await.expect(status);
        assert!(answer.header("etag").starts_with("W/"), "{profile:?}");
        assert_eq!(answer.body.is_null(), status == 204);
        let chosen = client.patch(&format!("{path}?attributes=title"), title("x")).await.expect(200);
        assert_eq!(chosen.body["title"], "x", "who names attributes sees them");
    }
}

#[tokio::test]
async fn every_profile_but_the_strict_one_takes_the_dialects() {
    let world = world().await;
    let body = json!({"schemas": [USER, "urn:x"], "userName": "ada", "active": "True", "nonsense": 1,
        ENTERPRISE: {"manager": "7"}});
    let strict = speaking(&world, Profile::Strict).await;
    strict.post("/Users", body.clone()).await.refused(400, "invalidValue");
    let operations = json!([{"op": "Replace", "path": "active", "value": "False"}]);
    for profile in [Profile::Default, Profile::Okta, Profile::Entra] {
        let client = speaking(&world, profile).await;
        let id = client.post("/Users", body.clone()).await.expect(201).id();
        strict.patch(&format!("/Users/{id}"), operations.clone()).await.refused(400, "invalidSyntax");
        let patched = client.patch(&format!("/Users/{id}?attributes=active"), operations.clone()).await.expect(200);
        assert_eq!(patched.body["active"], false);
        client.delete(&format!("/Users/{id}")).await.expect(204);
    }
}

#[tokio::test]
async fn the_strict_profile_keeps_to_the_grammar_of_filters_and_targets() {
    let world = world().await;
    let strict = speaking(&world, Profile::Strict).await;
    let path = format!("/Users/{}", strict.user("ada", json!({})).await);
    let filter = "emails[type eq \"work\"].value eq \"x\"";
    strict.find("/Users", filter).await.refused(400, "invalidFilter");
    world.okta.find("/Users", filter).await.expect(200);
    let schemas = ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"];
    let search = json!({"schemas": schemas, "filter": filter});
    strict.post("/Users/.search", search).await.refused(400, "invalidFilter");
    let operation = json!([{"op": "replace", "path": "emails[type eq \"work\"].value", "value": "a@x.org"}]);
    strict.patch(&path, operation.clone()).await.refused(400, "noTarget");
    world.okta.patch(&path, operation).await.expect(200);
}

#[tokio::test]
async fn groups_of_one_name_are_refused_or_kept_side_by_side() {
    let world = world().await;
    let group = |name: &str| json!({"schemas": [super::support::GROUP], "displayName": name});
    world.okta.post("/Groups", group("Sales")).await.expect(201);
    world.okta.post("/Groups", group("sales")).await.refused(409, "uniqueness");

    let world = world_with(|setup| setup.push.unique_group_names = false).await;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let made = world.okta.post("/Groups", group("Sales")).await.expect(201);
        assert_eq!(made.body["displayName"], "Sales");
        ids.push(made.id());
        world.pass_seconds(1);
    }
    let found = world.okta.find("/Groups", "displayName eq \"sales\"").await.expect(200);
    assert_eq!(json!(found.each("id")), json!(ids));
    let path = format!("/Groups/{}", ids[1]);
    let renamed = world.okta.patch(&path, json!([{"op": "replace", "path": "externalId", "value": "7"}])).await;
    assert_eq!(renamed.expect(200).body["displayName"], "Sales");
    let renamed = world.okta.patch(&path, json!([{"op": "replace", "value": {"id": ids[1], "displayName": "West"}}]));
    assert_eq!(renamed.await.expect(200).body["displayName"], "West");
    assert_eq!(world.okta.find("/Groups", "displayName eq \"Sales\"").await.each("id").len(), 2);
    assert_eq!(world.okta.find("/Groups", "displayName eq \"Sales (2)\"").await.body["totalResults"], 0);
}
