//! Reading, and the transaction in which everything is written.
//!
//! A [`Tx`] sees its own writes over what is committed. It lives on the writer's thread only; a rule that
//! fails takes back what it wrote, and nothing of it reaches the engine.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::rng::Rng;
use crate::directory::audit::AuditLine;
use crate::store::engine::{Bytes, KeyRange, Order, Row, Rows};
use crate::store::keys::Space;
use crate::store::seal::Sealer;
use crate::store::{StoreError, codec};

/// Reading rows, inside a transaction or outside.
pub trait Reads {
    /// The value of a key.
    ///
    /// # Errors
    /// When the engine cannot read.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError>;

    /// The values of many keys.
    ///
    /// # Errors
    /// When the engine cannot read.
    fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, StoreError>;

    /// At most `limit` rows of a range.
    ///
    /// # Errors
    /// When the engine cannot read.
    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> Result<Vec<Row>, StoreError>;

    /// Opens sealed values.
    fn sealer(&self) -> &Sealer;
}

/// The record under a key.
///
/// # Errors
/// When the engine cannot read, or the record is damaged.
pub fn get_record<T: DeserializeOwned>(reads: &dyn Reads, key: &[u8]) -> Result<Option<T>, StoreError> {
    reads.get(key)?.map(|bytes| codec::decode(&bytes)).transpose()
}

/// The records under many keys; absent ones are left out.
///
/// # Errors
/// When the engine cannot read, or a record is damaged.
pub fn get_records<T: DeserializeOwned>(reads: &dyn Reads, keys: &[Bytes]) -> Result<Vec<T>, StoreError> {
    reads.get_many(keys)?.into_iter().flatten().map(|bytes| codec::decode(&bytes)).collect()
}

/// Shows every row of a space in the order of the keys, at most `chunk` at a time.
///
/// # Errors
/// When the engine cannot read; those of `visit`.
pub(super) fn each_chunk<E: From<StoreError>>(
    reads: &dyn Reads,
    space: Space,
    chunk: usize,
    mut visit: impl FnMut(Vec<Row>) -> Result<(), E>,
) -> Result<(), E> {
    let prefix = space.key(&[]);
    let mut range = KeyRange::prefix(&prefix);
    loop {
        let rows = reads.scan(&range, Order::Ascending, chunk)?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        range = KeyRange::prefix_after(&prefix, last.clone());
        visit(rows)?;
    }
}

/// What is committed.
pub struct View<'a> {
    pub(super) engine: &'a dyn Rows,
    pub(super) sealer: &'a Sealer,
}

/// What was committed when it was taken, however long it is looked at.
pub struct Snapshot {
    pub(super) rows: Box<dyn Rows>,
    pub(super) sealer: Arc<Sealer>,
}

/// Keys with their new value; `None` removes.
pub(super) type Writes = BTreeMap<Bytes, Option<Bytes>>;

impl Reads for View<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.engine.get(key)?)
    }

    fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, StoreError> {
        Ok(self.engine.get_many(keys)?)
    }

    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> Result<Vec<Row>, StoreError> {
        Ok(self.engine.scan(range, order, limit)?)
    }

    fn sealer(&self) -> &Sealer {
        self.sealer
    }
}

impl Reads for Snapshot {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        Ok(self.rows.get(key)?)
    }

    fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, StoreError> {
        Ok(self.rows.get_many(keys)?)
    }

    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> Result<Vec<Row>, StoreError> {
        Ok(self.rows.scan(range, order, limit)?)
    }

    fn sealer(&self) -> &Sealer {
        &self.sealer
    }
}

/// A transaction: reads that see its own writes, and writes that take effect all together or not at all.
pub struct Tx<'a> {
    engine: &'a dyn Rows,
    sealer: &'a Sealer,
    rng: &'a Rng,
    now: Timestamp,
    /// What is on its way to the disk.
    under_way: Option<&'a Writes>,
    writes: Writes,
    /// Lines for the audit trail; they get their numbers when the group is handed over.
    lines: Vec<AuditLine>,
    /// What the current job replaced in `writes`, to take it back.
    replaced: Vec<(Bytes, Option<Option<Bytes>>)>,
    /// How many lines there were before the current job.
    lines_before: usize,
}

impl<'a> Tx<'a> {
    /// A transaction over what is committed, what is under way, and what the group has written before it.
    pub(super) fn new(
        engine: &'a dyn Rows,
        sealer: &'a Sealer,
        rng: &'a Rng,
        now: Timestamp,
        under_way: Option<&'a Writes>,
        (writes, lines): (Writes, Vec<AuditLine>),
    ) -> Self {
        let lines_before = lines.len();
        Self { engine, sealer, rng, now, under_way, writes, lines, replaced: Vec::new(), lines_before }
    }

    /// The time of this transaction.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Random bytes for ids and tokens.
    #[must_use]
    pub fn rng(&self) -> &Rng {
        self.rng
    }

    /// Writes a value.
    pub fn put(&mut self, key: Bytes, value: Bytes) {
        self.set(key, Some(value));
    }

    /// Writes a record.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn put_record<T: Serialize>(&mut self, key: Bytes, record: &T) -> Result<(), StoreError> {
        self.put(key, codec::encode(record)?);
        Ok(())
    }

    /// Removes a row.
    pub fn remove(&mut self, key: Bytes) {
        self.set(key, None);
    }

    fn set(&mut self, key: Bytes, value: Option<Bytes>) {
        let before = self.writes.insert(key.clone(), value);
        self.replaced.push((key, before));
    }

    /// Tries something inside a larger transaction: if it fails, only what it wrote is taken back.
    ///
    /// # Errors
    /// Those of what was tried.
    pub fn attempt<T, E>(&mut self, what: impl FnOnce(&mut Self) -> Result<T, E>) -> Result<T, E> {
        let (mark, lines) = (self.replaced.len(), self.lines.len());
        let outcome = what(self);
        if outcome.is_err() {
            self.take_back_to(mark);
            self.lines.truncate(lines);
        }
        outcome
    }

    /// Adds a line to those that go into the audit trail with this group.
    pub(super) fn note_line(&mut self, line: AuditLine) {
        self.lines.push(line);
    }

    /// Takes the lines that were gathered.
    pub(super) fn take_lines(&mut self) -> Vec<AuditLine> {
        std::mem::take(&mut self.lines)
    }

    /// Takes back what the current job wrote.
    pub(super) fn take_back(&mut self) {
        self.take_back_to(0);
        self.lines.truncate(self.lines_before);
    }

    fn take_back_to(&mut self, mark: usize) {
        while self.replaced.len() > mark {
            let Some((key, before)) = self.replaced.pop() else { return };
            match before {
                Some(value) => self.writes.insert(key, value),
                None => self.writes.remove(&key),
            };
        }
    }

    pub(super) fn into_parts(self) -> (Writes, Vec<AuditLine>) {
        (self.writes, self.lines)
    }

    /// What is written, but not committed yet, under a key.
    fn pending(&self, key: &[u8]) -> Option<&Option<Bytes>> {
        self.writes.get(key).or_else(|| self.under_way?.get(key))
    }
}

impl Reads for Tx<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        match self.pending(key) {
            Some(written) => Ok(written.clone()),
            None => Ok(self.engine.get(key)?),
        }
    }

    fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, StoreError> {
        let committed: Vec<_> = keys.iter().filter(|key| self.pending(key).is_none()).cloned().collect();
        let mut committed =
            if committed.is_empty() { Vec::new() } else { self.engine.get_many(&committed)? }.into_iter();
        Ok(keys.iter().map(|key| self.pending(key).cloned().unwrap_or_else(|| committed.next().flatten())).collect())
    }

    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> Result<Vec<Row>, StoreError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let bounds = || (range.start.clone(), range.end.clone());
        // The later one wins.
        let pending =
            self.under_way.into_iter().flat_map(|writes| writes.range(bounds())).chain(self.writes.range(bounds()));
        let pending: BTreeMap<&Bytes, &Option<Bytes>> = pending.collect();
        // Every pending write can hide one committed row, so this many are enough.
        let committed = self.engine.scan(range, order, limit.saturating_add(pending.len()))?;
        let mut rows: BTreeMap<Bytes, Bytes> = committed.into_iter().collect();
        for (key, value) in pending {
            match value {
                Some(value) => rows.insert(key.clone(), value.clone()),
                None => rows.remove(key),
            };
        }
        Ok(match order {
            Order::Ascending => rows.into_iter().take(limit).collect(),
            Order::Descending => rows.into_iter().rev().take(limit).collect(),
        })
    }

    fn sealer(&self) -> &Sealer {
        self.sealer
    }
}
