//! Sessions and password links, under the hashes of their tokens, and the dropping of what has ended.

use std::sync::Arc;

use jiff::Timestamp;

use crate::base::id::{SessionId, UserId};
use crate::base::secret::TokenHash;
use crate::directory::session::{PasswordLink, Session};
use crate::directory::user::User;
use crate::store::engine::{Bytes, KeyRange, Order};
use crate::store::keys::{self, Space};
use crate::store::tx::{Reads, Tx, get_record};
use crate::store::{Store, StoreError, codec, index};

/// Most sessions of one user; the oldest make room.
const SESSIONS_MAX: usize = 100;

fn key(hash: TokenHash) -> Vec<u8> {
    Space::Session.key(&[&hash.0])
}

/// The session under this token, valid or not.
///
/// # Errors
/// When the store cannot read.
pub fn get(reads: &dyn Reads, hash: TokenHash) -> Result<Option<Session>, StoreError> {
    get_record(reads, &key(hash))
}

/// A session and its user as they are stored, with the bytes that say so.
pub(super) struct Bearer {
    stored: (Bytes, Bytes),
    pair: Arc<(User, Session)>,
}

/// The session under this token with its user, valid or not. Both are read each time; they are taken apart only when
/// they are not what they were.
///
/// # Errors
/// When the store cannot read.
pub fn bearer(store: &Store, hash: TokenHash) -> Result<Option<Arc<(User, Session)>>, StoreError> {
    let view = store.view();
    let Some(stored) = view.get(&key(hash))? else { return Ok(None) };
    let known = store.bearers.get(&hash).filter(|known| known.stored.0 == stored);
    let (session, known) = match known {
        Some(known) => (None, Some(known)),
        None => (Some(codec::decode::<Session>(&stored)?), None),
    };
    let id = known.as_ref().map(|known| known.pair.0.id).or(session.as_ref().map(|session| session.user));
    let Some(user) = id.map(|id| view.get(&index::user_key(id))).transpose()?.flatten() else { return Ok(None) };
    if let Some(known) = known.as_ref().filter(|known| known.stored.1 == user) {
        return Ok(Some(known.pair.clone()));
    }
    let session = match session {
        Some(session) => session,
        None => codec::decode(&stored)?,
    };
    let pair = Arc::new((codec::decode(&user)?, session));
    Ok(Some(store.bearers.put(hash, Bearer { stored: (stored, user), pair }).pair.clone()))
}

/// Begins a session.
///
/// # Errors
/// When the store cannot read.
pub fn create(tx: &mut Tx<'_>, hash: TokenHash, session: &Session) -> Result<(), StoreError> {
    let prefix = Space::SessionByUser.key(&[session.user.as_bytes()]);
    let rows = tx.scan(&KeyRange::prefix(&prefix), Order::Ascending, SESSIONS_MAX)?;
    if rows.len() >= SESSIONS_MAX
        && let Some((_, oldest)) = rows.first()
    {
        index::drop_record(tx, Space::Session.key(&[oldest]))?;
    }
    remember_end(tx, session.expires_at, &key(hash));
    index::put(tx, key(hash), None, session)
}

/// Notes that a session was used.
///
/// # Errors
/// When the store cannot read.
pub fn touch(tx: &mut Tx<'_>, hash: TokenHash, now: Timestamp) -> Result<(), StoreError> {
    match get(tx, hash)? {
        Some(session) => tx.put_record(key(hash), &Session { last_used_at: now, ..session }),
        None => Ok(()),
    }
}

/// A user's sessions with the hashes of their tokens, oldest first, valid or not.
///
/// # Errors
/// When the store cannot read.
pub fn list(reads: &dyn Reads, user: UserId) -> Result<Vec<(TokenHash, Session)>, StoreError> {
    let prefix = Space::SessionByUser.key(&[user.as_bytes()]);
    let rows = reads.scan(&KeyRange::prefix(&prefix), Order::Ascending, SESSIONS_MAX)?;
    let hashes = rows.iter().filter_map(|(_, hash)| hash.as_slice().try_into().ok().map(TokenHash));
    let hashes: Vec<_> = hashes.collect();
    let keys: Vec<_> = hashes.iter().map(|hash| key(*hash)).collect();
    let found = reads.get_many(&keys)?;
    let pairs = hashes.into_iter().zip(found).filter_map(|(hash, bytes)| Some((hash, bytes?)));
    pairs.map(|(hash, bytes)| Ok((hash, codec::decode(&bytes)?))).collect()
}

/// A user's session by its public name, with the hash of its token, valid or not.
///
/// # Errors
/// When the store cannot read.
pub fn by_id(reads: &dyn Reads, user: UserId, id: SessionId) -> Result<Option<(TokenHash, Session)>, StoreError> {
    let row = reads.get(&Space::SessionByUser.key(&[user.as_bytes(), id.as_bytes()]))?;
    let Some(hash) = row.and_then(|hash| hash.as_slice().try_into().ok().map(TokenHash)) else { return Ok(None) };
    Ok(get(reads, hash)?.map(|session| (hash, session)))
}

/// Ends one session.
///
/// # Errors
/// When the store cannot read.
pub fn remove(tx: &mut Tx<'_>, hash: TokenHash, session: &Session) -> Result<(), StoreError> {
    index::remove(tx, key(hash), session)
}

/// The password link under this token, valid or not.
///
/// # Errors
/// When the store cannot read.
pub fn get_link(reads: &dyn Reads, hash: TokenHash) -> Result<Option<PasswordLink>, StoreError> {
    get_record(reads, &Space::Link.key(&[&hash.0]))
}

/// Makes a password link; the user's earlier one dies.
///
/// # Errors
/// When the store cannot read.
pub fn put_link(tx: &mut Tx<'_>, hash: TokenHash, link: &PasswordLink) -> Result<(), StoreError> {
    remove_link(tx, link.user)?;
    let row = Space::Link.key(&[&hash.0]);
    remember_end(tx, link.expires_at, &row);
    index::put(tx, row, None, link)
}

/// Ends the user's password link, if there is one.
///
/// # Errors
/// When the store cannot read.
pub fn remove_link(tx: &mut Tx<'_>, user: UserId) -> Result<(), StoreError> {
    match tx.get(&Space::LinkByUser.key(&[user.as_bytes()]))? {
        Some(hash) => index::drop_record(tx, Space::Link.key(&[&hash])),
        None => Ok(()),
    }
}

/// Notes that a row may be dropped from `end` on.
pub(super) fn remember_end(tx: &mut Tx<'_>, end: Timestamp, row: &[u8]) {
    tx.put(Space::Ending.key(&[&keys::seconds(end), row]), Vec::new());
}

/// Takes back that a row may be dropped from `end` on.
pub(super) fn forget_end(tx: &mut Tx<'_>, end: Timestamp, row: &[u8]) {
    tx.remove(Space::Ending.key(&[&keys::seconds(end), row]));
}

/// Drops at most `limit` rows whose end has passed. Gives how many were looked at.
///
/// # Errors
/// When the store cannot read.
pub fn drop_ended(tx: &mut Tx<'_>, limit: usize) -> Result<usize, StoreError> {
    let prefix = Space::Ending.key(&[]);
    let range = KeyRange::prefix_before(&prefix, Space::Ending.key(&[&keys::seconds(tx.now())]));
    let rows = tx.scan(&range, Order::Ascending, limit)?;
    for (ending, _) in &rows {
        let row = ending.get(9..).unwrap_or_default().to_vec();
        index::drop_record(tx, row)?;
        tx.remove(ending.clone());
    }
    Ok(rows.len())
}
