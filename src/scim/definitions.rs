//! Schemas and resource types of the settings, as the JSON documents of RFC 7643 §6 and §7.
//!
//! Owns what such a document may say. Refuses files: `config` reads those. The names live as long as the process,
//! because everything bound to a schema borrows them; the settings are read once, so what is kept is bounded.

use serde_json::{Map, Value};

use super::schema::{Attribute, AttributeType, Extension, Mutability, ResourceType, Returned, Schema, Uniqueness};
use super::schemas::{ENTERPRISE_URN, Registry, common_attributes, group, user};

/// Most attributes of a schema, parts included.
const MOST_ATTRIBUTES: usize = 500;
/// Paths below the base URL that are the protocol's own (RFC 7644 §3.2).
const RESERVED: [&str; 7] =
    ["/Users", "/Groups", "/Me", "/Bulk", "/Schemas", "/ResourceTypes", "/ServiceProviderConfig"];

/// A resource type as a document has it: its schemas by their URNs (RFC 7643 §6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeDefinition {
    name: &'static str,
    endpoint: &'static str,
    description: &'static str,
    schema: String,
    extensions: Vec<(String, bool)>,
}

/// Reads the document of a schema (RFC 7643 §7).
///
/// # Errors
/// In words, naming the attribute.
pub fn schema(document: &Value) -> Result<Schema, String> {
    let members = document.as_object().ok_or("is no JSON object")?;
    let id = text(members, "id")?;
    if !id.to_ascii_lowercase().starts_with("urn:") || id.contains(char::is_whitespace) {
        return Err(format!("id {id:?} is no URN"));
    }
    let mut left = MOST_ATTRIBUTES;
    let attributes = attributes(members, "attributes", true, &mut left)?;
    let own = ["schemas", "id", "externalId", "meta"];
    if let Some(taken) = attributes.iter().find(|one| own.iter().any(|name| name.eq_ignore_ascii_case(one.name))) {
        return Err(format!("attribute {:?} is one that every resource has already", taken.name));
    }
    Ok(Schema {
        id: keep(id),
        name: keep(members.get("name").and_then(Value::as_str).unwrap_or(id)),
        description: keep(optional_text(members, "description")),
        attributes,
    })
}

/// Reads the document of a resource type (RFC 7643 §6). One named `User` or `Group` adds its extensions to that type.
///
/// # Errors
/// In words.
pub fn resource_type(document: &Value) -> Result<TypeDefinition, String> {
    let members = document.as_object().ok_or("is no JSON object")?;
    let name = text(members, "name")?;
    if !is_name(name) {
        return Err(format!("name {name:?} must be letters, digits, $, - and _, beginning with a letter"));
    }
    let mut extensions = Vec::new();
    for extension in members.get("schemaExtensions").and_then(Value::as_array).into_iter().flatten() {
        let extension = extension.as_object().ok_or("schemaExtensions holds something that is no object")?;
        let required = extension.get("required").and_then(Value::as_bool).unwrap_or_default();
        extensions.push((text(extension, "schema")?.to_owned(), required));
    }
    Ok(TypeDefinition {
        name: keep(name),
        endpoint: keep(text(members, "endpoint")?),
        description: keep(optional_text(members, "description")),
        schema: text(members, "schema")?.to_owned(),
        extensions,
    })
}

/// Puts what the settings add beside what is built in.
///
/// # Errors
/// Everything that does not fit together, in words.
pub fn registry(schemas: Vec<Schema>, types: Vec<TypeDefinition>) -> Result<&'static Registry, Vec<String>> {
    if schemas.is_empty() && types.is_empty() {
        return Ok(Registry::standard());
    }
    let mut faults = Vec::new();
    let built_in = |urn: &str| Registry::standard().served().iter().any(|schema| schema.id.eq_ignore_ascii_case(urn));
    for (position, schema) in schemas.iter().enumerate() {
        let earlier = schemas.iter().take(position).any(|other| other.id.eq_ignore_ascii_case(schema.id));
        if earlier || built_in(schema.id) {
            faults.push(format!("the schema {} is there already", schema.id));
        }
    }
    let mut people = user().clone();
    let mut groups = group().clone();
    let mut custom: Vec<ResourceType> = Vec::new();
    for definition in types {
        let extensions = extensions(&definition, &schemas, &mut faults);
        let extended = [&mut people, &mut groups].into_iter().find(|known| known.name == definition.name);
        if let Some(known) = extended {
            check_values(&extensions, &mut faults);
            known.extensions.extend(extensions);
            continue;
        }
        let Some(base) = schemas.iter().find(|schema| schema.id.eq_ignore_ascii_case(&definition.schema)) else {
            faults.push(format!("the resource type {} names an unknown schema {}", definition.name, definition.schema));
            continue;
        };
        check_endpoint(&definition, &custom, &mut faults);
        custom.push(ResourceType {
            name: definition.name,
            endpoint: definition.endpoint,
            description: definition.description,
            common: common_attributes(),
            base: base.clone(),
            extensions,
        });
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(Box::leak(Box::new(Registry::new(people, groups, custom, schemas))))
}

fn extensions(definition: &TypeDefinition, schemas: &[Schema], faults: &mut Vec<String>) -> Vec<Extension> {
    let mut found = Vec::new();
    for (urn, required) in &definition.extensions {
        match schemas.iter().find(|schema| schema.id.eq_ignore_ascii_case(urn)) {
            Some(schema) => found.push(Extension { schema: schema.clone(), required: *required }),
            // The description of the built-in type may be repeated whole.
            None if definition.name == user().name && urn.eq_ignore_ascii_case(ENTERPRISE_URN) => {}
            None => faults.push(format!("the resource type {} names an unknown extension {urn}", definition.name)),
        }
    }
    found
}

/// Users and groups are records of the directory: no index keeps what the settings add to them unique.
fn check_values(extensions: &[Extension], faults: &mut Vec<String>) {
    for schema in extensions.iter().map(|extension| &extension.schema) {
        let unique = schema.attributes.iter().filter(|attribute| attribute.uniqueness != Uniqueness::None);
        faults.extend(unique.map(|attribute| {
            let (urn, name) = (schema.id, attribute.name);
            format!("{urn}:{name} cannot be unique: only attributes of resource types of the settings can")
        }));
    }
}

fn check_endpoint(definition: &TypeDefinition, custom: &[ResourceType], faults: &mut Vec<String>) {
    let (name, endpoint) = (definition.name, definition.endpoint);
    let taken = RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(endpoint))
        || custom.iter().any(|other| other.endpoint.eq_ignore_ascii_case(endpoint));
    if taken {
        faults.push(format!("the resource type {name}: the endpoint {endpoint} is there already"));
    }
    if !endpoint.strip_prefix('/').is_some_and(is_name) {
        faults.push(format!("the resource type {name}: the endpoint must be one name after a slash, such as /Devices"));
    }
    if custom.iter().any(|other| other.name.eq_ignore_ascii_case(name)) {
        faults.push(format!("the resource type {name} is there already"));
    }
}

/// Parts have no parts (RFC 7643 §2.3.8), so this goes one level deep.
fn attributes(
    members: &Map<String, Value>,
    list: &str,
    may_be_complex: bool,
    left: &mut usize,
) -> Result<Vec<Attribute>, String> {
    let given = members.get(list).and_then(Value::as_array).filter(|given| !given.is_empty());
    let given = given.ok_or_else(|| format!("{list} is missing or empty"))?;
    let mut found: Vec<Attribute> = Vec::with_capacity(given.len().min(MOST_ATTRIBUTES));
    for one in given {
        *left = left.checked_sub(1).ok_or_else(|| format!("more than {MOST_ATTRIBUTES} attributes"))?;
        let one = attribute(one.as_object().ok_or_else(|| format!("{list} holds something that is no object"))?)?;
        if found.iter().any(|other| other.name.eq_ignore_ascii_case(one.attribute.name)) {
            return Err(format!("attribute {:?} stands there twice", one.attribute.name));
        }
        let is_complex = one.attribute.kind == AttributeType::Complex;
        if is_complex && !may_be_complex {
            return Err(format!("attribute {:?} is complex inside a complex one", one.attribute.name));
        }
        let mut attribute = one.attribute;
        if is_complex {
            let parts = attributes(one.members, "subAttributes", false, left);
            attribute.sub_attributes = parts.map_err(|fault| format!("attribute {:?}: {fault}", attribute.name))?;
        }
        found.push(attribute);
    }
    Ok(found)
}

/// An attribute without its parts, and where those stand.
struct Described<'d> {
    attribute: Attribute,
    members: &'d Map<String, Value>,
}

fn attribute(members: &Map<String, Value>) -> Result<Described<'_>, String> {
    let name = text(members, "name")?;
    if !is_name(name) && name != "$ref" {
        return Err(format!("attribute {name:?} has no legal name (RFC 7643 §2.1)"));
    }
    let at = |fault: String| format!("attribute {name:?}: {fault}");
    let kind = word(members, "type", AttributeType::parse, AttributeType::String).map_err(at)?;
    let plain = Attribute::new(kind, keep(name), keep(optional_text(members, "description")));
    let flag = |name: &str, default: bool| members.get(name).and_then(Value::as_bool).unwrap_or(default);
    let words = |name: &str| {
        let given = members.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        let kept: Vec<&'static str> = given.take(MOST_ATTRIBUTES).map(keep).collect();
        &*Box::leak(kept.into_boxed_slice())
    };
    let attribute = Attribute {
        multi_valued: flag("multiValued", false),
        required: flag("required", false),
        case_exact: flag("caseExact", plain.case_exact),
        canonical_values: words("canonicalValues"),
        reference_types: words("referenceTypes"),
        mutability: word(members, "mutability", Mutability::parse, plain.mutability).map_err(at)?,
        returned: word(members, "returned", Returned::parse, plain.returned).map_err(at)?,
        uniqueness: word(members, "uniqueness", Uniqueness::parse, plain.uniqueness).map_err(at)?,
        ..plain
    };
    let is_one_text = attribute.kind == AttributeType::String && !attribute.multi_valued;
    if attribute.uniqueness != Uniqueness::None && !is_one_text {
        return Err(at("only a single text can be unique".to_owned()));
    }
    Ok(Described { attribute, members })
}

fn word<T>(
    members: &Map<String, Value>,
    name: &str,
    parse: impl Fn(&str) -> Option<T>,
    default: T,
) -> Result<T, String> {
    match members.get(name) {
        None | Some(Value::Null) => Ok(default),
        Some(value) => value.as_str().and_then(parse).ok_or_else(|| format!("{name} is none of RFC 7643 §7")),
    }
}

fn text<'m>(members: &'m Map<String, Value>, name: &str) -> Result<&'m str, String> {
    let found = members.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    found.ok_or_else(|| format!("{name} is missing"))
}

fn optional_text<'m>(members: &'m Map<String, Value>, name: &str) -> &'m str {
    members.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// ATTRNAME of RFC 7643 §2.1.
fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '$' | '-' | '_'))
}

fn keep(text: &str) -> &'static str {
    if text.is_empty() { "" } else { Box::leak(text.to_owned().into_boxed_str()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn badge() -> Value {
        json!({"id": "urn:x:acme:2.0:User", "name": "Acme", "attributes": [
            {"name": "badge", "type": "string", "caseExact": true},
            {"name": "desks", "type": "complex", "multiValued": true,
             "subAttributes": [{"name": "value", "type": "string"}, {"name": "floor", "type": "integer"}]},
        ]})
    }

    fn device() -> Value {
        json!({"id": "urn:x:acme:2.0:Device", "attributes": [
            {"name": "serial", "type": "string", "required": true, "uniqueness": "server"},
        ]})
    }

    #[test]
    fn an_extension_of_users_and_a_type_of_its_own_are_served() {
        let schemas = vec![schema(&badge()).unwrap(), schema(&device()).unwrap()];
        let user = json!({"name": "User", "endpoint": "/Users", "schema": "urn:ietf:params:scim:schemas:core:2.0:User",
            "schemaExtensions": [{"schema": "urn:X:acme:2.0:User", "required": true}, {"schema": ENTERPRISE_URN}]});
        let own = json!({"name": "Device", "endpoint": "/Devices", "schema": "urn:x:acme:2.0:Device"});
        let types = vec![resource_type(&user).unwrap(), resource_type(&own).unwrap()];
        let registry = registry(schemas, types).unwrap();
        let urns: Vec<_> = registry.user().extensions.iter().map(|one| (one.schema.id, one.required)).collect();
        assert_eq!(urns, [(ENTERPRISE_URN, false), ("urn:x:acme:2.0:User", true)]);
        assert_eq!(registry.custom()[0].base.attribute("SERIAL").unwrap().uniqueness, Uniqueness::Server);
        assert_eq!(registry.served().len(), Registry::standard().served().len() + 2);
        assert!(std::ptr::eq(super::registry(Vec::new(), Vec::new()).unwrap(), Registry::standard()));
    }

    #[test]
    fn what_no_schema_can_be_is_refused_in_words() {
        let with = |attribute: Value| json!({"id": "urn:x", "attributes": [attribute]});
        let twice = json!({"id": "urn:x", "attributes": [{"name": "a"}, {"name": "A"}]});
        let deep = with(json!({"name": "a", "type": "complex", "subAttributes": [{"name": "b", "type": "complex"}]}));
        let many: Vec<Value> = (0..501).map(|n| json!({"name": format!("a{n}")})).collect();
        let cases = [
            (json!([]), "no JSON object"),
            (json!({"id": "x", "attributes": [{"name": "a"}]}), "no URN"),
            (json!({"id": "urn:x"}), "attributes is missing"),
            (with(json!({"name": "1a"})), "no legal name"),
            (with(json!({"name": "a", "type": "text"})), "type is none"),
            (with(json!({"name": "Meta"})), "has already"),
            (with(json!({"name": "a", "type": "boolean", "uniqueness": "server"})), "single text"),
            (with(json!({"name": "a", "type": "complex"})), "subAttributes is missing"),
            (json!({"id": "urn:x", "attributes": many}), "more than 500"),
            (twice, "twice"),
            (deep, "complex inside"),
        ];
        for (document, expected) in cases {
            let fault = schema(&document).unwrap_err();
            assert!(fault.contains(expected), "{fault}");
        }
    }

    #[test]
    fn what_does_not_fit_together_is_told_all_at_once() {
        let kind = |name: &str, endpoint: &str, schema: &str| {
            resource_type(&json!({"name": name, "endpoint": endpoint, "schema": schema,
                "schemaExtensions": [{"schema": "urn:nobody"}]}))
            .unwrap()
        };
        let device = schema(&device()).unwrap();
        let types = vec![kind("A", "/users", device.id), kind("B", "/a/b", device.id), kind("C", "/C", "urn:none")];
        let faults = registry(vec![device.clone(), device], types).unwrap_err().join("\n");
        for expected in
            ["Device is there already", "/users is there", "B: the endpoint", "unknown schema", "urn:nobody"]
        {
            assert!(faults.contains(expected), "{expected}: {faults}");
        }
    }
}
