//! RFC 7643 and RFC 7644 to the letter, for clients that want to be told where they leave them.
//!
//! Owns what the dialects of real clients add and the RFCs do not have. Refuses to change anything: what passes here
//! means the same to the rest of this room.

use serde_json::{Map, Value};

use super::error::{ScimError, excerpt};
use super::path::Path;
use super::schema::{Attribute, AttributeType, ResourceType, Target};
use super::value::label;
use crate::directory::query::AttrPath;

/// Looks at a create or replace body.
///
/// # Errors
/// 400 `invalidValue` for a schema that is not the type's or a value of another type, `invalidSyntax` for an attribute
/// that no schema has.
pub fn resource(resource_type: &ResourceType, body: &Value) -> Result<(), ScimError> {
    let Some(members) = body.as_object() else { return Ok(()) };
    let schemas = member(members, "schemas").and_then(Value::as_array);
    for urn in schemas.into_iter().flatten().filter_map(Value::as_str) {
        if !resource_type.has_schema(urn) {
            let detail = format!("{} is no schema of {} (RFC 7643 §3)", excerpt(urn), resource_type.name);
            return Err(ScimError::invalid_value(detail));
        }
    }
    for (name, value) in members {
        if let Some(schema) = resource_type.extension(name) {
            let contents = value.as_object();
            for (name, value) in contents.into_iter().flatten() {
                let attribute = schema.attribute(name).ok_or_else(|| unknown(name))?;
                check(attribute, None, value)?;
            }
            continue;
        }
        let attribute = resource_type.own_attribute(name).ok_or_else(|| unknown(name))?;
        check(attribute, None, value)?;
    }
    Ok(())
}

/// Looks at a PATCH message.
///
/// # Errors
/// 400 `invalidSyntax` for an `op` in another case, a remove with a value, a path or a filter as the name of a member;
/// 400 `invalidValue` for a value of another type.
pub fn patch(resource_type: &ResourceType, body: &Value) -> Result<(), ScimError> {
    let operations = body.as_object().and_then(|members| member(members, "operations")).and_then(Value::as_array);
    for operation in operations.into_iter().flatten().filter_map(Value::as_object) {
        let op = member(operation, "op").and_then(Value::as_str).unwrap_or_default();
        if !["add", "remove", "replace"].contains(&op) {
            return Err(ScimError::invalid_syntax("op is add, remove or replace, in lower case (RFC 7644 §3.5.2)"));
        }
        let value = member(operation, "value");
        if op == "remove" && value.is_some() {
            return Err(ScimError::invalid_syntax("a remove has no value: name what goes by a filter in its path"));
        }
        let Some(value) = value else { continue };
        match member(operation, "path").and_then(Value::as_str) {
            Some(path) => at(resource_type, &Path::parse(path)?, value)?,
            None => pathless(resource_type, value)?,
        }
    }
    Ok(())
}

/// Looks at the text of a filter.
///
/// # Errors
/// 400 `invalidFilter` for `emails[…].value eq …`, which the grammar of RFC 7644 §3.4.2.2 does not have.
pub fn filter(text: &str) -> Result<(), ScimError> {
    let (mut quoted, mut escaped, mut after_bracket) = (false, false, false);
    for c in text.chars() {
        if !quoted && after_bracket && c == '.' {
            return Err(ScimError::invalid_filter("nothing comes after [ ]: put the comparison inside"));
        }
        after_bracket = !quoted && c == ']';
        if c == '"' && !escaped {
            quoted = !quoted;
        }
        escaped = quoted && c == '\\' && !escaped;
    }
    Ok(())
}

fn at(resource_type: &ResourceType, path: &Path, value: &Value) -> Result<(), ScimError> {
    let Some(Target::Attribute(location)) = resource_type.resolve(&path.plain()) else { return Ok(()) };
    match location.sub {
        Some(sub) => check(sub, Some(location.attribute), value),
        // One element, or the parts of it.
        None if path.filter.is_some() || !value.is_array() => check_one(location.attribute, None, value),
        None => check(location.attribute, None, value),
    }
}

fn pathless(resource_type: &ResourceType, value: &Value) -> Result<(), ScimError> {
    for (name, value) in value.as_object().into_iter().flatten() {
        if resource_type.extension(name).is_some() {
            continue;
        }
        let plain = AttrPath::parse(name).filter(|path| path.urn.is_none() && path.sub.is_none());
        let attribute = plain.and_then(|path| resource_type.own_attribute(&path.name));
        let attribute = attribute.ok_or_else(|| unknown(name))?;
        check(attribute, None, value)?;
    }
    Ok(())
}

fn check(attribute: &Attribute, parent: Option<&Attribute>, value: &Value) -> Result<(), ScimError> {
    match value {
        Value::Null => Ok(()),
        Value::Array(items) if attribute.multi_valued => {
            items.iter().try_for_each(|item| check_one(attribute, parent, item))
        }
        _ if attribute.multi_valued => Err(wrong(attribute, parent, "takes an array")),
        one => check_one(attribute, parent, one),
    }
}

/// Parts have no parts, so this goes one level deep.
fn check_one(attribute: &Attribute, parent: Option<&Attribute>, value: &Value) -> Result<(), ScimError> {
    match (attribute.kind, value) {
        (_, Value::Null) => Ok(()),
        (AttributeType::Boolean, Value::Bool(_)) => Ok(()),
        (AttributeType::Boolean, _) => Err(wrong(attribute, parent, "takes true or false, not a text")),
        (AttributeType::Complex, Value::Object(members)) => {
            members.iter().try_for_each(|(name, value)| match attribute.sub_attribute(name) {
                Some(sub) => check(sub, Some(attribute), value),
                None => Err(unknown(name)),
            })
        }
        (AttributeType::Complex, _) => Err(wrong(attribute, parent, "takes an object")),
        // The other types are read strictly for everybody.
        _ => Ok(()),
    }
}

fn member<'m>(members: &'m Map<String, Value>, wanted: &str) -> Option<&'m Value> {
    members.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted)).map(|(_, value)| value)
}

fn unknown(name: &str) -> ScimError {
    ScimError::invalid_syntax(format!("\"{}\" is no attribute of the schemas of this type", excerpt(name)))
}

fn wrong(attribute: &Attribute, parent: Option<&Attribute>, hint: &str) -> ScimError {
    ScimError::invalid_value(format!("{} {hint}", label(attribute, parent)))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::schemas::{ENTERPRISE_URN, USER_URN, user};
    use super::*;
    use crate::scim::ScimType::{self, InvalidSyntax, InvalidValue};

    #[test]
    fn what_the_rfcs_have_passes() {
        let body = json!({"schemas": [USER_URN, ENTERPRISE_URN], "userName": "a", "active": true, "externalId": null,
            "emails": [{"value": "a@x", "primary": true}], "name": {"givenName": "A"},
            ENTERPRISE_URN: {"manager": {"value": "1"}}});
        resource(user(), &body).unwrap();
        let message = json!({"Operations": [
            {"op": "add", "path": "emails", "value": [{"value": "b@x"}]},
            {"op": "replace", "path": "emails[value eq \"b@x\"]", "value": {"type": "work"}},
            {"op": "replace", "path": "active", "value": false},
            {"op": "replace", "value": {"title": "x", ENTERPRISE_URN: {"department": "d"}}},
            {"op": "remove", "path": "title"},
        ]});
        patch(user(), &message).unwrap();
        filter(r#"emails[type eq "a].b"] and title eq "\"]."#).unwrap();
    }

    #[test]
    fn what_only_dialects_have_is_refused() {
        let bodies: [(Value, ScimType); 6] = [
            (json!({"schemas": [USER_URN, "urn:x"]}), InvalidValue),
            (json!({USER_URN: {"userName": "a"}}), InvalidSyntax),
            (json!({"active": "True"}), InvalidValue),
            (json!({"emails": {"value": "x"}}), InvalidValue),
            (json!({ENTERPRISE_URN: {"manager": "1"}}), InvalidValue),
            (json!({"nick": 1}), InvalidSyntax),
        ];
        for (body, expected) in bodies {
            assert_eq!(resource(user(), &body).unwrap_err().scim_type, Some(expected), "{body}");
        }
        let operations: [(Value, ScimType); 6] = [
            (json!({"op": "Add", "path": "title", "value": "x"}), InvalidSyntax),
            (json!({"op": "remove", "path": "emails", "value": [{"value": "x"}]}), InvalidSyntax),
            (json!({"op": "replace", "path": "active", "value": "False"}), InvalidValue),
            (json!({"op": "replace", "value": {"name.givenName": "x"}}), InvalidSyntax),
            (json!({"op": "replace", "value": {"emails[type eq \"work\"].value": "x"}}), InvalidSyntax),
            (json!({"op": "add", "path": "emails[type eq \"work\"].primary", "value": "True"}), InvalidValue),
        ];
        for (operation, expected) in operations {
            let refused = patch(user(), &json!({"Operations": [operation.clone()]})).unwrap_err();
            assert_eq!(refused.scim_type, Some(expected), "{operation}");
        }
        assert!(filter(r#"emails[type eq "work"].value eq "x""#).is_err());
    }
}
