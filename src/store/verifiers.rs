//! Hashes of passwords that a directory accepted, for the time in which it is out of reach. Kept apart from the
//! passwords that musterd itself keeps: none of these is ever asked while the directory answers.
//!
//! One opens nothing once the user's session epoch has moved on: whatever ends what a user holds ends it too.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::clock::plus;
use crate::base::id::{SourceId, UserId};
use crate::directory::user::User;
use crate::store::keys::Space;
use crate::store::sessions::{forget_end, remember_end};
use crate::store::tx::{Reads, Tx, get_record};
use crate::store::{StoreError, users};

/// A password that a source accepted.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Verifier {
    /// Its hash in PHC string form.
    pub hash: String,
    /// Who accepted it.
    pub source: SourceId,
    /// When.
    pub verified_at: Timestamp,
    /// When the record may be dropped.
    pub ends_at: Timestamp,
    /// The user's session epoch then.
    pub epoch: u64,
}

impl Verifier {
    /// May it stand in for this source, which lets it be as old as `age`?
    #[must_use]
    pub fn stands_in(&self, user: &User, source: &SourceId, age: std::time::Duration, now: Timestamp) -> bool {
        self.epoch == user.session_epoch
            && self.source == *source
            && self.verified_at <= now
            && now <= plus(self.verified_at, age)
    }
}

fn key(user: UserId) -> Vec<u8> {
    Space::Verifier.key(&[user.as_bytes()])
}

/// The user's verifier, whatever it is still good for.
///
/// # Errors
/// When the store cannot read.
pub fn get(reads: &dyn Reads, user: UserId) -> Result<Option<Verifier>, StoreError> {
    get_record(reads, &key(user))
}

/// Keeps a verifier in place of the one before, unless that is younger, or the user's credentials have been ended
/// since the password was verified. `false`: it was not kept.
///
/// # Errors
/// When the store cannot read.
pub fn keep(tx: &mut Tx<'_>, user: UserId, verifier: &Verifier) -> Result<bool, StoreError> {
    let owner = users::get(tx, user)?;
    let holds = owner.is_some_and(|owner| owner.session_epoch == verifier.epoch && owner.is_valid(tx.now()));
    let younger = get(tx, user)?.is_some_and(|kept| kept.verified_at > verifier.verified_at);
    if !holds || younger {
        return Ok(false);
    }
    forget(tx, user)?;
    remember_end(tx, verifier.ends_at, &key(user));
    tx.put_record(key(user), verifier)?;
    Ok(true)
}

/// Forgets the user's verifier, if there is one.
///
/// # Errors
/// When the store cannot read.
pub fn forget(tx: &mut Tx<'_>, user: UserId) -> Result<(), StoreError> {
    if let Some(kept) = get(tx, user)? {
        // A later verifier has the same key: it must not be dropped at the end of this one.
        forget_end(tx, kept.ends_at, &key(user));
        tx.remove(key(user));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::SignedDuration;

    use super::*;
    use crate::base::clock::Clock;
    use crate::base::rng::Rng;
    use crate::directory::audit::{Actor, Author};
    use crate::directory::user::tests::user;
    use crate::store::{Store, index, sessions, verify};

    const AGE: Duration = Duration::from_secs(3_600);

    fn store() -> Store {
        Store::in_memory(Clock::manual(Timestamp::from_second(1_800_000_000).unwrap()), Rng::seeded(1)).unwrap()
    }

    fn verifier(store: &Store, hash: &str, epoch: u64) -> Verifier {
        let now = store.clock().now();
        let source = SourceId::parse("corp").unwrap();
        Verifier { hash: hash.to_owned(), source, verified_at: now, ends_at: plus(now, AGE), epoch }
    }

    async fn kept(store: &Store, user: UserId, verifier: &Verifier) -> bool {
        let verifier = verifier.clone();
        store.write(move |tx: &mut Tx<'_>| keep(tx, user, &verifier)).await.unwrap()
    }

    async fn owner(store: &Store) -> User {
        let user = user("eve", store.clock().now());
        let new = user.clone();
        let write = move |tx: &mut Tx<'_>| index::write(tx, index::user_key(new.id), None, &new);
        store.write(write).await.unwrap();
        user
    }

    #[test]
    fn it_stands_in_for_its_source_its_epoch_and_its_time() {
        let store = store();
        let (verifier, now) = (verifier(&store, "h", 0), store.clock().now());
        let eve = user("eve", now);
        let later = |seconds: u64| plus(now, Duration::from_secs(seconds));
        assert!(verifier.stands_in(&eve, &verifier.source, AGE, now));
        assert!(verifier.stands_in(&eve, &verifier.source, AGE, later(3_600)));
        assert!(!verifier.stands_in(&eve, &verifier.source, AGE, later(3_601)));
        assert!(!verifier.stands_in(&eve, &verifier.source, AGE / 2, later(3_600)), "a shorter time was set");
        assert!(!verifier.stands_in(&eve, &SourceId::local(), AGE, now));
        assert!(!verifier.stands_in(&eve.clone().end_sessions(), &verifier.source, AGE, now));
        let early = Verifier { verified_at: later(1), ..verifier.clone() };
        assert!(!early.stands_in(&eve, &verifier.source, AGE, now), "the clock went back");
    }

    #[tokio::test]
    async fn only_a_younger_one_of_the_same_epoch_takes_its_place() {
        let store = store();
        let eve = owner(&store).await;
        let first = verifier(&store, "first", 0);
        assert!(kept(&store, eve.id, &first).await);
        store.clock().advance(SignedDuration::from_mins(30));
        let second = verifier(&store, "second", 0);
        assert!(kept(&store, eve.id, &second).await);
        assert!(!kept(&store, eve.id, &first).await, "it comes late");
        assert!(!kept(&store, eve.id, &verifier(&store, "third", 1)).await, "of another epoch");
        assert!(!kept(&store, user("bob", store.clock().now()).id, &second).await, "of nobody");
        assert!(get(&store.view(), eve.id).unwrap().is_some_and(|kept| kept == second));
        assert!(verify::verify(&store.view()).unwrap().differences.is_empty());
    }

    #[tokio::test]
    async fn it_is_dropped_at_its_own_end_and_when_its_user_is_purged() {
        let store = store();
        let eve = owner(&store).await;
        assert!(kept(&store, eve.id, &verifier(&store, "first", 0)).await);
        store.clock().advance(SignedDuration::from_mins(30));
        assert!(kept(&store, eve.id, &verifier(&store, "second", 0)).await);
        let drop_ended = || store.write(|tx: &mut Tx<'_>| sessions::drop_ended(tx, 99));
        store.clock().advance(SignedDuration::from_mins(31));
        assert_eq!(drop_ended().await.unwrap(), 0, "the end of the first is no longer");
        store.clock().advance(SignedDuration::from_mins(30));
        assert_eq!(drop_ended().await.unwrap(), 1);
        assert!(get(&store.view(), eve.id).unwrap().is_none());
        assert!(kept(&store, eve.id, &verifier(&store, "third", 0)).await);
        let id = eve.id;
        let purge = move |tx: &mut Tx<'_>| {
            let gone = |user: User, now| Ok(user.remove(Actor::Anonymous, now, Duration::ZERO));
            users::update(tx, &Author::system("test"), id, "user.removed", gone)?;
            users::purge(tx, &Author::system("test"), id)
        };
        assert!(store.write(purge).await.unwrap());
        assert!(get(&store.view(), eve.id).unwrap().is_none());
        store.clock().advance(SignedDuration::from_hours(2));
        assert_eq!(drop_ended().await.unwrap(), 0);
    }

    #[test]
    fn its_stored_form_is_for_ever() {
        let text = r#"{"hash":"$argon2id$","source":"corp","verified_at":"2026-03-01T08:00:00Z","ends_at":"2026-03-04T08:00:00Z","epoch":7}"#;
        let verifier: Verifier = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&verifier).unwrap(), text);
    }
}
