//! What a person decides about a conflict: the entry takes over the other user, gets another username, or stays out.

use crate::base::id::{ExternalId, SourceId, UserId};
use crate::directory::audit::{Author, Target};
use crate::directory::conflict::{Conflict, Decision};
use crate::directory::field::Username;
use crate::directory::user::{AtSource, KeptAttribute, RuleError, State, User};
use crate::store::audit::{self, Entry};
use crate::store::readings::{self, Reading};
use crate::store::tx::Tx;
use crate::store::users::{self, WriteError};
use crate::store::{Store, StoreError, conflicts, credentials};

/// Why a conflict could not be decided.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// There is no such conflict.
    #[error("there is no such conflict; the last pass may have found it resolved")]
    NotFound,
    /// The entry has a user here already.
    #[error("the entry has a user here already: two users cannot become one; rename one of them")]
    HasUser,
    /// The other user is gone, or is of the same source.
    #[error("{0}")]
    Impossible(&'static str),
    /// A record could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl From<StoreError> for InboxError {
    fn from(error: StoreError) -> Self {
        Self::Write(error.into())
    }
}

fn find(tx: &Tx<'_>, source: &SourceId, id: &ExternalId) -> Result<Conflict, InboxError> {
    conflicts::get(tx, source, id)?.ok_or(InboxError::NotFound)
}

/// A note in the audit trail of what was decided.
fn note(tx: &mut Tx<'_>, author: &Author, action: &'static str, conflict: &Conflict) -> Result<(), StoreError> {
    let mut entry = Entry::new(action, Target::Source { id: conflict.source.clone() });
    entry.details.insert("external_id".to_owned(), conflict.external_id.as_str().into());
    entry.details.insert("entry".to_owned(), conflict.entry.as_str().into());
    audit::append(tx, author, entry)
}

/// The next reading must look at the entry again, although it did not change.
fn look_again(tx: &mut Tx<'_>, source: &SourceId) -> Result<(), StoreError> {
    let reading = readings::get(tx, source)?;
    let needs_complete = Some("a conflict was decided".to_owned());
    readings::put(tx, source, &Reading { needs_complete, ..reading })
}

/// The entry takes over the user who holds its name: from then on the user is the source's, with everything that they
/// have here but the password, which the source keeps. It is the user who was looked at, as they were then.
///
/// # Errors
/// When there is no such conflict, or it cannot be decided so.
pub async fn link(
    store: &Store,
    author: &Author,
    source: &SourceId,
    id: &ExternalId,
    (seen, revision): (UserId, u64),
) -> Result<User, InboxError> {
    let (author, source, id) = (author.clone(), source.clone(), id.clone());
    let write = move |tx: &mut Tx<'_>| {
        let conflict = find(tx, &source, &id)?;
        if conflict.user.is_some() {
            return Err(InboxError::HasUser);
        }
        let is_pushed = conflict.run.is_none();
        let holder = users::get(tx, conflict.holder)?.filter(|user| !matches!(user.state, State::Removed { .. }));
        let holder = holder.ok_or(InboxError::Impossible("the other user is gone: the next pass takes the entry"))?;
        if holder.id != seen {
            return Err(InboxError::Impossible("another user holds the name by now: look again"));
        }
        users::expect_revision(tx, holder.id, Some(revision))?;
        if holder.source == source {
            return Err(InboxError::Impossible("the other user is another entry of the same source: rename one there"));
        }
        // Promise 12: a directory that is out of reach must not keep out the last who could help.
        if holder.is_system_admin() && !users::other_administrator(tx, holder.id, tx.now(), true)? {
            return Err(WriteError::Rule(RuleError::LastAdministrator).into());
        }
        let author = author.clone().because(format!("taken over by {}", conflict.entry));
        if !is_pushed {
            users::release_entry(tx, &author, &source, &conflict.entry, Some(holder.id))?;
        }
        let user = users::update(tx, &author, holder.id, "user.linked", |user, _| {
            // A provider's request has no entry; the password may be one that musterd goes on keeping for it.
            let at_source = AtSource { entry: conflict.entry.clone(), ..AtSource::default() };
            let must_change_password = is_pushed && user.must_change_password;
            Ok(User {
                source: source.clone(),
                external_id: (!conflict.unnamed).then(|| id.clone()),
                at_source: (!is_pushed).then_some(at_source),
                must_change_password,
                ..user.end_sessions()
            })
        })?;
        conflicts::remove(tx, &source, &id);
        if !is_pushed {
            credentials::remove_password(tx, holder.id)?;
            look_again(tx, &source)?;
        }
        note(tx, &author, "conflict.linked", &conflict)?;
        Ok(user)
    };
    store.write(write).await
}

/// The entry goes by this username here, whatever it is called at the source.
///
/// # Errors
/// When there is no such conflict, or the username is somebody's.
pub async fn rename(
    store: &Store,
    author: &Author,
    source: &SourceId,
    id: &ExternalId,
    username: Username,
) -> Result<(), InboxError> {
    let (author, source, id) = (author.clone(), source.clone(), id.clone());
    let write = move |tx: &mut Tx<'_>| {
        let conflict = find(tx, &source, &id)?;
        if conflict.run.is_none() {
            return Err(InboxError::Impossible("the identity provider pushes the username: rename the person there"));
        }
        if conflict.field != "username" {
            return Err(InboxError::Impossible("the email is what clashes: another username does not help"));
        }
        let holder = users::by_username(tx, username.as_str())?;
        if holder.is_some_and(|holder| Some(holder.id) != conflict.user) {
            return Err(WriteError::Taken { field: "username" }.into());
        }
        match conflict.user {
            Some(user) => {
                users::update(tx, &author, user, "user.changed", |user, _| {
                    let mut user = User { username: username.clone(), ..user };
                    user.kept.insert(KeptAttribute::Username);
                    Ok(user)
                })?;
                conflicts::remove(tx, &source, &id);
            }
            None => {
                let decision = Decision::Renamed { at: tx.now(), by: author.actor.clone(), username: username.clone() };
                conflicts::put(tx, &Conflict { decision: Some(decision), ..conflict.clone() })?;
            }
        }
        look_again(tx, &source)?;
        Ok(note(tx, &author, "conflict.renamed", &conflict)?)
    };
    store.write(write).await
}

/// The entry stays out, and nobody is reminded of it; or, with `again`, it waits for a decision as before.
///
/// # Errors
/// When there is no such conflict.
pub async fn ignore(
    store: &Store,
    author: &Author,
    source: &SourceId,
    id: &ExternalId,
    again: bool,
) -> Result<(), InboxError> {
    let (author, source, id) = (author.clone(), source.clone(), id.clone());
    let write = move |tx: &mut Tx<'_>| {
        let conflict = find(tx, &source, &id)?;
        let ignored = Decision::Ignored { at: tx.now(), by: author.actor.clone() };
        let decision = (!again).then_some(ignored);
        conflicts::put(tx, &Conflict { decision, ..conflict.clone() })?;
        if again && conflict.run.is_some() {
            look_again(tx, &source)?;
        }
        Ok(note(tx, &author, if again { "conflict.reopened" } else { "conflict.ignored" }, &conflict)?)
    };
    store.write(write).await
}
