//! Readings of changes, what is noted with them, tombstones, attributes that are kept, and names that are passed on.

use super::*;
use crate::base::id::RunId;
use crate::directory::conflict::ConflictRule;
use crate::directory::user::KeptAttribute;
use crate::directory::user::UserChange;
use crate::store::StoreError;
use crate::store::readings;
use crate::sync::undo;

fn with(rules: Rules) -> Pass {
    Pass::new(super::pass().store, Rules { groups: true, ..rules })
}

async fn due(pass: &Pass, source: &Fake) -> Run {
    pass.run(source, Wanted::Due, Author::system("test")).await.unwrap()
}

fn piece(user: PulledUser) -> Piece {
    Piece::User(Box::new(user))
}

fn id(n: usize) -> ExternalId {
    entry(n).external_id
}

#[tokio::test]
async fn changes_are_read_from_the_bookmark_on_and_say_nothing_of_anybody_else() {
    let (pass, source) = (pass(), Fake::new(entries(20)));
    run(&pass, &source).await;
    let noted = |pass: &Pass| readings::get(&pass.store.view(), &source.id).unwrap();
    assert_eq!(noted(&pass).bookmark.as_deref(), Some("1"));
    let mut changed = entry(3);
    changed.name = "Another Name".to_owned();
    *source.changes.lock().unwrap() = Some(vec![piece(changed), piece(entry(30)), Piece::Gone(id(5))]);
    let outcome = due(&pass, &source).await;
    let counts = outcome.counts;
    assert_eq!((counts.update, counts.create, counts.disable, counts.read), (1, 1, 1, 2));
    assert_eq!(noted(&pass).bookmark.as_deref(), Some("11"), "in the same commit as what it covers");
    assert!(user(&pass, "u7").is_active() && !user(&pass, "u5").is_active());
    *source.changes.lock().unwrap() = Some(Vec::new());
    let before = runs::list_runs(&pass.store.view(), None, 99).unwrap().len();
    assert!(due(&pass, &source).await.counts.is_quiet());
    assert_eq!(runs::list_runs(&pass.store.view(), None, 99).unwrap().len(), before, "nothing found, nothing kept");
}

#[tokio::test]
async fn a_complete_reading_comes_when_its_time_has_come_or_the_plan_met_another_world() {
    let (pass, source) = (pass(), Fake::new(entries(20)));
    run(&pass, &source).await;
    *source.changes.lock().unwrap() = Some(Vec::new());
    source.holds(entries(19));
    assert_eq!(due(&pass, &source).await.counts.disable, 0, "changes say nothing of who is absent");
    pass.store.clock().advance(jiff::SignedDuration::from_hours(24));
    assert_eq!(due(&pass, &source).await.counts.disable, 1);
    let mark = pass.store.write({
        let source = source.id.clone();
        move |tx: &mut Tx<'_>| {
            let reading = readings::get(tx, &source)?;
            readings::put(tx, &source, &readings::Reading { needs_complete: Some("test".to_owned()), ..reading })
        }
    });
    mark.await.unwrap();
    source.holds(entries(18));
    assert_eq!(due(&pass, &source).await.counts.disable, 1);
    assert_eq!(readings::get(&pass.store.view(), &source.id).unwrap().needs_complete, None);
}

#[tokio::test]
async fn a_burst_of_deletions_is_held_and_its_bookmark_waits_with_it() {
    let (pass, source) = (pass(), Fake::new(entries(40)));
    run(&pass, &source).await;
    *source.changes.lock().unwrap() = Some((0..20).map(|n| Piece::Gone(id(n))).collect());
    let Outcome::Held { plan, .. } = due(&pass, &source).await.outcome else { panic!("not held") };
    let noted = || readings::get(&pass.store.view(), &source.id).unwrap().bookmark;
    assert_eq!(noted().as_deref(), Some("1"));
    decide::approve(&pass.store, &Author::system("test"), plan, &UserDefaults::default()).await.unwrap();
    assert_eq!(noted().as_deref(), Some("11"));
    assert!(!user(&pass, "u0").is_active());
}

#[tokio::test]
async fn who_was_absent_for_long_becomes_a_tombstone_and_still_comes_back_with_everything() {
    let (pass, source) = (pass(), Fake::new(entries(20)));
    run(&pass, &source).await;
    let before = user(&pass, "u19");
    source.holds(entries(19));
    run(&pass, &source).await;
    pass.store.clock().advance(jiff::SignedDuration::from_hours(29 * 24));
    assert_eq!(run(&pass, &source).await.counts.remove, 0);
    pass.store.clock().advance(jiff::SignedDuration::from_hours(2 * 24));
    assert_eq!(run(&pass, &source).await.counts.remove, 1);
    assert!(users::by_username(&pass.store.view(), "u19").unwrap().is_none());
    source.holds(entries(20));
    assert_eq!(run(&pass, &source).await.counts.enable, 1);
    let back = user(&pass, "u19");
    assert!(back.is_active() && back.id == before.id && back.email == before.email);
}

#[tokio::test]
async fn a_tombstone_whose_name_is_somebodys_by_now_is_a_conflict() {
    let (pass, source) = (pass(), Fake::new(entries(20)));
    run(&pass, &source).await;
    source.holds(entries(19));
    run(&pass, &source).await;
    pass.store.clock().advance(jiff::SignedDuration::from_hours(31 * 24));
    run(&pass, &source).await;
    let other = Fake { id: SourceId::parse("other").unwrap(), ..Fake::new(vec![entry(19)]) };
    assert_eq!(run(&pass, &other).await.counts.create, 1);
    source.holds(entries(20));
    let outcome = run(&pass, &source).await;
    assert_eq!((outcome.counts.enable, outcome.counts.conflict), (0, 1));
    assert_eq!(user(&pass, "u19").source.as_str(), "other");
}

#[tokio::test]
async fn an_attribute_that_is_kept_here_stays_whatever_the_source_says() {
    let rules = Rules { kept: [KeptAttribute::Phone].into(), ..Rules::default() };
    let (pass, source) = (with(rules), Fake::new(entries(3)));
    run(&pass, &source).await;
    let own = user(&pass, "u1").id;
    let keep = pass.store.write(move |tx: &mut Tx<'_>| {
        users::update(tx, &Author::system("admin"), own, "user.changed", |user, _| {
            let name = crate::directory::field::DisplayName::parse("Kept Name").unwrap();
            Ok(User { name, kept: [KeptAttribute::Name].into(), ..user })
        })
    });
    keep.await.unwrap();
    let mut changed = entries(3);
    changed[1].name = "From The Source".to_owned();
    changed[1].phone = Some(Some("+49 30 1234567".to_owned()));
    changed[2].name = "From The Source".to_owned();
    source.holds(changed);
    assert_eq!(run(&pass, &source).await.counts.update, 1);
    let (kept, plain) = (user(&pass, "u1"), user(&pass, "u2"));
    assert_eq!((kept.name.as_str(), kept.phone, plain.name.as_str()), ("Kept Name", None, "From The Source"));
}

#[tokio::test]
async fn names_are_passed_on_and_swapped_within_one_reading() {
    let (pass, source) = (pass(), Fake::new(entries(6)));
    run(&pass, &source).await;
    let ids = |names: [&str; 3]| names.map(|name| user(&pass, name).id);
    let [first, second, third] = ids(["u0", "u1", "u2"]);
    // A chain: u0 becomes u1, u1 becomes u2, u2 becomes new; and u3 and u4 swap.
    let mut renamed = entries(6);
    for (n, name) in [(0, "u1"), (1, "u2"), (2, "new"), (3, "u4"), (4, "u3")] {
        renamed[n].username = name.to_owned();
        renamed[n].email = Some(Some(format!("{name}@example.org")));
    }
    let [left, right] = ["u3", "u4"].map(|name| user(&pass, name).id);
    source.holds(renamed);
    let outcome = run(&pass, &source).await;
    assert_eq!((outcome.counts.conflict, outcome.skipped.len()), (0, 0), "{outcome:?}");
    assert_eq!(ids(["u1", "u2", "new"]), [first, second, third]);
    assert_eq!([user(&pass, "u4").id, user(&pass, "u3").id], [left, right]);
    assert_eq!(user(&pass, "u4").email.unwrap().as_str(), "u4@example.org");
    assert!(run(&pass, &source).await.counts.is_quiet());
}

#[tokio::test]
async fn each_rule_for_conflicts_does_what_it_says() {
    for (rule, created, conflicts, skipped) in [
        (ConflictRule::Inbox, 0, 1, 0),
        (ConflictRule::Link, 0, 1, 0),
        (ConflictRule::Reject, 0, 0, 1),
        (ConflictRule::Suffix, 1, 0, 1),
    ] {
        let pass = with(Rules { conflicts: rule, ..Rules::default() });
        let other = Fake { id: SourceId::parse("other").unwrap(), ..Fake::new(entries(1)) };
        run(&pass, &other).await;
        let outcome = run(&pass, &Fake::new(entries(1))).await;
        let counts = outcome.counts;
        assert_eq!((counts.create, counts.conflict, counts.skipped), (created, conflicts, skipped), "{rule:?}");
        let found = users::by_username(&pass.store.view(), "u0.corp").unwrap();
        assert_eq!(found.is_some(), rule == ConflictRule::Suffix);
        let inbox = crate::store::conflicts::list(&pass.store.view(), None).unwrap();
        assert_eq!(inbox.len(), conflicts);
        assert!(inbox.iter().all(|one| one.link_proposed == (rule == ConflictRule::Link)));
    }
}

#[tokio::test]
async fn a_run_that_is_taken_back_leaves_the_directory_as_it_was_and_the_source_waiting() {
    let (pass, source) = (pass(), Fake::new(entries(30)));
    run(&pass, &source).await;
    let before: Vec<User> = (0..30).map(|n| user(&pass, &format!("u{n}"))).collect();
    let mut changed = entries(31);
    changed.remove(29);
    changed[1].username = "renamed".to_owned();
    changed[2].email = Some(None);
    changed[3].disabled = Some("nsAccountLock".to_owned());
    source.holds(changed);
    let outcome = run(&pass, &source).await;
    assert_eq!((outcome.counts.create, outcome.counts.update, outcome.counts.disable), (1, 2, 2));
    let follower = crate::sync::task::Follower::new(std::sync::Arc::new(Fake::new(Vec::new())), pass.clone());
    let undone = follower.undo(outcome.id, Author::system("admin")).await.unwrap();
    assert_eq!((undone.counts.remove, undone.counts.enable, undone.skipped.len()), (1, 2, 0), "{undone:?}");
    for old in &before {
        let new = users::get(&pass.store.view(), old.id).unwrap().unwrap();
        let same = |user: &User| {
            let User { username, name, email, phone, state, at_source, .. } = user.clone();
            (username, name, email, phone, state, at_source)
        };
        assert_eq!(same(&new), same(old), "{}", old.username);
    }
    assert!(users::by_username(&pass.store.view(), "u30").unwrap().is_none());
    let again = follower.undo(outcome.id, Author::system("admin")).await;
    assert!(matches!(again, Err(undo::UndoError::Done(_))));
    // The next pass would do it all again: it waits for a person, and then goes on.
    let Outcome::Held { plan, why } = due(&pass, &source).await.outcome else { panic!("not held") };
    assert!(why.contains("taken back"), "{why}");
    decide::approve(&pass.store, &Author::system("admin"), plan, &UserDefaults::default()).await.unwrap();
    assert!(users::by_username(&pass.store.view(), "u30").unwrap().is_some_and(|user| user.is_active()));
    assert!(run(&pass, &source).await.counts.is_quiet());
}

#[tokio::test]
async fn what_was_changed_since_a_run_stays_when_it_is_taken_back() {
    let (pass, source) = (pass(), Fake::new(entries(3)));
    run(&pass, &source).await;
    let mut changed = entries(3);
    changed[1].name = "By The Source".to_owned();
    source.holds(changed);
    let outcome = run(&pass, &source).await;
    let own = user(&pass, "u1").id;
    let touch = pass.store.write(move |tx: &mut Tx<'_>| {
        users::update(tx, &Author::system("admin"), own, "user.changed", |user, _| {
            Ok(User { name: crate::directory::field::DisplayName::parse("By Hand").unwrap(), ..user })
        })
    });
    touch.await.unwrap();
    let plan = undo::plan(&pass.store.view(), outcome.id).unwrap();
    assert_eq!((plan.items.len(), plan.skipped.len()), (0, 1));
    assert!(plan.skipped[0].problem.contains("name was changed since"), "{:?}", plan.skipped);
}

#[tokio::test]
async fn a_first_reading_that_is_written_at_once_keeps_its_conflicts_for_the_inbox() {
    let pass = with(Rules { unique_ids: true, ..Rules::default() });
    let other = Fake { id: SourceId::parse("other").unwrap(), ..Fake::new(entries(1)) };
    run(&pass, &other).await;
    let first = run(&pass, &Fake::new(entries(300))).await;
    assert_eq!((first.counts.create, first.counts.conflict, first.conflicts.len()), (299, 1, 1));
    assert_eq!(crate::store::conflicts::list(&pass.store.view(), None).unwrap().len(), 1);
}

#[tokio::test]
async fn a_first_reading_is_written_while_it_is_read_and_only_the_first() {
    let pass = with(Rules { unique_ids: true, ..Rules::default() });
    let source = Fake::new(entries(1_000));
    let first = run(&pass, &source).await;
    assert_eq!((first.counts.create, first.counts.read), (1_000, 1_000));
    source.holds(Vec::new());
    assert!(matches!(run(&pass, &source).await.outcome, Outcome::Held { .. }));
    assert!(user(&pass, "u999").is_active());
    let undone = undo::undo(&pass, &source.id, first.id, Author::system("admin")).await.unwrap();
    assert_eq!(undone.counts.remove, 1_000);
}

#[tokio::test]
async fn an_undo_that_was_cut_short_is_done_again() {
    let (pass, source) = (pass(), Fake::new(entries(3)));
    run(&pass, &source).await;
    source.holds(entries(4));
    let outcome = run(&pass, &source).await;
    let (by, id) = (Author::system("admin"), outcome.id);
    // Cut before anything was set back.
    let own = RunId::new(pass.store.clock().now(), pass.store.rng());
    undo::hold_back(&pass.store, &source.id, id, own, &by).await.unwrap();
    undo::undo(&pass, &source.id, id, by.clone()).await.unwrap();
    assert!(users::by_username(&pass.store.view(), "u3").unwrap().is_none());
    // Cut when only its record was not written yet.
    let unmarked = Run { undone_by: None, ..outcome.clone() };
    let forget = move |tx: &mut Tx<'_>| runs::put_run(tx, &unmarked);
    pass.store.write::<_, StoreError>(forget).await.unwrap();
    let undone = undo::undo(&pass, &source.id, id, by.clone()).await.unwrap();
    let again = undo::undo(&pass, &source.id, id, by).await;
    assert!(matches!(again, Err(undo::UndoError::Done(run)) if run == undone.id));
}

#[tokio::test]
async fn an_end_that_was_set_here_is_never_put_off_by_the_source() {
    let (pass, source) = (pass(), Fake::new(entries(3)));
    let at = |second| Some(Timestamp::from_second(second).unwrap());
    run(&pass, &source).await;
    let id = user(&pass, "u1").id;
    let set = move |tx: &mut Tx<'_>| {
        let change = UserChange { expires_at: Some(at(2_000_000)), ..UserChange::default() };
        users::update(tx, &Author::system("admin"), id, "user.changed", |user, _| Ok(change.apply(user)))
    };
    pass.store.write(set).await.unwrap();
    for (end, becomes) in
        [(at(3_000_000), at(2_000_000)), (at(1_500_000), at(1_500_000)), (at(3_000_000), at(3_000_000))]
    {
        let mut changed = entries(3);
        changed[1].expires_at = Some(end);
        source.holds(changed);
        run(&pass, &source).await;
        assert_eq!(user(&pass, "u1").expires_at, becomes);
    }
}

#[tokio::test]
async fn a_change_that_no_pass_has_taken_yet_is_told_once() {
    let (pass, source) = (pass(), Fake::new(entries(3)));
    run(&pass, &source).await;
    let told = std::sync::atomic::AtomicU32::new(0);
    let tell = || _ = told.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    let follower = crate::sync::task::Follower::new(std::sync::Arc::new(Fake::new(Vec::new())), pass.clone());
    // The clock of the runtime runs ahead whenever nothing else is to be done.
    tokio::time::pause();
    let watched = tokio::time::timeout(std::time::Duration::from_secs(600), follower.watch(tell)).await;
    assert!(watched.is_err());
    assert_eq!(told.load(std::sync::atomic::Ordering::SeqCst), 1);
}

#[tokio::test]
async fn the_percentage_is_of_active_users_also_where_only_changes_were_read() {
    let (pass, source) = (pass(), Fake::new(entries(400)));
    run(&pass, &source).await;
    let mut disabled = entries(400);
    disabled[..200].iter_mut().for_each(|entry| entry.disabled = Some("nsAccountLock".to_owned()));
    source.holds(disabled);
    let Outcome::Held { plan, .. } = run(&pass, &source).await.outcome else { panic!("not held") };
    decide::approve(&pass.store, &Author::system("admin"), plan, &UserDefaults::default()).await.unwrap();
    // 11 of 200 are more than five percent, of 400 they are not.
    let gone = (200..211).map(|n| Piece::Gone(entry(n).external_id)).collect();
    *source.changes.lock().unwrap() = Some(gone);
    let outcome = due(&pass, &source).await;
    assert!(matches!(&outcome.outcome, Outcome::Held { why, .. } if why.contains("11 of 200")), "{outcome:?}");
}
