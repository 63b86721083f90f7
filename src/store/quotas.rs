//! What is counted against the caps on codes: one row for each number, user and network, which ends by itself.
//!
//! Keys are digests: no number and no address stands in them.

use std::time::Duration;

use crate::base::secret::sha256;
use crate::directory::quota::{Quota, Uses};
use crate::store::StoreError;
use crate::store::keys::Space;
use crate::store::sessions::{forget_end, remember_end};
use crate::store::tx::{Tx, get_record};

/// A cap that has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full {
    /// Which quota, by its name.
    pub quota: &'static str,
    /// How long it takes until there is room.
    pub wait: Duration,
}

fn key(quota: Quota<'_>) -> Vec<u8> {
    let digest = sha256(&[quota.name().as_bytes(), &[0], &quota.subject()].concat());
    Space::Quota.key(&[digest.first_chunk::<16>().unwrap_or(&[0; 16])])
}

/// Takes one from each of the quotas, or from none of them, where one is full.
///
/// To be called in the transaction that puts the message into the outbox: who is refused sends nothing, and what is sent
/// is counted.
///
/// # Errors
/// When the store cannot read or a record is damaged.
pub fn take(tx: &mut Tx<'_>, quotas: &[Quota<'_>]) -> Result<Result<(), Full>, StoreError> {
    let now = tx.now();
    let mut taken = Vec::with_capacity(quotas.len());
    let mut full: Option<Full> = None;
    for quota in quotas {
        let key = key(*quota);
        let before = get_record::<Uses>(tx, &key)?;
        let mut uses = before.clone().unwrap_or_default();
        match uses.take(*quota, now) {
            Ok(()) => taken.push((*quota, key, before, uses)),
            // Of several that are full, the one that is full for longest is told.
            Err(wait) if full.is_none_or(|full| full.wait < wait) => full = Some(Full { quota: quota.name(), wait }),
            Err(_) => {}
        }
    }
    if let Some(full) = full {
        return Ok(Err(full));
    }
    for (quota, key, before, uses) in taken {
        if let Some(before) = before {
            forget_end(tx, before.end(quota), &key);
        }
        remember_end(tx, uses.end(quota), &key);
        tx.put_record(key, &uses)?;
    }
    Ok(Ok(()))
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::base::clock::Clock;
    use crate::base::rng::Rng;
    use crate::store::Store;
    use crate::store::engine::{KeyRange, Order};
    use crate::store::sessions::drop_ended;
    use crate::store::tx::Reads;

    const NUMBER: &str = "+31612345600";

    fn store() -> Store {
        Store::in_memory(Clock::manual(Timestamp::from_second(1_000_000).unwrap()), Rng::seeded(1)).unwrap()
    }

    async fn take_both(store: &Store) -> Result<(), Full> {
        let both = |tx: &mut Tx<'_>| take(tx, &[Quota::Number(NUMBER), Quota::All(3)]);
        store.write::<_, StoreError>(both).await.unwrap()
    }

    fn rows(store: &Store, space: Space) -> Vec<Vec<u8>> {
        let rows = store.view().scan(&KeyRange::prefix(&space.key(&[])), Order::Ascending, 100).unwrap();
        rows.into_iter().map(|(key, _)| key).collect()
    }

    #[tokio::test]
    async fn all_quotas_are_taken_or_none_and_the_longest_wait_is_told() {
        let store = store();
        for _ in 0..2 {
            assert_eq!(take_both(&store).await, Ok(()));
            assert_eq!(take_both(&store).await, Err(Full { quota: "number", wait: Duration::from_secs(60) }));
            store.clock().advance(SignedDuration::from_secs(60));
        }
        assert_eq!(take_both(&store).await, Ok(()), "what was refused was not counted");
        let wait = Duration::from_secs(86_400);
        assert_eq!(take_both(&store).await, Err(Full { quota: "all", wait }));
    }

    #[tokio::test]
    async fn rows_hold_no_number_and_end_by_themselves() {
        let store = store();
        for _ in 0..2 {
            take_both(&store).await.unwrap();
            store.clock().advance(SignedDuration::from_secs(100));
        }
        assert_eq!((rows(&store, Space::Quota).len(), rows(&store, Space::Ending).len()), (2, 2));
        let keys = rows(&store, Space::Quota).concat();
        assert!(!keys.windows(NUMBER.len()).any(|part| part == NUMBER.as_bytes()));
        for (hours, left) in [(23, 2), (2, 0)] {
            store.clock().advance(SignedDuration::from_hours(hours));
            store.write::<_, StoreError>(|tx: &mut Tx<'_>| drop_ended(tx, 100)).await.unwrap();
            assert_eq!((rows(&store, Space::Quota).len(), rows(&store, Space::Ending).len()), (left, left));
        }
    }

    #[tokio::test]
    async fn many_at_once_get_no_more_than_there_is() {
        let store = std::sync::Arc::new(store());
        let asked: Vec<_> = (0..50)
            .map(|n| {
                let store = store.clone();
                tokio::spawn(async move {
                    let number = format!("+316123456{n:02}");
                    let one = move |tx: &mut Tx<'_>| take(tx, &[Quota::Number(&number), Quota::All(7)]);
                    store.write::<_, StoreError>(one).await.unwrap().is_ok()
                })
            })
            .collect();
        let mut taken = 0;
        for one in asked {
            taken += usize::from(one.await.unwrap());
        }
        assert_eq!(taken, 7);
    }
}
