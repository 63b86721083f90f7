//! Plan, guard and apply together, on the memory engine.

use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::pass::{Pass, Wanted};
use super::rules::Rules;
use crate::base::clock::Clock;
use crate::base::id::{ExternalId, SourceId};
use crate::base::rng::Rng;
use crate::base::secret::Secret;
use crate::directory::audit::Author;
use crate::directory::plan::{Outcome, Plan, PlanStatus, Run};
use crate::directory::policy::UserDefaults;
use crate::directory::user::{DisabledReason, State, User};
use crate::sources::{
    Answer, Bookmark, Extent, MemberName, Output, Person, Piece, PullError, PulledGroup, PulledUser, Read,
    SkippedEntry, Source, TestReport, Trial, Verdict,
};
use crate::store::tx::Tx;
use crate::store::{Store, runs, users};
use crate::sync::decide::{self, DecideError};

mod changes;
mod groups;
mod inbox;

/// A source whose content the test sets.
struct Fake {
    id: SourceId,
    content: Mutex<Result<Vec<PulledUser>, String>>,
    skipped: Mutex<Vec<SkippedEntry>>,
    groups: Mutex<Vec<PulledGroup>>,
    /// What a reading of changes gives; none: it becomes a complete one.
    changes: Mutex<Option<Vec<Piece>>>,
}

impl Fake {
    fn new(users: Vec<PulledUser>) -> Self {
        let id = SourceId::parse("corp").unwrap();
        Self {
            id,
            content: Mutex::new(Ok(users)),
            skipped: Mutex::default(),
            groups: Mutex::default(),
            changes: Mutex::default(),
        }
    }

    fn holds(&self, users: Vec<PulledUser>) {
        *self.content.lock().unwrap() = Ok(users);
    }
}

impl Source for Fake {
    fn id(&self) -> &SourceId {
        &self.id
    }

    fn read(&self, since: Option<Bookmark>, mut output: Output) -> Answer<'_, Result<Read, PullError>> {
        let content = self.content.lock().unwrap().clone();
        let skipped = self.skipped.lock().unwrap().clone();
        let changes = self.changes.lock().unwrap().clone().filter(|_| since.is_some());
        let groups = self.groups.lock().unwrap().clone();
        Box::pin(async move {
            let extent = if changes.is_some() { Extent::Changes } else { Extent::Everything };
            let pieces = match (changes, content) {
                (Some(changes), _) => changes,
                (None, Ok(users)) => {
                    let users = users.into_iter().map(|user| Piece::User(Box::new(user)));
                    let groups = groups.into_iter().map(|group| Piece::Group(Box::new(group)));
                    users.chain(skipped.into_iter().map(Piece::Skipped)).chain(groups).collect()
                }
                (None, Err(why)) => return Err(PullError::Incomplete { read: 7, why }),
            };
            for piece in pieces {
                output.put(piece).await.map_err(|error| PullError::Unavailable(error.to_string()))?;
            }
            output.flush().await.map_err(|error| PullError::Unavailable(error.to_string()))?;
            let next = since.map_or("1".to_owned(), |Bookmark(number)| format!("{number}1"));
            Ok(Read { extent, next: Some(Bookmark(next)), how: "by the test".to_owned() })
        })
    }

    fn look_up<'a>(&'a self, id: &'a ExternalId) -> Answer<'a, Result<Option<PulledUser>, PullError>> {
        let content = self.content.lock().unwrap().clone().unwrap_or_default();
        Box::pin(async move { Ok(content.into_iter().find(|user| user.external_id == *id)) })
    }

    fn changed(&self, _: Option<Bookmark>) -> Answer<'_, Result<(), PullError>> {
        Box::pin(async { Ok(()) })
    }

    fn verify<'a>(&'a self, _: Person<'a>, _: &'a Secret) -> Answer<'a, Verdict> {
        Box::pin(async { Verdict::Wrong })
    }

    fn test(&self, _: Trial) -> Answer<'_, TestReport> {
        Box::pin(async { TestReport::default() })
    }
}

fn entry(n: usize) -> PulledUser {
    PulledUser {
        external_id: ExternalId::parse(&format!("id-{n}")).unwrap(),
        label: format!("uid=u{n}"),
        username: format!("u{n}"),
        name: format!("User {n}"),
        email: Some(Some(format!("u{n}@example.org"))),
        phone: None,
        description: None,
        disabled: None,
        expires_at: None,
        primary_group: None,
        passing: None,
    }
}

fn entries(count: usize) -> Vec<PulledUser> {
    (0..count).map(entry).collect()
}

fn pass() -> Pass {
    let clock = Clock::manual(Timestamp::from_second(1_000_000).unwrap());
    let store = Arc::new(Store::in_memory(clock, Rng::seeded(1)).unwrap());
    Pass::new(store, Rules { groups: true, ..Rules::default() })
}

async fn run(pass: &Pass, source: &Fake) -> Run {
    pass.run(source, Wanted::Everything, Author::system("test")).await.unwrap()
}

fn user(pass: &Pass, username: &str) -> User {
    users::by_username(&pass.store.view(), username).unwrap().unwrap()
}

#[tokio::test]
async fn a_second_pass_writes_nothing() {
    let (pass, source) = (pass(), Fake::new(entries(120)));
    assert_eq!(run(&pass, &source).await.counts.create, 120);
    let before = user(&pass, "u7");
    let second = run(&pass, &source).await;
    assert!(second.counts.is_quiet());
    assert_eq!(second.counts.unchanged, 120);
    assert_eq!(user(&pass, "u7"), before);
}

#[tokio::test]
async fn who_is_absent_is_disabled_and_comes_back_with_everything() {
    let (pass, source) = (pass(), Fake::new(entries(20)));
    run(&pass, &source).await;
    let before = user(&pass, "u19");
    source.holds(entries(19));
    assert_eq!(run(&pass, &source).await.counts.disable, 1);
    let gone = user(&pass, "u19");
    assert!(matches!(&gone.state, State::Disabled(d) if d.reason == DisabledReason::AbsentFromSource));
    assert!(gone.session_epoch > before.session_epoch);
    source.holds(entries(20));
    assert_eq!(run(&pass, &source).await.counts.enable, 1);
    let back = user(&pass, "u19");
    assert!(back.is_active() && back.id == before.id);
}

#[tokio::test]
async fn a_failed_cut_or_empty_reading_disables_nobody() {
    let (pass, source) = (pass(), Fake::new(entries(20)));
    run(&pass, &source).await;
    *source.content.lock().unwrap() = Err("the connection was cut".to_owned());
    assert!(matches!(run(&pass, &source).await.outcome, Outcome::Failed { .. }));
    source.holds(Vec::new());
    assert!(matches!(run(&pass, &source).await.outcome, Outcome::Held { .. }));
    assert!((0..20).all(|n| user(&pass, &format!("u{n}")).is_active()));
}

#[tokio::test]
async fn an_entry_that_cannot_be_read_is_present_and_without_identity_nobody_is_absent() {
    let (pass, source) = (pass(), Fake::new(entries(20)));
    run(&pass, &source).await;
    source.holds(entries(18));
    let skipped = |id: Option<&str>| SkippedEntry {
        external_id: id.map(|id| ExternalId::parse(id).unwrap()),
        label: "uid=?".to_owned(),
        problem: "not UTF-8".to_owned(),
    };
    *source.skipped.lock().unwrap() = vec![skipped(Some("id-18"))];
    assert_eq!(run(&pass, &source).await.counts.disable, 1);
    assert!(user(&pass, "u18").is_active());
    source.holds(entries(17));
    *source.skipped.lock().unwrap() = vec![skipped(None)];
    assert_eq!(run(&pass, &source).await.counts.disable, 0);
    assert!(user(&pass, "u17").is_active());
}

#[tokio::test]
async fn a_held_plan_is_applied_exactly_or_refused_when_the_world_moved_on() {
    let (pass, source) = (pass(), Fake::new(entries(40)));
    run(&pass, &source).await;
    source.holds(entries(20));
    let Outcome::Held { plan, .. } = run(&pass, &source).await.outcome else { panic!("not held") };
    assert!(user(&pass, "u39").is_active());
    let author = Author::system("test");
    let id = user(&pass, "u39").id;
    let touch = pass.store.write(move |tx: &mut Tx<'_>| {
        users::update(tx, &Author::system("test"), id, "user.changed", |user, _| Ok(user.end_sessions()))
    });
    touch.await.unwrap();
    assert!(matches!(
        decide::approve(&pass.store, &author, plan, &UserDefaults::default()).await,
        Err(DecideError::Stale(1))
    ));
    let Outcome::Held { plan: fresh, .. } = run(&pass, &source).await.outcome else { panic!("not held") };
    let Outcome::Held { plan: same, .. } = run(&pass, &source).await.outcome else { panic!("not held") };
    assert_eq!(fresh, same, "the same wish again is the same plan");
    assert!(matches!(
        decide::approve(&pass.store, &author, plan, &UserDefaults::default()).await,
        Err(DecideError::Decided)
    ));
    let applied = decide::approve(&pass.store, &author, fresh, &UserDefaults::default()).await.unwrap();
    assert_eq!((applied.written.disable, applied.refused.len()), (20, 0));
    assert!(!user(&pass, "u39").is_active() && user(&pass, "u0").is_active());
    let status = runs::get_plan(&pass.store.view(), fresh).unwrap().unwrap().status;
    assert!(matches!(status, PlanStatus::Approved { .. }));
}

#[tokio::test]
async fn a_rejected_plan_is_never_applied() {
    let (pass, source) = (pass(), Fake::new(entries(40)));
    run(&pass, &source).await;
    source.holds(Vec::new());
    let Outcome::Held { plan, .. } = run(&pass, &source).await.outcome else { panic!("not held") };
    decide::reject(&pass.store, &Author::system("test"), plan).await.unwrap();
    let late = decide::approve(&pass.store, &Author::system("test"), plan, &UserDefaults::default()).await;
    assert!(matches!(late, Err(DecideError::Decided)));
    assert!(user(&pass, "u0").is_active());
}

#[tokio::test]
async fn what_is_previewed_is_what_is_applied() {
    let (pass, source) = (pass(), Fake::new(entries(30)));
    let preview = pass.preview(&source, Wanted::Everything).await.unwrap();
    assert_eq!(users::by_username(&pass.store.view(), "u0").unwrap(), None);
    assert_eq!(run(&pass, &source).await.counts, preview.draft.counts);
}

#[tokio::test]
async fn another_sources_name_or_address_is_a_conflict_and_never_taken() {
    let pass = pass();
    let other = Fake { id: SourceId::parse("other").unwrap(), ..Fake::new(entries(1)) };
    run(&pass, &other).await;
    let mut same_email = entry(5);
    same_email.email = Some(Some("U0@Example.org".to_owned()));
    let same_name = PulledUser { email: Some(None), ..entry(0) };
    let source = Fake::new(vec![same_name, same_email, entry(6)]);
    let outcome = run(&pass, &source).await;
    assert_eq!((outcome.counts.conflict, outcome.counts.create), (2, 1));
    assert_eq!(user(&pass, "u0").source.as_str(), "other");
    assert_eq!(outcome.conflicts.len(), 2);
}

#[tokio::test]
async fn the_same_name_under_a_new_identity_does_not_inherit() {
    let (pass, source) = (pass(), Fake::new(entries(20)));
    run(&pass, &source).await;
    let first = user(&pass, "u3");
    let mut again = entries(20);
    again[3].external_id = ExternalId::parse("id-3-new").unwrap();
    source.holds(again);
    let outcome = run(&pass, &source).await;
    assert_eq!((outcome.counts.conflict, outcome.counts.disable), (1, 1));
    assert_eq!(user(&pass, "u3").id, first.id);
}

#[tokio::test]
async fn a_rename_at_the_source_is_an_update_of_the_same_user() {
    let (pass, source) = (pass(), Fake::new(entries(3)));
    run(&pass, &source).await;
    let before = user(&pass, "u1");
    let mut renamed = entries(3);
    renamed[1].username = "Ada".to_owned();
    renamed[1].email = Some(None);
    source.holds(renamed);
    assert_eq!(run(&pass, &source).await.counts.update, 1);
    let after = user(&pass, "ada");
    assert_eq!((after.id, after.email), (before.id, None));
}

#[tokio::test]
async fn what_an_administrator_disabled_or_removed_the_source_does_not_give_back() {
    let (pass, source) = (pass(), Fake::new(entries(3)));
    run(&pass, &source).await;
    let (off, gone) = (user(&pass, "u1").id, user(&pass, "u2").id);
    let change = pass.store.write(move |tx: &mut Tx<'_>| {
        let author = Author::system("admin");
        let by = author.actor.clone();
        let disable = by.clone();
        users::update(tx, &author, off, "user.disabled", |user, now| {
            user.disable(DisabledReason::Admin, disable, now)
        })?;
        let keep = std::time::Duration::from_secs(60);
        users::update(tx, &author, gone, "user.removed", |user, now| Ok(user.remove(by, now, keep)))
    });
    change.await.unwrap();
    assert!(run(&pass, &source).await.counts.is_quiet());
    assert!(!user(&pass, "u1").is_active());
    assert!(users::by_username(&pass.store.view(), "u2").unwrap().is_none());
}

#[tokio::test]
async fn one_bad_entry_never_stops_the_rest() {
    let mut bad = entries(4);
    bad[0].username = "nul\0".to_owned();
    bad[1].email = Some(Some("no mail".to_owned()));
    bad[2].username = "U3".to_owned();
    let (pass, source) = (pass(), Fake::new(bad));
    let outcome = run(&pass, &source).await;
    assert_eq!(outcome.counts.create, 2);
    assert_eq!(outcome.skipped.len(), 3);
    assert!(outcome.skipped[0].label == "uid=u0", "{:?}", outcome.skipped);
    assert_eq!(user(&pass, "u1").email, None);
}

#[tokio::test]
async fn a_plan_that_waits_ends_when_the_world_has_healed() {
    let (pass, source) = (pass(), Fake::new(entries(40)));
    run(&pass, &source).await;
    source.holds(entries(20));
    let Outcome::Held { plan, .. } = run(&pass, &source).await.outcome else { panic!("not held") };
    source.holds(entries(40));
    assert_eq!(run(&pass, &source).await.outcome, Outcome::Applied);
    let late = decide::approve(&pass.store, &Author::system("test"), plan, &UserDefaults::default()).await;
    assert!(matches!(late, Err(DecideError::Decided)));
    assert!(user(&pass, "u39").is_active());
}

#[tokio::test]
async fn an_approved_plan_that_was_cut_short_goes_on_at_the_next_start() {
    let (pass, source) = (pass(), Fake::new(entries(40)));
    run(&pass, &source).await;
    source.holds(entries(20));
    let Outcome::Held { plan: id, .. } = run(&pass, &source).await.outcome else { panic!("not held") };
    // What an end of the daemon leaves behind between the approval and its last batch.
    let cut = pass.store.write(move |tx: &mut Tx<'_>| {
        let plan = runs::get_plan(tx, id)?.unwrap();
        let status = PlanStatus::Applying { at: tx.now(), by: Author::system("test").actor };
        runs::put_plan(tx, &Plan { status, ..plan })
    });
    cut.await.unwrap();
    assert_eq!(decide::resume(&pass.store, &UserDefaults::default()).await.unwrap(), 1);
    assert!(!user(&pass, "u39").is_active());
    assert_eq!(decide::resume(&pass.store, &UserDefaults::default()).await.unwrap(), 0);
}

#[tokio::test]
async fn a_leak_is_held_like_a_burst() {
    let (pass, source) = (pass(), Fake::new(entries(40)));
    run(&pass, &source).await;
    source.holds(entries(32));
    assert_eq!(run(&pass, &source).await.outcome, Outcome::Applied);
    source.holds(entries(24));
    assert!(matches!(run(&pass, &source).await.outcome, Outcome::Held { .. }));
    pass.store.clock().advance(jiff::SignedDuration::from_hours(25));
    assert_eq!(run(&pass, &source).await.outcome, Outcome::Applied, "a day later it is a new budget");
}

#[tokio::test]
async fn whom_the_source_disabled_is_out_whatever_else_is_wrong_with_the_entry() {
    let (pass, source) = (pass(), Fake::new(entries(3)));
    run(&pass, &source).await;
    let mut bad = entries(3);
    bad[1].username = "a  b".to_owned();
    bad[1].disabled = Some("nsAccountLock".to_owned());
    source.holds(bad);
    assert_eq!(run(&pass, &source).await.counts.disable, 1);
    assert!(!user(&pass, "u1").is_active());
}

#[tokio::test]
async fn a_malformed_or_doubled_address_leaves_the_good_one_alone() {
    let (pass, source) = (pass(), Fake::new(entries(3)));
    run(&pass, &source).await;
    let mut bad = entries(3);
    bad[1].email = Some(Some("typo".to_owned()));
    bad[2].email = Some(Some("U0@example.org".to_owned()));
    source.holds(bad);
    let outcome = run(&pass, &source).await;
    assert!(outcome.counts.is_quiet(), "{outcome:?}");
    assert_eq!(outcome.skipped.len(), 2);
    assert_eq!(user(&pass, "u1").email.unwrap().as_str(), "u1@example.org");
}

#[tokio::test]
async fn a_group_that_a_reading_has_stays_although_the_same_reading_calls_it_gone() {
    let (pass, source) = (pass(), Fake::new(entries(2)));
    let group = |members: &[&str]| PulledGroup {
        external_id: ExternalId::parse("group-1").unwrap(),
        label: "cn=staff".to_owned(),
        name: "Staff".to_owned(),
        description: None,
        members: members.iter().map(|member| MemberName::Entry((*member).to_owned())).collect(),
        primary_key: None,
    };
    *source.groups.lock().unwrap() = vec![group(&["uid=u0", "uid=u1"])];
    run(&pass, &source).await;
    let (has, gone) = (group(&["uid=u0"]), ExternalId::parse("group-1").unwrap());
    *source.changes.lock().unwrap() = Some(vec![Piece::Group(Box::new(has)), Piece::Gone(gone)]);
    let run = pass.run(&source, Wanted::Due, Author::system("test")).await.unwrap();
    assert_eq!((run.counts.remove_groups, run.counts.leave), (0, 1), "{run:?}");
}
