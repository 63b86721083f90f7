//! Setting passwords: one commit that ends everything the user held and tells them. What may be set is decided in
//! `passwords/rules.rs`, for every path (promise 11).

use crate::base::id::UserId;
use crate::directory::audit::Author;
use crate::directory::message::Body;
use crate::directory::user::User;
use crate::store::tx::Tx;
use crate::store::{credentials, outbox, sessions, users};

pub mod breached;
mod rules;
mod strength;

/// A password that has passed the rules and is hashed: it only needs to be committed.
#[derive(Clone)]
pub struct Prepared {
    user: UserId,
    hash: String,
    history: usize,
    /// Whoever sets it knows it, unless they are its owner: a hash tells nobody.
    known: bool,
}

impl Prepared {
    /// Sets the password: ends sessions and links, and tells the user. One that must be changed is good for a while only.
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
        if must_change && self.known {
            credentials::lend(tx, self.user)?;
        }
        sessions::remove_link(tx, self.user)?;
        if !first {
            outbox::tell(tx, &user, Body::PasswordChanged)?;
        }
        Ok(user)
    }
}
