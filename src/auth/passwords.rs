//! Setting passwords: one way for every path (promise 11). Rules, history, hash, and then one commit that
//! ends everything the user held and tells them.

use super::hasher::HashError;
use super::login::{Authenticator, LoginError, Origin};
use crate::base::clock::plus;
use crate::base::id::UserId;
use crate::base::secret::{Secret, TokenKind, hash_token, new_token};
use crate::directory::audit::{Actor, Author};
use crate::directory::field::FieldError;
use crate::directory::message::Body;
use crate::directory::policy::FactorRule;
use crate::directory::session::PasswordLink;
use crate::directory::stored_hash::StoredHash;
use crate::directory::user::User;
use crate::store::tx::Tx;
use crate::store::{StoreError, credentials, outbox, sessions, users};

/// A password that has passed the rules and is hashed: it only needs to be committed.
#[derive(Clone)]
pub struct Prepared {
    user: UserId,
    hash: String,
    history: usize,
}

/// What a password link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkFor {
    /// A first password.
    SetUp,
    /// A new password.
    Reset,
}

impl Prepared {
    /// Sets the password: ends sessions and links, and tells the user.
    ///
    /// # Errors
    /// When the user is gone or the store fails.
    pub fn commit(
        &self,
        tx: &mut Tx<'_>,
        author: &Author,
        must_change: bool,
    ) -> Result<User, crate::store::users::WriteError> {
        let user = users::update(tx, author, self.user, "password.set", |user, _| {
            Ok(User { must_change_password: must_change, ..user.end_sessions() })
        })?;
        let first = credentials::get(tx, self.user)?.is_none();
        credentials::set(tx, self.user, self.hash.clone(), self.history)?;
        sessions::remove_link(tx, self.user)?;
        if !first {
            outbox::tell(tx, &user, Body::PasswordChanged)?;
        }
        Ok(user)
    }
}

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

    /// Makes a link by which the user sets a password, for a transaction of the caller's: the token is in the
    /// answer and, as a mail, in the outbox. The user's earlier link dies.
    ///
    /// # Errors
    /// When the store fails.
    pub fn issue_link(
        tx: &mut Tx<'_>,
        user: &User,
        what: LinkFor,
        life: std::time::Duration,
        public_url: &str,
    ) -> Result<Secret, StoreError> {
        let token = new_token(TokenKind::Link, tx.rng());
        let hash = hash_token(TokenKind::Link, token.expose()).ok_or(StoreError::Stopped)?;
        let now = tx.now();
        let link = PasswordLink {
            user: user.id,
            epoch: user.session_epoch,
            email: user.email.as_ref().map(|email| email.folded()).unwrap_or_default(),
            created_at: now,
            expires_at: plus(now, life),
        };
        sessions::put_link(tx, hash, &link)?;
        // The token stands in the fragment: it reaches no server's log and no referrer.
        let url = format!("{public_url}/set-password#{}", token.expose());
        let body = match what {
            LinkFor::SetUp => Body::SetPassword { url: url.clone() },
            LinkFor::Reset => Body::ResetPassword { url: url.clone() },
        };
        outbox::tell_until(tx, user, body, link.expires_at)?;
        Ok(Secret::new(url))
    }

    /// Sets a password by a link. Signs nobody in, and skips no factor.
    ///
    /// # Errors
    /// [`LoginError::NoSuchTransaction`] when the link is unknown, used, old or its user may not come in.
    pub async fn use_link(&self, token: &str, password: &Secret, origin: &Origin) -> Result<User, LoginError> {
        let hash = hash_token(TokenKind::Link, token).ok_or(LoginError::NoSuchTransaction)?;
        let now = self.store.clock().now();
        let link = sessions::get_link(&self.store.view(), hash)?.ok_or(LoginError::NoSuchTransaction)?;
        let user = super::login::user(&self.store.view(), link.user)?;
        if !link.is_valid(&user, now) {
            return Err(LoginError::NoSuchTransaction);
        }
        let prepared = self.prepare_password(&user, password).await?;
        let author = origin.author(Actor::User { id: user.id }).because("by a password link");
        let write = move |tx: &mut Tx<'_>| {
            let link = sessions::get_link(tx, hash)?.ok_or(LoginError::NoSuchTransaction)?;
            let user = super::login::user(tx, link.user)?;
            if !link.is_valid(&user, tx.now()) {
                return Err(LoginError::NoSuchTransaction);
            }
            Ok(prepared.commit(tx, &author, false)?)
        };
        let user = self.store.write(write).await?;
        self.forgive_user(user.id);
        Ok(user)
    }
}
