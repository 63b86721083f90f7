//! The schemas of the discovery resources themselves (RFC 7643 §5, §6, §7; §8.7.2).
//!
//! Owns definitions only; all of them are readOnly, since discovery is never written.

use super::super::schema::{Attribute, AttributeType, Schema};

/// The ServiceProviderConfig schema (RFC 7643 §5).
pub(crate) const SERVICE_PROVIDER_CONFIG_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig";
/// The ResourceType schema (RFC 7643 §6).
pub(crate) const RESOURCE_TYPE_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:ResourceType";
/// The Schema schema (RFC 7643 §7).
pub(crate) const SCHEMA_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:Schema";

/// The three of them.
pub(super) fn schemas() -> Vec<Schema> {
    let schema = |id, name, description, attributes: Vec<Attribute>| Schema {
        id,
        name,
        description,
        attributes: attributes.into_iter().map(Attribute::read_only).collect(),
    };
    vec![
        schema(SERVICE_PROVIDER_CONFIG_URN, "ServiceProviderConfig", "What this service supports", provider_config()),
        schema(RESOURCE_TYPE_URN, "ResourceType", "A kind of resource", resource_type()),
        schema(SCHEMA_URN, "Schema", "A set of attributes", schema_of_schemas()),
    ]
}

fn provider_config() -> Vec<Attribute> {
    let supported = || Attribute::boolean("supported", "Whether it is supported").required();
    let number = |name, description| Attribute::new(AttributeType::Integer, name, description).required();
    let option = |name, description| Attribute::complex(name, description, vec![supported()]).required();
    let scheme = vec![
        Attribute::text("type", "The kind of scheme").required(),
        Attribute::text("name", "The name for display").required(),
        Attribute::text("description", "What it is").required(),
        Attribute::reference("specUri", &["external"], "The specification"),
        Attribute::reference("documentationUri", &["external"], "How to use it"),
        Attribute::boolean("primary", "Whether this is the preferred one"),
    ];
    let bulk = vec![
        supported(),
        number("maxOperations", "Most operations in one request"),
        number("maxPayloadSize", "Largest request in bytes"),
    ];
    let pagination = vec![
        Attribute::boolean("cursor", "Whether pages are reached by cursors").required(),
        Attribute::boolean("index", "Whether pages are reached by numbers").required(),
        Attribute::text("defaultPaginationMethod", "How pages are reached unless told").usually(&["cursor", "index"]),
        Attribute::new(AttributeType::Integer, "defaultPageSize", "Resources in one answer unless told"),
        Attribute::new(AttributeType::Integer, "maxPageSize", "Most resources in one answer"),
        Attribute::new(AttributeType::Integer, "cursorTimeout", "Seconds for which a cursor is good"),
    ];
    let filter = vec![supported(), number("maxResults", "Most resources in one answer")];
    vec![
        Attribute::reference("documentationUri", &["external"], "Where people can read more"),
        option("patch", "PATCH"),
        Attribute::complex("bulk", "Bulk requests", bulk).required(),
        Attribute::complex("filter", "Filters", filter).required(),
        option("changePassword", "Changing a password"),
        option("sort", "Sorting"),
        option("etag", "Entity tags"),
        Attribute::complex("pagination", "How lists come in pages", pagination),
        Attribute::complex("authenticationSchemes", "How clients authenticate", scheme).many().required(),
    ]
}

fn resource_type() -> Vec<Attribute> {
    let extension = vec![
        Attribute::reference("schema", &["uri"], "The URN of the extension").required(),
        Attribute::boolean("required", "Whether every resource has it").required(),
    ];
    vec![
        Attribute::text("id", "The id of the resource type"),
        Attribute::text("name", "The name of the resource type").required(),
        Attribute::text("description", "What it is"),
        Attribute::reference("endpoint", &["uri"], "Its path below the base URL").required(),
        Attribute::reference("schema", &["uri"], "The URN of its base schema").required(),
        Attribute::complex("schemaExtensions", "Its extensions", extension).many(),
    ]
}

fn schema_of_schemas() -> Vec<Attribute> {
    let mut attribute = description_of_an_attribute();
    attribute.push(
        Attribute::complex("subAttributes", "The parts of a complex attribute", description_of_an_attribute())
            .many()
            .read_only(),
    );
    vec![
        Attribute::text("id", "The URN of the schema").required(),
        Attribute::text("name", "The name of the schema"),
        Attribute::text("description", "What it is"),
        Attribute::complex("attributes", "The attributes", attribute).many().required(),
    ]
}

fn description_of_an_attribute() -> Vec<Attribute> {
    vec![
        Attribute::text("name", "The name").required(),
        Attribute::text("type", "The data type").required().usually(&[
            "string",
            "boolean",
            "decimal",
            "integer",
            "dateTime",
            "binary",
            "reference",
            "complex",
        ]),
        Attribute::boolean("multiValued", "Whether it is a list").required(),
        Attribute::text("description", "What it is"),
        Attribute::boolean("required", "Whether a resource must have it"),
        Attribute::text("canonicalValues", "Usual values").many(),
        Attribute::boolean("caseExact", "Whether texts compare with case"),
        Attribute::text("mutability", "Who may change it").usually(&[
            "readOnly",
            "readWrite",
            "immutable",
            "writeOnly",
        ]),
        Attribute::text("returned", "When it is in an answer").usually(&["always", "never", "default", "request"]),
        Attribute::text("uniqueness", "How far it is unique").usually(&["none", "server", "global"]),
        Attribute::text("referenceTypes", "What it may point to").many(),
    ]
}
