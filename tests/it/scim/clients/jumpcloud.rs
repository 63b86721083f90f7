//! JumpCloud: a user of trial before the connection is switched on, whole users by PUT, groups with their members.

use serde_json::{Value, json};

use super::{Client, ENTERPRISE, GROUP, USER, ids, sorted};

fn jumpcloud() -> Client {
    Client::speaking("application/scim+json", "application/scim+json, application/json")
}

fn person(username: &str) -> Value {
    json!({
        "schemas": [USER, ENTERPRISE], "userName": username, "externalId": format!("64b-{username}"),
        "displayName": "", "active": true,
        "name": {"familyName": "Lovelace", "givenName": "Ada", "middleName": "", "formatted": "Ada Lovelace"},
        "emails": [{"value": username, "type": "work", "primary": true}],
        "addresses": [], "phoneNumbers": [],
        ENTERPRISE: {"employeeNumber": "", "costCenter": "", "department": "Engines", "division": null},
    })
}

#[test]
fn the_user_of_trial_is_made_found_switched_off_and_deleted() {
    let jumpcloud = jumpcloud();
    jumpcloud.get("/Users?startIndex=1&count=1").with(200).listed();
    assert_eq!(jumpcloud.find("/Users", "userName eq \"trial@example.org\""), Vec::<Value>::new());
    let id = jumpcloud.make("/Users", &person("trial@example.org"));
    let path = format!("/Users/{id}");
    let read = jumpcloud.get(&path).with(200);
    read.shows(&json!({"externalId": "64b-trial@example.org", ENTERPRISE: {"department": "Engines"}}));
    let mut whole = person("trial@example.org");
    whole["active"] = json!(false);
    jumpcloud.put(&path, &whole).with(200).shows(&json!({"active": false, "id": id}));
    let operations = json!([{"op": "replace", "value": {"active": true}}]);
    jumpcloud.patch(&path, &operations).done();
    assert_eq!(ids(&jumpcloud.find("/Users", "userName eq \"trial@example.org\"")), [id.as_str()]);
    jumpcloud.delete(&path).with(204);
    jumpcloud.get(&path).with(404);
}

#[test]
fn texts_that_are_empty_are_no_values() {
    let jumpcloud = jumpcloud();
    let said = jumpcloud.post("/Users", &person("ada@example.org")).with(201);
    said.shows(&json!({
        "name": {"familyName": "Lovelace", "givenName": "Ada", "formatted": "Ada Lovelace"},
        ENTERPRISE: {"department": "Engines"},
    }));
    for absent in ["addresses", "phoneNumbers"] {
        assert_eq!(said.json.get(absent), None);
    }
}

#[test]
fn groups_carry_their_members_from_the_beginning() {
    let jumpcloud = jumpcloud();
    let (ada, bob) = (jumpcloud.make_user("ada"), jumpcloud.make_user("bob"));
    let body = json!({"schemas": [GROUP], "displayName": "Engines", "members": [{"value": ada}]});
    let id = jumpcloud.make("/Groups", &body);
    let path = format!("/Groups/{id}");
    assert_eq!(ids(&jumpcloud.find("/Groups", "displayName eq \"Engines\"")), [id.as_str()]);
    jumpcloud.patch(&path, &json!([{"op": "add", "path": "members", "value": [{"value": bob}]}])).done();
    assert_eq!(jumpcloud.members(&id).iter().collect::<Vec<_>>(), sorted(vec![&ada, &bob]));
    jumpcloud.patch(&path, &json!([{"op": "remove", "path": format!("members[value eq \"{ada}\"]")}])).done();
    jumpcloud.patch(&path, &json!([{"op": "replace", "path": "displayName", "value": "Analysts"}])).done();
    jumpcloud.get(&path).shows(&json!({"displayName": "Analysts"}));
    assert_eq!(jumpcloud.members(&id), [bob.as_str()]);
    let whole = json!({"schemas": [GROUP], "displayName": "Analysts", "members": [{"value": ada}, {"value": bob}]});
    jumpcloud.put(&path, &whole).with(200);
    assert_eq!(jumpcloud.members(&id).len(), 2);
    jumpcloud.delete(&path).with(204);
}
