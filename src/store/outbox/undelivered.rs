//! What left the outbox unsent: refused for good, or over before it could be sent. Kept for a while, sealed, so that
//! somebody can see it and have it tried again.
//!
//! Refuses to grow without end: of very many the oldest make room.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{MessageId, fate, remove as take_out};
use crate::base::clock::plus;
use crate::directory::message::Message;
use crate::directory::policy::days;
use crate::store::StoreError;
use crate::store::engine::{KeyRange, Order};
use crate::store::keys::Space;
use crate::store::sessions::{forget_end, remember_end};
use crate::store::tx::{Reads, Tx};

/// How long one is kept.
const KEPT: Duration = days(30);
/// Most that are kept.
const MOST: usize = 10_000;
/// Rows that one commit drops where there are more.
const CHUNK: usize = 1_000;

/// Why a message left the outbox unsent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The other side refused it for good, or nothing could be made of it.
    Refused,
    /// Its end came first.
    Expired,
}

/// A message that was not sent. `last_error` of the message says why.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Undelivered {
    /// When it was given up.
    pub at: Timestamp,
    /// Why, in one word.
    pub outcome: Outcome,
    /// The message.
    pub message: Message,
}

/// A message that was not sent, and its place; the error says why it does not open.
pub type Opened = (MessageId, Result<Undelivered, StoreError>);

fn key(id: MessageId) -> Vec<u8> {
    Space::OutboxFailed.key(&[&id.0.to_be_bytes()])
}

/// Takes a message out of the outbox, and remembers that it was not sent.
///
/// # Errors
/// When it cannot be sealed.
pub fn give_up(tx: &mut Tx<'_>, id: MessageId, message: Message, outcome: Outcome) -> Result<(), StoreError> {
    let record = Undelivered { at: tx.now(), outcome, message };
    let plain = serde_json::to_vec(&record).map_err(|error| StoreError::Record(error.to_string()))?;
    let sealed = tx.sealer().seal(&key(id), &plain)?;
    tx.put(key(id), sealed);
    fate::given_up(tx, record.message.via(), outcome)?;
    remember_end(tx, plus(record.at, KEPT), &key(id));
    take_out(tx, id);
    Ok(())
}

/// One that was not sent.
///
/// # Errors
/// When the store cannot read, or it does not open.
pub fn get(reads: &dyn Reads, id: MessageId) -> Result<Option<Undelivered>, StoreError> {
    reads.get(&key(id))?.map(|sealed| open(reads, &key(id), &sealed)).transpose()
}

/// The newest ones before one; each for itself, so that one that does not open hides no other.
///
/// # Errors
/// When the store cannot read.
pub fn page(reads: &dyn Reads, before: Option<MessageId>, limit: usize) -> Result<Vec<Opened>, StoreError> {
    let prefix = Space::OutboxFailed.key(&[]);
    let range = before.map_or_else(|| KeyRange::prefix(&prefix), |id| KeyRange::prefix_before(&prefix, key(id)));
    let rows = reads.scan(&range, Order::Descending, limit)?;
    let id = |key: &[u8]| MessageId(key.last_chunk::<8>().map(|id| u64::from_be_bytes(*id)).unwrap_or_default());
    Ok(rows.into_iter().map(|(key, sealed)| (id(&key), open(reads, &key, &sealed))).collect())
}

fn open(reads: &dyn Reads, key: &[u8], sealed: &[u8]) -> Result<Undelivered, StoreError> {
    let plain = reads.sealer().open(key, sealed)?;
    serde_json::from_slice(&plain).map_err(|error| StoreError::Record(error.to_string()))
}

/// Forgets one.
pub fn remove(tx: &mut Tx<'_>, id: MessageId, record: &Undelivered) {
    forget_end(tx, plus(record.at, KEPT), &key(id));
    tx.remove(key(id));
}

/// Forgets one, whether it opens or not; `false`: there is none.
///
/// # Errors
/// When the store cannot read.
pub fn discard(tx: &mut Tx<'_>, id: MessageId) -> Result<bool, StoreError> {
    match get(tx, id) {
        Ok(None) => return Ok(false),
        Ok(Some(record)) => remove(tx, id, &record),
        // The row of its end leads nowhere from now on, which is no harm, and goes in its time.
        Err(StoreError::Key(_) | StoreError::Record(_)) => tx.remove(key(id)),
        Err(error) => return Err(error),
    }
    Ok(true)
}

/// Drops the oldest of those that are too many; `true`: there may be more of them.
///
/// # Errors
/// When the store cannot read.
pub fn trim(tx: &mut Tx<'_>) -> Result<bool, StoreError> {
    trim_to(tx, MOST)
}

fn trim_to(tx: &mut Tx<'_>, most: usize) -> Result<bool, StoreError> {
    let range = KeyRange::prefix(&Space::OutboxFailed.key(&[]));
    let rows = tx.scan(&range, Order::Ascending, most.saturating_add(CHUNK))?;
    let surplus = rows.len().saturating_sub(most);
    for (key, _) in rows.into_iter().take(surplus) {
        // The row of its end leads nowhere from now on, which is no harm, and goes in its time.
        tx.remove(key);
    }
    Ok(surplus == CHUNK)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::super::{self as outbox, Wished};
    use super::*;
    use crate::base::clock::Clock;
    use crate::base::rng::Rng;
    use crate::directory::message::Body;
    use crate::store::Store;
    use crate::store::sessions::drop_ended;

    fn store() -> Store {
        Store::in_memory(Clock::manual(Timestamp::from_second(1_000_000).unwrap()), Rng::seeded(1)).unwrap()
    }

    async fn give_up(store: &Store) -> MessageId {
        let write = store.write(|tx: &mut Tx<'_>| {
            let body = Body::SetPassword { url: "https://id.example.org/secret".to_owned() };
            let message = Message::to_address("ada@example.org", body, tx.now(), plus(tx.now(), days(3)));
            let id = outbox::push(tx, &message)?;
            super::give_up(tx, id, Message { last_error: Some("550".to_owned()), ..message }, Outcome::Refused)?;
            Ok::<_, StoreError>(id)
        });
        write.await.unwrap()
    }

    fn kept(store: &Store) -> Vec<u64> {
        page(&store.view(), None, 99).unwrap().into_iter().map(|(id, _)| id.0).collect()
    }

    #[tokio::test]
    async fn one_that_was_given_up_is_sealed_kept_for_a_month_and_then_gone() {
        let store = store();
        let id = give_up(&store).await;
        assert!(outbox::list(&store.view(), 9).unwrap().is_empty());
        let bytes = store.view().get(&key(id)).unwrap().unwrap();
        assert!(!String::from_utf8_lossy(&bytes).contains("example.org"));
        let record = get(&store.view(), id).unwrap().unwrap();
        assert_eq!((record.outcome, record.message.last_error.as_deref()), (Outcome::Refused, Some("550")));
        for (hours, left) in [(30 * 24 - 1, 1), (2, 0)] {
            store.clock().advance(SignedDuration::from_hours(hours));
            store.write(|tx: &mut Tx<'_>| drop_ended(tx, 9)).await.unwrap();
            assert_eq!(kept(&store).len(), left);
        }
    }

    #[tokio::test]
    async fn of_too_many_the_oldest_go_and_the_newest_come_first() {
        let store = store();
        for _ in 0..5 {
            give_up(&store).await;
        }
        assert_eq!(kept(&store), [5, 4, 3, 2, 1]);
        store.write(|tx: &mut Tx<'_>| trim_to(tx, 3)).await.unwrap();
        assert_eq!(kept(&store), [5, 4, 3]);
        let before = page(&store.view(), Some(MessageId(5)), 1).unwrap();
        assert_eq!(before.first().unwrap().0, MessageId(4));
    }

    #[tokio::test]
    async fn one_that_was_given_up_is_tried_again_until_its_end_and_can_be_dropped() {
        let store = store();
        let (first, second) = (give_up(&store).await, give_up(&store).await);
        let retry = |id| store.write(move |tx: &mut Tx<'_>| outbox::retry(tx, id));
        let discard = |id| store.write(move |tx: &mut Tx<'_>| outbox::discard(tx, id));
        assert_eq!(retry(first).await.unwrap(), Wished::Done);
        assert_eq!((kept(&store), outbox::changes(&store.view()).unwrap()), (vec![second.0], 1));
        assert_eq!(outbox::changed_since(&store.view(), 0, 1).unwrap(), Some(vec![first]));
        assert_eq!(outbox::list(&store.view(), 9).unwrap().first().unwrap().0, first);
        store.clock().advance(SignedDuration::from_hours(72));
        assert_eq!(retry(second).await.unwrap(), Wished::Over);
        assert_eq!((discard(first).await.unwrap(), discard(second).await.unwrap()), (Wished::Done, Wished::Done));
        assert_eq!((discard(first).await.unwrap(), retry(first).await.unwrap()), (Wished::Unknown, Wished::Unknown));
        assert!(kept(&store).is_empty() && outbox::list(&store.view(), 9).unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_does_not_open_can_be_dropped() {
        let store = store();
        let (given_up, waits) = (give_up(&store).await, MessageId(99));
        let spoil = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
            tx.put(key(given_up), b"spoiled".to_vec());
            tx.put(Space::Outbox.key(&[&waits.0.to_be_bytes()]), b"spoiled".to_vec());
            Ok(())
        };
        store.write(spoil).await.unwrap();
        for id in [given_up, waits] {
            let discard = || store.write(move |tx: &mut Tx<'_>| outbox::discard(tx, id));
            assert_eq!((discard().await.unwrap(), discard().await.unwrap()), (Wished::Done, Wished::Unknown));
        }
    }

    /// Records of this form lie in stores: they are read for ever.
    #[test]
    fn a_record_is_read_as_it_was_first_written() {
        let written = r#"{"at":"2026-01-01T00:00:00Z","outcome":"refused","message":{
            "created_at":"2026-01-01T00:00:00Z","expires_at":"2026-01-04T00:00:00Z","to":"ada@example.org",
            "name":"Ada","body":{"kind":"factor_added"},"attempts":1,"due_at":"2026-01-01T00:00:00Z",
            "language":"zh-Hans","last_error":"the mail server answered 550 5.1.1"}}"#;
        let record: Undelivered = serde_json::from_str(written).unwrap();
        let again: serde_json::Value = serde_json::to_value(&record).unwrap();
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(written).unwrap());
    }
}
