//! Members of groups: who is shown, who a client means, and what a change of them comes to.
//!
//! A tombstone keeps its memberships, so that they come back with the person, and is no member meanwhile.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::shelf::parse_id;
use crate::base::id::{GroupId, SourceId, UserId};
use crate::directory::group::Member;
use crate::scim::error::ScimError;
use crate::scim::patch::{self, MemberChange, MemberKind};
use crate::store::tx::Reads;
use crate::store::{StoreError, groups, users};

use super::reply::Failure;

/// Which members of a group an answer or a filter needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// None, so that no row is read.
    Nobody,
    /// These, if they are members.
    These(Vec<Member>),
    /// All.
    Everybody,
}

impl Wanted {
    pub(super) fn all_if(wanted: bool) -> Self {
        if wanted { Self::Everybody } else { Self::Nobody }
    }
}

/// A member on the wire (RFC 7643 §4.2).
pub(super) fn to_json(member: Member, base: &str) -> Value {
    match member {
        Member::User(id) => json!({"value": id.to_string(), "$ref": format!("{base}/Users/{id}"), "type": "User"}),
        Member::Group(id) => json!({"value": id.to_string(), "$ref": format!("{base}/Groups/{id}"), "type": "Group"}),
    }
}

/// The members of a group that exist for the source.
pub(super) fn visible(
    reads: &dyn Reads,
    source: &SourceId,
    group: GroupId,
    wanted: &Wanted,
) -> Result<Vec<Member>, StoreError> {
    let members = match wanted {
        Wanted::Nobody => return Ok(Vec::new()),
        Wanted::Everybody => groups::members(reads, group, None, usize::MAX)?,
        Wanted::These(members) => {
            let mut found = Vec::new();
            for member in members {
                if groups::is_member(reads, group, *member)? {
                    found.push(*member);
                }
            }
            found
        }
    };
    existing(reads, source, &members)
}

/// Those of the members that are users or groups of the source.
fn existing(reads: &dyn Reads, source: &SourceId, members: &[Member]) -> Result<Vec<Member>, StoreError> {
    let users_among = members.iter().filter_map(|member| match member {
        Member::User(id) => Some(*id),
        Member::Group(_) => None,
    });
    let present: BTreeSet<UserId> =
        users::present(reads, source, &users_among.collect::<Vec<_>>())?.into_iter().collect();
    let mut kept = Vec::with_capacity(members.len());
    for member in members {
        let keep = match member {
            Member::User(id) => present.contains(id),
            Member::Group(id) => groups::get(reads, *id)?.is_some_and(|group| group.source == *source),
        };
        if keep {
            kept.push(*member);
        }
    }
    Ok(kept)
}

/// What changes of members come to, taken together.
#[derive(Default)]
pub(super) struct Delta {
    pub(super) add: BTreeSet<Member>,
    pub(super) remove: BTreeSet<Member>,
}

impl Delta {
    /// Adds the changes up in their order.
    ///
    /// # Errors
    /// 400 `invalidValue` for somebody who is to join and is not there for the source.
    pub(super) fn of(
        reads: &dyn Reads,
        source: &SourceId,
        group: GroupId,
        changes: &[MemberChange],
    ) -> Result<Self, Failure> {
        let mut delta = Self::default();
        for change in changes {
            match change {
                MemberChange::Add(joining) => delta.join(reads, source, joining)?,
                MemberChange::Remove(leaving) => {
                    let leaving = leaving.iter().flat_map(|id| meant(id, None)).collect::<Vec<_>>();
                    delta.leave(removable(reads, source, leaving)?);
                }
                MemberChange::RemoveAll => delta.clear(reads, source, group)?,
                MemberChange::Replace(joining) => {
                    delta.clear(reads, source, group)?;
                    delta.join(reads, source, joining)?;
                }
            }
        }
        Ok(delta)
    }

    fn clear(&mut self, reads: &dyn Reads, source: &SourceId, group: GroupId) -> Result<(), StoreError> {
        let all = groups::members(reads, group, None, usize::MAX)?;
        self.add.clear();
        self.leave(removable(reads, source, all)?);
        Ok(())
    }

    fn leave(&mut self, leaving: Vec<Member>) {
        for member in leaving {
            self.add.remove(&member);
            self.remove.insert(member);
        }
    }

    fn join(&mut self, reads: &dyn Reads, source: &SourceId, joining: &[patch::Member]) -> Result<(), Failure> {
        let candidates: Vec<Member> = joining.iter().flat_map(|member| meant(&member.value, member.kind)).collect();
        let found: BTreeSet<Member> = existing(reads, source, &candidates)?.into_iter().collect();
        for member in joining {
            let Some(one) = meant(&member.value, member.kind).into_iter().find(|one| found.contains(one)) else {
                let detail =
                    "members.value is not the id of a user or group of this source, or not of the type it says";
                return Err(ScimError::invalid_value(detail).into());
            };
            self.remove.remove(&one);
            self.add.insert(one);
        }
        Ok(())
    }
}

/// What an id may mean: a user or a group, unless the client says which.
fn meant(id: &str, kind: Option<MemberKind>) -> Vec<Member> {
    let user = parse_id(id).map(Member::User).filter(|_| kind != Some(MemberKind::Group));
    let group = parse_id(id).map(Member::Group).filter(|_| kind != Some(MemberKind::User));
    user.into_iter().chain(group).collect()
}

/// Those whom the source may take out: its own, tombstones too. Others whom an administrator put in stay.
fn removable(reads: &dyn Reads, source: &SourceId, members: Vec<Member>) -> Result<Vec<Member>, StoreError> {
    let mut own: BTreeSet<Member> = existing(reads, source, &members)?.into_iter().collect();
    for member in &members {
        if let Member::User(id) = member
            && !own.contains(member)
            && users::get(reads, *id)?.is_some_and(|user| user.source == *source)
        {
            own.insert(*member);
        }
    }
    Ok(own.into_iter().collect())
}

/// Whom a filter compares members with.
pub(super) fn named(id: &str) -> Vec<Member> {
    meant(id, None)
}
