//! What this module promises, as tables.

use serde_json::json;

use super::super::{PATCH_URN, parse};
use super::*;
use crate::scim::ScimType;

fn split(operation: Value) -> Result<(Vec<MemberChange>, Vec<Operation>), ScimError> {
    split_members(&parse(json!({"schemas": [PATCH_URN], "Operations": [operation]})).unwrap())
}

fn named(ids: &[&str]) -> Vec<Member> {
    ids.iter().map(|id| Member { value: (*id).to_owned(), kind: None, display: None }).collect()
}

fn ids(ids: &[&str]) -> Vec<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

#[test]
fn every_way_to_write_members_becomes_a_change() {
    let urn = format!("{GROUP_URN}:Members");
    let cases = [
        (
            json!({"op": "Add", "path": "members", "value": [{"$ref": null, "value": "1"}]}),
            vec![MemberChange::Add(named(&["1"]))],
        ),
        (json!({"op": "add", "path": urn, "value": {"value": "1"}}), vec![MemberChange::Add(named(&["1"]))]),
        (json!({"op": "add", "path": "MEMBERS", "value": ["1", "2"]}), vec![MemberChange::Add(named(&["1", "2"]))]),
        (json!({"op": "add", "path": "members", "value": "1"}), vec![MemberChange::Add(named(&["1"]))]),
        (json!({"op": "add", "value": {"members": [{"value": "1"}]}}), vec![MemberChange::Add(named(&["1"]))]),
        (
            json!({"op": "replace", "value": {GROUP_URN: {"members": [{"value": "1"}]}}}),
            vec![MemberChange::Replace(named(&["1"]))],
        ),
        (
            json!({"op": "replace", "path": GROUP_URN, "value": {"members": []}}),
            vec![MemberChange::Replace(named(&[]))],
        ),
        (
            json!({"op": "Remove", "path": "members", "value": [{"value": "1"}, {"value": "9"}]}),
            vec![MemberChange::Remove(ids(&["1", "9"]))],
        ),
        (json!({"op": "remove", "path": "members", "value": []}), vec![MemberChange::Remove(ids(&[]))]),
        (json!({"op": "remove", "path": "members"}), vec![MemberChange::RemoveAll]),
        (json!({"op": "remove", "path": "members[value eq \"1\"]"}), vec![MemberChange::Remove(ids(&["1"]))]),
        (
            json!({"op": "remove", "path": "members[value eq \"1\" or value eq \"2\"]"}),
            vec![MemberChange::Remove(ids(&["1", "2"]))],
        ),
        (
            json!({"op": "add", "path": "members[value eq \"1\"]", "value": {"value": "1"}}),
            vec![MemberChange::Add(named(&["1"]))],
        ),
        (
            json!({"op": "replace", "path": "members[value eq \"1\"]", "value": {"value": "2"}}),
            vec![MemberChange::Remove(ids(&["1"])), MemberChange::Add(named(&["2"]))],
        ),
        (json!({"op": "replace", "path": "members", "value": null}), vec![MemberChange::Replace(named(&[]))]),
        (json!({"op": "add", "path": "members", "value": null}), vec![]),
    ];
    for (operation, expected) in cases {
        assert_eq!(split(operation.clone()), Ok((expected, Vec::new())), "{operation}");
    }
}

#[test]
fn other_attributes_stay_for_the_ordinary_patch() {
    let (changes, rest) =
        split(json!({"op": "replace", "value": {"id": "x", "displayName": "G", "members": [{"value": "1"}]}})).unwrap();
    assert_eq!(changes, [MemberChange::Replace(named(&["1"]))]);
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0].value, Some(json!({"id": "x", "displayName": "G"})));
    let (changes, rest) = split(json!({"op": "replace", "path": "displayName", "value": "G"})).unwrap();
    assert!(changes.is_empty() && rest.len() == 1);
}

#[test]
fn the_kind_comes_from_type_or_reference() {
    let read = |member: Value| read_members(Some(&json!([member]))).map(|mut found| found.remove(0).kind);
    assert_eq!(read(json!({"value": "1", "type": "group"})), Ok(Some(MemberKind::Group)));
    assert_eq!(read(json!({"value": "1", "$ref": "https://x/v2/Users/1"})), Ok(Some(MemberKind::User)));
    assert_eq!(read(json!({"value": "1", "$ref": "../Groups/1"})), Ok(Some(MemberKind::Group)));
    assert_eq!(read(json!({"value": "1"})), Ok(None));
    assert!(read(json!({"value": "1", "type": "Robot"})).is_err());
}

#[test]
fn what_cannot_be_split_is_refused() {
    let cases = [
        (json!({"op": "add", "path": "members", "value": [{"display": "x"}]}), ScimType::InvalidValue),
        (json!({"op": "add", "path": "members", "value": [1]}), ScimType::InvalidValue),
        (json!({"op": "remove", "path": "members", "value": ""}), ScimType::InvalidValue),
        (json!({"op": "replace", "path": "members[value eq \"1\"].display", "value": "x"}), ScimType::Mutability),
        (json!({"op": "remove", "path": "members.value"}), ScimType::Mutability),
        (json!({"op": "remove", "path": "members[display eq \"x\"]"}), ScimType::InvalidFilter),
    ];
    for (operation, expected) in cases {
        assert_eq!(split(operation.clone()).unwrap_err().scim_type, Some(expected), "{operation}");
    }
}
