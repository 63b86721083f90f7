//! New passwords. What may be set is decided in `passwords/rules.rs`, for every path (promise 11); how it is written, in
//! `store/passwords.rs`.

use crate::base::id::UserId;
use crate::directory::audit::Author;
use crate::directory::user::User;
use crate::store::passwords::NewPassword;
use crate::store::tx::Tx;
use crate::store::users::WriteError;

pub mod breached;
mod rules;
mod strength;

/// A password that has passed the rules for a user and is hashed.
#[derive(Clone)]
pub struct Prepared {
    user: UserId,
    /// What is written.
    pub password: NewPassword,
}

impl Prepared {
    /// Sets the password: ends sessions and links, and tells the user. One that must be changed is good for a while only.
    ///
    /// # Errors
    /// When the user is gone or the store fails.
    pub fn commit(&self, tx: &mut Tx<'_>, author: &Author, must_change: bool) -> Result<User, WriteError> {
        self.password.set(tx, author, self.user, must_change)
    }
}
