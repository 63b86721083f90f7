//! What became of messages, noted in the outbox: many in one commit.

use std::time::Duration;

use jiff::Timestamp;

use crate::base::clock::plus;
use crate::directory::message::{Body, Message, Via};
use crate::directory::notice::About;
use crate::notify::channel::DeliveryError;
use crate::store::outbox::undelivered::{self, Outcome};
use crate::store::outbox::{self, MessageId, fate};
use crate::store::tx::Tx;
use crate::store::{Store, StoreError, notices};

/// The pause after the first failure; each further one is twice as long,
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// The same for a code, which is soon of no use;
const FIRST_PAUSE_OF_CODES: Duration = Duration::from_secs(5);
/// up to this,
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);
/// or this, where the way failed and not the message: it is to leave soon after the way is back.
const LONGEST_PAUSE_OF_WAYS: Duration = Duration::from_secs(300);

/// What became of one message.
#[derive(Clone)]
pub(super) enum Note {
    /// The other side took it.
    Sent,
    /// It waits, as it is here.
    PutOff(Box<Message>),
    /// It is not sent any more.
    GivenUp(Box<Message>, Outcome),
}

/// A note on one message, which may have been taken out before it was sent.
#[derive(Clone)]
pub(super) struct Noted {
    pub(super) via: Via,
    pub(super) id: MessageId,
    /// Was it taken out of the outbox before?
    pub(super) taken_out: bool,
    /// Did the other side see it?
    pub(super) flown: bool,
    pub(super) note: Note,
}

/// Writes notes, all in one commit.
///
/// # Errors
/// When the store fails.
pub(super) async fn write(store: &Store, notes: Vec<Noted>) -> Result<(), StoreError> {
    store.write(move |tx: &mut Tx<'_>| notes.iter().try_for_each(|noted| write_one(tx, noted))).await
}

fn write_one(tx: &mut Tx<'_>, noted: &Noted) -> Result<(), StoreError> {
    let Noted { via, id, taken_out, note, .. } = noted;
    match note {
        Note::Sent => {
            fate::accepted(tx, *via)?;
            outbox::remove(tx, *id);
        }
        Note::PutOff(message) | Note::GivenUp(message, _) => {
            // Whoever took it out meanwhile had a reason; a text was taken out by us.
            if !taken_out && !outbox::is_there(tx, *id)? {
                return Ok(());
            }
            match note {
                Note::GivenUp(_, outcome) => {
                    if *outcome == Outcome::Expired {
                        untell(tx, message)?;
                    }
                    undelivered::give_up(tx, *id, message.as_ref().clone(), *outcome)?;
                }
                _ => outbox::put(tx, *id, message)?,
            }
        }
    }
    Ok(())
}

/// Whoever a notice of inactivity did not reach in its time was not told: they are told anew, and get the full time.
fn untell(tx: &mut Tx<'_>, message: &Message) -> Result<(), StoreError> {
    match (message.user, &message.body) {
        (Some(user), Body::InactivityNear { at }) => notices::take_back(tx, user, About::Inactivity, *at),
        _ => Ok(()),
    }
}

/// A message after a failure that may pass.
pub(super) fn put_off(message: Message, error: &DeliveryError, now: Timestamp) -> Message {
    let attempts = message.attempts.saturating_add(1);
    let due_at = next_attempt(now, attempts, &message.body, error);
    Message { attempts, due_at, last_error: Some(error.text.clone()), ..message }
}

/// When a message that has failed so often is tried again.
pub(super) fn next_attempt(now: Timestamp, attempts: u32, body: &Body, error: &DeliveryError) -> Timestamp {
    let first = if matches!(body, Body::Code { .. }) { FIRST_PAUSE_OF_CODES } else { FIRST_PAUSE };
    let longest = if error.way { LONGEST_PAUSE_OF_WAYS } else { LONGEST_PAUSE };
    let pause = first.saturating_mul(2_u32.saturating_pow(attempts.saturating_sub(1))).min(longest);
    plus(now, pause.max(error.wait.unwrap_or_default()).min(LONGEST_PAUSE))
}
