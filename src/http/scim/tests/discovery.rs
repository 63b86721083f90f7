//! What the service says about itself.

use axum::body::Body;
use axum::http::Method;

use super::support::{BASE, ENTERPRISE, GROUP, USER, world};

#[tokio::test]
async fn everything_that_is_named_is_served_where_it_says() {
    let world = world().await;
    let config = world.okta.get("/ServiceProviderConfig").await.expect(200).body;
    assert_eq!((&config["patch"]["supported"], &config["etag"]["supported"]), (&true.into(), &true.into()));
    assert_eq!((&config["bulk"]["supported"], &config["bulk"]["maxPayloadSize"]), (&false.into(), &1_048_576.into()));
    for path in ["/ResourceTypes", "/Schemas"] {
        let list = world.okta.get(path).await.expect(200).body;
        for resource in list["Resources"].as_array().unwrap() {
            let location = resource["meta"]["location"].as_str().unwrap();
            let own = location.strip_prefix(BASE).unwrap();
            assert_eq!(world.okta.get(own).await.expect(200).body, *resource);
        }
    }
    for urn in [USER, GROUP, ENTERPRISE] {
        assert_eq!(world.okta.get(&format!("/Schemas/{urn}")).await.expect(200).body["id"], urn);
    }
    world.okta.get("/Schemas/urn:x").await.expect(404);
    world.okta.get("/ResourceTypes/Nobody").await.expect(404);
}

#[tokio::test]
async fn discovery_takes_no_filter_no_writes_and_ignores_paging() {
    let world = world().await;
    for path in ["/ServiceProviderConfig", "/ResourceTypes", "/ResourceTypes/User", "/Schemas"] {
        world.okta.get(&format!("{path}?filter=id%20pr")).await.expect(403);
        world.okta.get(&format!("{path}?startIndex=x&count=0&sortBy=%20")).await.expect(200);
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let answer = world.okta.request(method, &format!("/scim/v2{path}"), &[], Body::empty()).await.expect(405);
            assert!(answer.header("allow").contains("GET"), "{path}");
        }
    }
}

#[tokio::test]
async fn what_is_not_offered_is_said_to_be_not_implemented() {
    let world = world().await;
    for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        world.okta.request(method, "/scim/v2/Me", &[], Body::empty()).await.expect(501);
    }
    world.okta.post("/Bulk", serde_json::json!({})).await.expect(501);
    world.okta.get("/Bulk").await.expect(405);
}
