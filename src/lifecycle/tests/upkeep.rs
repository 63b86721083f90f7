//! What is purged and dropped in its time, and never by a clock that is wrong.

use super::*;
use crate::base::clock::plus;
use crate::base::id::TokenId;
use crate::base::secret::TokenHash;
use crate::directory::policy::days;
use crate::directory::token::{ApiToken, Grant};
use crate::store::keys::Space;
use crate::store::{StoreError, audit, codec, runs, tokens};

#[tokio::test]
async fn a_tombstone_is_purged_in_its_time_but_never_by_a_jump_of_the_clock() {
    let world = world(|_| ());
    let ada = world.add("ada", plain()).await;
    world.run(&world.upkeep).await;
    let remove = move |tx: &mut Tx<'_>| {
        let by = Author::system("test");
        users::update(tx, &by.clone(), ada, "user.removed", |user, at| Ok(user.remove(by.actor, at, days(30))))
    };
    world.store.write(remove).await.unwrap();
    let is_there = || users::get(&world.store.view(), ada).unwrap().is_some();
    world.store.clock().jump(SignedDuration::from_hours(24 * 31));
    world.run(&world.upkeep).await;
    assert!(is_there(), "not by a jump");
    world.store.clock().jump(SignedDuration::from_hours(-24 * 31));
    world.days_pass(29);
    world.run(&world.upkeep).await;
    assert!(is_there(), "not before its time");
    world.days_pass(1);
    assert_eq!(world.run(&world.upkeep).await, "1 tombstones purged, 0 ended rows dropped");
    assert!(!is_there());
}

#[tokio::test]
async fn old_audit_lines_are_dropped_in_their_time_but_never_by_a_jump_of_the_clock() {
    let world = world(|settings| settings.audit = Some(days(30)));
    let oldest = || {
        let mut seq = None;
        let first = |line: serde_json::Value| {
            seq = line["seq"].as_u64();
            Ok::<_, StoreError>(false)
        };
        audit::each(&world.store.view(), &audit::Query::default(), first).unwrap();
        seq
    };
    for n in 0..20 {
        for m in 0..20 {
            world.add(&format!("u{n}-{m}"), plain()).await;
        }
        world.run(&world.upkeep).await;
        world.days_pass(1);
    }
    world.store.clock().jump(SignedDuration::from_hours(24 * 20));
    world.run(&world.upkeep).await;
    assert_eq!(oldest(), Some(1), "not by a jump");
    world.store.clock().jump(SignedDuration::from_hours(-24 * 20));
    world.days_pass(20);
    world.run(&world.upkeep).await;
    let first = oldest().unwrap();
    assert!((100..=201).contains(&first), "{first}");
    assert!(audit::verify(&world.store.view()).unwrap() > 0);
    world.run(&world.upkeep).await;
    assert_eq!(oldest(), Some(first), "nothing more is due");
}

#[tokio::test]
async fn what_cannot_be_purged_stops_nothing_else_and_is_told() {
    let world = world(|settings| settings.audit = Some(days(40)));
    let ids = [world.add("ada", plain()).await, world.add("bob", plain()).await, world.add("eve", plain()).await];
    for n in 0..200 {
        world.add(&format!("u{n}"), plain()).await;
    }
    let remove = move |tx: &mut Tx<'_>| {
        let by = Author::system("test");
        for id in ids {
            users::update(tx, &by, id, "user.removed", |user, at| Ok(user.remove(by.actor.clone(), at, days(30))))?;
        }
        for n in 0..1_001_u128 {
            tx.put(Space::Run.key(&[&n.to_be_bytes()]), codec::encode(&1)?);
        }
        tx.put(Space::User.key(&[ids[0].as_bytes()]), codec::encode(&"no user")?);
        Ok::<_, users::WriteError>(())
    };
    world.store.write(remove).await.unwrap();
    world.days_pass(41);
    let first_line = || audit::dropped(&world.store.view()).unwrap();
    assert_eq!(first_line(), 0);
    let fault = world.upkeep.run().await.unwrap_err();
    assert!(fault.contains(&ids[0].to_string()), "{fault}");
    let is_there = |id| users::get(&world.store.view(), id).unwrap().is_some();
    assert!(!is_there(ids[1]) && !is_there(ids[2]), "the others are purged");
    assert!(first_line() > 0, "the trail is trimmed");
    let oldest = runs::get_run(&world.store.view(), crate::base::id::RunId::from_bytes(0_u128.to_be_bytes()));
    assert_eq!(oldest.unwrap(), None, "and runs are pruned");
}

#[tokio::test]
async fn a_token_goes_90_days_after_its_end_and_one_without_an_end_stays() {
    let world = world(|_| ());
    world.run(&world.upkeep).await;
    let make = |number: u8, ends_in: Option<u64>| {
        let make = move |tx: &mut Tx<'_>| {
            let (id, grant, now) = (TokenId::new(tx.now(), tx.rng()), Grant::Scopes(Default::default()), tx.now());
            let token = ApiToken::new(id, "t".to_owned(), "mst_a".to_owned(), grant, now);
            let token = ApiToken { expires_at: ends_in.map(|ends_in| plus(now, days(ends_in))), ..token };
            tokens::create(tx, &Author::system("test"), TokenHash([number; 32]), &token).map(|()| id)
        };
        world.store.write::<_, users::WriteError>(make)
    };
    let (ending, endless) = (make(1, Some(1)).await.unwrap(), make(2, None).await.unwrap());
    let is_there = |id| tokens::by_id(&world.store.view(), id).unwrap().is_some();
    world.days_pass(91);
    world.run(&world.upkeep).await;
    assert!(is_there(ending), "not before its time");
    world.days_pass(1);
    world.run(&world.upkeep).await;
    assert!(!is_there(ending) && is_there(endless));
}
