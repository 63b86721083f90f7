//! Operations without a path: the value is an object whose members say where (RFC 7644 §3.5.2.1, §3.5.2.3).
//!
//! Owns the dialects of those member names: plain, dotted, with URN, with a value filter, nested under a
//! schema's URN. Refuses to touch values: each member becomes an operation at a path.

use serde_json::{Map, Value};

use super::super::Resource;
use super::super::error::ScimError;
use super::super::path::Path;
use super::super::schema::{ResourceType, Schema, Target};
use super::{Action, apply_at};

/// Clients send these along (Okta sends `id`); the server's own values stay.
const IGNORED: [&str; 4] = ["id", "meta", "groups", "schemas"];

/// Applies every member of `value` as an operation of its own.
pub(super) fn apply(
    resource_type: &ResourceType,
    draft: &mut Resource,
    action: Action,
    value: Option<&Value>,
) -> Result<(), ScimError> {
    for (name, value) in object(value)? {
        if name.eq_ignore_ascii_case(resource_type.base.id) {
            apply_core(resource_type, draft, action, value)?;
        } else {
            apply_member(resource_type, draft, action, name, value)?;
        }
    }
    Ok(())
}

/// Applies `value` to the extension as a whole; `None`, null and `""` remove it.
pub(super) fn apply_extension(
    resource_type: &ResourceType,
    draft: &mut Resource,
    action: Action,
    schema: &Schema,
    value: Option<&Value>,
) -> Result<(), ScimError> {
    let clears = action == Action::Remove || value.is_none_or(|value| value.is_null() || value == "");
    if clears {
        let extension = resource_type.extensions.iter().find(|extension| extension.schema.id == schema.id);
        if extension.is_some_and(|extension| extension.required) {
            return Err(ScimError::mutability(format!("the extension {} is required", schema.id)));
        }
        draft.remove(schema.id);
        return Ok(());
    }
    for (name, value) in object(value)? {
        let Some(mut path) = member_path(name)? else { continue };
        if path.attribute.urn.is_none() {
            path.attribute.urn = Some(schema.id.to_owned());
        }
        apply_known(resource_type, draft, action, &path, value)?;
    }
    Ok(())
}

/// Core attributes nested under the core URN.
fn apply_core(
    resource_type: &ResourceType,
    draft: &mut Resource,
    action: Action,
    value: &Value,
) -> Result<(), ScimError> {
    for (name, value) in object(Some(value))? {
        apply_member(resource_type, draft, action, name, value)?;
    }
    Ok(())
}

fn apply_member(
    resource_type: &ResourceType,
    draft: &mut Resource,
    action: Action,
    name: &str,
    value: &Value,
) -> Result<(), ScimError> {
    if let Some(schema) = resource_type.extension(name) {
        return apply_extension(resource_type, draft, action, schema, Some(value));
    }
    match member_path(name)? {
        Some(path) => apply_known(resource_type, draft, action, &path, value),
        None => Ok(()),
    }
}

/// Unknown attributes and the server's own are passed over, as they are on create.
fn apply_known(
    resource_type: &ResourceType,
    draft: &mut Resource,
    action: Action,
    path: &Path,
    value: &Value,
) -> Result<(), ScimError> {
    match resource_type.resolve(&path.plain()) {
        Some(Target::Attribute(location)) if !IGNORED.contains(&location.attribute.name) => {
            apply_at(resource_type, draft, action, path, Some(value.clone()))
        }
        _ => Ok(()),
    }
}

/// The path a member name means; `None` for a name that is no path at all.
fn member_path(name: &str) -> Result<Option<Path>, ScimError> {
    match Path::parse(name) {
        Ok(path) => Ok(Some(path)),
        Err(error) if name.contains('[') => Err(error),
        Err(_) => Ok(None),
    }
}

fn object(value: Option<&Value>) -> Result<&Map<String, Value>, ScimError> {
    let members = value.and_then(Value::as_object);
    members.ok_or_else(|| {
        ScimError::invalid_value("without the path of an attribute the value must be an object of attributes")
    })
}
