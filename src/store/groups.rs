//! Groups, each found by its name and by what its source calls it; a group of any size costs one row a member.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::base::id::{ExternalId, GroupId, OrganizationId, SourceId};
use crate::directory::audit::{Author, Target};
use crate::directory::dn::EntryKey;
use crate::directory::group::{Group, Member, OF_ORGANIZATION};
use crate::store::audit::{self, Entry};
use crate::store::engine::{Bytes, KeyRange, Order};
use crate::store::keys::{END, Space};
use crate::store::tx::{Reads, Tx, get_record, get_records};
use crate::store::users::WriteError;
use crate::store::{StoreError, index, organizations};

mod members;
mod names;

use members::member_bytes;
pub(super) use members::member_of_key;
pub use members::{
    Memberships, change_members, direct_groups, forget_member, groups_of, is_member, leave_organization, members,
};
pub use names::names_of;
pub(super) use names::{Names, are_in, stamp_key};

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

/// Groups of one source, by name; those of organisations are left out.
///
/// # Errors
/// When the store cannot read.
pub fn list(reads: &dyn Reads, source: &SourceId) -> Result<Vec<Group>, StoreError> {
    get_records(reads, &ids_of_source(reads, source)?.into_iter().map(key).collect::<Vec<_>>())
}

/// Which groups a list is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// Those of a source; of musterd's own, those of the directory.
    OfSource(SourceId),
    /// Those of these organisations.
    OfOrganizations(BTreeSet<OrganizationId>),
}

impl Which {
    /// Where their names lie, in the order of the keys.
    fn prefixes(&self) -> Vec<Bytes> {
        match self {
            Self::All => vec![Space::GroupByName.key(&[]), Space::GroupByOrganization.key(&[])],
            Self::OfSource(source) => vec![Space::GroupByName.key(&[source.as_str().as_bytes(), END])],
            Self::OfOrganizations(them) => {
                them.iter().map(|one| Space::GroupByOrganization.key(&[one.as_bytes()])).collect()
            }
        }
    }
}

/// At most `limit` groups by source or organisation, and name, after a place; each with its place.
///
/// # Errors
/// When the store cannot read.
pub fn page(
    reads: &dyn Reads,
    which: &Which,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<(Bytes, Group)>, StoreError> {
    let mut page = Vec::new();
    for prefix in which.prefixes() {
        let range = match after {
            Some(after) if after.starts_with(&prefix) => KeyRange::prefix_after(&prefix, after.to_vec()),
            Some(after) if after > prefix.as_slice() => continue,
            _ => KeyRange::prefix(&prefix),
        };
        for (place, id) in reads.scan(&range, Order::Ascending, limit.saturating_sub(page.len()))? {
            let group = super::keys::trailing_id(&id).map(|id| get(reads, GroupId::from_bytes(id))).transpose()?;
            page.extend(group.flatten().map(|group| (place, group)));
        }
    }
    Ok(page)
}

/// At most `limit` ids of an organisation's groups, by name, after a folded one. Reads no record.
///
/// # Errors
/// When the store cannot read.
pub fn ids_of_organization(
    reads: &dyn Reads,
    organization: OrganizationId,
    after: Option<&str>,
    limit: usize,
) -> Result<Vec<GroupId>, StoreError> {
    let prefix = Space::GroupByOrganization.key(&[organization.as_bytes()]);
    let range = match after {
        Some(after) => KeyRange::prefix_after(&prefix, [&prefix[..], after.as_bytes()].concat()),
        None => KeyRange::prefix(&prefix),
    };
    let rows = reads.scan(&range, Order::Ascending, limit)?;
    Ok(rows.iter().filter_map(|(_, value)| super::keys::trailing_id(value)).map(GroupId::from_bytes).collect())
}

/// A group of the directory by its name, or one of an organisation as [`names_of`] has it: `organization/`, the name or id
/// of the organisation, a colon, and its name; in any case.
///
/// # Errors
/// When the store cannot read.
pub fn by_own_name(reads: &dyn Reads, name: &str) -> Result<Option<Group>, StoreError> {
    if let Some((organization, of_it)) = name.strip_prefix(OF_ORGANIZATION).and_then(|rest| rest.split_once(':')) {
        let known = match organization.parse() {
            Ok(id) => Some(id),
            Err(_) => organizations::by_name(reads, organization)?.map(|organization| organization.id),
        };
        if let Some(id) = known {
            let folded = crate::base::text::fold(of_it);
            let found = through(reads, &Space::GroupByOrganization.key(&[id.as_bytes(), folded.as_bytes()]))?;
            if found.is_some() {
                return Ok(found);
            }
        }
    }
    by_name(reads, &SourceId::local(), name)
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

/// Makes a group.
///
/// # Errors
/// When its name or external id is taken in its source.
pub fn create(tx: &mut Tx<'_>, author: &Author, group: Group) -> Result<Group, WriteError> {
    if let Some(organization) = group.organization {
        super::organizations::expect(tx, organization, None)?;
    }
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

/// Refuses a change of a group that is not at the revision the caller saw.
///
/// # Errors
/// [`WriteError::Stale`] when it has moved on.
pub fn expect_revision(reads: &dyn Reads, id: GroupId, expected: Option<u64>) -> Result<(), WriteError> {
    let found = get(reads, id)?.ok_or(WriteError::NotFound("group"))?.revision;
    match expected {
        Some(expected) if expected != found => Err(WriteError::Stale { found }),
        _ => Ok(()),
    }
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

fn target(group: &Group) -> Target {
    Target::Group { id: group.id, name: group.name.as_str().to_owned() }
}

fn to_value(group: &Group) -> Result<Value, StoreError> {
    serde_json::to_value(group).map_err(|error| StoreError::Record(error.to_string()))
}
