//! User records and their indexes. [`update`] is the only way to change a user.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::base::id::{ExternalId, SourceId, UserId};
use crate::base::text;
use crate::directory::audit::{Actor, Author, Target};
use crate::directory::field::Description;
use crate::directory::role::{self};
use crate::directory::user::{NewUser, RuleError, State, User};
use crate::store::audit::{self, Entry};
use crate::store::engine::{KeyRange, Order, Row};
use crate::store::keys::{self, END, Space};
use crate::store::tx::{Reads, Tx, get_record, get_records};
use crate::store::{StoreError, groups, index, organizations, ways_in};

mod due;
mod held;
mod lookup;
mod way_in;

pub use due::{expired, expiring, password_set, purgeable, quiet};
use held::{expect_roles, without_what_went};
pub use lookup::{
    Known, TimePlace, by_any_email, by_entries, by_modified, by_modified_latest, ids_in_state, known, modified_place,
    present, purge_place, purgeable_from,
};
pub use way_in::{let_in, shut_out};

/// Why a user could not be written.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum WriteError {
    /// The store's fault.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A rule refused it.
    #[error(transparent)]
    Rule(#[from] RuleError),
    /// There is no such record.
    #[error("there is no such {0}")]
    NotFound(&'static str),
    /// The record is not the one that the caller saw.
    #[error("it was changed meanwhile: it is at revision {found}")]
    Stale {
        /// The revision it has.
        found: u64,
    },
    /// Something else needs it.
    #[error("the {what} still has {by}")]
    InUse {
        /// What should go.
        what: &'static str,
        /// Who or what needs it.
        by: &'static str,
    },
    /// A value that must be unique is held by another record.
    #[error("the {field} is already taken")]
    Taken {
        /// Which.
        field: &'static str,
    },
}

/// The user of this id, tombstones too.
///
/// # Errors
/// When the store cannot read.
pub fn get(reads: &dyn Reads, id: UserId) -> Result<Option<User>, StoreError> {
    get_record(reads, &index::user_key(id))
}

/// The users of these ids; absent ones are left out.
///
/// # Errors
/// When the store cannot read.
pub fn get_many(reads: &dyn Reads, ids: &[UserId]) -> Result<Vec<User>, StoreError> {
    let keys: Vec<_> = ids.iter().map(|id| index::user_key(*id)).collect();
    get_records(reads, &keys)
}

/// The user of this username, in any case; never a tombstone.
///
/// # Errors
/// When the store cannot read.
pub fn by_username(reads: &dyn Reads, username: &str) -> Result<Option<User>, StoreError> {
    match text::fold_username(username) {
        Ok(folded) => through_index(reads, &Space::UserByUsername.key(&[folded.as_bytes()])),
        Err(_) => Ok(None),
    }
}

/// The user of this email address, in any case; never a tombstone.
///
/// # Errors
/// When the store cannot read.
pub fn by_email(reads: &dyn Reads, email: &str) -> Result<Option<User>, StoreError> {
    through_index(reads, &Space::UserByEmail.key(&[text::fold_email(email).as_bytes()]))
}

/// The user whom a source knows by this id; tombstones too.
///
/// # Errors
/// When the store cannot read.
pub fn by_external_id(reads: &dyn Reads, source: &SourceId, id: &ExternalId) -> Result<Option<User>, StoreError> {
    through_index(reads, &keys::user_by_external_id(source, id))
}

/// Whom people mean by what they type at a login: a username first, then an email address.
///
/// # Errors
/// When the store cannot read.
pub fn by_login(reads: &dyn Reads, typed: &str) -> Result<Option<User>, StoreError> {
    let typed = typed.trim();
    match by_username(reads, typed)? {
        Some(user) => Ok(Some(user)),
        None if typed.contains('@') => by_email(reads, typed),
        None => Ok(None),
    }
}

fn through_index(reads: &dyn Reads, key: &[u8]) -> Result<Option<User>, StoreError> {
    match reads.get(key)?.and_then(|id| keys::trailing_id(&id)) {
        Some(id) => get(reads, UserId::from_bytes(id)),
        None => Ok(None),
    }
}

/// The ids of a source's users in the order of their making, after one of them; tombstones are left out.
///
/// # Errors
/// When the store cannot read.
pub fn ids_of_source(
    reads: &dyn Reads,
    source: &SourceId,
    after: Option<UserId>,
    limit: usize,
) -> Result<Vec<UserId>, StoreError> {
    let prefix = Space::UserBySource.key(&[source.as_str().as_bytes(), END]);
    let range = match after {
        Some(after) => KeyRange::prefix_after(&prefix, [&prefix[..], after.as_bytes()].concat()),
        None => KeyRange::prefix(&prefix),
    };
    Ok(trailing_ids(reads.scan(&range, Order::Ascending, limit)?))
}

/// Ids of users whose folded username comes after `after`, in that order, with the folded username.
///
/// # Errors
/// When the store cannot read.
pub fn ids_by_username(
    reads: &dyn Reads,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(String, UserId)>, StoreError> {
    named(reads, &Space::UserByUsername.key(&[]), after, limit)
}

/// Rows of an index whose keys end with a folded username, and which lead to ids.
fn named(
    reads: &dyn Reads,
    prefix: &[u8],
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<(String, UserId)>, StoreError> {
    let range = match after {
        Some(after) => KeyRange::prefix_after(prefix, [prefix, after.as_bytes()].concat()),
        None => KeyRange::prefix(prefix),
    };
    let rows = reads.scan(&range, Order::Ascending, limit)?;
    let read = |(key, value): &Row| {
        let name = key.get(prefix.len()..).map(|name| String::from_utf8_lossy(name).into_owned())?;
        Some((name, UserId::from_bytes(keys::trailing_id(value)?)))
    };
    Ok(rows.iter().filter_map(read).collect())
}

/// The ids of users who hold a role other than the plain ones, in the directory or inside an organisation.
///
/// # Errors
/// When the store cannot read.
pub fn holders(reads: &dyn Reads, role: &str, limit: usize) -> Result<Vec<UserId>, StoreError> {
    let prefix = Space::UserByRole.key(&[role.as_bytes(), END]);
    Ok(trailing_ids(reads.scan(&KeyRange::prefix(&prefix), Order::Ascending, limit)?))
}

/// Is there another administrator who may come in? With `for_good`, one without an expiry.
///
/// # Errors
/// When the store cannot read.
pub fn other_administrator(reads: &dyn Reads, but: UserId, now: Timestamp, for_good: bool) -> Result<bool, StoreError> {
    for id in holders(reads, role::SYSTEM_ADMIN, usize::MAX)? {
        let other = if id == but { None } else { get(reads, id)? };
        let other = other.filter(|other| other.is_valid(now) && !(for_good && other.expires_at.is_some()));
        if let Some(other) = other
            && ways_in::lets_in(reads, &other.source)?
        {
            return Ok(true);
        }
    }
    Ok(false)
}

fn trailing_ids(rows: Vec<Row>) -> Vec<UserId> {
    rows.iter().filter_map(|(key, _)| keys::trailing_id(key)).map(UserId::from_bytes).collect()
}

/// Makes a user with its indexes and audit line.
///
/// # Errors
/// When a unique value is taken.
pub fn create(tx: &mut Tx<'_>, author: &Author, new: NewUser, lifetime: Option<Duration>) -> Result<User, WriteError> {
    let prepared = Prepared::new(author, new, tx.now(), lifetime)?;
    prepared.create(tx, author)
}

/// A new user with everything that is written of them. It is made without reading: a reading waits where a commit is
/// under way, and whoever makes many users does this work meanwhile.
pub struct Prepared {
    user: User,
    record: index::Prepared,
    entry: Entry,
}

impl Prepared {
    /// Makes the user, with indexes and audit line, for a transaction at `now`.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub fn new(author: &Author, new: NewUser, now: Timestamp, lifetime: Option<Duration>) -> Result<Self, StoreError> {
        let user = new.build(author.actor.clone(), now, lifetime);
        let record = index::Prepared::new(index::user_key(user.id), &user)?;
        let mut entry = Entry::new("user.created", target(&user));
        entry.changes = user.changes_from(None);
        Ok(Self { user, record, entry })
    }

    /// Writes the user.
    ///
    /// # Errors
    /// When a unique value is taken.
    pub fn create(self, tx: &mut Tx<'_>, author: &Author) -> Result<User, WriteError> {
        for organization in self.user.organizations.keys() {
            organizations::expect(tx, *organization, None)?;
        }
        expect_roles(tx, &self.user, None)?;
        self.record.write(tx)?;
        audit::append(tx, author, self.entry)?;
        Ok(self.user)
    }
}

/// Changes a user by a pure rule: reads, applies, and writes record, indexes and audit line in this transaction.
///
/// A rule that changes nothing writes nothing; one that only notes activity leaves no audit line and keeps the
/// revision. The last active System Admin stays (promise 12), whatever the rule.
///
/// # Errors
/// When there is no such user, the rule refuses, or a unique value is taken.
pub fn update(
    tx: &mut Tx<'_>,
    author: &Author,
    id: UserId,
    action: &'static str,
    rule: impl FnOnce(User, Timestamp) -> Result<User, RuleError>,
) -> Result<User, WriteError> {
    let now = tx.now();
    let old = get(tx, id)?.ok_or(WriteError::NotFound("user"))?;
    let mut new = rule(old.clone(), now)?;
    if old.is_removed() && !new.is_removed() {
        new = without_what_went(tx, new)?;
    }
    new = new.at_home();
    for organization in new.organizations.keys().filter(|one| !old.organizations.contains_key(one)) {
        organizations::expect(tx, *organization, None)?;
    }
    expect_roles(tx, &new, Some(&old))?;
    if new == old {
        return Ok(old);
    }
    // Before the user's own line: whoever takes this back goes the other way, and is in again before joining groups.
    for organization in old.organizations.keys().filter(|one| !new.organizations.contains_key(one)) {
        groups::leave_organization(tx, author, id, *organization)?;
    }
    let changes = new.changes_from(Some(&old));
    if !changes.is_empty() || new.session_epoch != old.session_epoch {
        new.revision = old.revision.saturating_add(1);
        new.modified_at = now;
        keep_the_last_way_in(tx, &old, &new, now)?;
        let mut entry = Entry::new(action, target(&new));
        entry.changes = changes;
        audit::append(tx, author, entry)?;
    }
    // Whoever falls out, or comes back after having been out, holds nothing of what they held before.
    if new.is_valid(now) != old.is_valid(now) && new.session_epoch == old.session_epoch {
        new = new.end_sessions();
    }
    index::write(tx, index::user_key(id), Some(&old), &new)?;
    Ok(new)
}

/// Promise 12: there is always an administrator who may come in, and one whom no expiry takes away.
fn keep_the_last_way_in(tx: &Tx<'_>, old: &User, new: &User, now: Timestamp) -> Result<(), WriteError> {
    if !old.is_system_admin() || !ways_in::lets_in(tx, &old.source)? {
        return Ok(());
    }
    let still_let_in = ways_in::lets_in(tx, &new.source)?;
    let may_come_in = |user: &User| user.is_system_admin() && user.is_valid(now);
    let stays_in = |user: &User| may_come_in(user) && user.expires_at.is_none();
    let alone = if stays_in(old) && !(stays_in(new) && still_let_in) {
        !other_administrator(tx, old.id, now, true)?
    } else if may_come_in(old) && !(may_come_in(new) && still_let_in) {
        !other_administrator(tx, old.id, now, false)?
    } else {
        false
    };
    if alone { Err(RuleError::LastAdministrator.into()) } else { Ok(()) }
}

/// Refuses a change of a record that is not at the revision the caller saw.
///
/// # Errors
/// [`WriteError::Stale`] when it has moved on.
pub fn expect_revision(reads: &dyn Reads, id: UserId, expected: Option<u64>) -> Result<(), WriteError> {
    let found = get(reads, id)?.ok_or(WriteError::NotFound("user"))?.revision;
    match expected {
        Some(expected) if expected != found => Err(WriteError::Stale { found }),
        _ => Ok(()),
    }
}

/// Forgets a tombstone whose time is over: record, indexes, credentials, factors and memberships.
///
/// Of one that an administrator removed and a source may still have, the identity stays, and nothing else: else the
/// source's next pass would bring back somebody who was sent away.
///
/// # Errors
/// When the store cannot read.
pub fn purge(tx: &mut Tx<'_>, author: &Author, id: UserId) -> Result<bool, WriteError> {
    let Some(user) = get(tx, id)? else { return Ok(false) };
    let State::Removed { purge_after, by, at, .. } = user.state.clone() else { return Ok(false) };
    if purge_after > tx.now() {
        return Ok(false);
    }
    let by_source = matches!(by, Actor::Source { .. });
    let stub = (user.external_id.is_some() && !by_source).then(|| User {
        email: None,
        phone: None,
        description: Description::default(),
        organizations: BTreeMap::new(),
        managed_by: None,
        scim: serde_json::Map::new(),
        state: State::Removed { at, by, purge_after: Timestamp::MAX, disabled: None },
        ..user.clone()
    });
    super::credentials::forget(tx, id)?;
    groups::forget_member(tx, crate::directory::group::Member::User(id))?;
    match &stub {
        Some(stub) => index::write(tx, index::user_key(id), Some(&user), stub)?,
        None => index::remove(tx, index::user_key(id), &user)?,
    }
    audit::append(tx, author, Entry::new("user.purged", target(&user)))?;
    Ok(true)
}

/// Takes the name of an entry from whoever of the source had it before: an entry's name is one entry's at a time, so
/// the other one has moved, or is gone.
///
/// # Errors
/// When the store cannot read.
pub fn release_entry(
    tx: &mut Tx<'_>,
    author: &Author,
    source: &SourceId,
    entry: &str,
    own: Option<UserId>,
) -> Result<(), WriteError> {
    let holder = by_entries(tx, source, &[crate::directory::dn::key(entry)])?.into_iter().flatten().next();
    if let Some(holder) = holder.filter(|holder| Some(*holder) != own) {
        update(tx, author, holder, "user.changed", |user, _| Ok(User { at_source: None, ..user }))?;
    }
    Ok(())
}

/// How the audit trail names a user.
#[must_use]
pub fn target(user: &User) -> Target {
    Target::User { id: user.id, username: user.username.as_str().to_owned() }
}

#[cfg(test)]
#[path = "users/tests.rs"]
mod tests;
