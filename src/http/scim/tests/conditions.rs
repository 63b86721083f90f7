//! Entity tags, conditions and the choice of attributes.

use axum::body::Body;
use axum::http::Method;
use serde_json::json;

use super::support::{GROUP, USER, world};

#[tokio::test]
async fn a_change_that_expects_another_version_is_refused() {
    let world = world().await;
    let user = world.okta.user("ada", json!({})).await;
    let group = world.okta.group("staff", &[]).await;
    for (path, schema) in [(format!("/scim/v2/Users/{user}"), USER), (format!("/scim/v2/Groups/{group}"), GROUP)] {
        let put = json!({"schemas": [schema], "userName": "ada", "displayName": "staff"}).to_string();
        let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
            "Operations": [{"op": "replace", "path": "displayName", "value": "crew"}]});
        let stale = [("if-match", "W/\"77\", \"x\"")];
        for (method, body) in
            [(Method::PUT, put.clone()), (Method::PATCH, patch.to_string()), (Method::DELETE, String::new())]
        {
            world.okta.request(method, &path, &stale, body).await.expect(412);
        }
        let tag = world.okta.request(Method::GET, &path, &[], Body::empty()).await.header("etag").to_owned();
        assert!(tag.starts_with("W/\""), "{tag}");
        let strong = tag.trim_start_matches("W/").to_owned();
        world.okta.request(Method::PUT, &path, &[("if-match", &strong)], put).await.expect(200);
        let any = [("if-match", "*")];
        let changed = world.okta.request(Method::PATCH, &path, &any, patch.to_string()).await.expect(200);
        assert_ne!(changed.header("etag"), tag);
        world.okta.request(Method::DELETE, &path, &[("if-match", &tag)], Body::empty()).await.expect(412);
        let tags = format!("W/\"77\", {}", changed.header("etag"));
        world.okta.request(Method::DELETE, &path, &[("if-match", &tags)], Body::empty()).await.expect(204);
    }
}

#[tokio::test]
async fn a_reader_who_has_this_version_gets_no_body() {
    let world = world().await;
    let user = world.okta.user("ada", json!({})).await;
    let group = world.okta.group("staff", &[]).await;
    for path in [format!("/scim/v2/Users/{user}"), format!("/scim/v2/Groups/{group}")] {
        let tag = world.okta.request(Method::GET, &path, &[], Body::empty()).await.header("etag").to_owned();
        let answer = world.okta.request(Method::GET, &path, &[("if-none-match", &tag)], Body::empty()).await;
        assert_eq!((answer.status.as_u16(), answer.header("etag")), (304, tag.as_str()));
        assert!(answer.body.is_null());
        world.okta.request(Method::GET, &path, &[("if-none-match", "W/\"99\"")], Body::empty()).await.expect(200);
    }
}

#[tokio::test]
async fn every_answer_carries_the_chosen_attributes_only() {
    let world = world().await;
    let names = |answer: &super::support::Answer| {
        let mut names: Vec<_> = answer.body.as_object().unwrap().keys().cloned().collect();
        names.sort();
        names
    };
    let body =
        json!({"schemas": [USER], "userName": "ada", "title": "Dr", "name": {"givenName": "A", "familyName": "L"}});
    let made = world.okta.post("/Users?attributes=USERNAME,name.givenName", body.clone()).await.expect(201);
    assert_eq!(names(&made), ["id", "name", "schemas", "userName"]);
    assert_eq!(made.body["name"], json!({"givenName": "A"}));
    assert_ne!((made.header("location"), made.header("etag")), ("", ""));
    let path = format!("/Users/{}", made.id());
    let got = world.okta.get(&format!("{path}?excludedAttributes=name,meta,id,groups")).await.expect(200);
    assert_eq!(names(&got), ["active", "id", "schemas", "title", "userName"]);
    let put = world.okta.put(&format!("{path}?attributes=title"), body).await.expect(200);
    assert_eq!(names(&put), ["id", "schemas", "title"]);
    let patch = json!([{"op": "replace", "path": "title", "value": "Prof"}]);
    let patched = world.okta.patch(&format!("{path}?attributes=title"), patch).await.expect(200);
    assert_eq!(patched.body["title"], "Prof");
    let list = world.okta.get("/Users?attributes=title").await.expect(200);
    let shown = list.body["Resources"][0].as_object().unwrap();
    assert!(shown.contains_key("title") && !shown.contains_key("userName"));
}
