//! What the settings say of SCIM: which schemas are served, how long requests are kept, what a provider may do.

use std::time::Duration;

use crate::base::id::SourceId;
use crate::directory::policy::{Budget, days};
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
