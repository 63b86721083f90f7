//! Which users a source still has, and who has an address among all of theirs: lookups of the SCIM endpoint.

use crate::base::id::{SourceId, UserId};
use crate::store::StoreError;
use crate::store::engine::{KeyRange, Order};
use crate::store::index::indexed_email;
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
