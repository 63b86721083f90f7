//! An engine that forgets: for unit tests and for trying things out.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock};

use super::{Batch, Bytes, Engine, EngineError, KeyRange, Order, Row, Rows};

/// Ordered bytes in memory.
#[derive(Default)]
pub struct MemoryEngine {
    rows: RwLock<Kept>,
}

#[derive(Clone, Default)]
struct Kept(BTreeMap<Bytes, Bytes>);

impl Rows for MemoryEngine {
    fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, EngineError> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner).get_many(keys)
    }

    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> Result<Vec<Row>, EngineError> {
        self.rows.read().unwrap_or_else(PoisonError::into_inner).scan(range, order, limit)
    }
}

impl Engine for MemoryEngine {
    fn snapshot(&self) -> Result<Box<dyn Rows>, EngineError> {
        Ok(Box::new(self.rows.read().unwrap_or_else(PoisonError::into_inner).clone()))
    }

    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        if batch.expect.iter().any(|(key, value)| rows.0.get(key) != value.as_ref()) {
            return Err(EngineError::Conflict);
        }
        for (key, value) in &batch.writes {
            match value {
                Some(value) => rows.0.insert(key.clone(), value.clone()),
                None => rows.0.remove(key),
            };
        }
        Ok(())
    }
}

impl Rows for Kept {
    fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, EngineError> {
        Ok(keys.iter().map(|key| self.0.get(key).cloned()).collect())
    }

    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> Result<Vec<Row>, EngineError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.0.range((range.start.clone(), range.end.clone()));
        let copy = |(key, value): (&Bytes, &Bytes)| (key.clone(), value.clone());
        Ok(match order {
            Order::Ascending => found.take(limit).map(copy).collect(),
            Order::Descending => found.rev().take(limit).map(copy).collect(),
        })
    }
}
