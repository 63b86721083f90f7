//! Failures are counted, waited for, kept and forgotten.

use super::*;
use crate::base::clock::Clock;
use crate::base::rng::Rng;

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + second).unwrap()
}

fn user() -> UserId {
    UserId::new(at(0), &Rng::seeded(1))
}

fn key() -> Key {
    Key::Password(user())
}

fn store() -> Arc<Store> {
    Arc::new(Store::in_memory(Clock::manual(at(0)), Rng::seeded(1)).unwrap())
}

fn throttle() -> Throttle {
    Throttle::new(LockoutPolicy::default(), store())
}

/// What another daemon would make of the same store.
async fn restarted(throttle: &Throttle) -> Throttle {
    throttle.store.write::<_, StoreError>(|_| Ok(())).await.unwrap();
    Throttle::new(throttle.policy.clone(), throttle.store.clone())
}

/// Counts a try, and tells how long to wait where there were too many.
fn begin(throttle: &Throttle, key: Key, now: Timestamp) -> Result<(), Duration> {
    throttle.count(key, now).map(drop).map_err(|held| held.wait)
}

#[test]
fn t_06_five_tries_then_a_wait_that_doubles_and_is_not_made_longer_by_trying() {
    let throttle = throttle();
    let tried = |now| (0..9).filter(|_| begin(&throttle, key(), at(now)).is_ok()).count();
    assert_eq!(tried(0), 5);
    assert_eq!(begin(&throttle, key(), at(890)), Err(Duration::from_secs(11)));
    assert_eq!(tried(900), 5);
    assert_eq!(tried(900 + 1_799), 0);
    assert_eq!(tried(900 + 1_800), 5);
}

#[test]
fn a_success_clears_and_an_unavailable_backend_does_not_count() {
    let throttle = throttle();
    for _ in 0..50 {
        begin(&throttle, key(), at(0)).unwrap();
        throttle.undo(key());
    }
    (0..4).for_each(|_| begin(&throttle, key(), at(0)).unwrap());
    begin(&throttle, key(), at(0)).unwrap();
    throttle.undo(key());
    begin(&throttle, key(), at(0)).unwrap();
    assert!(begin(&throttle, key(), at(0)).is_err());
    throttle.clear(key());
    assert!(begin(&throttle, key(), at(0)).is_ok());
}

#[test]
fn t_02_parallel_tries_share_one_count() {
    let throttle = throttle();
    let passed = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..200).map(|_| scope.spawn(|| begin(&throttle, key(), at(0)).is_ok())).collect();
        tries.into_iter().filter_map(|one| one.join().ok()).filter(|passed| *passed).count()
    });
    assert_eq!(passed, 5);
}

#[test]
fn t_01_no_more_than_a_hundred_failures_of_passwords_and_codes_without_a_success() {
    let throttle = throttle();
    let (mut passed, mut now) = (0, 0);
    for round in 0..200 {
        let key = if round % 2 == 0 { key() } else { Key::Code(user()) };
        passed += (0..9).filter(|_| begin(&throttle, key, at(now)).is_ok()).count();
        now += 86_400 * 2;
    }
    assert_eq!(passed, 100);
    let held = throttle.count(key(), at(now)).unwrap_err();
    assert_eq!((held.reason, throttle.consecutive(user(), at(now))), ("consecutive_attempts", 100));
    // A right code says nothing of the password: what passwords failed stays.
    throttle.clear(Key::Code(user()));
    assert_eq!(throttle.consecutive(user(), at(now)), 50);
    throttle.clear(key());
    assert_eq!(throttle.consecutive(user(), at(now)), 0);
}

#[tokio::test]
async fn counts_and_waits_are_the_same_after_a_restart() {
    let throttle = throttle();
    let network = Key::network("192.0.2.1".parse().unwrap());
    (0..3).for_each(|_| begin(&throttle, key(), at(0)).unwrap());
    (0..5).for_each(|_| begin(&throttle, Key::Code(user()), at(0)).unwrap());
    begin(&throttle, network, at(0)).unwrap();
    let rows = throttle.rows([key(), Key::Code(user()), network]);
    throttle.store.write::<_, StoreError>(move |tx| rows.write(tx)).await.unwrap();
    let after = restarted(&throttle).await;
    assert_eq!(after.consecutive(user(), at(1)), 8);
    assert!(begin(&after, Key::Code(user()), at(899)).is_err() && begin(&after, Key::Code(user()), at(900)).is_ok());
    assert_eq!((0..9).filter(|_| begin(&after, key(), at(1)).is_ok()).count(), 2);
    after.clear(key());
    after.clear(Key::Code(user()));
    let after = restarted(&after).await;
    assert_eq!(after.consecutive(user(), at(1)), 0);
    assert_eq!(locks::get(&after.store.view(), &key().row().unwrap()), Ok(None));
    assert_eq!(locks::get(&after.store.view(), &network.row().unwrap()).unwrap().unwrap().failures, 1);
}

#[tokio::test]
async fn what_made_room_in_memory_counts_on() {
    let throttle = throttle();
    (0..4).for_each(|_| begin(&throttle, key(), at(0)).unwrap());
    throttle.keep(key());
    throttle.store.write::<_, StoreError>(|_| Ok(())).await.unwrap();
    let counter = Counter::new(at(0));
    throttle.counters().extend((0..COUNTERS_MAX).map(|n| (Key::unknown(&n.to_string()), counter)));
    begin(&throttle, Key::unknown("one more"), at(120)).unwrap();
    assert!(throttle.counters().len() < 10);
    assert_eq!((0..9).filter(|_| begin(&throttle, key(), at(120)).is_ok()).count(), 1);
}

#[test]
fn t_09_of_a_flood_that_is_held_back_few_are_worth_a_line() {
    let throttle = throttle();
    (0..5).for_each(|_| begin(&throttle, key(), at(0)).unwrap());
    let told: Vec<_> = (0..5_000).filter_map(|_| throttle.count(key(), at(1)).unwrap_err().worth_telling).collect();
    assert_eq!(told, [1, 10, 100, 1_000]);
}

#[test]
fn a_source_is_asked_so_often_within_its_wait() {
    let throttle = throttle();
    let lockout = SourceLockout { attempts: 3, wait: Duration::from_secs(60) };
    let key = Key::at_source(&SourceId::parse("corp").unwrap(), "Bob");
    let asked = |now| (0..9).filter(|_| throttle.count_at_source(key, lockout, at(now)).is_ok()).count();
    assert_eq!(asked(0), 3);
    assert_eq!(throttle.count_at_source(key, lockout, at(10)), Err(Duration::from_secs(51)));
    assert_eq!((asked(60), asked(119), asked(120)), (3, 0, 3), "no wait is longer than the one before");
    assert_eq!(Key::at_source(&SourceId::parse("corp").unwrap(), " BOB "), key);
    assert_ne!(Key::at_source(&SourceId::parse("ad").unwrap(), "bob"), key);
}

#[test]
fn an_ipv6_network_is_a_64_and_a_mapped_address_is_its_ipv4() {
    let key = |text: &str| Key::network(text.parse().unwrap());
    assert_eq!(key("2001:db8::1"), key("2001:db8::ffff:1"));
    assert_ne!(key("2001:db8::1"), key("2001:db8:0:1::1"));
    assert_eq!(key("::ffff:192.0.2.1"), key("192.0.2.1"));
    assert_eq!(Key::unknown(" Bob"), Key::unknown("bob"));
}
