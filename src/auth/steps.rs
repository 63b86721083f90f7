//! The steps after the password: prove a factor, enrol one, set a new password. Each takes the login's token,
//! is taken only when the login waits for it, and ends in the flow's next decision.

use super::factors::{Action, Ask, Enrolment, Factors, Shown, has_room};
use super::flow::{self, Done, Step};
use super::login::{Authenticator, LoginError, Origin, Outcome, user};
use super::prove::{self, Chosen, Given, Prove, Wish};
use crate::base::secret::{Secret, TokenHash, TokenKind, hash_token};
use crate::directory::audit::Actor;
use crate::directory::factor::Method;
use crate::directory::login::{Login, Stage};
use crate::directory::user::User;
use crate::store::challenges::{Flow, Purpose};
use crate::store::credentials::{self, Factor};
use crate::store::tx::{Reads, Tx};
use crate::store::{Store, logins, users};

/// A login that waits for its next step, as it was read.
struct Live {
    hash: TokenHash,
    login: Login,
    user: User,
}

impl Live {
    /// Where a step comes from. An application named its client's address when it began: its own is not the client's.
    fn origin(&self, origin: &Origin) -> Origin {
        match origin.client {
            Some(_) => Origin { address: self.login.address, ..origin.clone() },
            None => origin.clone(),
        }
    }

    fn ask<'a>(&self, user: &'a User, origin: &Origin) -> Ask<'a> {
        let purpose = if self.login.stage == Stage::Enrolment { Purpose::Enrol } else { Purpose::Login };
        Ask { user, flow: Flow::Login(self.hash), purpose, network: origin.address }
    }
}

impl Authenticator {
    /// Has what a login waits for asked: a code sent, a passkey's challenge made.
    ///
    /// # Errors
    /// When there is no such login, it waits for no challenge, or the method cannot be asked now.
    pub async fn challenge(
        &self,
        transaction: &Secret,
        chosen: Chosen,
        origin: &Origin,
    ) -> Result<(Method, Shown, Login), LoginError> {
        let live = self.live(&self.store.view(), transaction, origin)?;
        let origin = &live.origin(origin);
        self.admit(origin).await?;
        expect(&live.login, Step::Challenge)?;
        let (method, factors) = chosen.among(self.asked(&self.store.view(), &live.login, &live.user)?)?;
        let kind = self.kind(method)?;
        let ask = live.ask(&live.user, origin);
        let ahead = kind.ahead(&self.store, &ask, Action::Challenge, &factors).await?;
        let (origin, this) = (origin.clone(), self.stepper());
        let write = move |tx: &mut Tx<'_>| {
            let (login, user) = this.waiting(tx, live.hash, Step::Challenge)?;
            let (_, factors) = chosen.among(this.asked(tx, &login, &user)?)?;
            let shown = kind.challenge(tx, &live.ask(&user, &origin), &factors, &ahead)?;
            Ok::<_, LoginError>((method, shown, login))
        };
        self.store.write(write).await
    }

    /// Proves a second factor, or the one that is being enrolled.
    ///
    /// # Errors
    /// [`LoginError::InvalidCredentials`] for a wrong or used answer; the login then still waits.
    pub async fn verify_factor(
        &self,
        transaction: &Secret,
        chosen: Chosen,
        given: Given,
        origin: &Origin,
    ) -> Result<Outcome, LoginError> {
        let live = self.live(&self.store.view(), transaction, origin)?;
        let origin = &live.origin(origin);
        self.admit(origin).await?;
        expect(&live.login, Step::Verify)?;
        let (method, factors) = chosen.among(self.asked(&self.store.view(), &live.login, &live.user)?)?;
        let kind = self.kind(method)?;
        let counted = self.count_try(&live.user, method, origin).await?;
        let ask = live.ask(&live.user, origin);
        let ahead = match kind.ahead(&self.store, &ask, Action::Accept, &factors).await {
            Ok(ahead) => ahead,
            Err(error) => {
                self.uncount(&counted);
                return Err(error.into());
            }
        };
        let conclusion = self.conclusion(origin).trusting(given.trust_device);
        let (transaction, this, origin) = (transaction.clone(), self.stepper(), origin.clone());
        let author = origin.author(Actor::User { id: live.user.id });
        let note = self.note_counted(&counted, &users::target(&live.user), &author);
        let write = move |tx: &mut Tx<'_>| -> Result<Result<Outcome, LoginError>, LoginError> {
            let (login, user) = this.waiting(tx, live.hash, Step::Verify)?;
            let (_, factors) = chosen.among(this.asked(tx, &login, &user)?)?;
            let ask = live.ask(&user, &origin);
            let prove = Prove { kind: &*kind, ask: &ask, factors: &factors, ahead: &ahead, author: &author };
            if !prove.accept(tx, &given.response)? {
                note(tx)?;
                return Ok(Err(LoginError::InvalidCredentials));
            }
            let done = match login.stage {
                Stage::Enrolment => Done::Enrolled(method, prove::added(tx, &author, &user, method)?.session_epoch),
                Stage::Factor | Stage::PasswordChange(_) => Done::Proved(method),
            };
            Ok(conclusion.conclude(tx, flow::after(login, done), &transaction))
        };
        let outcome = self.store.write(write).await;
        self.settle(&counted, &outcome);
        outcome?
    }

    /// Begins to enrol a factor in a login that asks for one.
    ///
    /// # Errors
    /// When the login does not ask for it, or the method cannot be had.
    pub async fn enrol(
        &self,
        transaction: &Secret,
        wish: Wish,
        origin: &Origin,
    ) -> Result<(Method, Enrolment), LoginError> {
        let live = self.live(&self.store.view(), transaction, origin)?;
        let origin = &live.origin(origin);
        self.admit(origin).await?;
        expect(&live.login, Step::Enrol)?;
        let kind = self.to_enrol(wish)?;
        let ahead = kind.ahead(&self.store, &live.ask(&live.user, origin), Action::Enrol, &[]).await?;
        let (this, origin) = (self.stepper(), origin.clone());
        let write = move |tx: &mut Tx<'_>| {
            let (login, user) = this.waiting(tx, live.hash, Step::Enrol)?;
            has_room(tx, &user)?;
            let enrolment = kind.enrol(tx, &live.ask(&user, &origin), &ahead)?;
            logins::put(tx, live.hash, &Login { enrolling: Some(enrolment.factor), ..login })?;
            Ok::<_, LoginError>((kind.method(), enrolment))
        };
        self.store.write(write).await
    }

    /// Sets the new password that a login asks for.
    ///
    /// # Errors
    /// [`LoginError::Password`] with every rule that the new one breaks; the login then still waits, a few times.
    pub async fn change_password(
        &self,
        transaction: &Secret,
        new: &Secret,
        origin: &Origin,
    ) -> Result<Outcome, LoginError> {
        let live = self.live(&self.store.view(), transaction, origin)?;
        let origin = &live.origin(origin);
        self.admit(origin).await?;
        let Live { hash, login, user } = live;
        expect(&login, Step::Password)?;
        let (conclusion, this) = (self.conclusion(origin), self.stepper());
        this.try_password(&self.store, hash).await?;
        let prepared = self.prepare_password(&user, new).await?;
        let author = origin.author(Actor::User { id: user.id });
        let transaction = transaction.clone();
        let write = move |tx: &mut Tx<'_>| -> Result<Result<Outcome, LoginError>, LoginError> {
            let (login, _) = this.waiting(tx, hash, Step::Password)?;
            // Everything else that the user held ends; this login goes on.
            let epoch = prepared.commit(tx, &author, false)?.session_epoch;
            Ok(conclusion.conclude(tx, flow::after(login, Done::PasswordChanged(epoch)), &transaction))
        };
        self.store.write(write).await?
    }

    /// The login of a token, for the client whose login it is.
    fn live(&self, reads: &dyn Reads, transaction: &Secret, origin: &Origin) -> Result<Live, LoginError> {
        let hash = hash_token(TokenKind::Transaction, transaction.expose()).ok_or(LoginError::NoSuchTransaction)?;
        let login = logins::get(reads, hash)?.ok_or(LoginError::NoSuchTransaction)?;
        let user = user(reads, login.user)?;
        let now = self.store.clock().now();
        if login.is_live(&user, now) && user.is_valid(now) && login.client == origin.client {
            Ok(Live { hash, login, user })
        } else {
            Err(LoginError::NoSuchTransaction)
        }
    }

    fn asked(&self, reads: &dyn Reads, login: &Login, user: &User) -> Result<Vec<Factor>, LoginError> {
        self.stepper().asked(reads, login, user)
    }

    fn stepper(&self) -> Stepper {
        Stepper { factors: self.factors.clone() }
    }
}

/// What a step looks at again in its transaction.
#[derive(Clone)]
struct Stepper {
    factors: Factors,
}

impl Stepper {
    /// The login and its user as they are at the moment of the write: whatever happened since the step began counts.
    /// A login that waits for an enrolment is over once a factor is there, by whomever it was enrolled.
    fn waiting(&self, tx: &Tx<'_>, hash: TokenHash, step: Step) -> Result<(Login, User), LoginError> {
        let login = logins::get(tx, hash)?.ok_or(LoginError::NoSuchTransaction)?;
        let user = user(tx, login.user)?;
        let usable = self.factors.usable(&user, &credentials::factors(tx, user.id)?);
        let late = login.stage == Stage::Enrolment && !usable.is_empty();
        if late || !login.is_live(&user, tx.now()) || !user.is_valid(tx.now()) {
            return Err(LoginError::NoSuchTransaction);
        }
        expect(&login, step)?;
        Ok((login, user))
    }

    /// Counts a new password before it is looked at, so that those that come at once are counted too. A login in which
    /// too many were tried is over.
    async fn try_password(&self, store: &Store, hash: TokenHash) -> Result<(), LoginError> {
        let this = self.clone();
        let write = move |tx: &mut Tx<'_>| {
            let (login, _) = this.waiting(tx, hash, Step::Password)?;
            let Some(tried) = login.tried.and_another() else {
                logins::remove(tx, hash);
                return Ok::<_, LoginError>(Err(LoginError::NoSuchTransaction));
            };
            logins::put(tx, hash, &Login { tried, ..login })?;
            Ok(Ok(()))
        };
        store.write(write).await?
    }

    /// The factors that this login asks for: the one under enrolment, or all that can be asked for.
    fn asked(&self, reads: &dyn Reads, login: &Login, user: &User) -> Result<Vec<Factor>, LoginError> {
        match (login.stage, login.enrolling) {
            (Stage::Enrolment, Some(id)) => Ok(credentials::factor(reads, user.id, id)?.into_iter().collect()),
            (Stage::Enrolment, None) => Ok(Vec::new()),
            (Stage::Factor | Stage::PasswordChange(_), _) => Ok(self.factors.offered(reads, user)?),
        }
    }
}

fn expect(login: &Login, step: Step) -> Result<(), LoginError> {
    if flow::accepts(login, step) { Ok(()) } else { Err(LoginError::WrongStep(login.stage)) }
}
