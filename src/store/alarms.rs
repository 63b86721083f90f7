//! Alarms: what needs a person, since when, and when somebody was told by mail.
//!
//! A row outlives its alarm as long as it keeps the same cause from being told again on the same day.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::store::engine::{KeyRange, Order};
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx, get_record};
use crate::store::{StoreError, codec};

/// Most rows that are read: causes are bounded by the settings.
const MOST: usize = 10_000;

/// One alarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// What kind of thing it is: `run_failed`.
    pub kind: String,
    /// Of what: a source, a webhook, a place; empty where there is only one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub of: String,
    /// What is wrong, where, and what to do.
    pub detail: String,
    /// The one thing among several that it is about at present, such as a plan; empty where there is nothing to tell apart.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub about: String,
    /// Since when.
    pub since: Timestamp,
    /// Since when not any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When it was last written to the people whom the settings name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mailed_at: Option<Timestamp>,
}

impl Alarm {
    /// Its cause: the kind and of what, such as `run_failed:corp`.
    #[must_use]
    pub fn cause(&self) -> String {
        cause(&self.kind, &self.of)
    }
}

/// The name of a cause.
#[must_use]
pub fn cause(kind: &str, of: &str) -> String {
    if of.is_empty() { kind.to_owned() } else { format!("{kind}:{of}") }
}

/// All of them.
///
/// # Errors
/// When the store cannot read.
pub fn list(reads: &dyn Reads) -> Result<Vec<Alarm>, StoreError> {
    let rows = reads.scan(&KeyRange::prefix(&Space::Alarm.key(&[])), Order::Ascending, MOST)?;
    rows.iter().map(|(_, bytes)| codec::decode(bytes)).collect()
}

/// One by its kind and of what.
///
/// # Errors
/// When the store cannot read.
pub fn get(reads: &dyn Reads, kind: &str, of: &str) -> Result<Option<Alarm>, StoreError> {
    get_record(reads, &Space::Alarm.key(&[cause(kind, of).as_bytes()]))
}

/// Writes one.
///
/// # Errors
/// When the record cannot be encoded.
pub fn put(tx: &mut Tx<'_>, alarm: &Alarm) -> Result<(), StoreError> {
    tx.put_record(Space::Alarm.key(&[alarm.cause().as_bytes()]), alarm)
}

/// Removes one.
pub fn remove(tx: &mut Tx<'_>, alarm: &Alarm) {
    tx.remove(Space::Alarm.key(&[alarm.cause().as_bytes()]));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_of_an_alarm_is_read_for_ever() {
        let stored = r#"{"kind":"run_failed","of":"corp","detail":"d","since":"2026-01-01T00:00:00Z","ended_at":"2026-01-02T00:00:00Z","mailed_at":"2026-01-01T00:00:00Z"}"#;
        let alarm: Alarm = serde_json::from_str(stored).unwrap();
        assert_eq!(
            (alarm.cause().as_str(), serde_json::to_string(&alarm).unwrap().as_str()),
            ("run_failed:corp", stored)
        );
        assert_eq!(cause("storage", ""), "storage");
    }
}
