//! Keys over time.

use std::collections::BTreeSet;

use jiff::SignedDuration;

use super::*;
use crate::base::clock::Clock;
use crate::base::rng::Rng;
use crate::store::Store;

const MONTH: Duration = days(30);

struct Desk {
    store: Store,
    clock: Clock,
}

impl Desk {
    fn new() -> Self {
        let clock = Clock::manual("2027-01-01T00:00:00Z".parse().unwrap());
        Self { store: Store::in_memory(clock.clone(), Rng::seeded(7)).unwrap(), clock }
    }

    async fn does(&self, what: impl Fn(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static) -> Keys {
        self.store.write(move |tx: &mut Tx<'_>| what(tx)).await.unwrap();
        list(&self.store.view()).unwrap()
    }

    async fn step(&self) -> Keys {
        self.does(|tx| step(tx, &Author::system("test"), MONTH)).await
    }

    fn pass(&self, hours: i64) {
        self.clock.advance(SignedDuration::from_hours(hours));
    }
}

#[tokio::test]
async fn a_key_is_told_of_a_day_before_it_signs_and_long_enough_after() {
    let desk = Desk::new();
    let mut told: BTreeSet<String> = desk.step().await.into_iter().map(|(_, key)| key.kid).collect();
    assert_eq!(told.len(), 2, "the one that signs and the next");
    let (mut signed, mut since) = (Vec::new(), Vec::new());
    for _ in 0..24 * 100 {
        desk.pass(1);
        let keys = desk.step().await;
        let now = desk.clock.now();
        let (_, current) = signs(&keys, now).unwrap();
        if signed.last() != Some(&current.kid) {
            assert!(told.contains(&current.kid), "it was told of before");
            assert!(signed.is_empty() || current.published_at <= now - SignedDuration::from_hours(24));
            assert!(!signed.contains(&current.kid), "none comes twice");
            signed.push(current.kid.clone());
            since.push(now);
        }
        if let ([.., before, _], [.., taken_over]) = (signed.as_slice(), since.as_slice()) {
            let is_told = published(&keys, now).iter().any(|key| key.kid == *before);
            assert_eq!(
                is_told,
                now.duration_since(*taken_over) < SignedDuration::from_hours(1),
                "what it signed is over by then"
            );
        }
        told = published(&keys, now).iter().map(|key| key.kid.clone()).collect();
    }
    assert_eq!(signed.len(), 4);
}

#[tokio::test]
async fn a_rotation_waits_for_the_day_and_a_replacement_for_nothing() {
    let desk = Desk::new();
    let first = desk.step().await;
    let hastened = desk.does(|tx| rotate(tx, &Author::system("test"), MONTH).map(drop)).await;
    assert_eq!(signs(&hastened, desk.clock.now()).unwrap().1.kid, first[0].1.kid);
    desk.pass(24);
    let next = desk.step().await;
    assert_eq!(signs(&next, desk.clock.now()).unwrap().1.kid, first[1].1.kid);
    let replaced = desk.does(|tx| replace(tx, &Author::system("test"), MONTH).map(drop)).await;
    let kids = |keys: &Keys| keys.iter().map(|(_, key)| key.kid.clone()).collect::<BTreeSet<_>>();
    assert!(kids(&replaced).is_disjoint(&kids(&next)) && replaced.len() == 2);
    assert!(replaced[0].0 > next.last().unwrap().0, "numbers rise");
    assert!(signs(&replaced, desk.clock.now()).unwrap().1.signs_from <= desk.clock.now());
}

#[tokio::test]
async fn a_clock_that_is_turned_back_leaves_a_key_that_signs() {
    let desk = Desk::new();
    desk.step().await;
    desk.pass(-24 * 365);
    let keys = desk.step().await;
    let (number, current) = signs(&keys, desk.clock.now()).unwrap();
    assert_eq!(private_half(&desk.store.view(), *number, current).unwrap().len(), 48);
}

#[tokio::test]
async fn the_seed_lies_sealed_and_opens_in_its_row_only() {
    let desk = Desk::new();
    let keys = desk.step().await;
    let view = desk.store.view();
    let seed = private_half(&view, keys[0].0, &keys[0].1).unwrap()[16..].to_vec();
    let row = Reads::get(&view, &key(keys[0].0)).unwrap().unwrap();
    let record: serde_json::Value = codec::decode(&row).unwrap();
    let sealed = BASE64.decode(record["sealed_seed"].as_str().unwrap().as_bytes()).unwrap();
    assert!(!sealed.windows(8).any(|part| part == &seed[..8]));
    assert!(private_half(&view, keys[1].0, &keys[0].1).is_err());
}
