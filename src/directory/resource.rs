//! Resources of the types that the settings add (RFC 7643 §6): devices, entitlements, whatever a source pushes.
//!
//! The directory keeps them for their source and gives them back; nothing here follows from them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::id::{ExternalId, ResourceId, SourceId};

/// One resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resource {
    /// Made once, never used again.
    pub id: ResourceId,
    /// The source that owns it.
    pub source: SourceId,
    /// The name of its resource type.
    pub kind: String,
    /// What the owning source calls it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
    /// Its attributes as they were sent, in canonical form.
    pub attributes: serde_json::Map<String, serde_json::Value>,
    /// The values that no other resource of the source and type may have, each with its attribute in front.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unique: Vec<String>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub modified_at: Timestamp,
    /// Raised by one with every change.
    pub revision: u64,
}
