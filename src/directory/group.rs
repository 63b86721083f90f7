//! Groups: named sets of users and groups. Members are rows of their own in the store, never a list here.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::id::{ExternalId, GroupId, OrganizationId, SourceId, UserId};
use crate::directory::field::{Description, DisplayName};

/// What the name of an organisation's group begins with where it stands beside others: then come the organisation, a
/// colon, and its own name.
pub const OF_ORGANIZATION: &str = "organization/";

/// A group without its members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Made once, never used again.
    pub id: GroupId,
    /// Unique without case: among the groups of its organisation, else among those of its source.
    pub name: DisplayName,
    /// Free text.
    #[serde(default)]
    pub description: Description,
    /// The source that owns it.
    pub source: SourceId,
    /// The organisation that it is of, whose members alone are in it; none: of the directory. Of a source's groups none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub organization: Option<OrganizationId>,
    /// What the owning source calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
    /// How the owning source has it, as it said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_source: Option<GroupAtSource>,
    /// Attributes that SCIM sent and that have no field of their own, as they were sent.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub scim: serde_json::Map<String, serde_json::Value>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it, or its members, last changed.
    pub modified_at: Timestamp,
    /// Raised by one with every change.
    pub revision: u64,
}

impl Group {
    /// A group that is made now, without description, external id or members.
    #[must_use]
    pub fn new(id: GroupId, name: DisplayName, source: SourceId, now: Timestamp) -> Self {
        Self {
            id,
            name,
            description: Description::default(),
            source,
            organization: None,
            external_id: None,
            at_source: None,
            scim: serde_json::Map::new(),
            created_at: now,
            modified_at: now,
            revision: 1,
        }
    }
}

/// How a source has a group, besides what everybody sees.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupAtSource {
    /// The entry's name there now.
    pub entry: String,
    /// The number by which users name it as their primary group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary_key: Option<String>,
}

/// A wish to change some of a group's attributes; `None` leaves one alone.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct GroupChange {
    /// A new name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<DisplayName>,
    /// A new description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<Description>,
    /// How the source has it now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at_source: Option<GroupAtSource>,
}

impl GroupChange {
    /// The group with the wished changes.
    #[must_use]
    pub fn apply(self, group: Group) -> Group {
        Group {
            name: self.name.unwrap_or(group.name),
            description: self.description.unwrap_or(group.description),
            at_source: self.at_source.or(group.at_source),
            ..group
        }
    }
}

/// A member of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Member {
    /// A user.
    User(UserId),
    /// All members of another group.
    Group(GroupId),
}
