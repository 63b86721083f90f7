//! Who is found by an index besides the unique values: whom a source still has, who has an address among all of
//! theirs, who was changed when, who is in a state, which tombstones come next.

use std::ops::Bound;

use jiff::Timestamp;

use crate::base::id::{ExternalId, SourceId, UserId};
use crate::directory::dn::EntryKey;
use crate::directory::user::Fingerprint;
use crate::store::StoreError;
use crate::store::engine::{Bytes, KeyRange, Order, Row};
use crate::store::index::{self, indexed_email};
use crate::store::keys::{self, END, Space};
use crate::store::tx::Reads;

/// Those of the ids that are users of the source and not removed, in their order. Reads no record.
///
/// # Errors
/// When the store cannot read.
pub fn present(reads: &dyn Reads, source: &SourceId, ids: &[UserId]) -> Result<Vec<UserId>, StoreError> {
    let key = |id: &UserId| Space::UserBySource.key(&[source.as_str().as_bytes(), END, id.as_bytes()]);
    let keys: Vec<_> = ids.iter().map(key).collect();
    let rows = reads.get_many(&keys)?;
    Ok(ids.iter().zip(rows).filter_map(|(id, row)| row.map(|_| *id)).collect())
}

/// Everybody who may have this address, be it the one of the record or one of several that a source sent.
/// `None`: no index holds such a text.
///
/// # Errors
/// When the store cannot read.
pub fn by_any_email(reads: &dyn Reads, email: &str) -> Result<Option<Vec<UserId>>, StoreError> {
    let Some(folded) = indexed_email(email) else { return Ok(None) };
    let own = reads.get(&Space::UserByEmail.key(&[folded.as_bytes()]))?;
    let mut ids: Vec<_> = own.iter().filter_map(|id| keys::trailing_id(id)).map(UserId::from_bytes).collect();
    let prefix = Space::UserByOtherEmail.key(&[folded.as_bytes(), END]);
    let rows = reads.scan(&KeyRange::prefix(&prefix), Order::Ascending, usize::MAX)?;
    ids.extend(rows.iter().filter_map(|(key, _)| keys::trailing_id(key)).map(UserId::from_bytes));
    ids.sort_unstable();
    ids.dedup();
    Ok(Some(ids))
}

/// What a pass over a source must know of an entry's user before it reads the record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// The user, tombstones too.
    pub id: UserId,
    /// The fingerprint of the record.
    pub fingerprint: Fingerprint,
}

/// For each of these identities: the source's user, where there is one. Reads no record.
///
/// # Errors
/// When the store cannot read.
pub fn known(reads: &dyn Reads, source: &SourceId, ids: &[&ExternalId]) -> Result<Vec<Option<Known>>, StoreError> {
    let keys: Vec<_> = ids.iter().map(|id| keys::user_by_external_id(source, id)).collect();
    let read = |row: Option<Bytes>| {
        let row = row?;
        let fingerprint = *row.first_chunk::<16>()?;
        Some(Known { id: UserId::from_bytes(keys::trailing_id(&row)?), fingerprint })
    };
    Ok(reads.get_many(&keys)?.into_iter().map(read).collect())
}

/// For each of these keys of names of entries: the source's user who has it. Reads no record.
///
/// # Errors
/// When the store cannot read.
pub fn by_entries(
    reads: &dyn Reads,
    source: &SourceId,
    entries: &[EntryKey],
) -> Result<Vec<Option<UserId>>, StoreError> {
    let keys: Vec<_> = entries.iter().map(|entry| index::by_entry(Space::UserByEntry, source, entry)).collect();
    let id = |row: Option<Bytes>| row.and_then(|row| keys::trailing_id(&row)).map(UserId::from_bytes);
    Ok(reads.get_many(&keys)?.into_iter().map(id).collect())
}

/// A place in an index by time: the time as the index counts it, and the user.
pub type TimePlace = (u64, UserId);

/// A time as [`by_modified`] counts it: milliseconds since 1970.
#[must_use]
pub fn modified_place(at: Timestamp) -> u64 {
    u64::from_be_bytes(keys::millis(at))
}

/// A time as [`purgeable_from`] counts it: seconds since 1970.
#[must_use]
pub fn purge_place(at: Timestamp) -> u64 {
    u64::from_be_bytes(keys::seconds(at))
}

fn place_of((key, _): &Row) -> Option<TimePlace> {
    let time = key.get(1..9)?.first_chunk::<8>()?;
    Some((u64::from_be_bytes(*time), UserId::from_bytes(keys::trailing_id(key)?)))
}

/// Users who are not removed by when they were changed, the earliest first, those of one time by id; from a time on,
/// or after a place.
///
/// # Errors
/// When the store cannot read.
pub fn by_modified(
    reads: &dyn Reads,
    from: u64,
    after: Option<TimePlace>,
    limit: usize,
) -> Result<Vec<TimePlace>, StoreError> {
    by_time(reads, Space::UserByModified, from, after, limit)
}

/// The same, the latest first; those of one time by id upwards, as in every list.
///
/// # Errors
/// When the store cannot read.
pub fn by_modified_latest(
    reads: &dyn Reads,
    from: u64,
    after: Option<TimePlace>,
    limit: usize,
) -> Result<Vec<TimePlace>, StoreError> {
    let mut found: Vec<TimePlace> = Vec::new();
    let mut end = None;
    let mut under_way = after.map(|(time, id)| (time, Some(id)));
    while found.len() < limit {
        if let Some((time, after)) = under_way.take() {
            found.extend(of_one_time(reads, time.max(from), after, limit.saturating_sub(found.len()))?);
            end = Some(time);
        }
        let rows = before(reads, from, end, limit.saturating_sub(found.len()).saturating_add(1))?;
        let Some((last, _)) = rows.last().copied() else { break };
        // Of every time but the last, all users are among these rows.
        let mut whole: Vec<_> = rows.into_iter().filter(|(time, _)| *time > last).collect();
        whole.sort_unstable_by(|(one, left), (other, right)| other.cmp(one).then(left.cmp(right)));
        found.extend(whole);
        under_way = Some((last, None));
    }
    found.truncate(limit);
    Ok(found)
}

/// The users of one time, by id, after one of them.
fn of_one_time(
    reads: &dyn Reads,
    time: u64,
    after: Option<UserId>,
    limit: usize,
) -> Result<Vec<TimePlace>, StoreError> {
    let prefix = Space::UserByModified.key(&[&time.to_be_bytes()]);
    let range = match after {
        Some(after) => KeyRange::prefix_after(&prefix, [&prefix[..], after.as_bytes()].concat()),
        None => KeyRange::prefix(&prefix),
    };
    Ok(reads.scan(&range, Order::Ascending, limit)?.iter().filter_map(place_of).collect())
}

/// The last places from one time on and before another, downwards.
fn before(reads: &dyn Reads, from: u64, end: Option<u64>, limit: usize) -> Result<Vec<TimePlace>, StoreError> {
    let space = Space::UserByModified;
    let all = KeyRange::prefix(&space.key(&[]));
    let range = KeyRange {
        start: Bound::Included(space.key(&[&from.to_be_bytes()])),
        end: end.map_or(all.end, |time| Bound::Excluded(space.key(&[&time.to_be_bytes()]))),
    };
    if range.is_empty() {
        return Ok(Vec::new());
    }
    Ok(reads.scan(&range, Order::Descending, limit)?.iter().filter_map(place_of).collect())
}

fn by_time(
    reads: &dyn Reads,
    space: Space,
    from: u64,
    after: Option<TimePlace>,
    limit: usize,
) -> Result<Vec<TimePlace>, StoreError> {
    let from = (from, Bound::Included(space.key(&[&from.to_be_bytes()])));
    let after = after.filter(|(time, _)| *time >= from.0);
    let start = after.map_or(from.1, |(time, id)| Bound::Excluded(space.key(&[&time.to_be_bytes(), id.as_bytes()])));
    let range = KeyRange { start, end: KeyRange::prefix(&space.key(&[])).end };
    Ok(reads.scan(&range, Order::Ascending, limit)?.iter().filter_map(place_of).collect())
}

/// Tombstones in the order in which they are purged, after a place.
///
/// # Errors
/// When the store cannot read.
pub fn purgeable_from(reads: &dyn Reads, after: Option<TimePlace>, limit: usize) -> Result<Vec<TimePlace>, StoreError> {
    by_time(reads, Space::UserByPurge, 0, after, limit)
}

/// Users in this state by folded username, after one of them, each with it. Of the active there is no index.
///
/// # Errors
/// When the store cannot read.
pub fn ids_in_state(
    reads: &dyn Reads,
    state: &str,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(String, UserId)>, StoreError> {
    let prefix = Space::UserByState.key(&[state.as_bytes(), END]);
    super::named(reads, &prefix, after, limit)
}
