//! Groups, and membership as rows in both directions: a group of any size costs one row a member.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::base::id::{ExternalId, GroupId, SourceId, UserId};
use crate::directory::audit::{Author, Change, Target};
use crate::directory::dn::EntryKey;
use crate::directory::group::{Group, Member};
use crate::store::audit::{self, Entry};
use crate::store::engine::{Bytes, KeyRange, Order};
use crate::store::keys::{END, Space};
use crate::store::tx::{Reads, Tx, get_record, get_records};
use crate::store::users::WriteError;
use crate::store::{StoreError, index};

mod names;

pub use names::names_of;
pub(super) use names::{Names, are_in, stamp_key};

const USER: u8 = b'u';
const GROUP: u8 = b'g';

fn member_bytes(member: Member) -> [u8; 17] {
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
pub(super) fn member_of_key(key: &[u8]) -> Option<Member> {
    match key.last_chunk::<17>()? {
        [USER, id @ ..] => Some(Member::User(UserId::from_bytes(*id))),
        [GROUP, id @ ..] => Some(Member::Group(GroupId::from_bytes(*id))),
        _ => None,
    }
}

fn key(id: GroupId) -> Bytes {
    Space::Group.key(&[id.as_bytes()])
}

fn external_key(source: &SourceId, external_id: &ExternalId) -> Bytes {
    Space::GroupByExternalId.key(&[source.as_str().as_bytes(), END, external_id.as_str().as_bytes()])
}

/// The group of this id.
///
/// # Errors
/// When the store cannot read.
pub fn get(reads: &dyn Reads, id: GroupId) -> Result<Option<Group>, StoreError> {
    get_record(reads, &key(id))
}

/// The group of this name in a source, in any case.
///
/// # Errors
/// When the store cannot read.
pub fn by_name(reads: &dyn Reads, source: &SourceId, name: &str) -> Result<Option<Group>, StoreError> {
    let folded = crate::base::text::fold(name);
    through(reads, &Space::GroupByName.key(&[source.as_str().as_bytes(), END, folded.as_bytes()]))
}

/// The groups of a source that have this name, or had to be given another one beside it: `Sales`, `Sales (2)`.
///
/// # Errors
/// When the store cannot read.
pub fn named_alike(reads: &dyn Reads, source: &SourceId, name: &str) -> Result<Vec<GroupId>, StoreError> {
    let folded = crate::base::text::fold(name);
    let own = Space::GroupByName.key(&[source.as_str().as_bytes(), END, folded.as_bytes()]);
    let mut rows: Vec<_> = reads.get(&own)?.into_iter().collect();
    let others = [&own[..], b" ("].concat();
    rows.extend(reads.scan(&KeyRange::prefix(&others), Order::Ascending, usize::MAX)?.into_iter().map(|(_, id)| id));
    Ok(rows.iter().filter_map(|row| super::keys::trailing_id(row)).map(GroupId::from_bytes).collect())
}

/// The group that a source knows by this id.
///
/// # Errors
/// When the store cannot read.
pub fn by_external_id(reads: &dyn Reads, source: &SourceId, id: &ExternalId) -> Result<Option<Group>, StoreError> {
    through(reads, &external_key(source, id))
}

/// For each of these keys of names of entries: the source's group that has it. Reads no record.
///
/// # Errors
/// When the store cannot read.
pub fn by_entries(
    reads: &dyn Reads,
    source: &SourceId,
    entries: &[EntryKey],
) -> Result<Vec<Option<GroupId>>, StoreError> {
    let keys: Vec<_> = entries.iter().map(|entry| index::by_entry(Space::GroupByEntry, source, entry)).collect();
    let id = |row: Option<Bytes>| row.and_then(|row| super::keys::trailing_id(&row)).map(GroupId::from_bytes);
    Ok(reads.get_many(&keys)?.into_iter().map(id).collect())
}

/// Takes the name of an entry from whichever group of the source had it before.
///
/// # Errors
/// When the store cannot read.
pub fn release_entry(
    tx: &mut Tx<'_>,
    author: &Author,
    source: &SourceId,
    entry: &str,
    own: Option<GroupId>,
) -> Result<(), WriteError> {
    let holder = by_entries(tx, source, &[crate::directory::dn::key(entry)])?.into_iter().flatten().next();
    if let Some(holder) = holder.filter(|holder| Some(*holder) != own) {
        update(tx, author, holder, |group| Group { at_source: None, ..group })?;
    }
    Ok(())
}

fn through(reads: &dyn Reads, index: &[u8]) -> Result<Option<Group>, StoreError> {
    match reads.get(index)?.and_then(|id| super::keys::trailing_id(&id)) {
        Some(id) => get(reads, GroupId::from_bytes(id)),
        None => Ok(None),
    }
}

/// Groups of one source or of all, by name within a source.
///
/// # Errors
/// When the store cannot read.
pub fn list(reads: &dyn Reads, source: Option<&SourceId>) -> Result<Vec<Group>, StoreError> {
    let prefix = match source {
        Some(source) => Space::GroupByName.key(&[source.as_str().as_bytes(), END]),
        None => Space::GroupByName.key(&[]),
    };
    let rows = reads.scan(&KeyRange::prefix(&prefix), Order::Ascending, usize::MAX)?;
    let ids = rows.iter().filter_map(|(_, value)| super::keys::trailing_id(value));
    let keys: Vec<_> = ids.map(|id| key(GroupId::from_bytes(id))).collect();
    get_records(reads, &keys)
}

/// The ids of a source's groups, by name. Reads no record.
///
/// # Errors
/// When the store cannot read.
pub fn ids_of_source(reads: &dyn Reads, source: &SourceId) -> Result<Vec<GroupId>, StoreError> {
    let prefix = Space::GroupByName.key(&[source.as_str().as_bytes(), END]);
    let rows = reads.scan(&KeyRange::prefix(&prefix), Order::Ascending, usize::MAX)?;
    Ok(rows.iter().filter_map(|(_, value)| super::keys::trailing_id(value)).map(GroupId::from_bytes).collect())
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
    Ok(rows.iter().filter_map(|(key, _)| super::keys::trailing_id(key)).map(GroupId::from_bytes).collect())
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

/// Makes a group.
///
/// # Errors
/// When its name or external id is taken in its source.
pub fn create(tx: &mut Tx<'_>, author: &Author, group: Group) -> Result<Group, WriteError> {
    index::write(tx, key(group.id), None, &group)?;
    audit::append(tx, author, Entry::new("group.created", target(&group)))?;
    Ok(group)
}

/// Changes a group's attributes by a pure rule. One that changes nothing writes nothing.
///
/// # Errors
/// When there is no such group, or its new name or external id is taken.
pub fn update(
    tx: &mut Tx<'_>,
    author: &Author,
    id: GroupId,
    rule: impl FnOnce(Group) -> Group,
) -> Result<Group, WriteError> {
    let old = get(tx, id)?.ok_or(WriteError::NotFound("group"))?;
    let mut new = rule(old.clone());
    if new == old {
        return Ok(old);
    }
    new.revision = old.revision.saturating_add(1);
    new.modified_at = tx.now();
    index::write(tx, key(id), Some(&old), &new)?;
    let mut entry = Entry::new("group.changed", target(&new));
    entry.changes = audit::differences(&to_value(&old)?, &to_value(&new)?, &["revision", "modified_at"]);
    audit::append(tx, author, entry)?;
    Ok(new)
}

/// Adds and removes members; those that are there already, or not there, change nothing. Gives what changed.
///
/// # Errors
/// When there is no such group.
pub fn change_members(
    tx: &mut Tx<'_>,
    author: &Author,
    id: GroupId,
    add: &[Member],
    remove: &[Member],
) -> Result<usize, WriteError> {
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
    let mut group = get(tx, id)?.ok_or(WriteError::NotFound("group"))?;
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

/// Removes a group with all its memberships.
///
/// # Errors
/// When there is no such group.
pub fn remove(tx: &mut Tx<'_>, author: &Author, id: GroupId) -> Result<(), WriteError> {
    let group = get(tx, id)?.ok_or(WriteError::NotFound("group"))?;
    for member in members(tx, id, None, usize::MAX)? {
        tx.remove(Space::GroupMember.key(&[id.as_bytes(), &member_bytes(member)]));
        tx.remove(Space::GroupOfMember.key(&[&member_bytes(member), id.as_bytes()]));
    }
    for parent in direct_groups(tx, Member::Group(id))? {
        change_members(tx, author, parent, &[], &[Member::Group(id)])?;
    }
    index::remove(tx, key(id), &group)?;
    let mut entry = Entry::new("group.removed", target(&group));
    entry.changes = audit::differences(&to_value(&group)?, &Value::Null, &["id", "revision", "modified_at"]);
    audit::append(tx, author, entry)?;
    Ok(())
}

fn member_text(member: Member) -> String {
    match member {
        Member::User(id) => format!("user {id}"),
        Member::Group(id) => format!("group {id}"),
    }
}

fn target(group: &Group) -> Target {
    Target::Group { id: group.id, name: group.name.as_str().to_owned() }
}

fn to_value(group: &Group) -> Result<Value, StoreError> {
    serde_json::to_value(group).map_err(|error| StoreError::Record(error.to_string()))
}
