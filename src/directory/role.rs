//! Roles: sets of permissions. Permissions of several roles add up; nothing denies.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::base::id::RoleId;
use crate::directory::permission::Permission;

/// The name of the built-in role that everybody holds.
pub const USER: &str = "user";
/// The name of the built-in role that may do everything.
pub const SYSTEM_ADMIN: &str = "system-admin";
/// The name of the built-in role that may see everything.
pub const SYSTEM_AUDITOR: &str = "system-auditor";
/// The name of the built-in role for a plain member of an organisation.
pub const ORGANIZATION_USER: &str = "organization-user";
/// The name of the built-in role that manages an organisation.
pub const ORGANIZATION_ADMIN: &str = "organization-admin";
/// The name of the built-in role that sees an organisation.
pub const ORGANIZATION_AUDITOR: &str = "organization-auditor";

/// Where a role holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// In the whole directory.
    System,
    /// Inside one organisation.
    Organization,
}

/// A role as it is shown.
#[derive(Clone, Debug, Serialize)]
pub struct Role {
    /// Its name in records and calls.
    pub id: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// Where it holds.
    pub scope: Scope,
    /// Shipped with musterd and unchangeable.
    pub built_in: bool,
    /// What its holders may do.
    pub permissions: BTreeSet<Permission>,
}

const SEEING: &[Permission] = &[
    Permission::UsersView,
    Permission::GroupsView,
    Permission::OrganizationsView,
    Permission::RolesView,
    Permission::SourcesView,
    Permission::TokensView,
    Permission::AuditView,
    Permission::SettingsView,
    Permission::MessagesView,
    Permission::AlarmsView,
    Permission::MetricsView,
];

/// The roles that every directory has.
#[must_use]
pub fn built_in() -> Vec<Role> {
    let role = |id, name, scope, permissions: &[Permission]| Role {
        id,
        name,
        scope,
        built_in: true,
        permissions: permissions.iter().copied().collect(),
    };
    vec![
        role(USER, "User", Scope::System, &[]),
        role(SYSTEM_ADMIN, "System Admin", Scope::System, Permission::ALL),
        role(SYSTEM_AUDITOR, "System Auditor", Scope::System, SEEING),
        role(ORGANIZATION_USER, "User", Scope::Organization, &[]),
        role(ORGANIZATION_ADMIN, "Organisation Admin", Scope::Organization, &[]),
        role(ORGANIZATION_AUDITOR, "Organisation Auditor", Scope::Organization, &[]),
    ]
}

/// The built-in role of this name and scope.
#[must_use]
pub fn find(id: &str, scope: Scope) -> Option<Role> {
    built_in().into_iter().find(|role| role.id == id && role.scope == scope)
}

/// Is the System Admin role among these?
#[must_use]
pub fn is_system_admin(roles: &BTreeSet<RoleId>) -> bool {
    roles.iter().any(|role| role.as_str() == SYSTEM_ADMIN)
}

/// What the holder of these system roles may do.
#[must_use]
pub fn permissions_of(roles: &BTreeSet<RoleId>) -> BTreeSet<Permission> {
    if is_system_admin(roles) {
        return Permission::ALL.iter().copied().collect();
    }
    roles.iter().filter_map(|role| find(role.as_str(), Scope::System)).flat_map(|role| role.permissions).collect()
}

/// May the holder of these permissions change somebody with these roles, or give them? Nobody grants what
/// they do not hold, nor edits who holds more.
#[must_use]
pub fn may_manage(held: &BTreeSet<Permission>, roles: &BTreeSet<RoleId>) -> bool {
    permissions_of(roles).is_subset(held)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_add_up_and_the_admin_holds_all() {
        let roles = |names: &[&str]| names.iter().map(|name| RoleId::parse(name).unwrap()).collect();
        assert!(permissions_of(&roles(&[USER])).is_empty());
        assert!(permissions_of(&roles(&[USER, SYSTEM_AUDITOR])).contains(&Permission::AuditView));
        assert!(!permissions_of(&roles(&[SYSTEM_AUDITOR])).contains(&Permission::UsersCreate));
        assert!(!permissions_of(&roles(&[SYSTEM_AUDITOR])).contains(&Permission::StoreBackup));
        assert_eq!(permissions_of(&roles(&[SYSTEM_ADMIN])).len(), Permission::ALL.len());
        assert!(permissions_of(&roles(&["gone"])).is_empty());
    }

    #[test]
    fn nobody_manages_who_holds_more() {
        let roles = |names: &[&str]| names.iter().map(|name| RoleId::parse(name).unwrap()).collect();
        let auditor = permissions_of(&roles(&[SYSTEM_AUDITOR]));
        assert!(may_manage(&auditor, &roles(&[USER])));
        assert!(!may_manage(&auditor, &roles(&[SYSTEM_ADMIN])));
        assert!(may_manage(&permissions_of(&roles(&[SYSTEM_ADMIN])), &roles(&[SYSTEM_ADMIN])));
    }
}
