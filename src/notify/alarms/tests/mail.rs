//! Mail that does not leave.

use super::*;
use crate::directory::message::Via;
use crate::store::outbox::fate;
use crate::store::outbox::undelivered::{self, Outcome as GivenUp};

#[tokio::test]
async fn mail_that_waits_is_an_alarm_and_told_when_it_leaves() {
    let world = World::new();
    let mail = Message::to_address("ada@example.org", Body::MailTest, world.now(), Timestamp::MAX);
    world.write(move |tx| outbox::push(tx, &mail).map(drop)).await;
    world.watch.look().await.unwrap();
    assert!(world.causes().is_empty(), "not at once");
    world.advance(11);
    world.watch.look().await.unwrap();
    let [alarm] = &world.watch.active()[..] else { panic!() };
    assert!(alarm.cause() == "mail" && alarm.detail.starts_with("1 mails wait") && !alarm.detail.contains('@'));
    assert_eq!(outbox::list(&world.store.view(), 9).unwrap().len(), 1, "it makes no mail of its own");
    world.look().await;
    world.advance(60);
    assert!(world.look().await.is_empty() && world.causes() == ["mail"], "that nothing waits says nothing");
    world.write(|tx| fate::accepted(tx, Via::Mail)).await;
    let [Body::Alarm { cause, detail }] = &world.look().await[..] else { panic!() };
    assert!(cause == "mail" && detail.contains("mail could not leave"), "{detail}");
    assert!(world.causes().is_empty());
}

#[tokio::test]
async fn many_mails_that_leave_and_one_that_is_put_off_are_no_alarm() {
    let world = World::new();
    let push = |tx: &mut Tx<'_>| -> Result<(), StoreError> {
        let mail = Message::to_address("ada@example.org", Body::MailTest, tx.now(), Timestamp::MAX);
        outbox::push(tx, &mail).map(drop)
    };
    let finds = |is_down: bool| {
        let probe = StuckMail { is_configured: true, is_down: Box::new(move || is_down) };
        !probe.look(&world.store, world.now()).unwrap().is_empty()
    };
    world.write(push).await;
    world.advance(11);
    assert_eq!((finds(false), finds(true)), (false, true), "one that waits, and one that a server that is down has");
    world.advance(50);
    assert!(finds(false), "but not for ever");
    for _ in 0..10 {
        world.write(push).await;
    }
    world.write(|tx| fate::accepted(tx, Via::Mail)).await;
    world.advance(9);
    assert_eq!((finds(false), finds(true)), (false, false), "they leave");
    world.advance(2);
    assert!(finds(false), "they left");
}

#[tokio::test]
async fn mail_that_is_refused_for_good_whoever_it_is_for_is_an_alarm() {
    let world = World::new();
    let refuse = |to: String| {
        move |tx: &mut Tx<'_>| {
            let message = Message::to_address(&to, Body::MailTest, tx.now(), Timestamp::MAX);
            let id = outbox::push(tx, &message)?;
            let message = Message { last_error: Some("the mail server answered 550 5.7.1".to_owned()), ..message };
            undelivered::give_up(tx, id, message, GivenUp::Refused)
        }
    };
    for _ in 0..20 {
        world.write(refuse("gone@example.org".to_owned())).await;
    }
    world.look().await;
    assert!(world.causes().is_empty(), "one address is wrong");
    for number in 1..10 {
        if number == 5 {
            world.write(|tx| fate::accepted(tx, Via::Mail)).await;
            world.advance(1);
        }
        world.write(refuse(format!("user{number}@example.org"))).await;
    }
    world.look().await;
    assert!(world.causes().is_empty(), "others were accepted meanwhile");
    for number in 10..15 {
        world.write(refuse(format!("user{number}@example.org"))).await;
    }
    world.look().await;
    let [alarm] = &world.watch.active()[..] else { panic!() };
    assert!(alarm.cause() == "mail" && alarm.detail.contains("10 of them: the mail server answered 550 5.7.1"));
    assert!(!alarm.detail.contains('@'), "{}", alarm.detail);
    world.advance(1);
    world.write(|tx| fate::accepted(tx, Via::Mail)).await;
    world.look().await;
    assert!(world.causes().is_empty());
}
