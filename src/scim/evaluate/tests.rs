//! What this module promises, as tables.

use serde_json::json;

use super::*;
use crate::scim::filter::parse;
use crate::scim::schema::{ResourceType, Schema};
use crate::scim::schemas::{self, ENTERPRISE_URN, USER_URN};
use crate::scim::{Resource, ScimType};

fn person() -> Resource {
    let person = json!({
        "schemas": [USER_URN, ENTERPRISE_URN], "id": "AbC", "externalId": "Ext", "userName": "Ümit", "active": true, "title": "",
        "name": {"familyName": "Öz", "givenName": "Ümit"},
        "emails": [{"value": "U@Work.x", "type": "work", "primary": true}, {"value": "u@home.x", "type": "home"}],
        "x509Certificates": [{"value": "aGk="}],
        "meta": {"resourceType": "User", "created": "2020-01-01T12:00:00+02:00", "lastModified": "2020-06-01T00:00:00.5Z"},
        ENTERPRISE_URN: {"department": "R&D", "employeeNumber": "42", "manager": {"value": "m1"}},
    });
    person.as_object().unwrap().clone()
}

#[test]
fn matching_follows_types_case_and_presence() {
    let yes = [
        "userName eq \"üMIT\"",
        "USERNAME sw \"üm\"",
        "name.familyName ew \"Z\"",
        "id eq \"AbC\"",
        "externalId eq \"Ext\"",
        "externalId eq \"EXT\" or id eq \"AbC\"",
        "active eq true",
        "active eq \"True\"",
        "active ne \"FALSE\"",
        "title eq null",
        "not (title pr)",
        "nickName eq null",
        "userName ne null",
        "nickName ne \"x\"",
        "name pr",
        "emails pr",
        "emails co \"@work\"",
        "emails.value eq \"u@work.X\"",
        "emails[type eq \"work\" and value eq \"u@work.x\"]",
        "emails.type eq \"work\" and emails.value co \"home\"",
        "emails[type eq \"work\"].value eq \"u@work.x\"",
        "emails[primary eq \"True\"]",
        "emails[primary eq false].value co \"home\"",
        "emails.primary eq false",
        "not (emails[type eq \"work\" and value co \"home\"])",
        "emails.type ne \"work\"",
        "meta.created eq \"2020-01-01T10:00:00Z\"",
        "meta.created lt \"2020-01-01T11:00:00Z\"",
        "meta.lastModified gt \"2020-06-01T00:00:00Z\"",
        "meta.lastModified sw \"2020-06\"",
        "meta.resourceType eq \"User\"",
        "schemas eq \"urn:ietf:params:scim:schemas:core:2.0:User\"",
        "urn:ietf:params:scim:schemas:core:2.0:User:userName pr",
        "id eq \"AbC\" and manager eq \"m1\"",
        "manager.value eq \"M1\" or department eq \"r&d\"",
        "URN:ietf:params:scim:schemas:extension:ENTERPRISE:2.0:User:Manager.Value eq \"m1\"",
        "employeeNumber eq 42",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User pr",
        "x509Certificates eq \"aGk=\"",
        "userName gt \"a\"",
        "unknown.thing ne \"x\"",
        "not (urn:nobody:x eq 1)",
    ];
    let no = [
        "id eq \"abc\"",
        "externalId eq \"EXT\"",
        "active eq false",
        "title pr",
        "unknown pr",
        "unknown eq \"x\"",
        "unknown[a eq 1]",
        "userName eq null",
        "emails[type eq \"work\" and value co \"home\"]",
        "emails[type eq \"other\"].value pr",
        "name.middleName pr",
        "nickName lt \"z\"",
        "userName.value eq \"x\"",
        "groups pr",
        "x509Certificates co \"AGK\"",
    ];
    for (filters, expected) in [(yes.as_slice(), true), (no.as_slice(), false)] {
        for text in filters {
            let found = matches(&parse(text).unwrap(), &person(), schemas::user());
            assert_eq!(found, Ok(expected), "{text}");
        }
    }
}

#[test]
fn comparisons_a_type_does_not_allow_are_invalid_filter() {
    for text in [
        "active gt true",
        "active le false",
        "emails.primary gt true",
        "emails[primary ge true]",
        "x509Certificates.value lt \"a\"",
        "active eq \"maybe\"",
        "active co \"tr\"",
        "meta.created gt \"yesterday\"",
        "meta.created gt \"2020-01-01\"",
        "userName gt null",
        "name eq \"x\"",
        "userName[value eq \"x\"]",
        "unknown gt null",
    ] {
        let error = matches(&parse(text).unwrap(), &person(), schemas::user()).expect_err(text);
        assert_eq!(error.scim_type, Some(ScimType::InvalidFilter), "{text}");
    }
}

#[test]
fn a_password_cannot_be_probed() {
    for text in [
        "password eq \"x\"",
        "PASSWORD pr",
        "not (password sw \"a\")",
        "userName pr or urn:ietf:params:scim:schemas:core:2.0:User:password pr",
    ] {
        let error = matches(&parse(text).unwrap(), &person(), schemas::user()).expect_err(text);
        assert_eq!((error.status, error.scim_type), (403, Some(ScimType::Sensitive)), "{text}");
    }
}

#[test]
fn other_records_are_searched_with_their_own_description() {
    let attributes = vec![
        Attribute::text("state", ""),
        Attribute::new(AttributeType::Integer, "revision", ""),
        Attribute::new(AttributeType::Decimal, "score", ""),
        Attribute::text("tags", "").many(),
    ];
    let base = Schema { id: "urn:musterd:admin:User", name: "Admin", description: "", attributes };
    let admin = ResourceType {
        name: "User",
        endpoint: "/users",
        description: "",
        common: Vec::new(),
        base,
        extensions: Vec::new(),
    };
    let record = json!({"state": "Disabled", "revision": 9_007_199_254_740_993_u64, "score": 1.5, "tags": ["A", "b"]});
    let cases = [
        ("state eq \"disabled\"", true),
        ("revision gt 9007199254740992", true),
        ("revision eq 9007199254740992", false),
        ("score ge 1.5", true),
        ("score lt 1", false),
        ("revision eq \"9007199254740993\"", true),
        ("tags eq \"B\"", true),
        ("tags ne \"a\"", true),
    ];
    for (text, expected) in cases {
        assert_eq!(matches(&parse(text).unwrap(), record.as_object().unwrap(), &admin), Ok(expected), "{text}");
    }
}

#[test]
fn every_filter_the_parser_takes_can_be_bound() {
    let mut text = "a pr".to_owned();
    for _ in 0..32 {
        text = format!("not (b pr and c pr or {text})");
    }
    assert!(Matcher::new(&parse(&text).unwrap(), schemas::user()).is_ok());
}
