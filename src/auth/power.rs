//! Who has power over the directory, by hand or by groups, and what is asked of them at a login.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::login::Authenticator;
use crate::base::id::RoleId;
use crate::directory::authority::Authority;
use crate::directory::grant::Grant;
use crate::directory::policy::{FactorRule, MfaCause, MfaRules};
use crate::directory::user::User;
use crate::store::tx::Reads;
use crate::store::{StoreError, grants, groups, roles};

/// Whom to ask for a second factor, with what decides it.
#[derive(Clone)]
pub(super) struct Policy {
    /// The directory's rules.
    pub(super) rules: MfaRules,
    /// What groups of sources give.
    pub(super) grants: Arc<[Grant]>,
}

impl Policy {
    /// What is asked of a user after the password. An administrator is whoever holds a permission, anywhere and by
    /// whichever role: a clone of the built-in ones is no way around.
    pub(super) fn rule_for(&self, reads: &dyn Reads, user: &User) -> Result<(FactorRule, MfaCause), StoreError> {
        let groups = match self.rules.groups.is_empty() {
            true => Vec::new(),
            false => groups::groups_of(reads, user.id)?.into_iter().map(|(group, _)| group).collect(),
        };
        let is_powerful = !grants::authority_in(reads, &self.grants, user)?.is_empty();
        Ok(self.rules.rule_for(user, is_powerful, &groups))
    }
}

impl Authenticator {
    /// The system roles of a user, given by hand and by groups of their source.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn roles_of(&self, user: &User) -> Result<BTreeSet<RoleId>, StoreError> {
        grants::roles_of(&self.store.view(), &self.grants, user)
    }

    /// What a user may do, and where.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn authority_of(&self, user: &User) -> Result<Authority, StoreError> {
        let permissions = |role: &RoleId, scope| roles::permissions_now(&self.store, role, scope);
        grants::authority_of(&self.store.view(), &self.grants, user, permissions)
    }

    /// What is asked of a user after the password, and why.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn factor_rule(&self, user: &User) -> Result<(FactorRule, MfaCause), StoreError> {
        self.policy().rule_for(&self.store.view(), user)
    }

    pub(super) fn policy(&self) -> Policy {
        Policy { rules: self.settings.mfa.rules.clone(), grants: Arc::clone(&self.grants) }
    }
}
