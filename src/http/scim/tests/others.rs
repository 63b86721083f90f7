//! Schemas and resource types of the settings (RFC 7643 §6, §7).

use serde_json::{Value, json};

use super::support::{GROUP, USER, World, world_with};
use crate::scim::definitions;

const ACME: &str = "urn:example:acme:2.0:User";
const TEAM: &str = "urn:example:acme:2.0:Group";
const DEVICE: &str = "urn:example:acme:2.0:Device";

async fn acme() -> World {
    let acme = json!({"id": ACME, "name": "Acme", "attributes": [
        {"name": "badge", "type": "string", "caseExact": true, "mutability": "immutable"},
        {"name": "secret", "type": "string", "returned": "request"},
        {"name": "desks", "type": "complex", "multiValued": true,
            "subAttributes": [{"name": "value", "type": "string"}, {"name": "floor", "type": "integer"}]}]});
    let team = json!({"id": TEAM, "attributes": [{"name": "budget", "type": "decimal"}]});
    let device = json!({"id": DEVICE, "name": "Device", "attributes": [
        {"name": "serial", "type": "string", "required": true, "uniqueness": "server"},
        {"name": "owner", "type": "complex", "subAttributes": [{"name": "value", "type": "string"}]},
        {"name": "seenAt", "type": "dateTime"}]});
    let schemas = [acme, team, device].iter().map(|one| definitions::schema(one).unwrap()).collect();
    let types = [
        json!({"name": "User", "endpoint": "/Users", "schema": USER, "schemaExtensions": [{"schema": ACME}]}),
        json!({"name": "Group", "endpoint": "/Groups", "schema": GROUP, "schemaExtensions": [{"schema": TEAM}]}),
        json!({"name": "Device", "endpoint": "/Devices", "schema": DEVICE}),
    ];
    let types = types.iter().map(|one| definitions::resource_type(one).unwrap()).collect();
    world_with(|setup| setup.scim.registry = definitions::registry(schemas, types).unwrap()).await
}

async fn device(world: &World, serial: &str, more: Value) -> String {
    let mut body = json!({"schemas": [DEVICE], "serial": serial});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.okta.post("/Devices", body).await.expect(201).id()
}

#[tokio::test]
async fn what_the_settings_add_is_announced_and_found_where_it_says() {
    let world = acme().await;
    for urn in [ACME, TEAM, DEVICE] {
        assert_eq!(world.okta.get(&format!("/Schemas/{urn}")).await.expect(200).body["id"], urn);
    }
    let device = world.okta.get("/ResourceTypes/Device").await.expect(200).body;
    assert_eq!((&device["endpoint"], &device["schema"]), (&json!("/Devices"), &json!(DEVICE)));
    let user = world.okta.get("/ResourceTypes/User").await.expect(200).body;
    assert_eq!(user["schemaExtensions"][1], json!({"schema": ACME, "required": false}));
    world.okta.get("/Nothings").await.expect(404);
}

#[tokio::test]
async fn an_extension_of_users_is_kept_found_changed_and_shown_as_its_schema_says() {
    let world = acme().await;
    let more = json!({ACME: {"badge": "B7", "secret": "s", "desks": [{"value": "w", "floor": 3}], "unknown": 1}});
    let id = world.okta.user("ada", more).await;
    let path = format!("/Users/{id}");
    let shown = world.okta.get(&path).await.expect(200).body;
    assert_eq!(shown["schemas"], json!([USER, ACME]));
    assert_eq!(shown[ACME], json!({"badge": "B7", "desks": [{"value": "w", "floor": 3}]}));
    let named = world.okta.get(&format!("{path}?attributes={ACME}:secret")).await.expect(200).body;
    assert_eq!(named[ACME], json!({"secret": "s"}));
    for (filter, count) in [("badge eq \"B7\"", 1), ("badge eq \"b7\"", 0), ("desks[floor gt 2]", 1)] {
        let filter = format!("{ACME}:{filter}");
        assert_eq!(world.okta.find("/Users", &filter).await.expect(200).body["totalResults"], count, "{filter}");
    }
    let replace = |path: String, value: Value| json!([{"op": "replace", "path": path, "value": value}]);
    world.okta.patch(&path, replace(format!("{ACME}:badge"), json!("B8"))).await.refused(400, "mutability");
    world.okta.patch(&path, replace(format!("{ACME}:desks[value eq \"w\"].floor"), json!(4))).await.expect(200);
    world.okta.patch(&path, replace(format!("{ACME}:desks[value eq \"w\"].floor"), json!(1.5))).await.expect(400);
    let body = json!({"schemas": [USER, ACME], "userName": "ada", ACME: {"badge": "B9"}});
    world.okta.put(&path, body).await.refused(400, "mutability");
}

#[tokio::test]
async fn an_extension_of_groups_is_kept() {
    let world = acme().await;
    let body = json!({"schemas": [GROUP, TEAM], "displayName": "Team", TEAM: {"budget": 1.5}});
    let made = world.okta.post("/Groups", body).await.expect(201);
    assert_eq!(made.body[TEAM], json!({"budget": 1.5}));
    let path = format!("/Groups/{}", made.id());
    let operation = json!([{"op": "remove", "path": format!("{TEAM}:budget")}]);
    let changed = world.okta.patch(&path, operation).await.expect(200).body;
    assert_eq!((&changed["schemas"], changed.get(TEAM)), (&json!([GROUP]), None));
}

#[tokio::test]
async fn a_resource_of_a_type_of_the_settings_lives_like_any_other() {
    let world = acme().await;
    let id =
        device(&world, "S1", json!({"externalId": "x", "owner": {"value": "7"}, "seenAt": "2026-01-31T08:00:00Z"}))
            .await;
    let path = format!("/Devices/{id}");
    let shown = world.okta.get(&path).await.expect(200);
    assert_eq!(shown.header("etag"), "W/\"1\"");
    assert_eq!(shown.body["meta"]["resourceType"], "Device");
    assert_eq!(shown.body["meta"]["location"], format!("https://id.example.org/scim/v2{path}"));
    let operation = json!([{"op": "replace", "path": "owner.value", "value": "8"}]);
    assert_eq!(world.okta.patch(&path, operation.clone()).await.expect(200).header("etag"), "W/\"2\"");
    assert_eq!(world.okta.patch(&path, operation).await.expect(200).header("etag"), "W/\"2\"", "nothing changed");
    for (filter, count) in
        [("owner.value eq \"8\"", 1), ("seenAt gt \"2026-02-01T00:00:00Z\"", 0), ("externalId eq \"x\"", 1)]
    {
        assert_eq!(world.okta.find("/Devices", filter).await.expect(200).body["totalResults"], count, "{filter}");
    }
    let body = json!({"schemas": [DEVICE], "serial": "S2"});
    let replaced = world.okta.put(&path, body).await.expect(200).body;
    assert_eq!((&replaced["serial"], replaced.get("owner")), (&json!("S2"), None));
    world.okta.put(&path, json!({"schemas": [DEVICE]})).await.refused(400, "invalidValue");
    world.entra.get(&path).await.expect(404);
    assert_eq!(world.entra.get("/Devices").await.body["totalResults"], 0);
    world.okta.delete(&path).await.expect(204);
    world.okta.get(&path).await.expect(404);
}

#[tokio::test]
async fn a_unique_value_is_held_by_one_resource_of_a_source() {
    let world = acme().await;
    device(&world, "S1", json!({})).await;
    let second = device(&world, "S2", json!({})).await;
    world.okta.post("/Devices", json!({"schemas": [DEVICE], "serial": "s1"})).await.refused(409, "uniqueness");
    let operation = json!([{"op": "replace", "path": "serial", "value": "S1"}]);
    world.okta.patch(&format!("/Devices/{second}"), operation).await.refused(409, "uniqueness");
    world.entra.post("/Devices", json!({"schemas": [DEVICE], "serial": "S1"})).await.expect(201);
    world.okta.delete(&format!("/Devices/{second}")).await.expect(204);
    device(&world, "S2", json!({})).await;
}

#[tokio::test]
async fn lists_of_everything_and_bulk_requests_know_them() {
    let world = acme().await;
    world.okta.user("ada", json!({})).await;
    device(&world, "S1", json!({})).await;
    assert_eq!(world.okta.get("/").await.body["totalResults"], 2);
    let found = world.okta.find("/", "meta.resourceType eq \"Device\"").await;
    assert_eq!(found.each("serial"), ["S1"]);
    let operations =
        json!([{"method": "POST", "path": "/Devices", "bulkId": "d", "data": {"schemas": [DEVICE], "serial": "S3"}}]);
    let schemas = ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"];
    let answer = world.okta.post("/Bulk", json!({"schemas": schemas, "Operations": operations})).await.expect(200);
    assert_eq!(answer.body["Operations"][0]["status"], "201");
    let sorted = world.okta.get("/Devices?sortBy=serial&sortOrder=descending").await.expect(200);
    assert_eq!(sorted.each("serial"), ["S3", "S1"]);
}
