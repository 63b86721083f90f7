//! What no RFC has and real clients send: each is understood by a token without a profile, and refused to one with the
//! profile `strict` where the RFCs refuse it.

use serde_json::{Value, json};

use super::{ENTERPRISE, GROUP, GYM, Service, USER, id, op};

/// The ADSCIM schema that Microsoft's client puts on groups.
const MICROSOFT: &str = "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group";

#[test]
fn dialect_op_in_any_case() {
    let service = Service::start();
    let path = service.path_of("ada", json!({}));
    for (number, word) in ["Add", "ADD", "add", "Replace", "REPLACE"].into_iter().enumerate() {
        let value = json!(number.to_string());
        assert_eq!(service.patch(&path, &op(word, "title", value.clone())).with(200).json["title"], value, "{word}");
    }
    for word in ["Remove", "REMOVE"] {
        service.patch(&path, &op("add", "title", json!("x"))).with(200);
        assert_eq!(service.patch(&path, &json!([{"op": word, "path": "title"}])).with(200).json.get("title"), None);
    }
    service.speaking("strict").patch(&path, &op("Add", "title", json!("x"))).refused(400, "invalidSyntax");
}

#[test]
fn dialect_booleans_as_words() {
    let service = Service::start();
    let path = service.path_of("ada", json!({"active": "True", "roles": [{"value": "r", "primary": "True"}]}));
    for (word, flag) in [("False", false), ("True", true), ("false", false), ("TRUE", true)] {
        let said = service.patch(&path, &op("Replace", "active", json!(word))).with(200);
        assert_eq!(said.json["active"], json!(flag), "{word}");
    }
    assert_eq!(service.get(&path).with(200).json["roles"], json!([{"value": "r", "primary": true}]));
    assert_eq!(service.names("roles[primary eq \"True\"].value eq \"r\""), ["ada"]);
    let said = service.patch(&path, &op("Replace", "roles[primary eq \"True\"].value", json!("s"))).with(200);
    assert_eq!(said.json["roles"], json!([{"value": "s", "primary": true}]));
    service.patch(&path, &op("replace", "active", json!("perhaps"))).refused(400, "invalidValue");
    service.speaking("strict").patch(&path, &op("replace", "active", json!("False"))).refused(400, "invalidValue");
}

#[test]
fn dialect_dotted_urn_and_filter_names_in_a_value_without_path() {
    let service = Service::start();
    for operation in ["add", "Replace"] {
        let path = service.path_of(operation, json!({"emails": [{"value": "w@example.org", "type": "work"}]}));
        let value = json!({"name.givenName": "Ada", "name.familyName": "L", format!("{ENTERPRISE}:department"): "d",
            format!("{USER}:title"): "Dr", format!("{GYM}:age"): 36,
            "emails[type eq \"work\"].value": format!("{operation}@example.org"),
            "phoneNumbers[type eq \"mobile\"].value": "+31612345678"});
        let said = service.patch(&path, &json!([{"op": operation, "value": value}])).with(200);
        assert_eq!(said.json["name"], json!({"givenName": "Ada", "familyName": "L"}));
        assert_eq!((&said.json[ENTERPRISE]["department"], &said.json["title"]), (&json!("d"), &json!("Dr")));
        assert_eq!(said.json[GYM]["age"], 36);
        assert_eq!(said.json["emails"], json!([{"value": format!("{operation}@example.org"), "type": "work"}]));
        assert_eq!(said.json["phoneNumbers"], json!([{"value": "+31612345678", "type": "mobile"}]));
    }
}

#[test]
fn dialect_members_removed_by_a_list_of_values() {
    let service = Service::start();
    let mut ids: Vec<_> = (0..4).map(|n| id(&service.user(&format!("u{n}"), json!({})))).collect();
    ids.sort();
    let group = format!("/Groups/{}", service.group("staff", &[&ids[0], &ids[1], &ids[2]]));
    let listed = |ids: &[&String]| json!(ids.iter().map(|id| json!({"value": id, "$ref": null})).collect::<Vec<_>>());
    let left = |operations: Value| {
        let said = service.patch(&group, &operations).with(200);
        let members = said.json["members"].as_array().cloned().unwrap_or_default();
        let mut values: Vec<_> = members.iter().map(|one| one["value"].as_str().unwrap().to_owned()).collect();
        values.sort();
        values
    };
    let remove = |ids: &[&String]| json!([{"op": "Remove", "path": "members", "value": listed(ids)}]);
    assert_eq!(left(remove(&[&ids[0]])), [ids[1].as_str(), &ids[2]]);
    // Who is not in it, or nobody: never the whole list.
    assert_eq!(left(remove(&[&ids[3], &"nobody".to_owned()])), [ids[1].as_str(), &ids[2]]);
    assert_eq!(left(remove(&[])), [ids[1].as_str(), &ids[2]]);
    assert_eq!(left(remove(&[&ids[2], &ids[0]])), [ids[1].as_str()]);
    let strict = service.speaking("strict");
    strict
        .patch(&group, &json!([{"op": "remove", "path": "members", "value": listed(&[&ids[1]])}]))
        .refused(400, "invalidSyntax");
}

#[test]
fn dialect_a_manager_as_a_text_a_list_or_an_object() {
    let service = Service::start();
    let at = format!("{ENTERPRISE}:manager");
    let created = service.user("made", json!({ENTERPRISE: {"manager": "m0"}}));
    assert_eq!(created[ENTERPRISE]["manager"]["value"], "m0");
    let path = service.path_of("ada", json!({}));
    for (value, expected) in [
        (json!("m1"), "m1"),
        (json!([{"$ref": null, "value": "m2"}]), "m2"),
        (json!({"value": "m3"}), "m3"),
        (json!(["m4"]), "m4"),
    ] {
        for operation in ["Add", "Replace"] {
            let said = service.patch(&path, &op(operation, &at, value.clone())).with(200);
            assert_eq!(said.json[ENTERPRISE]["manager"]["value"], expected, "{operation} {value}");
        }
    }
    let strict = service.speaking("strict");
    strict.patch(&path, &op("replace", &at, json!("m1"))).refused(400, "invalidValue");
}

#[test]
fn dialect_empty_texts_and_nulls_clear() {
    let service = Service::start();
    let full = json!({"title": "Dr", "name": {"givenName": "Ada", "familyName": "L"},
        "phoneNumbers": [{"value": "+31612345678", "type": "work"}], ENTERPRISE: {"manager": {"value": "7"}}});
    let path = service.path_of("ada", full.clone());
    for nothing in [json!(""), json!(null)] {
        for at in ["title", "name.givenName", "phoneNumbers[type eq \"work\"].value", &format!("{ENTERPRISE}:manager")]
        {
            service.patch(&path, &op("Replace", at, nothing.clone())).with(200);
        }
        let shown = service.get(&path).with(200).json.clone();
        assert_eq!((shown.get("title"), shown.get("phoneNumbers"), shown.get(ENTERPRISE)), (None, None, None));
        assert_eq!(shown["name"], json!({"familyName": "L"}));
        service.patch(&path, &json!([{"op": "add", "value": full}])).with(200);
    }
    let manager = op("Add", &format!("{ENTERPRISE}:manager"), json!(""));
    assert_eq!(service.patch(&path, &manager).with(200).json.get(ENTERPRISE), None);
    // Cleared so, what is required is refused.
    service.patch(&path, &op("Replace", "userName", json!(""))).refused(400, "invalidValue");
}

#[test]
fn dialect_an_add_or_replace_by_a_filter_makes_what_it_names() {
    let service = Service::start();
    let cases = [
        (
            "emails[type eq \"work\"].value",
            json!("a@example.org"),
            "emails",
            json!([{"type": "work", "value": "a@example.org"}]),
        ),
        ("roles[primary eq \"True\"].value", json!("r"), "roles", json!([{"primary": true, "value": "r"}])),
        ("addresses[type eq \"work\"].country", json!("NL"), "addresses", json!([{"type": "work", "country": "NL"}])),
    ];
    for operation in ["Add", "Replace"] {
        let path = service.path_of(operation, json!({}));
        for (at, value, name, expected) in &cases {
            // One address belongs to one user.
            let (value, expected) = if operation == "Add" || *name != "emails" {
                (value.clone(), expected.clone())
            } else {
                (json!("b@example.org"), json!([{"type": "work", "value": "b@example.org"}]))
            };
            let said = service.patch(&path, &op(operation, at, value)).with(200);
            assert_eq!(said.json[name], expected, "{operation} {at}");
        }
    }
    let path = service.path_of("strict", json!({}));
    let strict = service.speaking("strict");
    strict
        .patch(&path, &op("replace", "emails[type eq \"work\"].value", json!("c@example.org")))
        .refused(400, "noTarget");
}

#[test]
fn dialect_a_comparison_after_the_brackets_of_a_filter() {
    let service = Service::start();
    service.user("ada", json!({"emails": [{"value": "a@example.org", "type": "work"}]}));
    service.user("bob", json!({"emails": [{"value": "b@example.org", "type": "home"}]}));
    assert_eq!(service.names("emails[type eq \"work\"].value eq \"A@example.org\""), ["ada"]);
    assert_eq!(service.names("emails[type eq \"work\"].value eq \"b@example.org\""), [""; 0]);
    assert_eq!(service.names("emails[type eq \"home\"].value co \"example\" and active eq true"), ["bob"]);
    let filter = "emails[type eq \"work\"].value eq \"a@example.org\"";
    service.speaking("strict").find("/Users", filter).refused(400, "invalidFilter");
    // And the URN left out.
    let manager = service.user("carl", json!({ENTERPRISE: {"manager": {"value": "m7"}}}));
    assert_eq!(service.names(&format!("id eq \"{}\" and manager eq \"m7\"", id(&manager))), ["carl"]);
}

#[test]
fn dialect_the_schema_of_microsoft_on_groups() {
    let service = Service::start();
    let body = json!({"schemas": [GROUP, MICROSOFT], "displayName": "staff", "externalId": "e"});
    let made = service.post("/Groups", &body).with(201);
    assert_eq!((&made.json["schemas"], &made.json["externalId"]), (&json!([GROUP]), &json!("e")));
    let path = format!("/Groups/{}", made.text("/id"));
    assert_eq!(service.put(&path, &body).with(200).json["schemas"], json!([GROUP]));
    service.speaking("strict").put(&path, &body).refused(400, "invalidValue");
}

#[test]
fn dialect_groups_of_one_name_by_a_switch() {
    let body = json!({"schemas": [GROUP], "displayName": "Staff"});
    let service = Service::start();
    service.post("/Groups", &body).with(201);
    service.post("/Groups", &body).refused(409, "uniqueness");
    let service = Service::start_with("unique_group_names = false\n");
    let (one, two) = (service.post("/Groups", &body).with(201), service.post("/Groups", &body).with(201));
    assert_ne!(one.json["id"], two.json["id"]);
    assert_eq!((&one.json["displayName"], &two.json["displayName"]), (&json!("Staff"), &json!("Staff")));
    assert_eq!(service.find("/Groups", "displayName eq \"Staff\"").with(200).json["totalResults"], 2);
}

#[test]
fn dialect_core_attributes_under_the_urn_of_the_core() {
    let service = Service::start();
    let nested = json!({"schemas": [USER], USER: {"userName": "ada", "title": "Dr", "name": {"givenName": "Ada"}}});
    let made = service.post("/Users", &nested).with(201);
    assert_eq!((&made.json["userName"], &made.json["title"]), (&json!("ada"), &json!("Dr")));
    assert_eq!(made.json.get(USER), None);
    let path = format!("/Users/{}", made.text("/id"));
    let said = service.patch(&path, &json!([{"op": "replace", "value": {USER: {"nickName": "A"}}}])).with(200);
    assert_eq!(said.json["nickName"], "A");
    let group = json!({"schemas": [GROUP], GROUP: {"displayName": "staff"}});
    assert_eq!(service.post("/Groups", &group).with(201).json["displayName"], "staff");
}

#[test]
fn dialect_nulls_and_members_that_nobody_knows_are_ignored() {
    let service = Service::start();
    let body = json!({"schemas": [USER], "userName": "ada", "title": null, "emails": null, "nonsense": {"a": [1]},
        "isEnabled": true, "urn:x:unknown:User": {"a": 1}, "name": {"givenName": "Ada", "nonsense": 1}});
    let made = service.post("/Users", &body).with(201);
    for gone in ["title", "emails", "nonsense", "isEnabled", "urn:x:unknown:User"] {
        assert_eq!(made.json.get(gone), None, "{gone}");
    }
    assert_eq!((&made.json["name"], &made.json["schemas"]), (&json!({"givenName": "Ada"}), &json!([USER])));
    let path = format!("/Users/{}", made.text("/id"));
    assert_eq!(super::members(&service.put(&path, &body).with(200).json), super::members(&made.json));
    let value = json!({"nonsense": 1, "title": "Dr"});
    assert_eq!(service.patch(&path, &json!([{"op": "replace", "value": value}])).with(200).json["title"], "Dr");
    service.speaking("strict").put(&path, &body).refused(400, "invalidSyntax");
}

#[test]
fn dialect_a_patch_is_answered_200_or_204_by_a_switch() {
    let service = Service::start();
    let path = service.path_of("ada", json!({}));
    for (profile, status) in [("default", 200), ("okta", 200), ("strict", 200), ("entra", 204)] {
        service.speaking(profile).patch(&path, &op("replace", "title", json!(profile))).with(status);
        assert_eq!(service.get(&path).with(200).json["title"], profile);
    }
}
