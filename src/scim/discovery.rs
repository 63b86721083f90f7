//! What the service says about itself (RFC 7644 §4, RFC 7643 §5, §6, §7).
//!
//! Owns the JSON of ServiceProviderConfig, ResourceTypes and Schemas. Refuses HTTP: that these take no
//! filter (403) and no writes (405) is the router's part.

use serde_json::{Value, json};

use super::list::{ListResponse, Position};
use super::schema::{Attribute, AttributeType, ResourceType, Schema};
use super::schemas::{RESOURCE_TYPE_URN, Registry, SCHEMA_URN, SERVICE_PROVIDER_CONFIG_URN};

/// The limits that ServiceProviderConfig tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most resources in one answer.
    pub filter_max_results: u64,
    /// Resources in one answer unless the client wants fewer or more.
    pub usual_page: u64,
    /// For how long a cursor is good (RFC 9865 §4), in seconds.
    pub cursor_timeout: u64,
    /// Most operations of one bulk request.
    pub bulk_max_operations: u64,
    /// Largest bulk request, in bytes.
    pub bulk_max_payload: u64,
}

/// `/ServiceProviderConfig` (RFC 7643 §5). `base_url` is the absolute URL of `/scim/v2`, without a final slash.
#[must_use]
pub fn service_provider_config(base_url: &str, limits: Limits) -> Value {
    json!({
        "schemas": [SERVICE_PROVIDER_CONFIG_URN],
        "patch": {"supported": true},
        "bulk": {
            "supported": true,
            "maxOperations": limits.bulk_max_operations,
            "maxPayloadSize": limits.bulk_max_payload,
        },
        "filter": {"supported": true, "maxResults": limits.filter_max_results},
        "changePassword": {"supported": true},
        "sort": {"supported": true},
        "etag": {"supported": true},
        "pagination": {
            "cursor": true,
            "index": true,
            "defaultPaginationMethod": "index",
            "defaultPageSize": limits.usual_page,
            "maxPageSize": limits.filter_max_results,
            "cursorTimeout": limits.cursor_timeout,
        },
        "authenticationSchemes": [{
            "type": "oauthbearertoken",
            "name": "OAuth Bearer Token",
            "description": "A SCIM token of this service, sent as Authorization: Bearer",
            "specUri": "https://www.rfc-editor.org/info/rfc6750",
            "primary": true,
        }],
        "meta": meta("ServiceProviderConfig", format!("{base_url}/ServiceProviderConfig")),
    })
}

/// `/ResourceTypes` (RFC 7643 §6).
#[must_use]
pub fn resource_types(registry: &Registry, base_url: &str) -> Value {
    list(registry.types().map(|resource_type| describe_type(resource_type, base_url)).collect())
}

/// `/ResourceTypes/{name}`; `None` is 404.
#[must_use]
pub fn resource_type(registry: &Registry, name: &str, base_url: &str) -> Option<Value> {
    let found = registry.types().find(|resource_type| resource_type.name.eq_ignore_ascii_case(name));
    found.map(|resource_type| describe_type(resource_type, base_url))
}

/// `/Schemas` (RFC 7643 §7).
#[must_use]
pub fn schema_list(registry: &Registry, base_url: &str) -> Value {
    list(registry.served().iter().map(|schema| describe_schema(schema, base_url)).collect())
}

/// `/Schemas/{urn}`; `None` is 404.
#[must_use]
pub fn schema(registry: &Registry, urn: &str, base_url: &str) -> Option<Value> {
    let found = registry.served().iter().find(|schema| schema.id.eq_ignore_ascii_case(urn));
    found.map(|schema| describe_schema(schema, base_url))
}

fn describe_type(resource_type: &ResourceType, base_url: &str) -> Value {
    let extensions: Vec<Value> = resource_type
        .extensions
        .iter()
        .map(|extension| json!({"schema": extension.schema.id, "required": extension.required}))
        .collect();
    json!({
        "schemas": [RESOURCE_TYPE_URN],
        "id": resource_type.name,
        "name": resource_type.name,
        "endpoint": resource_type.endpoint,
        "description": resource_type.description,
        "schema": resource_type.base.id,
        "schemaExtensions": extensions,
        "meta": meta("ResourceType", format!("{base_url}/ResourceTypes/{}", resource_type.name)),
    })
}

fn describe_schema(schema: &Schema, base_url: &str) -> Value {
    let attributes: Vec<Value> = schema.attributes.iter().map(describe_attribute).collect();
    json!({
        "schemas": [SCHEMA_URN],
        "id": schema.id,
        "name": schema.name,
        "description": schema.description,
        "attributes": attributes,
        "meta": meta("Schema", format!("{base_url}/Schemas/{}", schema.id)),
    })
}

/// Bounded by the definitions: complex attributes nest at most three deep.
fn describe_attribute(attribute: &Attribute) -> Value {
    let mut description = json!({
        "name": attribute.name,
        "type": attribute.kind.as_str(),
        "multiValued": attribute.multi_valued,
        "description": attribute.description,
        "required": attribute.required,
        "caseExact": attribute.case_exact,
        "mutability": attribute.mutability.as_str(),
        "returned": attribute.returned.as_str(),
        "uniqueness": attribute.uniqueness.as_str(),
    });
    let Some(members) = description.as_object_mut() else { return description };
    if !attribute.canonical_values.is_empty() {
        members.insert("canonicalValues".to_owned(), json!(attribute.canonical_values));
    }
    if attribute.kind == AttributeType::Reference {
        members.insert("referenceTypes".to_owned(), json!(attribute.reference_types));
    }
    if attribute.kind == AttributeType::Complex {
        let parts = attribute.sub_attributes.iter().map(describe_attribute).collect();
        members.insert("subAttributes".to_owned(), Value::Array(parts));
    }
    description
}

fn meta(kind: &str, location: String) -> Value {
    json!({"resourceType": kind, "location": location})
}

fn list(resources: Vec<Value>) -> Value {
    let total_results = u64::try_from(resources.len()).ok();
    ListResponse { total_results, position: Position::Index(1), resources }.into_json()
}

#[cfg(test)]
mod tests {
    use super::super::schemas;
    use super::*;

    const BASE: &str = "https://x.example/scim/v2";

    #[test]
    fn provider_config_always_tells_the_bulk_numbers() {
        let limits = Limits {
            filter_max_results: 1_000,
            usual_page: 100,
            cursor_timeout: 3_600,
            bulk_max_operations: 1_000,
            bulk_max_payload: 1_048_576,
        };
        let config = service_provider_config(BASE, limits);
        assert_eq!(config["bulk"], json!({"supported": true, "maxOperations": 1_000, "maxPayloadSize": 1_048_576}));
        assert_eq!(config["filter"]["maxResults"], 1_000);
        assert_eq!(config["meta"]["location"], format!("{BASE}/ServiceProviderConfig"));
        assert_eq!(config["authenticationSchemes"][0]["type"], "oauthbearertoken");
    }

    #[test]
    fn every_schema_a_resource_type_names_is_served() {
        for resource_type in resource_types(Registry::standard(), BASE)["Resources"].as_array().unwrap() {
            assert!(schema(Registry::standard(), resource_type["schema"].as_str().unwrap(), BASE).is_some());
            for extension in resource_type["schemaExtensions"].as_array().unwrap() {
                assert!(schema(Registry::standard(), extension["schema"].as_str().unwrap(), BASE).is_some());
            }
            let name = resource_type["name"].as_str().unwrap();
            assert_eq!(resource_type_by(name), *resource_type);
        }
        assert!(
            schema(Registry::standard(), "urn:nobody", BASE).is_none()
                && resource_type(Registry::standard(), "Nobody", BASE).is_none()
        );
    }

    fn resource_type_by(name: &str) -> Value {
        resource_type(Registry::standard(), &name.to_lowercase(), BASE).unwrap()
    }

    #[test]
    fn schemas_tell_what_clients_rely_on() {
        let user = schema(Registry::standard(), &schemas::USER_URN.to_lowercase(), BASE).unwrap();
        let find = |name: &str| {
            let mut attributes = user["attributes"].as_array().unwrap().iter();
            attributes.find(|attribute| attribute["name"] == name).unwrap().clone()
        };
        assert_eq!(find("userName")["uniqueness"], "server");
        assert_eq!(
            (&find("password")["returned"], &find("password")["mutability"]),
            (&json!("never"), &json!("writeOnly"))
        );
        assert_eq!(find("groups")["mutability"], "readOnly");
        assert_eq!(find("emails")["subAttributes"].as_array().unwrap().len(), 4);
        assert_eq!(find("profileUrl")["referenceTypes"], json!(["external"]));
        assert_eq!(schema_list(Registry::standard(), BASE)["totalResults"], 6);
    }
}
