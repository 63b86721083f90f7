//! What may become a password: one way for every path (promise 11). Rules, history, hash.

use super::Prepared;
use crate::auth::hasher::HashError;
use crate::auth::login::{Authenticator, LoginError};
use crate::base::secret::Secret;
use crate::directory::field::FieldError;
use crate::directory::policy::FactorRule;
use crate::directory::stored_hash::StoredHash;
use crate::directory::user::User;
use crate::store::{StoreError, credentials};

impl Authenticator {
    /// Every rule that a password breaks for this user; nothing is said of its history.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn password_faults(&self, user: &User, password: &Secret) -> Result<Vec<FieldError>, StoreError> {
        let with_factor = self.factor_rule(user)?.0 == FactorRule::Required;
        Ok(self.settings.passwords.faults(password.expose(), user, with_factor))
    }

    /// The rules as they hold for this user, for a form to show.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn rules_for(&self, user: &User) -> Result<serde_json::Value, StoreError> {
        let rules = &self.settings.passwords;
        let with_factor = self.factor_rule(user)?.0 == FactorRule::Required;
        let min_length = if with_factor { rules.min_length_with_factor } else { rules.min_length };
        Ok(serde_json::json!({"min_length": min_length, "max_bytes": rules.max_bytes, "history": rules.history}))
    }

    /// Checks a new password by the rules and the history, and hashes it.
    ///
    /// # Errors
    /// [`LoginError::Password`] with every rule that it breaks.
    pub async fn prepare_password(&self, user: &User, password: &Secret) -> Result<Prepared, LoginError> {
        if !self.keeps_password(&user.source) {
            let text = format!("is kept by the source {}: change it there", user.source);
            return Err(LoginError::Password(vec![FieldError::new("password", "kept_elsewhere", text)]));
        }
        let faults = self.password_faults(user, password)?;
        if !faults.is_empty() {
            return Err(LoginError::Password(faults));
        }
        let history = self.settings.passwords.history;
        if let Some(credential) = credentials::get(&self.store.view(), user.id)? {
            for earlier in std::iter::once(&credential.hash).chain(&credential.history).take(history) {
                if self.was_used(password, earlier).await? {
                    let text = format!("must not be one of the last {history} passwords");
                    return Err(LoginError::Password(vec![FieldError::new("password", "used_before", text)]));
                }
            }
        }
        let hash = self.hasher.hash(password).await?;
        Ok(Prepared { user: user.id, hash, history: history.saturating_sub(1) })
    }

    /// Is it the password of this hash? One that cannot be told is not.
    async fn was_used(&self, password: &Secret, earlier: &str) -> Result<bool, LoginError> {
        match self.hasher.verify(password, earlier).await {
            Err(HashError::Unusable) => Ok(false),
            verdict => Ok(verdict?),
        }
    }

    /// Takes a hash that comes along with a user. Whether its password keeps the rules shows at the next login, which
    /// asks for another where it does not.
    ///
    /// # Errors
    /// [`LoginError::Password`] in words, when it cannot be used.
    pub fn prepare_hash(&self, user: &User, hash: &Secret) -> Result<Prepared, LoginError> {
        let fault = |code, text: String| LoginError::Password(vec![FieldError::new("password_hash", code, text)]);
        if !self.keeps_password(&user.source) {
            return Err(fault("kept_elsewhere", format!("is kept by the source {}", user.source)));
        }
        StoredHash::parse(hash.expose()).map_err(|why| fault("unusable_hash", why.to_string()))?;
        let history = self.settings.passwords.history.saturating_sub(1);
        Ok(Prepared { user: user.id, hash: hash.expose().to_owned(), history })
    }
}
