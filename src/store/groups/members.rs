//! Membership as rows in both directions, and what follows: who is in a group, and in which groups somebody is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{get, key, target};
use crate::base::id::{GroupId, OrganizationId, UserId};
use crate::directory::audit::{Author, Change};
use crate::directory::group::{Group, Member};
use crate::directory::user::RuleError;
use crate::store::StoreError;
use crate::store::audit::{self, Entry};
use crate::store::engine::{KeyRange, Order};
use crate::store::keys::{self, Space};
use crate::store::tx::{Reads, Tx};
use crate::store::users::{self, WriteError};

const USER: u8 = b'u';
const GROUP: u8 = b'g';

pub(super) fn member_bytes(member: Member) -> [u8; 17] {
    let (tag, id) = match member {
        Member::User(id) => (USER, *id.as_bytes()),
        Member::Group(id) => (GROUP, *id.as_bytes()),
    };
    let mut bytes = [tag; 17];
    if let Some(rest) = bytes.get_mut(1..) {
        rest.copy_from_slice(&id);
    }
    bytes
}

/// The member that a key ends with.
pub(in crate::store) fn member_of_key(key: &[u8]) -> Option<Member> {
    match key.last_chunk::<17>()? {
        [USER, id @ ..] => Some(Member::User(UserId::from_bytes(*id))),
        [GROUP, id @ ..] => Some(Member::Group(GroupId::from_bytes(*id))),
        _ => None,
    }
}

/// Direct members of a group, in the order of kind and id, after one of them.
///
/// # Errors
/// When the store cannot read.
pub fn members(reads: &dyn Reads, id: GroupId, after: Option<Member>, limit: usize) -> Result<Vec<Member>, StoreError> {
    let prefix = Space::GroupMember.key(&[id.as_bytes()]);
    let range = match after {
        Some(member) => KeyRange::prefix_after(&prefix, [&prefix[..], &member_bytes(member)].concat()),
        None => KeyRange::prefix(&prefix),
    };
    let rows = reads.scan(&range, Order::Ascending, limit)?;
    Ok(rows.iter().filter_map(|(key, _)| member_of_key(key)).collect())
}

/// Is this a direct member of the group?
///
/// # Errors
/// When the store cannot read.
pub fn is_member(reads: &dyn Reads, id: GroupId, member: Member) -> Result<bool, StoreError> {
    Ok(reads.get(&Space::GroupMember.key(&[id.as_bytes(), &member_bytes(member)]))?.is_some())
}

/// Groups of which this is a direct member.
///
/// # Errors
/// When the store cannot read.
pub fn direct_groups(reads: &dyn Reads, member: Member) -> Result<Vec<GroupId>, StoreError> {
    let prefix = Space::GroupOfMember.key(&[&member_bytes(member)]);
    let rows = reads.scan(&KeyRange::prefix(&prefix), Order::Ascending, usize::MAX)?;
    Ok(rows.iter().filter_map(|(key, _)| keys::trailing_id(key)).map(GroupId::from_bytes).collect())
}

/// Groups that a user belongs to: each with whether directly. Cycles are walked once.
///
/// # Errors
/// When the store cannot read.
pub fn groups_of(reads: &dyn Reads, user: UserId) -> Result<Vec<(Group, bool)>, StoreError> {
    Memberships::new(reads).of(user)
}

/// Finds the groups of several users: what is read of a group for one is there for the next.
pub struct Memberships<'a> {
    reads: &'a dyn Reads,
    groups: BTreeMap<GroupId, Known>,
}

/// What is known of a group: its record, and the groups that it is a member of.
#[derive(Clone)]
struct Known {
    group: Option<Group>,
    parents: Vec<GroupId>,
}

impl<'a> Memberships<'a> {
    /// Knows nothing yet.
    #[must_use]
    pub fn new(reads: &'a dyn Reads) -> Self {
        Self { reads, groups: BTreeMap::new() }
    }

    /// Groups that a user belongs to: each with whether directly. Cycles are walked once.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn of(&mut self, user: UserId) -> Result<Vec<(Group, bool)>, StoreError> {
        let direct = direct_groups(self.reads, Member::User(user))?;
        let mut seen: BTreeSet<GroupId> = direct.iter().copied().collect();
        let mut open = direct.clone();
        while let Some(group) = open.pop() {
            for parent in self.know(group)?.parents {
                if seen.insert(parent) {
                    open.push(parent);
                }
            }
        }
        let mut found = Vec::with_capacity(seen.len());
        for id in seen {
            found.extend(self.know(id)?.group.map(|group| (group, direct.contains(&id))));
        }
        Ok(found)
    }

    fn know(&mut self, id: GroupId) -> Result<Known, StoreError> {
        if let Some(known) = self.groups.get(&id) {
            return Ok(known.clone());
        }
        let known = Known { group: get(self.reads, id)?, parents: direct_groups(self.reads, Member::Group(id))? };
        self.groups.insert(id, known.clone());
        Ok(known)
    }
}

/// Adds and removes members; those that are there already, or not there, change nothing. Gives what changed.
///
/// # Errors
/// When there is no such group, or it may not have one of the members.
pub fn change_members(
    tx: &mut Tx<'_>,
    author: &Author,
    id: GroupId,
    add: &[Member],
    remove: &[Member],
) -> Result<usize, WriteError> {
    let mut group = get(tx, id)?.ok_or(WriteError::NotFound("group"))?;
    let mut changes = Vec::new();
    for (members, adding) in [(remove, false), (add, true)] {
        for member in members {
            let row = Space::GroupMember.key(&[id.as_bytes(), &member_bytes(*member)]);
            if tx.get(&row)?.is_some() == adding {
                continue;
            }
            let reverse = Space::GroupOfMember.key(&[&member_bytes(*member), id.as_bytes()]);
            let name = Value::String(member_text(*member));
            if adding {
                check_member(tx, &group, *member)?;
                tx.put(row, Vec::new());
                tx.put(reverse, Vec::new());
                changes.push(Change { attribute: "member".to_owned(), old: Value::Null, new: name });
            } else {
                tx.remove(row);
                tx.remove(reverse);
                changes.push(Change { attribute: "member".to_owned(), old: name, new: Value::Null });
            }
        }
    }
    let changed = changes.len();
    if changed > 0 {
        group.revision = group.revision.saturating_add(1);
        group.modified_at = tx.now();
        tx.put_record(key(id), &group)?;
        let mut entry = Entry::new("group.members_changed", target(&group));
        entry.details.insert("count".to_owned(), changed.into());
        changes.truncate(1_000);
        entry.changes = changes;
        audit::append(tx, author, entry)?;
    }
    Ok(changed)
}

/// A group of an organisation has its members alone, and its groups. Of musterd's own groups none contains itself; what a
/// source says of its own is taken as it is.
fn check_member(tx: &Tx<'_>, group: &Group, member: Member) -> Result<(), WriteError> {
    let inside = match (group.organization, member) {
        (None, _) => true,
        (Some(organization), Member::User(user)) => {
            users::get(tx, user)?.is_some_and(|user| user.organizations.contains_key(&organization))
        }
        (organization, Member::Group(inner)) => get(tx, inner)?.is_some_and(|inner| inner.organization == organization),
    };
    if !inside {
        let text = "a group of an organisation takes its members and groups alone: invite them first";
        return Err(RuleError::field("members", "not_a_member", text).into());
    }
    if let Member::Group(inner) = member
        && group.source.is_local()
        && (inner == group.id || contains(tx, inner, group.id)?)
    {
        return Err(RuleError::field("members", "contains_itself", "the group would contain itself").into());
    }
    Ok(())
}

/// Is a group in another one, directly or not? Cycles are walked once.
fn contains(reads: &dyn Reads, outer: GroupId, inner: GroupId) -> Result<bool, StoreError> {
    let (mut open, mut seen) = (vec![inner], BTreeSet::from([inner]));
    while let Some(group) = open.pop() {
        for parent in direct_groups(reads, Member::Group(group))? {
            if parent == outer {
                return Ok(true);
            }
            if seen.insert(parent) {
                open.push(parent);
            }
        }
    }
    Ok(false)
}

/// Takes a user out of the groups of an organisation that they are in no more.
///
/// # Errors
/// When the store cannot read.
pub fn leave_organization(
    tx: &mut Tx<'_>,
    author: &Author,
    user: UserId,
    organization: OrganizationId,
) -> Result<(), WriteError> {
    for group in direct_groups(tx, Member::User(user))? {
        if get(tx, group)?.is_some_and(|group| group.organization == Some(organization)) {
            change_members(tx, author, group, &[], &[Member::User(user)])?;
        }
    }
    Ok(())
}

/// Takes a member out of all its groups.
///
/// # Errors
/// When the store cannot read.
pub fn forget_member(tx: &mut Tx<'_>, member: Member) -> Result<(), StoreError> {
    for group in direct_groups(tx, member)? {
        tx.remove(Space::GroupMember.key(&[group.as_bytes(), &member_bytes(member)]));
        tx.remove(Space::GroupOfMember.key(&[&member_bytes(member), group.as_bytes()]));
    }
    Ok(())
}

fn member_text(member: Member) -> String {
    match member {
        Member::User(id) => format!("user {id}"),
        Member::Group(id) => format!("group {id}"),
    }
}
