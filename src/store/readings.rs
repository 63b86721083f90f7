//! How far each source was read: where the next reading goes on, and what must happen before it may.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::id::{RunId, SourceId};
use crate::store::StoreError;
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx, get_record};

/// How far a source was read. Written in the same commit as the last of what it covers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Reading {
    /// Where the next reading goes on, in the source's own words; none: from the beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bookmark: Option<String>,
    /// When the last complete reading began whose outcome was applied.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub complete_at: Option<Timestamp>,
    /// Why the next reading must be a complete one, where that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub needs_complete: Option<String>,
    /// The run that a person took back: from then on every run waits for a person, until one is approved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undone: Option<RunId>,
}

fn key(source: &SourceId) -> Vec<u8> {
    Space::Reading.key(&[source.as_str().as_bytes()])
}

/// How far this source was read.
///
/// # Errors
/// When the store cannot read.
pub fn get(reads: &dyn Reads, source: &SourceId) -> Result<Reading, StoreError> {
    Ok(get_record(reads, &key(source))?.unwrap_or_default())
}

/// Notes how far a source was read.
///
/// # Errors
/// When the record cannot be encoded.
pub fn put(tx: &mut Tx<'_>, source: &SourceId, reading: &Reading) -> Result<(), StoreError> {
    tx.put_record(key(source), reading)
}
