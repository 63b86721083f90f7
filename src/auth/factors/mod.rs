//! Second factors: one small interface, and a file for each method behind it.
//!
//! A method knows how it is enrolled, what it sends or asks, and whether an answer is right. It knows nothing of logins:
//! what an accepted answer means is decided by [`super::flow`] alone.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};

use crate::base::id::FactorId;
use crate::base::secret::Secret;
use crate::directory::factor::Method;
use crate::directory::field::FieldError;
use crate::directory::user::User;
use crate::store::challenges::{self, Flow, Purpose};
use crate::store::credentials::{self, Factor};
use crate::store::tx::{Reads, Tx};
use crate::store::users::WriteError;
use crate::store::{Store, StoreError};

pub mod code;
pub mod face;
pub mod passkey;
pub mod recovery;
pub mod totp;

/// Who is asked, where, and for what.
pub struct Ask<'a> {
    /// Who.
    pub user: &'a User,
    /// In which login or session.
    pub flow: Flow,
    /// For what.
    pub purpose: Purpose,
    /// The client's address.
    pub network: Option<IpAddr>,
}

impl Ask<'_> {
    /// Where the challenge of a method lies.
    #[must_use]
    pub fn place(&self, method: Method) -> Vec<u8> {
        challenges::place(self.flow, self.purpose, method)
    }
}

/// What somebody answers to prove a factor.
#[derive(Clone, Default)]
pub struct Response {
    /// A code that was typed.
    pub code: Option<Secret>,
    /// What an authenticator made of a challenge.
    pub credential: Option<Value>,
}

/// What a client is shown. It may hold secrets: it has no `Debug`.
#[derive(Clone, Default)]
pub struct Shown(pub Map<String, Value>);

impl Shown {
    /// Shows one thing more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }
}

/// A factor that is being enrolled: it counts once it is confirmed.
pub struct Enrolment {
    /// The new factor.
    pub factor: FactorId,
    /// What its owner needs to confirm it; shown once.
    pub shown: Shown,
}

/// Why a method did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum MethodError {
    /// There is nothing to answer: a code or challenge has to be asked for first, or it ended.
    #[error("there is nothing to answer: ask for a challenge first, or again")]
    NoChallenge,
    /// Asked too often.
    #[error("too many codes were asked for")]
    TooSoon(Duration),
    /// Who has to be asked does not answer.
    #[error("what is needed for this method does not answer")]
    Unavailable,
    /// The person was not there yet.
    #[error("nothing was done there yet: finish it, and ask again")]
    NotReady,
    /// It may be enrolled only by who agrees to what it keeps of them.
    #[error("this method keeps something of the person: send consent: true once they have agreed to it")]
    ConsentRequired,
    /// The user cannot have it, or the answer has the wrong form.
    #[error("{0}")]
    Unusable(FieldError),
    /// It could not be written.
    #[error(transparent)]
    Write(WriteError),
}

impl From<StoreError> for MethodError {
    fn from(error: StoreError) -> Self {
        Self::Write(WriteError::Store(error))
    }
}

impl From<WriteError> for MethodError {
    fn from(error: WriteError) -> Self {
        Self::Write(error)
    }
}

/// What a method does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Begins an enrolment.
    Enrol,
    /// Asks.
    Challenge,
    /// Looks at an answer.
    Accept,
}

/// What an answer was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Right, for this factor.
    Right(FactorId),
    /// Wrong, and why: for the audit trail. Whoever gave the answer learns no more than that.
    Wrong(&'static str),
}

/// What a method learned from others before the commit; each knows its own.
pub type Ahead = Value;

/// Something that takes its time.
pub type Soon<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A way to prove a second factor.
pub trait Kind: Send + Sync {
    /// Which it is.
    fn method(&self) -> Method;

    /// Does it keep something of the person that they have to agree to?
    fn wants_consent(&self) -> bool {
        false
    }

    /// Asks others for what an action needs. Nothing is written but how often they are asked, and nothing has been
    /// decided yet.
    fn ahead<'a>(
        &'a self,
        _store: &'a Store,
        _ask: &'a Ask<'a>,
        _action: Action,
        _factors: &'a [Factor],
    ) -> Soon<'a, Result<Ahead, MethodError>> {
        Box::pin(async { Ok(Ahead::Null) })
    }

    /// Makes an unconfirmed factor.
    ///
    /// # Errors
    /// When the user cannot have it, or not now.
    fn enrol(&self, tx: &mut Tx<'_>, ask: &Ask<'_>, ahead: &Ahead) -> Result<Enrolment, MethodError>;

    /// Asks for one of these factors to be proved. By default there is nothing to ask: the answer is at hand.
    ///
    /// # Errors
    /// When it cannot be asked now.
    fn challenge(
        &self,
        _tx: &mut Tx<'_>,
        _ask: &Ask<'_>,
        _factors: &[Factor],
        _ahead: &Ahead,
    ) -> Result<Shown, MethodError> {
        Ok(Shown::default())
    }

    /// Is this the right answer for one of these factors? Then it is used up, the factor is confirmed, and both are
    /// written. That it is wrong may be written too.
    ///
    /// # Errors
    /// When it cannot be said.
    fn accept(
        &self,
        tx: &mut Tx<'_>,
        ask: &Ask<'_>,
        factors: &[Factor],
        response: &Response,
        ahead: &Ahead,
    ) -> Result<Verdict, MethodError>;
}

/// The methods that there are. Its clones share them.
#[derive(Clone, Default)]
pub struct Factors(Arc<BTreeMap<Method, Arc<dyn Kind>>>);

impl Factors {
    /// Those methods, and the recovery codes that stand in for each.
    #[must_use]
    pub fn new(kinds: impl IntoIterator<Item = Arc<dyn Kind>>) -> Self {
        let recovery: Arc<dyn Kind> = Arc::new(recovery::Recovery);
        Self(Arc::new(kinds.into_iter().chain([recovery]).map(|kind| (kind.method(), kind)).collect()))
    }

    /// The method, where the settings have it.
    #[must_use]
    pub fn kind(&self, method: Method) -> Option<&Arc<dyn Kind>> {
        self.0.get(&method)
    }

    /// The methods that can be enrolled, in the order of their strength.
    #[must_use]
    pub fn to_enrol(&self) -> Vec<Method> {
        let all = Method::FACTORS.iter().map(|(_, method)| *method);
        all.filter(|method| *method != Method::Recovery && self.0.contains_key(method)).collect()
    }

    /// The user's second factors that can be asked for now.
    #[must_use]
    pub fn usable(&self, user: &User, factors: &[Factor]) -> Vec<Factor> {
        let has = |factor: &&Factor| factor.stands_for(user) && self.0.contains_key(&factor.method());
        factors.iter().filter(has).cloned().collect()
    }

    /// What a user can prove themselves with: their second factors, and recovery codes that are left, in the order of
    /// their strength.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn offered(&self, reads: &dyn Reads, user: &User) -> Result<Vec<Factor>, StoreError> {
        let all = credentials::factors(reads, user.id)?;
        let mut offered = self.usable(user, &all);
        // Also for factors that cannot be asked for any more: that is a day on which they are needed.
        if all.iter().any(|factor| factor.confirmed && factor.method() != Method::Recovery) {
            offered.extend(all.into_iter().filter(recovery::has_any));
        }
        let strength = |factor: &Factor| Method::FACTORS.iter().position(|(_, method)| *method == factor.method());
        offered.sort_by_key(strength);
        Ok(offered)
    }
}

/// Most factors of one user.
const FACTORS_MAX: usize = 40;

/// Refuses one factor more than anybody needs.
///
/// # Errors
/// [`MethodError::Unusable`] saying so.
pub(super) fn has_room(reads: &dyn Reads, user: &User) -> Result<(), MethodError> {
    match credentials::factors(reads, user.id)?.len() < FACTORS_MAX {
        true => Ok(()),
        false => Err(MethodError::Unusable(FieldError::new("method", "too_many", "must wait: remove a factor first"))),
    }
}

/// Forgets unconfirmed factors of one method: a user enrols one at a time.
///
/// # Errors
/// When the store cannot read.
pub(super) fn forget_unconfirmed(tx: &mut Tx<'_>, user: &User, method: Method) -> Result<(), StoreError> {
    for earlier in credentials::factors(tx, user.id)? {
        if !earlier.confirmed && earlier.method() == method {
            credentials::remove_factor(tx, user.id, earlier.id)?;
        }
    }
    Ok(())
}
