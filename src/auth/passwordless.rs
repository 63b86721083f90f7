//! A login by a passkey alone: no name and no password. A passkey that verified its user is two factors by itself
//! (NIST SP 800-63B-4 §2.2), wherever the user comes from, and while their password is locked.
//!
//! Anybody may ask to begin, so nothing is written then: the question goes out sealed and comes back with the answer.
//! Written is that it was answered, which it is once.

use std::sync::Arc;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use serde_json::Value;

use super::factors::passkey;
use super::login::{Authenticator, LoginError, Origin, Outcome};
use super::passkeys::{Assertion, Passkeys, Pending, Rejected};
use crate::base::clock::plus;
use crate::base::secret::{Secret, TokenHash, TokenKind, new_token, sha256};
use crate::directory::audit::{Actor, Target};
use crate::directory::factor::Method;
use crate::directory::login::{Login, Stage};
use crate::directory::password::Tries;
use crate::directory::user::User;
use crate::store::StoreError;
use crate::store::audit::{self, Entry};
use crate::store::challenges::{self, Challenge, Flow, Purpose};
use crate::store::tx::{Reads, Tx};
use crate::store::users;

/// How the token of such a login begins.
const PREFIX: &str = "mst_p_";
/// Longest token in bytes: what is sealed in it are some hundred.
const TOKEN_MAX: usize = 4096;

/// A login that waits for a passkey.
pub struct Waiting {
    /// Its token.
    pub transaction: Secret,
    /// What the browser is asked.
    pub options: Value,
    /// Until when.
    pub expires_at: Timestamp,
}

impl Authenticator {
    /// Asks for a passkey, whosever it is.
    ///
    /// # Errors
    /// When this server has no passkeys.
    pub fn begin_passkey(&self, origin: &Origin) -> Result<Waiting, LoginError> {
        let begun = self.passkeys()?.begin_authentication(None, &[], self.store.clock().now()).map_err(broken)?;
        let pending = serde_json::to_vec(&begun.pending).map_err(|error| StoreError::Record(error.to_string()))?;
        let sealed = self.store.view().sealer().seal(&place(origin), &pending)?;
        let transaction = Secret::new(format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&sealed)));
        Ok(Waiting { transaction, options: begun.options, expires_at: begun.pending.expires_at() })
    }

    /// Logs in whose passkey answers. Wrong answers count against the network.
    ///
    /// # Errors
    /// [`LoginError::InvalidCredentials`] for a wrong answer, which ends the login; and every way in which one can be
    /// refused.
    pub async fn finish_passkey(
        &self,
        transaction: &Secret,
        credential: &Value,
        origin: &Origin,
    ) -> Result<Outcome, LoginError> {
        let passkeys = self.passkeys()?;
        let pending = self.pending(transaction, origin)?;
        self.admit(origin).await?;
        let counted = self.count_passkey(origin).await?;
        let note = self.note_counted(&counted, &Target::Unknown, &origin.author(Actor::Anonymous));
        let given = Assertion::parse(&credential.to_string());
        let (answered, origin) = (answered(transaction), origin.clone());
        let conclusion = self.conclusion(&origin);
        let (lifetime, token) = (self.settings.transaction, new_token(TokenKind::Transaction, self.store.rng()));
        let write = move |tx: &mut Tx<'_>| -> Result<Result<Outcome, LoginError>, LoginError> {
            use_up(tx, &answered, &pending)?;
            let user = match check(tx, &passkeys, &pending, given.as_ref(), &origin)? {
                Ok(user) => user,
                Err((target, rejected)) => {
                    note(tx)?;
                    let author = origin.author(Actor::Anonymous).because(rejected.name());
                    audit::append(tx, &author, Entry::new("login.refused", target))?;
                    return Ok(Err(LoginError::InvalidCredentials));
                }
            };
            let login = begun_by(&user, &origin, tx.now(), plus(tx.now(), lifetime));
            Ok(conclusion.conclude(tx, login, &token))
        };
        let outcome = self.store.write(write).await;
        let wrong = matches!(outcome, Ok(Err(LoginError::InvalidCredentials)) | Err(LoginError::NoSuchTransaction));
        if !wrong {
            self.forgive(&counted);
        }
        outcome?
    }

    fn passkeys(&self) -> Result<Arc<Passkeys>, LoginError> {
        self.passkeys.clone().ok_or(LoginError::NotOffered)
    }

    /// The question that the token holds, if it was put to this client.
    fn pending(&self, transaction: &Secret, origin: &Origin) -> Result<Pending, LoginError> {
        let text = transaction.expose();
        let sealed = text.strip_prefix(PREFIX).filter(|_| text.len() <= TOKEN_MAX);
        let sealed = sealed.and_then(|text| BASE64URL_NOPAD.decode(text.as_bytes()).ok());
        let sealed = sealed.ok_or(LoginError::NoSuchTransaction)?;
        // One that was sealed with another key, or for another client, is none.
        let opened = self.store.view().sealer().open(&place(origin), &sealed);
        let pending: Option<Pending> = opened.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let now = self.store.clock().now();
        pending.filter(|pending| now < pending.expires_at()).ok_or(LoginError::NoSuchTransaction)
    }
}

/// What a question is sealed for: the application whose login it is, or nobody's with a token.
fn place(origin: &Origin) -> Vec<u8> {
    let client = origin.client.map(|client| client.as_bytes().to_vec()).unwrap_or_default();
    [&b"passkey login"[..], &client].concat()
}

/// Where it is written that a question was answered.
fn answered(transaction: &Secret) -> Vec<u8> {
    let hash = TokenHash(sha256(transaction.expose().as_bytes()));
    challenges::place(Flow::Login(hash), Purpose::Login, Method::Passkey)
}

/// Writes that the question was answered; it can be once.
fn use_up(tx: &mut Tx<'_>, place: &[u8], pending: &Pending) -> Result<(), LoginError> {
    let now = tx.now();
    if challenges::get(tx, place, now)?.is_some() {
        return Err(LoginError::NoSuchTransaction);
    }
    let expires_at = pending.expires_at();
    let used = Challenge { user: None, factor: None, created_at: now, expires_at, tries: 1, state: Value::Null };
    Ok(challenges::put(tx, place.to_vec(), &used)?)
}

/// Whose passkey answered; or why it does not count, and whose it would have been.
fn check(
    tx: &mut Tx<'_>,
    passkeys: &Passkeys,
    pending: &Pending,
    given: Result<&Assertion, &Rejected>,
    origin: &Origin,
) -> Result<Result<User, (Target, Rejected)>, LoginError> {
    let given = match given {
        Ok(given) => given,
        Err(rejected) => return Ok(Err((Target::Unknown, rejected.clone()))),
    };
    let user = given.user.map(|user| users::get(tx, user)).transpose()?.flatten();
    let Some(user) = user else { return Ok(Err((Target::Unknown, Rejected::Unknown))) };
    let author = origin.author(Actor::User { id: user.id });
    let factors = passkey::all(tx, &user)?;
    match passkey::accept(tx, passkeys, &author, &user, &factors, pending.clone(), given)? {
        Ok(_) => Ok(Ok(user)),
        // That a name was guessed says nothing about whoever it is.
        Err(Rejected::Unknown) => Ok(Err((Target::Unknown, Rejected::Unknown))),
        Err(rejected) => Ok(Err((users::target(&user), rejected))),
    }
}

/// A login in which a passkey was proved, and nothing else.
fn begun_by(user: &User, origin: &Origin, now: Timestamp, expires_at: Timestamp) -> Login {
    Login {
        user: user.id,
        epoch: user.session_epoch,
        created_at: now,
        expires_at,
        authenticated_by: user.source.clone(),
        address: origin.address,
        client: origin.client,
        methods: [Method::Passkey].into(),
        weakness: None,
        tried: Tries::default(),
        password_changed: false,
        enrolling: None,
        asked: Vec::new(),
        stage: Stage::Factor,
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn broken(rejected: Rejected) -> StoreError {
    StoreError::Record(rejected.to_string())
}
