//! The users and groups of one source, as its identity provider may see them: others do not exist here, and
//! neither does who is removed.

use std::fmt::Display;
use std::str::FromStr;

use serde_json::Value;

use super::convert::{show_group, show_membership, show_other, show_user};
use super::kind::{Key, Kind};
use super::members::{self, Wanted};
use super::reply::Failure;
use crate::base::id::{GroupId, ResourceId, SourceId, UserId};
use crate::directory::group::Group;
use crate::directory::resource::Resource as Stored;
use crate::directory::user::User;
use crate::scim::project::Projection;
use crate::scim::schema::ResourceType;
use crate::scim::schemas::Registry;
use crate::scim::{Resource, ScimError};
use crate::store::groups::Memberships;
use crate::store::tally::{self, Tally};
use crate::store::tx::Reads;
use crate::store::{StoreError, groups, resources, users};

/// Ids that are read from the store at a time.
const CHUNK: usize = 10_000;

/// What belongs to one source.
pub(super) struct Shelf<'a> {
    pub(super) reads: &'a dyn Reads,
    pub(super) source: &'a SourceId,
    pub(super) base: &'a str,
    pub(super) registry: &'static Registry,
}

/// The id that a client wrote, if it is one in the spelling that it was told: ids are caseExact.
pub(super) fn parse_id<T: FromStr + Display>(text: &str) -> Option<T> {
    text.parse::<T>().ok().filter(|id| id.to_string() == text)
}

impl Shelf<'_> {
    /// The user of this id.
    pub(super) fn user(&self, id: &str) -> Result<User, Failure> {
        let user = parse_id(id).map(|id| self.user_of(id)).transpose()?.flatten();
        user.ok_or_else(|| ScimError::not_found("User", id).into())
    }

    /// The group of this id.
    pub(super) fn group(&self, id: &str) -> Result<Group, Failure> {
        let group = parse_id(id).map(|id| self.group_of(id)).transpose()?.flatten();
        group.ok_or_else(|| ScimError::not_found("Group", id).into())
    }

    /// The resource of this id and type.
    pub(super) fn other(&self, kind: &ResourceType, id: &str) -> Result<Stored, Failure> {
        let found = parse_id(id).map(|id| self.other_of(kind, id)).transpose()?.flatten();
        found.ok_or_else(|| ScimError::not_found(kind.name, id).into())
    }

    fn other_of(&self, kind: &ResourceType, id: ResourceId) -> Result<Option<Stored>, StoreError> {
        let found = resources::get(self.reads, id)?;
        Ok(found.filter(|found| found.source == *self.source && found.kind == kind.name))
    }

    fn user_of(&self, id: UserId) -> Result<Option<User>, StoreError> {
        Ok(users::get(self.reads, id)?.filter(|user| self.owns(user)))
    }

    fn group_of(&self, id: GroupId) -> Result<Option<Group>, StoreError> {
        Ok(groups::get(self.reads, id)?.filter(|group| group.source == *self.source))
    }

    /// Is it there for this source?
    pub(super) fn owns(&self, user: &User) -> bool {
        user.source == *self.source && !user.is_removed()
    }

    /// A user as a resource; with `groups` only if they are wanted, for they are looked up.
    fn show_user(
        &self,
        user: User,
        with_groups: bool,
        memberships: &mut Memberships<'_>,
    ) -> Result<Resource, StoreError> {
        let groups = if with_groups { memberships.of(user.id)? } else { Vec::new() };
        let groups = groups.iter().filter(|(group, _)| group.source == *self.source);
        let groups: Vec<Value> = groups.map(|(group, direct)| show_membership(group, *direct, self.base)).collect();
        Ok(show_user(user, groups, self.base, self.registry.user()))
    }

    /// A group as a resource, with the members that are wanted.
    pub(super) fn show_group(&self, group: &Group, wanted: &Wanted) -> Result<Resource, StoreError> {
        let members = members::visible(self.reads, self.source, group.id, wanted)?;
        let members = members.into_iter().map(|member| members::to_json(member, self.base)).collect();
        Ok(show_group(group, members, self.base, self.registry.group()))
    }

    /// A user as the answer to a request shows it.
    pub(super) fn answer_user(&self, user: User, projection: &Projection<'_>) -> Result<Resource, StoreError> {
        self.show_user(user, projection.wants("groups"), &mut Memberships::new(self.reads))
    }

    /// A resource as the answer to a request shows it.
    pub(super) fn show_other(&self, kind: &ResourceType, stored: Stored) -> Resource {
        show_other(kind, stored, self.base)
    }

    /// How many users there are.
    pub(super) fn tally(&self) -> Result<Tally, StoreError> {
        tally::of_source(self.reads, self.source)
    }

    /// At most so many users, oldest first, after one of them. Reads no record.
    pub(super) fn user_ids(&self, after: Option<UserId>, most: usize) -> Result<Vec<UserId>, StoreError> {
        let mut all: Vec<UserId> = Vec::new();
        while all.len() < most {
            let limit = CHUNK.min(most.saturating_sub(all.len()));
            let ids = users::ids_of_source(self.reads, self.source, all.last().copied().or(after), limit)?;
            if ids.is_empty() {
                break;
            }
            all.extend(ids);
        }
        Ok(all)
    }

    /// Every id of a kind, oldest first. Reads no record.
    pub(super) fn ids(&self, kind: Kind) -> Result<Vec<Key>, StoreError> {
        Ok(match kind {
            Kind::Users(_) => self.user_ids(None, usize::MAX)?.into_iter().map(Key::User).collect(),
            Kind::Groups(_) => {
                let mut ids: Vec<_> =
                    groups::ids_of_source(self.reads, self.source)?.into_iter().map(Key::Group).collect();
                ids.sort_unstable();
                ids
            }
            Kind::Other(resource_type) => {
                let ids = resources::ids(self.reads, self.source, resource_type.name)?;
                ids.into_iter().map(Key::Other).collect()
            }
        })
    }

    /// Those of a kind that are there, as resources, in their order.
    pub(super) fn load(&self, kind: Kind, ids: &[Key], detail: &Wanted) -> Result<Vec<(Key, Resource)>, StoreError> {
        let mut loaded = Vec::with_capacity(ids.len());
        // A group is read once, however many of them are in it.
        let mut memberships = Memberships::new(self.reads);
        for id in ids {
            loaded.extend(self.load_one(kind, *id, detail, &mut memberships)?.map(|resource| (*id, resource)));
        }
        Ok(loaded)
    }

    fn load_one(
        &self,
        kind: Kind,
        id: Key,
        detail: &Wanted,
        memberships: &mut Memberships<'_>,
    ) -> Result<Option<Resource>, StoreError> {
        match (id, kind) {
            (Key::User(id), _) => match self.user_of(id)? {
                Some(user) => self.show_user(user, *detail != Wanted::Nobody, memberships).map(Some),
                None => Ok(None),
            },
            (Key::Group(id), _) => match self.group_of(id)? {
                Some(group) => self.show_group(&group, detail).map(Some),
                None => Ok(None),
            },
            (Key::Other(id), Kind::Other(kind)) => {
                Ok(self.other_of(kind, id)?.map(|stored| self.show_other(kind, stored)))
            }
            (Key::Other(_), _) => Ok(None),
        }
    }
}
