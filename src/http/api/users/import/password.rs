//! Passwords that come in a file: in the clear, by the rules that hold everywhere (promise 11), or as hashes.

use std::time::Duration;

use super::row::Faults;
use crate::auth::login::LoginError;
use crate::base::secret::Secret;
use crate::directory::plan::Fault;
use crate::directory::user::User;
use crate::exchange::{Column, Row};
use crate::http::error::Problem;
use crate::http::state::App;
use crate::store::passwords::NewPassword;
use crate::store::{StoreError, credentials};

/// Most passwords in the clear of one file: each costs a hash.
const CLEAR_MAX: usize = 10_000;
/// How often, and after which pause, a hash is asked for where those who log in go first.
const TRIES: u32 = 600;
const PAUSE: Duration = Duration::from_millis(50);

/// Prepares the passwords of a file, one after the other.
pub(super) struct Passwords<'a> {
    app: &'a App,
    runtime: &'a tokio::runtime::Handle,
    clear: usize,
    /// Nothing is set: no hash is made.
    dry_run: bool,
}

impl<'a> Passwords<'a> {
    pub(super) fn new(app: &'a App, runtime: &'a tokio::runtime::Handle, dry_run: bool) -> Self {
        Self { app, runtime, clear: 0, dry_run }
    }

    /// The password that a row sets for a user as the row makes them, if it sets one, and whether it must be changed.
    pub(super) fn of(
        &mut self,
        row: &Row,
        user: &User,
        must_change: Option<bool>,
    ) -> Result<Option<(NewPassword, bool)>, Faults> {
        match (row.secret(Column::Password), row.secret(Column::PasswordHash)) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(vec![Fault::at("password_hash", "one_of", "goes without password")].into()),
            // Whoever wrote it down knows it.
            (Some(clear), None) => Ok(Some((self.hashed(user, clear)?, must_change.unwrap_or(true)))),
            (None, Some(hash)) => {
                let held = credentials::get(&self.app.store.view(), user.id)?;
                if held.is_some_and(|held| held.hash == hash.expose()) {
                    return Ok(None);
                }
                let prepared = self.app.auth.prepare_hash(user, hash).map_err(refused)?;
                Ok(Some((prepared.password, must_change.unwrap_or(user.must_change_password))))
            }
        }
    }

    fn hashed(&mut self, user: &User, clear: &Secret) -> Result<NewPassword, Faults> {
        self.clear = self.clear.saturating_add(1);
        if self.clear > CLEAR_MAX {
            let message = format!("is one of more than {CLEAR_MAX} in the clear: give hashes, or split the file");
            return Err(vec![Fault::at("password", "too_many_passwords", message)].into());
        }
        let prepare = async {
            let mut tries = 0;
            loop {
                let done = match self.dry_run {
                    true => self.app.auth.check_password(user, clear).await.map(|()| NewPassword::none()),
                    false => self.app.auth.prepare_password(user, clear).await.map(|prepared| prepared.password),
                };
                match done {
                    Err(LoginError::Busy) if tries < TRIES => tokio::time::sleep(PAUSE).await,
                    done => return done,
                }
                tries += 1;
            }
        };
        self.runtime.block_on(prepare).map_err(refused)
    }
}

fn refused(error: LoginError) -> Faults {
    match error {
        LoginError::Store(error) => Faults::Store(error),
        LoginError::Password(faults) => Faults::Of(faults.into_iter().map(Fault::from).collect()),
        other => {
            let problem = Problem::from(other);
            Faults::Of(vec![Fault::at("password", problem.code, problem.detail)])
        }
    }
}

impl From<Vec<Fault>> for Faults {
    fn from(faults: Vec<Fault>) -> Self {
        Self::Of(faults)
    }
}

impl From<StoreError> for Faults {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
