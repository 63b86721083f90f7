//! Users to resources and back.

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::base::id::{SourceId, UserId};
use crate::base::rng::Rng;
use crate::directory::audit::Actor;
use crate::directory::user::NewUser;

fn wish(body: Value) -> Result<Wish, ScimError> {
    Wish::read(body.as_object().unwrap().clone())
}

fn user(body: Value) -> User {
    let wish = wish(body).unwrap();
    let new = NewUser {
        id: UserId::new(Timestamp::UNIX_EPOCH, &Rng::seeded(1)),
        username: wish.username.clone(),
        name: wish.name.clone(),
        source: SourceId::parse("okta").unwrap(),
        rest: wish.change(),
        disabled: None,
    };
    new.build(Actor::Anonymous, Timestamp::UNIX_EPOCH, None)
}

fn shown(user: User) -> Value {
    let mut resource = show_user(user, Vec::new(), "https://x/scim/v2", crate::scim::schemas::user());
    resource.retain(|name, _| !["id", "meta", "schemas", "active"].contains(&name.as_str()));
    Value::Object(resource)
}

#[test]
fn the_name_to_show_is_the_first_that_is_one() {
    let cases = [
        (json!({"displayName": "D", "name": {"formatted": "F"}}), "D"),
        (json!({"name": {"formatted": "F", "givenName": "G"}}), "F"),
        (json!({"name": {"givenName": "G", "familyName": "N"}}), "G N"),
        (json!({"name": {"familyName": "N"}}), "N"),
        (json!({"displayName": "a\nb", "name": {"middleName": "M"}}), "u"),
        (json!({}), "u"),
    ];
    for (mut body, expected) in cases {
        body["userName"] = json!("u");
        assert_eq!(user(body.clone()).name.as_str(), expected, "{body}");
    }
}

#[test]
fn the_primary_address_speaks_for_the_list_else_the_first_with_a_value() {
    let cases = [
        (json!([{"value": "a@x.org"}, {"value": "b@x.org", "primary": true}]), Some("b@x.org")),
        (json!([{"type": "work"}, {"value": "a@x.org", "primary": false}]), Some("a@x.org")),
        (json!([]), None),
    ];
    for (emails, expected) in cases {
        let user = user(json!({"userName": "u", "emails": emails}));
        assert_eq!(user.email.as_ref().map(Email::as_str), expected);
    }
    assert!(wish(json!({"userName": "u", "emails": [{"value": "x"}]})).is_err());
}

#[test]
fn numbers_are_typed_where_they_are_numbers_and_kept_as_sent_where_not() {
    for (sent, typed) in [
        ("+31 20 1234567", Some("+31201234567")),
        ("TEL:+31-20-1234567", Some("+31201234567")),
        ("020 1234567", None),
        ("tel:x", None),
        ("é", None),
    ] {
        let body = json!({"userName": "u", "phoneNumbers": [{"value": sent}]});
        let user = user(body.clone());
        assert_eq!(user.phone.as_ref().map(Phone::as_str), typed, "{sent}");
        assert_eq!(shown(user)["phoneNumbers"], body["phoneNumbers"], "{sent}");
    }
}

#[test]
fn what_was_sent_comes_back_and_secrets_are_not_kept() {
    let body = json!({
        "userName": " u ", "externalId": "e", "title": "T", "name": {"givenName": "G"},
        "emails": [{"value": "A@X.org", "type": "work"}],
    });
    let mut sent = body.clone();
    sent["password"] = json!("secret");
    sent["id"] = json!("forged");
    sent["groups"] = json!([{"value": "admins"}]);
    let user = user(sent);
    assert!(!serde_json::to_string(&user).unwrap().contains("secret"));
    let mut found = shown(user);
    assert_eq!(found.as_object_mut().unwrap().remove("displayName"), None);
    assert_eq!(found, body);
}

#[test]
fn a_field_that_was_changed_since_takes_the_place_of_what_was_sent() {
    let changed = |change: fn(&mut User)| {
        let mut user = user(json!({
            "userName": " u", "name": {"formatted": "F"},
            "emails": [{"value": "a@x.org", "type": "work", "primary": true}, {"value": "b@x.org"}],
            "phoneNumbers": [{"value": "nonsense"}],
        }));
        change(&mut user);
        shown(user)
    };
    assert_eq!(changed(|user| user.username = Username::parse("v").unwrap())["userName"], "v");
    assert_eq!(changed(|user| user.name = DisplayName::parse("N").unwrap())["displayName"], "N");
    assert_eq!(changed(|user| user.email = None)["emails"], json!([{"value": "b@x.org"}]));
    let moved = changed(|user| user.email = Email::parse("c@x.org").ok());
    assert_eq!(moved["emails"][0], json!({"value": "c@x.org", "type": "work", "primary": true}));
    let called = changed(|user| user.phone = Phone::parse("+31201234567").ok());
    assert_eq!(called["phoneNumbers"], json!([{"value": "+31201234567"}]));
}
