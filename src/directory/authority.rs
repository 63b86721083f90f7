//! What somebody may do, and where: in the whole directory, or inside organisations. PURE.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::id::OrganizationId;
use crate::directory::permission::{Permission, Permissions};
use crate::directory::user::User;

/// What somebody may do. What holds in the directory holds in every organisation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Authority {
    /// In the whole directory.
    pub everywhere: Permissions,
    /// Inside organisations; none stands here without a permission.
    pub inside: BTreeMap<OrganizationId, Permissions>,
}

/// How far a permission reaches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reach {
    /// The whole directory.
    Everywhere,
    /// These organisations, and nothing else.
    Organizations(BTreeSet<OrganizationId>),
}

impl Authority {
    /// The authority over the whole directory that these permissions are.
    #[must_use]
    pub fn everywhere(permissions: Permissions) -> Self {
        Self { everywhere: permissions, inside: BTreeMap::new() }
    }

    /// Adds what is held inside an organisation.
    pub fn add_inside(&mut self, organization: OrganizationId, permissions: Permissions) {
        if !permissions.is_empty() {
            let held = self.inside.entry(organization).or_default();
            *held = held.or(permissions);
        }
    }

    /// Nothing at all?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.everywhere.is_empty() && self.inside.is_empty()
    }

    /// What is held inside an organisation.
    #[must_use]
    pub fn held_in(&self, organization: OrganizationId) -> Permissions {
        self.inside.get(&organization).copied().unwrap_or_default().or(self.everywhere)
    }

    /// Is it held anywhere?
    #[must_use]
    pub fn holds_somewhere(&self, permission: Permission) -> bool {
        self.everywhere.contains(permission) || self.inside.values().any(|held| held.contains(permission))
    }

    /// How far a permission reaches.
    #[must_use]
    pub fn reach(&self, permission: Permission) -> Reach {
        if self.everywhere.contains(permission) {
            return Reach::Everywhere;
        }
        let inside = self.inside.iter().filter(|(_, held)| held.contains(permission));
        Reach::Organizations(inside.map(|(organization, _)| *organization).collect())
    }

    /// Is everything that somebody else holds held here too? Nobody grants what they do not hold, nor edits who holds
    /// more than they do.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        other.everywhere.is_subset(self.everywhere)
            && other.inside.iter().all(|(organization, held)| held.is_subset(self.held_in(*organization)))
    }

    /// What is left of it where only these permissions are lent.
    #[must_use]
    pub fn limited_to(&self, scopes: Permissions) -> Self {
        let mut limited = Self::everywhere(self.everywhere.and(scopes));
        self.inside.iter().for_each(|(organization, held)| limited.add_inside(*organization, held.and(scopes)));
        limited
    }

    /// Does a permission reach a user's account: its name, address, password, factors, state? Inside an organisation
    /// only the accounts that it manages; who was invited is a guest there.
    #[must_use]
    pub fn reaches_account(&self, permission: Permission, user: &User) -> bool {
        match self.reach(permission) {
            Reach::Everywhere => true,
            Reach::Organizations(reached) => user.managed_by.is_some_and(|home| reached.contains(&home)),
        }
    }
}

impl Reach {
    /// Is this organisation within it?
    #[must_use]
    pub fn has(&self, organization: OrganizationId) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Organizations(reached) => reached.contains(&organization),
        }
    }

    /// Is one of these organisations within it, or everything?
    #[must_use]
    pub fn has_any<'a>(&self, organizations: impl IntoIterator<Item = &'a OrganizationId>) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Organizations(reached) => organizations.into_iter().any(|one| reached.contains(one)),
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::base::rng::Rng;
    use crate::directory::user::tests::user;

    fn organizations() -> [OrganizationId; 2] {
        let rng = Rng::seeded(1);
        [OrganizationId::new(Timestamp::UNIX_EPOCH, &rng), OrganizationId::new(Timestamp::UNIX_EPOCH, &rng)]
    }

    fn inside(organization: OrganizationId) -> Authority {
        let mut authority = Authority::default();
        authority.add_inside(organization, Permissions::inside());
        authority
    }

    #[test]
    fn what_holds_in_the_directory_holds_in_every_organisation_and_not_the_other_way_round() {
        let [a, b] = organizations();
        let auditor = Authority::everywhere([Permission::UsersView].into_iter().collect());
        assert!(auditor.held_in(a).contains(Permission::UsersView));
        assert!(!inside(a).held_in(b).contains(Permission::UsersView));
        assert!(!inside(a).everywhere.contains(Permission::UsersView));
        assert_eq!(inside(a).reach(Permission::UsersView), Reach::Organizations([a].into()));
        assert_eq!(inside(a).reach(Permission::UsersDelete), Reach::Organizations([].into()));
    }

    #[test]
    fn nobody_covers_who_holds_more() {
        let [a, b] = organizations();
        let admin = Authority::everywhere(Permissions::all());
        assert!(admin.covers(&inside(a)) && !inside(a).covers(&admin));
        assert!(inside(a).covers(&inside(a)) && !inside(a).covers(&inside(b)));
        assert!(inside(a).covers(&Authority::default()));
        let mut both = inside(a);
        both.add_inside(b, [Permission::UsersView].into_iter().collect());
        assert!(!inside(a).covers(&both) && both.covers(&inside(a)));
    }

    #[test]
    fn what_is_lent_is_never_more_than_what_is_held() {
        let [a, _] = organizations();
        let lent = inside(a).limited_to([Permission::UsersView, Permission::TokensManage].into_iter().collect());
        assert!(inside(a).covers(&lent) && lent.everywhere.is_empty());
        assert_eq!(lent.held_in(a).names(), ["users.view"]);
        assert!(inside(a).limited_to(Permissions::default()).is_empty());
    }

    #[test]
    fn a_guest_of_an_organisation_is_not_its_account() {
        let [a, b] = organizations();
        let mut ada = user("ada", Timestamp::UNIX_EPOCH);
        ada.organizations = [(a, [].into())].into();
        assert!(!inside(a).reaches_account(Permission::UsersPassword, &ada));
        ada.managed_by = Some(a);
        assert!(inside(a).reaches_account(Permission::UsersPassword, &ada));
        assert!(!inside(b).reaches_account(Permission::UsersPassword, &ada));
        assert!(!inside(a).reaches_account(Permission::UsersDelete, &ada));
    }
}
