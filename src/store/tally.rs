//! How many users each source has: counted in the commit that changes them, so that nobody has to count.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::id::SourceId;
use crate::store::engine::{Bytes, KeyRange, Order};
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx};
use crate::store::{StoreError, verify};

/// Users of one source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Who is not removed.
    pub present: u64,
    /// Who of them is active.
    pub active: u64,
}

impl Tally {
    /// Out of its row.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (present, active) = (bytes.first_chunk::<8>()?, bytes.last_chunk::<8>()?);
        (bytes.len() == 16).then(|| Self { present: u64::from_be_bytes(*present), active: u64::from_be_bytes(*active) })
    }

    /// As it stands in its row.
    pub(super) fn bytes(self) -> Bytes {
        [self.present.to_be_bytes(), self.active.to_be_bytes()].concat()
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self { present: self.present.saturating_add(other.present), active: self.active.saturating_add(other.active) }
    }

    fn minus(self, other: Self) -> Self {
        Self { present: self.present.saturating_sub(other.present), active: self.active.saturating_sub(other.active) }
    }
}

/// What one record counts, and in which row; none: it counts nowhere.
pub(super) type Counted = Option<(Bytes, Tally)>;

/// The row of a source.
pub(super) fn key(source: &SourceId) -> Bytes {
    Space::UserTally.key(&[source.as_str().as_bytes()])
}

/// How many users a source has.
///
/// # Errors
/// When the store cannot read.
pub fn of_source(reads: &dyn Reads, source: &SourceId) -> Result<Tally, StoreError> {
    at(reads, &key(source))
}

pub(super) fn at(reads: &dyn Reads, key: &[u8]) -> Result<Tally, StoreError> {
    Ok(reads.get(key)?.and_then(|bytes| Tally::read(&bytes)).unwrap_or_default())
}

/// A record became another one.
pub(super) fn moved(tx: &mut Tx<'_>, old: Counted, new: Counted) -> Result<(), StoreError> {
    if old == new {
        return Ok(());
    }
    if let Some((key, counted)) = old {
        let left = at(tx, &key)?.minus(counted);
        put(tx, key, left);
    }
    if let Some((key, counted)) = new {
        let sum = at(tx, &key)?.plus(counted);
        put(tx, key, sum);
    }
    Ok(())
}

fn put(tx: &mut Tx<'_>, key: Bytes, tally: Tally) {
    if tally == Tally::default() { tx.remove(key) } else { tx.put(key, tally.bytes()) }
}

/// Compares what stands there with what was counted.
pub(super) fn verify(
    reads: &dyn Reads,
    counted: &BTreeMap<Bytes, Tally>,
    report: &mut verify::Report,
) -> Result<(), StoreError> {
    let rows = reads.scan(&KeyRange::prefix(&Space::UserTally.key(&[])), Order::Ascending, usize::MAX)?;
    let found: BTreeMap<Bytes, Bytes> = rows.into_iter().collect();
    let keys: BTreeSet<&Bytes> = found.keys().chain(counted.keys()).collect();
    for key in keys {
        let wanted = counted.get(key).map(|tally| tally.bytes());
        if found.get(key) != wanted.as_ref() {
            report.wrong_count(key, wanted);
        }
    }
    Ok(())
}
