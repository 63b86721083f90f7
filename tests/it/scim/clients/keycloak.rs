//! Keycloak's SCIM plugins: searches by POST, conditions by ETag, a charset behind the media type.

use serde_json::{Value, json};

use super::{Client, GROUP, LIST, SEARCH, USER, ids};

fn keycloak() -> Client {
    Client::speaking("application/scim+json;charset=UTF-8", "application/scim+json")
}

#[test]
fn discovery_names_what_is_served() {
    let keycloak = keycloak();
    let types = keycloak.get("/ResourceTypes").with(200).listed();
    let schemas = keycloak.get("/Schemas").with(200).listed();
    for kind in &types {
        let endpoint = kind["endpoint"].as_str().unwrap();
        assert!(ids(&schemas).contains(&kind["schema"].as_str().unwrap()), "{kind}");
        keycloak.get(&format!("{endpoint}?count=1")).with(200).listed();
        let name = kind["name"].as_str().unwrap();
        assert_eq!(keycloak.get(&format!("/ResourceTypes/{name}")).with(200).json, *kind);
    }
    for schema in &schemas {
        let urn = schema["id"].as_str().unwrap();
        assert_eq!(keycloak.get(&format!("/Schemas/{urn}")).with(200).json, *schema);
    }
}

#[test]
fn a_search_by_post_is_a_list_like_any_other() {
    let keycloak = keycloak();
    let (ada, _) = (keycloak.make_user("ada"), keycloak.make_user("bob"));
    let search = json!({
        "schemas": [SEARCH], "filter": "userName eq \"ada\"", "attributes": ["userName"], "startIndex": 1, "count": 50,
    });
    for path in ["/Users/.search", "/.search"] {
        let said = keycloak.post(path, &search).with(200);
        let found = said.listed();
        assert_eq!((ids(&found), &said.json["schemas"]), (vec![ada.as_str()], &json!([LIST])), "{path}");
        assert_eq!((&found[0]["userName"], found[0].get("active")), (&json!("ada"), None));
    }
    let sorted = json!({"schemas": [SEARCH], "sortBy": "userName", "sortOrder": "descending"});
    let names: Vec<Value> = keycloak.post("/Users/.search", &sorted).with(200).listed();
    assert_eq!((&names[0]["userName"], &names[1]["userName"]), (&json!("bob"), &json!("ada")));
    let broken = json!({"schemas": [SEARCH], "filter": "userName equals \"ada\""});
    keycloak.post("/Users/.search", &broken).refused(400, "invalidFilter");
}

#[test]
fn a_change_of_what_somebody_else_has_changed_is_refused() {
    let keycloak = keycloak();
    let id = keycloak.make_user("ada");
    let path = format!("/Users/{id}");
    let read = keycloak.get(&path).with(200);
    let version = read.header("etag").to_owned();
    assert_eq!(version, read.text("/meta/version"));
    assert!(version.starts_with("W/\""), "{version}");
    keycloak.patch(&path, &json!([{"op": "replace", "path": "title", "value": "Countess"}])).done();
    let body = json!({"schemas": [USER], "userName": "ada"}).to_string();
    let put = |tag: &str| {
        let headers = [("content-type", "application/scim+json"), ("if-match", tag)];
        keycloak.caller.call("PUT", &format!("/scim/v2{path}"), Some(body.clone()), &headers)
    };
    assert_eq!(put(&version).status, 412);
    let now = keycloak.get(&path).header("etag").to_owned();
    assert_eq!(put(&now).status, 200);
}

#[test]
fn a_user_and_a_group_are_replaced_whole() {
    let keycloak = keycloak();
    let id = keycloak.make(
        "/Users",
        &json!({"schemas": [USER], "userName": "ada", "externalId": "f:1", "title": "Countess",
                "emails": [{"value": "ada@example.org", "primary": true}], "active": true}),
    );
    let put = json!({"schemas": [USER], "id": id, "userName": "ada.king", "externalId": "f:1", "active": true,
                     "emails": [{"value": "king@example.org", "primary": true}], "meta": {"resourceType": "User"}});
    let replaced = keycloak.put(&format!("/Users/{id}"), &put).with(200);
    replaced.shows(&json!({"userName": "ada.king", "emails": [{"value": "king@example.org", "primary": true}]}));
    assert_eq!(replaced.json.get("title"), None);
    assert_eq!(ids(&keycloak.find("/Users", "externalId eq \"f:1\"")), [id.as_str()]);
    let group = keycloak.make(
        "/Groups",
        &json!({"schemas": [GROUP], "displayName": "Engines", "externalId": "g:1",
                "members": [{"value": id, "$ref": format!("Users/{id}"), "type": "User"}]}),
    );
    assert_eq!(keycloak.members(&group), [id.as_str()]);
    let member = keycloak.get(&format!("/Groups/{group}")).json["members"][0].clone();
    let reference = member["$ref"].as_str().unwrap();
    assert!(reference.ends_with(&format!("/scim/v2/Users/{id}")), "{member}");
    let outer = json!({"schemas": [GROUP], "displayName": "All", "members": [{"value": group, "type": "Group"}]});
    let outer = keycloak.make("/Groups", &outer);
    assert_eq!(keycloak.members(&outer), [group.as_str()]);
    let emptied = json!({"schemas": [GROUP], "displayName": "Engines", "externalId": "g:1"});
    keycloak.put(&format!("/Groups/{group}"), &emptied).with(200);
    assert_eq!(keycloak.members(&group), Vec::<String>::new());
}
