//! Failures that are counted and waits that run, so that neither ends with the daemon. What counts them is in memory
//! (`auth::throttle`); a row here is what it was when it was last worth keeping.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::id::UserId;
use crate::store::StoreError;
use crate::store::keys::Space;
use crate::store::sessions::{forget_end, remember_end};
use crate::store::tx::{Reads, Tx, get_record};

/// Failures of one account, network or name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lock {
    /// Failures since the last wait.
    pub failures: u32,
    /// Waits in a row.
    pub waits: u32,
    /// Until when nothing is checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_until: Option<Timestamp>,
    /// The last failure.
    pub last: Timestamp,
    /// Failures since the last success, over all waits.
    pub consecutive: u32,
    /// When the row may be dropped; `None`: it stays until it is taken back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Timestamp>,
}

/// Whose failures a row counts: the kind, and what is of that kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Owner {
    /// Wrong passwords of a user.
    Password = b'p',
    /// Wrong codes of a user.
    Code = b'c',
    /// Failed comparisons of a user's face.
    Face = b'f',
    /// A name that belongs to nobody.
    Unknown = b'u',
    /// A network.
    Network = b'n',
    /// A name at a source.
    AtSource = b's',
}

/// The key of a row.
#[must_use]
pub fn key(owner: Owner, id: &[u8]) -> Vec<u8> {
    #[expect(clippy::as_conversions, reason = "the discriminant is the byte, by repr(u8)")]
    let kind = owner as u8;
    Space::Lock.key(&[&[kind], id])
}

/// What is kept under a key.
///
/// # Errors
/// When the store cannot read.
pub fn get(reads: &dyn Reads, key: &[u8]) -> Result<Option<Lock>, StoreError> {
    get_record(reads, key)
}

/// Keeps what is counted now.
///
/// # Errors
/// When the store cannot read.
pub fn put(tx: &mut Tx<'_>, key: &[u8], lock: &Lock) -> Result<(), StoreError> {
    let before = get(tx, key)?.and_then(|before| before.ends_at);
    if before != lock.ends_at {
        before.into_iter().for_each(|end| forget_end(tx, end, key));
        lock.ends_at.into_iter().for_each(|end| remember_end(tx, end, key));
    }
    tx.put_record(key.to_vec(), lock)
}

/// Nothing is counted under this key any more.
///
/// # Errors
/// When the store cannot read.
pub fn remove(tx: &mut Tx<'_>, key: &[u8]) -> Result<(), StoreError> {
    if let Some(lock) = get(tx, key)? {
        lock.ends_at.into_iter().for_each(|end| forget_end(tx, end, key));
        tx.remove(key.to_vec());
    }
    Ok(())
}

/// Forgets what is counted of a user.
///
/// # Errors
/// When the store cannot read.
pub fn forget(tx: &mut Tx<'_>, user: UserId) -> Result<(), StoreError> {
    remove(tx, &key(Owner::Password, user.as_bytes()))?;
    remove(tx, &key(Owner::Code, user.as_bytes()))?;
    remove(tx, &key(Owner::Face, user.as_bytes()))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::base::clock::Clock;
    use crate::base::rng::Rng;
    use crate::store::engine::{KeyRange, Order};
    use crate::store::{Store, sessions};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    fn lock(ends_at: Option<Timestamp>) -> Lock {
        Lock { failures: 1, waits: 0, wait_until: None, last: at(0), consecutive: 1, ends_at }
    }

    #[tokio::test]
    async fn a_row_is_dropped_at_its_last_end_and_leaves_nothing_when_it_is_taken_back() {
        let clock = Clock::manual(at(0));
        let store = Store::in_memory(clock.clone(), Rng::seeded(1)).unwrap();
        let (late, gone, stays) = (key(Owner::Network, b"a"), key(Owner::Network, b"b"), key(Owner::Password, b"c"));
        let keys = [late.clone(), gone.clone(), stays.clone()];
        let write = move |tx: &mut Tx<'_>| {
            put(tx, &keys[0], &lock(Some(at(10))))?;
            put(tx, &keys[0], &lock(Some(at(20))))?;
            put(tx, &keys[1], &lock(Some(at(10))))?;
            remove(tx, &keys[1])?;
            put(tx, &keys[2], &lock(None))
        };
        store.write::<_, StoreError>(write).await.unwrap();
        clock.advance(SignedDuration::from_secs(15));
        let drop_ended = |tx: &mut Tx<'_>| sessions::drop_ended(tx, 9);
        assert_eq!(store.write::<_, StoreError>(drop_ended).await, Ok(0));
        assert!(get(&store.view(), &late).unwrap().is_some() && get(&store.view(), &gone).unwrap().is_none());
        clock.advance(SignedDuration::from_secs(10));
        assert_eq!(store.write::<_, StoreError>(drop_ended).await, Ok(1));
        let left = store.view().scan(&KeyRange::prefix(&Space::Lock.key(&[])), Order::Ascending, 9).unwrap();
        assert_eq!(left.iter().map(|(key, _)| key).collect::<Vec<_>>(), [&stays]);
    }

    #[test]
    fn the_bytes_of_a_key_are_for_ever() {
        assert_eq!(key(Owner::AtSource, &[7]), [0x35, b's', 7]);
        assert_eq!(key(Owner::Unknown, &[7]), [0x35, b'u', 7]);
        assert_eq!(key(Owner::Face, &[7]), [0x35, b'f', 7]);
    }
}
