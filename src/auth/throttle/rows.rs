//! The rows of counters, written as the counters are at that moment: rules run one after the other, so the last one
//! that is written is the newest.

use std::sync::{Arc, Mutex, PoisonError};

use super::{Counters, Key};
use crate::store::tx::Tx;
use crate::store::{StoreError, locks};

/// Rows to write.
#[derive(Clone)]
pub struct Rows {
    counters: Arc<Mutex<Counters>>,
    keys: Vec<Key>,
}

impl Rows {
    pub(super) fn new(counters: Arc<Mutex<Counters>>, keys: impl IntoIterator<Item = Key>) -> Self {
        Self { counters, keys: keys.into_iter().collect() }
    }

    /// Writes them, or removes them where nothing is counted any more.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn write(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        for key in &self.keys {
            let Some(row) = key.row() else { continue };
            let now = {
                let mut counters = self.counters.lock().unwrap_or_else(PoisonError::into_inner);
                // One that made room in memory has its row already.
                let Some(counter) = counters.get_mut(key) else { continue };
                counter.stored = !counter.is_clear();
                *counter
            };
            if now.is_clear() {
                locks::remove(tx, &row)?;
            } else {
                locks::put(tx, &row, &now.lock(matches!(key, Key::Password(_) | Key::Code(_) | Key::Face(_))))?;
            }
        }
        Ok(())
    }
}
