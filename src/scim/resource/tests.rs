//! What this module promises, as tables.

use serde_json::json;

use super::*;
use crate::scim::ScimType;
use crate::scim::schemas::{self, ENTERPRISE_URN, GROUP_URN, USER_URN};

fn user(extra: Value) -> Value {
    let mut body = json!({"schemas": [USER_URN], "userName": "a"});
    body.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    body
}

#[test]
fn accepted_bodies_become_canonical() {
    let kept = |extra: Value| user(extra);
    let with_enterprise =
        |contents: Value| json!({"schemas": [USER_URN, ENTERPRISE_URN], "userName": "a", ENTERPRISE_URN: contents});
    let cases = [
        (
            json!({"ACTIVE": "False", "Emails": [{"VALUE": "a@x", "Primary": "True"}]}),
            kept(json!({"active": false, "emails": [{"value": "a@x", "primary": true}]})),
        ),
        (json!({"id": "x", "meta": {"a": 1}, "groups": [], "unknown": {"deep": [1]}}), kept(json!({}))),
        (json!({"title": null, "emails": [], "nickName": "", "name": {"givenName": null}}), kept(json!({}))),
        (json!({"emails": ["a@x", "a@x"]}), kept(json!({"emails": [{"value": "a@x"}]}))),
        (json!({"emails": {"value": "a@x"}}), kept(json!({"emails": [{"value": "a@x"}]}))),
        (
            json!({"phoneNumbers": [{"value": "", "type": "work"}, {"value": "1", "type": "nonsense"}]}),
            kept(json!({"phoneNumbers": [{"value": "1", "type": "nonsense"}]})),
        ),
        (json!({USER_URN: {"displayName": "D", "USERNAME": "a"}}), kept(json!({"displayName": "D"}))),
        (json!({"password": "p", "externalId": "E"}), kept(json!({"password": "p", "externalId": "E"}))),
        (
            json!({"x509Certificates": [{"value": "aGk="}], "profileUrl": "../me"}),
            kept(json!({"x509Certificates": [{"value": "aGk="}], "profileUrl": "../me"})),
        ),
        (json!({ENTERPRISE_URN: {"manager": "m"}}), with_enterprise(json!({"manager": {"value": "m"}}))),
        (
            json!({ENTERPRISE_URN.to_lowercase(): {"MANAGER": [{"value": "m", "$ref": null, "displayName": "X"}]}}),
            with_enterprise(json!({"manager": {"value": "m"}})),
        ),
        (json!({"schemas": [USER_URN, ENTERPRISE_URN], ENTERPRISE_URN: {"manager": ""}}), kept(json!({}))),
        (json!({ENTERPRISE_URN: null}), kept(json!({}))),
    ];
    for (extra, expected) in cases {
        let accepted = accept(schemas::user(), user(extra.clone()));
        assert_eq!(accepted.map(Value::Object), Ok(expected), "{extra}");
    }
}

#[test]
fn wrong_values_are_refused_by_the_name_of_their_attribute() {
    let cases = [
        (json!({"userName": 1}), "userName"),
        (json!({"userName": ["a"]}), "userName"),
        (json!({"userName": ""}), "userName"),
        (json!({"userName": " "}), "userName"),
        (json!({"userName": null}), "userName"),
        (json!({"active": "maybe"}), "active"),
        (json!({"active": 1}), "active"),
        (json!({"name": "x"}), "name"),
        (json!({"name": {"givenName": {"a": 1}}}), "name.givenName"),
        (json!({"emails": "x"}), "emails"),
        (json!({"emails": [1]}), "emails"),
        (json!({"emails": [[{"value": "x"}]]}), "emails"),
        (json!({"emails": [{"value": true}]}), "emails.value"),
        (json!({"emails": [{"value": "a", "primary": true}, {"value": "b", "primary": "true"}]}), "emails"),
        (json!({"x509Certificates": [{"value": "no base64!"}]}), "x509Certificates.value"),
        (json!({"profileUrl": "a b"}), "profileUrl"),
        (json!({"title": "a", "TITLE": "b"}), "title"),
        (json!({ENTERPRISE_URN: "x"}), ENTERPRISE_URN),
        (json!({"password": {"s3cret": "s3cret"}}), "password"),
        (json!({"schemas": []}), "schemas"),
        (json!({"schemas": [GROUP_URN]}), "schemas"),
        (json!({"schemas": USER_URN}), "schemas"),
        (json!({"schemas": [1]}), "schemas"),
    ];
    for (extra, name) in cases {
        let error = accept(schemas::user(), user(extra.clone())).expect_err(&extra.to_string());
        assert_eq!((error.status, error.scim_type), (400, Some(ScimType::InvalidValue)), "{extra}");
        assert!(error.detail.contains(name) && !error.detail.contains("s3cret"), "{extra}: {}", error.detail);
    }
    for body in [json!([]), json!("x"), json!(null)] {
        assert_eq!(accept(schemas::user(), body).unwrap_err().scim_type, Some(ScimType::InvalidSyntax));
    }
}

#[test]
fn a_group_may_carry_microsofts_schema_uri() {
    let body = json!({
        "schemas": [GROUP_URN, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
        "displayName": "G", "members": [{"value": "1", "$ref": null, "type": "User"}],
    });
    let expected = json!({"schemas": [GROUP_URN], "displayName": "G", "members": [{"value": "1", "type": "User"}]});
    assert_eq!(accept(schemas::group(), body).map(Value::Object), Ok(expected));
    assert!(accept(schemas::group(), json!({"schemas": [GROUP_URN]})).is_err());
}

#[test]
fn numbers_and_required_extensions_are_checked() {
    use crate::scim::schema::AttributeType;
    let mut strict = schemas::user().clone();
    strict.base.attributes.push(Attribute::new(AttributeType::Integer, "age", ""));
    strict.base.attributes.push(Attribute::new(AttributeType::DateTime, "born", ""));
    strict.base.attributes.push(Attribute::text("badge", "").mutability(Mutability::Immutable));
    let accepts = |extra: Value| accept(&strict, user(extra)).is_ok();
    assert!(accepts(json!({"age": 7, "born": "2020-01-01T00:00:00Z"})) && accepts(json!({"age": u64::MAX})));
    for wrong in [
        json!({"age": 1.5}),
        json!({"age": 1.0}),
        json!({"age": "7"}),
        json!({"age": 1e300}),
        json!({"born": "2020-01-01"}),
        json!({"born": 1}),
    ] {
        assert!(!accepts(wrong.clone()), "{wrong}");
    }
    let with_badge = |badge: &str| accept(&strict, user(json!({"badge": badge}))).unwrap();
    assert!(check_immutable(&strict, &with_badge("1"), &with_badge("1")).is_ok());
    assert!(check_immutable(&strict, &with_badge(""), &with_badge("1")).is_ok());
    assert_eq!(
        check_immutable(&strict, &with_badge("1"), &with_badge("2")).unwrap_err().scim_type,
        Some(ScimType::Mutability)
    );
    strict.extensions[0].required = true;
    assert!(
        accept(&strict, user(json!({}))).is_err()
            && accept(&strict, user(json!({ENTERPRISE_URN: {"department": "d"}}))).is_ok()
    );
}

#[test]
fn a_finished_resource_carries_id_and_meta() {
    let mut resource = accept(schemas::user(), user(json!({}))).unwrap();
    let created: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let meta = Meta {
        created,
        last_modified: created,
        location: "https://x/Users/1".to_owned(),
        version: Some("W/\"1\"".to_owned()),
    };
    finish(schemas::user(), &mut resource, "1", &meta);
    assert_eq!(
        Value::Object(resource),
        json!({
            "schemas": [USER_URN], "id": "1", "userName": "a",
            "meta": {"resourceType": "User", "created": "2026-01-01T00:00:00Z", "lastModified": "2026-01-01T00:00:00Z", "location": "https://x/Users/1", "version": "W/\"1\""},
        })
    );
}
