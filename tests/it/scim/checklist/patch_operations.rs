//! RFC 7644 §3.5.2.1 to §3.5.2.3: what add, remove and replace do.

use serde_json::{Value, json};

use super::{ENTERPRISE, GYM, Service, USER, id, op};

/// Somebody with something of everything.
fn ada(service: &Service) -> String {
    let emails = json!([{"value": "a@example.org", "type": "work", "display": "A"},
        {"value": "b@example.org", "type": "home"}]);
    let more = json!({"title": "Dr", "name": {"givenName": "Ada", "familyName": "L"}, "emails": emails,
        ENTERPRISE: {"department": "d"}});
    service.path_of("ada", more)
}

#[test]
fn rfc7644_3_5_2_1_add_merges_appends_or_replaces() {
    let service = Service::start();
    let path = ada(&service);
    for operation in [json!({"op": "add", "path": "title"}), json!({"op": "add"})] {
        service.patch(&path, &json!([operation])).refused(400, "invalidValue");
    }
    let shown = |operations: Value| service.patch(&path, &operations).with(200).json.clone();
    // Single: replaced. Complex: merged. Many: appended.
    assert_eq!(shown(op("add", "title", json!("Prof")))["title"], "Prof");
    let name = shown(op("add", "name", json!({"middleName": "K", "familyName": "King"})))["name"].clone();
    assert_eq!(name, json!({"givenName": "Ada", "familyName": "King", "middleName": "K"}));
    let emails = shown(op("add", "emails", json!([{"value": "c@example.org"}, {"value": "d@example.org"}])));
    let values: Vec<_> = emails["emails"].as_array().unwrap().iter().map(|email| email["value"].clone()).collect();
    assert_eq!(json!(values), json!(["a@example.org", "b@example.org", "c@example.org", "d@example.org"]));
    let whole = json!({"title": "Lady", "name": {"honorificPrefix": "Lady"}, "emails": [{"value": "e@example.org"}],
        ENTERPRISE: {"division": "e"}, GYM: {"age": 36}});
    let after = shown(json!([{"op": "add", "value": whole}]));
    assert_eq!((&after["title"], &after["name"]["middleName"]), (&json!("Lady"), &json!("K")));
    assert_eq!(after["emails"].as_array().unwrap().len(), 5);
    assert_eq!(after[ENTERPRISE], json!({"department": "d", "division": "e"}));
    assert_eq!(shown(op("add", &format!("{GYM}:tags"), json!(["red"])))[GYM]["tags"], json!(["red"]));
    assert_eq!(shown(op("add", &format!("{GYM}:tags"), json!(["blue"])))[GYM]["tags"], json!(["red", "blue"]));
    assert_eq!(shown(op("add", "nickName", json!("A")))["nickName"], "A", "what is not there is made");
    assert_eq!(shown(op("add", "emails[type eq \"home\"].display", json!("B")))["emails"][1]["display"], "B");
}

#[test]
fn rfc7644_3_5_2_1_adding_what_is_there_changes_nothing() {
    let service = Service::start();
    let path = ada(&service);
    let member = id(&service.get(&path).with(200).json);
    let group = format!("/Groups/{}", service.group("staff", &[&member]));
    let (user, crew) = (service.get(&path).with(200).json.clone(), service.get(&group).with(200).json.clone());
    service.pass_seconds(60);
    for same in [
        op("add", "title", json!("Dr")),
        op("add", "name", json!({"givenName": "Ada"})),
        op("add", "name.familyName", json!("L")),
        op("add", "emails", json!([{"value": "b@example.org", "type": "home"}])),
        op("add", "emails", json!([{"value": "a@example.org", "type": "work", "display": "A"}])),
        op("add", &format!("{ENTERPRISE}:department"), json!("d")),
        op("add", "active", json!(true)),
        json!([{"op": "add", "value": {"title": "Dr", "userName": "ada"}}]),
    ] {
        assert_eq!(service.patch(&path, &same).with(200).json, user, "{same}");
    }
    for same in [op("add", "members", json!([{"value": member}])), op("add", "displayName", json!("staff"))] {
        assert_eq!(service.patch(&group, &same).with(200).json, crew, "{same}");
    }
}

#[test]
fn rfc7644_3_5_2_2_remove_takes_one_or_all_or_those_that_match() {
    let service = Service::start();
    let path = ada(&service);
    let remove = |at: &str| service.patch(&path, &json!([{"op": "remove", "path": at}])).with(200).json.clone();
    assert_eq!(remove("title").get("title"), None);
    let one = remove("emails[type eq \"home\"]");
    assert_eq!(one["emails"], json!([{"value": "a@example.org", "type": "work", "display": "A"}]));
    assert_eq!(remove("emails[value eq \"a@example.org\"]").get("emails"), None, "the last one: unassigned");
    assert_eq!(service.names("emails pr"), [""; 0]);
    service.patch(&path, &op("add", "emails", json!([{"value": "c@example.org"}, {"value": "d@example.org"}])));
    assert_eq!(remove("emails").get("emails"), None, "all of them");
    assert_eq!(remove("name").get("name"), None);
    // What is not there is removed already; a filter that finds nothing has no target.
    remove("nickName");
    let said = service.patch(&path, &json!([{"op": "remove", "path": "emails[type eq \"work\"]"}]));
    said.refused(400, "noTarget");
    let (one, two) = (id(&service.user("one", json!({}))), id(&service.user("two", json!({}))));
    let group = format!("/Groups/{}", service.group("staff", &[&one, &two]));
    let part = json!([{"op": "remove", "path": format!("members[value eq \"{one}\"]")}]);
    let left = service.patch(&group, &part).with(200).json["members"].clone();
    assert_eq!((left.as_array().unwrap().len(), &left[0]["value"]), (1, &json!(two)));
    let all = service.patch(&group, &json!([{"op": "remove", "path": "members"}])).with(200);
    assert_eq!(all.json.get("members"), None);
}

#[test]
fn rfc7644_3_5_2_2_what_is_required_or_read_only_cannot_be_removed() {
    let service = Service::start();
    let path = ada(&service);
    let before = service.everything();
    for at in [
        "userName",
        "id",
        "meta",
        "meta.location",
        "groups",
        "schemas",
        &format!("{USER}:userName"),
        &format!("{GYM}:level"),
    ] {
        service.patch(&path, &json!([{"op": "remove", "path": at}])).refused(400, "mutability");
    }
    assert_eq!(service.everything(), before);
}

#[test]
fn rfc7644_3_5_2_2_a_part_is_removed_and_the_rest_stays() {
    let service = Service::start();
    let path = ada(&service);
    let remove = |at: &str| service.patch(&path, &json!([{"op": "remove", "path": at}])).with(200).json.clone();
    assert_eq!(remove("name.familyName")["name"], json!({"givenName": "Ada"}));
    let emails = json!([{"value": "a@example.org", "type": "work"}, {"value": "b@example.org", "type": "home"}]);
    assert_eq!(remove("emails[type eq \"work\"].display")["emails"], emails);
    assert_eq!(remove("name.givenName").get("name"), None, "nothing of it is left");
}

#[test]
fn rfc7644_3_5_2_3_replace_adds_merges_or_puts_in_the_place() {
    let service = Service::start();
    let path = ada(&service);
    let shown = |operations: Value| service.patch(&path, &operations).with(200).json.clone();
    assert_eq!(shown(op("replace", "nickName", json!("A")))["nickName"], "A", "absent: as an add");
    let phones = json!([{"value": "+31612345678"}]);
    assert_eq!(shown(op("replace", "phoneNumbers", phones.clone()))["phoneNumbers"], phones);
    assert_eq!(shown(op("replace", "title", json!("Prof")))["title"], "Prof");
    let name = shown(op("replace", "name", json!({"familyName": "King"})))["name"].clone();
    assert_eq!(name, json!({"givenName": "Ada", "familyName": "King"}), "complex: what is named alone");
    let new = json!([{"value": "z@example.org", "type": "other"}]);
    assert_eq!(shown(op("replace", "emails", new.clone()))["emails"], new, "the whole list");
    let pathless = json!([{"op": "replace", "value": {"emails": [{"value": "y@example.org"}], "title": "Dr"}}]);
    let after = shown(pathless);
    assert_eq!((&after["emails"], &after["nickName"]), (&json!([{"value": "y@example.org"}]), &json!("A")));
    for operation in [json!({"op": "replace", "path": "title"}), json!({"op": "replace"})] {
        service.patch(&path, &json!([operation])).refused(400, "invalidValue");
    }
    let (one, two) = (id(&service.user("one", json!({}))), id(&service.user("two", json!({}))));
    let group = format!("/Groups/{}", service.group("staff", &[&one]));
    let members = service.patch(&group, &op("replace", "members", json!([{"value": two}]))).with(200);
    assert_eq!(
        (&members.json["members"][0]["value"], members.json["members"].as_array().unwrap().len()),
        (&json!(two), 1)
    );
}

#[test]
fn rfc7644_3_5_2_3_a_replace_by_a_filter_changes_all_that_match() {
    let service = Service::start();
    let path = ada(&service);
    let all = op("replace", "emails[value ew \"@example.org\"].display", json!("X"));
    let emails = service.patch(&path, &all).with(200).json["emails"].clone();
    assert!(emails.as_array().unwrap().iter().all(|email| email["display"] == "X"), "{emails}");
    let one = op("replace", "emails[type eq \"work\"]", json!({"value": "w@example.org", "type": "work"}));
    let emails = service.patch(&path, &one).with(200).json["emails"].clone();
    let expected = json!([{"value": "w@example.org", "type": "work"},
        {"value": "b@example.org", "type": "home", "display": "X"}]);
    assert_eq!(emails, expected, "the whole value");
    // Nothing matches: no target. (That other profiles make what Entra names is a dialect.)
    let strict = service.speaking("strict");
    let before = service.everything();
    for at in ["emails[type eq \"other\"]", "emails[value eq \"nobody\"]"] {
        let value = json!({"value": "x@example.org"});
        strict.patch(&path, &op("replace", at, value.clone())).refused(400, "noTarget");
        service.patch(&path, &op("replace", at, value)).refused(400, "noTarget");
        strict.patch(&path, &op("replace", &format!("{at}.display"), json!("x"))).refused(400, "noTarget");
    }
    assert_eq!(service.everything(), before);
}
