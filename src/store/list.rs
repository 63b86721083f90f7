//! Pages of users: filtered, sorted and continued from where the last page ended.

use std::collections::BTreeMap;

use crate::base::id::{SourceId, UserId};
use crate::directory::user::User;
use crate::store::StoreError;
use crate::store::tx::Reads;
use crate::store::users;

/// How many records are read at a time.
const CHUNK: usize = 500;

/// The first `limit` users by folded username after `after` that `keep` takes.
///
/// # Errors
/// When the store cannot read.
pub fn by_username(
    reads: &dyn Reads,
    after: Option<&str>,
    limit: usize,
    mut keep: impl FnMut(&User) -> bool,
) -> Result<Vec<User>, StoreError> {
    let mut page = Vec::new();
    let mut after = after.map(str::to_owned);
    while page.len() < limit {
        let chunk = users::ids_by_username(reads, after.as_deref(), CHUNK.min(limit.max(50)))?;
        let Some((last, _)) = chunk.last() else { break };
        after = Some(last.clone());
        let ids: Vec<_> = chunk.iter().map(|(_, id)| *id).collect();
        page.extend(users::get_many(reads, &ids)?.into_iter().filter(|user| keep(user)));
    }
    page.truncate(limit);
    Ok(page)
}

/// The first `limit` users by a key of their own after `after`; users without a key are left out.
/// Reads every user once and keeps no more than the page.
///
/// # Errors
/// When the store cannot read.
pub fn by_key<K: Ord + Clone>(
    reads: &dyn Reads,
    after: Option<&(K, UserId)>,
    limit: usize,
    mut key: impl FnMut(&User) -> Option<K>,
) -> Result<Vec<(K, User)>, StoreError> {
    let mut page: BTreeMap<(K, UserId), User> = BTreeMap::new();
    let mut from: Option<String> = None;
    loop {
        let chunk = users::ids_by_username(reads, from.as_deref(), CHUNK)?;
        let Some((last, _)) = chunk.last() else { break };
        from = Some(last.clone());
        let ids: Vec<_> = chunk.iter().map(|(_, id)| *id).collect();
        for user in users::get_many(reads, &ids)? {
            let Some(key) = key(&user) else { continue };
            let place = (key, user.id);
            if after.is_none_or(|after| place > *after) {
                page.insert(place, user);
                if page.len() > limit {
                    page.pop_last();
                }
            }
        }
    }
    Ok(page.into_iter().map(|((key, _), user)| (key, user)).collect())
}

/// Hands every user of a source to `visit`, in the order of their making, until it says no more.
///
/// # Errors
/// When the store cannot read.
pub fn of_source(reads: &dyn Reads, source: &SourceId, mut visit: impl FnMut(User) -> bool) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let ids = users::ids_of_source(reads, source, after, CHUNK)?;
        let Some(last) = ids.last() else { return Ok(()) };
        after = Some(*last);
        for user in users::get_many(reads, &ids)? {
            if !visit(user) {
                return Ok(());
            }
        }
    }
}
