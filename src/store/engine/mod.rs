//! The engine seam: ordered bytes with atomic, durable commits. No engine's types, threads or error texts
//! go past it.

use std::collections::BTreeMap;
use std::ops::Bound;

pub mod memory;
pub mod sled;
#[cfg(test)]
pub mod small;

/// A key or value.
pub type Bytes = Vec<u8>;
/// One row.
pub type Row = (Bytes, Bytes);

/// Ordered bytes that can be read.
pub trait Rows: Send + Sync {
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

    /// The value of a key.
    ///
    /// # Errors
    /// When the medium cannot be read.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.get_many(&[key.to_vec()])?.pop().flatten())
    }
}

/// Ordered bytes on some medium: read as they are now, or as they were; written in batches.
///
/// Every method may block; writes do until they are on disk. Reads never wait for the disk of a write.
pub trait Engine: Rows {
    /// What is committed now, as it stays to be seen while others write. Costs memory for what changes meanwhile.
    ///
    /// # Errors
    /// When the medium cannot be read.
    fn snapshot(&self) -> Result<Box<dyn Rows>, EngineError>;

    /// Writes a batch, all of it or nothing; returns when it is on disk. Blocks: never call it on a runtime's thread.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] when an expectation does not hold, [`EngineError::Full`] when there is no room:
    /// nothing is written then. After any other error the batch may or may not be there.
    fn commit(&self, batch: &Batch) -> Result<(), EngineError>;

    /// Why nothing can be written now, if that is so.
    fn fault(&self) -> Option<EngineError> {
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
    #[error("no space is left on the disk of {0}: free some, and writing goes on")]
    Full(String),
    /// What is on the medium cannot be read.
    #[error("{0}")]
    Damaged(String),
    /// So much was written since a snapshot was taken that it is given up.
    #[error("too much was written meanwhile: try again when less is going on")]
    Overrun,
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

    fn a_snapshot_stays_as_it_was(engine: &dyn Engine) {
        let row = |n: u8, value: &[u8]| (vec![b's', n], Some(value.to_vec()));
        let big = vec![1_u8; 100_000];
        let first = (0..20).map(|n| row(n, b"old")).chain([row(40, &big)]);
        engine.commit(&Batch { writes: first.collect(), expect: vec![] }).unwrap();
        let snapshot = engine.snapshot().unwrap();
        let removed = (10..15).map(|n| (vec![b's', n], None));
        let change = (0..5).map(|n| row(n, b"new")).chain(removed).chain([row(30, b"new"), row(40, b"small")]);
        engine.commit(&Batch { writes: change.collect(), expect: vec![] }).unwrap();
        engine.commit(&batch(&[(&[b's', 0], None), (&[b's', 30], Some(b"newer"))])).unwrap();
        let all = KeyRange::prefix(b"s");
        for (order, limit) in
            [(Order::Ascending, 99), (Order::Descending, 99), (Order::Ascending, 7), (Order::Descending, 7)]
        {
            let rows = snapshot.scan(&all, order, limit).unwrap();
            assert_eq!(rows.len(), limit.min(21), "{order:?}");
            assert!(rows.iter().all(|(key, value)| value == b"old" || (key[1] == 40 && *value == big)));
            let mut sorted = rows.clone();
            sorted.sort();
            if order == Order::Descending {
                sorted.reverse();
            }
            assert_eq!(rows, sorted);
        }
        let after = KeyRange::prefix_after(b"s", vec![b's', 12]);
        assert_eq!(keys(snapshot.scan(&after, Order::Ascending, 2).unwrap()), [[b's', 13], [b's', 14]]);
        assert_eq!(snapshot.get(&[b's', 0]).unwrap(), Some(b"old".to_vec()));
        let many = snapshot.get_many(&[vec![b's', 30], vec![b's', 12], vec![b's', 40]]).unwrap();
        assert_eq!(many, [None, Some(b"old".to_vec()), Some(big)]);
        assert_eq!(engine.get(&[b's', 30]).unwrap(), Some(b"newer".to_vec()));
        let gone: Vec<_> =
            engine.scan(&all, Order::Ascending, 99).unwrap().into_iter().map(|(key, _)| (key, None)).collect();
        engine.commit(&Batch { writes: gone.into_iter().collect(), expect: vec![] }).unwrap();
        assert_eq!(snapshot.scan(&all, Order::Ascending, 99).unwrap().len(), 21);
    }

    fn a_snapshot_is_whole_while_others_write(engine: &dyn Engine) {
        // Every batch keeps the sum: whoever sees half of one sees another.
        let sum = |rows: Vec<Row>| rows.iter().map(|(_, value)| u64::from(value[0])).sum::<u64>();
        let row = |n: u8, value: u8| (vec![b't', n], Some(vec![value]));
        engine.commit(&Batch { writes: (0..100).map(|n| row(n, 1)).collect(), expect: vec![] }).unwrap();
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for n in (0..100_u8).cycle() {
                    let writes = [row(n, 0), row((n + 37) % 100, 2)].into();
                    engine.commit(&Batch { writes, expect: vec![] }).unwrap();
                    engine
                        .commit(&Batch { writes: [row(n, 1), row((n + 37) % 100, 1)].into(), expect: vec![] })
                        .unwrap();
                    if stop.load(std::sync::atomic::Ordering::Relaxed) {
                        return;
                    }
                }
            });
            for _ in 0..50 {
                let snapshot = engine.snapshot().unwrap();
                for _ in 0..3 {
                    assert_eq!(sum(snapshot.scan(&KeyRange::prefix(b"t"), Order::Ascending, 999).unwrap()), 100);
                }
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }

    fn conforms(engine: &dyn Engine) {
        a_snapshot_stays_as_it_was(engine);
        a_snapshot_is_whole_while_others_write(engine);
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
        conforms(&super::sled::SledEngine::open(folder.path(), super::sled::Options::for_tests()).unwrap());
    }

    #[test]
    fn what_sled_committed_is_there_after_opening_again() {
        let folder = tempfile::tempdir().unwrap();
        let engine = super::sled::SledEngine::open(folder.path(), super::sled::Options::for_tests()).unwrap();
        engine.commit(&batch(&[(b"a", Some(b"1"))])).unwrap();
        drop(engine);
        let engine = super::sled::SledEngine::open(folder.path(), super::sled::Options::for_tests()).unwrap();
        assert_eq!(engine.get(b"a").unwrap(), Some(b"1".to_vec()));
    }

    #[test]
    fn a_prefix_of_all_ones_has_no_end() {
        assert_eq!(KeyRange::prefix(&[255, 255]).end, Bound::Unbounded);
        assert_eq!(KeyRange::prefix(&[1, 255]).end, Bound::Excluded(vec![2]));
    }
}
