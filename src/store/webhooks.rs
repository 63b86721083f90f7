//! How far each webhook is in the audit trail, how its endpoint does, and which messages of the outbox are its own, in
//! their order.
//!
//! A message is written in the commit that moves the webhook on past the line that it tells of: no line is lost, and
//! none is taken twice.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::directory::message::Message;
use crate::store::StoreError;
use crate::store::engine::{Bytes, KeyRange, Order};
use crate::store::keys::{END, Space};
use crate::store::outbox::{self, MessageId};
use crate::store::tx::{Reads, Tx, get_record};

/// How one webhook stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// The last line of the trail that was looked at.
    pub position: u64,
    /// Events that the endpoint took.
    pub delivered: u64,
    /// Events that were dropped since their time was over.
    pub expired: u64,
    /// Lines that the trail had dropped before they were looked at.
    pub missed: u64,
    /// Failures since the endpoint last took one.
    pub failures: u32,
    /// Since when it takes none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    /// It is not asked before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// What it said last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_answer: Option<Answered>,
    /// It said that it is no more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gone: Option<Gone>,
}

/// What an endpoint said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// When.
    pub at: Timestamp,
    /// Did it take what it was sent?
    pub accepted: bool,
    /// In words, without anything that it wrote.
    pub said: String,
}

/// An endpoint that is no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gone {
    /// Since when.
    pub at: Timestamp,
    /// SHA-256 of its URL: another one is another endpoint.
    pub url: String,
}

fn key(name: &str) -> Bytes {
    Space::Webhook.key(&[name.as_bytes(), END])
}

fn message_key(name: &str, id: MessageId) -> Bytes {
    Space::Webhook.key(&[name.as_bytes(), END, &id.0.to_be_bytes()])
}

/// How the webhook of this name stands; none: it is new.
///
/// # Errors
/// When the store cannot read.
pub fn get(reads: &dyn Reads, name: &str) -> Result<Option<Standing>, StoreError> {
    get_record(reads, &key(name))
}

/// Writes how a webhook stands.
///
/// # Errors
/// When the record cannot be encoded.
pub fn put(tx: &mut Tx<'_>, name: &str, standing: &Standing) -> Result<(), StoreError> {
    tx.put_record(key(name), standing)
}

/// Puts the message of a line into the outbox, behind the others of this webhook.
///
/// # Errors
/// When it cannot be sealed.
pub fn push(tx: &mut Tx<'_>, name: &str, line: u64, message: &Message) -> Result<(), StoreError> {
    let id = outbox::push(tx, message)?;
    tx.put_record(message_key(name, id), &line)
}

/// Takes a message out, once it is delivered or of no use.
pub fn take_out(tx: &mut Tx<'_>, name: &str, id: MessageId) {
    outbox::remove(tx, id);
    tx.remove(message_key(name, id));
}

/// Messages of one webhook in the outbox at a time: those of all webhooks together hide no other from whoever looks at
/// the oldest messages ([`crate::store::queue`]).
pub const WINDOW: usize = 200;

/// The first messages of a webhook that wait, oldest first.
///
/// # Errors
/// When the store cannot read.
pub fn waiting(reads: &dyn Reads, name: &str, limit: usize) -> Result<Vec<MessageId>, StoreError> {
    let prefix = key(name);
    let range = KeyRange::prefix_after(&prefix, prefix.clone());
    let rows = reads.scan(&range, Order::Ascending, limit)?;
    Ok(rows.iter().filter_map(|(key, _)| key.last_chunk().map(|id| MessageId(u64::from_be_bytes(*id)))).collect())
}

/// The names of all webhooks that the store knows.
///
/// # Errors
/// When the store cannot read.
pub fn names(reads: &dyn Reads) -> Result<Vec<String>, StoreError> {
    let prefix = Space::Webhook.key(&[]);
    let mut range = KeyRange::prefix(&prefix);
    let mut names = Vec::new();
    while let Some((found, _)) = reads.scan(&range, Order::Ascending, 1)?.pop() {
        let name = found.get(1..).and_then(|rest| rest.split(|byte| *byte == 0).next()).unwrap_or_default();
        let name = String::from_utf8_lossy(name).into_owned();
        // Behind the last key that can begin with this name.
        range = KeyRange::prefix_after(&prefix, [key(&name), vec![u8::MAX; 9]].concat());
        names.push(name);
    }
    Ok(names)
}

/// Forgets a webhook, with what waits for it.
///
/// # Errors
/// When the store cannot read.
pub fn forget(tx: &mut Tx<'_>, name: &str) -> Result<(), StoreError> {
    for id in waiting(tx, name, usize::MAX)? {
        take_out(tx, name, id);
    }
    tx.remove(key(name));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::base::rng::Rng;
    use crate::directory::message::Body;
    use crate::store::Store;

    #[tokio::test]
    async fn webhooks_whose_names_begin_alike_keep_their_messages_apart() {
        let store = Store::in_memory(Clock::manual(Timestamp::UNIX_EPOCH), Rng::seeded(1)).unwrap();
        let write = |tx: &mut Tx<'_>| -> Result<(), StoreError> {
            for (line, name) in (1..).zip(["a", "a-b", "ab", "a", "a-b"]) {
                let body = Body::Event { id: format!("msg_{line}"), payload: "{}".to_owned() };
                push(tx, name, line, &Message::to_address(name, body, tx.now(), Timestamp::MAX))?;
                put(tx, name, &Standing { position: line, ..Standing::default() })?;
            }
            Ok(())
        };
        store.write(write).await.unwrap();
        let numbers = |name| waiting(&store.view(), name, 9).unwrap().into_iter().map(|id| id.0).collect::<Vec<_>>();
        assert_eq!((numbers("a"), numbers("a-b"), numbers("ab")), (vec![1, 4], vec![2, 5], vec![3]));
        assert_eq!(names(&store.view()).unwrap(), ["a", "a-b", "ab"]);
        store.write(|tx: &mut Tx<'_>| outbox::discard(tx, MessageId(4))).await.unwrap();
        assert_eq!(numbers("a"), [1], "who drops a message drops all of it");
        store.write(|tx: &mut Tx<'_>| forget(tx, "a")).await.unwrap();
        assert_eq!((numbers("a"), numbers("a-b")), (vec![], vec![2, 5]));
        assert_eq!(names(&store.view()).unwrap(), ["a-b", "ab"]);
        assert_eq!(outbox::list(&store.view(), 9).unwrap().len(), 3);
        assert_eq!(get(&store.view(), "ab").unwrap().unwrap().position, 3);
    }

    #[test]
    fn what_is_stored_of_a_webhook_is_read_for_ever() {
        let stored = r#"{"position":7,"delivered":5,"expired":1,"missed":1,"failures":2,
            "failing_since":"2026-01-01T00:00:00Z","not_before":"2026-01-01T00:00:10Z",
            "last_answer":{"at":"2026-01-01T00:00:00Z","accepted":false,"said":"it answers 500"},
            "gone":{"at":"2026-01-01T00:00:00Z","url":"00"}}"#;
        let read: Standing = serde_json::from_str(stored).unwrap();
        assert_eq!((read.position, read.failures, read.gone.as_ref().unwrap().url.as_str()), (7, 2, "00"));
        assert_eq!(
            serde_json::to_string(&read).unwrap(),
            stored.split_whitespace().collect::<String>().replace("itanswers500", "it answers 500")
        );
    }
}
