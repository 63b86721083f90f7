//! What is counted around a login: where it may come from, tries of an account and of a network before anything is
//! checked, and the audit lines of what was held back.
//!
//! A try that is held back counts against its network and does not make the account's wait longer. Of many that are
//! held back alike the first, the tenth, the hundredth and so on are told: a flood fills no trail.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::login::{Authenticator, LoginError, Origin};
use super::throttle::{Begins, Held, Key, Rows};
use crate::base::id::UserId;
use crate::directory::audit::{Actor, Author, Target};
use crate::directory::factor::Method;
use crate::directory::user::User;
use crate::store::audit::{self, Entry};
use crate::store::tx::Tx;
use crate::store::{StoreError, users};

/// After so long without one, the first that is denied or finds no place is told again.
const DENIED_QUIET: SignedDuration = SignedDuration::from_hours(24);
const BUSY_QUIET: SignedDuration = SignedDuration::from_mins(10);

/// A try that is counted as if it failed, until it is known better.
#[derive(Default)]
pub struct Counted {
    /// Where.
    pub(super) keys: Vec<Key>,
    /// What it leads to, if it fails.
    pub(super) begins: Vec<Begins>,
    /// Names at sources that called it wrong: that stays, whoever else calls it right.
    pub(super) at_sources: Vec<Key>,
}

impl Authenticator {
    /// Are logins taken from there? Asked before anything else.
    ///
    /// # Errors
    /// [`LoginError::NetworkNotAllowed`], which the audit trail tells of.
    pub async fn admit(&self, origin: &Origin) -> Result<(), LoginError> {
        let Some(address) = origin.address.filter(|address| !self.settings.lockout.admits(*address)) else {
            return Ok(());
        };
        let told = self.throttle.tell(Key::network(address), DENIED_QUIET, self.store.clock().now());
        if let Some(times) = told {
            self.note_held(Target::Unknown, origin, "network_not_allowed", json!({"times": times})).await?;
        }
        Err(LoginError::NetworkNotAllowed)
    }

    /// Counts the try of a password against the account and the network, before anything is checked.
    pub(super) async fn count(
        &self,
        user: Option<&User>,
        typed: &str,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<Counted, LoginError> {
        let account = user.map_or_else(|| Key::unknown(typed), |user| Key::Password(user.id));
        self.count_all(Some(account), user.map_or(Target::Unknown, users::target), origin, now).await
    }

    /// Counts the try of a second factor before it is checked. Who runs out of tries with their face can still use
    /// another method (NIST SP 800-63B-4 §3.2.3); all others count together.
    ///
    /// # Errors
    /// [`LoginError::TooManyAttempts`], of the user over all logins, or of the network.
    pub async fn count_try(&self, user: &User, method: Method, origin: &Origin) -> Result<Counted, LoginError> {
        let key = if method == Method::Face { Key::Face(user.id) } else { Key::Code(user.id) };
        self.count_all(Some(key), users::target(user), origin, self.store.clock().now()).await
    }

    /// Counts the try of a passkey that says itself whose it is: against the network alone, since no guess of one comes
    /// true, and nobody keeps an owner out by trying.
    pub(super) async fn count_passkey(&self, origin: &Origin) -> Result<Counted, LoginError> {
        self.count_all(None, Target::Unknown, origin, self.store.clock().now()).await
    }

    async fn count_all(
        &self,
        account: Option<Key>,
        target: Target,
        origin: &Origin,
        now: Timestamp,
    ) -> Result<Counted, LoginError> {
        let network = origin.address.filter(|address| self.settings.lockout.counts_network(*address));
        let mut counted = Counted::default();
        for key in network.map(Key::network).into_iter().chain(account) {
            match self.throttle.count(key, now) {
                Ok(begins) => {
                    counted.keys.push(key);
                    counted.begins.extend(begins);
                }
                Err(held) => {
                    self.tell_held(&counted, held, target, origin).await?;
                    return Err(LoginError::TooManyAttempts(held.wait));
                }
            }
        }
        Ok(counted)
    }

    /// A try was held back, which its network has counted.
    async fn tell_held(
        &self,
        counted: &Counted,
        held: Held,
        target: Target,
        origin: &Origin,
    ) -> Result<(), StoreError> {
        if !counted.begins.is_empty() {
            let (rows, lines, author) =
                (self.rows(counted), counted.lines(&Target::Unknown), origin.author(Actor::Anonymous));
            self.store.write::<_, StoreError>(move |tx: &mut Tx<'_>| tell(tx, &rows, &lines, &author)).await?;
        }
        match held.worth_telling {
            Some(times) => {
                let details = json!({"times": times, "wait_seconds": held.wait.as_secs()});
                self.note_held(target, origin, held.reason, details).await
            }
            None => Ok(()),
        }
    }

    /// A login found no place in the queue.
    pub(super) async fn tell_busy(&self, origin: &Origin) -> Result<(), StoreError> {
        match self.throttle.tell(Key::Busy, BUSY_QUIET, self.store.clock().now()) {
            Some(times) => self.note_held(Target::Unknown, origin, "busy", json!({"times": times})).await,
            None => Ok(()),
        }
    }

    async fn note_held(
        &self,
        target: Target,
        origin: &Origin,
        why: &'static str,
        details: Value,
    ) -> Result<(), StoreError> {
        let author = origin.author(Actor::Anonymous).because(why);
        let entry = Entry { details: members(details), ..Entry::new("login.held", target) };
        self.store.write(move |tx: &mut Tx<'_>| audit::append(tx, &author, entry.clone())).await
    }

    /// The rows of what was counted, and the audit lines of the waits that begin, for the transaction that writes the
    /// failure.
    pub fn note_counted(
        &self,
        counted: &Counted,
        target: &Target,
        author: &Author,
    ) -> impl Fn(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static {
        let (rows, lines, author) = (self.rows(counted), counted.lines(target), author.clone());
        move |tx: &mut Tx<'_>| tell(tx, &rows, &lines, &author)
    }

    fn rows(&self, counted: &Counted) -> Rows {
        self.throttle.rows(counted.keys.iter().chain(&counted.at_sources).copied())
    }

    /// After a right password or code the account starts anew, and the network has one failure less.
    pub fn forgive(&self, counted: &Counted) {
        for key in &counted.keys {
            match key {
                Key::Network(_) => self.throttle.undo(*key),
                _ => self.throttle.clear(*key),
            }
        }
        counted.at_sources.iter().for_each(|key| self.throttle.keep(*key));
    }

    /// The try said nothing about the password or code.
    pub fn uncount(&self, counted: &Counted) {
        counted.keys.iter().for_each(|key| self.throttle.undo(*key));
    }

    /// Forgets every failure of a user, on an administrator's word.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn unlock(&self, author: Author, user: &User) -> Result<(), StoreError> {
        let keys = self.keys_of(user);
        keys.iter().for_each(|key| _ = self.throttle.reset(*key));
        let (rows, target) = (self.throttle.rows(keys), users::target(user));
        let write = move |tx: &mut Tx<'_>| {
            rows.write(tx)?;
            audit::append(tx, &author, Entry::new("user.unlocked", target.clone()))
        };
        self.store.write(write).await
    }

    /// Forgets what kept a user waiting, once they have a new password.
    pub fn forgive_user(&self, user: UserId) {
        let keys = [Key::Password(user), Key::Code(user), Key::Face(user)];
        keys.into_iter().for_each(|key| self.throttle.clear(key));
    }

    fn keys_of(&self, user: &User) -> Vec<Key> {
        let at_sources = self.backends.iter().map(|backend| Key::at_source(&backend.id, user.username.as_str()));
        [Key::Password(user.id), Key::Code(user.id), Key::Face(user.id)].into_iter().chain(at_sources).collect()
    }

    /// What keeps a user waiting, for an administrator who asks.
    #[must_use]
    pub fn waiting(&self, user: UserId, now: Timestamp) -> Value {
        let consecutive = self.throttle.consecutive(user, now);
        json!({
            "passwords_until": self.throttle.waits_until(Key::Password(user), now),
            "codes_until": self.throttle.waits_until(Key::Code(user), now),
            "faces_until": self.throttle.waits_until(Key::Face(user), now),
            "failures_since_success": consecutive,
            "needs_unlock": consecutive >= self.throttle.consecutive_limit(),
        })
    }
}

impl Counted {
    /// One audit line for each wait that begins. What a network did is no user's.
    fn lines(&self, target: &Target) -> Vec<(&'static str, Entry)> {
        let line = |begins: &Begins| {
            let target = if matches!(begins.key, Key::Network(_)) { Target::Unknown } else { target.clone() };
            let details = members(json!({"wait_seconds": begins.wait.as_secs()}));
            (begins.reason, Entry { details, ..Entry::new("login.locked", target) })
        };
        self.begins.iter().map(line).collect()
    }
}

fn tell(tx: &mut Tx<'_>, rows: &Rows, lines: &[(&'static str, Entry)], author: &Author) -> Result<(), StoreError> {
    rows.write(tx)?;
    lines.iter().try_for_each(|(why, entry)| audit::append(tx, &author.clone().because(*why), entry.clone()))
}

fn members(details: Value) -> Map<String, Value> {
    match details {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
