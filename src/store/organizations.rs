//! Organisation records. Members stand in the users' records; an index finds them.

use crate::base::id::{OrganizationId, UserId};
use crate::directory::audit::{Author, Target};
use crate::directory::organization::Organization;
use crate::store::audit::{self, Entry};
use crate::store::engine::{KeyRange, Order};
use crate::store::keys::{self, Space};
use crate::store::tx::{Reads, Tx, get_record, get_records};
use crate::store::users::WriteError;
use crate::store::{StoreError, groups, index};

fn key(id: OrganizationId) -> Vec<u8> {
    Space::Organization.key(&[id.as_bytes()])
}

/// The organisation of this id.
///
/// # Errors
/// When the store cannot read.
pub fn get(reads: &dyn Reads, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
    get_record(reads, &key(id))
}

/// The organisation of this name, in any case.
///
/// # Errors
/// When the store cannot read.
pub fn by_name(reads: &dyn Reads, name: &str) -> Result<Option<Organization>, StoreError> {
    let folded = crate::base::text::fold(name);
    match reads.get(&Space::OrganizationByName.key(&[folded.as_bytes()]))?.and_then(|id| keys::trailing_id(&id)) {
        Some(id) => get(reads, OrganizationId::from_bytes(id)),
        None => Ok(None),
    }
}

/// At most `limit` organisations by folded name, after one of them.
///
/// # Errors
/// When the store cannot read.
pub fn page(reads: &dyn Reads, after: Option<&str>, limit: usize) -> Result<Vec<Organization>, StoreError> {
    let prefix = Space::OrganizationByName.key(&[]);
    let range = match after {
        Some(after) => KeyRange::prefix_after(&prefix, [&prefix[..], after.as_bytes()].concat()),
        None => KeyRange::prefix(&prefix),
    };
    let rows = reads.scan(&range, Order::Ascending, limit)?;
    let ids = rows.iter().filter_map(|(_, value)| keys::trailing_id(value));
    let keys: Vec<_> = ids.map(|id| key(OrganizationId::from_bytes(id))).collect();
    get_records(reads, &keys)
}

/// The ids of an organisation's members in the order of their making, after one of them; tombstones are left out. Who
/// belongs to it by a group of a source is not among them.
///
/// # Errors
/// When the store cannot read.
pub fn members(
    reads: &dyn Reads,
    id: OrganizationId,
    after: Option<UserId>,
    limit: usize,
) -> Result<Vec<UserId>, StoreError> {
    let prefix = Space::UserByOrganization.key(&[id.as_bytes()]);
    let range = match after {
        Some(after) => KeyRange::prefix_after(&prefix, [&prefix[..], after.as_bytes()].concat()),
        None => KeyRange::prefix(&prefix),
    };
    let rows = reads.scan(&range, Order::Ascending, limit)?;
    Ok(rows.iter().filter_map(|(key, _)| keys::trailing_id(key)).map(UserId::from_bytes).collect())
}

/// Makes an organisation.
///
/// # Errors
/// When its name is taken.
pub fn create(tx: &mut Tx<'_>, author: &Author, organization: Organization) -> Result<Organization, WriteError> {
    index::write(tx, key(organization.id), None, &organization)?;
    let mut entry = Entry::new("organization.created", target(&organization));
    entry.changes = audit::differences(&serde_json::Value::Null, &shown(&organization), &[]);
    audit::append(tx, author, entry)?;
    Ok(organization)
}

/// Changes an organisation by a pure rule. One that changes nothing writes nothing.
///
/// # Errors
/// When there is none, it has moved on, or its new name is taken.
pub fn update(
    tx: &mut Tx<'_>,
    author: &Author,
    id: OrganizationId,
    expected: Option<u64>,
    rule: impl FnOnce(Organization) -> Organization,
) -> Result<Organization, WriteError> {
    let old = expect(tx, id, expected)?;
    let mut new = rule(old.clone());
    if new == old {
        return Ok(old);
    }
    new.revision = old.revision.saturating_add(1);
    new.modified_at = Some(tx.now());
    index::write(tx, key(id), Some(&old), &new)?;
    let mut entry = Entry::new("organization.changed", target(&new));
    entry.changes = audit::differences(&shown(&old), &shown(&new), &[]);
    audit::append(tx, author, entry)?;
    Ok(new)
}

/// Removes an organisation without members and groups.
///
/// # Errors
/// When there is none, it has moved on, or it is not empty.
pub fn remove(tx: &mut Tx<'_>, author: &Author, id: OrganizationId, expected: Option<u64>) -> Result<(), WriteError> {
    let old = expect(tx, id, expected)?;
    if !members(tx, id, None, 1)?.is_empty() {
        return Err(WriteError::InUse { what: "organisation", by: "members" });
    }
    if !groups::ids_of_organization(tx, id, None, 1)?.is_empty() {
        return Err(WriteError::InUse { what: "organisation", by: "groups" });
    }
    index::remove(tx, key(id), &old)?;
    let mut entry = Entry::new("organization.removed", target(&old));
    entry.changes = audit::differences(&shown(&old), &serde_json::Value::Null, &[]);
    audit::append(tx, author, entry)?;
    Ok(())
}

/// The organisation, at the revision the caller saw.
///
/// # Errors
/// When there is none, or it has moved on.
pub(super) fn expect(tx: &Tx<'_>, id: OrganizationId, expected: Option<u64>) -> Result<Organization, WriteError> {
    let found = get(tx, id)?.ok_or(WriteError::NotFound("organisation"))?;
    match expected {
        Some(expected) if expected != found.revision => Err(WriteError::Stale { found: found.revision }),
        _ => Ok(found),
    }
}

fn shown(organization: &Organization) -> serde_json::Value {
    serde_json::json!({"name": organization.name, "description": organization.description})
}

fn target(organization: &Organization) -> Target {
    Target::Organization { id: organization.id, name: organization.name.as_str().to_owned() }
}
