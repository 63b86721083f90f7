//! The steps after the password: prove a factor, enrol one, set a new password. Each takes the login's token,
//! is taken only when the login waits for it, and ends in the flow's next decision.

use super::flow::{self, Step};
use super::login::{Authenticator, LoginError, Origin, Outcome, user};
use super::throttle::Key;
use super::totp::{self, Enrolment};
use crate::base::secret::{Secret, TokenHash, TokenKind, hash_token};
use crate::directory::audit::Actor;
use crate::directory::factor::Method;
use crate::directory::login::{Login, Stage};
use crate::directory::message::Body;
use crate::directory::user::User;
use crate::store::tx::{Reads, Tx};
use crate::store::{StoreError, credentials, logins, users};

impl Authenticator {
    /// What a login waits for.
    ///
    /// # Errors
    /// When there is no such login, or it waits for no challenge.
    pub fn challenge(&self, transaction: &Secret) -> Result<(Login, User), LoginError> {
        let (_, login, user) = self.live(&self.store.view(), transaction)?;
        expect(&login, Step::Challenge)?;
        Ok((login, user))
    }

    /// Proves a second factor, or the one that is being enrolled, by a code.
    ///
    /// # Errors
    /// [`LoginError::InvalidCredentials`] for a wrong or used code; the login then still waits.
    pub async fn verify_code(&self, transaction: &Secret, code: &str, origin: &Origin) -> Result<Outcome, LoginError> {
        let (hash, login, _) = self.live(&self.store.view(), transaction)?;
        expect(&login, Step::Verify)?;
        let key = Key::Code(login.user);
        self.throttle.begin(key, self.store.clock().now()).map_err(LoginError::TooManyAttempts)?;
        let conclusion = self.conclusion(origin);
        let (transaction, code) = (transaction.clone(), code.to_owned());
        let author = origin.author(Actor::User { id: login.user });
        let write = move |tx: &mut Tx<'_>| -> Result<Result<Outcome, LoginError>, LoginError> {
            let (mut login, user) = waiting(tx, hash, Step::Verify)?;
            if !accept_any(tx, &login, &code)? {
                return Err(LoginError::InvalidCredentials);
            }
            if login.stage == Stage::Enrolment {
                super::passwords::tell(tx, &user, Body::FactorAdded)?;
                let entry = crate::store::audit::Entry::new("factor.added", users::target(&user));
                crate::store::audit::append(tx, &author, entry)?;
            }
            login.methods.insert(Method::Totp);
            login.enrolling = None;
            Ok(conclusion.conclude(tx, login, &transaction, false))
        };
        let outcome = self.store.write(write).await?;
        self.throttle.clear(key);
        outcome
    }

    /// Begins to enrol a TOTP factor in a login that asks for one.
    ///
    /// # Errors
    /// When the login does not ask for it.
    pub async fn enrol(&self, transaction: &Secret) -> Result<Enrolment, LoginError> {
        let (hash, login, _) = self.live(&self.store.view(), transaction)?;
        expect(&login, Step::Enrol)?;
        let issuer = self.settings.issuer.clone();
        let write = move |tx: &mut Tx<'_>| {
            let (login, user) = waiting(tx, hash, Step::Enrol)?;
            let enrolment = totp::enrol(tx, &user, &issuer)?;
            logins::put(tx, hash, &Login { enrolling: Some(enrolment.factor), ..login })?;
            Ok(enrolment)
        };
        self.store.write(write).await
    }

    /// Sets the new password that a login asks for.
    ///
    /// # Errors
    /// [`LoginError::Password`] with every rule that the new one breaks; the login then still waits.
    pub async fn change_password(
        &self,
        transaction: &Secret,
        new: &Secret,
        origin: &Origin,
    ) -> Result<Outcome, LoginError> {
        let (hash, login, user) = self.live(&self.store.view(), transaction)?;
        expect(&login, Step::Password)?;
        let prepared = self.prepare_password(&user, new).await?;
        let conclusion = self.conclusion(origin);
        let author = origin.author(Actor::User { id: user.id });
        let transaction = transaction.clone();
        let write = move |tx: &mut Tx<'_>| -> Result<Result<Outcome, LoginError>, LoginError> {
            let (login, _) = waiting(tx, hash, Step::Password)?;
            let user = prepared.commit(tx, &author, false)?;
            // Everything else that the user held has ended; this login goes on.
            let login = Login { epoch: user.session_epoch, password_changed: true, ..login };
            Ok(conclusion.conclude(tx, login, &transaction, false))
        };
        self.store.write(write).await?
    }

    fn live(&self, reads: &dyn Reads, transaction: &Secret) -> Result<(TokenHash, Login, User), LoginError> {
        let hash = hash_token(TokenKind::Transaction, transaction.expose()).ok_or(LoginError::NoSuchTransaction)?;
        let login = logins::get(reads, hash)?.ok_or(LoginError::NoSuchTransaction)?;
        let user = user(reads, login.user)?;
        let now = self.store.clock().now();
        if login.is_live(&user, now) && user.is_valid(now) {
            Ok((hash, login, user))
        } else {
            Err(LoginError::NoSuchTransaction)
        }
    }
}

/// The login and its user as they are at the moment of the write: whatever happened since the step began counts.
/// A login that waits for an enrolment is over once a factor is there, by whomever it was enrolled.
fn waiting(tx: &Tx<'_>, hash: TokenHash, step: Step) -> Result<(Login, User), LoginError> {
    let login = logins::get(tx, hash)?.ok_or(LoginError::NoSuchTransaction)?;
    let user = user(tx, login.user)?;
    let late = login.stage == Stage::Enrolment && credentials::factors(tx, user.id)?.iter().any(|one| one.confirmed);
    if late || !login.is_live(&user, tx.now()) || !user.is_valid(tx.now()) {
        return Err(LoginError::NoSuchTransaction);
    }
    expect(&login, step)?;
    Ok((login, user))
}

fn expect(login: &Login, step: Step) -> Result<(), LoginError> {
    if flow::accepts(login, step) { Ok(()) } else { Err(LoginError::WrongStep(login.stage)) }
}

/// Tries the code on the factor under enrolment, or on every confirmed one.
fn accept_any(tx: &mut Tx<'_>, login: &Login, code: &str) -> Result<bool, StoreError> {
    for factor in credentials::factors(tx, login.user)? {
        let asked = match login.stage {
            Stage::Enrolment => login.enrolling == Some(factor.id),
            _ => factor.confirmed,
        };
        if asked && totp::accept(tx, login.user, &factor, code)? {
            return Ok(true);
        }
    }
    Ok(false)
}
