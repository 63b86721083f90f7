//! What may become a password: one way for every path (promise 11). The pure rules, breached passwords, strength, earlier
//! passwords; and then the hash. A refusal names everything that is wrong at once.

use serde_json::Value;

use super::{Prepared, strength};
use crate::auth::hasher::HashError;
use crate::auth::login::{Authenticator, LoginError};
use crate::base::panic::caught;
use crate::base::secret::Secret;
use crate::directory::field::FieldError;
use crate::directory::login::PasswordReason;
use crate::directory::password::{BLOCKLISTED, BREACHED, Holder, fault};
use crate::directory::policy::FactorRule;
use crate::directory::stored_hash::StoredHash;
use crate::directory::user::User;
use crate::store::passwords::NewPassword;
use crate::store::{StoreError, credentials, organizations};

/// The strength of a password. A fault of the estimate keeps nobody out, and takes no other rule away.
fn estimated(password: &str, words: &[&str]) -> u8 {
    caught(|| strength::estimate(password, words)).unwrap_or_else(|_| {
        tracing::error!("the strength of a password could not be estimated: it was taken for strong");
        u8::MAX
    })
}

impl Authenticator {
    /// Every rule that a password breaks for this user; nothing is said of its history.
    ///
    /// # Errors
    /// When the store cannot read.
    async fn password_faults(&self, user: &User, password: &Secret) -> Result<Vec<FieldError>, StoreError> {
        let holder = self.holder(user)?;
        let rules = &self.settings.passwords;
        let mut faults = rules.faults(password.expose(), &holder);
        if password.is_empty() || password.expose().len() > rules.max_bytes {
            return Ok(faults);
        }
        faults.extend(self.slow_faults(password, holder.words()).await);
        Ok(faults)
    }

    /// What takes a look at the disk or some milliseconds: it is done beside the requests, and only where it is asked for.
    async fn slow_faults(&self, password: &Secret, words: Vec<&str>) -> Vec<FieldError> {
        let (least, set) = (self.settings.passwords.min_strength, self.settings.breached_set.clone());
        if least == 0 && set.is_none() {
            return Vec::new();
        }
        let (password, words) = (password.clone(), words.into_iter().map(str::to_owned).collect::<Vec<_>>());
        let look = move || {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let strength = if least == 0 { 0 } else { estimated(password.expose(), &words) };
            let text = format!("is too easy to guess: its strength is {strength} of 4, and must be {least}");
            let guessable = (strength < least).then(|| fault("too_guessable", text));
            let breached = set.is_some_and(|set| set.holds(&password));
            let breached =
                breached.then(|| fault(BREACHED, "is known from a breach: whoever guesses has it on a list"));
            guessable.into_iter().chain(breached).collect()
        };
        tokio::task::spawn_blocking(look).await.unwrap_or_default()
    }

    /// Whom the rules hold for: what roles, policy and organisations make of a user now.
    fn holder<'a>(&self, user: &'a User) -> Result<Holder<'a>, StoreError> {
        let reads = self.store.view();
        let mut context = vec![self.settings.issuer.clone()];
        for id in user.organizations.keys() {
            context.extend(organizations::get(&reads, *id)?.map(|found| found.name.as_str().to_owned()));
        }
        Ok(Holder {
            user,
            with_factor: self.factor_rule(user)?.0 == FactorRule::Required,
            is_administrator: self.is_powerful(user)?,
            context,
        })
    }

    /// The rules in force for everybody, for a form to show.
    #[must_use]
    pub fn rules(&self) -> Value {
        self.settings.passwords.shown(None, self.settings.breached_set.is_some())
    }

    /// The rules as they hold for this user.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn rules_for(&self, user: &User) -> Result<Value, StoreError> {
        Ok(self.settings.passwords.shown(Some(&self.holder(user)?), self.settings.breached_set.is_some()))
    }

    /// Why a password that was just proved must be changed, as far as it tells that itself.
    pub(in crate::auth) async fn weakness(
        &self,
        user: &User,
        password: &Secret,
    ) -> Result<Option<PasswordReason>, StoreError> {
        let faults = self.password_faults(user, password).await?;
        let has = |code: &str| faults.iter().any(|fault| fault.code == code);
        Ok(match faults.is_empty() {
            true => None,
            false if has(BREACHED) => Some(PasswordReason::Breached),
            false if has(BLOCKLISTED) => Some(PasswordReason::Blocklisted),
            false => Some(PasswordReason::TooWeak),
        })
    }

    /// Checks a new password by the rules and the history, and hashes it.
    ///
    /// # Errors
    /// [`LoginError::Password`] with every rule that it breaks.
    pub async fn prepare_password(&self, user: &User, password: &Secret) -> Result<Prepared, LoginError> {
        self.check_password(user, password).await?;
        let (hash, history) = (self.hasher.hash(password).await?, self.settings.passwords.history);
        let password = NewPassword { hash, history: history.saturating_sub(1), known: true };
        Ok(Prepared { user: user.id, password })
    }

    /// Whether a password could be set for a user.
    ///
    /// # Errors
    /// As [`Authenticator::prepare_password`].
    pub async fn check_password(&self, user: &User, password: &Secret) -> Result<(), LoginError> {
        if !self.keeps_password(&user.source) {
            let text = format!("is kept by the source {}: change it there", user.source);
            return Err(LoginError::Password(vec![fault("kept_elsewhere", text)]));
        }
        let mut faults = self.password_faults(user, password).await?;
        let history = self.settings.passwords.history;
        if self.was_used(user, password, history).await? {
            faults.push(fault("used_before", format!("must not be one of the last {history} passwords")));
        }
        if faults.is_empty() { Ok(()) } else { Err(LoginError::Password(faults)) }
    }

    /// Is it one of the last passwords? Each costs a hash, and whoever breaks other rules too pays it: they are told
    /// everything at once. How often that can be asked is bounded where no session or token stands behind it.
    async fn was_used(&self, user: &User, password: &Secret, history: usize) -> Result<bool, LoginError> {
        if password.is_empty() || password.expose().len() > self.settings.passwords.max_bytes {
            return Ok(false);
        }
        let Some(credential) = credentials::get(&self.store.view(), user.id)? else { return Ok(false) };
        for earlier in std::iter::once(&credential.hash).chain(&credential.history).take(history) {
            match self.hasher.verify(password, earlier).await {
                // One that cannot be told is not.
                Ok(false) | Err(HashError::Unusable) => {}
                Ok(true) => return Ok(true),
                Err(busy) => return Err(busy.into()),
            }
        }
        Ok(false)
    }

    /// Takes a hash that comes along with a user. Whether its password keeps the rules shows at the next login, which
    /// asks for another where it does not. How old it is nobody knows: its age counts from now.
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
        let password = NewPassword { hash: hash.expose().to_owned(), history, known: false };
        Ok(Prepared { user: user.id, password })
    }
}
