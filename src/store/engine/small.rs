//! An engine for tests whose medium is full now and then.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::memory::MemoryEngine;
use super::{Batch, Bytes, Engine, EngineError, KeyRange, Order, Row, Rows};

/// Memory that takes so many commits more, and tells that it is full before or only where it is written to.
pub struct SmallEngine {
    memory: MemoryEngine,
    /// Commits that there is room for.
    pub room: AtomicUsize,
    /// It says beforehand that it is full.
    pub tells: AtomicBool,
    /// Rows that were read in ranges.
    pub scanned: AtomicUsize,
}

impl Default for SmallEngine {
    fn default() -> Self {
        let memory = MemoryEngine::default();
        let (room, tells, scanned) = (AtomicUsize::new(usize::MAX), AtomicBool::new(false), AtomicUsize::new(0));
        Self { memory, room, tells, scanned }
    }
}

impl SmallEngine {
    /// Full, or with room for everything.
    pub fn is_full(&self, full: bool) {
        self.has_room(if full { 0 } else { usize::MAX });
    }

    /// With room for so many commits.
    pub fn has_room(&self, commits: usize) {
        self.room.store(commits, Ordering::SeqCst);
    }

    fn error() -> EngineError {
        EngineError::Full("data".to_owned())
    }
}

impl Rows for SmallEngine {
    fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, EngineError> {
        self.memory.get_many(keys)
    }

    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> Result<Vec<Row>, EngineError> {
        let rows = self.memory.scan(range, order, limit)?;
        self.scanned.fetch_add(rows.len(), Ordering::SeqCst);
        Ok(rows)
    }
}

impl Engine for SmallEngine {
    fn snapshot(&self) -> Result<Box<dyn Rows>, EngineError> {
        self.memory.snapshot()
    }

    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        let takes = |room: usize| room.checked_sub(1);
        let room = self.room.fetch_update(Ordering::SeqCst, Ordering::SeqCst, takes);
        room.map_or_else(|_| Err(Self::error()), |_| self.memory.commit(batch))
    }

    fn fault(&self) -> Option<EngineError> {
        let is_full = self.room.load(Ordering::SeqCst) == 0;
        (is_full && self.tells.load(Ordering::SeqCst)).then(Self::error)
    }
}
