//! How many users each source has: counted in the commit that changes them, so that nobody has to count.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::id::SourceId;
use crate::store::engine::{Bytes, KeyRange, Order, Row};
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
    /// Raised whenever somebody left, or came in between others: who only ever come last leave everybody's place in
    /// the order of ids as it is.
    pub shifts: u64,
}

impl Tally {
    /// Out of its row.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let ([present, active, shifts], []) = bytes.as_chunks::<8>() else { return None };
        let number = |bytes: &[u8; 8]| u64::from_be_bytes(*bytes);
        Some(Self { present: number(present), active: number(active), shifts: number(shifts) })
    }

    /// As it stands in its row.
    pub(super) fn bytes(self) -> Bytes {
        [self.present, self.active, self.shifts].map(u64::to_be_bytes).concat()
    }

    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let sum = |own: u64, other: u64| own.saturating_add(other);
        let (present, active) = (sum(self.present, other.present), sum(self.active, other.active));
        Self { present, active, shifts: sum(self.shifts, other.shifts) }
    }

    fn minus(self, other: Self) -> Self {
        let (present, active) = (self.present.saturating_sub(other.present), self.active.saturating_sub(other.active));
        Self { present, active, shifts: self.shifts.saturating_add(1) }
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

/// How many users all sources together have.
///
/// # Errors
/// When the store cannot read.
pub fn total(reads: &dyn Reads) -> Result<Tally, StoreError> {
    Ok(all(reads)?.iter().filter_map(|(_, bytes)| Tally::read(bytes)).fold(Tally::default(), Tally::plus))
}

/// The sources that have users, or had some.
///
/// # Errors
/// When the store cannot read.
pub fn sources(reads: &dyn Reads) -> Result<Vec<SourceId>, StoreError> {
    let name = |key: &[u8]| SourceId::parse(std::str::from_utf8(key.get(1..)?).ok()?).ok();
    Ok(all(reads)?.iter().filter_map(|(key, _)| name(key)).collect())
}

fn all(reads: &dyn Reads) -> Result<Vec<Row>, StoreError> {
    reads.scan(&KeyRange::prefix(&Space::UserTally.key(&[])), Order::Ascending, usize::MAX)
}

pub(super) fn at(reads: &dyn Reads, key: &[u8]) -> Result<Tally, StoreError> {
    Ok(reads.get(key)?.and_then(|bytes| Tally::read(&bytes)).unwrap_or_default())
}

/// A record was made.
pub(super) fn made(tx: &mut Tx<'_>, new: Counted) -> Result<(), StoreError> {
    let Some((key, counted)) = new else { return Ok(()) };
    let sum = at(tx, &key)?.plus(counted);
    tx.put(key, sum.bytes());
    Ok(())
}

/// A record became another one.
pub(super) fn moved(tx: &mut Tx<'_>, old: Counted, new: Counted) -> Result<(), StoreError> {
    match (old, new) {
        (old, new) if old == new => Ok(()),
        (Some((key, old)), Some((same, new))) if key == same => {
            let tally = at(tx, &key)?;
            let active = tally.active.saturating_sub(old.active).saturating_add(new.active);
            tx.put(key, Tally { active, ..tally }.bytes());
            Ok(())
        }
        (old, new) => {
            if let Some((key, counted)) = old {
                let left = at(tx, &key)?.minus(counted);
                tx.put(key, left.bytes());
            }
            // Back from a tombstone, or from another source: with an id of long ago.
            made(tx, new.map(|(key, counted)| (key, Tally { shifts: 1, ..counted })))
        }
    }
}

/// Compares what stands there with what was counted.
pub(super) fn verify(
    reads: &dyn Reads,
    counted: &BTreeMap<Bytes, Tally>,
    report: &mut verify::Report,
) -> Result<(), StoreError> {
    let found: BTreeMap<Bytes, Bytes> = all(reads)?.into_iter().collect();
    let keys: BTreeSet<&Bytes> = found.keys().chain(counted.keys()).collect();
    for key in keys {
        let wanted = counted.get(key).copied().unwrap_or_default();
        let there = found.get(key).map_or(Some(Tally::default()), |bytes| Tally::read(bytes));
        if there.is_none_or(|there| (there.present, there.active) != (wanted.present, wanted.active)) {
            // Whoever remembers a place must find that it is none any more.
            let shifts = there.map_or(u64::MAX / 2, |there| there.shifts.saturating_add(1));
            report.wrong_count(key, Some(Tally { shifts, ..wanted }.bytes()));
        }
    }
    Ok(())
}
