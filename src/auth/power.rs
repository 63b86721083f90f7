//! Who has power over the directory, by hand or by groups, and what is asked of them at a login.

use std::collections::BTreeSet;

use super::login::Authenticator;
use crate::base::id::RoleId;
use crate::directory::grant::Grant;
use crate::directory::policy::{FactorRule, MfaMode};
use crate::directory::user::User;
use crate::store::tx::Reads;
use crate::store::{StoreError, grants};

impl Authenticator {
    /// The system roles of a user, given by hand and by groups of their source.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn roles_of(&self, user: &User) -> Result<BTreeSet<RoleId>, StoreError> {
        grants::roles_of(&self.store.view(), &self.grants, user)
    }

    /// What is asked of a user after the password.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn factor_rule(&self, user: &User) -> Result<FactorRule, StoreError> {
        factor_rule(&self.store.view(), self.settings.mfa, &self.grants, user)
    }
}

/// What is asked of a user after the password; the roles that groups give count as those given by hand.
pub(super) fn factor_rule(
    reads: &dyn Reads,
    mode: MfaMode,
    grants: &[Grant],
    user: &User,
) -> Result<FactorRule, StoreError> {
    Ok(mode.rule_for(user, &grants::roles_of(reads, grants, user)?))
}
