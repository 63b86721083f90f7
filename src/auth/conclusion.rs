//! The end of every step of a login: decides, in one transaction with everything it rests on, what comes next.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;

use super::flow::{self, Facts, Next};
use super::login::{LoginError, Origin, Outcome, details, refusal_name};
use super::power::factor_rule;
use super::settings::Settings;
use crate::base::clock::plus;
use crate::base::id::{SessionId, SourceId};
use crate::base::secret::{Secret, TokenHash, TokenKind, hash_token, new_token};
use crate::directory::audit::{Actor, Author};
use crate::directory::grant::Grant;
use crate::directory::login::Login;
use crate::directory::session::Session;
use crate::directory::user::User;
use crate::store::audit::Entry;
use crate::store::tx::{Reads, Tx};
use crate::store::{StoreError, audit, credentials, logins, sessions, users};

/// Decides, in one transaction with everything it rests on, what a login needs next; and does it.
#[derive(Clone)]
pub(super) struct Conclusion {
    pub(super) settings: Settings,
    /// By source: may its users log in; does musterd keep their passwords.
    pub(super) sources: BTreeMap<SourceId, (bool, bool)>,
    /// What groups of sources give.
    pub(super) grants: Arc<[Grant]>,
    pub(super) origin: Origin,
}

impl Conclusion {
    /// Reads the user afresh, so that whatever happened since the password was verified counts.
    ///
    /// A refusal is written too: that is why it is the value of the transaction, not its failure.
    pub(super) fn conclude(
        &self,
        tx: &mut Tx<'_>,
        mut login: Login,
        transaction: &Secret,
        too_weak: bool,
    ) -> Result<Outcome, LoginError> {
        let now = tx.now();
        let user = users::get(tx, login.user)?.ok_or(LoginError::InvalidCredentials)?;
        let hash = hash_token(TokenKind::Transaction, transaction.expose()).ok_or(LoginError::NoSuchTransaction)?;
        if !login.is_live(&user, now) && user.is_valid(now) {
            return Err(LoginError::NoSuchTransaction);
        }
        let author = self.origin.author(Actor::User { id: user.id });
        match flow::next(&self.facts(tx, &user, too_weak, now)?, &login) {
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
                Ok(Outcome::Asked {
                    transaction: transaction.clone(),
                    stage,
                    expires_at: login.expires_at,
                    user: Box::new(user),
                })
            }
            Next::Grant => {
                logins::remove(tx, hash);
                self.grant(tx, &author, login, &user)
            }
        }
    }

    fn facts(&self, reads: &dyn Reads, user: &User, too_weak: bool, now: Timestamp) -> Result<Facts, StoreError> {
        let (source_allowed, keeps_password) = self.sources.get(&user.source).copied().unwrap_or((false, false));
        let factors = credentials::factors(reads, user.id)?;
        Ok(Facts {
            active: user.is_active(),
            expired: user.is_expired(now),
            source_allowed,
            must_change: user.must_change_password,
            too_weak,
            keeps_password,
            factor_rule: factor_rule(reads, self.settings.mfa, &self.grants, user)?,
            has_factor: factors.iter().any(|factor| factor.confirmed),
        })
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
        Ok(Outcome::Granted { user: Box::new(user), token, session: Box::new(session) })
    }
}

fn session_hash(token: &Secret) -> Result<TokenHash, StoreError> {
    hash_token(TokenKind::Session, token.expose()).ok_or(StoreError::Stopped)
}
