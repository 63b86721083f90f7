//! Sessions and password links, under the hashes of their tokens, and the dropping of what has ended.

use jiff::Timestamp;

use crate::base::id::{SessionId, UserId};
use crate::base::secret::TokenHash;
use crate::directory::session::{PasswordLink, Session};
use crate::store::StoreError;
use crate::store::engine::{KeyRange, Order};
use crate::store::keys::{self, Space};
use crate::store::tx::{Reads, Tx, get_record};

/// Most sessions of one user; the oldest make room.
const SESSIONS_MAX: usize = 100;

fn key(hash: TokenHash) -> Vec<u8> {
    Space::Session.key(&[&hash.0])
}

fn by_user(user: UserId, session: SessionId) -> Vec<u8> {
    Space::SessionByUser.key(&[user.as_bytes(), session.as_bytes()])
}

/// The session under this token, valid or not.
///
/// # Errors
/// When the store cannot read.
pub fn get(reads: &dyn Reads, hash: TokenHash) -> Result<Option<Session>, StoreError> {
    get_record(reads, &key(hash))
}

/// Begins a session.
///
/// # Errors
/// When the store cannot read.
pub fn create(tx: &mut Tx<'_>, hash: TokenHash, session: &Session) -> Result<(), StoreError> {
    let prefix = Space::SessionByUser.key(&[session.user.as_bytes()]);
    let rows = tx.scan(&KeyRange::prefix(&prefix), Order::Ascending, SESSIONS_MAX)?;
    if rows.len() >= SESSIONS_MAX
        && let Some((oldest, hash)) = rows.into_iter().next()
    {
        tx.remove(Space::Session.key(&[&hash]));
        tx.remove(oldest);
    }
    tx.put(by_user(session.user, session.id), hash.0.to_vec());
    remember_end(tx, session.expires_at, &key(hash));
    tx.put_record(key(hash), session)
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
    let mut sessions = Vec::new();
    for (_, hash) in rows {
        let Ok(hash) = <[u8; 32]>::try_from(hash.as_slice()) else { continue };
        if let Some(session) = get(reads, TokenHash(hash))? {
            sessions.push((TokenHash(hash), session));
        }
    }
    Ok(sessions)
}

/// Ends one session.
pub fn remove(tx: &mut Tx<'_>, hash: TokenHash, session: &Session) {
    tx.remove(key(hash));
    tx.remove(by_user(session.user, session.id));
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
    tx.put(Space::LinkByUser.key(&[link.user.as_bytes()]), hash.0.to_vec());
    remember_end(tx, link.expires_at, &row);
    tx.put_record(row, link)
}

/// Ends the user's password link, if there is one.
///
/// # Errors
/// When the store cannot read.
pub fn remove_link(tx: &mut Tx<'_>, user: UserId) -> Result<(), StoreError> {
    let by_user = Space::LinkByUser.key(&[user.as_bytes()]);
    if let Some(hash) = tx.get(&by_user)? {
        tx.remove(Space::Link.key(&[&hash]));
        tx.remove(by_user);
    }
    Ok(())
}

/// Notes that a row may be dropped from `end` on.
pub(super) fn remember_end(tx: &mut Tx<'_>, end: Timestamp, row: &[u8]) {
    tx.put(Space::Ending.key(&[&keys::seconds(end), row]), Vec::new());
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
        if row.first() == Some(&Space::Session.tag())
            && let Some(session) = get_record::<Session>(tx, &row)?
        {
            tx.remove(by_user(session.user, session.id));
        }
        if row.first() == Some(&Space::Link.tag())
            && let Some(link) = get_record::<PasswordLink>(tx, &row)?
        {
            let by_user = Space::LinkByUser.key(&[link.user.as_bytes()]);
            if tx.get(&by_user)?.as_deref() == row.get(1..) {
                tx.remove(by_user);
            }
        }
        tx.remove(row);
        tx.remove(ending.clone());
    }
    Ok(rows.len())
}
