//! The directory as a plan of one source sees it. Reads only.

use std::collections::BTreeSet;

use crate::base::id::{ExternalId, GroupId, SourceId, UserId};
use crate::directory::conflict::Conflict;
use crate::directory::dn::EntryKey;
use crate::directory::group::{Group, Member};
use crate::directory::user::User;
use crate::store::tx::Reads;
use crate::store::users::Known;
use crate::store::{StoreError, conflicts, groups, tally, users};

/// User ids that are read at a time.
const CHUNK: usize = 5_000;

/// The directory, for one source.
#[derive(Clone, Copy)]
pub struct Directory<'a> {
    /// Where it is read.
    pub reads: &'a dyn Reads,
    /// The source.
    pub source: &'a SourceId,
}

impl Directory<'_> {
    /// For each of these identities: the source's user, where there is one, tombstones too.
    pub(super) fn known(&self, ids: &[&ExternalId]) -> Result<Vec<Option<Known>>, StoreError> {
        users::known(self.reads, self.source, ids)
    }

    /// A user.
    pub(super) fn user(&self, id: UserId) -> Result<Option<User>, StoreError> {
        users::get(self.reads, id)
    }

    /// Who holds this username (`username`) or address (`email`) now, in whatever source.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn holder(&self, field: &str, value: &str) -> Result<Option<User>, StoreError> {
        // A username that is somebody else's address would take their logins, and the other way round.
        let (first, second) = (users::by_username(self.reads, value)?, users::by_email(self.reads, value)?);
        Ok(if field == "username" { first.or(second) } else { second.or(first) })
    }

    /// Shows the id of every user of the source that is not a tombstone.
    pub(super) fn each(&self, mut visit: impl FnMut(UserId)) -> Result<(), StoreError> {
        let mut after = None;
        loop {
            let ids = users::ids_of_source(self.reads, self.source, after, CHUNK)?;
            let Some(last) = ids.last() else { return Ok(()) };
            after = Some(*last);
            ids.into_iter().for_each(&mut visit);
        }
    }

    /// Has the source anybody here, tombstones aside?
    pub(super) fn is_empty(&self) -> Result<bool, StoreError> {
        Ok(users::ids_of_source(self.reads, self.source, None, 1)?.is_empty())
    }

    /// How many users of the source are active.
    pub(super) fn active(&self) -> Result<usize, StoreError> {
        Ok(usize::try_from(tally::of_source(self.reads, self.source)?.active).unwrap_or(usize::MAX))
    }

    /// For each of these names of entries: the source's user or group that has it.
    pub(super) fn members(&self, entries: &[EntryKey]) -> Result<Vec<Option<Member>>, StoreError> {
        let users = users::by_entries(self.reads, self.source, entries)?;
        let missing: Vec<EntryKey> =
            entries.iter().zip(&users).filter(|(_, user)| user.is_none()).map(|(entry, _)| *entry).collect();
        let mut groups = groups::by_entries(self.reads, self.source, &missing)?.into_iter();
        let found = users.into_iter().map(|user| match user {
            Some(user) => Some(Member::User(user)),
            None => groups.next().flatten().map(Member::Group),
        });
        Ok(found.collect())
    }

    /// The source's user of this login name.
    pub(super) fn by_login(&self, login: &str) -> Result<Option<UserId>, StoreError> {
        let user = users::by_username(self.reads, login)?;
        Ok(user.filter(|user| user.source == *self.source).map(|user| user.id))
    }

    /// The groups of the source.
    pub(super) fn groups(&self) -> Result<Vec<Group>, StoreError> {
        groups::list(self.reads, self.source)
    }

    /// The group of musterd's own with this name.
    pub(super) fn own_group(&self, name: &str) -> Result<Option<Group>, StoreError> {
        groups::by_name(self.reads, &SourceId::local(), name)
    }

    /// The direct members of a group.
    pub(super) fn members_of(&self, group: GroupId) -> Result<BTreeSet<Member>, StoreError> {
        Ok(groups::members(self.reads, group, None, usize::MAX)?.into_iter().collect())
    }

    /// How many memberships the groups of the source have.
    pub(super) fn memberships(&self) -> Result<usize, StoreError> {
        let mut count = 0_usize;
        for group in groups::ids_of_source(self.reads, self.source)? {
            count = count.saturating_add(groups::members(self.reads, group, None, usize::MAX)?.len());
        }
        Ok(count)
    }

    /// The inbox of the source.
    pub(super) fn conflicts(&self) -> Result<Vec<Conflict>, StoreError> {
        conflicts::list(self.reads, Some(self.source))
    }
}
