//! The end of every step of a login: decides, in one transaction with everything it rests on, what comes next.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::device;
use super::factors::Factors;
use super::flow::{self, Enrolled, Facts, Next};
use super::login::{LoginError, Origin, Outcome, details, refusal_name};
use super::power::Policy;
use super::settings::Settings;
use crate::base::clock::plus;
use crate::base::id::{SessionId, SourceId};
use crate::base::secret::{Secret, TokenHash, TokenKind, hash_token, new_token};
use crate::directory::audit::{Actor, Author};
use crate::directory::factor::Method;
use crate::directory::login::{Login, Stage};
use crate::directory::session::Session;
use crate::directory::user::User;
use crate::store::audit::Entry;
use crate::store::credentials::Factor;
use crate::store::tx::{Reads, Tx};
use crate::store::{StoreError, audit, credentials, logins, sessions, users};

/// Decides, in one transaction with everything it rests on, what a login needs next; and does it.
#[derive(Clone)]
pub(super) struct Conclusion {
    pub(super) settings: Settings,
    /// By source: may its users log in; does musterd keep their passwords.
    pub(super) sources: BTreeMap<SourceId, (bool, bool)>,
    /// Who is asked for a second factor.
    pub(super) policy: Policy,
    /// How it can be proved.
    pub(super) factors: Factors,
    pub(super) origin: Origin,
    /// The client's device shall be trusted once it is in.
    pub(super) trust: bool,
}

impl Conclusion {
    /// The same; with `true`, the client's device is trusted from then on, as far as the settings allow it.
    pub(super) fn trusting(self, trust: bool) -> Self {
        Self { trust, ..self }
    }

    /// Reads the user afresh, so that whatever happened since the password was verified counts.
    ///
    /// A refusal is written too: that is why it is the value of the transaction, not its failure.
    pub(super) fn conclude(
        &self,
        tx: &mut Tx<'_>,
        mut login: Login,
        transaction: &Secret,
    ) -> Result<Outcome, LoginError> {
        let now = tx.now();
        let user = users::get(tx, login.user)?.ok_or(LoginError::InvalidCredentials)?;
        let hash = hash_token(TokenKind::Transaction, transaction.expose()).ok_or(LoginError::NoSuchTransaction)?;
        if !login.is_live(&user, now) && user.is_valid(now) {
            return Err(LoginError::NoSuchTransaction);
        }
        let author = self.origin.author(Actor::User { id: user.id });
        match flow::next(&self.facts(tx, &user, &login, now)?, &login) {
            Next::Refuse(refusal) => {
                logins::remove(tx, hash);
                let entry =
                    Entry { details: details(login.asked), ..Entry::new("login.refused", users::target(&user)) };
                audit::append(tx, &author.because(refusal_name(refusal)), entry)?;
                Err(LoginError::Refused(refusal))
            }
            Next::Ask(stage) => {
                login.stage = stage;
                logins::put(tx, hash, &login)?;
                let factors = match stage {
                    Stage::Factor => self.factors.offered(tx, &user)?,
                    Stage::Enrolment | Stage::PasswordChange(_) => Vec::new(),
                };
                let (expires_at, user) = (login.expires_at, Box::new(user));
                Ok(Outcome::Asked { transaction: transaction.clone(), stage, expires_at, user, factors })
            }
            Next::Grant => {
                logins::remove(tx, hash);
                self.grant(tx, &author, login, &user)
            }
        }
    }

    fn facts(&self, reads: &dyn Reads, user: &User, login: &Login, now: Timestamp) -> Result<Facts, StoreError> {
        let (source_allowed, keeps_password) = self.sources.get(&user.source).copied().unwrap_or((false, false));
        let factors = credentials::factors(reads, user.id)?;
        let confirmed = |factor: &Factor| factor.confirmed && factor.method() != Method::Recovery;
        let enrolled = match self.factors.offered(reads, user)?.is_empty() {
            false => Enrolled::Usable,
            true if factors.iter().any(confirmed) => Enrolled::Unusable,
            true => Enrolled::None,
        };
        Ok(Facts {
            active: user.is_active(),
            expired: user.is_expired(now),
            source_allowed,
            must_change: user.must_change_password,
            outlived: self.is_outlived(reads, user, now)?,
            lent_for_too_long: self.is_lent_for_too_long(reads, user, now)?,
            weakness: login.weakness,
            keeps_password,
            factor_rule: self.policy.rule_for(reads, user)?.0,
            factors: enrolled,
        })
    }

    /// Is the password older than passwords may become? Only where an age is set does it cost a look.
    fn is_outlived(&self, reads: &dyn Reads, user: &User, now: Timestamp) -> Result<bool, StoreError> {
        let rules = &self.settings.passwords;
        if rules.max_age.is_none() {
            return Ok(false);
        }
        let credential = credentials::get(reads, user.id)?;
        Ok(credential.and_then(|found| rules.expires_at(found.changed_at)).is_some_and(|end| end <= now))
    }

    /// Did somebody else set the password, and its owner not come for so long to set another?
    fn is_lent_for_too_long(&self, reads: &dyn Reads, user: &User, now: Timestamp) -> Result<bool, StoreError> {
        if !user.must_change_password {
            return Ok(false);
        }
        let lent = credentials::get(reads, user.id)?.filter(|found| found.lent);
        Ok(lent.is_some_and(|found| plus(found.changed_at, self.settings.sessions.lent_password) <= now))
    }

    fn grant(&self, tx: &mut Tx<'_>, author: &Author, login: Login, user: &User) -> Result<Outcome, LoginError> {
        let now = tx.now();
        let token = new_token(TokenKind::Session, tx.rng());
        let hash = session_hash(&token)?;
        let session = Session {
            id: SessionId::new(now, tx.rng()),
            user: user.id,
            epoch: user.session_epoch,
            created_at: now,
            authenticated_at: now,
            last_used_at: now,
            expires_at: plus(now, self.settings.sessions.absolute),
            authenticated_by: login.authenticated_by,
            methods: login.methods,
            address: login.address,
            client: login.client,
            agent: self.origin.agent.clone(),
        };
        sessions::create(tx, hash, &session)?;
        let user = users::update(tx, author, user.id, "user.logged_in", |user, now| Ok(user.logged_in(now)))?;
        let mut entry = Entry { details: details(login.asked), ..Entry::new("login.succeeded", users::target(&user)) };
        entry.details.insert("session".to_owned(), session.id.to_string().into());
        entry.details.insert("methods".to_owned(), serde_json::json!(session.methods));
        audit::append(tx, author, entry)?;
        let device = match self.trust {
            true => device::trust(tx, &self.settings.mfa, author, &session, &user)?,
            false => None,
        };
        Ok(Outcome::Granted { user: Box::new(user), token, session: Box::new(session), device })
    }
}

fn session_hash(token: &Secret) -> Result<TokenHash, StoreError> {
    hash_token(TokenKind::Session, token.expose()).ok_or(StoreError::Stopped)
}
