//! Password links: made for one user and one address, shown before they are used, and used once.

use super::login::{Authenticator, LoginError, Origin};
use crate::base::clock::plus;
use crate::base::secret::{Secret, TokenHash, TokenKind, hash_token, new_token};
use crate::directory::audit::Actor;
use crate::directory::message::Body;
use crate::directory::password::Tries;
use crate::directory::session::PasswordLink;
use crate::directory::user::User;
use crate::store::tx::Tx;
use crate::store::{StoreError, outbox, sessions};

/// What a password link is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LinkFor {
    /// A first password.
    SetUp,
    /// A new password.
    Reset,
}

impl Authenticator {
    /// The link of a token and whose it is, while it can be used. Nothing happens to it: programs that look at mail
    /// follow what stands there.
    ///
    /// # Errors
    /// [`LoginError::NoSuchTransaction`] when it is unknown, used, old, or its user may not come in.
    pub fn link(&self, token: &str) -> Result<(User, PasswordLink), LoginError> {
        let view = self.store.view();
        let hash = hash_token(TokenKind::Link, token).ok_or(LoginError::NoSuchTransaction)?;
        let link = sessions::get_link(&view, hash)?.ok_or(LoginError::NoSuchTransaction)?;
        let user = super::login::user(&view, link.user)?;
        if link.is_valid(&user, self.store.clock().now()) {
            Ok((user, link))
        } else {
            Err(LoginError::NoSuchTransaction)
        }
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
            tried: Tries::default(),
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
        self.try_link(hash).await?;
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

    /// Counts a new password before it is looked at, so that those that come at once are counted too. A link with which
    /// too many were tried is used up.
    async fn try_link(&self, hash: TokenHash) -> Result<(), LoginError> {
        let write = move |tx: &mut Tx<'_>| {
            let link = sessions::get_link(tx, hash)?.ok_or(LoginError::NoSuchTransaction)?;
            match link.tried.and_another() {
                Some(tried) => sessions::put_link(tx, hash, &PasswordLink { tried, ..link })?,
                None => {
                    sessions::remove_link(tx, link.user)?;
                    return Ok(Err(LoginError::NoSuchTransaction));
                }
            }
            Ok::<_, LoginError>(Ok(()))
        };
        self.store.write(write).await?
    }
}
