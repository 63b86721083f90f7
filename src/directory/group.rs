//! Groups: named sets of users and groups. Members are rows of their own in the store, never a list here.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::id::{ExternalId, GroupId, SourceId, UserId};
use crate::directory::field::{Description, DisplayName};

/// A group without its members.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Made once, never used again.
    pub id: GroupId,
    /// Unique among the groups of its source, without case.
    pub name: DisplayName,
    /// Free text.
    #[serde(default)]
    pub description: Description,
    /// The source that owns it.
    pub source: SourceId,
    /// What the owning source calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it, or its members, last changed.
    pub modified_at: Timestamp,
    /// Raised by one with every change.
    pub revision: u64,
}

/// A member of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Member {
    /// A user.
    User(UserId),
    /// All members of another group.
    Group(GroupId),
}
