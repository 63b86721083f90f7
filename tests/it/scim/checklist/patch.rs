//! RFC 7644 §3.5.2: the message of a PATCH, its paths, its order, and what it may not touch.

use serde_json::{Value, json};

use super::{ENTERPRISE, GROUP, GYM, PATCH, SERVICE, Service, USER, op, sorted};

#[test]
fn rfc7644_3_5_2_the_message_has_its_schema_and_operations_of_three_kinds() {
    let service = Service::start();
    let path = service.path_of("ada", json!({}));
    let before = service.everything();
    let good = json!({"op": "add", "path": "title", "value": "Dr"});
    let wrong = [
        json!({"Operations": [good]}),
        json!({"schemas": [], "Operations": [good]}),
        json!({"schemas": [USER], "Operations": [good]}),
        json!({"schemas": [PATCH]}),
        json!({"schemas": [PATCH], "Operations": []}),
        json!({"schemas": [PATCH], "Operations": null}),
        json!({"schemas": [PATCH], "Operations": good}),
        json!({"schemas": [PATCH], "Operations": ["add"]}),
        json!({"schemas": [PATCH], "Operations": [{"path": "title", "value": "Dr"}]}),
        json!({"schemas": [PATCH], "Operations": [{"op": "jump", "path": "title", "value": "Dr"}]}),
        json!({"schemas": [PATCH], "Operations": [{"op": ["add"], "path": "title", "value": "Dr"}]}),
        json!({"schemas": [PATCH], "Operations": [{"op": "move", "from": "a", "path": "title"}]}),
        json!([good]),
    ];
    for body in wrong {
        service.send("PATCH", &path, Some(body.to_string()), &[]).refused(400, "invalidSyntax");
    }
    assert_eq!(service.everything(), before);
    for (operation, value) in [("add", "a"), ("replace", "b"), ("Add", "c"), ("REPLACE", "d")] {
        assert_eq!(service.patch(&path, &op(operation, "title", json!(value))).with(200).json["title"], value);
    }
    let removed = service.patch(&path, &json!([{"op": "Remove", "path": "title"}])).with(200);
    assert_eq!(removed.json.get("title"), None);
    service.patch("/Users/nobody", &json!([good])).with(404);
}

#[test]
fn rfc7644_3_5_2_a_remove_needs_a_path_and_the_others_do_not() {
    let service = Service::start();
    let path = service.path_of("ada", json!({"nickName": "A"}));
    service.patch(&path, &json!([{"op": "remove"}])).refused(400, "noTarget");
    let whole = json!({"title": "Dr", "name": {"givenName": "Ada"}});
    let added = service.patch(&path, &json!([{"op": "add", "value": whole}])).with(200);
    assert_eq!((&added.json["title"], &added.json["nickName"]), (&json!("Dr"), &json!("A")));
    let replaced = service.patch(&path, &json!([{"op": "replace", "value": {"title": "Prof"}}])).with(200);
    assert_eq!((&replaced.json["title"], &replaced.json["nickName"]), (&json!("Prof"), &json!("A")));
    for operation in ["add", "replace"] {
        service.patch(&path, &json!([{"op": operation, "value": "text"}])).refused(400, "invalidValue");
    }
}

#[test]
fn rfc7644_3_5_2_every_form_of_a_path_and_what_is_none() {
    let service = Service::start();
    let emails = json!([{"value": "a@example.org", "type": "work"}, {"value": "b@example.org", "type": "home"}]);
    let path = service.path_of("ada", json!({"emails": emails}));
    let good = [
        ("title", json!("Dr")),
        ("name.givenName", json!("Ada")),
        ("emails[type eq \"work\"]", json!({"value": "c@example.org", "type": "work"})),
        ("emails[type eq \"work\"].display", json!("Work")),
        ("emails[type eq \"home\" and value ew \"example.org\"].display", json!("Home")),
        (&format!("{USER}:nickName"), json!("A")),
        (&format!("{USER}:name.familyName"), json!("L")),
        (&format!("{USER}:emails[type eq \"home\"].value"), json!("d@example.org")),
        (&format!("{ENTERPRISE}:department"), json!("d")),
        (&format!("{ENTERPRISE}:manager.value"), json!("7")),
    ];
    for (at, value) in &good {
        service.patch(&path, &op("replace", at, value.clone())).with(200);
    }
    let shown = service.get(&path).with(200).json.clone();
    assert_eq!(shown["name"], json!({"givenName": "Ada", "familyName": "L"}));
    let expected = json!([{"value": "c@example.org", "type": "work", "display": "Work"},
        {"value": "d@example.org", "type": "home", "display": "Home"}]);
    assert_eq!(shown["emails"], expected);
    assert_eq!((&shown["nickName"], &shown[ENTERPRISE]["manager"]["value"]), (&json!("A"), &json!("7")));
    let broken = [
        "emails[",
        "emails[type eq \"work\"",
        "emails]",
        "emails[type eq \"work\"]value",
        "emails[type eq \"work\"].",
        ".title",
        "title.",
        "title title",
        "name.givenName.first",
        "nothing",
        "name.nothing",
        "emails[type eq \"work\"].nothing",
        "urn:x:nobody:title",
        "1title",
        "/title",
    ];
    for at in broken {
        service.patch(&path, &op("replace", at, json!("x"))).refused(400, "invalidPath");
    }
    // A filter in a path that is none is one or the other (§3.12, table 9).
    for at in ["emails[]", "emails[type]", "emails[type xx \"work\"]"] {
        let said = service.patch(&path, &op("replace", at, json!({"value": "x@example.org"}))).with(400);
        assert!(said.json["scimType"] == "invalidPath" || said.json["scimType"] == "invalidFilter", "{said:?}");
    }
    assert_eq!(service.get(&path).with(200).json, shown);
}

#[test]
fn rfc7644_3_5_2_operations_apply_in_order_and_all_or_nothing() {
    let service = Service::start();
    let path = service.path_of("ada", json!({}));
    let order = json!([
        {"op": "add", "path": "title", "value": "one"},
        {"op": "remove", "path": "title"},
        {"op": "add", "path": "title", "value": "two"},
        {"op": "replace", "path": "title", "value": "three"},
        {"op": "add", "path": "emails", "value": [{"value": "a@example.org", "type": "work"}]},
        {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "b@example.org"},
    ]);
    let said = service.patch(&path, &order).with(200);
    assert_eq!((&said.json["title"], &said.json["emails"][0]["value"]), (&json!("three"), &json!("b@example.org")));
    let before = service.everything();
    let first = json!({"op": "replace", "path": "title", "value": "four"});
    for (bad, scim_type) in [
        (json!({"op": "replace", "path": "id", "value": "x"}), "mutability"),
        (json!({"op": "remove", "path": "userName"}), "mutability"),
        (json!({"op": "remove", "path": "emails[type eq \"home\"]"}), "noTarget"),
        (json!({"op": "add", "path": "nothing", "value": "x"}), "invalidPath"),
        (json!({"op": "add", "path": "active", "value": "perhaps"}), "invalidValue"),
        (json!({"op": "jump", "path": "title", "value": "x"}), "invalidSyntax"),
    ] {
        service.patch(&path, &json!([first, bad])).refused(400, scim_type);
        service.patch(&path, &json!([bad, first])).refused(400, scim_type);
    }
    assert_eq!(service.everything(), before, "revision and time too");
}

#[test]
fn rfc7644_3_5_2_what_is_read_only_or_fixed_is_refused() {
    let service = Service::start();
    let path = service.path_of("ada", json!({}));
    let read_only =
        ["id", "meta", "meta.created", "groups", &format!("{GYM}:level"), &format!("{ENTERPRISE}:manager.displayName")];
    for at in read_only {
        for operation in ["add", "replace"] {
            service.patch(&path, &op(operation, at, json!("x"))).refused(400, "mutability");
        }
        service.patch(&path, &json!([{"op": "remove", "path": at}])).refused(400, "mutability");
    }
    let badge = format!("{GYM}:badge");
    assert_eq!(service.patch(&path, &op("add", &badge, json!("B7"))).with(200).json[GYM]["badge"], "B7");
    for operation in ["add", "replace"] {
        service.patch(&path, &op(operation, &badge, json!("B8"))).refused(400, "mutability");
        let nested = json!([{"op": operation, "value": {GYM: {"badge": "B8"}}}]);
        service.patch(&path, &nested).refused(400, "mutability");
    }
    let twice = json!([{"op": "remove", "path": badge}, {"op": "add", "path": badge, "value": "B8"}]);
    service.patch(&path, &twice).refused(400, "mutability");
}

#[test]
fn rfc7644_3_5_2_a_new_primary_takes_the_place_of_the_old_one() {
    let service = Service::start();
    let emails = json!([{"value": "a@example.org", "type": "work", "primary": true},
        {"value": "b@example.org", "type": "home"}]);
    let path = service.path_of("ada", json!({"emails": emails}));
    let primaries = |operations: Value| {
        let emails = service.patch(&path, &operations).with(200).json["emails"].clone();
        let primary = emails.as_array().unwrap().iter().filter(|email| email["primary"] == true);
        primary.map(|email| email["value"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let new = json!([{"value": "c@example.org", "type": "other", "primary": true}]);
    assert_eq!(primaries(op("add", "emails", new)), ["c@example.org"]);
    assert_eq!(primaries(op("replace", "emails[type eq \"home\"].primary", json!(true))), ["b@example.org"]);
    let whole = json!({"value": "a@example.org", "type": "work", "primary": true});
    assert_eq!(primaries(op("replace", "emails[type eq \"work\"]", whole)), ["a@example.org"]);
    let pathless = json!([{"op": "add", "value": {"emails": [{"value": "d@example.org", "primary": true}]}}]);
    assert_eq!(primaries(pathless), ["d@example.org"]);
}

#[test]
fn rfc7644_3_5_2_an_extension_comes_and_goes_with_its_attributes() {
    let service = Service::start();
    let path = service.path_of("ada", json!({}));
    let urns = |operations: Value| {
        let said = service.patch(&path, &operations).with(200);
        let urns = sorted(&said.json["schemas"]).join(" ");
        assert_eq!(said.json.get(ENTERPRISE).is_some(), urns.contains(ENTERPRISE), "{said:?}");
        urns.contains(ENTERPRISE)
    };
    let at = |name: &str| format!("{ENTERPRISE}:{name}");
    assert!(urns(op("add", &at("department"), json!("d"))));
    assert!(urns(op("add", &at("manager"), json!({"value": "7"}))));
    assert!(urns(json!([{"op": "remove", "path": at("department")}])));
    assert!(!urns(json!([{"op": "remove", "path": at("manager")}])), "the last one");
    assert!(urns(json!([{"op": "add", "value": {ENTERPRISE: {"department": "d", "division": "e"}}}])));
    assert!(!urns(json!([{"op": "remove", "path": ENTERPRISE}])), "as a whole");
    assert!(urns(op("replace", ENTERPRISE, json!({"costCenter": "c"}))));
    assert!(!urns(op("replace", &at("costCenter"), json!(null))));
}

#[test]
fn rfc7644_3_5_2_the_answer_is_the_resource_or_nothing() {
    let service = Service::start();
    let path = service.path_of("ada", json!({"nickName": "A"}));
    let group = format!("/Groups/{}", service.group("staff", &[]));
    for path in [&path, &group] {
        let said = service.patch(path, &op("replace", "displayName", json!("x"))).with(200);
        assert_eq!(service.get(path).with(200).json, said.json, "the whole resource");
        assert_eq!(said.header("etag"), said.text("/meta/version"));
        let entra = service.speaking("entra");
        let said = entra.patch(path, &op("replace", "displayName", json!("y"))).with(204);
        assert_eq!(service.get(path).with(200).header("etag"), said.header("etag"));
        for query in ["attributes=displayName", "excludedAttributes=meta"] {
            let said = entra.patch(&format!("{path}?{query}"), &op("replace", "displayName", json!(query))).with(200);
            assert_eq!(said.json["displayName"], query);
        }
    }
}

#[test]
fn rfc7644_3_5_2_groups_and_other_types_are_patched_alike() {
    let service = Service::start();
    let group = format!("/Groups/{}", service.group("staff", &[]));
    let renamed = service.patch(&group, &op("replace", &format!("{GROUP}:DisplayName"), json!("crew"))).with(200);
    assert_eq!(renamed.json["displayName"], "crew");
    let locker = format!("/Lockers/{}", service.locker("L1"));
    let noted = service.patch(&locker, &op("add", &format!("{SERVICE}:notes"), json!("clean"))).with(200);
    assert_eq!(noted.json[SERVICE]["notes"], "clean");
    for (path, at) in [(&group, "displayName"), (&locker, "serial")] {
        service.patch(path, &json!([{"op": "remove", "path": at}])).refused(400, "mutability");
        service.patch(path, &op("replace", "nothing", json!("x"))).refused(400, "invalidPath");
        service.patch(path, &op("replace", "meta.created", json!("x"))).refused(400, "mutability");
    }
}
