//! Password links as who holds one sees them before it is used.

use super::login::{Authenticator, LoginError};
use crate::base::secret::{TokenKind, hash_token};
use crate::directory::session::PasswordLink;
use crate::directory::user::User;
use crate::store::sessions;

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
}
