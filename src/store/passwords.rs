//! Setting passwords: one commit that ends everything the user held and tells them.

use serde::{Deserialize, Serialize};

use crate::base::id::UserId;
use crate::directory::audit::Author;
use crate::directory::message::Body;
use crate::directory::user::User;
use crate::store::tx::Tx;
use crate::store::users::{self, WriteError};
use crate::store::{credentials, outbox, sessions};

/// A password that has passed the rules and is hashed: it only needs to be committed. Like every hash it has no `Debug`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct NewPassword {
    /// The hash, in a form that the login understands.
    pub hash: String,
    /// So many hashes of earlier passwords are kept.
    pub history: usize,
    /// Whoever sets it knows it, unless they are its owner: a hash tells nobody.
    pub known: bool,
}

impl NewPassword {
    /// What stands for one in a plan that is never written.
    #[must_use]
    pub fn none() -> Self {
        Self { hash: String::new(), history: 0, known: false }
    }

    /// Sets it: ends sessions and links, and tells the user. One that must be changed is good for a while only.
    ///
    /// # Errors
    /// When the user is gone or the store fails.
    pub fn set(&self, tx: &mut Tx<'_>, author: &Author, user: UserId, must_change: bool) -> Result<User, WriteError> {
        self.set_telling(tx, author, user, must_change, None)
    }

    /// The same, where another address than the one of now is told: the one from before it was changed along with it.
    ///
    /// # Errors
    /// As [`NewPassword::set`].
    pub fn set_telling(
        &self,
        tx: &mut Tx<'_>,
        author: &Author,
        user: UserId,
        must_change: bool,
        told: Option<&User>,
    ) -> Result<User, WriteError> {
        let changed = users::update(tx, author, user, "password.set", |user, _| {
            Ok(User { must_change_password: must_change, ..user.end_sessions() })
        })?;
        let first = credentials::get(tx, user)?.is_none();
        credentials::set(tx, user, self.hash.clone(), self.history)?;
        if must_change && self.known {
            credentials::lend(tx, user)?;
        }
        sessions::remove_link(tx, user)?;
        if !first {
            outbox::tell(tx, told.unwrap_or(&changed), Body::PasswordChanged)?;
        }
        Ok(changed)
    }
}
