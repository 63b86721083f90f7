//! authentik: reads what the service can do before anything else, and goes by it.

use serde_json::{Value, json};

use super::{Client, GROUP, Said, USER, ids, sorted};

fn authentik() -> Client {
    Client::speaking("application/scim+json", "application/scim+json")
}

#[test]
fn what_the_service_can_do_is_said_in_full() {
    let authentik = authentik();
    let config = authentik.get("/ServiceProviderConfig").with(200);
    for feature in ["patch", "bulk", "filter", "changePassword", "sort", "etag"] {
        assert!(config.json[feature]["supported"].is_boolean(), "{feature} in {config:?}");
    }
    config.shows(&json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"]}));
    assert_eq!((&config.json["patch"]["supported"], &config.json["filter"]["supported"]), (&json!(true), &json!(true)));
    // Without these numbers it would take the service for one without PATCH and filters.
    for number in ["/bulk/maxOperations", "/bulk/maxPayloadSize", "/filter/maxResults"] {
        assert!(config.json.pointer(number).is_some_and(Value::is_u64), "{number} in {config:?}");
    }
    let schemes = config.json["authenticationSchemes"].as_array().unwrap();
    assert!(schemes.iter().any(|scheme| scheme["type"] == "oauthbearertoken"), "{schemes:?}");
    for method in ["POST", "PUT", "PATCH", "DELETE"] {
        authentik.send(method, "/ServiceProviderConfig", Some(&json!({}))).with(405);
    }
}

#[test]
fn a_user_is_made_and_after_a_conflict_found_and_replaced() {
    let authentik = authentik();
    let person = |name: &str| {
        json!({
            "schemas": [USER], "userName": "ada", "externalId": "8c1f", "displayName": name, "active": true,
            "name": {"formatted": name, "givenName": name, "familyName": " "},
            "emails": [{"value": "ada@example.org", "type": "other", "primary": true}],
            "photos": null, "locale": null, "entitlements": null, "x509Certificates": null, "groups": null,
        })
    };
    let id = authentik.make("/Users", &person("Ada"));
    authentik.post("/Users", &person("Ada")).refused(409, "uniqueness");
    let found = authentik.find("/Users", "userName eq \"ada\"");
    assert_eq!(ids(&found), [id.as_str()]);
    let replaced = authentik.put(&format!("/Users/{id}"), &person("Ada Lovelace")).with(200);
    replaced.shows(&json!({"id": id, "displayName": "Ada Lovelace", "externalId": "8c1f"}));
    assert_eq!(replaced.json.get("photos"), None);
    authentik.put("/Users/nobody", &person("Ada")).with(404);
}

#[test]
fn a_group_is_filled_in_portions_and_compared_with_what_it_reads() {
    let authentik = authentik();
    let people: Vec<String> = (0..6).map(|number| authentik.make_user(&format!("user{number}"))).collect();
    let id = authentik.make("/Groups", &json!({"schemas": [GROUP], "externalId": "5d0e", "displayName": "Engines"}));
    let path = format!("/Groups/{id}");
    for portion in people.chunks(2) {
        let operations: Vec<Value> =
            portion.iter().map(|id| json!({"op": "add", "path": "members", "value": [{"value": id}]})).collect();
        authentik.patch(&path, &json!(operations)).done();
    }
    assert_eq!(authentik.members(&id).iter().collect::<Vec<_>>(), sorted(people.iter().collect()));
    let leaving = json!([{"op": "remove", "path": "members", "value": [{"value": people[0]}, {"value": people[1]}]}]);
    authentik.patch(&path, &leaving).done();
    assert_eq!(authentik.members(&id).len(), 4);
    // It changes the rest of a group without naming its members.
    authentik.patch(&path, &json!([{"op": "replace", "value": {"displayName": "Analysts", "id": id}}])).done();
    assert_eq!(authentik.members(&id).len(), 4);
    authentik.delete(&path).with(204);
}

#[test]
fn its_pages_end_where_the_total_says() {
    let authentik = authentik();
    for number in 0..3 {
        authentik.make("/Groups", &json!({"schemas": [GROUP], "displayName": format!("Team {number}")}));
    }
    let read = |start: usize| -> Said { authentik.get(&format!("/Groups?startIndex={start}&count=2")).with(200) };
    let (first, second) = (read(1), read(3));
    assert_eq!((first.listed().len(), second.listed().len()), (2, 1));
    assert_eq!((&first.json["totalResults"], &second.json["startIndex"]), (&json!(3), &json!(3)));
}
