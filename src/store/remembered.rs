//! Records that were read a moment ago, so that a check of every request need not take them apart each time.
//!
//! What is remembered never counts by itself: whoever uses it reads the stored bytes again, and compares. So nothing here
//! is ever out of date, whoever wrote meanwhile.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::secret::TokenHash;

/// Parts with a lock each: several threads look at once.
const SHARDS: usize = 16;
/// Most values of one part; a full one is emptied.
const SHARD_MAX: usize = 256;

/// Values by the hash of a token.
pub(super) struct Remembered<T> {
    shards: [Mutex<HashMap<TokenHash, Arc<T>>>; SHARDS],
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl<T> Remembered<T> {
    fn shard(&self, hash: TokenHash) -> Option<&Mutex<HashMap<TokenHash, Arc<T>>>> {
        self.shards.get(usize::from(hash.0.first()? % 16))
    }

    /// What was remembered of a token.
    pub(super) fn get(&self, hash: TokenHash) -> Option<Arc<T>> {
        let shard = self.shard(hash)?.lock().unwrap_or_else(PoisonError::into_inner);
        shard.get(&hash).cloned()
    }

    /// Remembers a value.
    pub(super) fn put(&self, hash: TokenHash, value: T) -> Arc<T> {
        let value = Arc::new(value);
        if let Some(shard) = self.shard(hash) {
            let mut shard = shard.lock().unwrap_or_else(PoisonError::into_inner);
            if shard.len() >= SHARD_MAX {
                shard.clear();
            }
            shard.insert(hash, value.clone());
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
        let hash = |n: u32| TokenHash(crate::base::secret::sha256(&n.to_be_bytes()));
        for n in 0..20_000 {
            remembered.put(hash(n), n);
            assert_eq!(remembered.get(hash(n)).as_deref(), Some(&n));
        }
        let kept = (0..20_000).filter(|n| remembered.get(hash(*n)).is_some()).count();
        assert!((1..=SHARDS * SHARD_MAX).contains(&kept), "{kept}");
    }
}
