//! Logins while a directory is out of reach: what it accepted not long ago is kept, and stands in for it.
//!
//! Off unless a source's `outage_cache` says otherwise. What is kept is asked only after the user's own source was
//! found unavailable, and opens nothing that the flow would not open anyway. Keeping is a step beside the login,
//! which neither waits for it nor fails with it.

use std::time::Duration;

use jiff::Timestamp;

use super::hasher::{HashError, Hasher};
use super::login::Authenticator;
use super::verify::{Backend, Kept, is_own};
use crate::base::clock::plus;
use crate::base::id::SourceId;
use crate::base::secret::Secret;
use crate::directory::user::User;
use crate::store::tx::Tx;
use crate::store::verifiers::{self, Verifier};
use crate::store::{Store, StoreError};

impl Authenticator {
    /// The source that verifies this user's password, and how old what is kept of it may be.
    fn outage_cache(&self, user: &User) -> Option<(&SourceId, Duration)> {
        let own = |backend: &&Backend| backend.verifier.is_some() && is_own(backend, user, &self.backends);
        let own = self.backends.iter().find(own)?;
        Some((&own.id, own.outage_cache?))
    }

    /// What may stand in for the user's source, should it be out of reach.
    pub(super) fn kept(&self, user: &User, now: Timestamp) -> Result<Option<Kept>, StoreError> {
        let Some((source, age)) = self.outage_cache(user) else { return Ok(None) };
        let kept = verifiers::get(&self.store.view(), user.id)?;
        let kept = kept.filter(|kept| kept.stands_in(user, source, age, now));
        let age = |kept: &Verifier| now.duration_since(kept.verified_at).as_secs();
        Ok(kept.map(|kept| Kept { age_seconds: age(&kept), hash: kept.hash }))
    }

    /// Keeps the password that this source has just accepted from its user, beside the login.
    pub(super) fn keep(&self, user: &User, by: &SourceId, password: &Secret, verified_at: Timestamp) {
        let Some((source, age)) = self.outage_cache(user).filter(|(source, _)| *source == by) else { return };
        let (store, hasher, password) = (self.store.clone(), self.hasher.clone(), password.clone());
        let step = Keeping { source: source.clone(), age, user: user.clone(), password, verified_at };
        self.beside.spawn(async move {
            if let Err(error) = step.run(&store, &hasher).await {
                tracing::warn!(user.id = %step.user.id, error = %error, "a password could not be kept for outages");
            }
        });
    }
}

/// A password to keep.
struct Keeping {
    source: SourceId,
    age: Duration,
    user: User,
    password: Secret,
    verified_at: Timestamp,
}

impl Keeping {
    /// Where the threads that hash have enough to do nothing is kept, nor what was there: it may be of the password
    /// before this one.
    async fn run(&self, store: &Store, hasher: &Hasher) -> Result<(), StoreError> {
        let (user, kept) = (self.user.id, verifiers::get(&store.view(), self.user.id)?);
        let Some(hash) = self.hash(kept.as_ref(), hasher).await else {
            let Some(_) = kept else { return Ok(()) };
            return store.write_bulk(move |tx: &mut Tx<'_>| verifiers::forget(tx, user)).await;
        };
        if kept.is_some_and(|kept| kept.hash == hash) {
            return Ok(());
        }
        let verifier = Verifier {
            hash,
            source: self.source.clone(),
            verified_at: self.verified_at,
            ends_at: plus(self.verified_at, self.age),
            epoch: self.user.session_epoch,
        };
        store.write_bulk(move |tx: &mut Tx<'_>| verifiers::keep(tx, user, &verifier).map(drop)).await
    }

    /// The hash to keep: what is kept, where it is young and of this password; none where that cannot be found out now.
    async fn hash(&self, kept: Option<&Verifier>, hasher: &Hasher) -> Option<String> {
        if hasher.is_busy() {
            return None;
        }
        let young = kept.filter(|kept| kept.stands_in(&self.user, &self.source, self.age / 4, self.verified_at));
        if let Some(young) = young.filter(|young| !hasher.is_outdated(&young.hash)) {
            match hasher.verify(&self.password, &young.hash).await {
                Ok(true) => return Some(young.hash.clone()),
                Err(HashError::Busy) => return None,
                Ok(false) | Err(HashError::Unusable) => {}
            }
        }
        hasher.hash(&self.password).await.ok()
    }
}
