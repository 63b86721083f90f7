//! The login: throttle, resolve the user, verify the password, and do what the flow decides.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio_util::task::TaskTracker;

use super::conclusion::Conclusion;
use super::device;
use super::factors::Factors;
use super::flow::{self, Done, Refusal};
use super::hasher::Hasher;
pub use super::outcome::{LoginError, Outcome};
use super::settings::Settings;
use super::throttle::{Key, Throttle};
use super::verify::{self, Answer, Backend, Kept, Question, Verified, WouldAsk};
use crate::base::clock::plus;
use crate::base::id::{SourceId, TokenId, UserId};
use crate::base::secret::{Secret, TokenKind, new_token};
use crate::directory::audit::{Actor, Author, Target};
use crate::directory::factor::Method;
use crate::directory::grant::Grant;
use crate::directory::login::{Login, Stage};
use crate::directory::role;
use crate::directory::user::User;
use crate::sources::PulledUser;
use crate::store::audit::Entry;
use crate::store::tx::{Reads, Tx};
use crate::store::{Store, StoreError, audit, credentials, users, verifiers};

/// Makes a user of somebody whom a source verified and the directory does not know yet.
pub trait Newcomers: Send + Sync {
    /// The new user; `None` when a conflict keeps them out.
    fn take<'a>(
        &'a self,
        source: &'a SourceId,
        entry: PulledUser,
    ) -> Pin<Box<dyn Future<Output = Result<Option<User>, StoreError>> + Send + 'a>>;
}

/// Everything that a login needs.
pub struct Authenticator {
    /// The store.
    pub store: Arc<Store>,
    /// The settings.
    pub settings: Settings,
    /// Hashes passwords.
    pub hasher: Hasher,
    /// Keeps out who guesses.
    pub throttle: Throttle,
    /// The sources, in their order.
    pub backends: Vec<Backend>,
    /// What groups of sources give.
    pub grants: Arc<[Grant]>,
    /// The second factors that there are.
    pub factors: Factors,
    /// Takes in who is new.
    pub newcomers: Arc<dyn Newcomers>,
    /// What goes on beside the logins.
    pub beside: TaskTracker,
}

/// Where a request comes from.
#[derive(Clone, Debug, Default)]
pub struct Origin {
    /// The client's address.
    pub address: Option<IpAddr>,
    /// The request's id.
    pub request: Option<String>,
    /// The application that asks, where it shows a token of its own.
    pub client: Option<TokenId>,
    /// What the client's program calls itself.
    pub agent: Option<String>,
}

impl Origin {
    /// An author from there.
    #[must_use]
    pub fn author(&self, actor: Actor) -> Author {
        Author { actor, address: self.address, request: self.request.clone(), reason: None }
    }
}

/// What the backends asked and answered, for the audit line of a login.
pub(super) fn details(asked: Vec<Value>) -> Map<String, Value> {
    BTreeMap::from([("backends".to_owned(), Value::Array(asked))]).into_iter().collect()
}

impl Authenticator {
    /// Does musterd itself keep this user's password?
    #[must_use]
    pub fn keeps_password(&self, source: &SourceId) -> bool {
        self.backends.iter().any(|backend| backend.id == *source && backend.keeps_passwords)
    }

    /// Begins a login with a name and a password.
    ///
    /// # Errors
    /// Every way in which it can be refused.
    pub async fn authenticate(
        &self,
        typed: &str,
        password: &Secret,
        device: Option<&Secret>,
        origin: &Origin,
    ) -> Result<Outcome, LoginError> {
        let now = self.store.clock().now();
        let user = users::by_login(&self.store.view(), typed)?;
        let kept = user.as_ref().map(|user| self.kept(user, now)).transpose()?.flatten();
        let keys = self.count(user.as_ref(), typed, origin, now)?;
        let verified = match self.ask(user.as_ref(), kept.as_ref(), typed, password).await {
            Ok(verified) => verified,
            Err(error) => {
                keys.iter().for_each(|key| self.throttle.undo(*key));
                return Err(error);
            }
        };
        let Verified { answer, asked, kept_is_over } = verified;
        let (by, entry, offline) = match answer {
            Answer::Accepted(by, entry) if self.is_theirs(user.as_ref(), &by, entry.as_deref())? => (by, entry, false),
            Answer::AcceptedOffline(by) => (by, None, true),
            answer => {
                let (why, error) = self.refuse(&keys, answer);
                self.note_refusal(user.as_ref(), kept_is_over, origin, why, asked).await?;
                return Err(error);
            }
        };
        self.forgive(&keys);
        let user = match (user, entry) {
            (Some(user), _) => user,
            (None, Some(entry)) => self.newcomers.take(&by, *entry).await?.ok_or(LoginError::InvalidCredentials)?,
            (None, None) => return Err(LoginError::InvalidCredentials),
        };
        self.refresh_hash(&user, password).await;
        let kept_here = by == user.source && self.keeps_password(&user.source);
        let too_weak = kept_here && !self.password_faults(&user, password)?.is_empty();
        let outcome = self.begin(&user, by.clone(), too_weak, device, origin, asked).await?;
        if !offline {
            self.keep(&user, &by, password, now);
        }
        Ok(outcome)
    }

    /// Proves that a user knows their current password. A wrong one counts as a failed login.
    ///
    /// # Errors
    /// As in a login.
    pub async fn prove_password(&self, user: &User, password: &Secret, origin: &Origin) -> Result<(), LoginError> {
        let name = user.username.as_str();
        let keys = self.count(Some(user), name, origin, self.store.clock().now())?;
        // What is kept for outages lets somebody in, and no more: it proves nothing for changes of what lets them in.
        let verified = self.ask(Some(user), None, name, password).await;
        match verified {
            Ok(Verified { answer: Answer::Accepted(by, entry), .. })
                if self.is_theirs(Some(user), &by, entry.as_deref())? =>
            {
                self.forgive(&keys);
                Ok(())
            }
            Ok(Verified { answer, .. }) => Err(self.refuse(&keys, answer).1),
            Err(error) => {
                keys.iter().for_each(|key| self.throttle.undo(*key));
                Err(error)
            }
        }
    }

    /// Counts the try against the account and the network, before anything is checked.
    fn count(&self, user: Option<&User>, typed: &str, origin: &Origin, now: Timestamp) -> Result<Vec<Key>, LoginError> {
        let account = user.map_or_else(|| Key::unknown(typed), |user| Key::Password(user.id));
        let network = origin.address.map(Key::network);
        let mut counted = Vec::new();
        for key in network.into_iter().chain([account]) {
            if let Err(wait) = self.throttle.begin(key, now) {
                // A client that keeps trying one waiting account does not shut its network out.
                counted.iter().for_each(|key| self.throttle.undo(*key));
                return Err(LoginError::TooManyAttempts(wait));
            }
            counted.push(key);
        }
        Ok(counted)
    }

    /// Is the entry whose password is right the person who logs in? One that is known as somebody else's is not,
    /// whatever its name says (promise 5); one that nobody knows is, where newcomers are taken.
    fn is_theirs(&self, user: Option<&User>, by: &SourceId, entry: Option<&PulledUser>) -> Result<bool, StoreError> {
        let Some(user) = user else { return Ok(!self.settings.existing_users_only) };
        let Some(entry) = entry else { return Ok(true) };
        let known = users::by_external_id(&self.store.view(), by, &entry.external_id)?;
        Ok(known.is_none_or(|known| known.id == user.id))
    }

    /// After a right password the account starts anew, and the network has one failure less.
    pub(super) fn forgive(&self, keys: &[Key]) {
        for key in keys {
            match key {
                Key::Network(_) => self.throttle.undo(*key),
                _ => self.throttle.clear(*key),
            }
        }
    }

    async fn ask(
        &self,
        user: Option<&User>,
        kept: Option<&Kept>,
        typed: &str,
        password: &Secret,
    ) -> Result<Verified, LoginError> {
        let credential = match user.filter(|user| self.keeps_password(&user.source)) {
            Some(user) => credentials::get(&self.store.view(), user.id)?,
            None => None,
        };
        let question = Question {
            user,
            credential: credential.as_ref(),
            kept,
            typed,
            password,
            only_own: self.asks_only_own(user)?,
            takes_newcomers: !self.settings.existing_users_only,
            deadline: self.settings.deadline,
        };
        Ok(verify::verify(&self.backends, &self.hasher, question).await?)
    }

    /// Who may change the directory is verified by their own source alone: a name that another source happens to have
    /// too must not open an administrator's account.
    fn asks_only_own(&self, user: Option<&User>) -> Result<bool, StoreError> {
        let powerful = match user {
            Some(user) => !role::permissions_of(&self.roles_of(user)?).is_empty(),
            None => false,
        };
        Ok(self.settings.only_from_source || powerful)
    }

    /// Which backends a login of this user would ask, in their order.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn would_ask(&self, user: &User) -> Result<Vec<WouldAsk<'_>>, StoreError> {
        Ok(verify::would_ask(&self.backends, user, self.asks_only_own(Some(user))?))
    }

    async fn note_refusal(
        &self,
        user: Option<&User>,
        kept_is_over: bool,
        origin: &Origin,
        why: &'static str,
        asked: Vec<Value>,
    ) -> Result<(), LoginError> {
        let author = origin.author(Actor::Anonymous).because(why);
        let target = user.map_or(Target::Unknown, users::target);
        let over = user.filter(|_| kept_is_over).map(|user| user.id);
        let write = move |tx: &mut Tx<'_>| {
            over.map_or(Ok(()), |user| verifiers::forget(tx, user))?;
            let entry = Entry { details: details(asked.clone()), ..Entry::new("login.refused", target.clone()) };
            audit::append(tx, &author, entry)
        };
        Ok(self.store.write::<_, StoreError>(write).await?)
    }

    /// A hash with older parameters is replaced while the password is at hand. Not worth failing a login for.
    async fn refresh_hash(&self, user: &User, password: &Secret) {
        let Ok(Some(credential)) = credentials::get(&self.store.view(), user.id) else { return };
        if !self.hasher.is_outdated(&credential.hash) {
            return;
        }
        if let Ok(true) = self.hasher.verify(password, &credential.hash).await
            && let Ok(new) = self.hasher.hash(password).await
        {
            let id = user.id;
            self.store.note(move |tx| credentials::rehash(tx, id, &credential.hash, new.clone()));
        }
    }

    async fn begin(
        &self,
        user: &User,
        by: SourceId,
        too_weak: bool,
        device: Option<&Secret>,
        origin: &Origin,
        asked: Vec<Value>,
    ) -> Result<Outcome, LoginError> {
        let now = self.store.clock().now();
        let login = Login {
            user: user.id,
            epoch: user.session_epoch,
            created_at: now,
            expires_at: plus(now, self.settings.transaction),
            authenticated_by: by,
            address: origin.address,
            client: origin.client,
            methods: [Method::Password].into(),
            password_changed: false,
            enrolling: None,
            asked,
            stage: Stage::Factor,
        };
        let token = new_token(TokenKind::Transaction, self.store.rng());
        let plan = self.conclusion(origin);
        let device = device.cloned().filter(|_| self.settings.mfa.trusted_device.is_some());
        let write = move |tx: &mut Tx<'_>| {
            let mut login = login.clone();
            if let Some(device) = &device
                && device::stands_in(tx, device, login.user)?
            {
                login = flow::after(login, Done::Proved(Method::Device));
            }
            Ok::<_, LoginError>(plan.conclude(tx, login, &token, too_weak))
        };
        self.store.write(write).await?
    }

    /// What is needed to conclude a step inside a transaction.
    pub(super) fn conclusion(&self, origin: &Origin) -> Conclusion {
        let rules =
            self.backends.iter().map(|backend| (backend.id.clone(), (backend.login, self.keeps_password(&backend.id))));
        Conclusion {
            settings: self.settings.clone(),
            sources: rules.collect(),
            policy: self.policy(),
            factors: self.factors.clone(),
            origin: origin.clone(),
            trust: false,
        }
    }
}

/// The name of a refusal in the audit trail and in problem documents.
#[must_use]
pub fn refusal_name(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::Disabled => "account_disabled",
        Refusal::Expired => "account_expired",
        Refusal::SourceNotAllowed => "source_not_allowed",
    }
}

/// A user by id, for callers that hold one.
///
/// # Errors
/// When the store cannot read, or the user is gone.
pub fn user(reads: &dyn Reads, id: UserId) -> Result<User, LoginError> {
    users::get(reads, id)?.ok_or(LoginError::NoSuchTransaction)
}
