//! Custom roles; those that are built in are no records. A role that somebody holds stays.

use crate::base::id::RoleId;
use crate::directory::audit::{Author, Target};
use crate::directory::permission::Permissions;
use crate::directory::role::{self, Role, Scope};
use crate::directory::user::RuleError;
use crate::store::audit::{self, Entry};
use crate::store::engine::Bytes;
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx, each_chunk, get_record};
use crate::store::users::{self, WriteError};
use crate::store::{Store, StoreError, codec};

/// Roles that a directory may have: each is looked at when they are listed.
const MOST: usize = 1_000;

fn key(id: &RoleId) -> Bytes {
    Space::Role.key(&[id.as_str().as_bytes()])
}

/// The role of this name, built in or not.
///
/// # Errors
/// When the store cannot read.
pub fn find(reads: &dyn Reads, id: &RoleId) -> Result<Option<Role>, StoreError> {
    match role::find_built_in(id.as_str()) {
        Some(role) => Ok(Some(role.clone())),
        None => Ok(get_record::<Role>(reads, &key(id))?.filter(|role| role.removed_at.is_none())),
    }
}

/// The custom role of this name that was not removed.
fn custom(reads: &dyn Reads, id: &RoleId) -> Result<Role, WriteError> {
    let found: Option<Role> = get_record(reads, &key(id))?;
    found.filter(|role| role.removed_at.is_none()).ok_or(WriteError::NotFound("role"))
}

/// Every role: those that are built in, and the others by name.
///
/// # Errors
/// When the store cannot read.
pub fn list(reads: &dyn Reads) -> Result<Vec<Role>, StoreError> {
    let mut roles = role::built_in().to_vec();
    each_chunk::<StoreError>(reads, Space::Role, 100, |rows| {
        for (_, bytes) in rows {
            let role: Role = codec::decode(&bytes)?;
            roles.extend(role.removed_at.is_none().then_some(role));
        }
        Ok(())
    })?;
    Ok(roles)
}

/// What the holders of a role may do where it holds: nothing, by one that holds elsewhere, or that is not there.
///
/// # Errors
/// When the store cannot read.
pub fn permissions(reads: &dyn Reads, id: &RoleId, scope: Scope) -> Result<Permissions, StoreError> {
    Ok(held(find(reads, id)?.as_ref(), scope))
}

fn held(role: Option<&Role>, scope: Scope) -> Permissions {
    role.filter(|role| role.scope == scope && role.removed_at.is_none())
        .map(|role| role.permissions)
        .unwrap_or_default()
}

/// A role as it is stored, with the bytes that say so.
pub(super) struct Known {
    stored: Bytes,
    role: Role,
}

/// The same for every request: a custom role is read each time, and taken apart only when it is not what it was.
///
/// # Errors
/// When the store cannot read.
pub fn permissions_now(store: &Store, id: &RoleId, scope: Scope) -> Result<Permissions, StoreError> {
    if let Some(role) = role::find_built_in(id.as_str()) {
        return Ok(held(Some(role), scope));
    }
    let Some(stored) = store.view().get(&key(id))? else { return Ok(Permissions::default()) };
    if let Some(known) = store.roles.get(id).filter(|known| known.stored == stored) {
        return Ok(held(Some(&known.role), scope));
    }
    let role = codec::decode(&stored)?;
    Ok(held(Some(&store.roles.put(id.clone(), Known { stored, role }).role), scope))
}

/// Makes a role.
///
/// # Errors
/// When there is, or was, one of that name, or there are too many.
pub fn create(tx: &mut Tx<'_>, author: &Author, role: Role) -> Result<Role, WriteError> {
    if find(tx, &role.id)?.is_some() || tx.get(&key(&role.id))?.is_some() {
        return Err(WriteError::Taken { field: "id" });
    }
    if list(tx)?.len() >= MOST {
        return Err(RuleError::field("id", "too_many", "there are as many roles as a directory may have").into());
    }
    tx.put_record(key(&role.id), &role)?;
    let mut entry = Entry::new("role.created", target(&role.id));
    entry.changes = audit::differences(&serde_json::Value::Null, &shown(&role), &[]);
    audit::append(tx, author, entry)?;
    Ok(role)
}

/// Changes a custom role by a pure rule. One that changes nothing writes nothing.
///
/// # Errors
/// When there is no such custom role.
pub fn update(
    tx: &mut Tx<'_>,
    author: &Author,
    id: &RoleId,
    expected: Option<u64>,
    rule: impl FnOnce(Role) -> Role,
) -> Result<Role, WriteError> {
    let old = custom(tx, id)?;
    if expected.is_some_and(|expected| expected != old.revision) {
        return Err(WriteError::Stale { found: old.revision });
    }
    let mut new = rule(old.clone());
    if new == old {
        return Ok(old);
    }
    new.revision = old.revision.saturating_add(1);
    new.modified_at = tx.now();
    tx.put_record(key(id), &new)?;
    let mut entry = Entry::new("role.changed", target(id));
    entry.changes = audit::differences(&shown(&old), &shown(&new), &[]);
    audit::append(tx, author, entry)?;
    Ok(new)
}

/// Removes a custom role that nobody holds.
///
/// # Errors
/// When there is no such custom role, or somebody holds it.
pub fn remove(tx: &mut Tx<'_>, author: &Author, id: &RoleId, expected: Option<u64>) -> Result<(), WriteError> {
    let old = custom(tx, id)?;
    if expected.is_some_and(|expected| expected != old.revision) {
        return Err(WriteError::Stale { found: old.revision });
    }
    if !users::holders(tx, id.as_str(), 1)?.is_empty() {
        return Err(WriteError::InUse { what: "role", by: "users who hold it" });
    }
    let gone = Role { removed_at: Some(tx.now()), permissions: Permissions::default(), ..old.clone() };
    tx.put_record(key(id), &gone)?;
    let mut entry = Entry::new("role.removed", target(id));
    entry.changes = audit::differences(&shown(&old), &serde_json::Value::Null, &[]);
    audit::append(tx, author, entry)?;
    Ok(())
}

/// A role in the audit trail: permissions by name.
fn shown(role: &Role) -> serde_json::Value {
    serde_json::json!({
        "name": role.name,
        "description": role.description,
        "scope": role.scope,
        "permissions": role.permissions.names(),
    })
}

fn target(id: &RoleId) -> Target {
    Target::Role { id: id.clone() }
}
