//! Microsoft Entra ID, users: capital ops, booleans as words, value filters, `manager` as a text, one filter of `eq`
//! joined by `and`.

use serde_json::{Value, json};

use super::{Client, ENTERPRISE, USER, encoded, ids};

fn person(username: &str) -> Value {
    json!({
        "schemas": [USER, ENTERPRISE],
        "externalId": format!("ext-{username}"),
        "userName": username,
        "active": true,
        "displayName": "Ada Lovelace",
        "emails": [{"primary": true, "type": "work", "value": format!("{username}@Example.org")}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": "Ada Lovelace", "familyName": "Lovelace", "givenName": "Ada"},
        "addresses": [{"type": "work", "primary": true, "country": "United Kingdom", "streetAddress": "12 St James's Sq"}],
        "roles": [],
        ENTERPRISE: {"department": "Engines"},
    })
}

#[test]
fn the_test_of_the_connection_finds_nobody_and_is_content() {
    let entra = Client::start();
    for query in ["", "&aadOptscim062020"] {
        let filter = encoded("userName eq \"non-existent-3f2a\"");
        let said = entra.get(&format!("/Users?filter={filter}{query}")).with(200);
        assert_eq!(said.listed(), Vec::<Value>::new());
        said.shows(&json!({"totalResults": 0, "startIndex": 1, "itemsPerPage": 0}));
    }
    entra.get("/Users?aadOptscim062020&filter=userName+eq+%22nobody%22").with(200).listed();
}

#[test]
fn a_user_comes_back_exactly_as_it_was_sent() {
    let entra = Client::start();
    let sent = person("Ada.L");
    let id = entra.make("/Users", &sent);
    let mut expected = sent;
    for taken in ["meta", "roles"] {
        expected.as_object_mut().unwrap().remove(taken);
    }
    let read = entra.get(&format!("/Users/{id}")).with(200);
    read.shows(&expected);
    read.shows(&json!({"id": id}));
    assert_eq!(read.json.get("roles"), None);
    assert_eq!(read.text("/meta/resourceType"), "User");
    for filter in [
        "userName eq \"Ada.L\"",
        "externalId eq \"ext-Ada.L\"",
        "emails[type eq \"work\"].value eq \"ada.l@example.org\"",
    ] {
        assert_eq!(ids(&entra.find("/Users", filter)), [id.as_str()], "{filter}");
    }
    assert_eq!(entra.find("/Users", "externalId eq \"EXT-ADA.L\""), Vec::<Value>::new());
}

#[test]
fn a_create_takes_words_for_booleans_and_a_manager_as_a_text() {
    let entra = Client::start();
    let boss = entra.make_user("charles");
    let id = entra.make(
        "/Users?aadOptscim062020",
        &json!({
            "schemas": [USER, ENTERPRISE], "userName": "ada", "active": "True",
            "emails": [{"primary": "True", "type": "work", "value": "ada@example.org"}],
            "roles": [{"primary": "True", "type": "WindowsAzureActiveDirectoryRole", "value": "analyst"}],
            ENTERPRISE: {"manager": boss, "department": null}, "title": null, "nickName": "",
        }),
    );
    let read = entra.get(&format!("/Users/{id}")).with(200);
    read.shows(&json!({
        "active": true, "emails": [{"primary": true, "type": "work", "value": "ada@example.org"}],
        "roles": [{"primary": true, "type": "WindowsAzureActiveDirectoryRole", "value": "analyst"}],
    }));
    assert_eq!(read.json[ENTERPRISE]["manager"]["value"], json!(boss));
    for absent in ["title", "nickName"] {
        assert_eq!(read.json.get(absent), None);
    }
}

#[test]
fn a_second_user_of_that_name_is_a_conflict_of_uniqueness() {
    let entra = Client::start();
    entra.make("/Users", &person("ada"));
    let mut again = person("ADA");
    again["externalId"] = json!("other");
    again["emails"] = json!([]);
    entra.post("/Users", &again).refused(409, "uniqueness");
}

#[test]
fn words_for_booleans_switch_a_user_off_and_on_and_they_stay_readable() {
    let entra = Client::start();
    let id = entra.make("/Users", &person("ada"));
    let path = format!("/Users/{id}");
    for (word, active) in [("False", false), ("True", true), ("false", false)] {
        entra.patch(&path, &json!([{"op": "Replace", "path": "active", "value": word}])).done();
        entra.get(&path).with(200).shows(&json!({"active": active}));
        let found = entra.find("/Users", "userName eq \"ada\"");
        assert_eq!(found[0]["active"], active);
    }
    entra.patch(&path, &json!([{"op": "replace", "value": {"active": true}}])).done();
    entra.get(&path).shows(&json!({"active": true}));
    entra.patch(&path, &json!([{"op": "Replace", "path": "active", "value": "yes"}])).refused(400, "invalidValue");
}

#[test]
fn values_that_are_not_there_are_made_by_their_filter() {
    let entra = Client::start();
    let id = entra.make_user("ada");
    let path = format!("/Users/{id}?aadOptscim062020");
    let operations = json!([
        {"op": "Add", "path": "emails[type eq \"work\"].value", "value": "ada@example.org"},
        {"op": "Replace", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+44 20 7946 0958"},
        {"op": "Add", "path": "addresses[type eq \"work\"].locality", "value": "London"},
        {"op": "Add", "path": "addresses[type eq \"work\"].country", "value": "United Kingdom"},
        {"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "analyst"},
        {"op": "Add", "path": "roles[primary eq \"True\"].display", "value": "Analyst"},
        {"op": "Add", "path": "name.givenName", "value": "Ada"},
    ]);
    entra.patch(&path, &operations).done();
    let read = entra.get(&path).with(200);
    read.shows(&json!({
        "emails": [{"type": "work", "value": "ada@example.org"}],
        "phoneNumbers": [{"type": "mobile", "value": "+44 20 7946 0958"}],
        "addresses": [{"type": "work", "locality": "London", "country": "United Kingdom"}],
        "roles": [{"primary": true, "value": "analyst", "display": "Analyst"}],
        "name": {"givenName": "Ada"},
    }));
    let operations = json!([
        {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "lovelace@example.org"},
        {"op": "Remove", "path": "phoneNumbers[type eq \"mobile\"].value"},
        {"op": "Replace", "path": "name.familyName", "value": "Lovelace"},
    ]);
    entra.patch(&path, &operations).done();
    let read = entra.get(&path);
    read.shows(&json!({
        "emails": [{"type": "work", "value": "lovelace@example.org"}],
        "name": {"givenName": "Ada", "familyName": "Lovelace"},
    }));
    assert_eq!(read.json.get("phoneNumbers"), None);
}

#[test]
fn the_manager_is_a_text_an_object_or_an_array_and_goes_by_an_empty_text() {
    let entra = Client::start();
    let (id, boss) = (entra.make_user("ada"), entra.make_user("charles"));
    let path = format!("/Users/{id}");
    let manager = format!("{ENTERPRISE}:manager");
    for value in [json!(boss), json!({"value": boss}), json!([{"$ref": null, "value": boss}])] {
        for op in ["Add", "Replace"] {
            entra.patch(&path, &json!([{"op": op, "path": manager, "value": value}])).done();
            let read = entra.get(&path).with(200);
            assert_eq!(read.json[ENTERPRISE]["manager"]["value"], json!(boss), "{op} {value}");
            assert_eq!(read.json["schemas"], json!([USER, ENTERPRISE]));
        }
        let filter = format!("id eq \"{id}\" and manager eq \"{boss}\"");
        let found = entra.find("/Users?attributes=id", &filter);
        assert_eq!(ids(&found), [id.as_str()]);
        assert_eq!(found[0].get("userName"), None);
        assert_eq!(entra.find("/Users", &format!("id eq \"{boss}\" and manager eq \"{boss}\"")), Vec::<Value>::new());
        entra.patch(&path, &json!([{"op": "Replace", "path": manager, "value": ""}])).done();
        let read = entra.get(&path);
        assert_eq!((read.json.get(ENTERPRISE), &read.json["schemas"]), (None, &json!([USER])));
    }
    entra
        .patch(&path, &json!([{"op": "Add", "path": manager, "value": boss}, {"op": "Remove", "path": manager}]))
        .done();
    assert_eq!(entra.get(&path).json.get(ENTERPRISE), None);
}

#[test]
fn attributes_without_path_may_be_dotted_or_carry_a_urn_or_a_filter() {
    let entra = Client::start();
    let id = entra.make("/Users", &person("ada"));
    let path = format!("/Users/{id}?aadOptscim062020");
    let operations = json!([
        {"op": "add", "value": {"nickName": "Babs"}},
        {"op": "replace", "value": {
            "displayName": "A. Lovelace",
            "name.givenName": "Augusta",
            "emails[type eq \"work\"].value": "augusta@example.org",
            format!("{ENTERPRISE}:employeeNumber"): "00017",
            "title": "",
        }},
    ]);
    entra.patch(&path, &operations).done();
    entra.get(&path).with(200).shows(&json!({
        "nickName": "Babs",
        "displayName": "A. Lovelace",
        "name": {"formatted": "Ada Lovelace", "familyName": "Lovelace", "givenName": "Augusta"},
        "emails": [{"primary": true, "type": "work", "value": "augusta@example.org"}],
        ENTERPRISE: {"department": "Engines", "employeeNumber": "00017"},
    }));
}

#[test]
fn a_part_of_the_name_that_became_empty_leaves_the_others() {
    let entra = Client::start();
    let id = entra.make("/Users", &person("ada"));
    let path = format!("/Users/{id}");
    entra
        .patch(&path, &json!([{"op": "Replace", "path": "name", "value": {"givenName": "", "formatted": null}}]))
        .done();
    entra.get(&path).shows(&json!({"name": {"familyName": "Lovelace"}}));
}

#[test]
fn all_of_a_patch_happens_or_nothing() {
    let entra = Client::start();
    let id = entra.make("/Users", &person("ada"));
    let path = format!("/Users/{id}");
    let before = entra.get(&path).json.clone();
    let bad = [
        (json!({"op": "Replace", "path": "nonsense", "value": "x"}), "invalidPath"),
        (json!({"op": "Replace", "path": "id", "value": "x"}), "mutability"),
        (json!({"op": "Remove"}), "noTarget"),
        (json!({"op": "Replace", "path": "emails[type eq \"fax\"]", "value": {"value": "x"}}), "noTarget"),
        (json!({"op": "Move", "path": "title"}), "invalidSyntax"),
    ];
    for (operation, scim_type) in bad {
        let operations = json!([{"op": "Replace", "path": "displayName", "value": "changed"}, operation]);
        entra.patch(&path, &operations).refused(400, scim_type);
        assert_eq!(entra.get(&path).json, before);
    }
}

#[test]
fn who_was_deleted_is_gone_and_can_be_made_again() {
    let entra = Client::start();
    let id = entra.make("/Users", &person("ada"));
    let path = format!("/Users/{id}");
    entra.delete(&path).with(204);
    entra.get(&path).with(404);
    entra.delete(&path).with(404);
    entra.patch(&path, &json!([{"op": "Replace", "path": "active", "value": "False"}])).with(404);
    assert_eq!(entra.find("/Users", "userName eq \"ada\""), Vec::<Value>::new());
    entra.make("/Users", &person("ada"));
}
