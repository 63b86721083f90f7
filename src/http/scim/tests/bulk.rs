//! RFC 7644 §3.7: many operations in one request.

use axum::body::Body;
use axum::http::Method;
use serde_json::{Value, json};

use super::support::{Answer, Client, ENTERPRISE, GROUP, USER, world, world_with};

const REQUEST: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";

async fn bulk(client: &Client, operations: Value) -> Answer {
    client.post("/Bulk", json!({"schemas": [REQUEST], "Operations": operations})).await
}

fn user(bulk_id: &str, name: &str) -> Value {
    json!({"method": "POST", "path": "/Users", "bulkId": bulk_id, "data": {"schemas": [USER], "userName": name}})
}

fn statuses(answer: &Answer) -> Vec<&str> {
    let operations = answer.body["Operations"].as_array().unwrap();
    operations.iter().map(|operation| operation["status"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn rfc_7644_3_7_every_operation_is_answered_with_its_status_and_place() {
    let world = world().await;
    let id = world.okta.user("old", json!({})).await;
    let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "replace", "path": "title", "value": "Dr"}]});
    let answer = bulk(
        &world.okta,
        json!([
            user("qwerty", "ada"),
            {"method": "PUT", "path": format!("/Users/{id}"), "version": "W/\"1\"",
                "data": {"schemas": [USER], "userName": "older"}},
            {"method": "PATCH", "path": format!("/Users/{id}"), "data": patch},
            {"method": "DELETE", "path": format!("/Users/{id}")},
        ]),
    )
    .await
    .expect(200);
    assert_eq!(answer.body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:BulkResponse"]));
    assert_eq!(statuses(&answer), ["201", "200", "200", "204"]);
    let operations = answer.body["Operations"].as_array().unwrap();
    assert_eq!((&operations[0]["bulkId"], &operations[0]["method"]), (&json!("qwerty"), &json!("POST")));
    let made = operations[0]["location"].as_str().unwrap();
    let found = world.okta.get(made.strip_prefix("https://id.example.org/scim/v2").unwrap()).await.expect(200);
    assert_eq!(
        (&found.body["userName"], found.header("etag")),
        (&json!("ada"), operations[0]["version"].as_str().unwrap())
    );
    for operation in &operations[1..] {
        assert_eq!(operation["location"], format!("https://id.example.org/scim/v2/Users/{id}"));
    }
    world.okta.get(&format!("/Users/{id}")).await.expect(404);
}

#[tokio::test]
async fn rfc_7644_3_7_what_fails_is_told_and_the_rest_is_done() {
    let world = world().await;
    let id = world.okta.user("taken", json!({})).await;
    let operations = json!([
        user("a", "Taken"),
        {"method": "PUT", "path": format!("/Users/{id}"), "version": "W/\"9\"", "data": {"schemas": [USER], "userName": "x"}},
        {"method": "DELETE", "path": "/Users/nobody"},
        {"method": "POST", "path": "/Nothings", "bulkId": "b", "data": {}},
        {"method": "GET", "path": "/Users"},
        user("c", "carol"),
    ]);
    let answer = bulk(&world.okta, operations).await.expect(200);
    assert_eq!(statuses(&answer), ["409", "412", "404", "404", "400", "201"]);
    let operations = answer.body["Operations"].as_array().unwrap();
    assert_eq!(operations[0]["response"]["scimType"], "uniqueness");
    assert!(operations[0].get("location").is_none(), "nothing was made");
    assert!(operations[1]["location"].as_str().unwrap().ends_with(&id));
    assert!(operations[5].get("response").is_none());
}

#[tokio::test]
async fn rfc_7644_3_7_fail_on_errors_ends_the_work_there() {
    let world = world().await;
    world.okta.user("taken", json!({})).await;
    let operations =
        json!([user("a", "ada"), user("b", "taken"), user("c", "carol"), user("d", "taken"), user("e", "eve")]);
    let body = json!({"schemas": [REQUEST], "failOnErrors": 2, "Operations": operations});
    let answer = world.okta.post("/Bulk", body).await.expect(200);
    assert_eq!(statuses(&answer), ["201", "409", "201", "409"]);
    assert_eq!(world.okta.find("/Users", "userName eq \"eve\"").await.body["totalResults"], 0);
}

#[tokio::test]
async fn rfc_7644_3_7_2_bulk_ids_stand_for_what_is_made_before_or_after() {
    let world = world().await;
    let operations = json!([
        {"method": "POST", "path": "/Groups", "bulkId": "g", "data": {"schemas": [GROUP], "displayName": "Tour",
            "members": [{"type": "User", "value": "bulkId:u"}]}},
        {"method": "POST", "path": "/Users", "bulkId": "v", "data": {"schemas": [USER, ENTERPRISE], "userName": "bob",
            ENTERPRISE: {"manager": {"value": "bulkId:u"}}}},
        user("u", "ada"),
        {"method": "DELETE", "path": "/Users/bulkId:v"},
    ]);
    let answer = bulk(&world.okta, operations).await.expect(200);
    assert_eq!(statuses(&answer), ["201", "201", "201", "204"]);
    let ada = world.okta.find("/Users", "userName eq \"ada\"").await.each("id");
    let group = world.okta.find("/Groups", "displayName eq \"Tour\"").await;
    assert_eq!(group.body["Resources"][0]["members"][0]["value"], ada[0]);
}

#[tokio::test]
async fn rfc_7644_3_7_1_circular_references_are_resolved() {
    let world = world().await;
    let group = |own: &str, other: &str| {
        json!({"method": "POST", "path": "/Groups", "bulkId": own, "data": {"schemas": [GROUP],
            "displayName": own, "members": [{"type": "Group", "value": format!("bulkId:{other}")}]}})
    };
    let answer = bulk(&world.okta, json!([group("a", "b"), group("b", "c"), group("c", "a")])).await.expect(200);
    assert_eq!(statuses(&answer), ["201", "201", "201"]);
    let id_of = |position: usize| {
        let location = answer.body["Operations"][position]["location"].as_str().unwrap();
        location.rsplit('/').next().unwrap().to_owned()
    };
    for (group, member) in [(0, 1), (1, 2), (2, 0)] {
        let found = world.okta.get(&format!("/Groups/{}", id_of(group))).await.expect(200);
        assert_eq!(found.members(), [id_of(member)]);
    }
}

#[tokio::test]
async fn who_waits_for_what_failed_is_told_and_ids_of_nobody_are_refused() {
    let world = world().await;
    world.okta.user("taken", json!({})).await;
    let group = |own: &str, member: &str| {
        json!({"method": "POST", "path": "/Groups", "bulkId": own, "data": {"schemas": [GROUP], "displayName": own,
            "members": [{"value": format!("bulkId:{member}")}]}})
    };
    let operations = json!([group("g", "u"), user("u", "taken"), group("h", "nobody"), {"method": "DELETE", "path": "/Users/bulkId:g2"}]);
    let answer = bulk(&world.okta, operations).await.expect(200);
    assert_eq!(statuses(&answer), ["400", "409", "400", "400"]);
    assert_eq!(answer.body["Operations"][0]["response"]["scimType"], "invalidValue");
    assert_eq!(world.okta.get("/Groups").await.body["totalResults"], 0);
}

#[tokio::test]
async fn rfc_7644_3_7_4_too_many_or_too_large_is_413_and_names_the_limit() {
    let world = world().await;
    let many: Vec<_> = (0..10_000).map(|n| user(&format!("u{n}"), &format!("u{n}"))).collect();
    let small = world_with(|setup| setup.http.body_limit = 8 << 20).await;
    let answer = bulk(&small.okta, json!(many)).await.expect(413);
    assert!(answer.body["detail"].as_str().unwrap().contains("maxOperations is 1000"), "{}", answer.body);
    assert_eq!(small.okta.get("/Users").await.body["totalResults"], 0);
    let headers = [("content-type", "application/scim+json")];
    let answer = world.okta.request(Method::POST, "/scim/v2/Bulk", &headers, Body::from("x".repeat(5 << 20))).await;
    assert!(answer.expect(413).body["detail"].as_str().unwrap().contains("1048576"));
}

#[tokio::test]
async fn a_request_that_takes_long_ends_in_time_and_says_what_was_not_begun() {
    let world = world_with(|setup| setup.http.request_timeout = std::time::Duration::ZERO).await;
    let answer = bulk(&world.okta, json!([user("a", "ada")])).await.expect(200);
    assert_eq!(statuses(&answer), ["503"]);
    assert!(answer.body["Operations"][0]["response"]["detail"].as_str().unwrap().starts_with("not begun"));
    let found = world.okta.find("/Users", "userName eq \"ada\"").await.expect(200);
    assert_eq!(found.body["totalResults"], 0);
}

#[tokio::test]
async fn no_operation_reaches_another_sources_user() {
    let world = world().await;
    let id = world.entra.user("eve", json!({})).await;
    let put = json!({"method": "PUT", "path": format!("/Users/{id}"), "data": {"schemas": [USER], "userName": "mine"}});
    let operations = json!([put, {"method": "DELETE", "path": format!("/Users/{id}")}]);
    let answer = bulk(&world.okta, operations).await.expect(200);
    assert_eq!(statuses(&answer), ["404", "404"]);
    world.entra.get(&format!("/Users/{id}")).await.expect(200);
}

#[tokio::test]
async fn what_comes_after_a_circle_finds_it_whole_and_stays() {
    let world = world().await;
    let other = world.okta.user("ada", json!({})).await;
    let group = |own: &str, member: &str| {
        json!({"method": "POST", "path": "/Groups", "bulkId": own, "data": {"schemas": [GROUP], "displayName": own,
            "members": [{"value": format!("bulkId:{member}")}]}})
    };
    let add = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "add", "path": "members", "value": [{"value": other}]}]});
    let patch = json!({"method": "PATCH", "path": "/Groups/bulkId:a", "bulkId": "b", "data": add});
    let answer = bulk(&world.okta, json!([group("a", "b"), group("b", "a"), patch])).await.expect(200);
    assert_eq!(statuses(&answer), ["201", "201", "200"]);
    let found = world.okta.find("/Groups", "displayName eq \"a\"").await.expect(200);
    assert_eq!(found.body["Resources"][0]["members"].as_array().unwrap().len(), 2);
    // Where the work ends early, what was begun is completed all the same.
    let fails = json!({"method": "DELETE", "path": "/Users/nobody"});
    let body =
        json!({"schemas": [REQUEST], "failOnErrors": 1, "Operations": [group("c", "d"), group("d", "c"), fails]});
    let answer = world.okta.post("/Bulk", body).await.expect(200);
    let all = statuses(&answer);
    assert_eq!(all.last(), Some(&"404"));
}
