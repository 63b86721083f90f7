//! A look at the store that stays as it was. Whoever commits first puts the old value of each key that it changes
//! beside each open snapshot; the snapshot reads the store and lays the old values over.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::Shared;
use crate::store::engine::{Bytes, EngineError, KeyRange, Order, Row, Rows};

/// So many bytes of old values are kept for one snapshot; then it is given up.
const MOST: usize = 256 << 20;

/// The open snapshots of a store.
#[derive(Default)]
pub(super) struct Snapshots(Vec<Weak<Old>>);

/// What was there when a snapshot began, of what has changed since.
#[derive(Default)]
pub(super) struct Old(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    rows: BTreeMap<Bytes, Option<Bytes>>,
    bytes: usize,
    given_up: bool,
}

impl Snapshots {
    /// Begins one.
    pub(super) fn begin(&mut self) -> Arc<Old> {
        let old = Arc::new(Old::default());
        self.0.push(Arc::downgrade(&old));
        old
    }

    /// Keeps what is under these keys for everybody who looks. Comes before the change.
    pub(super) fn remember<'a>(
        &mut self,
        keys: impl Iterator<Item = &'a Bytes> + Clone,
        read: impl Fn(&[u8]) -> Result<Option<Bytes>, EngineError>,
    ) -> Result<(), EngineError> {
        self.0.retain(|old| old.strong_count() > 0);
        for old in self.0.iter().filter_map(Weak::upgrade) {
            let mut kept = old.0.lock().unwrap_or_else(PoisonError::into_inner);
            for key in keys.clone() {
                if !kept.given_up && !kept.rows.contains_key(key) {
                    let value = read(key)?;
                    kept.keep(key.clone(), value);
                }
            }
        }
        Ok(())
    }

    /// Ends all: the files were opened again.
    pub(super) fn give_up(&mut self) {
        for old in self.0.drain(..).filter_map(|old| old.upgrade()) {
            old.0.lock().unwrap_or_else(PoisonError::into_inner).give_up();
        }
    }
}

impl Kept {
    fn keep(&mut self, key: Bytes, value: Option<Bytes>) {
        let size = key.len().saturating_add(value.as_ref().map_or(0, Vec::len)).saturating_add(64);
        self.bytes = self.bytes.saturating_add(size);
        self.rows.insert(key, value);
        if self.bytes > MOST {
            self.give_up();
        }
    }

    fn give_up(&mut self) {
        self.given_up = true;
        self.rows.clear();
    }
}

/// The store as it was.
pub(super) struct Snapshot {
    shared: Arc<Shared>,
    old: Arc<Old>,
}

impl Snapshot {
    pub(super) fn new(shared: Arc<Shared>, old: Arc<Old>) -> Self {
        Self { shared, old }
    }

    /// Looks at the old values. Always after the store was read: a change that the reading saw is among them then.
    fn old<T>(&self, look: impl FnOnce(&BTreeMap<Bytes, Option<Bytes>>) -> T) -> Result<T, EngineError> {
        let kept = self.old.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.given_up { Err(EngineError::Overrun) } else { Ok(look(&kept.rows)) }
    }

    /// Some rows of the range, and from where on there may be more.
    fn part(&self, range: &KeyRange, order: Order, limit: usize) -> Result<(Vec<Row>, Option<KeyRange>), EngineError> {
        let now = self.shared.scan(range, order, limit)?;
        let last = if now.len() < limit { None } else { now.last().map(|(key, _)| key.clone()) };
        let (seen, rest) = match (last, order) {
            (None, _) => (range.clone(), None),
            (Some(last), Order::Ascending) => (
                KeyRange { start: range.start.clone(), end: Bound::Included(last.clone()) },
                Some(KeyRange { start: Bound::Excluded(last), end: range.end.clone() }),
            ),
            (Some(last), Order::Descending) => (
                KeyRange { start: Bound::Included(last.clone()), end: range.end.clone() },
                Some(KeyRange { start: range.start.clone(), end: Bound::Excluded(last) }),
            ),
        };
        let mut rows: BTreeMap<Bytes, Bytes> = now.into_iter().collect();
        self.old(|old| {
            if !seen.is_empty() {
                for (key, value) in old.range((seen.start, seen.end)) {
                    match value {
                        Some(value) => rows.insert(key.clone(), value.clone()),
                        None => rows.remove(key),
                    };
                }
            }
        })?;
        let rows = rows.into_iter();
        Ok((if order == Order::Ascending { rows.collect() } else { rows.rev().collect() }, rest))
    }
}

impl Rows for Snapshot {
    fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, EngineError> {
        let mut values =
            self.shared.read(|db| keys.iter().map(|key| self.shared.get(db, key)).collect::<Result<Vec<_>, _>>())?;
        self.old(|old| {
            for (key, value) in keys.iter().zip(&mut values) {
                if let Some(was) = old.get(key) {
                    value.clone_from(was);
                }
            }
        })?;
        Ok(values)
    }

    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> Result<Vec<Row>, EngineError> {
        let mut rows = Vec::new();
        let mut left = Some(range.clone());
        while let Some(range) = left.take().filter(|range| rows.len() < limit && !range.is_empty()) {
            let (part, rest) = self.part(&range, order, limit.saturating_sub(rows.len()))?;
            rows.extend(part);
            left = rest;
        }
        rows.truncate(limit);
        Ok(rows)
    }
}
