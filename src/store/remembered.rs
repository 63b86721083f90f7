//! What was read a moment ago, so that a check of every request need not take records apart each time.
//!
//! What is remembered never counts by itself: whoever uses it reads stored bytes again, and compares. So nothing here is
//! ever out of date, whoever wrote meanwhile.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

/// Parts with a lock each: several threads look at once.
const SHARDS: usize = 16;
/// Most values of one part; a full one is emptied.
const SHARD_MAX: usize = 256;

type Shard<K, T> = Mutex<HashMap<K, Arc<T>>>;

/// Values by a key.
pub(super) struct Remembered<K, T> {
    hasher: RandomState,
    shards: [Shard<K, T>; SHARDS],
}

impl<K, T> Default for Remembered<K, T> {
    fn default() -> Self {
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl<K: Hash + Eq + Clone, T> Remembered<K, T> {
    fn shard(&self, key: &K) -> Option<&Shard<K, T>> {
        let [byte, ..] = self.hasher.hash_one(key).to_be_bytes();
        self.shards.get(usize::from(byte) % SHARDS)
    }

    /// What was remembered.
    pub(super) fn get(&self, key: &K) -> Option<Arc<T>> {
        let shard = self.shard(key)?.lock().unwrap_or_else(PoisonError::into_inner);
        shard.get(key).cloned()
    }

    /// Remembers a value.
    pub(super) fn put(&self, key: K, value: T) -> Arc<T> {
        let value = Arc::new(value);
        if let Some(shard) = self.shard(&key) {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            if shard.len() >= SHARD_MAX {
                shard.clear();
            }
            shard.insert(key, value.clone());
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_remembered_is_bounded() {
        let remembered = Remembered::default();
        for n in 0..20_000 {
            remembered.put(n, n);
            assert_eq!(remembered.get(&n).as_deref(), Some(&n));
        }
        let kept = (0..20_000).filter(|n| remembered.get(n).is_some()).count();
        assert!((1..=SHARDS * SHARD_MAX).contains(&kept), "{kept}");
    }
}
