//! The inbox of conflicts: entries of sources that wait for a person, by source and external id.

use crate::base::id::{ExternalId, SourceId};
use crate::directory::conflict::Conflict;
use crate::store::StoreError;
use crate::store::engine::{KeyRange, Order};
use crate::store::keys::{END, Space};
use crate::store::tx::{Reads, Tx, get_record};

/// Most conflicts that one source keeps: further ones stand in the run only.
pub const KEPT_MAX: usize = 10_000;

/// Conflicts that are read at once.
const CHUNK: usize = 500;

fn key(source: &SourceId, external_id: &ExternalId) -> Vec<u8> {
    Space::Conflict.key(&[source.as_str().as_bytes(), END, external_id.as_str().as_bytes()])
}

fn prefix(source: Option<&SourceId>) -> Vec<u8> {
    match source {
        Some(source) => Space::Conflict.key(&[source.as_str().as_bytes(), END]),
        None => Space::Conflict.key(&[]),
    }
}

/// The conflict of this entry.
///
/// # Errors
/// When the store cannot read.
pub fn get(reads: &dyn Reads, source: &SourceId, external_id: &ExternalId) -> Result<Option<Conflict>, StoreError> {
    get_record(reads, &key(source, external_id))
}

/// The conflicts of one source or of all, open and decided.
///
/// # Errors
/// When the store cannot read.
pub fn list(reads: &dyn Reads, source: Option<&SourceId>) -> Result<Vec<Conflict>, StoreError> {
    page(reads, source, None, usize::MAX, |_| true)
}

/// At most so many conflicts that `wanted` wants, of one source or of all, those after an entry of a source, in the
/// order of sources and external ids.
///
/// # Errors
/// When the store cannot read.
pub fn page(
    reads: &dyn Reads,
    source: Option<&SourceId>,
    after: Option<&(SourceId, ExternalId)>,
    most: usize,
    wanted: impl Fn(&Conflict) -> bool,
) -> Result<Vec<Conflict>, StoreError> {
    let prefix = prefix(source);
    let mut range = match after {
        Some((source, external_id)) => KeyRange::prefix_after(&prefix, key(source, external_id)),
        None => KeyRange::prefix(&prefix),
    };
    let mut page = Vec::new();
    loop {
        let rows = reads.scan(&range, Order::Ascending, CHUNK)?;
        let Some((last, _)) = rows.last() else { return Ok(page) };
        range = KeyRange::prefix_after(&prefix, last.clone());
        for (_, bytes) in &rows {
            let conflict = super::codec::decode(bytes)?;
            if wanted(&conflict) {
                page.push(conflict);
            }
            if page.len() >= most {
                return Ok(page);
            }
        }
    }
}

/// Keeps a conflict.
///
/// # Errors
/// When the record cannot be encoded.
pub fn put(tx: &mut Tx<'_>, conflict: &Conflict) -> Result<(), StoreError> {
    tx.put_record(key(&conflict.source, &conflict.external_id), conflict)
}

/// Forgets a conflict, if there is one: a look costs less than a row that is removed.
///
/// # Errors
/// When the store cannot read.
pub fn settle(tx: &mut Tx<'_>, source: &SourceId, external_id: &ExternalId) -> Result<(), StoreError> {
    if tx.get(&key(source, external_id))?.is_some() {
        remove(tx, source, external_id);
    }
    Ok(())
}

/// Forgets a conflict that is none any more.
pub fn remove(tx: &mut Tx<'_>, source: &SourceId, external_id: &ExternalId) {
    tx.remove(key(source, external_id));
}
