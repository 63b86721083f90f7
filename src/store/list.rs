//! Pages of users: filtered, sorted and continued from where the last page ended.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::id::{OrganizationId, SourceId, UserId};
use crate::directory::user::User;
use crate::store::StoreError;
use crate::store::engine::Order;
use crate::store::organizations;
use crate::store::tx::Reads;
use crate::store::users::{self, TimePlace};

/// How many records are read at a time.
const CHUNK: usize = 500;
/// So many rows of an index are read without knowing what they are good for.
const FEW: usize = 10_000;

/// Among whom a list looks. All but everybody are there for what a filter requires: an index knows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Among<'a> {
    /// All who are not removed.
    Everybody,
    /// Those who are neither active nor removed, by the name of their state.
    InState(&'static str),
    /// Those who were changed at this time ([`users::modified_place`]) or later.
    ModifiedFrom(u64),
    /// The members of these organisations, without those whom groups of their source put there.
    MembersOf(&'a BTreeSet<OrganizationId>),
}

/// The first `limit` users by folded username after `after` that `keep` takes, of all or of those in a state.
///
/// # Errors
/// When the store cannot read.
pub fn by_username(
    reads: &dyn Reads,
    state: Option<&str>,
    after: Option<&str>,
    limit: usize,
    mut keep: impl FnMut(&User) -> bool,
) -> Result<Vec<User>, StoreError> {
    let mut page = Vec::new();
    let mut after = after.map(str::to_owned);
    while page.len() < limit {
        let number = CHUNK.min(limit.max(50));
        let chunk = match state {
            Some(state) => users::ids_in_state(reads, state, after.as_deref(), number)?,
            None => users::ids_by_username(reads, after.as_deref(), number)?,
        };
        let Some((last, _)) = chunk.last() else { break };
        after = Some(last.clone());
        let ids: Vec<_> = chunk.iter().map(|(_, id)| *id).collect();
        page.extend(users::get_many(reads, &ids)?.into_iter().filter(|user| keep(user)));
    }
    page.truncate(limit);
    Ok(page)
}

/// The first `limit` users by when they were changed that `keep` takes, each with its place; from a time on, and
/// after a place. The cost follows the page, and whom `keep` leaves out.
///
/// # Errors
/// When the store cannot read.
pub fn by_modified(
    reads: &dyn Reads,
    order: Order,
    from: u64,
    after: Option<TimePlace>,
    limit: usize,
    mut keep: impl FnMut(&User) -> bool,
) -> Result<Vec<(TimePlace, User)>, StoreError> {
    let next = |after, number| match order {
        Order::Ascending => users::by_modified(reads, from, after, number),
        Order::Descending => users::by_modified_latest(reads, from, after, number),
    };
    by_place(reads, after, limit, next, |user| !user.is_removed() && keep(user))
}

/// The first `limit` tombstones after a place that `keep` takes, in the order in which they are purged.
///
/// # Errors
/// When the store cannot read.
pub fn removed(
    reads: &dyn Reads,
    after: Option<TimePlace>,
    limit: usize,
    mut keep: impl FnMut(&User) -> bool,
) -> Result<Vec<(TimePlace, User)>, StoreError> {
    let next = |after, number| users::purgeable_from(reads, after, number);
    by_place(reads, after, limit, next, |user| user.is_removed() && keep(user))
}

/// Users at the places that an index gives, one chunk after the other.
fn by_place(
    reads: &dyn Reads,
    mut after: Option<TimePlace>,
    limit: usize,
    next: impl Fn(Option<TimePlace>, usize) -> Result<Vec<TimePlace>, StoreError>,
    mut keep: impl FnMut(&User) -> bool,
) -> Result<Vec<(TimePlace, User)>, StoreError> {
    let mut page = Vec::new();
    while page.len() < limit {
        let places = next(after, CHUNK.min(limit.max(50)))?;
        let Some(last) = places.last() else { break };
        after = Some(*last);
        let ids: Vec<_> = places.iter().map(|(_, id)| *id).collect();
        // Those who have gone meanwhile are left out of the users, which are in the order of their places.
        let mut places = places.iter();
        for user in users::get_many(reads, &ids)? {
            if let Some(place) = places.find(|(_, id)| *id == user.id)
                && keep(&user)
            {
                page.push((*place, user));
            }
        }
    }
    page.truncate(limit);
    Ok(page)
}

/// The first `limit` users by a key of their own after `after`; users without a key are left out.
/// Reads every user among whom it looks once and keeps no more than the page.
///
/// # Errors
/// When the store cannot read.
pub fn by_key<K: Ord + Clone>(
    reads: &dyn Reads,
    among: Among<'_>,
    after: Option<&(K, UserId)>,
    limit: usize,
    mut key: impl FnMut(&User) -> Option<K>,
) -> Result<Vec<(K, User)>, StoreError> {
    let mut page: BTreeMap<(K, UserId), User> = BTreeMap::new();
    let mut take = |user: User| {
        let Some(key) = key(&user) else { return };
        let place = (key, user.id);
        if after.is_none_or(|after| place > *after) {
            page.insert(place, user);
            if page.len() > limit {
                page.pop_last();
            }
        }
    };
    if let Among::MembersOf(those) = among {
        for organization in those {
            each_member(reads, *organization, &mut take)?;
        }
        return Ok(page.into_iter().map(|((key, _), user)| (key, user)).collect());
    }
    let (mut name, mut place): (Option<String>, Option<TimePlace>) = (None, None);
    loop {
        let ids: Vec<UserId> = match among {
            Among::ModifiedFrom(from) => {
                let places = users::by_modified(reads, from, place, CHUNK)?;
                place = places.last().copied();
                places.into_iter().map(|(_, id)| id).collect()
            }
            Among::Everybody | Among::InState(_) | Among::MembersOf(_) => {
                let named = match among {
                    Among::InState(state) => users::ids_in_state(reads, state, name.as_deref(), CHUNK)?,
                    _ => users::ids_by_username(reads, name.as_deref(), CHUNK)?,
                };
                name = named.last().map(|(name, _)| name.clone());
                named.into_iter().map(|(_, id)| id).collect()
            }
        };
        if ids.is_empty() {
            break;
        }
        users::get_many(reads, &ids)?.into_iter().filter(|user| !user.is_removed()).for_each(&mut take);
    }
    Ok(page.into_iter().map(|((key, _), user)| (key, user)).collect())
}

/// Hands every member of an organisation to `take`.
fn each_member(reads: &dyn Reads, id: OrganizationId, mut take: impl FnMut(User)) -> Result<(), StoreError> {
    let mut after = None;
    loop {
        let ids = organizations::members(reads, id, after, CHUNK)?;
        let Some(last) = ids.last() else { return Ok(()) };
        after = Some(*last);
        users::get_many(reads, &ids)?.into_iter().filter(|user| !user.is_removed()).for_each(&mut take);
    }
}

/// Are the members of these organisations few together? Then looking at them costs less than looking at everybody.
///
/// # Errors
/// When the store cannot read.
pub fn few_members(reads: &dyn Reads, of: &BTreeSet<OrganizationId>) -> Result<bool, StoreError> {
    let mut left = FEW;
    for id in of {
        let members = organizations::members(reads, *id, None, left.saturating_add(1))?.len();
        let Some(rest) = left.checked_sub(members) else { return Ok(false) };
        left = rest;
    }
    Ok(true)
}

/// The ids of those who were changed at a time or later, in the order of their making, if they are few: then looking
/// at them costs less than looking at everybody.
///
/// # Errors
/// When the store cannot read.
pub fn few_modified_from(reads: &dyn Reads, from: u64) -> Result<Option<Vec<UserId>>, StoreError> {
    let places = users::by_modified(reads, from, None, FEW.saturating_add(1))?;
    let mut ids: Vec<UserId> = places.into_iter().map(|(_, id)| id).collect();
    ids.sort_unstable();
    Ok((ids.len() <= FEW).then_some(ids))
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

#[cfg(test)]
#[path = "list/tests.rs"]
mod tests;
