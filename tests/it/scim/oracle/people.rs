//! Made-up users and groups: few different values, so that they meet one another.

use musterd::scim::{Resource, resource, schemas};
use serde_json::{Value, json};

use crate::harness::dice::Dice;

pub(super) const ENTERPRISE: &str = schemas::ENTERPRISE_URN;
pub(super) const MAILS: &[&str] = &["ada@example.org", "Ada@Example.org", "bob@x.example", "eve+1@example.org"];
pub(super) const NUMBERS: &[&str] = &["+49 30 1", "+49 30 2", "tel:+1-201-555-0123"];
pub(super) const TYPES: &[&str] = &["work", "home", "other", "Work"];
pub(super) const WORDS: &[&str] =
    &["Ada", "ada", "Lovelace", "Ø", "a \"b\" c", "O'Neill", "back\\slash", "ß", "7", "x.y"];
pub(super) const IDS: &[&str] = &["u1", "u2", "u3", "U1", "g1"];
pub(super) const TEXTS: &[&str] = &["displayName", "nickName", "title", "userType", "locale", "externalId", "timezone"];
pub(super) const NAMES: &[&str] = &["givenName", "familyName", "middleName", "formatted"];
pub(super) const LISTS: &[&str] = &["emails", "phoneNumbers", "roles", "addresses", "ims", "entitlements"];
pub(super) const IN_ENTERPRISE: &[&str] = &["department", "costCenter", "division", "employeeNumber"];
pub(super) const TIMES: &[&str] =
    &["2026-01-01T00:00:00Z", "2026-01-01T01:00:00+01:00", "2026-01-01T00:00:00.5Z", "2026-06-30T12:00:00Z"];

pub(super) fn one(dice: &Dice, among: &[&'static str]) -> &'static str {
    dice.pick(among).unwrap()
}

/// So many times in a hundred.
pub(super) fn chance(dice: &Dice, percent: u64) -> bool {
    dice.number(0..100) < percent
}

/// One value of a list.
pub(super) fn element(dice: &Dice, list: &str) -> Value {
    let mut made = match list {
        "addresses" => json!({"streetAddress": one(dice, WORDS), "country": one(dice, &["DE", "de", "GB"])}),
        "emails" => json!({"value": one(dice, MAILS)}),
        "phoneNumbers" => json!({"value": one(dice, NUMBERS)}),
        "members" => return json!({"value": one(dice, IDS)}),
        _ => json!({"value": one(dice, WORDS)}),
    };
    if chance(dice, 70) {
        made["type"] = json!(one(dice, TYPES));
    }
    if chance(dice, 30) {
        made["primary"] = json!(chance(dice, 60));
    }
    if chance(dice, 20) && list != "addresses" {
        made["display"] = json!(one(dice, WORDS));
    }
    made
}

/// A list in which one value at most is primary.
pub(super) fn elements(dice: &Dice, list: &str, most: u64) -> Vec<Value> {
    let mut made: Vec<Value> = (0..dice.number(0..most + 1)).map(|_| element(dice, list)).collect();
    let mut has_primary = false;
    for one in &mut made {
        if one["primary"] == true {
            if has_primary {
                one["primary"] = json!(false);
            }
            has_primary = true;
        }
    }
    made
}

/// A user in the form that `create` stores.
pub(super) fn user(dice: &Dice) -> Value {
    let mut made = json!({"schemas": [schemas::USER_URN, ENTERPRISE], "userName": one(dice, MAILS)});
    for text in TEXTS {
        if chance(dice, 35) {
            made[*text] = json!(one(dice, WORDS));
        }
    }
    if chance(dice, 70) {
        made["active"] = json!(chance(dice, 60));
    }
    for part in NAMES {
        if chance(dice, 40) {
            made["name"][*part] = json!(one(dice, WORDS));
        }
    }
    for list in LISTS {
        if chance(dice, 50) {
            made[*list] = json!(elements(dice, list, 3));
        }
    }
    if chance(dice, 60) {
        made[ENTERPRISE] = json!({});
        for text in IN_ENTERPRISE {
            if chance(dice, 40) {
                made[ENTERPRISE][*text] = json!(one(dice, WORDS));
            }
        }
        if chance(dice, 40) {
            made[ENTERPRISE]["manager"] = json!({"value": one(dice, IDS), "$ref": "../Users/u1"});
        }
    }
    finish(dice, schemas::user(), made)
}

pub(super) fn group(dice: &Dice) -> Value {
    let mut made = json!({"schemas": [schemas::GROUP_URN], "displayName": one(dice, WORDS)});
    let mut members = elements(dice, "members", 4);
    members.dedup();
    if chance(dice, 80) {
        made["members"] = json!(members);
    }
    if chance(dice, 30) {
        made["externalId"] = json!(one(dice, WORDS));
    }
    finish(dice, schemas::group(), made)
}

fn finish(dice: &Dice, kind: &musterd::scim::schema::ResourceType, made: Value) -> Value {
    let mut resource: Resource = resource::accept(kind, made).unwrap();
    let meta = resource::Meta {
        created: one(dice, TIMES).parse().unwrap(),
        last_modified: one(dice, TIMES).parse().unwrap(),
        location: "https://id.example/scim/v2/x".to_owned(),
        version: None,
    };
    resource::finish(kind, &mut resource, one(dice, IDS), &meta);
    Value::Object(resource)
}
