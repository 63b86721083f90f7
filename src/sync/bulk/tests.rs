//! Runs that an end of the daemon cuts short, on the memory engine: a second service over the same store is the next start.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::{Begun, Bulk, Draft, Gate, HELD_MAX, Planner, SettleError, To, Wish};
use crate::base::clock::Clock;
use crate::base::id::{PlanId, UserId};
use crate::base::rng::Rng;
use crate::directory::audit::Author;
use crate::directory::plan::{Cause, Fate, Fault, Outcome, PlanItem, PlanStatus, Run};
use crate::directory::policy::UserDefaults;
use crate::directory::user::tests::user;
use crate::directory::user::{NewUser, User, UserChange};
use crate::store::engine::small::SmallEngine;
use crate::store::passwords::NewPassword;
use crate::store::seal::Sealer;
use crate::store::tx::Tx;
use crate::store::users::{self, WriteError};
use crate::store::{Store, StoreError, audit, pages, runs};
use crate::sync::rules::Rules;

/// Lets everybody do everything but to one user.
struct AllBut(Option<UserId>);

impl Gate for AllBut {
    fn refuses(&self, user: Option<&User>, _: &PlanItem) -> Result<Option<Fault>, StoreError> {
        let is_barred = user.is_some_and(|user| Some(user.id) == self.0);
        Ok(is_barred.then(|| Fault::new("forbidden", "not this one")))
    }
}

struct World {
    engine: Arc<SmallEngine>,
    store: Arc<Store>,
    bulk: Arc<Bulk>,
    users: Vec<User>,
}

impl World {
    /// A directory of so many users.
    async fn of(count: usize) -> Self {
        let clock = Clock::manual("2026-11-23T12:00:00Z".parse().unwrap());
        let (engine, rng) = (Arc::new(SmallEngine::default()), Rng::seeded(7));
        let store = Arc::new(Store::over(engine.clone(), Sealer::ephemeral(&rng), clock, rng).unwrap());
        let mut made = Vec::new();
        for n in 0..count {
            let new = user(&format!("u{n:03}"), Timestamp::UNIX_EPOCH);
            let make = move |tx: &mut Tx<'_>| -> Result<User, WriteError> {
                let new = NewUser {
                    id: new.id,
                    username: new.username.clone(),
                    name: new.name.clone(),
                    source: new.source.clone(),
                    rest: UserChange { email: Some(new.email.clone()), ..UserChange::default() },
                    disabled: None,
                };
                users::create(tx, &Author::system("test"), new, None)
            };
            made.push(store.write(make).await.unwrap());
        }
        let bulk = Arc::new(Bulk::new(store.clone(), Rules::default()));
        Self { engine, store, bulk, users: made }
    }

    /// The daemon starts again.
    fn again(&self) -> Arc<Bulk> {
        Arc::new(Bulk::new(self.store.clone(), Rules::default()))
    }

    fn draft(&self, gate: &dyn Gate) -> Draft {
        self.wish(gate, || Wish { to: Some(To::Disabled), ..Wish::default() })
    }

    /// The same wish about everybody.
    fn wish(&self, gate: &dyn Gate, wish: impl Fn() -> Wish) -> Draft {
        let (view, defaults) = (self.store.view(), UserDefaults::default());
        let now = self.store.clock().now();
        let mut planner = Planner::new(&view, gate, &defaults, "test".to_owned(), now).unwrap();
        for user in &self.users {
            let user = users::get(&view, user.id).unwrap().unwrap();
            planner.change(None, &user, wish()).unwrap();
        }
        planner.finish().unwrap()
    }

    async fn begin(&self) -> Begun {
        self.bulk.begin(Cause::Bulk, &Author::system("test")).await.unwrap()
    }

    /// A run of which everything is laid down and nothing is written.
    async fn laid_down(&self) -> Run {
        self.lay_down(self.draft(&AllBut(None))).await
    }

    async fn lay_down(&self, draft: Draft) -> Run {
        let begun = self.begin().await;
        let status = PlanStatus::Applying { at: self.store.clock().now(), by: begun.author.actor.clone() };
        let plan = self.bulk.plan_of(&begun, draft.counts, draft.digest, String::new(), status);
        let run = begun.laid_down(draft.counts);
        self.bulk.lay_down(&plan, draft.pages, run.clone(), None).await.unwrap();
        run
    }

    /// The first page of what was laid down is written; then the daemon ends.
    async fn first_page(&self, run: &Run) {
        let plan = runs::list_plans(&self.store.view()).unwrap().pop().unwrap();
        let (number, page) = pages::next(&self.store.view(), plan.id, 0).unwrap().unwrap();
        let author = Author { run: Some(run.id), ..Author::system("test") };
        let page = self.bulk.send(&plan, &self.bulk.ground(&author), number, page).await.unwrap();
        page.done().await.unwrap();
    }

    async fn undo(&self, bulk: &Arc<Bulk>, run: &Run) -> Run {
        let begun = bulk.begin_undo(run.id, &Author::system("test")).await.unwrap();
        bulk.undo(begun, run.id, Arc::new(AllBut(None))).await.unwrap().run
    }

    fn run(&self, run: &Run) -> Run {
        runs::get_run(&self.store.view(), run.id).unwrap().unwrap()
    }

    fn active(&self) -> usize {
        let now = |user: &User| users::get(&self.store.view(), user.id).unwrap().unwrap();
        self.users.iter().filter(|user| now(user).is_active()).count()
    }
}

#[tokio::test]
async fn what_was_laid_down_is_written_to_its_end_at_the_next_start_and_once() {
    let world = World::of(250).await;
    let run = world.laid_down().await;
    let next = world.again();
    next.drop_strays().await.unwrap();
    assert_eq!((world.run(&run).outcome, world.active()), (Outcome::Running, 250), "it goes on, it is not given up");
    assert_eq!(next.resume().await.unwrap(), 1);
    let ended = world.run(&run);
    assert_eq!((ended.outcome, ended.counts.disable, world.active()), (Outcome::Applied, 250, 0));
    let lines = audit::last(&world.store.view()).unwrap();
    assert_eq!(world.again().resume().await.unwrap(), 0);
    assert_eq!(audit::last(&world.store.view()).unwrap(), lines, "nothing is done twice");
    assert!(pages::plans(&world.store.view()).unwrap().is_empty());
    let results = pages::results(&world.store.view(), run.id, (0, 0), 1_000, |entry| entry.fate == Fate::Changed);
    assert_eq!(results.unwrap().len(), 250);
}

#[tokio::test]
async fn a_run_that_was_cut_short_before_anything_was_laid_down_says_so() {
    let world = World::of(3).await;
    let begun = world.begin().await;
    let next = world.again();
    assert_eq!((next.resume().await.unwrap(), world.active()), (0, 3));
    assert!(matches!(world.run(&begun.run).outcome, Outcome::Failed { why } if why.contains("ask again")));
}

#[tokio::test]
async fn what_a_full_disk_cuts_short_goes_on_without_a_restart_and_what_is_under_way_is_left_alone() {
    let ends = |room: usize| async move {
        let world = World::of(250).await;
        let change = UserChange { must_change_password: Some(true), ..UserChange::default() };
        let draft = world.wish(&AllBut(None), || Wish { change: change.clone(), ..Wish::default() });
        let begun = world.begin().await;
        let run = begun.run.clone();
        world.engine.has_room(room);
        let settled = world.bulk.settle(begun, draft).await;
        let said = settled.map(|report| report.run).map_err(|error| error.to_string());
        assert!(said.as_ref().is_err_and(|said| said.contains("no space")), "{room}: {said:?}");
        let cut_short = tokio::time::timeout(Duration::ZERO, world.bulk.is_cut_short());
        cut_short.await.expect("somebody is told");
        world.bulk.resume().await.unwrap_err();
        world.engine.is_full(false);
        assert!(world.bulk.watch(run.id, Arc::default()));
        assert_eq!(world.bulk.resume().await.unwrap(), 0, "somebody is about it");
        world.bulk.forget(run.id);
        let resumed = world.bulk.resume().await.unwrap();
        let ended = world.run(&run);
        assert_eq!((world.bulk.resume().await.unwrap(), world.run(&run)), (0, ended.clone()), "it has ended");
        assert!(pages::plans(&world.store.view()).unwrap().is_empty(), "nothing lies about");
        let changed = |user: &&User| users::get(&world.store.view(), user.id).unwrap().unwrap().must_change_password;
        (resumed, world.users.iter().filter(changed).count(), ended.counts.update, ended.outcome)
    };
    // Also where pages were laid down, and the plan that they are of was not.
    for room in [0, 1] {
        let (resumed, changed, counted, outcome) = ends(room).await;
        assert_eq!((resumed, changed, counted), (0, 0, 0));
        assert!(matches!(outcome, Outcome::Failed { why } if why.contains("ask again")));
    }
    // The pages, the plan and something of what it says were written.
    for room in [2, 3] {
        assert_eq!(ends(room).await, (1, 250, 250, Outcome::Applied));
    }
}

#[tokio::test]
async fn a_hundred_plans_wait_for_a_person_and_one_more_is_refused_whole() {
    let world = World::of(20).await;
    for number in 0..HELD_MAX {
        held_with_password(&world, Some(&number.to_string())).await;
    }
    let begun = world.begin().await;
    let run = begun.run.clone();
    let refused = world.bulk.settle(begun, world.draft(&AllBut(None))).await;
    assert!(matches!(refused, Err(SettleError::TooManyHeld)));
    assert!(matches!(world.run(&run).outcome, Outcome::Failed { why } if why.contains("decide some")));
    assert_eq!((pages::plans(&world.store.view()).unwrap().len(), world.active()), (HELD_MAX, 20));
    // What takes nobody out needs nobody's yes.
    let draft = world.wish(&AllBut(None), Wish::default);
    world.bulk.settle(world.begin().await, draft).await.unwrap();
}

#[tokio::test]
async fn pages_without_their_plan_are_dropped() {
    let world = World::of(3).await;
    let run = world.laid_down().await;
    let plan = runs::list_plans(&world.store.view()).unwrap().pop().unwrap();
    let drop = move |tx: &mut Tx<'_>| {
        runs::remove_plan(tx, plan.id);
        Ok::<_, StoreError>(())
    };
    world.store.write(drop).await.unwrap();
    world.again().drop_strays().await.unwrap();
    assert!(pages::plans(&world.store.view()).unwrap().is_empty());
    world.again().resume().await.unwrap();
    assert!(matches!(world.run(&run).outcome, Outcome::Failed { .. }));
}

#[tokio::test]
async fn whoever_moves_on_between_plan_and_writing_is_left_alone_and_told() {
    let world = World::of(5).await;
    let draft = world.draft(&AllBut(Some(world.users[1].id)));
    let moved = world.users[3].id;
    let rename = move |tx: &mut Tx<'_>| -> Result<User, WriteError> {
        let rule = |user: User, _| Ok(User { must_change_password: true, ..user });
        users::update(tx, &Author::system("test"), moved, "user.changed", rule)
    };
    world.store.write(rename).await.unwrap();
    let begun = world.begin().await;
    let run = begun.run.clone();
    world.bulk.settle(begun, draft).await.unwrap();
    let kept = pages::results(&world.store.view(), run.id, (0, 0), 10, |_| true).unwrap();
    let codes: Vec<_> = kept
        .iter()
        .map(|(_, entry)| match &entry.fate {
            Fate::Refused { faults } => faults[0].code.as_str(),
            fate => fate.name(),
        })
        .collect();
    assert_eq!(codes, ["changed", "forbidden", "changed", "stale", "changed"]);
    assert_eq!((world.run(&run).counts.disable, world.run(&run).counts.skipped, world.active()), (3, 2, 2));
}

/// Disables everybody by a plan that is held, and gives the first of them a password; gives the plan.
async fn held_with_password(world: &World, hash: Option<&str>) -> PlanId {
    let (view, defaults) = (world.store.view(), UserDefaults::default());
    let mut planner = Planner::new(&view, &AllBut(None), &defaults, String::new(), world.store.clock().now()).unwrap();
    for (place, user) in world.users.iter().enumerate() {
        let hash = hash.filter(|_| place == 0);
        let password = hash.map(|hash| (NewPassword { hash: hash.to_owned(), history: 0, known: false }, false));
        planner.change(None, user, Wish { to: Some(To::Disabled), password, ..Wish::default() }).unwrap();
    }
    let draft = planner.finish().unwrap();
    let report = world.bulk.settle(world.begin().await, draft).await.unwrap();
    let Outcome::Held { plan, .. } = report.run.outcome else { panic!("{:?}", report.run) };
    plan
}

#[tokio::test]
async fn the_same_wish_is_the_plan_that_waits_but_not_with_other_passwords() {
    let world = World::of(20).await;
    let plan = held_with_password(&world, None).await;
    assert_eq!(held_with_password(&world, None).await, plan);
    let first = held_with_password(&world, Some("first")).await;
    let second = held_with_password(&world, Some("second")).await;
    assert!(first != second, "the plan that waits has the passwords of before");
    let (_, page) = pages::next(&world.store.view(), second, 0).unwrap().unwrap();
    assert_eq!(page.passwords[&0].hash, "second");
}

#[tokio::test]
async fn an_expiry_within_the_day_counts_as_a_loss_and_a_later_one_does_not() {
    let world = World::of(30).await;
    let ends_in = |hours: i64| {
        let end = world.store.clock().now() + jiff::SignedDuration::from_hours(hours);
        let change = UserChange { expires_at: Some(Some(end)), ..UserChange::default() };
        world.wish(&AllBut(None), || Wish { change: change.clone(), ..Wish::default() })
    };
    let late = world.bulk.settle(world.begin().await, ends_in(25)).await.unwrap().run;
    assert_eq!((late.outcome, late.counts.update, late.counts.lost()), (Outcome::Applied, 30, 0));
    let soon = world.bulk.settle(world.begin().await, ends_in(1)).await.unwrap().run;
    assert!(matches!(soon.outcome, Outcome::Held { .. }), "{soon:?}");
    assert_eq!((soon.counts.update, soon.counts.expire, soon.counts.changes()), (30, 30, 30));
    // What is longer than before takes nobody out.
    let some = World { users: world.users[..5].to_vec(), ..world };
    let change = |hours: i64| UserChange {
        expires_at: Some(Some(some.store.clock().now() + jiff::SignedDuration::from_hours(hours))),
        ..UserChange::default()
    };
    for (hours, lost) in [(1, 5), (2, 0)] {
        let draft = some.wish(&AllBut(None), || Wish { change: change(hours), ..Wish::default() });
        assert_eq!(some.bulk.settle(some.begin().await, draft).await.unwrap().run.counts.lost(), lost);
    }
}

#[tokio::test]
async fn a_run_that_was_cut_short_in_the_middle_is_taken_back_as_a_whole() {
    let world = World::of(250).await;
    let run = world.laid_down().await;
    world.first_page(&run).await;
    let next = world.again();
    next.resume().await.unwrap();
    let ended = world.run(&run);
    assert_eq!((ended.counts.read, ended.counts.disable, ended.counts.changes(), world.active()), (250, 250, 250, 0));
    let undone = world.undo(&next, &run).await;
    assert_eq!((undone.counts.enable, undone.counts.skipped, world.active()), (250, 0, 250));
}

#[tokio::test]
async fn an_approved_plan_that_was_cut_short_in_the_middle_is_taken_back_as_a_whole() {
    let world = World::of(250).await;
    let held = world.bulk.settle(world.begin().await, world.draft(&AllBut(None))).await.unwrap().run;
    let plan = runs::list_plans(&world.store.view()).unwrap().pop().unwrap();
    // Somebody says yes, and the daemon ends: that is all that the store knows.
    world.bulk.say_yes(&Author::system("test"), &plan, None, Vec::new()).await.unwrap();
    world.first_page(&held).await;
    let next = world.again();
    assert_eq!((next.resume().await.unwrap(), world.active()), (1, 0));
    assert_eq!(world.undo(&next, &held).await.counts.enable, 250);
    assert_eq!(world.active(), 250);
}

#[tokio::test]
async fn what_was_refused_before_the_daemon_ended_is_told_too() {
    let world = World::of(250).await;
    let run = world.lay_down(world.draft(&AllBut(Some(world.users[1].id)))).await;
    world.first_page(&run).await;
    world.again().resume().await.unwrap();
    let ended = world.run(&run);
    assert_eq!((ended.counts.disable, ended.counts.skipped, ended.counts.changes()), (249, 1, 249));
    assert_eq!(ended.skipped[0].label, "u001");
}

#[tokio::test]
async fn an_undo_that_takes_nothing_back_may_be_done_again_and_the_losses_count_on() {
    let world = World::of(5).await;
    let run = world.bulk.settle(world.begin().await, world.draft(&AllBut(None))).await.unwrap().run;
    let begun = world.bulk.begin_undo(run.id, &Author::system("test")).await.unwrap();
    let one_stays = Arc::new(AllBut(Some(world.users[1].id)));
    let preview = world.bulk.preview_undo(run.id, &*one_stays).unwrap();
    assert_eq!((preview.items.len(), preview.skipped.len(), preview.counts.enable), (4, 1, 4), "as it is applied");
    let undone = world.bulk.undo(begun, run.id, one_stays).await.unwrap().run;
    assert_eq!((undone.counts.enable, undone.counts.skipped, world.run(&run).undone_by), (4, 1, None));
    let lost = || runs::lost_since(&world.store.view(), &Cause::Bulk, run.started_at).unwrap();
    assert_eq!(lost(), 5);
    let again = world.undo(&world.bulk, &run).await;
    assert_eq!((again.counts.enable, world.active(), world.bulk.progress(again.id)), (1, 5, None));
}

#[tokio::test]
async fn an_undo_leaves_whom_somebody_changed_since_it_was_planned() {
    let world = World::of(5).await;
    let run = world.bulk.settle(world.begin().await, world.draft(&AllBut(None))).await.unwrap().run;
    let draft = world.bulk.plan_undo(run.id, &AllBut(None)).unwrap();
    let moved = world.users[3].id;
    let touch = move |tx: &mut Tx<'_>| -> Result<User, WriteError> {
        let rule = |user: User, _| Ok(User { must_change_password: true, ..user });
        users::update(tx, &Author::system("test"), moved, "user.changed", rule)
    };
    world.store.write(touch).await.unwrap();
    let begun = world.bulk.begin_undo(run.id, &Author::system("test")).await.unwrap();
    let undone = world.bulk.take_back(begun, run.id, draft).await.unwrap().run;
    assert_eq!((undone.counts.enable, undone.counts.skipped, world.active()), (4, 1, 4));
}
