//! The outbox: messages written in the commit that causes them, sealed, and sent after it.
//!
//! Numbers grow: who has read up to one finds whatever is new behind it. A message that is changed from outside the
//! dispatcher (tried again, dropped) raises a count besides, so that it is read again; which ones they were is kept of the
//! last few.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::clock::plus;
use crate::directory::message::{Body, Changed, Message, Via};
use crate::directory::policy::days;
use crate::directory::user::User;
use crate::store::StoreError;
use crate::store::engine::{KeyRange, Order};
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx, get_record};
use crate::store::webhooks;

pub mod fate;
pub mod undelivered;

/// A message's place in the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageId(pub u64);

/// A message and its place; the error says why it does not open.
pub type Opened = (MessageId, Result<Message, StoreError>);

/// The row that counts changes from outside the dispatcher.
const CHANGES: &[u8] = b"outbox-changes";
/// The rows that say which messages were changed last, each with its count.
const CHANGED: &[u8] = b"outbox-changed";
/// How many of those there are.
const CHANGED_KEPT: u64 = 64;

fn key(id: MessageId) -> Vec<u8> {
    Space::Outbox.key(&[&id.0.to_be_bytes()])
}

/// Puts a message into the outbox.
///
/// # Errors
/// When it cannot be sealed.
pub fn push(tx: &mut Tx<'_>, message: &Message) -> Result<MessageId, StoreError> {
    let counter = Space::Meta.key(&[b"outbox"]);
    let id = MessageId(get_record::<u64>(tx, &counter)?.unwrap_or(0).saturating_add(1));
    tx.put_record(counter, &id.0)?;
    put(tx, id, message)?;
    Ok(id)
}

/// Who took a session over, or may change accounts, and changes where codes and links go does not do so unseen.
///
/// # Errors
/// When a message cannot be sealed.
pub fn tell_the_old_address(tx: &mut Tx<'_>, before: &User, after: &User) -> Result<(), StoreError> {
    let folded = |user: &User| user.email.as_ref().map(|email| email.folded());
    let changed = [
        (Changed::Email, folded(before) != folded(after)),
        (
            Changed::Phone,
            before.phone.as_ref().map(|phone| phone.as_str()) != after.phone.as_ref().map(|phone| phone.as_str()),
        ),
    ];
    for (what, _) in changed.into_iter().filter(|(_, changed)| *changed) {
        tell(tx, before, Body::AddressChanged { what })?;
    }
    Ok(())
}

/// Puts a message to a user into the outbox; nothing where there is no address that mail can reach.
///
/// # Errors
/// When it cannot be sealed.
pub fn tell(tx: &mut Tx<'_>, user: &User, body: Body) -> Result<(), StoreError> {
    let end = plus(tx.now(), days(3));
    tell_until(tx, user, body, end)
}

/// The same, of use until `expires_at` only.
///
/// # Errors
/// When it cannot be sealed.
pub fn tell_until(tx: &mut Tx<'_>, user: &User, body: Body, expires_at: Timestamp) -> Result<(), StoreError> {
    match user.mailbox() {
        Some(email) => push(tx, &Message::to_user(user, email.as_str(), body, tx.now(), expires_at)).map(drop),
        None => Ok(()),
    }
}

/// Replaces a message, after an attempt to send it.
///
/// # Errors
/// When it cannot be sealed.
pub fn put(tx: &mut Tx<'_>, id: MessageId, message: &Message) -> Result<(), StoreError> {
    let plain = serde_json::to_vec(message).map_err(|error| StoreError::Record(error.to_string()))?;
    let sealed = tx.sealer().seal(&key(id), &plain)?;
    tx.put(key(id), sealed);
    Ok(())
}

/// The oldest messages.
///
/// # Errors
/// When the store cannot read, or a message does not open.
pub fn list(reads: &dyn Reads, limit: usize) -> Result<Vec<(MessageId, Message)>, StoreError> {
    page(reads, None, limit)?.into_iter().map(|(id, message)| Ok((id, message?))).collect()
}

/// The oldest messages after one; each for itself, so that one that does not open hides no other.
///
/// # Errors
/// When the store cannot read.
pub fn page(reads: &dyn Reads, after: Option<MessageId>, limit: usize) -> Result<Vec<Opened>, StoreError> {
    let prefix = Space::Outbox.key(&[]);
    let range = after.map_or_else(|| KeyRange::prefix(&prefix), |id| KeyRange::prefix_after(&prefix, key(id)));
    let rows = reads.scan(&range, Order::Ascending, limit)?;
    Ok(rows
        .into_iter()
        .map(|(key, sealed)| {
            let id = key.last_chunk::<8>().map(|id| u64::from_be_bytes(*id)).unwrap_or_default();
            (MessageId(id), open(reads, &key, &sealed))
        })
        .collect())
}

/// A message that is still in the outbox.
///
/// # Errors
/// When the store cannot read, or the message does not open.
pub fn get(reads: &dyn Reads, id: MessageId) -> Result<Option<Message>, StoreError> {
    reads.get(&key(id))?.map(|sealed| open(reads, &key(id), &sealed)).transpose()
}

/// Is a message still in the outbox, whether it opens or not?
///
/// # Errors
/// When the store cannot read.
pub fn is_there(reads: &dyn Reads, id: MessageId) -> Result<bool, StoreError> {
    Ok(reads.get(&key(id))?.is_some())
}

fn open(reads: &dyn Reads, key: &[u8], sealed: &[u8]) -> Result<Message, StoreError> {
    let plain = reads.sealer().open(key, sealed)?;
    serde_json::from_slice(&plain).map_err(|error| StoreError::Record(error.to_string()))
}

/// Takes a message out, once it is sent or of no use.
pub fn remove(tx: &mut Tx<'_>, id: MessageId) {
    tx.remove(key(id));
}

/// How often messages were changed from outside the dispatcher.
///
/// # Errors
/// When the store cannot read.
pub fn changes(reads: &dyn Reads) -> Result<u64, StoreError> {
    Ok(get_record(reads, &Space::Meta.key(&[CHANGES]))?.unwrap_or(0))
}

fn changed_key(count: u64) -> Vec<u8> {
    Space::Meta.key(&[CHANGED, &(count % CHANGED_KEPT).to_be_bytes()])
}

/// The messages of the changes from outside after the first `seen` up to `count`; `None`: too many to tell.
///
/// # Errors
/// When the store cannot read.
pub fn changed_since(reads: &dyn Reads, seen: u64, count: u64) -> Result<Option<Vec<MessageId>>, StoreError> {
    if count.wrapping_sub(seen) > CHANGED_KEPT {
        return Ok(None);
    }
    let mut ids = Vec::new();
    for one in seen.saturating_add(1)..=count {
        match get_record::<(u64, MessageId)>(reads, &changed_key(one))? {
            Some((of, id)) if of == one => ids.push(id),
            _ => return Ok(None),
        }
    }
    Ok(Some(ids))
}

/// Has the dispatcher read this message again.
fn changed(tx: &mut Tx<'_>, id: MessageId) -> Result<(), StoreError> {
    let count = changes(tx)?.wrapping_add(1);
    tx.put_record(changed_key(count), &(count, id))?;
    tx.put_record(Space::Meta.key(&[CHANGES]), &count)
}

/// What came of a person's wish about one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wished {
    /// It is done.
    Done,
    /// There is no such message.
    Unknown,
    /// The message's end has come: it is of no use to anybody.
    Over,
}

/// Has a message tried again as soon as possible, whether it waits or was given up.
///
/// # Errors
/// When the store cannot read, or the message does not open.
pub fn retry(tx: &mut Tx<'_>, id: MessageId) -> Result<Wished, StoreError> {
    let given_up = undelivered::get(tx, id)?;
    let message = match &given_up {
        Some(given_up) => given_up.message.clone(),
        None => match get(tx, id)? {
            Some(message) => message,
            None => return Ok(Wished::Unknown),
        },
    };
    if message.expires_at <= tx.now() {
        return Ok(Wished::Over);
    }
    if let Some(given_up) = given_up {
        undelivered::remove(tx, id, &given_up);
    }
    let due_at = tx.now();
    put(tx, id, &Message { due_at, ..message })?;
    changed(tx, id)?;
    Ok(Wished::Done)
}

/// Takes a message out unsent, whether it waits or was given up, and whether it opens or not; one that is under way just
/// now still arrives.
///
/// # Errors
/// When the store cannot read.
pub fn discard(tx: &mut Tx<'_>, id: MessageId) -> Result<Wished, StoreError> {
    if undelivered::discard(tx, id)? {
        return Ok(Wished::Done);
    }
    match get(tx, id) {
        Ok(None) => return Ok(Wished::Unknown),
        Ok(Some(message)) if message.via() == Via::Webhook => webhooks::take_out(tx, &message.to, id),
        Ok(Some(_)) | Err(StoreError::Key(_) | StoreError::Record(_)) => remove(tx, id),
        Err(error) => return Err(error),
    }
    changed(tx, id)?;
    Ok(Wished::Done)
}
