//! What is known of the clock: when it was last believed, and why it is not.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::store::engine::Row;
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx, get_record};
use crate::store::{StoreError, codec};

/// What is known of the clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// The last time that was believed.
    pub seen: Timestamp,
    /// The boot of the machine in which the clock was first believed, and how it stood there; none: nobody knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<Anchor>,
    /// The clock is in doubt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Paused>,
}

/// A time that was believed, and how long the machine was up then: what only time itself moves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// The machine's boot.
    pub boot: String,
    /// How long it was up, in milliseconds.
    pub up_ms: u64,
    /// What the clock said.
    pub at: Timestamp,
}

/// Sweep, notices and upkeep wait.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// Since when, by the clock that is in doubt.
    pub since: Timestamp,
    /// Why, in words.
    pub why: String,
}

fn key() -> Vec<u8> {
    Space::TaskState.key(&[b"clock watched"])
}

/// What is known of the clock; none: it was never looked at.
///
/// # Errors
/// When the store cannot read.
pub fn get(reads: &dyn Reads) -> Result<Option<Watch>, StoreError> {
    get_record(reads, &key())
}

/// Why sweep, notices and upkeep wait, if they do.
///
/// # Errors
/// When the store cannot read.
pub fn paused(reads: &dyn Reads) -> Result<Option<Paused>, StoreError> {
    Ok(get(reads)?.and_then(|watch| watch.paused))
}

/// A row as a store has it that comes from a backup or an export: how long the machine was up then is no fact of the
/// directory, and must not make it believed however old it is. It waits as after any other boot.
///
/// # Errors
/// When it is the row of the clock and cannot be read.
pub(super) fn without_anchor((at, value): Row) -> Result<Row, StoreError> {
    if at != key() {
        return Ok((at, value));
    }
    let watch = Watch { anchor: None, ..codec::decode(&value)? };
    Ok((at, codec::encode(&watch)?))
}

/// Notes what is known.
///
/// # Errors
/// When the record cannot be encoded.
pub fn put(tx: &mut Tx<'_>, watch: &Watch) -> Result<(), StoreError> {
    tx.put_record(key(), watch)
}
