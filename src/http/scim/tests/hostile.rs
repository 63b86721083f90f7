//! Bodies, filters and paths meant to do harm.

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use super::support::{USER, world};
use crate::base::clock::Stopwatch;

const JSON: &[(&str, &str)] = &[("content-type", "application/scim+json")];

#[tokio::test]
async fn broken_bodies_are_invalid_syntax() {
    let world = world().await;
    let deep = format!("{{\"schemas\":[\"{USER}\"],\"userName\":\"a\",\"x\":{}", "[".repeat(100_000));
    let twice = format!("{{\"schemas\":[\"{USER}\"],\"userName\":\"a\",\"userName\":\"b\"}}");
    let bodies = ["", "{", "nonsense", "[]", "\"text\"", "null", "{\"a\":", &deep, &twice, "{\"password\": \"s3cret"];
    let id = world.okta.user("ada", json!({})).await;
    let group = world.okta.group("staff", &[]).await;
    let paths = [
        (Method::POST, "/scim/v2/Users".to_owned()),
        (Method::PUT, format!("/scim/v2/Users/{id}")),
        (Method::PATCH, format!("/scim/v2/Users/{id}")),
        (Method::POST, "/scim/v2/Groups".to_owned()),
        (Method::PUT, format!("/scim/v2/Groups/{group}")),
        (Method::PATCH, format!("/scim/v2/Groups/{group}")),
        (Method::POST, "/scim/v2/Users/.search".to_owned()),
        (Method::POST, "/scim/v2/.search".to_owned()),
    ];
    for (method, path) in paths {
        for body in bodies {
            let answer = world.okta.request(method.clone(), &path, JSON, body.to_owned()).await;
            let answer = answer.refused(400, "invalidSyntax");
            assert!(!answer.body.to_string().contains("s3cret"));
        }
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_too_large_and_one_under_it_is_not() {
    let world = world().await;
    let body = |size: usize| json!({"schemas": [USER], "userName": "a", "title": "x".repeat(size)}).to_string();
    world.okta.request(Method::POST, "/scim/v2/Users", JSON, body(1 << 20)).await.expect(413);
    world.okta.request(Method::POST, "/scim/v2/Users", JSON, body(1 << 19)).await.expect(201);
    let operations: Vec<_> = (0..1_001).map(|_| json!({"op": "add", "path": "title", "value": "x"})).collect();
    let id = world.okta.user("b", json!({})).await;
    world.okta.patch(&format!("/Users/{id}"), json!(operations)).await.expect(413);
}

#[tokio::test]
async fn hostile_filters_are_refused_at_once() {
    let world = world().await;
    world.okta.user("ada", json!({})).await;
    let long = format!("userName eq \"{}\"", "x".repeat(9 << 10));
    let deep = format!("{}userName pr{}", "(".repeat(5_000), ")".repeat(5_000));
    let nots = format!("{}userName pr{}", "not (".repeat(500), ")".repeat(500));
    let filters = [long, deep, nots, "a[".repeat(1_000), "userName eq \"\\u12\"".to_owned()];
    for filter in filters {
        let watch = Stopwatch::start();
        let body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": filter});
        world.okta.post("/Users/.search", body).await.refused(400, "invalidFilter");
        assert!(watch.elapsed_ms() < 1_000);
    }
}

#[tokio::test]
async fn slashes_too_many_mean_nothing() {
    let world = world().await;
    let id = world.okta.user("ada", json!({})).await;
    for path in ["/scim/v2//Users", "/scim/v2/Users/", "/scim//v2/Users/?count=1"] {
        world.okta.request(Method::GET, path, &[], Body::empty()).await.expect(200);
    }
    world.okta.request(Method::GET, &format!("/scim/v2//Users/{id}/"), &[], Body::empty()).await.expect(200);
    world.okta.get("/").await.expect(200);
}

#[tokio::test]
async fn paths_that_are_none_are_said_to_be_none() {
    let world = world().await;
    let odd = [
        "/scim/v2/Users/%00",
        "/scim/v2/Users/%ff",
        "/scim/v2/Users/..%2f..",
        "/scim/v2/Users/a/b",
        "/scim/v2/users",
        "/scim/v9/Users",
        "/scim/v2/Groups/x",
        "/scim/v2/Schemas/x",
        "/scim/x",
    ];
    for path in odd {
        world.okta.request(Method::GET, path, &[], Body::empty()).await.expect(404);
    }
    let answer = world.okta.request(Method::GET, "/scim/v2/Users?filter=%ff%fe", &[], Body::empty()).await;
    answer.expect(400);
    let id = world.okta.user("ada", json!({})).await;
    world.okta.request(Method::POST, &format!("/scim/v2/Users/{id}"), JSON, "{}").await.expect(405);
    world.okta.request(Method::DELETE, "/scim/v2/Users", &[], Body::empty()).await.expect(405);
}
