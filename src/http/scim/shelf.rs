//! The users and groups of one source, as its identity provider may see them: others do not exist here, and
//! neither does who is removed.

use std::fmt::Display;
use std::str::FromStr;

use serde_json::Value;

use super::convert::{show_group, show_membership, show_user};
use super::members::{self, Wanted};
use super::reply::Failure;
use crate::base::id::{GroupId, SourceId, UserId};
use crate::directory::group::{Group, Member};
use crate::directory::user::User;
use crate::scim::project::Projection;
use crate::scim::{Resource, ScimError};
use crate::store::tx::Reads;
use crate::store::{StoreError, groups, users};

/// Ids that are read from the store at a time.
const CHUNK: usize = 10_000;

/// What belongs to one source.
pub(super) struct Shelf<'a> {
    pub(super) reads: &'a dyn Reads,
    pub(super) source: &'a SourceId,
    pub(super) base: &'a str,
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
    pub(super) fn show_user(&self, user: User, with_groups: bool) -> Result<Resource, StoreError> {
        let groups = if with_groups { groups::groups_of(self.reads, user.id)? } else { Vec::new() };
        let groups = groups.iter().filter(|(group, _)| group.source == *self.source);
        let groups: Vec<Value> = groups.map(|(group, direct)| show_membership(group, *direct, self.base)).collect();
        Ok(show_user(user, groups, self.base))
    }

    /// A group as a resource, with the members that are wanted.
    pub(super) fn show_group(&self, group: &Group, wanted: &Wanted) -> Result<Resource, StoreError> {
        let members = members::visible(self.reads, self.source, group.id, wanted)?;
        let members = members.into_iter().map(|member| members::to_json(member, self.base)).collect();
        Ok(show_group(group, members, self.base))
    }

    /// A user as the answer to a request shows it.
    pub(super) fn answer_user(&self, user: User, projection: &Projection<'_>) -> Result<Resource, StoreError> {
        self.show_user(user, projection.wants("groups"))
    }

    /// Every user, without reading a record.
    pub(super) fn user_ids(&self) -> Result<Vec<UserId>, StoreError> {
        let mut all = Vec::new();
        loop {
            let ids = users::ids_of_source(self.reads, self.source, all.last().copied(), CHUNK)?;
            if ids.is_empty() {
                return Ok(all);
            }
            all.extend(ids);
        }
    }

    /// Those of the users and groups that are there, as resources, in their order.
    pub(super) fn load(&self, ids: &[Member], detail: &Wanted) -> Result<Vec<(Member, Resource)>, StoreError> {
        let mut loaded = Vec::with_capacity(ids.len());
        for id in ids {
            let resource = match id {
                Member::User(user) => match self.user_of(*user)? {
                    Some(user) => Some(self.show_user(user, *detail != Wanted::Nobody)?),
                    None => None,
                },
                Member::Group(group) => match self.group_of(*group)? {
                    Some(group) => Some(self.show_group(&group, detail)?),
                    None => None,
                },
            };
            loaded.extend(resource.map(|resource| (*id, resource)));
        }
        Ok(loaded)
    }
}
