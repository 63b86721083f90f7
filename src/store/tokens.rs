//! API tokens, under the hashes of their texts. One that was rotated is found by the text before that too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::base::id::TokenId;
use crate::base::network::Network;
use crate::base::secret::TokenHash;
use crate::directory::audit::{Author, Change, Target};
use crate::directory::token::{ApiToken, Text};
use crate::directory::user::RuleError;
use crate::store::audit::{self, Entry};
use crate::store::engine::{Bytes, KeyRange, Order};
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx, get_record, get_records};
use crate::store::users::WriteError;
use crate::store::{Store, StoreError, codec, index};

mod right;

pub use right::Right;

/// Most tokens of a store; whoever makes them looks first. What follows from one to others is looked for among all.
pub const MOST: usize = 10_000;
/// So far back it is looked who made a token.
const GENERATIONS: usize = 100;
/// Rows of a list that are read at a time.
const CHUNK: usize = 256;

fn key(hash: &[u8]) -> Vec<u8> {
    Space::Token.key(&[hash])
}

/// The key of the token that had this text before its last rotation.
fn key_by_previous(reads: &dyn Reads, hash: TokenHash) -> Result<Option<Bytes>, StoreError> {
    Ok(reads.get(&Space::TokenByPrevious.key(&[&hash.0]))?.map(|current| key(&current)))
}

/// A token as it is stored, with the bytes that say so.
pub(super) struct Carried {
    stored: Bytes,
    token: Arc<ApiToken>,
}

/// The token of this text, whether it opens anything or not, and which of its texts it is. It is read each time, and
/// taken apart only when it is not what it was.
///
/// # Errors
/// When the store cannot read.
pub fn carried(store: &Store, hash: TokenHash) -> Result<Option<(Arc<ApiToken>, Text)>, StoreError> {
    let view = store.view();
    let (stored, text) = match view.get(&key(&hash.0))? {
        Some(stored) => (Some(stored), Text::Current),
        None => match key_by_previous(&view, hash)? {
            Some(current) => (view.get(&current)?, Text::Previous),
            None => (None, Text::Previous),
        },
    };
    let Some(stored) = stored else { return Ok(None) };
    if let Some(known) = store.api_tokens.get(&hash).filter(|known| known.stored == stored) {
        return Ok(Some((known.token.clone(), text)));
    }
    let token = Arc::new(codec::decode(&stored)?);
    Ok(Some((store.api_tokens.put(hash, Carried { stored, token }).token.clone(), text)))
}

/// The token of this id.
///
/// # Errors
/// When the store cannot read.
pub fn by_id(reads: &dyn Reads, id: TokenId) -> Result<Option<ApiToken>, StoreError> {
    Ok(stored(reads, id)?.map(|(_, token)| token))
}

/// The token of this id, with its key.
fn stored(reads: &dyn Reads, id: TokenId) -> Result<Option<(Bytes, ApiToken)>, StoreError> {
    let Some(hash) = reads.get(&Space::TokenById.key(&[id.as_bytes()]))? else { return Ok(None) };
    let key = key(&hash);
    Ok(get_record(reads, &key)?.map(|token| (key, token)))
}

fn to_change(tx: &Tx<'_>, id: TokenId) -> Result<(Bytes, ApiToken), WriteError> {
    stored(tx, id)?.ok_or(WriteError::NotFound("token"))
}

/// Was it made by that token, or by one that was?
///
/// # Errors
/// When the store cannot read.
pub fn is_made_by(reads: &dyn Reads, token: &ApiToken, ancestor: TokenId) -> Result<bool, StoreError> {
    let mut maker = token.made_by;
    for _ in 0..GENERATIONS {
        match maker {
            Some(id) if id == ancestor => return Ok(true),
            Some(id) => maker = by_id(reads, id)?.and_then(|token| token.made_by),
            None => return Ok(false),
        }
    }
    Ok(false)
}

/// At most so many of the tokens that are wanted, in the order of their making, after this one.
///
/// # Errors
/// When the store cannot read.
pub fn list(
    reads: &dyn Reads,
    after: Option<TokenId>,
    limit: usize,
    wanted: impl Fn(&ApiToken) -> bool,
) -> Result<Vec<ApiToken>, StoreError> {
    let prefix = Space::TokenById.key(&[]);
    let mut last = after.map(|id| Space::TokenById.key(&[id.as_bytes()]));
    let mut found = Vec::new();
    while found.len() < limit {
        let range = last.map_or_else(|| KeyRange::prefix(&prefix), |last| KeyRange::prefix_after(&prefix, last));
        let rows = reads.scan(&range, Order::Ascending, CHUNK)?;
        let Some((end, _)) = rows.last() else { break };
        last = Some(end.clone());
        let keys: Vec<_> = rows.iter().map(|(_, hash)| key(hash)).collect();
        found.extend(get_records(reads, &keys)?.into_iter().filter(|token| wanted(token)));
    }
    found.truncate(limit);
    Ok(found)
}

/// Are there as many as there may be?
///
/// # Errors
/// When the store cannot read.
pub fn is_full(reads: &dyn Reads) -> Result<bool, StoreError> {
    let rows = reads.scan(&KeyRange::prefix(&Space::TokenById.key(&[])), Order::Ascending, MOST)?;
    Ok(rows.len() >= MOST)
}

/// Keeps a new token.
///
/// # Errors
/// When the token that makes it is gone.
pub fn create(tx: &mut Tx<'_>, author: &Author, hash: TokenHash, token: &ApiToken) -> Result<(), WriteError> {
    if let Some(maker) = token.made_by {
        to_change(tx, maker)?;
    }
    index::put(tx, key(&hash.0), None, token)?;
    Ok(audit::append(tx, author, Entry::new("token.created", target(token)))?)
}

/// Notes that a token was used by this text.
///
/// # Errors
/// When the store cannot read.
pub fn touch(tx: &mut Tx<'_>, hash: TokenHash, now: Timestamp) -> Result<(), StoreError> {
    let (mut key, mut text) = (key(&hash.0), Text::Current);
    if tx.get(&key)?.is_none() {
        let Some(current) = key_by_previous(tx, hash)? else { return Ok(()) };
        (key, text) = (current, Text::Previous);
    }
    let Some(token) = get_record::<ApiToken>(tx, &key)? else { return Ok(()) };
    tx.put_record(key, &token.used(text, now))
}

/// Notes that a token was used from a network that it is not for, where that was not told of late.
///
/// # Errors
/// When the store cannot read.
pub fn note_refusal(tx: &mut Tx<'_>, author: &Author, id: TokenId, network: Network) -> Result<(), StoreError> {
    let Some((key, token)) = stored(tx, id)? else { return Ok(()) };
    let Some(token) = token.refused_at(network, tx.now()) else { return Ok(()) };
    tx.put_record(key, &token)?;
    let mut entry = Entry::new("token.refused", target(&token));
    entry.details.insert("network".to_owned(), network.to_string().into());
    audit::append(tx, author, entry)
}

/// Changes a token. What it made is kept within it, and it itself within what made it.
///
/// # Errors
/// When there is no such token, it is not at the expected revision, or it would go beyond the token that made it.
pub fn change(
    tx: &mut Tx<'_>,
    author: &Author,
    id: TokenId,
    expected: Option<u64>,
    rule: impl FnOnce(ApiToken) -> ApiToken,
) -> Result<ApiToken, WriteError> {
    let (key, old) = to_change(tx, id)?;
    if expected.is_some_and(|expected| expected != old.revision) {
        return Err(WriteError::Stale { found: old.revision });
    }
    let new = within_maker(tx, &old, rule(old.clone()))?;
    let new = put_changed(tx, author, key, &old, new)?;
    if (&new.grant, &new.networks, new.expires_at) != (&old.grant, &old.networks, old.expires_at) {
        hand_down(tx, author, &new)?;
    }
    Ok(new)
}

/// What a token may become: what is asked for must lie within the token that made it, and the rest is kept there.
fn within_maker(tx: &Tx<'_>, old: &ApiToken, wanted: ApiToken) -> Result<ApiToken, WriteError> {
    let Some(maker) = wanted.made_by else { return Ok(wanted) };
    let (_, maker) = to_change(tx, maker)?;
    let beyond = |field| RuleError::field(field, "beyond_maker", "must lie within the token that made it");
    if wanted.grant != old.grant && !wanted.grant.permissions().is_subset(maker.grant.permissions()) {
        return Err(beyond("scopes").into());
    }
    let names_networks = wanted.networks != old.networks && !wanted.networks.is_empty();
    if names_networks && !wanted.works_only_where(&maker) {
        return Err(beyond("networks").into());
    }
    Ok(wanted.within(&maker, tx.now()))
}

/// Keeps what a token made within it, generation by generation.
fn hand_down(tx: &mut Tx<'_>, author: &Author, token: &ApiToken) -> Result<(), StoreError> {
    let mut family = BTreeMap::from([(token.id, token.clone())]);
    for (key, made) in made_by(tx, token.id)? {
        let Some(maker) = made.made_by.and_then(|maker| family.get(&maker)) else { continue };
        let new = put_changed(tx, author, key, &made, made.clone().within(maker, tx.now()))?;
        family.insert(new.id, new);
    }
    Ok(())
}

fn put_changed(
    tx: &mut Tx<'_>,
    author: &Author,
    key: Bytes,
    old: &ApiToken,
    new: ApiToken,
) -> Result<ApiToken, StoreError> {
    let mut entry = Entry::new("token.changed", target(&new));
    entry.changes = changes(old, &new);
    if entry.changes.is_empty() {
        return Ok(new);
    }
    let new = ApiToken { revision: old.revision.saturating_add(1), ..new };
    index::put(tx, key, Some(old), &new)?;
    audit::append(tx, author, entry)?;
    Ok(new)
}

/// What differs, attribute by attribute.
fn changes(old: &ApiToken, new: &ApiToken) -> Vec<Change> {
    let part = |token: &ApiToken| -> [(&str, Value); 4] {
        [
            ("name", json!(token.name)),
            ("scopes", json!(token.grant.scope_names())),
            ("networks", json!(token.networks)),
            ("expires_at", json!(token.expires_at)),
        ]
    };
    let pairs = part(old).into_iter().zip(part(new)).filter(|((_, old), (_, new))| old != new);
    pairs.map(|((attribute, old), (_, new))| Change { attribute: attribute.to_owned(), new, old }).collect()
}

/// A new text for a token, as it is kept.
#[derive(Clone)]
pub struct NewText {
    /// Its hash.
    pub hash: TokenHash,
    /// Its first characters.
    pub prefix: String,
}

/// Gives a token a new text; the one that it had works until `until`.
///
/// # Errors
/// When there is no such token, or it is not at the expected revision: it may have another text, or open more.
pub fn rotate(
    tx: &mut Tx<'_>,
    author: &Author,
    (id, expected): (TokenId, u64),
    text: NewText,
    until: Timestamp,
) -> Result<ApiToken, WriteError> {
    let (old_key, old) = to_change(tx, id)?;
    let hash = TokenHash(old_key.get(1..).and_then(|hash| hash.try_into().ok()).ok_or(WriteError::NotFound("token"))?);
    if expected != old.revision {
        return Err(WriteError::Stale { found: old.revision });
    }
    let now = tx.now();
    index::remove(tx, old_key, &old)?;
    let new = old.rotated(hash, text.prefix, until, now);
    index::put(tx, key(&text.hash.0), None, &new)?;
    let mut entry = Entry::new("token.rotated", target(&new));
    entry.details.insert("prefix".to_owned(), new.prefix.clone().into());
    if let Some(previous) = &new.previous {
        entry.details.insert("previous_until".to_owned(), previous.until.to_string().into());
    }
    audit::append(tx, author, entry)?;
    Ok(new)
}

/// Ends a token at once, and every one that was made by it.
///
/// # Errors
/// When there is no such token.
pub fn revoke(tx: &mut Tx<'_>, author: &Author, id: TokenId) -> Result<(), WriteError> {
    let made = made_by(tx, id)?;
    for (key, token) in std::iter::once(to_change(tx, id)?).chain(made) {
        index::remove(tx, key, &token)?;
        let mut entry = Entry::new("token.revoked", target(&token));
        if let Some(maker) = token.made_by.filter(|_| token.id != id) {
            entry.details.insert("made_by".to_owned(), maker.to_string().into());
        }
        audit::append(tx, author, entry)?;
    }
    Ok(())
}

/// Tokens that ended before this time, and no more than so many.
///
/// # Errors
/// When the store cannot read.
pub fn ended(reads: &dyn Reads, before: Timestamp, limit: usize) -> Result<Vec<TokenId>, StoreError> {
    let found = list(reads, None, limit, |token| token.expires_at.is_some_and(|end| end < before))?;
    Ok(found.into_iter().map(|token| token.id).collect())
}

/// Removes a token that ended before this time; one whose end was moved stays.
///
/// # Errors
/// When the store cannot read.
pub fn drop_ended(tx: &mut Tx<'_>, author: &Author, id: TokenId, before: Timestamp) -> Result<(), StoreError> {
    let Some((key, token)) = stored(tx, id)? else { return Ok(()) };
    if token.is_live(before) {
        return Ok(());
    }
    index::remove(tx, key, &token)?;
    audit::append(tx, author, Entry::new("token.revoked", target(&token)))
}

/// What a token made, and what that made, with the keys: makers before what they made.
fn made_by(reads: &dyn Reads, id: TokenId) -> Result<Vec<(Bytes, ApiToken)>, StoreError> {
    let made = list(reads, None, MOST, |token| token.made_by.is_some() && token.id != id)?;
    let mut rest: Vec<(TokenId, Option<TokenId>)> = made.iter().map(|token| (token.id, token.made_by)).collect();
    let (mut family, mut generation) = (Vec::new(), BTreeSet::from([id]));
    while !generation.is_empty() {
        let is_child = |(_, maker): &(_, Option<TokenId>)| maker.is_some_and(|maker| generation.contains(&maker));
        let (children, others): (Vec<_>, Vec<_>) = rest.into_iter().partition(is_child);
        rest = others;
        generation = children.into_iter().map(|(child, _)| child).collect();
        family.extend(&generation);
    }
    family.into_iter().filter_map(|id| stored(reads, id).transpose()).collect()
}

fn target(token: &ApiToken) -> Target {
    Target::Token { id: token.id, name: token.name.clone() }
}

#[cfg(test)]
#[path = "tokens/tests.rs"]
mod tests;
