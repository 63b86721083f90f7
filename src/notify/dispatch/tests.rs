//! The promises of the outbox, on a store in memory and a clock that only the test moves.

use std::io::Write;
use std::sync::{Mutex, MutexGuard};

use jiff::SignedDuration;
use tracing_subscriber::fmt::MakeWriter;

use super::note::{LONGEST_PAUSE, next_attempt};
use super::queue::CHUNK;
use super::*;
use crate::base::clock::{Clock, plus};
use crate::base::id::UserId;
use crate::base::rng::Rng;
use crate::directory::message::{Body, OneTimeCode};
use crate::directory::notice::{About, Told};
use crate::notify::channel::{Answer, MemoryChannel};
use crate::store::engine::EngineError;
use crate::store::engine::small::SmallEngine;
use crate::store::notices;
use crate::store::seal::Sealer;
use crate::store::tx::Tx;

const SECRET_URL: &str = "https://id.example.org/set/mst_secret";
const ADDRESS: &str = "ada@example.org";

fn store() -> Arc<Store> {
    let clock = Clock::manual(Timestamp::from_second(1_000_000).unwrap());
    Arc::new(Store::in_memory(clock, Rng::seeded(1)).unwrap())
}

fn outbox(store: &Arc<Store>) -> (Outbox, Arc<MemoryChannel>) {
    let channel = Arc::new(MemoryChannel::default());
    (by_mail(store, channel.clone()), channel)
}

/// A dispatcher of mail that sends one at a time, so that tests see an order.
fn by_mail(store: &Arc<Store>, channel: Arc<dyn Channel>) -> Outbox {
    Outbox::new(store.clone()).with(Via::Mail, Some(channel), 1)
}

fn by_sms(store: &Arc<Store>, channel: Arc<dyn Channel>) -> Outbox {
    Outbox::new(store.clone()).with(Via::Sms, Some(channel), 1)
}

async fn push(store: &Store, body: Body) -> MessageId {
    let now = store.clock().now();
    let message = Message::to_address(ADDRESS, body, now, plus(now, Duration::from_secs(3 * 3_600)));
    let message = Message { user: Some(UserId::new(now, store.rng())), name: "Ada".to_owned(), ..message };
    store.write(move |tx: &mut Tx<'_>| outbox::push(tx, &message)).await.unwrap()
}

fn link() -> Body {
    Body::SetPassword { url: SECRET_URL.to_owned() }
}

fn queued(store: &Store) -> Vec<Message> {
    outbox::list(&store.view(), 1_000).unwrap().into_iter().map(|(_, message)| message).collect()
}

/// What was logged on this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt().with_writer(log.clone()).with_ansi(false).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.bytes().clone()).unwrap()
    }

    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().unwrap()
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.bytes().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

#[tokio::test]
async fn what_is_due_is_delivered_in_order_and_taken_out() {
    let store = store();
    let (outbox, channel) = outbox(&store);
    for body in [link(), Body::PasswordChanged, Body::FactorAdded] {
        push(&store, body).await;
    }
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { sent: 3, ..Tally::default() });
    let kinds: Vec<_> = channel.take().iter().map(|message| message.body.kind()).collect();
    assert_eq!(kinds, ["set_password", "password_changed", "factor_added"]);
    assert!(queued(&store).is_empty());
    assert_eq!(outbox.dispatch().await.unwrap(), Tally::default());
}

#[tokio::test]
async fn every_message_is_reached_however_many_wait_before_it() {
    let store = store();
    let (outbox, channel) = outbox(&store);
    for _ in 0..CHUNK {
        let id = push(&store, Body::PasswordChanged).await;
        let later = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
            let message = outbox::get(tx, id)?.unwrap();
            outbox::put(tx, id, &Message { due_at: plus(tx.now(), LONGEST_PAUSE), ..message })
        };
        store.write(later).await.unwrap();
    }
    push(&store, Body::FactorAdded).await;
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { sent: 1, waiting: CHUNK, ..Tally::default() });
    assert_eq!(channel.take().len(), 1);
}

#[tokio::test]
async fn an_expired_message_is_never_sent_and_its_end_is_logged() {
    let store = store();
    let (outbox, channel) = outbox(&store);
    push(&store, link()).await;
    let user = queued(&store)[0].user.unwrap();
    store.clock().advance(SignedDuration::from_hours(3));
    let (log, _guard) = Log::start();
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { expired: 1, ..Tally::default() });
    assert!(channel.take().is_empty() && queued(&store).is_empty());
    let text = log.text();
    assert!(text.contains("set_password") && text.contains(&user.to_string()), "{text}");
    assert!(!text.contains(SECRET_URL) && !text.contains(ADDRESS), "{text}");
}

#[tokio::test]
async fn a_failure_puts_a_message_off_twice_as_long_each_time_up_to_an_hour() {
    let store = store();
    let (outbox, channel) = outbox(&store);
    let id = push(&store, Body::PasswordChanged).await;
    let keep = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
        let message = outbox::get(tx, id)?.unwrap();
        outbox::put(tx, id, &Message { expires_at: Timestamp::MAX, ..message })
    };
    store.write(keep).await.unwrap();
    for (attempt, minutes) in (1..).zip([1, 2, 4, 8, 16, 32, 60, 60]) {
        channel.fail_next(DeliveryError::deferred("the mail server answered 450"));
        assert_eq!(outbox.dispatch().await.unwrap(), Tally { failed: 1, waiting: 1, ..Tally::default() });
        let message = queued(&store).remove(0);
        let pause = SignedDuration::from_mins(minutes);
        assert_eq!((message.attempts, message.due_at.duration_since(store.clock().now())), (attempt, pause));
        store.clock().advance(pause - SignedDuration::from_millis(1));
        assert_eq!(outbox.dispatch().await.unwrap(), Tally { waiting: 1, ..Tally::default() });
        store.clock().advance(SignedDuration::from_millis(1));
    }
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { sent: 1, ..Tally::default() });
    let epoch = Timestamp::UNIX_EPOCH;
    let deferred = DeliveryError::deferred("450");
    assert_eq!(next_attempt(epoch, u32::MAX, &Body::PasswordChanged, &deferred), plus(epoch, LONGEST_PAUSE));
    let down = DeliveryError::passing("down");
    assert_eq!(next_attempt(epoch, 9, &Body::PasswordChanged, &down), plus(epoch, Duration::from_secs(300)));
}

#[tokio::test]
async fn a_refused_message_is_dropped_with_a_warning_that_names_no_address() {
    let store = store();
    let (outbox, channel) = outbox(&store);
    push(&store, link()).await;
    push(&store, Body::PasswordChanged).await;
    let user = queued(&store)[0].user.unwrap();
    channel.fail_next(DeliveryError::lasting("the mail server answered 550 5.1.1"));
    let (log, _guard) = Log::start();
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { sent: 1, refused: 1, ..Tally::default() });
    assert!(queued(&store).is_empty());
    let text = log.text();
    for part in ["WARN", "set_password", &user.to_string(), "550 5.1.1"] {
        assert!(text.contains(part), "{part} is missing in {text}");
    }
    assert!(!text.contains(SECRET_URL) && !text.contains(ADDRESS), "{text}");
}

#[tokio::test]
async fn a_closed_way_is_tried_a_few_times_a_run_and_no_more() {
    let store = store();
    let (outbox, channel) = outbox(&store);
    for _ in 0..10 {
        push(&store, Body::PasswordChanged).await;
        channel.fail_next(DeliveryError::passing("the mail server is down"));
    }
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { failed: 3, waiting: 10, ..Tally::default() });
    assert!(outbox.run().await.unwrap().ends_with("the mail server is down"), "the task tells why");
    store.clock().advance(SignedDuration::from_secs(5));
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { failed: 1, waiting: 10, ..Tally::default() });
}

#[tokio::test]
async fn without_a_channel_messages_wait_until_they_expire_and_one_warning_is_logged() {
    let store = store();
    let outbox = Outbox::new(store.clone());
    let (log, _guard) = Log::start();
    assert_eq!(outbox.dispatch().await.unwrap(), Tally::default());
    assert!(log.text().is_empty(), "nothing to send, nothing to say: {}", log.text());
    push(&store, link()).await;
    push(&store, Body::FactorsReset).await;
    for _ in 0..3 {
        assert_eq!(outbox.dispatch().await.unwrap(), Tally { waiting: 2, ..Tally::default() });
    }
    assert_eq!(log.text().matches("no mail is configured").count(), 1, "{}", log.text());
    assert!(queued(&store).iter().all(|message| message.attempts == 0));
    store.clock().advance(SignedDuration::from_hours(3));
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { expired: 2, ..Tally::default() });
}

#[tokio::test]
async fn a_message_that_was_taken_out_meanwhile_does_not_come_back() {
    struct Withdrawing(Arc<Store>, MessageId);
    impl Channel for Withdrawing {
        fn deliver<'a>(&'a self, _: &'a Message) -> Answer<'a, Result<(), DeliveryError>> {
            Box::pin(async {
                let id = self.1;
                let remove = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
                    outbox::remove(tx, id);
                    Ok(())
                };
                self.0.write(remove).await.unwrap();
                Err(DeliveryError::passing("down"))
            })
        }
    }
    let store = store();
    let id = push(&store, link()).await;
    let outbox = by_mail(&store, Arc::new(Withdrawing(store.clone(), id)));
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { failed: 1, waiting: 1, ..Tally::default() });
    assert!(queued(&store).is_empty());
}

#[tokio::test]
async fn a_message_that_does_not_open_hides_no_other() {
    let store = store();
    let (outbox, channel) = outbox(&store);
    let id = push(&store, link()).await;
    push(&store, Body::FactorAdded).await;
    let damage = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
        tx.put(crate::store::keys::Space::Outbox.key(&[&id.0.to_be_bytes()]), vec![0; 40]);
        Ok(())
    };
    store.write(damage).await.unwrap();
    let (log, _guard) = Log::start();
    for sent in [1, 0] {
        assert_eq!(outbox.dispatch().await.unwrap(), Tally { sent, unreadable: 1, ..Tally::default() });
    }
    assert_eq!(channel.take().len(), 1);
    assert_eq!(log.text().matches("cannot be read").count(), 1, "{}", log.text());
}

#[tokio::test]
async fn the_task_tells_what_it_did_in_words() {
    let store = store();
    let (outbox, _) = outbox(&store);
    push(&store, Body::FactorAdded).await;
    assert_eq!((outbox.name(), outbox.schedule().as_str()), ("outbox", "5s"));
    let words = outbox.run().await.unwrap();
    assert_eq!(words, "1 sent, 0 failed for now, 0 refused, 0 expired, 0 waiting, 0 unreadable");
}

const CODE: &str = "918273";
const NUMBER: &str = "+31612345600";

fn code(via: Via) -> Body {
    Body::Code { via, code: OneTimeCode::new(CODE), minutes: 5 }
}

#[tokio::test]
async fn each_message_goes_its_way_and_a_closed_one_holds_the_other_up_nowhere() {
    let store = store();
    let (mail, sms) = (Arc::new(MemoryChannel::default()), Arc::new(MemoryChannel::default()));
    let outbox = by_mail(&store, mail.clone()).with(Via::Sms, Some(sms.clone()), 1);
    for _ in 0..4 {
        push(&store, Body::PasswordChanged).await;
        mail.fail_next(DeliveryError::passing("the mail server is down"));
    }
    push(&store, code(Via::Sms)).await;
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { sent: 1, failed: 3, waiting: 4, ..Tally::default() });
    assert_eq!((mail.take().len(), sms.take().len()), (0, 1));
}

#[tokio::test]
async fn without_a_way_to_phones_a_text_never_goes_by_mail() {
    let store = store();
    let (outbox, channel) = outbox(&store);
    push(&store, code(Via::Sms)).await;
    let (log, _guard) = Log::start();
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { waiting: 1, ..Tally::default() });
    assert!(channel.take().is_empty());
    assert!(log.text().contains("no SMS is configured"), "{}", log.text());
}

#[tokio::test]
async fn a_text_that_may_be_under_way_when_the_daemon_ends_is_not_sent_again() {
    struct Hanging(tokio::sync::Notify);
    impl Channel for Hanging {
        fn deliver<'a>(&'a self, _: &'a Message) -> Answer<'a, Result<(), DeliveryError>> {
            Box::pin(async {
                self.0.notify_one();
                std::future::pending().await
            })
        }
    }
    let store = store();
    push(&store, code(Via::Sms)).await;
    let hanging = Arc::new(Hanging(tokio::sync::Notify::new()));
    let first = by_sms(&store, hanging.clone());
    tokio::select! {
        _ = first.dispatch() => panic!("it hangs"),
        () = hanging.0.notified() => {}
    }
    assert!(queued(&store).is_empty());
}

#[tokio::test]
async fn a_code_is_tried_again_soon_and_never_after_its_end() {
    let store = store();
    let sms = Arc::new(MemoryChannel::default());
    let outbox = by_sms(&store, sms.clone());
    push(&store, code(Via::Sms)).await;
    let (log, _guard) = Log::start();
    sms.fail_next(DeliveryError::passing("busy"));
    sms.fail_next(DeliveryError { wait: Some(Duration::from_secs(40)), ..DeliveryError::passing("busy") });
    for pause in [5, 40] {
        assert_eq!(outbox.dispatch().await.unwrap(), Tally { failed: 1, waiting: 1, ..Tally::default() });
        let message = queued(&store).remove(0);
        assert_eq!(message.due_at.duration_since(store.clock().now()), SignedDuration::from_secs(pause));
        store.clock().set(message.due_at);
    }
    store.clock().advance(SignedDuration::from_hours(3));
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { expired: 1, ..Tally::default() });
    assert!(sms.take().is_empty() && queued(&store).is_empty());
    assert!(!log.text().contains(CODE) && !log.text().contains(NUMBER), "{}", log.text());
}

#[tokio::test]
async fn a_code_that_is_given_up_is_logged_without_code_and_number() {
    let store = store();
    let sms = Arc::new(MemoryChannel::default());
    let outbox = by_sms(&store, sms.clone());
    let id = push(&store, code(Via::Sms)).await;
    let to = move |tx: &mut Tx<'_>| -> Result<(), StoreError> {
        let message = outbox::get(tx, id)?.unwrap();
        outbox::put(tx, id, &Message { to: NUMBER.to_owned(), ..message })
    };
    store.write(to).await.unwrap();
    sms.fail_next(DeliveryError::lasting("the provider refused it: 21211"));
    let (log, _guard) = Log::start();
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { refused: 1, ..Tally::default() });
    let text = log.text();
    assert!(text.contains("21211") && !text.contains(CODE) && !text.contains(NUMBER), "{text}");
}

#[tokio::test]
async fn what_somebody_waits_for_goes_before_what_is_older() {
    let store = store();
    let (outbox, channel) = outbox(&store);
    for body in [Body::PasswordChanged, Body::FactorAdded, code(Via::Mail), link()] {
        push(&store, body).await;
    }
    outbox.dispatch().await.unwrap();
    let kinds: Vec<_> = channel.take().iter().map(|message| message.body.kind()).collect();
    assert_eq!(kinds, ["code", "set_password", "password_changed", "factor_added"]);
}

/// Takes as long as the test wants: it lets a message pass when it is told to.
struct Slow {
    begun: tokio::sync::mpsc::UnboundedSender<&'static str>,
    pass: tokio::sync::Semaphore,
}

impl Channel for Slow {
    fn deliver<'a>(&'a self, message: &'a Message) -> Answer<'a, Result<(), DeliveryError>> {
        Box::pin(async {
            self.begun.send(message.body.kind()).unwrap();
            // What somebody waits for passes at once.
            if !message.body.is_urgent() {
                self.pass.acquire().await.unwrap().forget();
            }
            Ok(())
        })
    }
}

#[tokio::test]
async fn slow_mails_hold_up_no_code_that_comes_while_they_are_under_way() {
    let store = store();
    let (begun, mut beginnings) = tokio::sync::mpsc::unbounded_channel();
    let slow = Arc::new(Slow { begun, pass: tokio::sync::Semaphore::new(0) });
    let outbox = Outbox::new(store.clone()).with(Via::Mail, Some(slow.clone()), 3);
    for _ in 0..5 {
        push(&store, Body::PasswordChanged).await;
    }
    let watch = async {
        assert_eq!(
            (beginnings.recv().await, beginnings.recv().await),
            (Some("password_changed"), Some("password_changed"))
        );
        push(&store, code(Via::Mail)).await;
        assert_eq!(beginnings.recv().await, Some("code"), "it goes while two of three places are taken");
        slow.pass.add_permits(5);
    };
    let (tally, ()) = tokio::join!(outbox.dispatch(), watch);
    assert_eq!(tally.unwrap(), Tally { sent: 6, ..Tally::default() });
}

#[tokio::test]
async fn who_stops_the_daemon_does_not_wait_for_a_full_outbox() {
    let store = store();
    let (begun, mut beginnings) = tokio::sync::mpsc::unbounded_channel();
    let slow = Arc::new(Slow { begun, pass: tokio::sync::Semaphore::new(0) });
    let outbox = Outbox::new(store.clone()).with(Via::Mail, Some(slow.clone()), 3);
    for _ in 0..50 {
        push(&store, Body::PasswordChanged).await;
    }
    let watch = async {
        beginnings.recv().await;
        outbox.stop();
        slow.pass.add_permits(50);
    };
    let (tally, ()) = tokio::join!(outbox.dispatch(), watch);
    assert_eq!(tally.unwrap(), Tally { sent: 2, waiting: 48, ..Tally::default() });
}

#[tokio::test]
async fn a_greylisted_message_holds_up_no_other() {
    let store = store();
    let (outbox, channel) = outbox(&store);
    for _ in 0..10 {
        push(&store, Body::PasswordChanged).await;
    }
    for _ in 0..5 {
        channel.fail_next(DeliveryError::deferred("the mail server answered 451 4.7.1"));
    }
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { sent: 5, failed: 5, waiting: 5, ..Tally::default() });
    let left = queued(&store);
    assert!(left.iter().all(|message| message.last_error.as_deref() == Some("the mail server answered 451 4.7.1")));
}

#[tokio::test]
async fn what_was_given_up_is_kept_with_its_reason_and_can_be_sent_after_all() {
    let store = store();
    let (outbox, channel) = outbox(&store);
    let refused = push(&store, Body::PasswordChanged).await;
    let expired = push(&store, Body::FactorAdded).await;
    channel.fail_next(DeliveryError::lasting("the mail server answered 550 5.1.1"));
    channel.fail_next(DeliveryError::deferred("the mail server answered 450 4.2.0"));
    outbox.dispatch().await.unwrap();
    store.write(move |tx: &mut Tx<'_>| outbox::retry(tx, refused)).await.unwrap();
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { sent: 1, waiting: 1, ..Tally::default() });
    store.clock().advance(SignedDuration::from_hours(3));
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { expired: 1, ..Tally::default() });
    let kept = undelivered::page(&store.view(), None, 9).unwrap();
    let [(id, Ok(kept))] = kept.as_slice() else { panic!("one is kept") };
    assert_eq!((*id, kept.outcome, kept.message.attempts), (expired, Outcome::Expired, 1));
    assert_eq!(kept.message.last_error.as_deref(), Some("the mail server answered 450 4.2.0"));
}

#[tokio::test]
async fn a_message_that_a_person_drops_or_hurries_is_dropped_or_hurried() {
    let store = store();
    let (outbox, channel) = outbox(&store);
    let (first, second) = (push(&store, Body::PasswordChanged).await, push(&store, Body::FactorAdded).await);
    for _ in 0..2 {
        channel.fail_next(DeliveryError::deferred("busy"));
    }
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { failed: 2, waiting: 2, ..Tally::default() });
    store.write(move |tx: &mut Tx<'_>| outbox::discard(tx, first)).await.unwrap();
    store.write(move |tx: &mut Tx<'_>| outbox::retry(tx, second)).await.unwrap();
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { sent: 1, ..Tally::default() });
    assert_eq!(channel.take().first().unwrap().body.kind(), "factor_added");
}

#[tokio::test]
async fn a_channel_that_panics_costs_one_attempt_of_a_mail_and_sends_no_text_twice() {
    struct Broken;
    impl Channel for Broken {
        fn deliver<'a>(&'a self, _: &'a Message) -> Answer<'a, Result<(), DeliveryError>> {
            Box::pin(async { panic!("a channel with a bug") })
        }
    }
    let store = store();
    push(&store, Body::PasswordChanged).await;
    let outbox = by_mail(&store, Arc::new(Broken));
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { failed: 1, waiting: 1, ..Tally::default() });
    assert_eq!(queued(&store).remove(0).attempts, 1);
    push(&store, code(Via::Sms)).await;
    let outbox = by_sms(&store, Arc::new(Broken));
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { refused: 1, waiting: 1, ..Tally::default() });
    assert_eq!((queued(&store).len(), undelivered::page(&store.view(), None, 9).unwrap().len()), (1, 1));
}

fn store_on(disk: &Arc<SmallEngine>) -> Arc<Store> {
    let (clock, rng) = (Clock::manual(Timestamp::from_second(1_000_000).unwrap()), Rng::seeded(1));
    Arc::new(Store::over(disk.clone(), Sealer::ephemeral(&rng), clock, rng).unwrap())
}

/// Fills the disk with the first message that it takes.
struct Filling(Arc<SmallEngine>, MemoryChannel);

impl Channel for Filling {
    fn deliver<'a>(&'a self, message: &'a Message) -> Answer<'a, Result<(), DeliveryError>> {
        self.0.is_full(true);
        self.1.deliver(message)
    }
}

#[tokio::test]
async fn over_a_full_disk_each_mail_is_sent_once_and_its_fate_is_noted_later() {
    for tells in [true, false] {
        let disk = Arc::new(SmallEngine::default());
        disk.tells.store(tells, Ordering::SeqCst);
        let store = store_on(&disk);
        for _ in 0..100 {
            push(&store, Body::PasswordChanged).await;
        }
        let channel = Arc::new(Filling(disk.clone(), MemoryChannel::default()));
        channel.1.fail_next(DeliveryError::lasting("the mail server answered 550"));
        let outbox = Outbox::new(store.clone()).with(Via::Mail, Some(channel.clone()), 3);
        for _ in 0..5 {
            assert!(matches!(outbox.dispatch().await, Err(StoreError::Engine(EngineError::Full(_)))));
        }
        let mut sent = channel.1.take();
        assert!((1..=3 * 8).contains(&sent.len()), "no more than may be unnoted: {}", sent.len());
        assert_eq!(queued(&store).len(), 100);
        disk.is_full(false);
        let good = Arc::new(MemoryChannel::default());
        let outbox = outbox.with(Via::Mail, Some(good.clone()), 3);
        assert_eq!(outbox.dispatch().await.unwrap(), Tally { sent: 99 - sent.len(), ..Tally::default() });
        sent.extend(good.take());
        let users: std::collections::BTreeSet<_> = sent.iter().map(|message| message.user.unwrap()).collect();
        assert_eq!((sent.len(), users.len()), (99, 99));
        assert!(queued(&store).is_empty());
        assert_eq!(undelivered::page(&store.view(), None, 9).unwrap().len(), 1, "the refused one");
    }
}

#[tokio::test]
async fn whom_a_notice_of_inactivity_never_reached_was_not_told() {
    let store = store();
    let (outbox, channel) = outbox(&store);
    let end = plus(store.clock().now(), Duration::from_secs(3 * 3_600));
    let later = plus(end, Duration::from_secs(1));
    let mut users = Vec::new();
    // The third has been told of another day since; the server refuses the fourth for good.
    for due in [end, end, later, end] {
        push(&store, Body::InactivityNear { at: end }).await;
        let user = queued(&store).last().unwrap().user.unwrap();
        let told = Told { due, at: store.clock().now(), quiet_since: Some(Timestamp::UNIX_EPOCH), sent: true };
        store.write(move |tx: &mut Tx<'_>| notices::put(tx, user, About::Inactivity, &told)).await.unwrap();
        users.push(user);
    }
    let is_told = || users.iter().map(|user| notices::get(&store.view(), *user, About::Inactivity).unwrap().is_some());
    for _ in 0..3 {
        channel.fail_next(DeliveryError::deferred("busy"));
    }
    channel.fail_next(DeliveryError::lasting("the mail server answered 550"));
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { failed: 3, refused: 1, waiting: 3, ..Tally::default() });
    assert!(is_told().all(|told| told));
    store.clock().advance(SignedDuration::from_hours(3));
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { expired: 3, ..Tally::default() });
    assert_eq!(is_told().collect::<Vec<_>>(), [false, false, true, true]);
}

#[tokio::test]
async fn what_was_put_off_leaves_soon_though_the_clock_is_set_back() {
    let store = store();
    let (outbox, channel) = outbox(&store);
    for body in [link(), Body::PasswordChanged] {
        push(&store, body).await;
        channel.fail_next(DeliveryError::deferred("busy"));
    }
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { failed: 2, waiting: 2, ..Tally::default() });
    store.clock().jump(SignedDuration::from_hours(-24));
    assert_eq!(outbox.dispatch().await.unwrap(), Tally { sent: 2, ..Tally::default() });
}

#[tokio::test]
async fn a_wish_about_a_few_messages_has_only_those_read_again() {
    let disk = Arc::new(SmallEngine::default());
    let store = store_on(&disk);
    let outbox = Outbox::new(store.clone());
    let mut ids = Vec::new();
    for _ in 0..2 * CHUNK {
        ids.push(push(&store, Body::PasswordChanged).await);
    }
    assert_eq!(outbox.dispatch().await.unwrap().waiting, ids.len());
    for (wishes, most_read) in [(1, 0), (64, 0), (65, usize::MAX)] {
        for id in ids.drain(..wishes).collect::<Vec<_>>() {
            store.write(move |tx: &mut Tx<'_>| outbox::discard(tx, id)).await.unwrap();
        }
        disk.scanned.store(0, Ordering::SeqCst);
        assert_eq!(outbox.dispatch().await.unwrap().waiting, ids.len(), "{wishes}");
        assert!(disk.scanned.load(Ordering::SeqCst) <= most_read, "{wishes}");
    }
}
