//! The schemas and resource types this service serves, built once.
//!
//! Owns the definitions' entry points and the attributes common to all resources (RFC 7643 §3.1).
//! Refuses behaviour: what the definitions mean is decided by the modules that read them.

mod discovery;
mod group;
mod user;

use std::sync::LazyLock;

pub(super) use discovery::{RESOURCE_TYPE_URN, SCHEMA_URN, SERVICE_PROVIDER_CONFIG_URN};

use super::schema::{Attribute, AttributeType, Extension, ResourceType, Returned, Schema};

/// The core User schema (RFC 7643 §4.1).
pub const USER_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The core Group schema (RFC 7643 §4.2).
pub const GROUP_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
/// The enterprise user extension (RFC 7643 §4.3).
pub const ENTERPRISE_URN: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

/// Every resource type and schema that the service serves: the built-in ones, and what the settings add.
///
/// Made once and kept for the life of the process: everything bound to it (filters, projections) borrows its names.
#[derive(Debug, PartialEq, Eq)]
pub struct Registry {
    user: ResourceType,
    group: ResourceType,
    custom: Vec<ResourceType>,
    served: Vec<Schema>,
}

static STANDARD: LazyLock<Registry> = LazyLock::new(|| {
    let user = ResourceType {
        name: "User",
        endpoint: "/Users",
        description: "A person who may sign in",
        common: common_attributes(),
        base: user::core(),
        extensions: vec![Extension { schema: user::enterprise(), required: false }],
    };
    let group = ResourceType {
        name: "Group",
        endpoint: "/Groups",
        description: "A set of users and groups",
        common: common_attributes(),
        base: group::core(),
        extensions: Vec::new(),
    };
    Registry::new(user, group, Vec::new(), Vec::new())
});

impl Registry {
    /// What is served where the settings add nothing (RFC 7643 §4).
    #[must_use]
    pub fn standard() -> &'static Self {
        &STANDARD
    }

    /// `schemas` are those of the settings: they are served whether a type uses them or not.
    pub(super) fn new(
        user: ResourceType,
        group: ResourceType,
        custom: Vec<ResourceType>,
        schemas: Vec<Schema>,
    ) -> Self {
        let mut served = vec![user::core(), user::enterprise(), group::core()];
        served.extend(schemas);
        served.extend(discovery::schemas());
        Self { user, group, custom, served }
    }

    /// The resource type User with its extensions (RFC 7643 §4.1, §4.3).
    #[must_use]
    pub fn user(&self) -> &ResourceType {
        &self.user
    }

    /// The resource type Group (RFC 7643 §4.2).
    #[must_use]
    pub fn group(&self) -> &ResourceType {
        &self.group
    }

    /// The resource types of the settings.
    #[must_use]
    pub fn custom(&self) -> &[ResourceType] {
        &self.custom
    }

    /// All resource types: User, Group, then those of the settings.
    pub fn types(&self) -> impl Iterator<Item = &ResourceType> {
        [&self.user, &self.group].into_iter().chain(&self.custom)
    }

    /// Every schema that `/Schemas` lists (RFC 7643 §7, §8.7).
    #[must_use]
    pub fn served(&self) -> &[Schema] {
        &self.served
    }
}

/// The resource type User with the enterprise extension (RFC 7643 §4.1, §4.3).
#[must_use]
pub fn user() -> &'static ResourceType {
    Registry::standard().user()
}

/// The resource type Group (RFC 7643 §4.2).
#[must_use]
pub fn group() -> &'static ResourceType {
    Registry::standard().group()
}

/// The attributes of every resource (RFC 7643 §3.1). `schemas` is computed from the contents, so readOnly here.
#[must_use]
pub fn common_attributes() -> Vec<Attribute> {
    let time = |name, description| Attribute::new(AttributeType::DateTime, name, description);
    vec![
        Attribute::text("schemas", "The schemas of this representation")
            .many()
            .required()
            .read_only()
            .returned(Returned::Always),
        Attribute::text("id", "Identifier made by this service; never changes, never reused")
            .case_exact()
            .read_only()
            .returned(Returned::Always)
            .unique(super::schema::Uniqueness::Global),
        Attribute::text("externalId", "Identifier chosen by the provisioning client").case_exact(),
        Attribute::complex(
            "meta",
            "What the service knows about the resource itself",
            vec![
                Attribute::text("resourceType", "The kind of resource").case_exact(),
                time("created", "When it was created"),
                time("lastModified", "When it was last changed"),
                Attribute::reference("location", &["uri"], "Where it is"),
                Attribute::text("version", "Its entity tag").case_exact(),
            ],
        )
        .read_only(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::schema::AttributeType;

    fn check(attribute: &Attribute, depth: usize) {
        let fits = attribute.name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '$')
            && attribute.name.chars().all(|c| c.is_ascii_alphanumeric() || "$-_".contains(c));
        assert!(fits, "{}", attribute.name);
        assert_eq!(
            attribute.kind == AttributeType::Complex,
            !attribute.sub_attributes.is_empty(),
            "{}",
            attribute.name
        );
        assert!(
            attribute.kind != AttributeType::Complex || depth == 0 || attribute.name == "subAttributes",
            "{}",
            attribute.name
        );
        attribute.sub_attributes.iter().for_each(|part| check(part, depth + 1));
    }

    #[test]
    fn every_definition_has_legal_names_and_no_complex_part() {
        for schema in Registry::standard().served() {
            schema.attributes.iter().for_each(|attribute| check(attribute, 0));
        }
        common_attributes().iter().for_each(|attribute| check(attribute, 0));
    }

    #[test]
    fn user_has_every_attribute_of_the_core_schema() {
        let expected = [
            "userName",
            "name",
            "displayName",
            "nickName",
            "profileUrl",
            "title",
            "userType",
            "preferredLanguage",
            "locale",
            "timezone",
            "active",
            "password",
            "emails",
            "phoneNumbers",
            "ims",
            "photos",
            "addresses",
            "groups",
            "entitlements",
            "roles",
            "x509Certificates",
        ];
        let found: Vec<&str> = user().base.attributes.iter().map(|attribute| attribute.name).collect();
        assert_eq!(found, expected);
        assert_eq!(user().own_attribute("USERNAME").map(|attribute| attribute.name), Some("userName"));
    }
}
