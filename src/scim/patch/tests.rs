//! What this module promises, as tables.

use serde_json::json;

use super::*;
use crate::scim::ScimType;
use crate::scim::schemas::{self, ENTERPRISE_URN, GROUP_URN, USER_URN};

fn person() -> Resource {
    let person = json!({
        "schemas": [USER_URN, ENTERPRISE_URN], "id": "1", "userName": "ann", "active": true, "title": "Dr",
        "name": {"givenName": "Ann", "familyName": "Bo"},
        "emails": [{"value": "w@x", "type": "work", "primary": true}, {"value": "h@x", "type": "home"}],
        "meta": {"resourceType": "User"},
        ENTERPRISE_URN: {"department": "d", "manager": {"value": "m", "displayName": "M", "$ref": "../Users/m"}},
    });
    person.as_object().unwrap().clone()
}

fn run(resource: &mut Resource, operations: Value) -> Result<bool, ScimError> {
    let operations = parse(json!({"schemas": [PATCH_URN], "Operations": operations}))?;
    let kind = if resource.contains_key("userName") { schemas::user() } else { schemas::group() };
    apply(kind, resource, &operations)
}

/// The value at a JSON pointer after the operation.
fn after(operation: &Value, pointer: &str) -> Value {
    let mut resource = person();
    run(&mut resource, json!([operation])).unwrap_or_else(|error| panic!("{operation}: {error}"));
    Value::Object(resource).pointer(pointer).cloned().unwrap_or(Value::Null)
}

#[test]
fn every_dialect_does_what_its_client_means() {
    let ext = |rest: &str| format!("{ENTERPRISE_URN}:{rest}");
    let in_ext = |rest: &str| format!("/{ENTERPRISE_URN}{rest}");
    let work = json!({"value": "w@x", "type": "work", "primary": true});
    let home = json!({"value": "h@x", "type": "home"});
    let cases = [
        (json!({"op": "Replace", "path": "active", "value": "False"}), "/active".into(), json!(false)),
        (
            json!({"OP": "ADD", "path": "ACTIVE", "value": [{"$ref": null, "value": "false"}]}),
            "/active".into(),
            json!(false),
        ),
        (
            json!({"op": "replace", "value": {"active": "false", "id": "9", "groups": [], "meta": {}, "schemas": [], "nonsense": 1}}),
            "/active".into(),
            json!(false),
        ),
        (json!({"op": "replace", "value": {"id": "9"}}), "/id".into(), json!("1")),
        (
            json!({"op": "replace", "value": {"name.familyName": "C"}}),
            "/name".into(),
            json!({"givenName": "Ann", "familyName": "C"}),
        ),
        (
            json!({"op": "replace", "path": "name", "value": {"familyName": "C"}}),
            "/name".into(),
            json!({"givenName": "Ann", "familyName": "C"}),
        ),
        (json!({"op": "add", "value": {"name": {"middleName": "M"}}}), "/name/middleName".into(), json!("M")),
        (json!({"op": "replace", "value": {ext("department"): "e"}}), in_ext("/department"), json!("e")),
        (
            json!({"op": "replace", "value": {ENTERPRISE_URN: {"department": "e"}}}),
            in_ext("/manager/value"),
            json!("m"),
        ),
        (json!({"op": "replace", "value": {USER_URN: {"title": "Prof"}}}), "/title".into(), json!("Prof")),
        (json!({"op": "replace", "path": USER_URN, "value": {"title": "Prof"}}), "/title".into(), json!("Prof")),
        (
            json!({"op": "replace", "value": {"emails[type eq \"work\"].value": "n@x"}}),
            "/emails/0/value".into(),
            json!("n@x"),
        ),
        (
            json!({"op": "replace", "path": "emails[type eq \"work\"].value", "value": "n@x"}),
            "/emails/0".into(),
            json!({"value": "n@x", "type": "work", "primary": true}),
        ),
        (
            json!({"op": "Add", "path": "emails[type eq \"other\"].value", "value": "o@x"}),
            "/emails/2".into(),
            json!({"value": "o@x", "type": "other"}),
        ),
        (
            json!({"op": "Replace", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "1"}),
            "/phoneNumbers".into(),
            json!([{"value": "1", "type": "mobile"}]),
        ),
        (
            json!({"op": "Replace", "path": "roles[primary eq \"True\"].value", "value": "r"}),
            "/roles".into(),
            json!([{"value": "r", "primary": true}]),
        ),
        (
            json!({"op": "add", "path": "addresses[type eq \"work\"]", "value": {"country": "DE"}}),
            "/addresses".into(),
            json!([{"country": "DE", "type": "work"}]),
        ),
        (
            json!({"op": "replace", "path": "emails[type eq \"work\"]", "value": {"value": "n@x"}}),
            "/emails/0/value".into(),
            json!("n@x"),
        ),
        (
            json!({"op": "replace", "path": "emails[type eq \"home\"]", "value": {"value": "n@x", "primary": true}}),
            "/emails".into(),
            json!([{"value": "w@x", "type": "work", "primary": false}, {"value": "n@x", "type": "home", "primary": true}]),
        ),
        (
            json!({"op": "replace", "path": "emails[type eq \"home\"].primary", "value": "True"}),
            "/emails/0/primary".into(),
            json!(false),
        ),
        (
            json!({"op": "add", "path": "emails", "value": [{"value": "o@x", "primary": true}]}),
            "/emails/0/primary".into(),
            json!(false),
        ),
        (
            json!({"op": "add", "path": "emails", "value": {"value": "o@x"}}),
            "/emails/2".into(),
            json!({"value": "o@x"}),
        ),
        (json!({"op": "add", "path": "emails", "value": "o@x"}), "/emails/2".into(), json!({"value": "o@x"})),
        (
            json!({"op": "replace", "path": "emails", "value": [{"value": "o@x"}]}),
            "/emails".into(),
            json!([{"value": "o@x"}]),
        ),
        (json!({"op": "replace", "path": "emails", "value": []}), "/emails".into(), json!(null)),
        (json!({"op": "replace", "path": "emails", "value": null}), "/emails".into(), json!(null)),
        (
            json!({"op": "replace", "path": "emails[type eq \"home\"].value", "value": ""}),
            "/emails".into(),
            json!([work]),
        ),
        (json!({"op": "remove", "path": "emails[type eq \"home\"].value"}), "/emails".into(), json!([work])),
        (json!({"op": "remove", "path": "emails[type eq \"work\"]"}), "/emails".into(), json!([home])),
        (
            json!({"op": "remove", "path": "emails[type eq \"work\"].primary"}),
            "/emails/0".into(),
            json!({"value": "w@x", "type": "work"}),
        ),
        (
            json!({"op": "remove", "path": "emails", "value": [{"value": "H@X"}, {"value": "no@x"}]}),
            "/emails".into(),
            json!([work]),
        ),
        (json!({"op": "remove", "path": "emails"}), "/emails".into(), json!(null)),
        (json!({"op": "remove", "path": "nickName"}), "/nickName".into(), json!(null)),
        (json!({"op": "remove", "path": "name.familyName"}), "/name".into(), json!({"givenName": "Ann"})),
        (
            json!({"op": "replace", "path": "name", "value": {"givenName": ""}}),
            "/name".into(),
            json!({"familyName": "Bo"}),
        ),
        (
            json!({"op": "add", "value": {"name": {"GivenName": null, "formatted": "A. Bo"}}}),
            "/name".into(),
            json!({"familyName": "Bo", "formatted": "A. Bo"}),
        ),
        (
            json!({"op": "replace", "path": "name", "value": {"givenName": null, "familyName": []}}),
            "/name".into(),
            json!(null),
        ),
        (
            json!({"op": "replace", "path": "name", "value": {}}),
            "/name".into(),
            json!({"givenName": "Ann", "familyName": "Bo"}),
        ),
        (
            json!({"op": "replace", "path": ext("manager"), "value": {"value": ""}}),
            in_ext(""),
            json!({"department": "d"}),
        ),
        (json!({"op": "replace", "path": "title", "value": ""}), "/title".into(), json!(null)),
        (json!({"op": "replace", "path": "title", "value": null}), "/title".into(), json!(null)),
        (json!({"op": "replace", "path": ext("manager"), "value": "n"}), in_ext("/manager"), json!({"value": "n"})),
        (json!({"op": "replace", "path": "manager", "value": "n"}), in_ext("/manager"), json!({"value": "n"})),
        (
            json!({"op": "replace", "path": ext("manager"), "value": [{"value": "n"}]}),
            in_ext("/manager"),
            json!({"value": "n"}),
        ),
        (
            json!({"op": "add", "path": ext("manager"), "value": {"value": "n", "displayName": "N"}}),
            in_ext("/manager"),
            json!({"value": "n"}),
        ),
        (
            json!({"op": "replace", "path": ext("manager.value"), "value": "n"}),
            in_ext("/manager"),
            json!({"value": "n"}),
        ),
        (json!({"op": "replace", "path": ext("manager"), "value": ""}), in_ext(""), json!({"department": "d"})),
        (json!({"op": "remove", "path": ext("manager.value")}), in_ext(""), json!({"department": "d"})),
        (json!({"op": "remove", "path": ENTERPRISE_URN}), "/schemas".into(), json!([USER_URN])),
        (
            json!({"op": "replace", "value": {ENTERPRISE_URN: {"manager": null, "department": ""}}}),
            "/schemas".into(),
            json!([USER_URN]),
        ),
        (json!({"op": "add", "path": "password", "value": "p"}), "/password".into(), json!("p")),
        (
            json!({"op": "add", "path": "schemas", "value": [ENTERPRISE_URN]}),
            "/schemas".into(),
            json!([USER_URN, ENTERPRISE_URN]),
        ),
    ];
    for (operation, pointer, expected) in cases {
        let pointer: String = pointer;
        assert_eq!(after(&operation, &pointer), expected, "{operation}");
    }
}

#[test]
fn what_is_there_already_changes_nothing() {
    for operation in [
        json!({"op": "add", "path": "title", "value": "Dr"}),
        json!({"op": "add", "path": "emails", "value": [{"value": "W@x", "type": "work", "primary": true}]}),
        json!({"op": "add", "path": "emails", "value": [{"value": "h@x", "type": "home"}]}),
        json!({"op": "replace", "value": {"active": "TRUE", "unknown": 1}}),
        json!({"op": "remove", "path": "nickName"}),
        json!({"op": "add", "path": "nickName", "value": ""}),
        json!({"op": "replace", "path": "ims[type eq \"x\"].value", "value": ""}),
        json!({"op": "add", "value": {"name": {"givenName": "Ann"}}}),
        json!({"op": "remove", "path": "emails", "value": []}),
    ] {
        let mut resource = person();
        let first = run(&mut resource, json!([operation]));
        if operation.to_string().contains("W@x") {
            assert_eq!(first, Ok(true), "the spelling is kept as sent");
            continue;
        }
        assert_eq!((first, &resource), (Ok(false), &person()), "{operation}");
    }
}

#[test]
fn a_value_that_is_made_for_a_filter_is_not_there_twice() {
    for op in ["add", "replace"] {
        let mut resource = person();
        run(&mut resource, json!([{"op": "add", "path": "roles", "value": [{"value": "a"}, {"value": "b"}]}])).unwrap();
        run(&mut resource, json!([{"op": op, "path": "roles[primary eq \"True\"].value", "value": "a"}])).unwrap();
        assert_eq!(resource["roles"], json!([{"value": "a", "primary": true}, {"value": "b"}]), "{op}");
    }
}

#[test]
fn refusals_say_why_and_leave_everything_as_it_was() {
    use ScimType::{InvalidFilter, InvalidPath, InvalidSyntax, InvalidValue, Mutability, NoTarget};
    let cases = [
        (json!({"op": "remove"}), NoTarget),
        (json!({"op": "remove", "path": ""}), NoTarget),
        (json!({"op": "remove", "path": USER_URN}), NoTarget),
        (json!({"op": "remove", "path": "emails[type eq \"fax\"]"}), NoTarget),
        (json!({"op": "remove", "path": "emails[type eq \"fax\"].value"}), NoTarget),
        (json!({"op": "replace", "path": "emails[value eq \"no\"].type", "value": "x"}), NoTarget),
        (json!({"op": "replace", "path": "emails[type eq \"fax\"]", "value": {"value": "x"}}), NoTarget),
        (json!({"op": "add", "path": "emails[value co \"no\"].type", "value": "x"}), NoTarget),
        (json!({"op": "remove", "path": "userName"}), Mutability),
        (json!({"op": "replace", "path": "id", "value": "2"}), Mutability),
        (json!({"op": "replace", "path": "groups", "value": []}), Mutability),
        (json!({"op": "add", "path": "meta.created", "value": "x"}), Mutability),
        (json!({"op": "replace", "path": "manager.displayName", "value": "x"}), Mutability),
        (json!({"op": "remove", "path": "schemas"}), Mutability),
        (json!({"op": "add", "path": "schemas", "value": ["urn:x"]}), Mutability),
        (json!({"op": "remove", "path": "meta"}), Mutability),
        (json!({"op": "replace", "path": "userName", "value": ""}), InvalidValue),
        (json!({"op": "replace", "value": {"userName": null}}), InvalidValue),
        (json!({"op": "replace", "path": "active", "value": "maybe"}), InvalidValue),
        (json!({"op": "replace", "path": "name", "value": "x"}), InvalidValue),
        (
            json!({"op": "add", "path": "emails", "value": [{"value": "a", "primary": true}, {"value": "b", "primary": true}]}),
            InvalidValue,
        ),
        (json!({"op": "add", "path": "title"}), InvalidValue),
        (json!({"op": "add", "value": "x"}), InvalidValue),
        (json!({"op": "replace", "value": [1]}), InvalidValue),
        (json!({"op": "add", "path": "nonsense", "value": 1}), InvalidPath),
        (json!({"op": "add", "path": "urn:x:y", "value": 1}), InvalidPath),
        (json!({"op": "add", "path": "emails[", "value": 1}), InvalidPath),
        (json!({"op": "add", "path": 7, "value": 1}), InvalidPath),
        (json!({"op": "add", "path": "title[value eq \"x\"]", "value": "x"}), InvalidPath),
        (json!({"op": "add", "value": {"emails[": 1}}), InvalidPath),
        (json!({"op": "add", "path": "emails[primary gt true].value", "value": "x"}), InvalidFilter),
        (json!({"op": "move", "path": "title"}), InvalidSyntax),
        (json!({"path": "title", "value": "x"}), InvalidSyntax),
        (json!("add"), InvalidSyntax),
    ];
    for (operation, expected) in cases {
        let mut resource = person();
        let good = json!({"op": "replace", "path": "title", "value": "changed"});
        let error = run(&mut resource, json!([good, operation])).expect_err(&operation.to_string());
        assert_eq!((error.status, error.scim_type), (400, Some(expected)), "{operation}: {error}");
        assert_eq!(resource, person(), "{operation}");
    }
}

#[test]
fn messages_without_their_form_are_refused() {
    let operation = json!({"op": "remove", "path": "title"});
    let wrong = [
        json!([]),
        json!({}),
        json!({"schemas": [PATCH_URN]}),
        json!({"schemas": [PATCH_URN], "Operations": []}),
        json!({"Operations": [operation]}),
        json!({"schemas": [USER_URN], "Operations": [operation]}),
        json!({"schemas": [PATCH_URN], "Operations": {"op": "add"}}),
    ];
    for body in wrong {
        assert_eq!(parse(body.clone()).unwrap_err().scim_type, Some(ScimType::InvalidSyntax), "{body}");
    }
    let body =
        |count: usize| json!({"schemas": [PATCH_URN.to_uppercase()], "operations": vec![operation.clone(); count]});
    assert_eq!(parse(body(1_000)).unwrap().len(), 1_000);
    assert_eq!(parse(body(1_001)).unwrap_err().status, 413);
}

#[test]
fn small_groups_are_patched_in_place() {
    let group = json!({"schemas": [GROUP_URN], "displayName": "G", "members": [{"value": "1", "display": "One"}, {"value": "2"}]});
    let cases = [
        (json!({"op": "Remove", "path": "members", "value": [{"value": "2"}, {"value": "9"}]}), json!(["1"])),
        (json!({"op": "remove", "path": "members[value eq \"1\"]"}), json!(["2"])),
        (json!({"op": "remove", "path": "members[value eq \"9\"]"}), json!(["1", "2"])),
        (
            json!({"op": "Add", "path": "members", "value": [{"$ref": null, "value": "3"}, {"value": "1"}]}),
            json!(["1", "2", "3"]),
        ),
        (json!({"op": "replace", "value": {"id": "x", "displayName": "H"}}), json!(["1", "2"])),
        (json!({"op": "remove", "path": "members"}), json!([])),
    ];
    for (operation, expected) in cases {
        let mut resource = group.as_object().unwrap().clone();
        run(&mut resource, json!([operation])).unwrap();
        let ids: Vec<Value> = resource
            .get("members")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|member| member["value"].clone())
            .collect();
        assert_eq!(Value::Array(ids), expected, "{operation}");
    }
    let mut resource = group.as_object().unwrap().clone();
    let error = run(&mut resource, json!([{"op": "replace", "path": "members[value eq \"1\"].value", "value": "7"}]))
        .unwrap_err();
    assert_eq!(error.scim_type, Some(ScimType::Mutability));
}

#[test]
fn a_thousand_operations_on_a_long_list_end_soon() {
    let long: Vec<Value> = (0..2_000).map(|n| json!({"value": format!("a{n}@x"), "type": "work"})).collect();
    let mut resource = person();
    run(&mut resource, json!([{"op": "replace", "path": "emails", "value": long}])).unwrap();
    let again: Vec<Value> = (0..1_000)
        .map(|n| json!({"op": "add", "path": "emails", "value": [{"value": format!("A{n}@X"), "type": "Work"}]}))
        .collect();
    let started = crate::base::clock::Stopwatch::start();
    run(&mut resource, json!(again)).unwrap();
    assert!(started.elapsed() < std::time::Duration::from_secs(20), "{:?}", started.elapsed());
    assert_eq!(resource["emails"].as_array().unwrap().len(), 2_000);
}

#[test]
fn an_immutable_attribute_takes_its_first_value_only() {
    let mut badge = schemas::user().clone();
    badge.base.attributes.push(Attribute::text("badge", "").mutability(Mutability::Immutable));
    let operation = |value: &str| {
        parse(json!({"schemas": [PATCH_URN], "Operations": [{"op": "add", "path": "badge", "value": value}]})).unwrap()
    };
    let mut resource = person();
    assert_eq!(apply(&badge, &mut resource, &operation("1")), Ok(true));
    assert_eq!(apply(&badge, &mut resource, &operation("1")), Ok(false));
    for other in ["2", ""] {
        assert_eq!(apply(&badge, &mut resource, &operation(other)).unwrap_err().scim_type, Some(ScimType::Mutability));
    }
}

mod properties {
    use proptest::prelude::*;

    use super::*;
    use crate::scim::resource::accept;

    const PATHS: &[&str] = &[
        "userName",
        "active",
        "name",
        "name.familyName",
        "emails",
        "emails.value",
        "emails.primary",
        "emails.type",
        "emails[type eq \"work\"]",
        "emails[type eq \"work\"].value",
        "emails[primary eq true].type",
        "emails[type eq \"work\"].primary",
        "emails[value eq \"a\"]",
        "emails[type ne \"work\"].primary",
        "addresses[type eq \"home\"].country",
        "roles",
        "manager",
        "manager.value",
        "department",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
        "urn:ietf:params:scim:schemas:core:2.0:User",
        "",
        "password",
        "x509Certificates",
    ];

    fn scalar() -> impl Strategy<Value = Value> {
        prop::sample::select(vec![
            json!(null),
            json!(""),
            json!("a"),
            json!("b"),
            json!(true),
            json!(false),
            json!("True"),
            json!(1),
            json!([]),
            json!({}),
            json!("work"),
            json!("aGk="),
        ])
    }

    fn value() -> impl Strategy<Value = Value> {
        let names = vec![
            "value",
            "type",
            "primary",
            "display",
            "familyName",
            "country",
            "name.givenName",
            "emails[type eq \"work\"].value",
            "manager",
            "department",
            "title",
            "emails",
        ];
        let object = prop::collection::btree_map(prop::sample::select(names), scalar(), 0..4)
            .prop_map(|members| {
                Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
            })
            .boxed();
        prop_oneof![
            scalar(),
            object.clone(),
            prop::collection::vec(prop_oneof![scalar(), object], 0..4).prop_map(Value::Array)
        ]
    }

    fn operation() -> impl Strategy<Value = Value> {
        (prop::sample::select(vec!["add", "Replace", "remove"]), prop::sample::select(PATHS.to_vec()), value())
            .prop_map(|(op, path, value)| json!({"op": op, "path": path, "value": value}))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2_000))]

        #[test]
        fn whatever_was_patched_is_still_a_body_that_create_takes_as_it_is(operations in prop::collection::vec(operation(), 1..6)) {
            let mut resource = person();
            let _ = run(&mut resource, json!([{"op": "remove", "path": "manager"}]));
            for operation in operations {
                let before = resource.clone();
                match run(&mut resource, json!([operation])) {
                    Ok(changed) => prop_assert_eq!(changed, before != resource),
                    Err(_) => prop_assert_eq!(&before, &resource),
                }
                let mut writable = resource.clone();
                writable.remove("id");
                writable.remove("meta");
                let accepted = accept(schemas::user(), Value::Object(writable.clone()));
                prop_assert_eq!(accepted, Ok(writable), "after {}", operation);
            }
        }
    }
}
