//! API tokens, under the hashes of their texts.

use std::sync::Arc;

use jiff::Timestamp;

use crate::base::id::TokenId;
use crate::base::secret::TokenHash;
use crate::directory::audit::{Author, Target};
use crate::directory::token::ApiToken;
use crate::store::audit::{self, Entry};
use crate::store::engine::{Bytes, KeyRange, Order};
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx, get_record, get_records};
use crate::store::users::WriteError;
use crate::store::{Store, StoreError, codec, index};

fn key(hash: &[u8]) -> Vec<u8> {
    Space::Token.key(&[hash])
}

/// The token of this hash, live or not.
///
/// # Errors
/// When the store cannot read.
pub fn get(reads: &dyn Reads, hash: TokenHash) -> Result<Option<ApiToken>, StoreError> {
    get_record(reads, &key(&hash.0))
}

/// A token as it is stored, with the bytes that say so.
pub(super) struct Carried {
    stored: Bytes,
    token: Arc<ApiToken>,
}

/// The token of this hash, live or not. It is read each time, and taken apart only when it is not what it was.
///
/// # Errors
/// When the store cannot read.
pub fn carried(store: &Store, hash: TokenHash) -> Result<Option<Arc<ApiToken>>, StoreError> {
    let Some(stored) = store.view().get(&key(&hash.0))? else { return Ok(None) };
    if let Some(known) = store.api_tokens.get(&hash).filter(|known| known.stored == stored) {
        return Ok(Some(known.token.clone()));
    }
    let token = Arc::new(codec::decode(&stored)?);
    Ok(Some(store.api_tokens.put(hash, Carried { stored, token }).token.clone()))
}

/// All tokens in the order of their making.
///
/// # Errors
/// When the store cannot read.
pub fn list(reads: &dyn Reads) -> Result<Vec<ApiToken>, StoreError> {
    let rows = reads.scan(&KeyRange::prefix(&Space::TokenById.key(&[])), Order::Ascending, usize::MAX)?;
    let keys: Vec<_> = rows.iter().map(|(_, hash)| key(hash)).collect();
    get_records(reads, &keys)
}

/// Keeps a new token.
///
/// # Errors
/// When the record cannot be encoded.
pub fn create(tx: &mut Tx<'_>, author: &Author, hash: TokenHash, token: &ApiToken) -> Result<(), StoreError> {
    index::put(tx, key(&hash.0), None, token)?;
    audit::append(tx, author, Entry::new("token.created", target(token)))
}

/// Notes that a token was used.
///
/// # Errors
/// When the store cannot read.
pub fn touch(tx: &mut Tx<'_>, hash: TokenHash, now: Timestamp) -> Result<(), StoreError> {
    match get(tx, hash)? {
        Some(token) => tx.put_record(key(&hash.0), &ApiToken { last_used_at: Some(now), ..token }),
        None => Ok(()),
    }
}

/// Ends a token at once.
///
/// # Errors
/// When there is no such token.
pub fn revoke(tx: &mut Tx<'_>, author: &Author, id: TokenId) -> Result<ApiToken, WriteError> {
    let by_id = Space::TokenById.key(&[id.as_bytes()]);
    let hash = tx.get(&by_id)?.ok_or(WriteError::NotFound("token"))?;
    let token: ApiToken = get_record(tx, &key(&hash))?.ok_or(WriteError::NotFound("token"))?;
    index::remove(tx, key(&hash), &token)?;
    audit::append(tx, author, Entry::new("token.revoked", target(&token)))?;
    Ok(token)
}

fn target(token: &ApiToken) -> Target {
    Target::Token { id: token.id, name: token.name.clone() }
}
