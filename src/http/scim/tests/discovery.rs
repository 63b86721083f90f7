//! What the service says about itself.

use axum::body::Body;
use axum::http::Method;

use super::support::{BASE, ENTERPRISE, GROUP, USER, world};

#[tokio::test]
async fn everything_that_is_named_is_served_where_it_says() {
    let world = world().await;
    let config = world.okta.get("/ServiceProviderConfig").await.expect(200).body;
    assert_eq!((&config["patch"]["supported"], &config["etag"]["supported"]), (&true.into(), &true.into()));
    assert_eq!((&config["bulk"]["supported"], &config["bulk"]["maxPayloadSize"]), (&true.into(), &1_048_576.into()));
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
async fn rfc_7643_5_the_configuration_is_read_without_a_token_but_not_with_a_bad_one() {
    let world = world().await;
    let path = "/ServiceProviderConfig";
    let open = world.okta.with(None).get(path).await.expect(200).body;
    assert_eq!(open, world.okta.get(path).await.expect(200).body);
    world.okta.with(Some("non-token")).get(path).await.expect(401);
    world.okta.with(None).get("/Schemas").await.expect(401);
}

#[tokio::test]
async fn rfc_7644_3_11_me_is_the_user_of_a_session_and_nobody_to_a_provider() {
    let world = world().await;
    for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        world.okta.request(method, "/scim/v2/Me", &[], Body::empty()).await.expect(501);
    }
    world.okta.with(None).get("/Me").await.expect(401);
    let body = serde_json::json!({"schemas": [USER], "userName": "ada", "password": "correct horse battery"});
    let id = world.okta.post("/Users", body).await.expect(201).id();
    let session = world.okta.with(Some(&world.session("ada", "correct horse battery").await));
    let me = session.get("/Me").await.expect(200);
    assert_eq!((me.body["id"].as_str(), me.header("location")), (Some(id.as_str()), &*format!("{BASE}/Users/{id}")));
    assert!(me.body.get("password").is_none());
    session.put("/Me", me.body.clone()).await.expect(501);
    session.get(&format!("/Users/{id}")).await.expect(403);
}
