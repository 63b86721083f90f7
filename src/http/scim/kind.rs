//! The kinds of resources, and the ids of what is of them.

use serde::{Deserialize, Serialize};

use crate::base::id::{GroupId, ResourceId, UserId};
use crate::directory::group::Member;
use crate::scim::schema::ResourceType;
use crate::scim::schemas::Registry;

/// What is listed, made, changed.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Users.
    Users(&'static ResourceType),
    /// Groups.
    Groups(&'static ResourceType),
    /// Resources of a type that the settings add.
    Other(&'static ResourceType),
}

impl Kind {
    /// The kind at an endpoint, as `Users`.
    #[must_use]
    pub fn at(registry: &'static Registry, name: &str) -> Option<Self> {
        let mut all = Self::all(registry);
        all.find(|kind| kind.resource_type().endpoint.strip_prefix('/') == Some(name))
    }

    /// Every kind, users first.
    pub fn all(registry: &'static Registry) -> impl Iterator<Item = Self> {
        let others = registry.custom().iter().map(Self::Other);
        [Self::Users(registry.user()), Self::Groups(registry.group())].into_iter().chain(others)
    }

    /// Its description.
    #[must_use]
    pub fn resource_type(self) -> &'static ResourceType {
        match self {
            Self::Users(resource_type) | Self::Groups(resource_type) | Self::Other(resource_type) => resource_type,
        }
    }

    /// The attribute that costs lookups of its own.
    #[must_use]
    pub fn dear_attribute(self) -> Option<&'static str> {
        match self {
            Self::Users(_) => Some("groups"),
            Self::Groups(_) => Some("members"),
            Self::Other(_) => None,
        }
    }

    /// Is it users?
    #[must_use]
    pub fn is_users(self) -> bool {
        matches!(self, Self::Users(_))
    }
}

/// A resource by its id. Ordered as lists without another order are: by age.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Key {
    /// A user.
    User(UserId),
    /// A group.
    Group(GroupId),
    /// Another.
    Other(ResourceId),
}

impl From<Member> for Key {
    fn from(member: Member) -> Self {
        match member {
            Member::User(id) => Self::User(id),
            Member::Group(id) => Self::Group(id),
        }
    }
}
