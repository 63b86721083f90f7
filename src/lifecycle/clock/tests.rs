//! Which clocks are believed, as rules and as what is noted in the store.

use super::*;
use crate::base::clock::Clock;
use crate::base::rng::Rng;

const HOUR: i64 = 1;
const DAY: i64 = 24;

fn hours(hours: i64) -> SignedDuration {
    SignedDuration::from_hours(hours)
}

fn store() -> Store {
    let clock = Clock::manual(Timestamp::from_second(1_000_000_000).unwrap());
    Store::in_memory(clock, Rng::seeded(1)).unwrap()
}

async fn is_paused(store: &Store) -> bool {
    let paused = check(store).await.unwrap();
    assert_eq!(clock::paused(&store.view()).unwrap().is_some(), paused.is_some());
    paused.is_some()
}

#[tokio::test]
async fn time_that_really_passed_is_believed_however_much_it_is() {
    let store = store();
    for passed in [HOUR, DAY, 3 * DAY, 400 * DAY] {
        assert!(!is_paused(&store).await);
        store.clock().advance(hours(passed));
        assert!(!is_paused(&store).await, "{passed} hours");
    }
    store.clock().reboot(hours(23));
    assert!(!is_paused(&store).await, "the machine was off for less than a day");
}

#[tokio::test]
async fn a_clock_that_jumped_is_not_until_it_is_right_again() {
    for jump in [25 * HOUR, 400 * DAY, -25 * HOUR, -400 * DAY] {
        let store = store();
        assert!(!is_paused(&store).await);
        store.clock().jump(hours(jump));
        assert!(is_paused(&store).await, "{jump} hours");
        store.clock().advance(hours(5 * DAY));
        assert!(is_paused(&store).await, "it does not get better by itself: {jump} hours");
        store.clock().jump(hours(-jump));
        assert!(!is_paused(&store).await, "{jump} hours and back");
    }
}

#[tokio::test]
async fn small_jumps_add_up() {
    let store = store();
    for jump in 1..=5 {
        assert!(!is_paused(&store).await, "jump {jump}");
        store.clock().jump(hours(5));
    }
    assert!(is_paused(&store).await, "25 hours in steps of 5");
}

#[tokio::test]
async fn what_lies_between_two_boots_is_believed_up_to_a_day_or_by_a_persons_word() {
    for off in [25 * HOUR, 100 * DAY, -25 * HOUR, -100 * DAY] {
        let store = store();
        assert!(!is_paused(&store).await);
        store.clock().reboot(hours(off));
        assert!(is_paused(&store).await, "{off} hours");
        store.clock().advance(hours(5 * DAY));
        assert!(is_paused(&store).await, "it does not get better by itself: {off} hours");
        confirm(&store, &Author::system("test")).await.unwrap();
        assert!(!is_paused(&store).await);
        let lines = audit::list(&store.view(), &audit::Query::default(), None, 9).unwrap().lines;
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert_eq!(lines.first().unwrap().action, "clock.confirmed");
        store.clock().jump(hours(2 * DAY));
        assert!(is_paused(&store).await, "the word was for then");
    }
}

#[tokio::test]
async fn it_is_noted_now_and_then_and_not_at_each_look() {
    let store = store();
    check(&store).await.unwrap();
    let noted = clock::get(&store.view()).unwrap();
    store.clock().advance(SignedDuration::from_secs(60));
    check(&store).await.unwrap();
    assert_eq!(clock::get(&store.view()).unwrap(), noted);
    store.clock().advance(SignedDuration::from_secs(600));
    check(&store).await.unwrap();
    assert_ne!(clock::get(&store.view()).unwrap(), noted);
}

#[test]
fn a_machine_that_does_not_say_its_uptime_is_believed_for_a_day() {
    let at = |hours: i64| Timestamp::from_second(1_000_000_000 + hours * 3_600).unwrap();
    let watch = look(None, at(0), None);
    assert_eq!(doubt(&watch, at(24), None), None);
    assert!(doubt(&watch, at(25), None).is_some() && doubt(&watch, at(-25), None).is_some());
}

async fn line(store: &Store) {
    let write = |tx: &mut Tx<'_>| audit::append(tx, &Author::system("test"), Entry::new("test", Target::Directory));
    store.write::<_, StoreError>(write).await.unwrap();
}

async fn run(store: &Store) {
    store.write::<_, StoreError>(|tx: &mut Tx<'_>| tasks::begin_run(tx, "sweep", tx.now())).await.unwrap();
}

#[tokio::test]
async fn a_store_that_knows_nothing_of_the_clock_knows_when_something_was_done_in_it() {
    for (jump, paused) in [(HOUR, false), (23 * HOUR, false), (25 * HOUR, true), (-25 * HOUR, true), (400 * DAY, true)]
    {
        let stores = [store(), store()];
        line(&stores[0]).await;
        run(&stores[1]).await;
        for store in stores {
            store.clock().jump(hours(jump));
            begin(&store).await.unwrap();
            assert_eq!(is_paused(&store).await, paused, "{jump} hours");
            confirm(&store, &Author::system("test")).await.unwrap();
            begin(&store).await.unwrap();
            assert!(!is_paused(&store).await, "{jump} hours");
        }
    }
    let new = store();
    begin(&new).await.unwrap();
    assert!(!is_paused(&new).await);
}
