//! All rows of an engine: read in order, filled into another, counted and summed up.

use std::ops::Bound;

use sha2::{Digest, Sha256};

use crate::store::engine::{Batch, Bytes, Engine, EngineError, KeyRange, Order, Row, Rows};

/// Rows that are read at once.
const READ_ROWS: usize = 256;
/// When so many bytes were read at once, fewer rows are read the next time.
const READ_BYTES: usize = 1 << 20;
/// Rows of one batch. sled's log grows with the batches: a thousand rows of usual size gave the smallest file.
const BATCH_ROWS: usize = 1_000;
/// Bytes of one batch.
const BATCH_BYTES: usize = 1 << 20;

/// How many rows there are, how large, and the checksum of all.
#[derive(Clone, Default)]
pub(super) struct Tally {
    pub(super) rows: u64,
    pub(super) content: u64,
    digest: Sha256,
}

impl Tally {
    /// Counts a row in. Lengths are part of the sum: two rows are not mistaken for one.
    pub(super) fn add(&mut self, (key, value): &Row) {
        self.rows = self.rows.saturating_add(1);
        self.content = self.content.saturating_add(size(key, value));
        self.digest.update(u64::try_from(key.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.digest.update(key);
        self.digest.update(u64::try_from(value.len()).unwrap_or(u64::MAX).to_be_bytes());
        self.digest.update(value);
    }

    /// Number of rows and checksum.
    pub(super) fn sum(&self) -> (u64, [u8; 32]) {
        (self.rows, self.digest.clone().finalize().into())
    }
}

fn size(key: &[u8], value: &[u8]) -> u64 {
    u64::try_from(key.len().saturating_add(value.len())).unwrap_or(u64::MAX)
}

/// Shows every row in the order of the keys, holding few of them at a time.
pub(super) fn each<E: From<EngineError>>(
    rows: &dyn Rows,
    mut visit: impl FnMut(Row) -> Result<(), E>,
) -> Result<(), E> {
    let mut range = KeyRange { start: Bound::Unbounded, end: Bound::Unbounded };
    let mut limit = 16;
    loop {
        let found = rows.scan(&range, Order::Ascending, limit)?;
        let Some((last, _)) = found.last() else { return Ok(()) };
        range.start = Bound::Excluded(last.clone());
        let bytes: usize = found.iter().map(|(key, value)| key.len().saturating_add(value.len())).sum();
        let per_row = bytes.div_ceil(found.len()).max(1);
        limit = READ_BYTES.div_ceil(per_row).min(limit.saturating_mul(2)).clamp(1, READ_ROWS);
        for row in found {
            visit(row)?;
        }
    }
}

/// What all rows of an engine come to.
pub(super) fn tally(rows: &dyn Rows) -> Result<Tally, EngineError> {
    let mut tally = Tally::default();
    each(rows, |row| {
        tally.add(&row);
        Ok::<_, EngineError>(())
    })?;
    Ok(tally)
}

/// Puts rows into an engine, batch by batch.
pub(super) struct Filler<'a> {
    engine: &'a dyn Engine,
    batch: Batch,
    bytes: usize,
    tally: Tally,
}

impl<'a> Filler<'a> {
    pub(super) fn new(engine: &'a dyn Engine) -> Self {
        Self { engine, batch: Batch::default(), bytes: 0, tally: Tally::default() }
    }

    pub(super) fn put(&mut self, row: Row) -> Result<(), EngineError> {
        self.tally.add(&row);
        let (key, value): (Bytes, Bytes) = row;
        self.bytes = self.bytes.saturating_add(key.len()).saturating_add(value.len());
        self.batch.writes.insert(key, Some(value));
        if self.batch.writes.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES { self.commit() } else { Ok(()) }
    }

    fn commit(&mut self) -> Result<(), EngineError> {
        let batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        if batch.writes.is_empty() { Ok(()) } else { self.engine.commit(&batch) }
    }

    /// Puts the last of them in; what all came to.
    pub(super) fn finish(mut self) -> Result<Tally, EngineError> {
        self.commit()?;
        Ok(self.tally)
    }
}
