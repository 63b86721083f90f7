//! What a user has besides what an administrator gave: what follows from groups of sources, looked up when it is asked
//! for.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::id::{OrganizationId, RoleId};
use crate::directory::authority::Authority;
use crate::directory::grant::{Gives, Grant};
use crate::directory::permission::Permissions;
use crate::directory::role::Scope;
use crate::directory::user::User;
use crate::store::groups::Memberships;
use crate::store::tx::Reads;
use crate::store::{StoreError, roles};

/// What follows from groups.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Granted {
    /// System roles.
    pub roles: BTreeSet<RoleId>,
    /// Organisations, each with roles inside.
    pub organizations: BTreeMap<OrganizationId, BTreeSet<RoleId>>,
}

/// What follows for a user from the groups that they are in, directly or not. Only the groups of the user's own source
/// give anything: another source says nothing of them.
///
/// # Errors
/// When the store cannot read.
pub fn of(reads: &dyn Reads, grants: &[Grant], user: &User) -> Result<Granted, StoreError> {
    let mut granted = Granted::default();
    if !grants.iter().any(|grant| grant.source == user.source) {
        return Ok(granted);
    }
    for (group, _) in Memberships::new(reads).of(user.id)? {
        let gives = grants.iter().filter(|grant| grant.source == user.source && grant.is_about(&group));
        for grant in gives {
            match &grant.rule.gives {
                Gives::Role(role) => drop(granted.roles.insert(role.clone())),
                Gives::Organization(id, role) => {
                    granted.organizations.entry(*id).or_default().insert(role.clone());
                }
                Gives::Group(_) => {}
            }
        }
    }
    Ok(granted)
}

/// The system roles of a user, given by hand and by groups.
///
/// # Errors
/// When the store cannot read.
pub fn roles_of(reads: &dyn Reads, grants: &[Grant], user: &User) -> Result<BTreeSet<RoleId>, StoreError> {
    let mut roles = of(reads, grants, user)?.roles;
    roles.extend(user.roles.iter().cloned());
    Ok(roles)
}

/// What a user may do, and where, by hand and by groups; `permissions` knows what a role holds.
///
/// # Errors
/// When the store cannot read.
pub fn authority_of(
    reads: &dyn Reads,
    grants: &[Grant],
    user: &User,
    permissions: impl Fn(&RoleId, Scope) -> Result<Permissions, StoreError>,
) -> Result<Authority, StoreError> {
    let granted = of(reads, grants, user)?;
    let mut authority = Authority::default();
    for role in user.roles.iter().chain(&granted.roles) {
        authority.everywhere = authority.everywhere.or(permissions(role, Scope::System)?);
    }
    for (organization, roles) in user.organizations.iter().chain(&granted.organizations) {
        for role in roles {
            authority.add_inside(*organization, permissions(role, Scope::Organization)?);
        }
    }
    Ok(authority)
}

/// The same inside a transaction: what it is when the commit is made.
///
/// # Errors
/// When the store cannot read.
pub fn authority_in(reads: &dyn Reads, grants: &[Grant], user: &User) -> Result<Authority, StoreError> {
    authority_of(reads, grants, user, |role, scope| roles::permissions(reads, role, scope))
}
