//! A client's create or replace body in canonical form (RFC 7644 §3.3, §3.5.1).
//!
//! Owns spelling, types, required attributes, what is ignored and the computed `schemas`. Refuses
//! anything about the stored state, except comparing immutable attributes on replace.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::Resource;
use super::error::{ScimError, excerpt};
use super::schema::{Attribute, Mutability, ResourceType, Schema};
use super::value::canonical;

/// What the server says about a resource (RFC 7643 §3.1).
#[derive(Debug, Clone)]
pub struct Meta {
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub last_modified: Timestamp,
    /// Where it is, absolute.
    pub location: String,
    /// Its entity tag as in the `ETag` header, such as `W/"3"`.
    pub version: Option<String>,
}

/// Reads a create or replace body (RFC 7644 §3.3, §3.5.1).
///
/// The outcome has canonical names, only writable attributes (`password` among them), no empty
/// values, and `schemas` computed from its contents.
///
/// # Errors
/// 400 `invalidSyntax` when the body is no object; 400 `invalidValue` for a wrong `schemas`, a wrong
/// type, a missing required attribute or extension, a second primary.
pub fn accept(resource_type: &ResourceType, body: Value) -> Result<Resource, ScimError> {
    let Value::Object(members) = body else {
        return Err(ScimError::invalid_syntax("the body is not a JSON object; send one resource"));
    };
    check_schemas(resource_type, &members)?;
    let mut resource = Map::new();
    for (name, value) in members {
        if name.eq_ignore_ascii_case(resource_type.base.id) {
            accept_nested_core(resource_type, &mut resource, value)?;
        } else if let Some(schema) = resource_type.extension(&name) {
            accept_extension(schema, &mut resource, value)?;
        } else if let Some(attribute) = resource_type.own_attribute(&name) {
            accept_member(attribute, &mut resource, value)?;
        }
    }
    check_required(resource_type, &resource)?;
    set_schemas(resource_type, &mut resource);
    Ok(resource)
}

/// Refuses a replacement that changes an immutable attribute (RFC 7644 §3.5.1); a first value is allowed.
///
/// # Errors
/// 400 `mutability` naming the attribute.
pub fn check_immutable(resource_type: &ResourceType, before: &Resource, after: &Resource) -> Result<(), ScimError> {
    check_unchanged(&resource_type.base.attributes, before, after)?;
    for extension in &resource_type.extensions {
        let part = |resource: &Resource| resource.get(extension.schema.id).and_then(Value::as_object).cloned();
        if let (Some(before), Some(after)) = (part(before), part(after)) {
            check_unchanged(&extension.schema.attributes, &before, &after)?;
        }
    }
    Ok(())
}

/// Sets `schemas` to the base schema and the extensions present (RFC 7643 §3, §3.3).
pub fn set_schemas(resource_type: &ResourceType, resource: &mut Resource) {
    let present = resource_type.extensions.iter().map(|extension| extension.schema.id);
    let mut schemas = vec![Value::from(resource_type.base.id)];
    schemas.extend(present.filter(|id| resource.contains_key(*id)).map(Value::from));
    resource.insert("schemas".to_owned(), Value::Array(schemas));
}

/// Completes a stored resource for an answer: `id`, `meta` and `schemas` (RFC 7643 §3.1).
pub fn finish(resource_type: &ResourceType, resource: &mut Resource, id: &str, meta: &Meta) {
    let mut about = Map::new();
    let created = meta.created.to_string();
    let last_modified =
        if meta.last_modified == meta.created { created.clone() } else { meta.last_modified.to_string() };
    about.insert("created".to_owned(), Value::String(created));
    about.insert("lastModified".to_owned(), Value::String(last_modified));
    about.insert("location".to_owned(), Value::String(meta.location.clone()));
    about.insert("resourceType".to_owned(), Value::from(resource_type.name));
    about.extend(meta.version.as_ref().map(|version| ("version".to_owned(), Value::from(version.as_str()))));
    resource.insert("meta".to_owned(), Value::Object(about));
    resource.insert("id".to_owned(), Value::from(id));
    set_schemas(resource_type, resource);
}

/// `schemas` must hold the base URN; others are tolerated, because clients add their own (Microsoft's on groups).
fn check_schemas(resource_type: &ResourceType, members: &Map<String, Value>) -> Result<(), ScimError> {
    let base = resource_type.base.id;
    let given = members.iter().find(|(name, _)| name.eq_ignore_ascii_case("schemas")).map(|(_, value)| value);
    let Some(Value::Array(urns)) = given else {
        return Err(ScimError::invalid_value(format!("schemas is missing; send [\"{base}\"]")));
    };
    let mut texts = urns.iter().map(Value::as_str);
    if !texts.clone().all(|urn| urn.is_some()) {
        return Err(ScimError::invalid_value("schemas takes an array of URNs"));
    }
    if !texts.any(|urn| urn.is_some_and(|urn| urn.eq_ignore_ascii_case(base))) {
        return Err(ScimError::invalid_value(format!("schemas does not hold {base}, the schema of this endpoint")));
    }
    Ok(())
}

/// Some clients nest core attributes under the core URN; they count as if they stood at the top.
fn accept_nested_core(resource_type: &ResourceType, resource: &mut Resource, value: Value) -> Result<(), ScimError> {
    let Some(members) = object_or_nothing(resource_type.base.id, value)? else { return Ok(()) };
    for (name, value) in members {
        if let Some(attribute) = resource_type.own_attribute(&name) {
            accept_member(attribute, resource, value)?;
        }
    }
    Ok(())
}

fn accept_extension(schema: &Schema, resource: &mut Resource, value: Value) -> Result<(), ScimError> {
    let Some(members) = object_or_nothing(schema.id, value)? else { return Ok(()) };
    let mut contents = Map::new();
    for (name, value) in members {
        if let Some(attribute) = schema.attribute(&name) {
            accept_member(attribute, &mut contents, value)?;
        }
    }
    if !contents.is_empty() {
        resource.insert(schema.id.to_owned(), Value::Object(contents));
    }
    Ok(())
}

/// Takes one member; twice the same attribute in two spellings is only taken when both say the same.
fn accept_member(attribute: &Attribute, target: &mut Resource, value: Value) -> Result<(), ScimError> {
    if attribute.mutability == Mutability::ReadOnly {
        return Ok(());
    }
    let Some(value) = canonical(attribute, None, value)? else { return Ok(()) };
    match target.get(attribute.name) {
        Some(earlier) if *earlier != value => {
            Err(ScimError::invalid_value(format!("{} is given twice with different values", attribute.name)))
        }
        Some(_) => Ok(()),
        None => {
            target.insert(attribute.name.to_owned(), value);
            Ok(())
        }
    }
}

fn check_required(resource_type: &ResourceType, resource: &Resource) -> Result<(), ScimError> {
    check_present(&resource_type.base.attributes, resource)?;
    for extension in &resource_type.extensions {
        match resource.get(extension.schema.id).and_then(Value::as_object) {
            Some(contents) => check_present(&extension.schema.attributes, contents)?,
            None if extension.required => {
                let detail = format!("the extension {} is required; send it", extension.schema.id);
                return Err(ScimError::invalid_value(detail));
            }
            None => {}
        }
    }
    Ok(())
}

fn check_present(attributes: &[Attribute], holder: &Resource) -> Result<(), ScimError> {
    let blank = |attribute: &Attribute| {
        let text = holder.get(attribute.name).and_then(Value::as_str);
        !holder.contains_key(attribute.name) || text.is_some_and(|text| text.trim().is_empty())
    };
    let mut required =
        attributes.iter().filter(|attribute| attribute.required && attribute.mutability != Mutability::ReadOnly);
    match required.find(|attribute| blank(attribute)) {
        Some(attribute) => {
            Err(ScimError::invalid_value(format!("{} is required and must not be empty", attribute.name)))
        }
        None => Ok(()),
    }
}

fn check_unchanged(attributes: &[Attribute], before: &Resource, after: &Resource) -> Result<(), ScimError> {
    let fixed = attributes.iter().filter(|attribute| attribute.mutability == Mutability::Immutable);
    for attribute in fixed {
        let old = before.get(attribute.name);
        if old.is_some() && old != after.get(attribute.name) {
            let detail = format!("{} is immutable and already set; send its present value", attribute.name);
            return Err(ScimError::mutability(detail));
        }
    }
    Ok(())
}

fn object_or_nothing(name: &str, value: Value) -> Result<Option<Map<String, Value>>, ScimError> {
    match value {
        Value::Object(members) => Ok(Some(members)),
        Value::Null => Ok(None),
        _ => Err(ScimError::invalid_value(format!("{name} takes an object"))),
    }
}

/// Takes the members of a message whatever their case, refusing none; the last spelling wins.
pub(super) fn fold_names(members: Map<String, Value>) -> BTreeMap<String, Value> {
    members.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect()
}

/// A message must carry its URN in `schemas` (RFC 7644 §3.1).
pub(super) fn check_message(schemas: Option<&Value>, urn: &str) -> Result<(), ScimError> {
    let listed = schemas
        .and_then(Value::as_array)
        .is_some_and(|urns| urns.iter().filter_map(Value::as_str).any(|given| given.eq_ignore_ascii_case(urn)));
    if listed {
        return Ok(());
    }
    Err(ScimError::invalid_syntax(format!("schemas does not hold {}; send [\"{urn}\"]", excerpt(urn))))
}

#[cfg(test)]
mod tests;
