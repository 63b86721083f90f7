//! What is foreseen is what happens.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::directory::plan::Step;
use crate::directory::policy::days;
use crate::lifecycle::notices::NAME;
use crate::lifecycle::policy::Steps;
use crate::lifecycle::upcoming::{Most, Upcoming};
use crate::store::tasks;

#[tokio::test]
async fn what_is_foreseen_is_what_happens() {
    let world = world(|settings| {
        settings.inactivity.threshold = Some(days(40));
        settings.password_max_age = Some(days(50));
        settings.budget.floor = 4;
    });
    world.add("root", admin()).await;
    for n in 0..40 {
        let id = world.add(&format!("u{n:02}"), plain()).await;
        let end = world.in_days(20 + n);
        if n % 3 == 0 {
            world.change(id, move |user| User { expires_at: Some(end), ..user }).await;
        }
        if n % 4 == 0 {
            let set = move |tx: &mut Tx<'_>| crate::store::credentials::set(tx, id, "hash".to_owned(), 0);
            world.store.write(set).await.unwrap();
        }
        world.store.clock().advance(SignedDuration::from_hours(11));
    }
    let (sweep_at, told_at) = (world.now(), "2026-01-19T08:00:00Z".parse().unwrap());
    let note = move |tx: &mut Tx<'_>| {
        tasks::begin_run(tx, NAME, told_at)?;
        tasks::begin_run(tx, "sweep", sweep_at)
    };
    world.store.write::<_, crate::store::StoreError>(note).await.unwrap();
    world.run(&world.notices).await;
    world.told().await;
    let foreseen = world.sweep.upcoming(days(45)).unwrap();
    assert!(foreseen.notices.len() > 40 && foreseen.sweeps.len() > 10, "{foreseen:?}");
    let (mut told, mut out) = (BTreeSet::new(), BTreeSet::new());
    let mut held = None;
    while world.now() < foreseen.until {
        world.store.clock().advance(SignedDuration::from_hours(1));
        let now = world.now();
        if now.to_string().contains("T08:00:00Z") {
            world.run(&world.notices).await;
        }
        if world.run(&world.sweep).await.starts_with("held") {
            held.get_or_insert(now);
        }
        for (what, _) in world.mail().await {
            if !what.starts_with("disabled_for") {
                told.insert((now, what));
            }
        }
        let all = users::ids_of_source(&world.store.view(), &SourceId::local(), None, 99).unwrap();
        out.extend(all.into_iter().filter(|id| !world.get(*id).is_active()));
    }
    let kind = |about| match serde_json::to_value(about).unwrap().as_str().unwrap() {
        "account" => "account_expires",
        "password" => "password_expires",
        _ => "inactivity_near",
    };
    let expected =
        foreseen.notices.iter().map(|one| (one.at, format!("{} {}@example.org", kind(one.about), one.label)));
    let expected: BTreeSet<_> = expected.collect();
    assert_eq!(told.symmetric_difference(&expected).collect::<Vec<_>>(), Vec::<&(Timestamp, String)>::new());
    let applied = foreseen.sweeps.iter().filter(|sweep| sweep.would_be_held.is_none());
    let expected: BTreeSet<_> = applied.flat_map(|sweep| sweep.items.iter().filter_map(|item| item.user)).collect();
    assert_eq!(out, expected);
    assert!(
        foreseen.sweeps.iter().all(|sweep| sweep.items.iter().all(|item| matches!(item.step, Step::Disable { .. })))
    );
    let first_held = foreseen.sweeps.iter().find(|sweep| sweep.would_be_held.is_some()).map(|sweep| sweep.at);
    assert_eq!(held, first_held);
    assert!(held.is_some(), "the guard has something to say in this life");
}

#[tokio::test]
async fn a_preview_of_a_day_ahead_counts_the_notices_until_then() {
    let world = world(|settings| settings.inactivity.threshold = Some(days(30)));
    world.add("root", admin()).await;
    let ada = world.add("ada", plain()).await;
    let due = |day| {
        world
            .sweep
            .preview(world.in_days(day))
            .unwrap()
            .items
            .into_iter()
            .filter_map(|item| item.user)
            .collect::<Vec<_>>()
    };
    assert_eq!((due(29), due(31)), (vec![], vec![ada]));
    world.days_pass(100);
    assert_eq!((due(0), due(13), due(16)), (vec![], vec![], vec![ada]), "told late, and given the whole time");
    assert_eq!(world.sweep.upcoming(Duration::from_secs(3_600)).unwrap().sweeps.len(), 0);
}

#[tokio::test]
async fn of_much_that_lies_ahead_the_first_is_listed_and_the_rest_counted() {
    let world = world(|settings| settings.notices.account = Steps { first: Some(days(2)), daily_from: None });
    for n in 0..30 {
        world.add(&format!("u{n:02}"), ends(world.in_days(3 + n))).await;
    }
    let all = world.sweep.upcoming(days(60)).unwrap();
    let disabled = |upcoming: &Upcoming| upcoming.sweeps.iter().map(|sweep| sweep.items.len()).sum::<usize>();
    assert_eq!((all.notices.len(), disabled(&all), all.more, all.cut), (30, 30, 0, false));
    let few = world.sweep.upcoming_of(days(60), Most { looked: 99, listed: 12 }).unwrap();
    assert_eq!((few.notices.len(), disabled(&few), few.more, few.cut), (12, 12, 36, false));
    assert_eq!((few.notices[0].label.as_str(), few.notices[11].label.as_str()), ("u00", "u11"), "the first of them");
    let cut = world.sweep.upcoming_of(days(60), Most { looked: 20, listed: 99 }).unwrap();
    assert_eq!((cut.notices.len(), disabled(&cut), cut.more, cut.cut), (20, 20, 0, true));
    let preview = world.sweep.preview_of(world.in_days(40), 12).unwrap();
    assert_eq!((preview.items.len(), preview.more, preview.counts.disable), (12, 18, 30));
}

#[tokio::test]
async fn one_look_ahead_is_under_way_at_a_time() {
    let world = world(|_| ());
    let turn = world.sweep.turn();
    assert!(turn.is_some() && world.sweep.turn().is_none());
    drop(turn);
    assert!(world.sweep.turn().is_some());
}

#[tokio::test]
async fn what_was_refused_lies_ahead_when_the_no_holds_no_more() {
    let world = world(|settings| settings.budget.floor = 4);
    world.add("root", admin()).await;
    for n in 0..30 {
        world.add(&format!("u{n}"), ends(world.in_days(1))).await;
    }
    world.days_pass(1);
    world.run(&world.sweep).await;
    let plan = crate::store::runs::list_plans(&world.store.view()).unwrap().remove(0);
    crate::sync::decide::reject(&world.store, &Author::system("test"), plan.id).await.unwrap();
    world.days_pass(1);
    assert_eq!(world.sweep.upcoming(days(5)).unwrap().sweeps.len(), 0);
    let ahead = world.sweep.upcoming(days(14)).unwrap();
    assert_eq!((ahead.sweeps[0].at, ahead.sweeps[0].items.len()), (world.in_days(6), 30));
}
