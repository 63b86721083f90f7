//! The engine seam: ordered bytes with atomic, durable commits. No engine's types, threads or error texts
//! go past it.

use std::collections::BTreeMap;
use std::ops::Bound;

pub mod memory;
pub mod sled;

/// A key or value.
pub type Bytes = Vec<u8>;
/// One row.
pub type Row = (Bytes, Bytes);

/// Ordered bytes on some medium.
pub trait Engine: Send + Sync {
    /// The value of a key.
    ///
    /// # Errors
    /// When the medium cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// The values of many keys, in their order, in one round trip.
    ///
    /// # Errors
    /// When the medium cannot be read.
    fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, EngineError>;

    /// At most `limit` rows of a range, in the order of their keys or against it.
    ///
    /// # Errors
    /// When the medium cannot be read.
    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> Result<Vec<Row>, EngineError>;

    /// Writes a batch, all of it or nothing; returns when it is on disk. Blocks: never call it on a runtime's thread.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] when an expectation does not hold; nothing is written then.
    fn commit(&self, batch: &Batch) -> Result<(), EngineError>;

    /// Why nothing can be written any more, if that is so.
    fn fault(&self) -> Option<String> {
        None
    }
}

/// The direction of a scan.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// From the smallest key on.
    Ascending,
    /// From the largest key on.
    Descending,
}

/// A range of keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRange {
    /// Where it begins.
    pub start: Bound<Bytes>,
    /// Where it ends.
    pub end: Bound<Bytes>,
}

impl KeyRange {
    /// All keys that begin with `prefix`.
    #[must_use]
    pub fn prefix(prefix: &[u8]) -> Self {
        Self { start: Bound::Included(prefix.to_vec()), end: after_prefix(prefix) }
    }

    /// The keys that begin with `prefix` and come after `key`.
    #[must_use]
    pub fn prefix_after(prefix: &[u8], key: Bytes) -> Self {
        Self { start: Bound::Excluded(key), end: after_prefix(prefix) }
    }

    /// The keys that begin with `prefix` and come before `key`.
    #[must_use]
    pub fn prefix_before(prefix: &[u8], key: Bytes) -> Self {
        Self { start: Bound::Included(prefix.to_vec()), end: Bound::Excluded(key) }
    }

    /// Can a key lie in it at all?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match (&self.start, &self.end) {
            (Bound::Included(start), Bound::Included(end)) => start > end,
            (Bound::Included(start) | Bound::Excluded(start), Bound::Excluded(end))
            | (Bound::Excluded(start), Bound::Included(end)) => start >= end,
            _ => false,
        }
    }
}

/// The end of the keys that begin with `prefix`: the prefix with its last byte raised.
fn after_prefix(prefix: &[u8]) -> Bound<Bytes> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if let Some(raised) = last.checked_add(1) {
            end.push(raised);
            return Bound::Excluded(end);
        }
    }
    Bound::Unbounded
}

/// What one commit writes, and what must hold for it.
#[derive(Clone, Default, Debug)]
pub struct Batch {
    /// Keys with their new value; `None` removes.
    pub writes: BTreeMap<Bytes, Option<Bytes>>,
    /// Keys with the value that they must have before; `None` is absent.
    pub expect: Vec<(Bytes, Option<Bytes>)>,
}

/// Why an engine could not do it. The texts are for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// An expectation did not hold; read again and retry.
    #[error("another change came first")]
    Conflict,
    /// The medium is full.
    #[error("no space is left for the store at {0}")]
    Full(String),
    /// What is on the medium cannot be read.
    #[error("{0}")]
    Damaged(String),
    /// Another process holds the store.
    #[error("{0}")]
    Held(String),
    /// Anything else that the operating system said.
    #[error("the store cannot be used: {0}")]
    Io(String),
}

#[cfg(test)]
mod conformance {
    //! The same promises for every engine.
    use super::*;

    fn batch(writes: &[(&[u8], Option<&[u8]>)]) -> Batch {
        let writes = writes.iter().map(|(key, value)| (key.to_vec(), value.map(<[u8]>::to_vec)));
        Batch { writes: writes.collect(), expect: Vec::new() }
    }

    fn keys(rows: Vec<Row>) -> Vec<Bytes> {
        rows.into_iter().map(|(key, _)| key).collect()
    }

    fn reads_what_was_committed(engine: &dyn Engine) {
        engine.commit(&batch(&[(b"a", Some(b"1")), (b"b", Some(b"2"))])).unwrap();
        engine.commit(&batch(&[(b"a", None), (b"c", Some(b""))])).unwrap();
        assert_eq!(engine.get(b"a").unwrap(), None);
        let many = engine.get_many(&[b"b".to_vec(), b"a".to_vec(), b"c".to_vec()]).unwrap();
        assert_eq!(many, [Some(b"2".to_vec()), None, Some(Vec::new())]);
    }

    fn scans_in_both_directions_within_bounds(engine: &dyn Engine) {
        let rows: Vec<_> = (0..10_u8).map(|n| (vec![b'x', n], Some(vec![n]))).collect();
        let outside = [(vec![b'w', 9], Some(vec![0])), (vec![b'y'], Some(vec![0]))];
        engine.commit(&Batch { writes: rows.into_iter().chain(outside).collect(), expect: vec![] }).unwrap();
        let all = KeyRange::prefix(b"x");
        assert_eq!(keys(engine.scan(&all, Order::Ascending, 3).unwrap()), [[b'x', 0], [b'x', 1], [b'x', 2]]);
        assert_eq!(keys(engine.scan(&all, Order::Descending, 2).unwrap()), [[b'x', 9], [b'x', 8]]);
        let after = KeyRange::prefix_after(b"x", vec![b'x', 7]);
        assert_eq!(keys(engine.scan(&after, Order::Ascending, 9).unwrap()), [[b'x', 8], [b'x', 9]]);
        let before = KeyRange::prefix_before(b"x", vec![b'x', 1]);
        assert_eq!(keys(engine.scan(&before, Order::Descending, 9).unwrap()), [[b'x', 0]]);
        let nothing = KeyRange::prefix_before(b"x", b"x".to_vec());
        assert!(engine.scan(&nothing, Order::Ascending, 9).unwrap().is_empty());
    }

    fn a_failed_expectation_writes_nothing(engine: &dyn Engine) {
        engine.commit(&batch(&[(b"e", Some(b"1"))])).unwrap();
        let mut change = batch(&[(b"e", Some(b"2")), (b"f", Some(b"2"))]);
        change.expect = vec![(b"e".to_vec(), Some(b"0".to_vec()))];
        assert_eq!(engine.commit(&change), Err(EngineError::Conflict));
        assert_eq!(engine.get(b"f").unwrap(), None);
        change.expect = vec![(b"e".to_vec(), Some(b"1".to_vec())), (b"f".to_vec(), None)];
        engine.commit(&change).unwrap();
        assert_eq!(engine.get(b"e").unwrap(), Some(b"2".to_vec()));
    }

    fn keeps_values_of_every_size(engine: &dyn Engine) {
        let value = |size: usize| vec![7_u8; size];
        for size in [0, 1, 32 << 10, (32 << 10) + 1, 300_000, 1, 100_000] {
            engine.commit(&batch(&[(b"big", Some(&value(size)))])).unwrap();
            assert_eq!(engine.get(b"big").unwrap().map(|value| value.len()), Some(size));
            let all = engine.scan(&KeyRange::prefix(b""), Order::Ascending, 999).unwrap();
            assert_eq!(all.iter().filter(|(key, _)| key.windows(3).any(|part| part == b"big")).count(), 1);
        }
        engine.commit(&batch(&[(b"big", None)])).unwrap();
        let left = engine.scan(&KeyRange::prefix(b""), Order::Descending, 999).unwrap();
        assert!(left.iter().all(|(key, _)| !key.windows(3).any(|part| part == b"big")));
    }

    fn conforms(engine: &dyn Engine) {
        keeps_values_of_every_size(engine);
        reads_what_was_committed(engine);
        scans_in_both_directions_within_bounds(engine);
        a_failed_expectation_writes_nothing(engine);
    }

    #[test]
    fn the_memory_engine_keeps_the_engines_promises() {
        conforms(&memory::MemoryEngine::default());
    }

    #[test]
    fn the_sled_engine_keeps_the_engines_promises() {
        let folder = tempfile::tempdir().unwrap();
        conforms(&super::sled::SledEngine::open(folder.path(), 16 << 20).unwrap());
    }

    #[test]
    fn what_sled_committed_is_there_after_opening_again() {
        let folder = tempfile::tempdir().unwrap();
        let engine = super::sled::SledEngine::open(folder.path(), 16 << 20).unwrap();
        engine.commit(&batch(&[(b"a", Some(b"1"))])).unwrap();
        drop(engine);
        let engine = super::sled::SledEngine::open(folder.path(), 16 << 20).unwrap();
        assert_eq!(engine.get(b"a").unwrap(), Some(b"1".to_vec()));
    }

    #[test]
    fn a_prefix_of_all_ones_has_no_end() {
        assert_eq!(KeyRange::prefix(&[255, 255]).end, Bound::Unbounded);
        assert_eq!(KeyRange::prefix(&[1, 255]).end, Bound::Excluded(vec![2]));
    }
}
