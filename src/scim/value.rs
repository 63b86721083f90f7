//! Turning one client value into the canonical form its attribute asks for (RFC 7643 §2.3, §2.4, §2.5).
//!
//! Owns type checks, the coercions clients need (boolean strings, bare strings for complex values) and the
//! meaning of "no value". Refuses to repeat a value in an error: only the attribute is named.

use std::collections::HashMap;

use data_encoding::{BASE64, BASE64_NOPAD};
use jiff::{Timestamp, civil, tz::TimeZone};
use serde_json::{Map, Value};

use super::error::{ScimError, excerpt};
use super::schema::{Attribute, AttributeType, Mutability};

/// The canonical form of `value`, or `None` when it means "no value": null, `[]`, `""`, an empty object (RFC 7643 §2.5).
pub(super) fn canonical(
    attribute: &Attribute,
    parent: Option<&Attribute>,
    value: Value,
) -> Result<Option<Value>, ScimError> {
    if !attribute.multi_valued {
        return single(attribute, parent, value);
    }
    match value {
        Value::Array(items) => many(attribute, parent, items),
        Value::Null => Ok(None),
        one @ Value::Object(_) if attribute.kind == AttributeType::Complex => many(attribute, parent, vec![one]),
        _ => Err(wrong(attribute, parent, "takes an array")),
    }
}

/// One value of `attribute`, also of a multi-valued one.
pub(super) fn single(
    attribute: &Attribute,
    parent: Option<&Attribute>,
    value: Value,
) -> Result<Option<Value>, ScimError> {
    if is_empty(&value) {
        return Ok(None);
    }
    match attribute.kind {
        AttributeType::Complex => complex(attribute, value),
        AttributeType::String if value.is_string() => Ok(Some(value)),
        AttributeType::String => Err(wrong(attribute, parent, "takes a string")),
        AttributeType::Boolean => match as_boolean(&value) {
            Some(flag) => Ok(Some(Value::Bool(flag))),
            None => Err(wrong(attribute, parent, "takes true or false")),
        },
        AttributeType::Integer if value.is_i64() || value.is_u64() => Ok(Some(value)),
        AttributeType::Integer => Err(wrong(attribute, parent, "takes an integer without fraction or exponent")),
        AttributeType::Decimal if value.is_number() => Ok(Some(value)),
        AttributeType::Decimal => Err(wrong(attribute, parent, "takes a number")),
        AttributeType::DateTime => {
            let hint = "takes a date and time such as 2026-01-31T08:00:00Z";
            formatted(attribute, parent, value, |text| parse_date_time(text).is_some(), hint)
        }
        AttributeType::Binary => formatted(attribute, parent, value, is_base64, "takes base64"),
        AttributeType::Reference => formatted(attribute, parent, value, is_uri, "takes a URI"),
    }
}

/// The attribute's full name for an error.
pub(super) fn label(attribute: &Attribute, parent: Option<&Attribute>) -> String {
    match parent {
        Some(parent) => format!("{}.{}", parent.name, attribute.name),
        None => attribute.name.to_owned(),
    }
}

/// Whether a value means "no value" (RFC 7643 §2.5); an object does when all its members do.
pub(super) fn is_empty(value: &Value) -> bool {
    let hollow = |value: &Value| match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    };
    match value {
        Value::Object(members) => members.values().all(hollow),
        other => hollow(other),
    }
}

/// A boolean, or the word for one in any case: Entra sends `"False"`.
pub(super) fn as_boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

/// An xsd:dateTime (RFC 7643 §2.3.5); without an offset it counts as UTC.
pub(super) fn parse_date_time(text: &str) -> Option<Timestamp> {
    let shaped = text.chars().nth(10) == Some('T')
        && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '-' | ':' | '.' | 'T' | 'Z' | '+'))
        && text.matches(':').count() >= 2;
    if !shaped {
        return None;
    }
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Some(instant);
    }
    let local: civil::DateTime = text.parse().ok()?;
    Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

/// At most one value of a list is primary (RFC 7643 §2.4).
pub(super) fn check_one_primary(attribute: &Attribute, items: &[Value]) -> Result<(), ScimError> {
    if items.iter().filter(|item| is_primary(item)).count() > 1 {
        let detail = format!("{}: more than one value has primary true; mark one", attribute.name);
        return Err(ScimError::invalid_value(detail));
    }
    Ok(())
}

/// Whether the element carries `primary: true`.
pub(super) fn is_primary(item: &Value) -> bool {
    item.get("primary") == Some(&Value::Bool(true))
}

/// Each value once: one that is there already gives the first what that has not, and its primary (RFC 7643 §2.4).
pub(super) fn distinct(attribute: &Attribute, items: Vec<Value>) -> Vec<Value> {
    let mut positions: HashMap<String, usize> = HashMap::with_capacity(items.len());
    let mut kept: Vec<Value> = Vec::with_capacity(items.len());
    for item in items {
        let position = *positions.entry(identity(attribute, &item)).or_insert(kept.len());
        match (kept.get_mut(position), item) {
            (None, item) => kept.push(item),
            (Some(Value::Object(first)), Value::Object(members)) if !is_added_whole(attribute) => {
                for (name, part) in members {
                    if name == "primary" && part == Value::Bool(true) {
                        first.insert(name, part);
                    } else {
                        first.entry(name).or_insert(part);
                    }
                }
            }
            _ => {}
        }
    }
    kept
}

/// What makes an element the same one: its value and type; of members the value alone; else all of it.
pub(super) fn identity(attribute: &Attribute, item: &Value) -> String {
    let Some(value) = item.get("value") else { return item.to_string() };
    let value = folded(attribute, "value", value);
    if is_added_whole(attribute) {
        return format!("value {value}");
    }
    let kind = item.get("type").map(|kind| folded(attribute, "type", kind));
    format!("value {value} type {}", kind.unwrap_or_default())
}

/// A part of an element as it compares.
pub(super) fn folded(attribute: &Attribute, part: &str, value: &Value) -> String {
    let exact = attribute.sub_attribute(part).is_none_or(|sub| sub.case_exact);
    if exact { value.to_string() } else { value.to_string().to_lowercase() }
}

/// Whether elements are added and removed but never edited (RFC 7643 §4.2: members).
pub(super) fn is_added_whole(attribute: &Attribute) -> bool {
    attribute.sub_attribute("value").is_some_and(|value| value.mutability == Mutability::Immutable)
}

/// Whether an element that lost its `value` has nothing left but labels, and so is no value any more.
pub(super) fn is_hollow(attribute: &Attribute, element: &Map<String, Value>) -> bool {
    const LABELS: [&str; 5] = ["type", "primary", "display", "displayName", "$ref"];
    element.is_empty()
        || attribute.sub_attribute("value").is_some() && element.keys().all(|name| LABELS.contains(&name.as_str()))
}

fn many(attribute: &Attribute, parent: Option<&Attribute>, items: Vec<Value>) -> Result<Option<Value>, ScimError> {
    let mut kept = Vec::with_capacity(items.len());
    for item in items {
        kept.extend(single(attribute, parent, item)?);
    }
    let kept = distinct(attribute, kept);
    check_one_primary(attribute, &kept)?;
    Ok((!kept.is_empty()).then_some(Value::Array(kept)))
}

/// A complex value: an object, a bare string for its `value`, or (manager) an array of one.
fn complex(attribute: &Attribute, value: Value) -> Result<Option<Value>, ScimError> {
    let members = match value {
        Value::Object(members) => members,
        Value::Array(mut items) if items.len() == 1 && !attribute.multi_valued => match items.pop() {
            Some(Value::Object(members)) => members,
            Some(text @ Value::String(_)) => wrap(attribute, text)?,
            _ => return Err(wrong(attribute, None, "takes an object")),
        },
        text @ Value::String(_) => wrap(attribute, text)?,
        _ => return Err(wrong(attribute, None, "takes an object")),
    };
    let had_value = members.keys().any(|name| name.eq_ignore_ascii_case("value"));
    let mut canonical_members = Map::new();
    for (name, part) in members {
        let Some(sub) = attribute.sub_attribute(&name) else { continue };
        if sub.mutability == Mutability::ReadOnly {
            continue;
        }
        if let Some(part) = canonical(sub, Some(attribute), part)? {
            canonical_members.insert(sub.name.to_owned(), part);
        }
    }
    let lost_value = had_value && !canonical_members.contains_key("value");
    if canonical_members.is_empty() || (lost_value && is_hollow(attribute, &canonical_members)) {
        return Ok(None);
    }
    let missing = attribute.sub_attributes.iter().find(|sub| sub.required && !canonical_members.contains_key(sub.name));
    match missing {
        Some(sub) => Err(wrong(sub, Some(attribute), "is required")),
        None => Ok(Some(Value::Object(canonical_members))),
    }
}

fn wrap(attribute: &Attribute, text: Value) -> Result<Map<String, Value>, ScimError> {
    if attribute.sub_attribute("value").is_none() {
        return Err(wrong(attribute, None, "takes an object"));
    }
    Ok(Map::from_iter([("value".to_owned(), text)]))
}

fn formatted(
    attribute: &Attribute,
    parent: Option<&Attribute>,
    value: Value,
    fits: impl Fn(&str) -> bool,
    hint: &str,
) -> Result<Option<Value>, ScimError> {
    if value.as_str().is_some_and(fits) { Ok(Some(value)) } else { Err(wrong(attribute, parent, hint)) }
}

fn wrong(attribute: &Attribute, parent: Option<&Attribute>, hint: &str) -> ScimError {
    ScimError::invalid_value(format!("{} {hint}", excerpt(&label(attribute, parent))))
}

/// RFC 4648 §4, one value: padding may be left out (RFC 7643 §2.3.6), and is nowhere but at the end.
fn is_base64(text: &str) -> bool {
    if text.trim_end_matches('=').contains('=') {
        return false;
    }
    BASE64.decode(text.as_bytes()).is_ok() || BASE64_NOPAD.decode(text.as_bytes()).is_ok()
}

/// An absolute or relative URI (RFC 7643 §2.3.7): none of the characters RFC 3986 leaves out.
fn is_uri(text: &str) -> bool {
    !text.chars().any(|c| c.is_whitespace() || c.is_control() || "<>\"{}|\\^`".contains(c))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::schemas::{group, user};
    use super::*;

    #[test]
    fn date_times_need_date_and_time() {
        let good =
            ["2020-01-01T00:00:00Z", "2020-01-01T00:00:00.123Z", "2020-01-01T01:00:00+01:00", "2020-01-01T00:00:00"];
        good.iter().for_each(|text| assert!(parse_date_time(text).is_some(), "{text}"));
        let bad = [
            "",
            "2020-01-01",
            "2020-01-01 00:00:00Z",
            "2020-01-01T00:00Z",
            "2020-13-01T00:00:00Z",
            "20200101T000000Z",
            "x",
            "2020-01-01T00:00:00Z[UTC]",
        ];
        bad.iter().for_each(|text| assert!(parse_date_time(text).is_none(), "{text}"));
        assert_eq!(parse_date_time("2020-01-01T01:00:00+01:00"), parse_date_time("2020-01-01T00:00:00Z"));
    }

    #[test]
    fn base64_may_leave_out_its_padding() {
        assert!(is_base64("aGk=") && is_base64("aGk"));
        assert!(!is_base64("not base64!") && !is_base64("a") && !is_base64("aGk=aGk="));
    }

    #[test]
    fn a_value_of_a_type_is_kept_once_with_all_that_was_said_of_it() {
        let emails = user().own_attribute("emails").unwrap();
        let items = json!([{"value": "a@x", "type": "work"}, {"value": "A@X", "type": "Work", "display": "A"},
            {"value": "a@x", "type": "home", "primary": false}, {"value": "a@x", "type": "home", "primary": true}, {"display": "B"}, {"display": "B"}]);
        let kept = canonical(emails, None, items).unwrap().unwrap();
        let expected = json!([{"value": "a@x", "type": "work", "display": "A"},
            {"value": "a@x", "type": "home", "primary": true}, {"display": "B"}]);
        assert_eq!(kept, expected);
        let members = group().own_attribute("members").unwrap();
        let items = json!([{"value": "1"}, {"value": "1", "type": "User"}, {"value": "2"}]);
        assert_eq!(canonical(members, None, items).unwrap(), Some(json!([{"value": "1"}, {"value": "2"}])));
    }
}
