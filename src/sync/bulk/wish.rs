//! What is wanted of one user, or of many, and who may want it.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::base::id::{GroupId, OrganizationId, RoleId};
use crate::directory::plan::{Fault, PlanItem};
use crate::directory::role;
use crate::directory::user::{MfaPolicy, User, UserChange};
use crate::store::StoreError;
use crate::store::passwords::NewPassword;

/// Says whether somebody may have something done to a user: asked when a plan is made, and again of whoever approves it.
pub trait Gate: Send + Sync {
    /// Why it may not be done to this user (none: one who is made by it), if that is so.
    ///
    /// # Errors
    /// When the store cannot read.
    fn refuses(&self, user: Option<&User>, item: &PlanItem) -> Result<Option<Fault>, StoreError>;
}

/// Everything that is wanted of one user.
#[derive(Clone, Default)]
pub struct Wish {
    /// Attributes.
    pub change: UserChange,
    /// The state.
    pub to: Option<To>,
    /// Direct memberships in groups of musterd's own.
    pub groups: Option<GroupWish>,
    /// A password, and whether it must be changed at the next login.
    pub password: Option<(NewPassword, bool)>,
}

/// A state that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// Active.
    Enabled,
    /// Disabled by an administrator.
    Disabled,
    /// A tombstone.
    Removed,
}

/// Memberships that are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupWish {
    /// Some more, and some less.
    Change {
        /// To join.
        join: Vec<GroupId>,
        /// To leave.
        leave: Vec<GroupId>,
    },
    /// These, and no other of musterd's own.
    Exactly(Vec<GroupId>),
}

/// One wish about many users.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BulkChange {
    /// An expiry, or none.
    pub expires_at: Option<Option<Timestamp>>,
    /// The second-factor policy.
    pub mfa: Option<MfaPolicy>,
    /// System roles, as they shall be.
    pub set_roles: Option<BTreeSet<RoleId>>,
    /// System roles to give.
    pub add_roles: BTreeSet<RoleId>,
    /// System roles to take.
    pub remove_roles: BTreeSet<RoleId>,
    /// Organisations to join, each with roles to give inside; none: the plain one, for who holds none there.
    pub add_organizations: BTreeMap<OrganizationId, BTreeSet<RoleId>>,
    /// Organisations to leave.
    pub remove_organizations: BTreeSet<OrganizationId>,
    /// Groups to join.
    pub join: Vec<GroupId>,
    /// Groups to leave.
    pub leave: Vec<GroupId>,
}

impl BulkChange {
    /// What it means for one user.
    #[must_use]
    pub fn of(&self, user: &User) -> Wish {
        let touches_roles = !self.add_roles.is_empty() || !self.remove_roles.is_empty();
        let roles = self
            .set_roles
            .clone()
            .or_else(|| touches_roles.then(|| user.roles.union(&self.add_roles).cloned().collect::<BTreeSet<_>>()));
        let roles = roles.map(|roles| roles.difference(&self.remove_roles).cloned().collect());
        let change = UserChange {
            expires_at: self.expires_at,
            mfa: self.mfa,
            roles,
            organizations: self.organizations_of(user),
            ..UserChange::default()
        };
        let touches_groups = !self.join.is_empty() || !self.leave.is_empty();
        let groups = touches_groups.then(|| GroupWish::Change { join: self.join.clone(), leave: self.leave.clone() });
        Wish { change, groups, ..Wish::default() }
    }

    fn organizations_of(&self, user: &User) -> Option<BTreeMap<OrganizationId, BTreeSet<RoleId>>> {
        if self.add_organizations.is_empty() && self.remove_organizations.is_empty() {
            return None;
        }
        let mut organizations = user.organizations.clone();
        organizations.retain(|id, _| !self.remove_organizations.contains(id));
        for (id, roles) in &self.add_organizations {
            let held = organizations.entry(*id).or_default();
            held.extend(roles.iter().cloned());
            if held.is_empty() {
                held.extend(RoleId::parse(role::ORGANIZATION_USER));
            }
        }
        Some(organizations)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::user::tests::user;

    #[test]
    fn roles_are_set_then_given_and_taken() {
        let roles = |names: &[&str]| names.iter().map(|name| RoleId::parse(name).unwrap()).collect::<BTreeSet<_>>();
        let ada = User { roles: roles(&["user", "system-auditor"]), ..user("ada", Timestamp::UNIX_EPOCH) };
        let change = BulkChange {
            add_roles: roles(&["system-admin"]),
            remove_roles: roles(&["system-auditor"]),
            ..BulkChange::default()
        };
        assert_eq!(change.of(&ada).change.roles, Some(roles(&["system-admin", "user"])));
        let set = BulkChange { set_roles: Some(roles(&["user"])), ..BulkChange::default() };
        assert_eq!(set.of(&ada).change.roles, Some(roles(&["user"])));
        assert!(BulkChange::default().of(&ada).change.is_nothing(), "nothing is wished, nothing is written");
    }
    #[test]
    fn who_is_in_an_organisation_keeps_the_roles_there_and_only_who_is_new_gets_the_plain_one() {
        let roles = |names: &[&str]| names.iter().map(|name| RoleId::parse(name).unwrap()).collect::<BTreeSet<_>>();
        let rng = crate::base::rng::Rng::seeded(7);
        let place = OrganizationId::new(Timestamp::UNIX_EPOCH, &rng);
        let eve = user("eve", Timestamp::UNIX_EPOCH);
        let ada = User { organizations: [(place, roles(&["organization-admin"]))].into(), ..eve.clone() };
        let after = |given: &[&str], user: &User| {
            let change = BulkChange { add_organizations: [(place, roles(given))].into(), ..BulkChange::default() };
            change.of(user).change.organizations.unwrap().remove(&place).unwrap()
        };
        assert_eq!(after(&[], &ada), roles(&["organization-admin"]));
        assert_eq!(after(&["guide"], &ada), roles(&["guide", "organization-admin"]));
        assert_eq!(after(&[], &eve), roles(&["organization-user"]));
        assert_eq!(after(&["guide"], &eve), roles(&["guide"]));
    }
}
