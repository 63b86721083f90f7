//! What users hold that may go meanwhile: roles, and organisations.

use std::collections::BTreeSet;

use super::WriteError;
use crate::base::id::RoleId;
use crate::directory::role::{self, Scope};
use crate::directory::user::{User, with_plain_role};
use crate::store::tx::Reads;
use crate::store::{StoreError, organizations, roles};

/// Whoever comes back does so without the organisations and roles that went meanwhile.
pub(super) fn without_what_went(reads: &dyn Reads, mut user: User) -> Result<User, StoreError> {
    let mut gone = Vec::new();
    for id in user.organizations.keys() {
        if organizations::get(reads, *id)?.is_none() {
            gone.push(*id);
        }
    }
    gone.iter().for_each(|id| drop(user.organizations.remove(id)));
    user.roles = with_plain_role(still_there(reads, user.roles)?);
    for roles in user.organizations.values_mut() {
        *roles = still_there(reads, std::mem::take(roles))?;
        roles.extend(roles.is_empty().then(|| RoleId::parse(role::ORGANIZATION_USER).ok()).flatten());
    }
    Ok(user)
}

fn still_there(reads: &dyn Reads, held: BTreeSet<RoleId>) -> Result<BTreeSet<RoleId>, StoreError> {
    let mut there = BTreeSet::new();
    for role in held {
        if roles::find(reads, &role)?.is_some() {
            there.insert(role);
        }
    }
    Ok(there)
}

/// Refuses roles that are new to a user and not there any more, or that do not hold where they are given.
pub(super) fn expect_roles(reads: &dyn Reads, new: &User, old: Option<&User>) -> Result<(), WriteError> {
    let is_there = |role: &RoleId, scope: Scope| match roles::find(reads, role)? {
        Some(role) if role.scope == scope => Ok(()),
        _ => Err(WriteError::NotFound("role")),
    };
    for role in new.roles.iter().filter(|role| old.is_none_or(|old| !old.roles.contains(*role))) {
        is_there(role, Scope::System)?;
    }
    for (id, held) in &new.organizations {
        let had = old.and_then(|old| old.organizations.get(id));
        for role in held.iter().filter(|role| had.is_none_or(|had| !had.contains(*role))) {
            is_there(role, Scope::Organization)?;
        }
    }
    Ok(())
}
