//! What a user changes of their own credentials, with a fresh proof each time: a stolen session is not enough. The proof is
//! a second factor where they have one, else the password (ASVS 7.5.1).

use std::time::Duration;

use jiff::Timestamp;

use super::factors::{Action, Ask, Enrolment, Response, Shown, has_room, recovery};
use super::login::{Authenticator, LoginError, Origin, user};
use super::prove::{self, Chosen, Prove, Wish};
use crate::base::clock::plus;
use crate::base::id::{FactorId, SessionId, UserId};
use crate::base::secret::{Secret, TokenKind, hash_token, new_token};
use crate::directory::audit::{Actor, Author};
use crate::directory::factor::Method;
use crate::directory::field::{DisplayName, FieldError};
use crate::directory::message::Body;
use crate::directory::policy::FactorRule;
use crate::directory::session::Session;
use crate::directory::user::{RuleError, User};
use crate::store::audit::{self, Entry};
use crate::store::challenges::{Flow, Purpose};
use crate::store::credentials::{self, Factor};
use crate::store::tx::{Reads, Tx};
use crate::store::users::{self, WriteError};
use crate::store::{StoreError, outbox, sessions};

/// An enrolment that was begun is to be confirmed within this time: what proved who began it is older then.
const ENROLMENT: Duration = Duration::from_secs(900);

/// Somebody with a session, who changes something of their own.
#[derive(Clone)]
pub struct Me {
    /// Who.
    pub user: User,
    /// In which session.
    pub session: Session,
    /// From where.
    pub origin: Origin,
}

/// A fresh proof of who asks.
#[derive(Clone, Default)]
pub struct Proof {
    /// The password: enough for who has no second factor.
    pub password: Option<Secret>,
    /// Which second factor.
    pub chosen: Chosen,
    /// The answer for it.
    pub response: Response,
}

impl Proof {
    /// Is there something to look at, for who has these factors?
    pub(super) fn must_be_for(&self, offered: &[Factor]) -> Result<(), LoginError> {
        let answered = self.response.code.is_some() || self.response.credential.is_some();
        match offered {
            [] if self.password.is_none() => Err(LoginError::ProofRequired(vec![Method::Password])),
            [_, ..] if !answered && self.chosen == Chosen::default() => {
                Err(LoginError::ProofRequired(offered.iter().map(Factor::method).collect()))
            }
            _ => Ok(()),
        }
    }
}

/// The session that goes on after a change that ended all of them.
pub struct Renewed {
    /// Its token, shown once.
    pub token: Secret,
    /// The session.
    pub session: Session,
}

impl Me {
    pub(super) fn author(&self) -> Author {
        self.origin.author(Actor::User { id: self.user.id })
    }

    fn ask<'a>(&self, user: &'a User, purpose: Purpose) -> Ask<'a> {
        Ask { user, flow: Flow::Session(self.session.id), purpose, network: self.origin.address }
    }

    /// The user as they are now, if this session still counts.
    pub(super) fn now(&self, tx: &Tx<'_>) -> Result<User, LoginError> {
        let user = user(tx, self.user.id)?;
        let holds = user.session_epoch == self.session.epoch && user.is_valid(tx.now());
        if holds { Ok(user) } else { Err(LoginError::NoSuchTransaction) }
    }
}

impl Authenticator {
    /// Has a second factor asked for that is to be proved for a change.
    ///
    /// # Errors
    /// When there is none, or it cannot be asked for now.
    pub async fn challenge_own(&self, me: &Me, chosen: Chosen) -> Result<(Method, Shown), LoginError> {
        let offered = self.factors.offered(&self.store.view(), &me.user)?;
        self.ask_own(me, Purpose::Prove, chosen.among(offered)?).await
    }

    /// Has the factor that is being enrolled asked for again.
    ///
    /// # Errors
    /// When there is none, or it cannot be asked for now.
    pub async fn challenge_enrolment(&self, me: &Me, factor: FactorId) -> Result<(Method, Shown), LoginError> {
        let factor = unconfirmed(&self.store.view(), me.user.id, factor, self.store.clock().now())?;
        self.ask_own(me, Purpose::Enrol, (factor.method(), vec![factor])).await
    }

    async fn ask_own(
        &self,
        me: &Me,
        purpose: Purpose,
        (method, factors): (Method, Vec<Factor>),
    ) -> Result<(Method, Shown), LoginError> {
        let kind = self.kind(method)?;
        let ahead = kind.ahead(&self.store, &me.ask(&me.user, purpose), Action::Challenge, &factors).await?;
        let me = me.clone();
        let write = move |tx: &mut Tx<'_>| {
            let user = me.now(tx)?;
            Ok::<_, LoginError>((method, kind.challenge(tx, &me.ask(&user, purpose), &factors, &ahead)?))
        };
        self.store.write(write).await
    }

    /// Begins to enrol a factor.
    ///
    /// # Errors
    /// When the proof is wrong, or the method cannot be had.
    pub async fn enrol_factor(&self, me: &Me, wish: Wish, proof: &Proof) -> Result<(Method, Enrolment), LoginError> {
        let kind = self.to_enrol(wish)?;
        let method = kind.method();
        // Nobody else is asked for anything before there is a proof to look at.
        proof.must_be_for(&self.factors.offered(&self.store.view(), &me.user)?)?;
        let ahead = kind.ahead(&self.store, &me.ask(&me.user, Purpose::Enrol), Action::Enrol, &[]).await?;
        let who = me.clone();
        let act = move |tx: &mut Tx<'_>, user: &User| {
            has_room(tx, user)?;
            Ok(kind.enrol(tx, &who.ask(user, Purpose::Enrol), &ahead)?)
        };
        Ok((method, self.with_proof(me, proof, act).await?))
    }

    /// Confirms a factor by its first answer; from then on it is asked for at login. Every session ends; the one in which
    /// it is done goes on under a new token.
    ///
    /// # Errors
    /// When the answer is wrong, or there is no such factor to confirm.
    pub async fn confirm_factor(&self, me: &Me, id: FactorId, response: Response) -> Result<Renewed, LoginError> {
        let now = self.store.clock().now();
        let factors = vec![unconfirmed(&self.store.view(), me.user.id, id, now)?];
        let method = factors.first().map_or(Method::Totp, Factor::method);
        let who = me.clone();
        let act = move |tx: &mut Tx<'_>, user: &User| {
            let user = prove::added(tx, &who.author(), user, method)?;
            Ok(renew(tx, &who.session, &user, Some(method))?)
        };
        let read = move |reads: &dyn Reads, user: &User| Ok(vec![unconfirmed(reads, user.id, id, now)?]);
        self.answered(me, Purpose::Enrol, (method, factors), response, read, act).await
    }

    /// Removes a factor. The last one stays where policy wants one.
    ///
    /// # Errors
    /// When the proof is wrong, or policy wants the factor.
    pub async fn remove_factor(&self, me: &Me, id: FactorId, proof: &Proof) -> Result<Renewed, LoginError> {
        let (policy, factors, who) = (self.policy(), self.factors.clone(), me.clone());
        let act = move |tx: &mut Tx<'_>, user: &User| {
            let gone = credentials::factor(tx, user.id, id)?.ok_or(WriteError::NotFound("factor"))?;
            credentials::remove_factor(tx, user.id, id)?;
            let left = factors.usable(user, &credentials::factors(tx, user.id)?);
            if !credentials::factors(tx, user.id)?.iter().any(is_second) {
                // What stood in for it would open the next one too.
                recovery::forget(tx, user.id)?;
            }
            if gone.stands_for(user) && left.is_empty() && policy.rule_for(tx, user)?.0 == FactorRule::Required {
                return Err(refused("is the last one, and your directory asks for one: enrol another first"));
            }
            let user = users::update(tx, &who.author(), user.id, "user.changed", |user, _| Ok(user.end_sessions()))?;
            let mut entry = Entry::new("factor.removed", users::target(&user));
            entry.details.insert("method".to_owned(), gone.method().name().into());
            audit::append(tx, &who.author(), entry)?;
            outbox::tell(tx, &user, Body::FactorRemoved { method: gone.method() })?;
            Ok(renew(tx, &who.session, &user, None)?)
        };
        self.with_proof(me, proof, act).await
    }

    /// Gives a factor another name.
    ///
    /// # Errors
    /// When there is none.
    pub async fn rename_factor(&self, me: &Me, id: FactorId, name: DisplayName) -> Result<(), LoginError> {
        let me = me.clone();
        let write = move |tx: &mut Tx<'_>| {
            let user = me.now(tx)?;
            let factor = credentials::factor(tx, user.id, id)?.ok_or(WriteError::NotFound("factor"))?;
            credentials::put_factor(tx, user.id, &Factor { name: name.as_str().to_owned(), ..factor })?;
            audit::append(tx, &me.author(), Entry::new("factor.renamed", users::target(&user)))?;
            Ok::<_, LoginError>(())
        };
        self.store.write(write).await
    }

    /// Makes new recovery codes; the old ones are over.
    ///
    /// # Errors
    /// When the proof is wrong, or there is no second factor for which they could stand in.
    pub async fn new_recovery_codes(&self, me: &Me, proof: &Proof) -> Result<Enrolment, LoginError> {
        let (kind, factors, who) = (self.kind(Method::Recovery)?, self.factors.clone(), me.clone());
        let act = move |tx: &mut Tx<'_>, user: &User| {
            if factors.usable(user, &credentials::factors(tx, user.id)?).is_empty() {
                return Err(refused("is not there: recovery codes stand in for one, enrol it first"));
            }
            let made = kind.enrol(tx, &who.ask(user, Purpose::Enrol), &serde_json::Value::Null)?;
            audit::append(tx, &who.author(), Entry::new("recovery_codes.made", users::target(user)))?;
            outbox::tell(tx, user, Body::FactorEnrolled { method: Method::Recovery })?;
            Ok(made)
        };
        self.with_proof(me, proof, act).await
    }

    /// Does something once the user has proved who they are, in the commit of the proof.
    pub(super) async fn with_proof<T: Send + 'static>(
        &self,
        me: &Me,
        proof: &Proof,
        act: impl FnMut(&mut Tx<'_>, &User) -> Result<T, LoginError> + Send + 'static,
    ) -> Result<T, LoginError> {
        let offered = self.factors.offered(&self.store.view(), &me.user)?;
        proof.must_be_for(&offered)?;
        if let (true, Some(password)) = (offered.is_empty(), &proof.password) {
            self.prove_password(&me.user, password, &me.origin).await?;
            return self.without_factor(me, act).await;
        }
        let chosen = proof.chosen;
        let found = chosen.among(offered)?;
        let factors = self.factors.clone();
        let read = move |reads: &dyn Reads, user: &User| Ok(chosen.among(factors.offered(reads, user)?)?.1);
        self.answered(me, Purpose::Prove, found, proof.response.clone(), read, act).await
    }

    /// Does something for who has proved the password, as long as there is no factor that would have to be proved.
    pub(super) async fn without_factor<T: Send + 'static>(
        &self,
        me: &Me,
        mut act: impl FnMut(&mut Tx<'_>, &User) -> Result<T, LoginError> + Send + 'static,
    ) -> Result<T, LoginError> {
        let (me, factors) = (me.clone(), self.factors.clone());
        let write = move |tx: &mut Tx<'_>| {
            let user = me.now(tx)?;
            match factors.offered(tx, &user)?.is_empty() {
                true => act(tx, &user),
                false => Err(LoginError::NoSuchTransaction),
            }
        };
        self.store.write(write).await
    }

    /// Looks at an answer, which counts as a try, and does something with it in the same commit.
    async fn answered<T: Send + 'static>(
        &self,
        me: &Me,
        purpose: Purpose,
        (method, factors): (Method, Vec<Factor>),
        response: Response,
        read: impl Fn(&dyn Reads, &User) -> Result<Vec<Factor>, LoginError> + Send + 'static,
        mut act: impl FnMut(&mut Tx<'_>, &User) -> Result<T, LoginError> + Send + 'static,
    ) -> Result<T, LoginError> {
        let kind = self.kind(method)?;
        let counted = self.count_try(&me.user, method, &me.origin).await?;
        let ahead = match kind.ahead(&self.store, &me.ask(&me.user, purpose), Action::Accept, &factors).await {
            Ok(ahead) => ahead,
            Err(error) => {
                self.uncount(&counted);
                return Err(error.into());
            }
        };
        let (me, author) = (me.clone(), me.author());
        let note = self.note_counted(&counted, &users::target(&me.user), &author);
        let write = move |tx: &mut Tx<'_>| -> Result<Result<T, LoginError>, LoginError> {
            let user = me.now(tx)?;
            let factors = read(tx, &user)?;
            let ask = me.ask(&user, purpose);
            let prove = Prove { kind: &*kind, ask: &ask, factors: &factors, ahead: &ahead, author: &author };
            match prove.accept(tx, &response)? {
                // What was proved is used up, whatever comes of the change.
                true => Ok(tx.attempt(|tx| act(tx, &user))),
                false => {
                    note(tx)?;
                    Ok(Err(LoginError::InvalidCredentials))
                }
            }
        };
        let outcome = self.store.write(write).await;
        self.settle(&counted, &outcome);
        outcome?
    }
}

/// The session goes on under a new token, at the user's new epoch; the old token opens nothing any more.
fn renew(tx: &mut Tx<'_>, old: &Session, user: &User, proved: Option<Method>) -> Result<Renewed, StoreError> {
    for (hash, session) in sessions::list(tx, user.id)? {
        if session.id == old.id {
            sessions::remove(tx, hash, &session)?;
        }
    }
    let now = tx.now();
    let token = new_token(TokenKind::Session, tx.rng());
    let hash = hash_token(TokenKind::Session, token.expose()).ok_or(StoreError::Stopped)?;
    let mut session = old.clone();
    session.id = SessionId::new(now, tx.rng());
    session.epoch = user.session_epoch;
    session.authenticated_at = now;
    session.last_used_at = now;
    session.methods.extend(proved);
    sessions::create(tx, hash, &session)?;
    Ok(Renewed { token, session })
}

/// Is it a second factor, and nothing that only stands in for one?
fn is_second(factor: &Factor) -> bool {
    factor.confirmed && factor.method() != Method::Recovery
}

/// A factor that is under enrolment.
fn unconfirmed(reads: &dyn Reads, user: UserId, id: FactorId, now: Timestamp) -> Result<Factor, LoginError> {
    let is_open = |factor: &Factor| !factor.confirmed && now < plus(factor.created_at, ENROLMENT);
    let found = credentials::factor(reads, user, id)?.filter(is_open);
    found.ok_or(LoginError::Write(WriteError::NotFound("factor to confirm")))
}

pub(super) fn refused(text: &str) -> LoginError {
    WriteError::Rule(RuleError::Invalid(vec![FieldError::new("factor", "required", text)])).into()
}
