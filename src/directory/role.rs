//! Roles: sets of permissions. Permissions of several roles add up; nothing denies. Some are built in and never change;
//! the others are records.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::id::RoleId;
use crate::directory::field::{Description, DisplayName};
use crate::directory::permission::{Permission, Permissions};

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
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// In the whole directory.
    System,
    /// Inside one organisation.
    Organization,
}

/// A role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// Its name in records and calls; never given to another.
    pub id: RoleId,
    /// Its name for people.
    pub name: DisplayName,
    /// Free text.
    #[serde(default)]
    pub description: Description,
    /// Where it holds.
    pub scope: Scope,
    /// What its holders may do.
    pub permissions: Permissions,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it last changed.
    pub modified_at: Timestamp,
    /// Raised by one with every change; 0 where it is built in.
    pub revision: u64,
    /// When it was removed. The record stays, so that its name never gives somebody what another role holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub removed_at: Option<Timestamp>,
}

impl Role {
    /// Shipped with musterd and unchangeable?
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        self.revision == 0
    }

    /// The permissions that cannot be held where the role holds.
    #[must_use]
    pub fn out_of_place(scope: Scope, permissions: Permissions) -> Permissions {
        match scope {
            Scope::System => Permissions::default(),
            Scope::Organization => permissions.without(Permissions::inside()),
        }
    }
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

static BUILT_IN: LazyLock<Vec<Role>> = LazyLock::new(|| {
    let seeing: Permissions = SEEING.iter().copied().collect();
    [
        (USER, "User", Scope::System, Permissions::default()),
        (SYSTEM_ADMIN, "System Admin", Scope::System, Permissions::all()),
        (SYSTEM_AUDITOR, "System Auditor", Scope::System, seeing),
        (ORGANIZATION_USER, "User", Scope::Organization, Permissions::default()),
        (ORGANIZATION_ADMIN, "Organisation Admin", Scope::Organization, Permissions::inside()),
        (ORGANIZATION_AUDITOR, "Organisation Auditor", Scope::Organization, seeing.and(Permissions::inside())),
    ]
    .into_iter()
    .filter_map(|(id, name, scope, permissions)| {
        Some(Role {
            id: RoleId::parse(id).ok()?,
            name: DisplayName::parse(name).ok()?,
            description: Description::default(),
            scope,
            permissions,
            created_at: Timestamp::UNIX_EPOCH,
            modified_at: Timestamp::UNIX_EPOCH,
            revision: 0,
            removed_at: None,
        })
    })
    .collect()
});

/// The roles that every directory has.
#[must_use]
pub fn built_in() -> &'static [Role] {
    &BUILT_IN
}

/// The built-in role of this name.
#[must_use]
pub fn find_built_in(id: &str) -> Option<&'static Role> {
    BUILT_IN.iter().find(|role| role.id.as_str() == id)
}

/// Is it one of the roles that everybody holds, in the directory or in an organisation? They open nothing.
#[must_use]
pub fn is_plain(id: &RoleId) -> bool {
    [USER, ORGANIZATION_USER].contains(&id.as_str())
}

/// Is the System Admin role among these?
#[must_use]
pub fn is_system_admin(roles: &BTreeSet<RoleId>) -> bool {
    roles.iter().any(|role| role.as_str() == SYSTEM_ADMIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_roles_hold_what_they_are_named_for() {
        assert_eq!(built_in().len(), 6);
        let of = |id: &str| find_built_in(id).unwrap().permissions;
        assert!(of(USER).is_empty() && of(ORGANIZATION_USER).is_empty());
        assert_eq!(of(SYSTEM_ADMIN), Permissions::all());
        assert!(of(SYSTEM_AUDITOR).contains(Permission::AuditView));
        assert!(!of(SYSTEM_AUDITOR).contains(Permission::UsersCreate));
        assert!(!of(SYSTEM_AUDITOR).contains(Permission::StoreBackup));
        assert!(of(ORGANIZATION_AUDITOR).is_subset(of(ORGANIZATION_ADMIN)));
        assert!(!of(ORGANIZATION_ADMIN).contains(Permission::UsersDelete), "from there nobody is deleted");
        assert!(built_in().iter().all(Role::is_built_in));
    }

    #[test]
    fn what_an_auditor_holds_changes_nothing() {
        for permission in find_built_in(SYSTEM_AUDITOR).unwrap().permissions.iter() {
            assert!(permission.name().ends_with(".view"), "{}", permission.name());
        }
    }

    #[test]
    fn a_role_of_an_organisation_holds_nothing_of_the_directory() {
        let wanted = [Permission::UsersView, Permission::UsersDelete, Permission::TokensManage].into_iter().collect();
        let left_out = Role::out_of_place(Scope::Organization, wanted);
        assert_eq!(left_out.names(), ["users.delete", "tokens.manage"]);
        assert!(Role::out_of_place(Scope::System, Permissions::all()).is_empty());
    }
}
