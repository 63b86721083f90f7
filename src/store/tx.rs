//! Reading, and the transaction in which everything is written.
//!
//! A [`Tx`] sees its own writes over what is committed. It lives on the writer's thread only; a rule that
//! fails takes back what it wrote, and nothing of it reaches the engine.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::base::rng::Rng;
use crate::store::engine::{Bytes, Engine, KeyRange, Order, Row};
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

/// What is committed.
pub struct View<'a> {
    pub(super) engine: &'a dyn Engine,
    pub(super) sealer: &'a Sealer,
}

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

/// A transaction: reads that see its own writes, and writes that take effect all together or not at all.
pub struct Tx<'a> {
    engine: &'a dyn Engine,
    sealer: &'a Sealer,
    rng: &'a Rng,
    now: Timestamp,
    writes: BTreeMap<Bytes, Option<Bytes>>,
    /// What the current job replaced in `writes`, to take it back.
    replaced: Vec<(Bytes, Option<Option<Bytes>>)>,
}

impl<'a> Tx<'a> {
    pub(super) fn new(engine: &'a dyn Engine, sealer: &'a Sealer, rng: &'a Rng, now: Timestamp) -> Self {
        Self { engine, sealer, rng, now, writes: BTreeMap::new(), replaced: Vec::new() }
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
        let mark = self.replaced.len();
        let outcome = what(self);
        if outcome.is_err() {
            self.take_back_to(mark);
        }
        outcome
    }

    /// Makes what the current job wrote part of the group.
    pub(super) fn keep(&mut self) {
        self.replaced.clear();
    }

    /// Takes back what the current job wrote.
    pub(super) fn take_back(&mut self) {
        self.take_back_to(0);
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

    pub(super) fn into_writes(self) -> BTreeMap<Bytes, Option<Bytes>> {
        self.writes
    }

    pub(super) fn written(&self) -> usize {
        self.writes.len()
    }
}

impl Reads for Tx<'_> {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StoreError> {
        match self.writes.get(key) {
            Some(written) => Ok(written.clone()),
            None => Ok(self.engine.get(key)?),
        }
    }

    fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, StoreError> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> Result<Vec<Row>, StoreError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let own: Vec<_> = self.writes.range((range.start.clone(), range.end.clone())).collect();
        // Every own write can hide one committed row, so this many are enough.
        let committed = self.engine.scan(range, order, limit.saturating_add(own.len()))?;
        let mut rows: BTreeMap<Bytes, Bytes> = committed.into_iter().collect();
        for (key, value) in own {
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
