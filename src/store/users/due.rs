//! Who is due, by the indexes by time: the cost follows who is, not who exists.

use std::ops::Bound;

use jiff::Timestamp;

use super::trailing_ids;
use crate::base::id::{SourceId, UserId};
use crate::store::StoreError;
use crate::store::engine::{KeyRange, Order};
use crate::store::keys::{self, END, Space};
use crate::store::tx::Reads;

/// Active users whose expiry has passed at `now`. The cost follows who is due, not who exists.
///
/// # Errors
/// When the store cannot read.
pub fn expired(reads: &dyn Reads, now: Timestamp, limit: usize) -> Result<Vec<UserId>, StoreError> {
    due(reads, Space::UserByExpiry, now, limit)
}

/// Active users whose expiry lies after one time and up to another, the first to end first.
///
/// # Errors
/// When the store cannot read.
pub fn expiring(
    reads: &dyn Reads,
    after: Timestamp,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<UserId>, StoreError> {
    between(reads, Space::UserByExpiry, after, until, limit)
}

/// Users whose password was set after one time and up to another, the oldest first. The cost follows who they are, not
/// who has a password.
///
/// # Errors
/// When the store cannot read.
pub fn password_set(
    reads: &dyn Reads,
    after: Timestamp,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<UserId>, StoreError> {
    between(reads, Space::CredentialByChanged, after, until, limit)
}

/// The ids of rows of an index by time, after one time and up to another.
fn between(
    reads: &dyn Reads,
    space: Space,
    after: Timestamp,
    until: Timestamp,
    limit: usize,
) -> Result<Vec<UserId>, StoreError> {
    let next = |at| u64::from_be_bytes(keys::seconds(at)).saturating_add(1).to_be_bytes();
    let range = KeyRange {
        // What is of this very second may still be later than that.
        start: Bound::Included(space.key(&[&keys::seconds(after)])),
        end: Bound::Excluded(space.key(&[&next(until)])),
    };
    if range.is_empty() {
        return Ok(Vec::new());
    }
    Ok(trailing_ids(reads.scan(&range, Order::Ascending, limit)?))
}

/// Active users of a source without login, use or enabling since `before`, the quietest first. The cost follows them.
///
/// # Errors
/// When the store cannot read.
pub fn quiet(reads: &dyn Reads, source: &SourceId, before: Timestamp, limit: usize) -> Result<Vec<UserId>, StoreError> {
    due_under(reads, &Space::UserBySourceQuiet.key(&[source.as_str().as_bytes(), END]), before, limit)
}

/// Tombstones whose time is over at `now`.
///
/// # Errors
/// When the store cannot read.
pub fn purgeable(reads: &dyn Reads, now: Timestamp, limit: usize) -> Result<Vec<UserId>, StoreError> {
    due(reads, Space::UserByPurge, now, limit)
}

fn due(reads: &dyn Reads, space: Space, until: Timestamp, limit: usize) -> Result<Vec<UserId>, StoreError> {
    due_under(reads, &space.key(&[]), until, limit)
}

/// The ids of rows that go on with a time after the prefix, up to that time.
fn due_under(reads: &dyn Reads, prefix: &[u8], until: Timestamp, limit: usize) -> Result<Vec<UserId>, StoreError> {
    let end = u64::try_from(until.as_second()).unwrap_or(0).saturating_add(1).to_be_bytes();
    let range = KeyRange::prefix_before(prefix, [prefix, &end].concat());
    Ok(trailing_ids(reads.scan(&range, Order::Ascending, limit)?))
}
