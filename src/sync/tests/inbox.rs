//! The inbox of conflicts: what waits there, what a person may decide, and what settles itself.

use super::*;
use crate::base::id::UserId;
use crate::directory::conflict::Conflict;
use crate::directory::field::Username;
use crate::store::{conflicts, credentials};
use crate::sync::inbox::{self, InboxError};

fn open(pass: &Pass) -> Vec<Conflict> {
    conflicts::list(&pass.store.view(), None).unwrap().into_iter().filter(Conflict::is_open).collect()
}

/// A user of another source has the name of the entry `u0`.
async fn clash() -> (Pass, Fake) {
    let pass = pass();
    let other = Fake { id: SourceId::parse("other").unwrap(), ..Fake::new(entries(1)) };
    run(&pass, &other).await;
    let source = Fake::new(entries(2));
    let outcome = run(&pass, &source).await;
    assert_eq!((outcome.counts.create, outcome.counts.conflict), (1, 1));
    (pass, source)
}

/// A person gives the user who has the name to the entry, as they are now.
async fn link(pass: &Pass, source: &SourceId, id: &ExternalId) -> Result<User, InboxError> {
    let view = pass.store.view();
    let holder =
        conflicts::get(&view, source, id)?.map(|conflict| users::get(&view, conflict.holder).unwrap().unwrap());
    let seen =
        holder.map_or((UserId::new(pass.store.clock().now(), pass.store.rng()), 1), |user| (user.id, user.revision));
    inbox::link(&pass.store, &Author::system("admin"), source, id, seen).await
}

#[tokio::test]
async fn who_holds_the_name_has_changed_since_it_was_looked_at_is_given_to_nobody() {
    let (pass, source) = clash().await;
    let holder = user(&pass, "u0");
    let seen = |id, revision| (id, revision);
    let id = entry(0).external_id;
    for seen in [seen(holder.id, holder.revision + 1), seen(user(&pass, "u1").id, 1)] {
        let linked = inbox::link(&pass.store, &Author::system("admin"), &source.id, &id, seen).await;
        assert!(linked.is_err(), "{linked:?}");
    }
    assert_eq!((user(&pass, "u0").source.as_str(), open(&pass).len()), ("other", 1));
}

#[tokio::test]
async fn a_conflict_waits_with_what_a_person_must_know_and_is_told_once() {
    let (pass, source) = clash().await;
    let [conflict] = &open(&pass)[..] else { panic!("one conflict") };
    assert_eq!((conflict.field.as_str(), conflict.username.as_str()), ("username", "u0"));
    assert_eq!((conflict.holder, conflict.entry.as_str()), (user(&pass, "u0").id, "uid=u0"));
    let since = conflict.since;
    pass.store.clock().advance(jiff::SignedDuration::from_hours(1));
    run(&pass, &source).await;
    assert_eq!(open(&pass)[0].since, since);
}

#[tokio::test]
async fn a_conflict_that_settles_itself_leaves_the_inbox() {
    let (pass, source) = clash().await;
    let holder = user(&pass, "u0").id;
    let rename = move |tx: &mut Tx<'_>| {
        users::update(tx, &Author::system("admin"), holder, "user.changed", |user, _| {
            Ok(User { username: Username::parse("somebody").unwrap(), email: None, ..user })
        })
    };
    pass.store.write(rename).await.unwrap();
    // Nothing changed at the source: the entry is looked up because it waits.
    *source.changes.lock().unwrap() = Some(Vec::new());
    let outcome = pass.run(&source, Wanted::Due, Author::system("test")).await.unwrap();
    assert_eq!(outcome.counts.create, 1);
    assert!(open(&pass).is_empty());
    assert_eq!(user(&pass, "u0").source.as_str(), "corp");
}

#[tokio::test]
async fn an_entry_that_changed_while_it_waits_is_no_twin_of_itself() {
    let (pass, source) = clash().await;
    let holder = user(&pass, "u0").id;
    let rename = move |tx: &mut Tx<'_>| {
        users::update(tx, &Author::system("admin"), holder, "user.changed", |user, _| {
            Ok(User { username: Username::parse("somebody").unwrap(), email: None, ..user })
        })
    };
    pass.store.write(rename).await.unwrap();
    // It is among the changes, and is looked up besides.
    *source.changes.lock().unwrap() = Some(vec![Piece::User(Box::new(entry(0)))]);
    let outcome = pass.run(&source, Wanted::Due, Author::system("test")).await.unwrap();
    assert_eq!((outcome.counts.create, outcome.counts.skipped), (1, 0));
    assert!(open(&pass).is_empty());
}

#[tokio::test]
async fn a_person_links_the_entry_to_the_user_who_has_the_name() {
    let (pass, source) = clash().await;
    let holder = user(&pass, "u0");
    let id = holder.id;
    let set = move |tx: &mut Tx<'_>| credentials::set(tx, id, "hash".to_owned(), 1);
    pass.store.write::<_, crate::store::StoreError>(set).await.unwrap();
    let linked = link(&pass, &source.id, &entry(0).external_id).await.unwrap();
    assert_eq!((linked.id, linked.source.as_str()), (holder.id, "corp"));
    assert!(linked.session_epoch > holder.session_epoch);
    assert!(credentials::get(&pass.store.view(), holder.id).unwrap().is_none(), "the source keeps the password now");
    let outcome = run(&pass, &source).await;
    assert_eq!((outcome.counts.create, outcome.counts.conflict), (0, 0));
    assert!(open(&pass).is_empty());
}

#[tokio::test]
async fn the_last_administrator_is_not_given_to_a_source() {
    let (pass, source) = clash().await;
    let holder = user(&pass, "u0").id;
    let raise = move |tx: &mut Tx<'_>| {
        users::update(tx, &Author::system("admin"), holder, "user.changed", |user, _| {
            let admin = crate::base::id::RoleId::parse(crate::directory::role::SYSTEM_ADMIN).unwrap();
            Ok(User { roles: [admin].into(), ..user })
        })
    };
    pass.store.write(raise).await.unwrap();
    let linked = link(&pass, &source.id, &entry(0).external_id).await;
    assert!(matches!(linked, Err(InboxError::Write(_))), "{linked:?}");
    assert_eq!(user(&pass, "u0").source.as_str(), "other");
}

#[tokio::test]
async fn a_person_gives_the_entry_another_name_for_good() {
    let (pass, source) = clash().await;
    let rename = |name: &str| {
        let name = Username::parse(name).unwrap();
        let (store, id) = (pass.store.clone(), source.id.clone());
        async move { inbox::rename(&store, &Author::system("admin"), &id, &entry(0).external_id, name).await }
    };
    assert!(matches!(rename("u1").await, Err(InboxError::Write(_))), "somebody has it");
    rename("zero").await.unwrap();
    let mut shared = entries(2);
    shared[0].email = Some(None);
    source.holds(shared);
    for _ in 0..2 {
        run(&pass, &source).await;
        assert_eq!(user(&pass, "zero").external_id.unwrap(), entry(0).external_id);
        assert_eq!(user(&pass, "u0").source.as_str(), "other");
    }
    assert!(run(&pass, &source).await.counts.is_quiet(), "the name stays");
}

#[tokio::test]
async fn an_entry_that_is_ignored_stays_out_until_a_person_opens_it_again() {
    let (pass, source) = clash().await;
    let (author, id) = (Author::system("admin"), entry(0).external_id);
    inbox::ignore(&pass.store, &author, &source.id, &id, false).await.unwrap();
    assert_eq!(run(&pass, &source).await.counts.conflict, 0);
    assert!(open(&pass).is_empty());
    inbox::ignore(&pass.store, &author, &source.id, &id, true).await.unwrap();
    assert_eq!(run(&pass, &source).await.counts.conflict, 1);
    assert_eq!(open(&pass).len(), 1);
    let unknown = ExternalId::parse("nobody").unwrap();
    assert!(matches!(link(&pass, &source.id, &unknown).await, Err(InboxError::NotFound)));
}
