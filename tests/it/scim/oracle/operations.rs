//! PATCH operations as the RFC has them and as clients really send them.

use musterd::scim::schemas;
use serde_json::{Map, Value, json};

use super::Kind;
use super::people::{
    ENTERPRISE, IDS, IN_ENTERPRISE, LISTS, MAILS, NAMES, NUMBERS, TEXTS, TYPES, WORDS, chance, element, elements, one,
};
use crate::harness::dice::Dice;

/// The operations of one message.
pub(super) fn message(dice: &Dice, kind: Kind) -> Vec<Value> {
    let count = dice.number(1..5);
    (0..count).map(|_| operation(dice, kind)).collect()
}

fn operation(dice: &Dice, kind: Kind) -> Value {
    let op = one(dice, &["add", "replace", "remove", "Add", "Replace", "Remove", "replace", "add"]);
    let op = if op == "Add" && chance(dice, 20) { "ADD" } else { op };
    let removes = op.eq_ignore_ascii_case("remove");
    if chance(dice, 15) && !removes {
        let mut operation = json!({"op": op, "value": without_path(dice, kind)});
        if chance(dice, 10) {
            operation["path"] = json!("");
        }
        return operation;
    }
    let (path, value) = match kind {
        Kind::User => for_user(dice),
        Kind::Group => for_group(dice),
    };
    let path = if chance(dice, 6) { respelled(dice, &path) } else { path };
    let names_values = removes && path.ends_with('s') && !path.contains('.') && chance(dice, 50);
    if removes && !names_values {
        json!({"op": op, "path": path})
    } else {
        json!({"op": op, "path": path, "value": value})
    }
}

/// The same name in other letters.
fn respelled(dice: &Dice, path: &str) -> String {
    if path.contains('"') {
        return path.replacen("emails", "Emails", 1).replacen("].value", "].VALUE", 1);
    }
    if chance(dice, 50) { path.to_lowercase() } else { path.to_uppercase() }
}

fn for_user(dice: &Dice) -> (String, Value) {
    let (path, value) = match dice.number(0..22) {
        0..3 => (one(dice, TEXTS).to_owned(), text(dice)),
        3 => ("active".to_owned(), flag(dice)),
        4 => ("userName".to_owned(), text(dice)),
        5 => (format!("name.{}", one(dice, NAMES)), text(dice)),
        6 => ("name".to_owned(), name(dice)),
        7..9 => in_enterprise(dice),
        9..12 => {
            let list = one(dice, LISTS);
            (list.to_owned(), list_value(dice, list))
        }
        12..18 => selected(dice),
        18 => {
            let list = one(dice, LISTS);
            let (part, value) = part(dice, list);
            (format!("{list}.{part}"), value)
        }
        19 => manager(dice),
        _ => odd(dice),
    };
    let is_plain = !path.contains(':');
    if is_plain && chance(dice, 10) { (format!("{}:{path}", schemas::USER_URN), value) } else { (path, value) }
}

fn for_group(dice: &Dice) -> (String, Value) {
    let id = one(dice, IDS);
    match dice.number(0..10) {
        0..4 => ("members".to_owned(), members(dice)),
        4..6 => (format!("members[value eq \"{id}\"]"), json!([{"value": id}])),
        6 => ("displayName".to_owned(), text(dice)),
        7 => ("externalId".to_owned(), text(dice)),
        8 => (format!("{}:members", schemas::GROUP_URN), members(dice)),
        _ => (one(dice, &["members.value", "id", "nonsense", "members[value eq \"u1\"].type"]).to_owned(), json!("u2")),
    }
}

fn members(dice: &Dice) -> Value {
    match dice.number(0..8) {
        0 => json!({"value": one(dice, IDS)}),
        1 => json!([{"$ref": null, "value": one(dice, IDS)}]),
        2 => json!([]),
        _ => json!(elements(dice, "members", 3)),
    }
}

fn text(dice: &Dice) -> Value {
    match dice.number(0..20) {
        0 => json!(""),
        1 => json!(null),
        2 => json!([{"value": one(dice, WORDS)}]),
        3 => json!([{"$ref": null, "value": one(dice, WORDS)}]),
        4 => json!(7),
        5 => json!({"value": one(dice, WORDS)}),
        6 => json!([]),
        _ => json!(one(dice, WORDS)),
    }
}

fn flag(dice: &Dice) -> Value {
    dice.pick(&[json!(true), json!(false), json!("True"), json!("False"), json!("false"), json!(""), json!("maybe")])
        .unwrap()
}

fn name(dice: &Dice) -> Value {
    let mut made = json!({});
    for part in NAMES {
        if chance(dice, 40) {
            made[*part] = text(dice);
        }
    }
    match dice.number(0..12) {
        0 => json!(""),
        1 => json!(null),
        2 => json!("Ada Lovelace"),
        3 => json!({"GivenName": one(dice, WORDS), "nonsense": 1}),
        _ => made,
    }
}

fn manager(dice: &Dice) -> (String, Value) {
    let path = dice.pick(&[
        format!("{ENTERPRISE}:manager"),
        format!("{ENTERPRISE}:manager.value"),
        "manager".to_owned(),
        "manager.value".to_owned(),
        format!("{ENTERPRISE}:manager.$ref"),
    ]);
    let id = one(dice, IDS);
    let value = dice.pick(&[
        json!(id),
        json!({"value": id}),
        json!({"value": id, "displayName": "Boss"}),
        json!([{"value": id}]),
        json!([{"$ref": null, "value": id}]),
        json!(""),
        json!(null),
        json!({"value": ""}),
    ]);
    (path.unwrap(), value.unwrap())
}

fn in_enterprise(dice: &Dice) -> (String, Value) {
    let name = one(dice, IN_ENTERPRISE);
    match dice.number(0..8) {
        0 => (ENTERPRISE.to_owned(), extension(dice)),
        1..3 => (name.to_owned(), text(dice)),
        _ => (format!("{ENTERPRISE}:{name}"), text(dice)),
    }
}

fn extension(dice: &Dice) -> Value {
    let mut made = json!({});
    for name in IN_ENTERPRISE {
        if chance(dice, 40) {
            made[*name] = text(dice);
        }
    }
    if chance(dice, 30) {
        made["manager"] = manager(dice).1;
    }
    if chance(dice, 10) { json!(null) } else { made }
}

fn list_value(dice: &Dice, list: &str) -> Value {
    match dice.number(0..14) {
        0 => json!([]),
        1 => json!(null),
        2 => json!(""),
        3 => element(dice, list),
        4 => json!(one(dice, WORDS)),
        5 => json!([one(dice, MAILS)]),
        6 => json!([{"VALUE": one(dice, WORDS), "Type": "work", "nonsense": true}]),
        7 => json!([{"value": one(dice, WORDS), "primary": "True"}]),
        8 => json!([{"value": "", "type": "work"}, element(dice, list)]),
        9 => json!([{"value": "a", "primary": true}, {"value": "b", "primary": true}]),
        _ => json!(elements(dice, list, 3)),
    }
}

/// A part of a list's elements, with a value for it.
fn part(dice: &Dice, list: &str) -> (&'static str, Value) {
    match dice.number(0..8) {
        0 => ("type", json!(one(dice, TYPES))),
        1 => ("primary", flag(dice)),
        2 if list != "addresses" => ("display", text(dice)),
        _ if list == "addresses" => (one(dice, &["streetAddress", "country"]), text(dice)),
        _ if list == "emails" => ("value", json!(one(dice, MAILS))),
        _ => ("value", text(dice)),
    }
}

/// A path with a value filter.
fn selected(dice: &Dice) -> (String, Value) {
    let list = one(dice, LISTS);
    let kind = one(dice, TYPES);
    let value = one(dice, if list == "emails" { MAILS } else { NUMBERS });
    let filter = match dice.number(0..22) {
        0..7 => format!("type eq \"{kind}\""),
        18..22 if !["emails", "addresses", "phoneNumbers"].contains(&list) => {
            format!("value eq {}", json!(one(dice, &["back\\slash", "back\\slash", "Ada", "a \"b\" c"])))
        }
        16..22 if list == "phoneNumbers" => format!("value eq \"{value}\""),
        7 => "primary eq true".to_owned(),
        8 => "primary eq \"True\"".to_owned(),
        9 => format!("type eq \"{kind}\" and primary eq true"),
        10 if list != "addresses" => format!("value eq \"{value}\""),
        11 if list != "addresses" => format!("value co \"{value}\""),
        12 => format!("type ne \"{kind}\""),
        13 => format!("not (type eq \"{kind}\")"),
        14 => "TYPE EQ \"work\"".to_owned(),
        _ => format!("type pr and type sw \"{}\"", &kind[..1]),
    };
    if chance(dice, 25) {
        let value = match dice.number(0..5) {
            0 => json!(one(dice, WORDS)),
            1 => json!([element(dice, list)]),
            2 => json!({"value": one(dice, WORDS)}),
            _ => element(dice, list),
        };
        return (format!("{list}[{filter}]"), value);
    }
    let (part, value) = part(dice, list);
    (format!("{list}[{filter}].{part}"), value)
}

/// Paths that are wrong, or the server's own.
fn odd(dice: &Dice) -> (String, Value) {
    let path = one(
        dice,
        &[
            "nonsense",
            "id",
            "groups",
            "meta.created",
            "emails[type eq \"work\"",
            "emails[type eq].value",
            "title[value eq \"x\"]",
            "title[value eq \"x\"]",
            "emails[primary gt true].value",
            "roles[primary gt true].value",
            "ims[primary gt true]",
            "urn:example:other:1.0:User:thing",
            "manager.displayName",
            "name.nonsense",
        ],
    );
    (path.to_owned(), json!(one(dice, WORDS)))
}

/// The value of an operation without a path.
fn without_path(dice: &Dice, kind: Kind) -> Value {
    let mut made = Map::new();
    for _ in 0..dice.number(1..4) {
        let (name, value) = match (kind, dice.number(0..12)) {
            (_, 0) => ("id".to_owned(), json!("sent-along")),
            (_, 1) => ("nonsense".to_owned(), json!(1)),
            (_, 2) => ("externalId".to_owned(), text(dice)),
            (Kind::Group, 3..7) => ("members".to_owned(), members(dice)),
            (Kind::Group, _) => ("displayName".to_owned(), json!(one(dice, WORDS))),
            (Kind::User, 3) => (ENTERPRISE.to_owned(), extension(dice)),
            (Kind::User, 4) => (schemas::USER_URN.to_owned(), json!({"title": text(dice), "nickName": text(dice)})),
            (Kind::User, 5) => {
                let list = one(dice, LISTS);
                (list.to_owned(), list_value(dice, list))
            }
            (Kind::User, 6) => ("name".to_owned(), name(dice)),
            (Kind::User, 7) => odd(dice),
            (Kind::User, _) => for_user(dice),
        };
        made.insert(name, value);
    }
    if chance(dice, 3) { json!("Ada") } else { Value::Object(made) }
}
