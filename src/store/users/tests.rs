//! The promises of the user records: one writer, indexes that follow, and a trail.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;

use super::*;
use crate::base::clock::Clock;
use crate::base::id::RoleId;
use crate::base::rng::Rng;
use crate::directory::audit::Actor;
use crate::directory::field::{DisplayName, Email, Username};
use crate::directory::user::{DisabledReason, UserChange};
use crate::store::Store;

fn store() -> Store {
    Store::in_memory(Clock::manual(Timestamp::from_second(1_000_000).unwrap()), Rng::seeded(1)).unwrap()
}

fn new_user(store: &Store, username: &str, email: &str) -> NewUser {
    NewUser {
        id: UserId::new(store.clock().now(), store.rng()),
        username: Username::parse(username).unwrap(),
        name: DisplayName::parse(username).unwrap(),
        source: SourceId::local(),
        rest: UserChange { email: Some(Some(Email::parse(email).unwrap())), ..UserChange::default() },
        disabled: None,
    }
}

async fn made(store: &Store, username: &str, email: &str) -> Result<User, WriteError> {
    let new = new_user(store, username, email);
    store.write(move |tx: &mut Tx<'_>| create(tx, &Author::system("test"), new.clone(), None)).await
}

async fn changed(
    store: &Store,
    id: UserId,
    rule: impl Fn(User, Timestamp) -> Result<User, RuleError> + Send + 'static,
) -> Result<User, WriteError> {
    store.write(move |tx: &mut Tx<'_>| update(tx, &Author::system("test"), id, "user.changed", &rule)).await
}

fn admin() -> UserChange {
    UserChange { roles: Some([RoleId::parse(role::SYSTEM_ADMIN).unwrap()].into()), ..UserChange::default() }
}

#[tokio::test]
async fn usernames_and_emails_are_unique_whatever_the_case() {
    let store = store();
    made(&store, "Ada", "ada@example.org").await.unwrap();
    let taken = made(&store, "aDA", "other@example.org").await.unwrap_err();
    assert_eq!(taken, WriteError::Taken { field: "username" });
    let taken = made(&store, "bob", "ADA@Example.org").await.unwrap_err();
    assert_eq!(taken, WriteError::Taken { field: "email" });
    let taken = made(&store, "Ada@example.org", "third@example.org").await.unwrap_err();
    assert_eq!(taken, WriteError::Taken { field: "username" }, "a username is nobody else's address");
    assert!(made(&store, "own@example.org", "own@example.org").await.is_ok());
    let taken = made(&store, "carl", "OWN@example.org").await.unwrap_err();
    assert_eq!(taken, WriteError::Taken { field: "email" });
    assert_eq!(by_username(&store.view(), "bob").unwrap(), None);
    assert_eq!(by_login(&store.view(), " ADA ").unwrap().unwrap().username.as_str(), "Ada");
    assert_eq!(by_login(&store.view(), "Ada@example.ORG").unwrap().unwrap().username.as_str(), "Ada");
}

#[tokio::test]
async fn a_tombstone_frees_its_name_and_comes_back_only_when_it_is_free() {
    let store = store();
    let ada = made(&store, "ada", "ada@example.org").await.unwrap();
    let gone = |user: User, now| Ok(user.remove(Actor::Anonymous, now, Duration::from_secs(60)));
    changed(&store, ada.id, gone).await.unwrap();
    let other = made(&store, "ADA", "ada@example.org").await.unwrap();
    let back = |user: User, now| user.restore(now);
    assert_eq!(changed(&store, ada.id, back).await, Err(WriteError::Taken { field: "username" }));
    changed(&store, other.id, gone).await.unwrap();
    assert!(changed(&store, ada.id, back).await.unwrap().is_active());
}

#[tokio::test]
async fn activity_leaves_no_audit_line_and_keeps_the_revision() {
    let store = store();
    let ada = made(&store, "ada", "ada@example.org").await.unwrap();
    store.clock().advance(SignedDuration::from_secs(60));
    let seen = changed(&store, ada.id, |user, now| Ok(user.logged_in(now))).await.unwrap();
    assert_eq!(seen.revision, 1);
    assert_eq!(
        audit::list(&store.view(), &audit::Query { user: Some(ada.id), ..audit::Query::default() }, None, 9)
            .unwrap()
            .lines
            .len(),
        1
    );
    assert!(quiet(&store.view(), &ada.source, ada.created_at, 9).unwrap().is_empty());
    assert_eq!(quiet(&store.view(), &ada.source, store.clock().now(), 9).unwrap(), [ada.id]);
}

#[tokio::test]
async fn every_change_has_its_line_and_a_change_of_nothing_has_none() {
    let store = store();
    let ada = made(&store, "ada", "ada@example.org").await.unwrap();
    let rename = |user: User, _| {
        Ok(UserChange { name: Some(DisplayName::parse("Ada L").unwrap()), ..UserChange::default() }.apply(user))
    };
    let renamed = changed(&store, ada.id, rename).await.unwrap();
    assert_eq!(renamed.revision, 2);
    assert_eq!(changed(&store, ada.id, rename).await.unwrap().revision, 2);
    let lines = audit::list(&store.view(), &audit::Query { user: Some(ada.id), ..audit::Query::default() }, None, 9)
        .unwrap()
        .lines;
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0].changes.len(), 1);
    assert_eq!(lines[0].changes[0].old, "ada");
}

#[tokio::test]
async fn the_last_active_administrator_stays_whatever_the_rule() {
    let store = store();
    let ada = made(&store, "ada", "ada@example.org").await.unwrap();
    changed(&store, ada.id, |user, _| Ok(admin().apply(user))).await.unwrap();
    let last = Err(WriteError::Rule(RuleError::LastAdministrator));
    let disable = |user: User, now| user.disable(DisabledReason::Admin, Actor::Anonymous, now);
    let remove = |user: User, now| Ok(user.remove(Actor::Anonymous, now, Duration::ZERO));
    let demote = |user: User, _| Ok(UserChange { roles: Some(BTreeSet::new()), ..UserChange::default() }.apply(user));
    let end =
        |user: User, _| Ok(UserChange { expires_at: Some(Some(Timestamp::MAX)), ..UserChange::default() }.apply(user));
    assert_eq!(changed(&store, ada.id, disable).await, last);
    assert_eq!(changed(&store, ada.id, remove).await, last);
    assert_eq!(changed(&store, ada.id, demote).await, last);
    assert_eq!(changed(&store, ada.id, end).await, last);
    let bob = made(&store, "bob", "bob@example.org").await.unwrap();
    changed(&store, bob.id, |user, _| Ok(admin().apply(user))).await.unwrap();
    assert!(changed(&store, ada.id, disable).await.is_ok());
    assert_eq!(changed(&store, bob.id, demote).await, last);
}

#[tokio::test]
async fn an_administrator_whose_source_lets_nobody_in_is_no_way_in() {
    let store = store();
    let (ada, bob) = (made(&store, "ada", "ada@example.org").await, made(&store, "bob", "bob@example.org").await);
    let (ada, bob) = (ada.unwrap(), bob.unwrap());
    let corp = SourceId::parse("corp").unwrap();
    for (id, source) in [(ada.id, SourceId::local()), (bob.id, corp.clone())] {
        let rule = move |user, _| Ok(admin().apply(User { source: source.clone(), ..user }));
        changed(&store, id, rule).await.unwrap();
    }
    let disable = |user: User, now| user.disable(DisabledReason::Admin, Actor::Anonymous, now);
    crate::store::ways_in::note(&store, [SourceId::local()].into()).await.unwrap();
    let last = Err(WriteError::Rule(RuleError::LastAdministrator));
    assert_eq!(changed(&store, ada.id, disable).await, last);
    let given_away = move |user: User, _| Ok(User { source: corp.clone(), ..user });
    assert_eq!(changed(&store, ada.id, given_away).await, last);
    assert!(changed(&store, bob.id, disable).await.is_ok());
    let enable = |user: User, now| user.enable(now);
    changed(&store, bob.id, enable).await.unwrap();
    crate::store::ways_in::note(&store, [SourceId::local(), SourceId::parse("corp").unwrap()].into()).await.unwrap();
    assert!(changed(&store, ada.id, disable).await.is_ok());
}

#[tokio::test]
async fn settings_do_not_close_the_last_administrators_source() {
    let store = store();
    let ada = made(&store, "ada", "ada@example.org").await.unwrap();
    let let_in = async |sources: &[&str]| {
        let sources: BTreeSet<_> = sources.iter().map(|id| SourceId::parse(id).unwrap()).collect();
        let shut_out = shut_out(&store.view(), &sources, store.clock().now()).unwrap();
        (store.write(move |tx: &mut Tx<'_>| super::let_in(tx, &sources)).await, shut_out)
    };
    assert_eq!(let_in(&["corp"]).await, (Ok(()), false), "there is no administrator");
    changed(&store, ada.id, |user, _| Ok(admin().apply(user))).await.unwrap();
    assert_eq!(let_in(&["corp"]).await, (Ok(()), true), "none could come in before");
    assert_eq!(let_in(&["local", "corp"]).await, (Ok(()), false));
    assert_eq!(let_in(&["corp"]).await, (Err(RuleError::LastAdministrator.into()), true));
    // Whoever is left must not be one whom an expiry takes away.
    let bob = made(&store, "bob", "bob@example.org").await.unwrap();
    let temporary = |user, _| {
        let corp = SourceId::parse("corp").unwrap();
        Ok(admin().apply(User { source: corp, expires_at: Some(Timestamp::MAX), ..user }))
    };
    changed(&store, bob.id, temporary).await.unwrap();
    assert_eq!(let_in(&["corp"]).await, (Err(RuleError::LastAdministrator.into()), false));
    assert_eq!(let_in(&["local"]).await, (Ok(()), false));
}

#[tokio::test]
async fn the_due_are_found_by_their_time_alone() {
    let store = store();
    let now = store.clock().now();
    let ada = made(&store, "ada", "ada@example.org").await.unwrap();
    made(&store, "bob", "bob@example.org").await.unwrap();
    let end = crate::base::clock::plus_seconds(now, 60);
    let expire =
        move |user: User, _| Ok(UserChange { expires_at: Some(Some(end)), ..UserChange::default() }.apply(user));
    changed(&store, ada.id, expire).await.unwrap();
    assert!(expired(&store.view(), now, 9).unwrap().is_empty());
    assert_eq!(expired(&store.view(), end, 9).unwrap(), [ada.id]);
}

#[tokio::test]
async fn a_purge_waits_for_its_time_and_leaves_no_row_behind() {
    let store = store();
    let ada = made(&store, "ada", "ada@example.org").await.unwrap();
    let remove = |user: User, now| Ok(user.remove(Actor::Anonymous, now, Duration::from_secs(60)));
    changed(&store, ada.id, remove).await.unwrap();
    let purge_now = || store.write(move |tx: &mut Tx<'_>| purge(tx, &Author::system("test"), ada.id));
    assert!(!purge_now().await.unwrap());
    store.clock().advance(SignedDuration::from_secs(61));
    assert_eq!(purgeable(&store.view(), store.clock().now(), 9).unwrap(), [ada.id]);
    assert!(purge_now().await.unwrap());
    let all = store.view().scan(&KeyRange::prefix(&[]), Order::Ascending, usize::MAX).unwrap();
    // How many there are stays: none.
    let is_left = |key: &[u8]| (0x10..0x40).contains(&key[0]) && Space::of(key) != Some(Space::UserTally);
    let left: Vec<_> = all.iter().filter(|(key, _)| is_left(key)).collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test]
async fn how_many_users_a_source_has_is_counted_with_every_change() {
    let store = store();
    let count = |store: &Store| {
        let tally = crate::store::tally::of_source(&store.view(), &SourceId::local()).unwrap();
        (tally.present, tally.active)
    };
    assert_eq!(count(&store), (0, 0));
    let ada = made(&store, "ada", "ada@example.org").await.unwrap();
    made(&store, "bob", "bob@example.org").await.unwrap();
    assert!(made(&store, "ADA", "x@example.org").await.is_err());
    assert_eq!(count(&store), (2, 2));
    let shifts = |store: &Store| crate::store::tally::of_source(&store.view(), &SourceId::local()).unwrap().shifts;
    assert_eq!(shifts(&store), 0, "who comes last moves nobody");
    let by = || Actor::Socket { uid: 0 };
    changed(&store, ada.id, move |user, now| user.disable(DisabledReason::Admin, by(), now)).await.unwrap();
    assert_eq!(count(&store), (2, 1));
    changed(&store, ada.id, move |user, now| Ok(user.remove(by(), now, Duration::from_secs(60)))).await.unwrap();
    assert_eq!(count(&store), (1, 1));
    assert_eq!(shifts(&store), 1);
    changed(&store, ada.id, User::restore).await.unwrap();
    assert_eq!(shifts(&store), 2);
    let gone = |user: User, _| Ok(User { source: SourceId::parse("other").unwrap(), ..user });
    assert_eq!(count(&store), (2, 1));
    changed(&store, ada.id, gone).await.unwrap();
    assert_eq!(count(&store), (1, 1));
}
