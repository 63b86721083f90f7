//! Organisations: users belong to any number of them, with roles inside each.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::id::OrganizationId;
use crate::directory::field::{Description, DisplayName};

/// One organisation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Organization {
    /// Made once, never used again.
    pub id: OrganizationId,
    /// Unique, without case.
    pub name: DisplayName,
    /// Free text.
    #[serde(default)]
    pub description: Description,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed; of one that never did up to schema 5, none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub modified_at: Option<Timestamp>,
    /// Raised by one with every change.
    pub revision: u64,
}
