//! What became of messages, by way: when one was accepted last, and how many were given up. A row for each way, changed
//! in the commit that takes a message out, so that figures and alarms read one row and not the messages.
//!
//! Texts to phones leave the outbox before they are sent: their acceptance is noted nowhere.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::undelivered::Outcome;
use crate::directory::message::Via;
use crate::store::StoreError;
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx, get_record};

/// What became of the messages of one way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fate {
    /// When the other side accepted one last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
    /// How many were refused for good, ever.
    pub refused: u64,
    /// How many were of no use any more before they could be sent, ever.
    pub expired: u64,
}

fn key(via: Via) -> Vec<u8> {
    Space::Meta.key(&[b"outbox-fate-", via.name().as_bytes()])
}

/// What became of the messages of a way.
///
/// # Errors
/// When the store cannot read.
pub fn of(reads: &dyn Reads, via: Via) -> Result<Fate, StoreError> {
    Ok(get_record(reads, &key(via))?.unwrap_or_default())
}

/// The same for who notes something: a figure that cannot be read must not keep messages from leaving.
fn readable(tx: &Tx<'_>, via: Via) -> Result<Fate, StoreError> {
    match of(tx, via) {
        Err(StoreError::Record(_)) => Ok(Fate::default()),
        fate => fate,
    }
}

/// Notes that the other side accepted a message.
///
/// # Errors
/// When the store cannot read.
pub fn accepted(tx: &mut Tx<'_>, via: Via) -> Result<(), StoreError> {
    let (fate, now) = (readable(tx, via)?, Some(tx.now()));
    // Many are noted in one commit.
    if fate.accepted_at == now {
        return Ok(());
    }
    tx.put_record(key(via), &Fate { accepted_at: now, ..fate })
}

/// Notes that a message was given up.
pub(super) fn given_up(tx: &mut Tx<'_>, via: Via, outcome: Outcome) -> Result<(), StoreError> {
    let mut fate = readable(tx, via)?;
    let count = match outcome {
        Outcome::Refused => &mut fate.refused,
        Outcome::Expired => &mut fate.expired,
    };
    *count = count.saturating_add(1);
    tx.put_record(key(via), &fate)
}

#[cfg(test)]
mod tests {
    use super::super::{self as outbox, undelivered};
    use super::*;
    use crate::base::clock::Clock;
    use crate::base::rng::Rng;
    use crate::directory::message::{Body, Message};
    use crate::store::Store;

    #[tokio::test]
    async fn what_was_accepted_and_what_was_given_up_is_counted_by_way() {
        let now = Timestamp::from_second(1_000_000).unwrap();
        let store = Store::in_memory(Clock::manual(now), Rng::seeded(1)).unwrap();
        let write = |tx: &mut Tx<'_>| -> Result<(), StoreError> {
            for outcome in [Outcome::Refused, Outcome::Refused, Outcome::Expired] {
                let message = Message::to_address("a@example.org", Body::MailTest, tx.now(), Timestamp::MAX);
                let id = outbox::push(tx, &message)?;
                undelivered::give_up(tx, id, message, outcome)?;
            }
            accepted(tx, Via::Mail)
        };
        store.write(write).await.unwrap();
        assert_eq!(of(&store.view(), Via::Mail).unwrap(), Fate { accepted_at: Some(now), refused: 2, expired: 1 });
        assert_eq!(of(&store.view(), Via::Sms).unwrap(), Fate::default());
    }

    /// Records of this form lie in stores: they are read for ever.
    #[test]
    fn a_record_is_read_as_it_was_first_written() {
        let written = r#"{"accepted_at":"2026-01-01T00:00:00Z","refused":2,"expired":1}"#;
        let fate: Fate = serde_json::from_str(written).unwrap();
        assert_eq!(serde_json::to_string(&fate).unwrap(), written);
    }
}
