//! Passwords and second factors: kept apart from the user record, read by nobody but the login.

use std::fmt;
use std::time::Duration;

use data_encoding::BASE64;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::base::clock::plus;
use crate::base::id::{FactorId, UserId};
use crate::directory::factor::Method;
use crate::directory::message::{Body, Message};
use crate::directory::policy::days;
use crate::directory::user::User;
use crate::store::engine::{KeyRange, Order};
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx, get_record};
use crate::store::users::WriteError;
use crate::store::{StoreError, devices, index, outbox};

/// For so long the provider of a removed face is told to forget it, while it does not answer.
const FORGET_WITHIN: Duration = days(30);

/// A user's password as it is stored.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Credential {
    /// The hash in PHC string form.
    pub hash: String,
    /// When it was set.
    pub changed_at: Timestamp,
    /// Somebody else set it, who knows it: its owner shall set another.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub lent: bool,
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
    /// When it was last accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_at: Option<Timestamp>,
    /// What it is.
    pub kind: FactorKind,
}

/// The kinds of second factors. Its names are stored: they are for ever.
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
    /// Codes by mail, to this address as long as it is the user's (folded).
    Email {
        /// The address that was proved.
        address: String,
    },
    /// Codes to a phone, as long as its number is the user's.
    Sms {
        /// The number that was proved (E.164).
        number: String,
    },
    /// A passkey (WebAuthn).
    Passkey {
        /// The authenticator's name for it, in base64url; empty until it is registered.
        credential_id: String,
        /// The public key and what is known of the authenticator; nothing of it is secret.
        credential: Value,
    },
    /// A face that a provider compares.
    Face {
        /// What the provider knows the user by; never a name.
        subject: String,
        /// When its owner agreed to it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        consented_at: Option<Timestamp>,
    },
    /// Codes for the day on which all else is lost.
    Recovery {
        /// The hashes of those that were not used yet, sealed for this user and factor.
        sealed_hashes: String,
        /// How many there are.
        left: usize,
    },
}

impl Factor {
    /// How one proves oneself with it.
    #[must_use]
    pub fn method(&self) -> Method {
        match self.kind {
            FactorKind::Totp { .. } => Method::Totp,
            FactorKind::Email { .. } => Method::Email,
            FactorKind::Sms { .. } => Method::Sms,
            FactorKind::Passkey { .. } => Method::Passkey,
            FactorKind::Face { .. } => Method::Face,
            FactorKind::Recovery { .. } => Method::Recovery,
        }
    }

    /// Is it a second factor of this user as they are now? Codes go to an address that was proved and no other;
    /// recovery codes stand in for a factor, and are none.
    #[must_use]
    pub fn stands_for(&self, user: &User) -> bool {
        self.confirmed
            && match &self.kind {
                FactorKind::Email { address } => user.email.as_ref().is_some_and(|email| email.folded() == *address),
                FactorKind::Sms { number } => user.phone.as_ref().is_some_and(|phone| phone.as_str() == number),
                FactorKind::Recovery { .. } => false,
                FactorKind::Totp { .. } | FactorKind::Passkey { .. } | FactorKind::Face { .. } => true,
            }
    }

    /// Where its codes are sent, where they are.
    #[must_use]
    pub fn destination(&self) -> Option<&str> {
        match &self.kind {
            FactorKind::Email { address } => Some(address),
            FactorKind::Sms { number } => Some(number),
            _ => None,
        }
    }

    /// When its owner agreed to what it keeps, where it keeps something of them.
    #[must_use]
    pub fn consented_at(&self) -> Option<Timestamp> {
        match self.kind {
            FactorKind::Face { consented_at, .. } => consented_at,
            _ => None,
        }
    }

    /// What is sealed in it.
    #[must_use]
    pub fn sealed(&self) -> Option<&str> {
        match &self.kind {
            FactorKind::Totp { sealed_secret, .. } => Some(sealed_secret),
            FactorKind::Recovery { sealed_hashes, .. } => Some(sealed_hashes),
            _ => None,
        }
    }

    /// The same with that sealed anew.
    #[must_use]
    pub fn resealed(mut self, text: String) -> Self {
        match &mut self.kind {
            FactorKind::Totp { sealed_secret, .. } => *sealed_secret = text,
            FactorKind::Recovery { sealed_hashes, .. } => *sealed_hashes = text,
            _ => {}
        }
        self
    }
}

/// Seals a secret of a factor.
///
/// # Errors
/// When it cannot be sealed.
pub fn seal(tx: &Tx<'_>, user: UserId, factor: FactorId, plain: &[u8]) -> Result<String, StoreError> {
    Ok(BASE64.encode(&tx.sealer().seal(&seal_place(user, factor), plain)?))
}

/// Opens what is sealed in a factor; nothing where nothing is.
///
/// # Errors
/// When it does not open.
pub fn open(reads: &dyn Reads, user: UserId, factor: &Factor) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let Some(sealed) = factor.sealed() else { return Ok(Zeroizing::default()) };
    let sealed = BASE64.decode(sealed.as_bytes()).map_err(|error| StoreError::Record(error.to_string()))?;
    reads.sealer().open(&seal_place(user, factor.id), &sealed)
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
    let before = old.iter().flat_map(|old| std::iter::once(&old.hash).chain(&old.history));
    let history = before.take(keep).cloned().collect();
    let credential = Credential { hash, changed_at: tx.now(), lent: false, history };
    index::put(tx, credential_key(user), old.as_ref(), &credential)
}

/// Notes of a password that was just set that somebody else set it.
///
/// # Errors
/// When the store cannot read.
pub fn lend(tx: &mut Tx<'_>, user: UserId) -> Result<(), StoreError> {
    match get(tx, user)? {
        Some(credential) => tx.put_record(credential_key(user), &Credential { lent: true, ..credential }),
        None => Ok(()),
    }
}

/// Removes a user's password: somebody else keeps it from now on.
///
/// # Errors
/// When the store cannot read.
pub fn remove_password(tx: &mut Tx<'_>, user: UserId) -> Result<(), StoreError> {
    index::drop_record(tx, credential_key(user))
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

/// One factor of a user.
///
/// # Errors
/// When the store cannot read.
pub fn factor(reads: &dyn Reads, user: UserId, factor: FactorId) -> Result<Option<Factor>, StoreError> {
    get_record(reads, &factor_key(user, factor))
}

/// Whose passkey has this name, and which of their factors it is.
///
/// # Errors
/// When the store cannot read.
pub fn by_credential(reads: &dyn Reads, credential_id: &str) -> Result<Option<(UserId, FactorId)>, StoreError> {
    let ids = reads.get(&index::kinds::by_credential(credential_id))?;
    let id = |ids: &[u8], from| ids.get(from..from + 16).and_then(|id| <[u8; 16]>::try_from(id).ok());
    Ok(ids.and_then(|ids| Some((UserId::from_bytes(id(&ids, 0)?), FactorId::from_bytes(id(&ids, 16)?)))))
}

/// Writes a second factor.
///
/// # Errors
/// [`WriteError::Taken`] for a passkey that is registered already, by whomever; or when the store fails.
pub fn put_factor(tx: &mut Tx<'_>, user: UserId, new: &Factor) -> Result<(), WriteError> {
    let old = factor(tx, user, new.id)?;
    index::write(tx, factor_key(user, new.id), old.as_ref(), new)
}

/// Removes a second factor. Whoever keeps something of its owner for it is told to forget that.
///
/// # Errors
/// When the store cannot read.
pub fn remove_factor(tx: &mut Tx<'_>, user: UserId, id: FactorId) -> Result<(), StoreError> {
    let Some(old) = factor(tx, user, id)? else { return Ok(()) };
    if let FactorKind::Face { subject, .. } = &old.kind {
        outbox::push(tx, &forget_face(tx.now(), user, subject.clone()))?;
    }
    index::remove(tx, factor_key(user, id), &old)
}

fn forget_face(now: Timestamp, user: UserId, subject: String) -> Message {
    let message = Message::to_address("", Body::ForgetFace { subject }, now, plus(now, FORGET_WITHIN));
    Message { user: Some(user), ..message }
}

/// Forgets everything of a user.
///
/// # Errors
/// When the store cannot read.
pub fn forget(tx: &mut Tx<'_>, user: UserId) -> Result<(), StoreError> {
    for factor in factors(tx, user)? {
        remove_factor(tx, user, factor.id)?;
    }
    for (hash, device) in devices::list(tx, user)? {
        devices::remove(tx, hash, &device)?;
    }
    remove_password(tx, user)?;
    super::notices::forget(tx, user)?;
    super::locks::forget(tx, user)?;
    super::verifiers::forget(tx, user)
}
