//! A face, compared by a provider: off by default, and a second factor only. What crosses the line between both is in
//! `docs/face-provider.md`.
//!
//! No picture and no template ever comes here: kept are what the provider knows the person by, and when they agreed to
//! it. The provider is asked before the transaction; what it signed is judged inside it, and is good for one question.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{Action, Ahead, Ask, Enrolment, Kind, MethodError, Response, Shown, Soon, Verdict, forget_unconfirmed};
use crate::base::certificates::SeenCertificates;
use crate::base::clock::plus;
use crate::base::id::FactorId;
use crate::directory::factor::Method;
use crate::directory::quota::Quota;
use crate::store::challenges::{self, Challenge};
use crate::store::credentials::{self, Factor, FactorKind};
use crate::store::tx::Tx;
use crate::store::{Store, StoreError, quotas};

mod provider;
mod result;
mod settings;
#[cfg(test)]
mod tests;

use provider::{Found, Provider, Question};
use result::Expected;
pub use result::Key;
pub use settings::{Settings, TIMEOUT};

/// A question is open for this long, and a result is good for as long after it was signed.
const LIFE: Duration = Duration::from_secs(120);

/// The method.
pub struct Face {
    provider: Provider,
    key: Key,
    min_score: Option<f64>,
    issuer: String,
}

/// What was asked of the provider, before it is written.
#[derive(Serialize, Deserialize)]
struct Begun {
    /// The factor in question; a new one has no name yet.
    factor: Option<FactorId>,
    subject: String,
    nonce: String,
    capture_url: String,
    expires_at: Timestamp,
}

/// What the provider signed, before it is judged.
#[derive(Serialize, Deserialize)]
struct Looked {
    nonce: String,
    signed: String,
}

/// What is kept of a question. The nonce is no secret: the provider's token is needed to ask for its result.
#[derive(Serialize, Deserialize)]
struct Open {
    nonce: String,
}

impl Face {
    /// The method, with this provider behind it. People see `issuer` where they show their face.
    ///
    /// # Errors
    /// What is wrong with the provider's address.
    pub fn new(settings: &Settings, issuer: String) -> Result<Arc<Self>, String> {
        let provider = Provider::new(settings)?;
        Ok(Arc::new(Self { provider, key: settings.key.clone(), min_score: settings.min_score, issuer }))
    }

    /// Notes there what certificate the provider shows, from the first connection on.
    pub fn note_certificates(&self, seen: &SeenCertificates) {
        self.provider.note_in(seen);
    }

    /// Has the provider forget somebody.
    ///
    /// # Errors
    /// Why it may not have; it can be told again.
    pub async fn forget(&self, subject: &str) -> Result<(), String> {
        self.provider.forget(subject).await
    }

    /// Asks the provider for a page on which the person shows their face.
    async fn begin(
        &self,
        store: &Store,
        ask: &Ask<'_>,
        (factor, subject): (Option<FactorId>, String),
    ) -> Result<Ahead, MethodError> {
        let user = ask.user.id;
        let count = move |tx: &mut Tx<'_>| quotas::take(tx, &[Quota::Face(user)]);
        store.write::<_, StoreError>(count).await?.map_err(|full| MethodError::TooSoon(full.wait))?;
        let (nonce, expires_at) = (random_name::<32>(store), plus(store.clock().now(), LIFE));
        let question = Question {
            nonce: &nonce,
            subject: &subject,
            purpose: ask.purpose.name(),
            ttl_seconds: LIFE.as_secs(),
            issuer: &self.issuer,
        };
        let capture_url = self.provider.begin(&question).await.map_err(unavailable)?;
        Ok(json!(Begun { factor, subject, nonce, capture_url, expires_at }))
    }

    /// Asks the provider what came of it.
    async fn look(&self, store: &Store, ask: &Ask<'_>) -> Result<Ahead, MethodError> {
        let place = ask.place(Method::Face);
        let open = challenges::get(&store.view(), &place, store.clock().now())?.ok_or(MethodError::NoChallenge)?;
        let Open { nonce } = read(&open.state)?;
        match self.provider.look(&nonce).await.map_err(unavailable)? {
            Found::Signed(signed) => Ok(json!(Looked { nonce, signed })),
            Found::Nobody => Err(MethodError::NotReady),
            Found::Ended => Err(MethodError::NoChallenge),
        }
    }

    /// Notes what was asked; the question before it is over.
    fn open(tx: &mut Tx<'_>, ask: &Ask<'_>, factor: FactorId, begun: Begun) -> Result<Shown, StoreError> {
        let challenge = Challenge {
            user: Some(ask.user.id),
            factor: Some(factor),
            created_at: tx.now(),
            expires_at: begun.expires_at,
            tries: 1,
            state: json!(Open { nonce: begun.nonce }),
        };
        challenges::put(tx, ask.place(Method::Face), &challenge)?;
        let until = json!(begun.expires_at);
        Ok(Shown::default().with("capture_url", begun.capture_url).with("capture_expires_at", until))
    }
}

impl Kind for Face {
    fn method(&self) -> Method {
        Method::Face
    }

    fn wants_consent(&self) -> bool {
        true
    }

    fn ahead<'a>(
        &'a self,
        store: &'a Store,
        ask: &'a Ask<'a>,
        action: Action,
        factors: &'a [Factor],
    ) -> Soon<'a, Result<Ahead, MethodError>> {
        Box::pin(async move {
            match action {
                Action::Enrol => self.begin(store, ask, (None, random_name::<16>(store))).await,
                Action::Challenge => {
                    let known = factors.iter().find_map(|factor| Some((Some(factor.id), subject(factor)?.to_owned())));
                    self.begin(store, ask, known.ok_or(MethodError::NoChallenge)?).await
                }
                Action::Accept => self.look(store, ask).await,
            }
        })
    }

    fn enrol(&self, tx: &mut Tx<'_>, ask: &Ask<'_>, ahead: &Ahead) -> Result<Enrolment, MethodError> {
        let begun: Begun = read(ahead)?;
        forget_unconfirmed(tx, ask.user, Method::Face)?;
        let id = FactorId::new(tx.now(), tx.rng());
        let kind = FactorKind::Face { subject: begun.subject.clone(), consented_at: Some(tx.now()) };
        let name = "Face".to_owned();
        let factor = Factor { id, name, created_at: tx.now(), confirmed: false, used_at: None, kind };
        credentials::put_factor(tx, ask.user.id, &factor)?;
        Ok(Enrolment { factor: id, shown: Self::open(tx, ask, id, begun)? })
    }

    fn challenge(
        &self,
        tx: &mut Tx<'_>,
        ask: &Ask<'_>,
        factors: &[Factor],
        ahead: &Ahead,
    ) -> Result<Shown, MethodError> {
        let begun: Begun = read(ahead)?;
        let is_meant = |factor: &&Factor| Some(factor.id) == begun.factor && subject(factor) == Some(&begun.subject);
        let factor = factors.iter().find(is_meant).ok_or(MethodError::NoChallenge)?.id;
        Ok(Self::open(tx, ask, factor, begun)?)
    }

    /// Right or wrong, the question is answered and over.
    fn accept(
        &self,
        tx: &mut Tx<'_>,
        ask: &Ask<'_>,
        factors: &[Factor],
        _: &Response,
        ahead: &Ahead,
    ) -> Result<Verdict, MethodError> {
        let Looked { nonce, signed } = read(ahead)?;
        let place = ask.place(Method::Face);
        let open = challenges::get(tx, &place, tx.now())?.filter(|open| open.user == Some(ask.user.id));
        let open = open.ok_or(MethodError::NoChallenge)?;
        // Another question may have taken its place since the provider was asked.
        if read::<Open>(&open.state)?.nonce != nonce {
            return Err(MethodError::NoChallenge);
        }
        let factor = factors.iter().find(|factor| Some(factor.id) == open.factor).ok_or(MethodError::NoChallenge)?;
        let expected = Expected {
            nonce: &nonce,
            subject: subject(factor).ok_or(MethodError::NoChallenge)?,
            purpose: ask.purpose.name(),
            min_score: self.min_score,
            life: LIFE,
        };
        challenges::remove(tx, &place)?;
        if let Err(why) = result::judge(&self.key, &signed, &expected, tx.now()) {
            tracing::warn!(user.id = %ask.user.id, face.reason = why.name(), "a face was refused: {why}");
            return Ok(Verdict::Wrong(why.name()));
        }
        let proved = Factor { confirmed: true, used_at: Some(tx.now()), ..factor.clone() };
        credentials::put_factor(tx, ask.user.id, &proved)?;
        Ok(Verdict::Right(factor.id))
    }
}

/// What the provider knows the owner by.
fn subject(factor: &Factor) -> Option<&str> {
    match &factor.kind {
        FactorKind::Face { subject, .. } => Some(subject),
        _ => None,
    }
}

/// So many random bytes as a text.
fn random_name<const N: usize>(store: &Store) -> String {
    BASE64URL_NOPAD.encode(&store.rng().bytes::<N>())
}

/// What this file wrote; what it did not write answers nothing.
fn read<T: DeserializeOwned>(value: &Ahead) -> Result<T, MethodError> {
    T::deserialize(value).map_err(|_| MethodError::NoChallenge)
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn unavailable(why: String) -> MethodError {
    tracing::warn!("the provider of faces cannot be asked: {why}");
    MethodError::Unavailable
}
