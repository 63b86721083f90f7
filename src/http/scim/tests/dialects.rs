//! What Entra, Okta and their like really send, over the wire.

use serde_json::json;

use super::support::{ENTERPRISE, USER, world};

#[tokio::test]
async fn entra_patches_with_capital_ops_boolean_words_and_value_filters() {
    let world = world().await;
    let id = world.entra.user("ada@x.org", json!({"active": true})).await;
    let path = format!("/Users/{id}?aadOptscim062020");
    let patch = json!([
        {"op": "Add", "path": "emails[type eq \"work\"].value", "value": "ada@x.org"},
        {"op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+31 6 1234 5678"},
        {"op": "Replace", "path": "active", "value": "False"},
        {"op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": "m1"},
        {"op": "Replace", "path": "name.familyName", "value": "Lovelace"},
    ]);
    let answer = world.entra.patch(&path, patch).await.expect(200);
    assert_eq!(answer.body["active"], false);
    assert_eq!(answer.body["emails"], json!([{"type": "work", "value": "ada@x.org"}]));
    assert_eq!(answer.body[ENTERPRISE]["manager"]["value"], "m1");
    let user = world.user(&id);
    assert_eq!(user.email.as_ref().unwrap().as_str(), "ada@x.org");
    assert_eq!(user.phone.as_ref().unwrap().as_str(), "+31612345678");
    let patch = json!([{"op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": ""}]);
    assert!(world.entra.patch(&path, patch).await.expect(200).body.get(ENTERPRISE).is_none());
    let found = world.entra.find("/Users", "emails[type eq \"work\"].value eq \"ADA@x.org\"").await.expect(200);
    assert_eq!(found.each("id"), [json!(id)]);
}

#[tokio::test]
async fn a_patch_without_path_takes_dotted_and_urn_names() {
    let world = world().await;
    let id = world.okta.user("ada", json!({})).await;
    let patch = json!([{"op": "replace", "value": {
        "id": id, "name.givenName": "Ada", format!("{ENTERPRISE}:department"): "Engines", "nickName": null,
        USER: {"title": "Countess"}, "emails[type eq \"work\"].value": "ada@x.org",
    }}]);
    let answer = world.okta.patch(&format!("/Users/{id}"), patch).await;
    let answer = if answer.status == 400 { panic!("{}", answer.body) } else { answer.expect(200) };
    assert_eq!(answer.body["name"]["givenName"], "Ada");
    assert_eq!(answer.body["title"], "Countess");
    assert_eq!(answer.body[ENTERPRISE]["department"], "Engines");
    assert_eq!(answer.body["emails"][0]["value"], "ada@x.org");
}

#[tokio::test]
async fn okta_looks_up_before_it_creates_and_puts_back_all_that_it_read() {
    let world = world().await;
    let first = world.okta.get("/Users?startIndex=1&count=2").await.expect(200);
    assert_eq!((&first.body["totalResults"], &first.body["Resources"]), (&json!(0), &json!([])));
    assert_eq!(world.okta.find("/Users", "userName eq \"ada@x.org\"").await.expect(200).body["totalResults"], 0);
    let create = json!({
        "schemas": [USER], "userName": "ada@x.org", "name": {"givenName": "Ada", "familyName": "L"},
        "emails": [{"primary": true, "value": "ada@x.org", "type": "work"}], "displayName": "Ada L", "locale": "en-US",
        "externalId": "00u", "groups": [], "password": "thr0w-away-Xk29dla", "active": true,
    });
    let mut resource = world.okta.post("/Users", create).await.expect(201).body;
    let path = format!("/Users/{}", resource["id"].as_str().unwrap());
    resource["groups"] = json!([]);
    resource["name"]["familyName"] = json!("King");
    resource.as_object_mut().unwrap().remove("active");
    let answer = world.okta.put(&path, resource).await.expect(200);
    assert_eq!((&answer.body["name"]["familyName"], &answer.body["active"]), (&json!("King"), &json!(true)));
    let patch = json!([{"op": "replace", "value": {"active": false}}]);
    assert_eq!(world.okta.patch(&path, patch).await.expect(200).body["active"], false);
    let found = world.okta.find("/Users", "userName eq \"ada@x.org\"").await.expect(200);
    assert_eq!(found.each("active"), [json!(false)], "disabled users stay readable");
}

#[tokio::test]
async fn content_types_and_unknown_parameters_are_taken_as_clients_send_them() {
    use axum::http::Method;
    let world = world().await;
    let body = |name: &str| json!({"schemas": [USER], "userName": name}).to_string();
    let kinds = ["application/json", "application/scim+json", "Application/SCIM+JSON; charset=utf-8"];
    for (number, kind) in kinds.into_iter().enumerate() {
        let headers = [("content-type", kind), ("accept", "application/scim+json")];
        let path = "/scim/v2/Users?aadOptscim062020&x=y";
        world.okta.request(Method::POST, path, &headers, body(&format!("u{number}"))).await.expect(201);
    }
    world.okta.request(Method::POST, "/scim/v2/Users", &[], body("bare")).await.expect(201);
    for kind in ["text/plain", "application/xml", "multipart/form-data; boundary=x", "application/problem+json"] {
        world.okta.request(Method::POST, "/scim/v2/Users", &[("content-type", kind)], body("x")).await.expect(415);
    }
}

#[tokio::test]
async fn a_patch_that_changes_nothing_moves_neither_version_nor_time() {
    let world = world().await;
    let id = world.okta.user("ada", json!({"title": "Dr", "emails": [{"value": "a@x.org", "type": "work"}]})).await;
    let path = format!("/Users/{id}");
    let before = world.okta.get(&path).await.expect(200).body;
    world.pass_seconds(60);
    let patches = [
        json!([{"op": "replace", "path": "title", "value": "Dr"}]),
        json!([{"op": "add", "path": "emails", "value": [{"value": "a@x.org", "type": "work"}]}]),
        json!([{"op": "replace", "path": "active", "value": true}]),
        json!([{"op": "remove", "path": "nickName"}]),
        json!([{"op": "replace", "path": "title", "value": "x"}, {"op": "replace", "path": "title", "value": "Dr"}]),
    ];
    for patch in patches {
        assert_eq!(world.okta.patch(&path, patch).await.expect(200).body, before);
    }
}

#[tokio::test]
async fn a_patch_is_all_or_nothing_and_says_which_part_is_wrong() {
    let world = world().await;
    let id = world.okta.user("ada", json!({"emails": [{"value": "a@x.org", "type": "work"}]})).await;
    let path = format!("/Users/{id}");
    let good = json!({"op": "add", "path": "title", "value": "Dr"});
    let cases = [
        (json!({"op": "replace", "path": "id", "value": "x"}), 400, "mutability"),
        (json!({"op": "remove", "path": "userName"}), 400, "mutability"),
        (json!({"op": "remove"}), 400, "noTarget"),
        (json!({"op": "add", "path": "nonsense[", "value": 1}), 400, "invalidPath"),
        (json!({"op": "add", "path": "nonsense", "value": 1}), 400, "invalidPath"),
        (json!({"op": "replace", "path": "active", "value": "perhaps"}), 400, "invalidValue"),
        (json!({"op": "jump", "path": "active", "value": true}), 400, "invalidSyntax"),
        (json!({"op": "replace", "path": "groups", "value": []}), 400, "mutability"),
    ];
    for (bad, status, scim_type) in cases {
        world.okta.patch(&path, json!([good, bad])).await.refused(status, scim_type);
    }
    assert!(world.okta.get(&path).await.body.get("title").is_none());
    world.okta.patch(&path, json!([])).await.refused(400, "invalidSyntax");
}

#[tokio::test]
async fn patches_at_the_same_time_lose_nothing() {
    let world = world().await;
    let id = world.okta.user("ada", json!({})).await;
    let tasks = (0..40).map(|n| {
        let (okta, path) = (world.okta.clone(), format!("/Users/{id}"));
        let value = json!([{"value": format!("{n}@x.org"), "type": format!("t{n}")}]);
        tokio::spawn(async move { okta.patch(&path, json!([{"op": "add", "path": "emails", "value": value}])).await })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap().expect(200);
    }
    let emails = world.okta.get(&format!("/Users/{id}")).await.expect(200).body["emails"].as_array().unwrap().len();
    assert_eq!(emails, 40);
}
