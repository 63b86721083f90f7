//! When each background task ran last: so that a run missed during downtime is caught up, once.

use jiff::Timestamp;

use crate::store::engine::{KeyRange, Order};
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx, get_record};
use crate::store::{StoreError, codec};

/// More tasks than there are.
const MOST: usize = 10_000;

/// When the task of this name began its last run.
///
/// # Errors
/// When the store cannot read.
pub fn last_run(reads: &dyn Reads, name: &str) -> Result<Option<Timestamp>, StoreError> {
    get_record(reads, &Space::TaskState.key(&[name.as_bytes()]))
}

/// When any task began its last run.
///
/// # Errors
/// When the store cannot read.
pub fn newest_run(reads: &dyn Reads) -> Result<Option<Timestamp>, StoreError> {
    let rows = reads.scan(&KeyRange::prefix(&Space::TaskState.key(&[])), Order::Ascending, MOST)?;
    // Other facts lie here too, which are no times.
    Ok(rows.iter().filter_map(|(_, bytes)| codec::decode(bytes).ok()).max())
}

/// Notes that the task of this name begins a run.
///
/// # Errors
/// When the record cannot be encoded.
pub fn begin_run(tx: &mut Tx<'_>, name: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.put_record(Space::TaskState.key(&[name.as_bytes()]), &now)
}
