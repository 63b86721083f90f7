//! What the settings say of SCIM: which schemas are served, how long requests are kept, what a provider may do.

use std::time::Duration;

use serde_json::Value;

use crate::base::id::SourceId;
use crate::directory::policy::{Budget, days};
use crate::scim::definitions;
use crate::scim::schemas::Registry;

/// The settings of the endpoint.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The resource types and schemas that are served.
    pub registry: &'static Registry,
    /// How long the requests of providers are kept to be looked at; `None`: they are not.
    pub journal: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { registry: Registry::standard(), journal: Some(days(7)) }
    }
}

/// A JSON document, and what people call it.
pub struct Document {
    /// The file.
    pub name: String,
    /// What is in it.
    pub content: Value,
}

/// The resource types and schemas that are served, with these besides the built-in ones.
///
/// # Errors
/// Every fault with its key: `schemas` or `resource_types`.
pub fn registry(schemas: &[Document], types: &[Document]) -> Result<&'static Registry, Vec<(&'static str, String)>> {
    let mut faults = Vec::new();
    let schemas = each(schemas, "schemas", definitions::schema, &mut faults);
    let types = each(types, "resource_types", definitions::resource_type, &mut faults);
    if !faults.is_empty() {
        return Err(faults);
    }
    let at = |faults: Vec<String>| faults.into_iter().map(|fault| ("resource_types", fault)).collect();
    definitions::registry(schemas, types).map_err(at)
}

fn each<T>(
    documents: &[Document],
    key: &'static str,
    read: impl Fn(&Value) -> Result<T, String>,
    faults: &mut Vec<(&'static str, String)>,
) -> Vec<T> {
    let mut found = Vec::with_capacity(documents.len());
    for Document { name, content } in documents {
        match read(content) {
            Ok(one) => found.push(one),
            Err(fault) => faults.push((key, format!("{name}: {fault}"))),
        }
    }
    found
}

/// What the identity provider of one source may do.
#[derive(Clone, Debug, PartialEq)]
pub struct Push {
    /// How many users it may disable or remove in a day without a person's yes.
    pub budget: Budget,
    /// Sources whose users it takes over when it creates one of the same username.
    pub adopts: Vec<SourceId>,
    /// Whether two groups of the same displayName are refused (409), or kept side by side.
    pub unique_group_names: bool,
}

impl Default for Push {
    fn default() -> Self {
        Self { budget: Budget::default(), adopts: Vec::new(), unique_group_names: true }
    }
}
