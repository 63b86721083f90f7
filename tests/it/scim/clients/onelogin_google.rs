//! OneLogin and Google Workspace, as far as excerpts of their documents tell.

use serde_json::{Value, json};

use super::{Client, ENTERPRISE, GROUP, THROWN_AWAY, USER, ids};

#[test]
fn onelogin_makes_changes_and_suspends_a_user() {
    let onelogin = Client::speaking("application/scim+json", "application/scim+json");
    assert_eq!(onelogin.find("/Users", "userName eq \"ada@example.org\""), Vec::<Value>::new());
    let id = onelogin.make(
        "/Users",
        &json!({
            "schemas": [USER, ENTERPRISE], "userName": "ada@example.org", "externalId": "126431",
            "name": {"givenName": "Ada", "familyName": "Lovelace", "formatted": "Ada Lovelace"},
            "emails": [{"value": "ada@example.org", "type": "work", "primary": true}],
            "phoneNumbers": [{"value": "", "type": "work"}],
            "title": null, "department": "Engines",
            ENTERPRISE: {"department": "Engines", "manager": {"managerId": "7", "displayName": "C. Babbage"}},
            "password": THROWN_AWAY,
        }),
    );
    let path = format!("/Users/{id}");
    let read = onelogin.get(&path).with(200);
    read.shows(&json!({"externalId": "126431", ENTERPRISE: {"department": "Engines"}, "active": true}));
    assert_eq!(
        (read.json.get("phoneNumbers"), read.json.get("title"), read.json.get("department")),
        (None, None, None)
    );
    let operations = json!([
        {"op": "replace", "path": "name.familyName", "value": "King"},
        {"op": "replace", "path": "emails", "value": [{"value": "king@example.org", "type": "work", "primary": true}]},
    ]);
    onelogin.patch(&path, &operations).done();
    onelogin.patch(&path, &json!([{"op": "replace", "path": "active", "value": false}])).done();
    onelogin.get(&path).shows(&json!({
        "active": false, "emails": [{"value": "king@example.org", "type": "work", "primary": true}],
        "name": {"givenName": "Ada", "familyName": "King", "formatted": "Ada Lovelace"},
    }));
    onelogin.delete(&path).with(204);
}

#[test]
fn onelogin_removes_members_by_an_array_of_values() {
    let onelogin = Client::start();
    let (ada, bob) = (onelogin.make_user("ada"), onelogin.make_user("bob"));
    let id = onelogin.make("/Groups", &json!({"schemas": [GROUP], "displayName": "Engines"}));
    let path = format!("/Groups/{id}");
    let both = json!([{"value": ada}, {"value": bob}]);
    onelogin.patch(&path, &json!([{"op": "add", "path": "members", "value": both}])).done();
    onelogin.patch(&path, &json!([{"op": "remove", "path": "members", "value": [{"value": ada}]}])).done();
    assert_eq!(onelogin.members(&id), [bob.as_str()]);
    onelogin.patch(&path, &json!([{"op": "remove", "path": "members"}])).done();
    assert_eq!(onelogin.members(&id), Vec::<String>::new());
}

#[test]
fn google_sends_plain_json_and_whole_users() {
    let google = Client::speaking("application/json; charset=UTF-8", "application/json");
    assert_eq!(google.find("/Users", "userName eq \"ada@example.org\""), Vec::<Value>::new());
    let mut person = json!({
        "schemas": [USER], "userName": "ada@example.org", "active": true, "displayName": "Ada Lovelace",
        "name": {"familyName": "Lovelace", "givenName": "Ada", "formatted": "Ada Lovelace"},
        "emails": [{"primary": true, "type": "work", "value": "ada@example.org"}],
        "phoneNumbers": [{"type": "work", "value": "+44 20 7946 0958"}],
        "addresses": [{"type": "work", "formatted": "12 St James's Square, London", "country": "UK"}],
    });
    let id = google.make("/Users", &person);
    let path = format!("/Users/{id}");
    google.get(&path).with(200).shows(&person);
    person["displayName"] = json!("Ada King");
    person["phoneNumbers"] = json!([]);
    let replaced = google.put(&path, &person).with(200);
    assert_eq!((&replaced.json["displayName"], replaced.json.get("phoneNumbers")), (&json!("Ada King"), None));
    // A suspended user is switched off, found all the same, and switched on again.
    google.patch(&path, &json!([{"op": "replace", "path": "active", "value": false}])).done();
    assert_eq!(ids(&google.find("/Users", "userName eq \"ada@example.org\"")), [id.as_str()]);
    google.patch(&path, &json!([{"op": "replace", "path": "active", "value": true}])).done();
    google.get(&path).shows(&json!({"active": true}));
    google.delete(&path).with(204);
}
