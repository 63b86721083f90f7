//! Who a sweep disables, who stays, what waits for a person and how often they are asked.

use super::*;
use crate::directory::plan::{Outcome, Plan, PlanStatus};
use crate::directory::policy::days;
use crate::directory::user::{DisabledReason, State};
use crate::lifecycle::clock;
use crate::lifecycle::sweep::SweepError;
use crate::store::runs;
use crate::sync::decide;

/// Quiet users are disabled after thirty days, told or not.
fn strict(settings: &mut Settings) {
    settings.inactivity.threshold = Some(days(30));
    settings.notices.can_leave = false;
}

fn by() -> Author {
    Author::system("test")
}

fn plans(world: &World) -> Vec<Plan> {
    runs::list_plans(&world.store.view()).unwrap()
}

fn reason(user: &User) -> Option<DisabledReason> {
    match &user.state {
        State::Disabled(disabled) => Some(disabled.reason),
        _ => None,
    }
}

#[tokio::test]
async fn the_quiet_are_disabled_and_told_and_the_last_administrator_stays() {
    let world = world(strict);
    let root = world.add("root", admin()).await;
    let ada = world.add("ada", plain()).await;
    let later = world.in_days(31);
    let preview = world.sweep.preview(later).unwrap();
    assert_eq!(preview.items.iter().map(|item| item.user).collect::<Vec<_>>(), [Some(ada)]);
    assert!(world.get(ada).is_active(), "a preview writes nothing");
    world.store.clock().set(later);
    world.sweep.sweep(by()).await.unwrap();
    assert_eq!(reason(&world.get(ada)), Some(DisabledReason::Inactivity));
    assert!(world.get(root).is_active());
    assert_eq!(world.told().await, ["disabled_for_inactivity ada@example.org"]);
}

#[tokio::test]
async fn the_expired_are_disabled_with_that_reason() {
    let world = world(|_| ());
    let ada = world.add("ada", ends(world.in_days(1))).await;
    world.days_pass(1);
    assert_eq!(world.run(&world.sweep).await, "1 disabled");
    assert_eq!(reason(&world.get(ada)), Some(DisabledReason::Expired));
    assert!(world.told().await.is_empty());
    assert_eq!(runs::list_runs(&world.store.view(), None, 9).unwrap().len(), 1);
    assert_eq!(world.run(&world.sweep).await, "0 disabled");
    assert_eq!(runs::list_runs(&world.store.view(), None, 9).unwrap().len(), 1, "nothing to do leaves no record");
}

#[tokio::test]
async fn a_plan_that_waits_is_asked_for_once_and_a_no_holds_for_a_week() {
    let world = world(strict);
    world.add("root", admin()).await;
    for n in 0..30 {
        world.add(&format!("u{n}"), plain()).await;
    }
    world.days_pass(20);
    world.add("late", plain()).await;
    world.days_pass(10);
    for _ in 0..5 {
        assert!(world.run(&world.sweep).await.starts_with("held: "));
        world.store.clock().advance(SignedDuration::from_hours(1));
    }
    let first = plans(&world);
    assert_eq!((first.len(), first[0].counts.disable), (1, 30));
    world.days_pass(20);
    world.run(&world.sweep).await;
    let second = plans(&world);
    assert_eq!((second.len(), second[0].counts.disable), (2, 31), "one more is due by now");
    assert!(matches!(second[1].status, PlanStatus::Superseded { .. }));
    decide::reject(&world.store, &by(), second[0].id).await.unwrap();
    for _ in 0..6 {
        world.days_pass(1);
        assert_eq!(world.run(&world.sweep).await, "0 disabled");
    }
    assert_eq!(plans(&world).len(), 2);
    assert!(matches!(world.sweep.sweep(by()).await.unwrap().outcome, Outcome::Held { .. }));
    assert_eq!(plans(&world).len(), 3, "a person who asks is asked");
    decide::reject(&world.store, &by(), plans(&world)[0].id).await.unwrap();
    world.days_pass(8);
    world.run(&world.sweep).await;
    assert_eq!(plans(&world).len(), 4, "after a week it is asked again");
    let defaults = world.sweep.settings().users.clone();
    decide::approve(&world.store, &by(), plans(&world)[0].id, &defaults).await.unwrap();
    assert_eq!(world.told().await.len(), 31, "who is disabled by a person's word is told like others");
}

#[tokio::test]
async fn a_no_is_about_whom_it_was_said_and_nobody_else() {
    let world = world(strict);
    world.add("root", admin()).await;
    for n in 0..30 {
        world.add(&format!("u{n}"), plain()).await;
    }
    world.days_pass(3);
    let one = world.add("one", plain()).await;
    world.days_pass(1);
    for n in 0..30 {
        world.add(&format!("v{n}"), plain()).await;
    }
    world.days_pass(27);
    world.run(&world.sweep).await;
    decide::reject(&world.store, &by(), plans(&world)[0].id).await.unwrap();
    world.days_pass(2);
    assert_eq!(world.run(&world.sweep).await, "1 disabled", "a single one who is due by now");
    assert!(!world.get(one).is_active());
    world.days_pass(1);
    assert!(world.run(&world.sweep).await.starts_with("held: "), "and many more are asked for");
    assert_eq!((plans(&world).len(), plans(&world)[0].counts.disable), (2, 30));
    let items = |plan: usize| runs::items(&world.store.view(), plans(&world)[plan].id, usize::MAX).unwrap();
    assert!(items(0).iter().all(|item| item.label.starts_with('v')));
    world.days_pass(5);
    assert!(world.run(&world.sweep).await.starts_with("held: "));
    assert_eq!(plans(&world)[0].counts.disable, 60, "after a week it holds no more");
    world.run(&world.upkeep).await;
    assert!(items(2).is_empty() && !items(0).is_empty(), "and what it was about is dropped");
}

#[tokio::test]
async fn while_the_clock_is_in_doubt_nobody_is_disabled_told_or_purged() {
    let world = world(|settings| settings.inactivity.threshold = Some(days(90)));
    world.add("root", admin()).await;
    let ada = world.add("ada", ends(world.in_days(20))).await;
    world.run(&world.sweep).await;
    for (jump, name) in [(400, "forward"), (-400, "back")] {
        world.store.clock().jump(SignedDuration::from_hours(24 * jump));
        let tasks: [&dyn Task; 3] = [&world.sweep, &world.notices, &world.upkeep];
        for task in tasks {
            let said = world.run(task).await;
            assert!(said.starts_with("paused: ") && said.contains(name), "{}: {said}", task.name());
        }
        let refused = world.sweep.sweep(by()).await.unwrap_err();
        assert!(matches!(refused, SweepError::Paused(_)) && refused.to_string().contains("--clock-is-right"));
        assert!(world.sweep.preview(world.now()).unwrap().paused.is_some());
        world.store.clock().jump(SignedDuration::from_hours(24 * -jump));
        assert_eq!(world.run(&world.sweep).await, "0 disabled", "the clock is right again");
    }
    assert!(world.get(ada).is_active() && world.told().await.is_empty());
    world.store.clock().jump(SignedDuration::from_hours(24 * 400));
    world.run(&world.sweep).await;
    clock::confirm(&world.store, &by()).await.unwrap();
    assert_eq!(world.run(&world.sweep).await, "1 disabled", "who expired; nobody quiet was told yet");
    world.run(&world.notices).await;
    assert_eq!(world.told().await, ["inactivity_near root@example.org"]);
}

#[tokio::test]
async fn exempt_sources_roles_and_users_stay_and_the_stricter_role_goes_first() {
    let world = world(|settings| {
        strict(settings);
        settings.budget.floor = 100;
        settings.inactivity.exempt_users = ["vip".to_owned()].into();
        settings.inactivity.sources = [(SourceId::parse("corp").unwrap(), None)].into();
        let auditor = RoleId::parse(role::SYSTEM_AUDITOR).unwrap();
        let admin = RoleId::parse(role::SYSTEM_ADMIN).unwrap();
        settings.inactivity.roles = [(auditor, Some(days(5))), (admin, None)].into();
    });
    let auditor =
        UserChange { roles: Some([RoleId::parse(role::SYSTEM_AUDITOR).unwrap()].into()), ..UserChange::default() };
    let corp = |user| User { source: SourceId::parse("corp").unwrap(), ..user };
    world.add("root", admin()).await;
    world.add("vip", plain()).await;
    world.add("ada", plain()).await;
    world.add("eve", auditor.clone()).await;
    let (staff, watcher) = (world.add("staff", plain()).await, world.add("watcher", auditor).await);
    world.change(staff, corp).await;
    world.change(watcher, corp).await;
    let labels = |day: i64| {
        let items = world.sweep.preview(world.in_days(day)).unwrap().items;
        let mut labels: Vec<_> = items.into_iter().map(|item| item.label).collect();
        labels.sort();
        labels
    };
    assert!(labels(4).is_empty());
    assert_eq!(labels(5), ["eve", "watcher"], "the role goes before the source that is exempt");
    assert_eq!(labels(30), ["ada", "eve", "watcher"]);
    assert_eq!(labels(3_000), labels(30));
}
