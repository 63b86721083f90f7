//! RFC 7644 §3.5.1: whole resources put in the place of others.

use serde_json::{Value, json};

use super::{ENTERPRISE, GROUP, GYM, PASSWORD, SERVICE, Service, USER, id, locker, members};

#[test]
fn rfc7644_3_5_1_a_replace_is_answered_with_what_it_made() {
    let service = Service::start();
    let user = service.path_of("ada", json!({}));
    let group = format!("/Groups/{}", service.group("staff", &[]));
    let locker_path = format!("/Lockers/{}", service.locker("L1"));
    let cases = [
        (user, json!({"schemas": [USER], "userName": "augusta", "title": "Dr"})),
        (group, json!({"schemas": [GROUP], "displayName": "crew"})),
        (locker_path, locker("L2")),
    ];
    for (path, body) in cases {
        let said = service.put(&path, &body).with(200);
        for (name, value) in body.as_object().unwrap() {
            assert_eq!(said.json[name], *value, "{name}");
        }
        assert_eq!(service.get(&path).with(200).json, said.json);
    }
}

#[test]
fn rfc7644_3_5_1_what_is_left_out_null_or_empty_is_cleared() {
    let service = Service::start();
    let full = json!({"title": "Dr", "nickName": "A", "externalId": "e", "name": {"givenName": "A", "familyName": "L"},
        "emails": [{"value": "a@example.org"}], "phoneNumbers": [{"value": "+31612345678"}],
        ENTERPRISE: {"department": "d"}, GYM: {"age": 36, "nick": "x"}});
    let bare = members(&service.user("bare", json!({}))).join(" ");
    let nulls = json!({"schemas": [USER], "userName": "x", "title": null, "nickName": "", "externalId": null, "name": {},
        "emails": [], "phoneNumbers": null, ENTERPRISE: {}, GYM: null});
    for (name, body) in [("a", json!({"schemas": [USER]})), ("b", nulls)] {
        let path = service.path_of(name, full.clone());
        let mut body = body;
        body["userName"] = json!(name);
        let said = service.put(&path, &body).with(200);
        assert_eq!(members(&said.json).join(" "), bare, "{name}");
        assert_eq!(said.json["schemas"], json!([USER]));
        assert_eq!(service.get(&path).with(200).json, said.json);
    }
    // A part that is left out goes, too.
    let path = service.path_of("c", full);
    let body = json!({"schemas": [USER], "userName": "c", "name": {"givenName": "C"}, GYM: {"age": 37}});
    let said = service.put(&path, &body).with(200);
    assert_eq!((&said.json["name"], &said.json[GYM]), (&json!({"givenName": "C"}), &json!({"age": 37})));
    let (ada, bob) = (id(&service.user("m", json!({}))), id(&service.user("n", json!({}))));
    let group = format!("/Groups/{}", service.group("staff", &[&ada, &bob]));
    let body = json!({"schemas": [GROUP], "displayName": "staff", "members": [{"value": bob}]});
    assert_eq!(service.put(&group, &body).with(200).json["members"].as_array().unwrap().len(), 1);
    for none in [json!(null), json!([])] {
        let body = json!({"schemas": [GROUP], "displayName": "staff", "members": none});
        assert_eq!(service.put(&group, &body).with(200).json.get("members"), None);
    }
}

#[test]
fn rfc7644_3_5_1_whether_somebody_is_active_stays_as_it_was() {
    // "omitted ones cleared or defaulted": the default of `active` is what it is, so that no provider lets somebody in
    // again by not speaking of it.
    let service = Service::start();
    for (name, active) in [("ada", true), ("bob", false)] {
        let path = service.path_of(name, json!({"active": active}));
        let body = json!({"schemas": [USER], "userName": name});
        assert_eq!(service.put(&path, &body).with(200).json["active"], active);
    }
}

#[test]
fn rfc7644_3_5_1_an_immutable_value_must_be_the_present_one() {
    let service = Service::start();
    let path = service.path_of("ada", json!({}));
    let body = |badge: Value| json!({"schemas": [USER, GYM], "userName": "ada", GYM: {"badge": badge}});
    assert_eq!(service.put(&path, &body(json!("B7"))).with(200).json[GYM]["badge"], "B7", "the first one");
    assert_eq!(service.put(&path, &body(json!("B7"))).with(200).json[GYM]["badge"], "B7", "the same one");
    service.put(&path, &body(json!("B8"))).refused(400, "mutability");
    service.put(&path, &body(json!("b7"))).refused(400, "mutability");
    assert_eq!(service.get(&path).with(200).json[GYM]["badge"], "B7");
}

#[test]
fn rfc7644_3_5_1_what_is_read_only_is_ignored_and_what_is_required_is_demanded() {
    let service = Service::start();
    let made = service.user("ada", json!({}));
    let path = format!("/Users/{}", id(&made));
    let body = json!({"schemas": [USER], "userName": "ada", "id": "x", "meta": {"resourceType": "Group", "version": "9"},
        "groups": [{"value": "x"}], GYM: {"level": "gold"}});
    let said = service.put(&path, &body).with(200);
    assert_eq!((&said.json["id"], &said.json["meta"]["resourceType"]), (&made["id"], &json!("User")));
    assert_eq!((said.json.get("groups"), said.json.get(GYM)), (None, None));
    for name in [json!(null), json!("")] {
        service.put(&path, &json!({"schemas": [USER], "userName": name})).refused(400, "invalidValue");
    }
    service.put(&path, &json!({"schemas": [USER]})).refused(400, "invalidValue");
    let group = format!("/Groups/{}", service.group("staff", &[]));
    service.put(&group, &json!({"schemas": [GROUP]})).refused(400, "invalidValue");
    let locker = format!("/Lockers/{}", service.locker("L1"));
    let body = json!({"schemas": ["urn:example:gym:2.0:Locker"], SERVICE: {"inspectedAt": "2026-01-31T08:00:00Z"}});
    service.put(&locker, &body).refused(400, "invalidValue");
}

#[test]
fn rfc7644_3_5_1_a_password_that_is_left_out_stays() {
    let service = Service::start();
    let path = service.path_of("ada", json!({"password": PASSWORD, GYM: {"pin": "0407"}}));
    let read = service.get(&path).with(200);
    service.put(&path, &read.json).with(200);
    service.put(&path, &json!({"schemas": [USER], "userName": "ada", "password": null})).with(200);
    assert_eq!(service.daemon.login("ada", PASSWORD).status, 200);
    let body = json!({"schemas": [USER], "userName": "ada", "password": "another fine password of ada"});
    service.put(&path, &body).with(200);
    assert_eq!(service.daemon.login("ada", PASSWORD).status, 401);
    assert_eq!(service.daemon.login("ada", "another fine password of ada").status, 200);
}
