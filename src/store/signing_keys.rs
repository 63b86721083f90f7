//! Keys that sign tokens: one signs, the next is told of a day before it does, and an old one is told of until nothing
//! that it signed can be valid. Which is which follows from their times alone.
//!
//! The private half is sealed. Numbers rise and names are hashes of the keys: none comes twice.

use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use data_encoding::{BASE64, BASE64URL_NOPAD};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::base::clock::plus;
use crate::base::secret::sha256;
use crate::directory::audit::{Author, Target};
use crate::directory::policy::days;
use crate::store::audit::{self, Entry};
use crate::store::engine::{KeyRange, Order};
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx};
use crate::store::{StoreError, codec};

/// A key is told of for so long before it signs: whoever keeps the list of keys has it by then.
const NOTICE: Duration = days(1);
/// A key is told of for so long after the next took over: longer than any token lives.
const FAREWELL: Duration = Duration::from_secs(3_600);
/// Most keys that are read.
const MOST: usize = 100;

/// A key pair (Ed25519, RFC 8032).
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct SigningKey {
    /// Its name in tokens (`kid`): the thumbprint of RFC 7638.
    pub kid: String,
    /// The public half, in base64url.
    pub public: String,
    /// Since when it is told of.
    pub published_at: Timestamp,
    /// From when on it signs, until the next does.
    pub signs_from: Timestamp,
    /// The seed of the private half, sealed for its number, in base64.
    sealed_seed: String,
}

/// The keys with their numbers, oldest first.
pub type Keys = Vec<(u64, SigningKey)>;

fn key(number: u64) -> Vec<u8> {
    Space::SigningKey.key(&[&number.to_be_bytes()])
}

/// The place for which the seed of the key in a row is sealed.
fn seal_place(row: &[u8]) -> Vec<u8> {
    [&b"signing key"[..], row].concat()
}

/// All keys.
///
/// # Errors
/// When the store cannot read.
pub fn list(reads: &dyn Reads) -> Result<Keys, StoreError> {
    let rows = reads.scan(&KeyRange::prefix(&Space::SigningKey.key(&[])), Order::Ascending, MOST)?;
    let number = |row: &[u8]| row.get(1..).and_then(|number| number.try_into().ok()).map(u64::from_be_bytes);
    rows.iter().map(|(row, bytes)| Ok((number(row).unwrap_or_default(), codec::decode(bytes)?))).collect()
}

/// The key that signs now: the last whose time has come; the first where the clock was turned back before all of them.
#[must_use]
pub fn signs(keys: &Keys, now: Timestamp) -> Option<&(u64, SigningKey)> {
    keys.iter().rev().find(|(_, key)| key.signs_from <= now).or_else(|| keys.first())
}

/// Has a later key taken over so long ago that nothing which this one signed can be valid?
fn is_over(keys: &Keys, number: u64, now: Timestamp) -> bool {
    keys.iter().any(|(other, key)| *other > number && plus(key.signs_from, FAREWELL) <= now)
}

/// The keys that are told of, and by which tokens are checked.
#[must_use]
pub fn published(keys: &Keys, now: Timestamp) -> Vec<&SigningKey> {
    keys.iter().filter(|(number, _)| !is_over(keys, *number, now)).map(|(_, key)| key).collect()
}

/// The private half of a key, as PKCS #8 (RFC 8410 §7).
///
/// # Errors
/// When the sealed value does not open.
pub fn private_half(reads: &dyn Reads, number: u64, signing: &SigningKey) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let fault = |what: String| StoreError::Record(format!("the signing key {}: {what}", signing.kid));
    let sealed = BASE64.decode(signing.sealed_seed.as_bytes()).map_err(|error| fault(error.to_string()))?;
    let seed = reads.sealer().open(&seal_place(&key(number)), &sealed)?;
    // Version 0, the algorithm id-Ed25519 (1.3.101.112), and the seed in an octet string within one.
    const HEAD: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20];
    Ok(Zeroizing::new([&HEAD[..], seed.as_slice()].concat()))
}

/// Does what time asks for: a first key, the key after the one that signs, the end of those that are over.
///
/// # Errors
/// When the store cannot read.
pub fn step(tx: &mut Tx<'_>, author: &Author, rotate_every: Duration) -> Result<(), StoreError> {
    let now = tx.now();
    if list(tx)?.is_empty() {
        create(tx, author, now)?;
    }
    let keys = list(tx)?;
    let current = signs(&keys, now).map(|(_, key)| key.signs_from).unwrap_or(now);
    if !keys.iter().any(|(_, key)| key.signs_from > now) {
        create(tx, author, plus(current, rotate_every).max(plus(now, NOTICE)))?;
    }
    for (number, old) in keys.iter().filter(|(number, _)| is_over(&keys, *number, now)) {
        tx.remove(key(*number));
        note(tx, author, "signing_key.dropped", old)?;
    }
    Ok(())
}

/// Lets the next key sign as soon as it has been told of for a day. Gives from when on it does.
///
/// # Errors
/// When the store cannot read.
pub fn rotate(tx: &mut Tx<'_>, author: &Author, rotate_every: Duration) -> Result<Timestamp, StoreError> {
    step(tx, author, rotate_every)?;
    let now = tx.now();
    let next = list(tx)?.into_iter().find(|(_, key)| key.signs_from > now);
    let Some((number, next)) = next else { return Ok(now) };
    let signs_from = plus(next.published_at, NOTICE).max(now).min(next.signs_from);
    let next = SigningKey { signs_from, ..next };
    tx.put_record(key(number), &next)?;
    note(tx, author, "signing_key.hastened", &next)?;
    step(tx, author, rotate_every)?;
    Ok(signs_from)
}

/// Drops every key at once and signs with a new one: for the day on which a private half is known to somebody. What was
/// signed before is refused from now on, here, and elsewhere as soon as the list of keys is fetched again.
///
/// # Errors
/// When the store cannot read.
pub fn replace(tx: &mut Tx<'_>, author: &Author, rotate_every: Duration) -> Result<Timestamp, StoreError> {
    let now = tx.now();
    let old = list(tx)?;
    create(tx, author, now)?;
    for (number, old) in &old {
        tx.remove(key(*number));
        note(tx, author, "signing_key.dropped", old)?;
    }
    step(tx, author, rotate_every)?;
    Ok(now)
}

/// Makes a key, with the number after the last.
fn create(tx: &mut Tx<'_>, author: &Author, signs_from: Timestamp) -> Result<(), StoreError> {
    let number = list(tx)?.last().map_or(1, |(number, _)| number.saturating_add(1));
    let seed: Zeroizing<[u8; 32]> = Zeroizing::new(tx.rng().bytes());
    let pair = Ed25519KeyPair::from_seed_unchecked(&*seed);
    let pair = pair.map_err(|error| StoreError::Key(format!("a signing key cannot be made: {error}")))?;
    let public = BASE64URL_NOPAD.encode(pair.public_key().as_ref());
    // RFC 7638 §3 and RFC 8037 §2: these members, in this order.
    let thumbprint = sha256(format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{public}"}}"#).as_bytes());
    let signing = SigningKey {
        kid: BASE64URL_NOPAD.encode(&thumbprint),
        public,
        published_at: tx.now(),
        signs_from,
        sealed_seed: BASE64.encode(&tx.sealer().seal(&seal_place(&key(number)), &*seed)?),
    };
    tx.put_record(key(number), &signing)?;
    note(tx, author, "signing_key.made", &signing)
}

fn note(tx: &mut Tx<'_>, author: &Author, action: &'static str, key: &SigningKey) -> Result<(), StoreError> {
    let mut entry = Entry::new(action, Target::Directory);
    entry.details.insert("kid".to_owned(), key.kid.clone().into());
    entry.details.insert("signs_from".to_owned(), key.signs_from.to_string().into());
    audit::append(tx, author, entry)
}

/// Seals the seed of a stored key anew; `None`: there is no need.
///
/// # Errors
/// When it does not open.
pub(super) fn reseal(tx: &Tx<'_>, row: &[u8], bytes: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let signing: SigningKey = codec::decode(bytes)?;
    let sealed =
        BASE64.decode(signing.sealed_seed.as_bytes()).map_err(|error| StoreError::Record(error.to_string()))?;
    let Some(sealed) = tx.sealer().reseal(&seal_place(row), &sealed)? else { return Ok(None) };
    codec::encode(&SigningKey { sealed_seed: BASE64.encode(&sealed), ..signing }).map(Some)
}

#[cfg(test)]
#[path = "signing_keys/tests.rs"]
mod tests;
