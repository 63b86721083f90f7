//! How the outbox stands: how much waits for each way, and for how long.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::directory::message::Via;
use crate::store::StoreError;
use crate::store::outbox::page;
use crate::store::tx::Reads;

/// Messages of one way that are counted, the oldest. Figures of more end here.
const MOST: usize = 2_500;
/// Messages that are looked at for them, each of which must be opened to know its way: many of one way hide no other.
const LOOKED: usize = 20_000;
/// Messages read at a time.
const CHUNK: usize = 500;

/// What waits for one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Messages.
    pub messages: usize,
    /// Those of them that were tried and failed.
    pub failed: usize,
    /// When the oldest was written.
    pub oldest: Option<Timestamp>,
}

/// What waits, by way: `mail`, `sms`, `face`, `webhook`. What does not open is counted nowhere.
///
/// # Errors
/// When the store cannot read.
pub fn waiting(reads: &dyn Reads) -> Result<BTreeMap<&'static str, Waiting>, StoreError> {
    let ways = [Via::Mail, Via::Sms, Via::Face, Via::Webhook].map(|via| (via.name(), Waiting::default()));
    let mut waiting = BTreeMap::from(ways);
    let (mut after, mut seen) = (None, 0_usize);
    while seen < LOOKED {
        let messages = page(reads, after, CHUNK)?;
        let Some((last, _)) = messages.last() else { break };
        after = Some(*last);
        seen = seen.saturating_add(messages.len());
        for message in messages.into_iter().filter_map(|(_, message)| message.ok()) {
            let way = waiting.entry(message.via().name()).or_default();
            if way.messages >= MOST {
                continue;
            }
            way.messages = way.messages.saturating_add(1);
            way.failed = way.failed.saturating_add(usize::from(message.attempts > 0));
            way.oldest = Some(way.oldest.map_or(message.created_at, |oldest| oldest.min(message.created_at)));
        }
    }
    Ok(waiting)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::base::rng::Rng;
    use crate::directory::message::{Body, Message};
    use crate::store::tx::Tx;
    use crate::store::{Store, outbox};

    #[tokio::test]
    async fn what_waits_is_counted_by_way_with_the_age_of_the_oldest() {
        let store = Store::in_memory(Clock::manual(Timestamp::UNIX_EPOCH), Rng::seeded(1)).unwrap();
        let at = |second| Timestamp::from_second(second).unwrap();
        let write = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
            for (second, attempts) in [(7, 0), (5, 2)] {
                let mail = Message::to_address("a@example.org", Body::MailTest, at(second), Timestamp::MAX);
                outbox::push(tx, &Message { attempts, ..mail })?;
            }
            let event = Body::Event { id: "msg_1".to_owned(), payload: "{}".to_owned() };
            outbox::push(tx, &Message::to_address("portal", event, at(9), Timestamp::MAX)).map(drop)
        };
        store.write(write).await.unwrap();
        let waiting = waiting(&store.view()).unwrap();
        assert_eq!(waiting["mail"], Waiting { messages: 2, failed: 1, oldest: Some(at(5)) });
        assert_eq!(waiting["webhook"], Waiting { messages: 1, failed: 0, oldest: Some(at(9)) });
        assert_eq!((waiting["sms"], waiting["face"]), Default::default());
    }

    #[tokio::test]
    async fn many_of_one_way_hide_no_other() {
        let store = Store::in_memory(Clock::manual(Timestamp::UNIX_EPOCH), Rng::seeded(1)).unwrap();
        let write = |tx: &mut Tx<'_>| -> Result<(), StoreError> {
            let forget =
                Message::to_address("face", Body::ForgetFace { subject: String::new() }, tx.now(), Timestamp::MAX);
            for _ in 0..=MOST {
                outbox::push(tx, &forget)?;
            }
            let mail = Message::to_address("a@example.org", Body::MailTest, tx.now(), Timestamp::MAX);
            outbox::push(tx, &mail).map(drop)
        };
        store.write(write).await.unwrap();
        let waiting = waiting(&store.view()).unwrap();
        assert_eq!((waiting["face"].messages, waiting["mail"].messages), (MOST, 1));
    }
}
