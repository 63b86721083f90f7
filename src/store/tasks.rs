//! When each background task ran last: so that a run missed during downtime is caught up, once.

use jiff::Timestamp;

use crate::store::StoreError;
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx, get_record};

/// When the task of this name began its last run.
///
/// # Errors
/// When the store cannot read.
pub fn last_run(reads: &dyn Reads, name: &str) -> Result<Option<Timestamp>, StoreError> {
    get_record(reads, &Space::TaskState.key(&[name.as_bytes()]))
}

/// Notes that the task of this name begins a run.
///
/// # Errors
/// When the record cannot be encoded.
pub fn begin_run(tx: &mut Tx<'_>, name: &str, now: Timestamp) -> Result<(), StoreError> {
    tx.put_record(Space::TaskState.key(&[name.as_bytes()]), &now)
}
