//! Passwords and second factors: kept apart from the user record, read by nobody but the login.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::id::{FactorId, UserId};
use crate::store::StoreError;
use crate::store::engine::{KeyRange, Order};
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx, get_record};

/// A user's password as it is stored.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Credential {
    /// The hash in PHC string form.
    pub hash: String,
    /// When it was set.
    pub changed_at: Timestamp,
    /// Hashes of earlier passwords, newest first.
    #[serde(default)]
    pub history: Vec<String>,
}

/// A second factor.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Factor {
    /// Its public name.
    pub id: FactorId,
    /// What people call it.
    pub name: String,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// Only a confirmed factor is asked for.
    pub confirmed: bool,
    /// What it is.
    pub kind: FactorKind,
}

/// The kinds of second factors.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum FactorKind {
    /// A time-based one-time password (RFC 6238).
    Totp {
        /// The secret, sealed for this user and factor.
        sealed_secret: String,
        /// The last time step that was accepted; no step up to it is accepted again.
        last_step: u64,
    },
}

impl fmt::Debug for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Factor({})", self.id)
    }
}

fn credential_key(user: UserId) -> Vec<u8> {
    Space::Credential.key(&[user.as_bytes()])
}

fn factor_key(user: UserId, factor: FactorId) -> Vec<u8> {
    Space::Factor.key(&[user.as_bytes(), factor.as_bytes()])
}

/// The place for which a factor's secret is sealed.
#[must_use]
pub fn seal_place(user: UserId, factor: FactorId) -> Vec<u8> {
    [&b"totp"[..], user.as_bytes(), factor.as_bytes()].concat()
}

/// The user's password, where musterd keeps one.
///
/// # Errors
/// When the store cannot read.
pub fn get(reads: &dyn Reads, user: UserId) -> Result<Option<Credential>, StoreError> {
    get_record(reads, &credential_key(user))
}

/// For each of these users: does musterd keep a password?
///
/// # Errors
/// When the store cannot read.
pub fn exist(reads: &dyn Reads, users: &[UserId]) -> Result<Vec<bool>, StoreError> {
    let keys: Vec<_> = users.iter().map(|user| credential_key(*user)).collect();
    Ok(reads.get_many(&keys)?.iter().map(Option::is_some).collect())
}

/// Sets a password's hash; the old one goes into the history of at most `keep`.
///
/// # Errors
/// When the store cannot read.
pub fn set(tx: &mut Tx<'_>, user: UserId, hash: String, keep: usize) -> Result<(), StoreError> {
    let old = get(tx, user)?;
    let mut history: Vec<String> =
        old.into_iter().flat_map(|old| std::iter::once(old.hash).chain(old.history)).collect();
    history.truncate(keep);
    let credential = Credential { hash, changed_at: tx.now(), history };
    tx.put_record(credential_key(user), &credential)
}

/// Removes a user's password: somebody else keeps it from now on.
pub fn remove_password(tx: &mut Tx<'_>, user: UserId) {
    tx.remove(credential_key(user));
}

/// Replaces the hash of the same password by one with better parameters, unless the password changed meanwhile.
///
/// # Errors
/// When the store cannot read.
pub fn rehash(tx: &mut Tx<'_>, user: UserId, old: &str, new: String) -> Result<(), StoreError> {
    match get(tx, user)? {
        Some(credential) if credential.hash == old => {
            tx.put_record(credential_key(user), &Credential { hash: new, ..credential })
        }
        _ => Ok(()),
    }
}

/// The user's second factors.
///
/// # Errors
/// When the store cannot read.
pub fn factors(reads: &dyn Reads, user: UserId) -> Result<Vec<Factor>, StoreError> {
    let prefix = Space::Factor.key(&[user.as_bytes()]);
    let rows = reads.scan(&KeyRange::prefix(&prefix), Order::Ascending, 100)?;
    rows.iter().map(|(_, bytes)| super::codec::decode(bytes)).collect()
}

/// Writes a second factor.
///
/// # Errors
/// When the record cannot be encoded.
pub fn put_factor(tx: &mut Tx<'_>, user: UserId, factor: &Factor) -> Result<(), StoreError> {
    tx.put_record(factor_key(user, factor.id), factor)
}

/// Removes a second factor.
pub fn remove_factor(tx: &mut Tx<'_>, user: UserId, factor: FactorId) {
    tx.remove(factor_key(user, factor));
}

/// Forgets everything of a user.
///
/// # Errors
/// When the store cannot read.
pub fn forget(tx: &mut Tx<'_>, user: UserId) -> Result<(), StoreError> {
    for factor in factors(tx, user)? {
        remove_factor(tx, user, factor.id);
    }
    tx.remove(credential_key(user));
    super::locks::forget(tx, user)?;
    super::verifiers::forget(tx, user)
}
