//! Who is told what, once, whatever happens in between.

use super::*;
use crate::directory::audit::Actor;
use crate::directory::message::Body;
use crate::directory::notice::About;
use crate::directory::policy::days;
use crate::directory::user::DisabledReason;
use crate::store::engine::memory::MemoryEngine;
use crate::store::engine::{Batch, Bytes, Engine, EngineError, KeyRange, Order, Row, Rows};
use crate::store::keys::Space;
use crate::store::seal::Sealer;
use crate::store::{codec, credentials, notices};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

#[tokio::test]
async fn the_end_of_an_account_is_told_first_early_and_then_daily() {
    let world = world(|_| ());
    world.add("ada", ends(world.in_days(30))).await;
    let mut told = Vec::new();
    for day in 0..32 {
        // Twice: who was told is not told again.
        for _ in 0..2 {
            world.run(&world.notices).await;
            told.extend(world.told().await.into_iter().map(|what| (day, what)));
        }
        world.run(&world.sweep).await;
        world.days_pass(1);
    }
    let days: Vec<_> = told.iter().map(|(day, _)| *day).collect();
    assert_eq!(days, [16, 27, 28, 29]);
    assert!(told.iter().all(|(_, what)| what == "account_expires ada@example.org"), "{told:?}");
}

#[tokio::test]
async fn a_changed_end_is_told_anew_and_who_is_out_is_not_told() {
    let world = world(|_| ());
    let ada = world.add("ada", ends(world.in_days(10))).await;
    let bob = world.add("bob", ends(world.in_days(10))).await;
    world
        .change(bob, |user| {
            user.disable(
                crate::directory::user::DisabledReason::Admin,
                crate::directory::audit::Actor::Anonymous,
                Timestamp::UNIX_EPOCH,
            )
            .unwrap()
        })
        .await;
    world.run(&world.notices).await;
    assert_eq!(world.told().await.len(), 1);
    let end = world.in_days(13);
    world.change(ada, move |user| User { expires_at: Some(end), ..user }).await;
    world.run(&world.notices).await;
    let mail = world.mail().await;
    assert!(matches!(mail[0].1.body, Body::AccountExpires { at } if at == end) && mail.len() == 1);
    assert_eq!(mail[0].1.expires_at, end, "it is of no use after that");
    let far = world.in_days(100);
    world.change(ada, move |user| User { expires_at: Some(far), ..user }).await;
    world.run(&world.notices).await;
    assert!(world.told().await.is_empty());
}

#[tokio::test]
async fn administrators_get_one_list_a_run_also_of_who_has_no_address() {
    let world = world(|settings| {
        settings.notices.copy_to = ["root", "desk@example.com", "nobody", "gone"].map(str::to_owned).into();
    });
    world.add("root", admin()).await;
    let gone = world.add("gone", plain()).await;
    world.change(gone, |user| User { expires_at: Some(Timestamp::UNIX_EPOCH), ..user }).await;
    for n in 0..60 {
        world.add(&format!("u{n:02}"), ends(world.in_days(5 + n % 5))).await;
    }
    let mute = world.add("mute", UserChange { email: Some(None), ..ends(world.in_days(4)) }).await;
    world.run(&world.notices).await;
    let mail = world.mail().await;
    let lists: Vec<_> = mail.iter().filter(|(told, _)| told.starts_with("accounts_expire")).collect();
    let to: Vec<_> = lists.iter().map(|(_, message)| message.to.as_str()).collect();
    assert_eq!((mail.len(), to), (62, vec!["root@example.org", "desk@example.com"]));
    for (_, list) in lists {
        let Body::AccountsExpire { accounts, more } = &list.body else { panic!("{list:?}") };
        assert_eq!((accounts.len(), *more, accounts[0].username.as_str()), (50, 11, "mute"));
        assert!(accounts.is_sorted_by_key(|one| one.at));
    }
    world.change(mute, |user| User { email: Some(Email::parse("mute@example.org").unwrap()), ..user }).await;
    world.run(&world.notices).await;
    assert_eq!(world.told().await, ["account_expires mute@example.org"], "once there is an address, and no list again");
    world.run(&world.notices).await;
    assert!(world.told().await.is_empty());
}

#[tokio::test]
async fn the_end_of_a_password_is_told_where_musterd_keeps_one() {
    let world = world(|settings| settings.password_max_age = Some(days(90)));
    let ada = world.add("ada", plain()).await;
    world.add("elsewhere", plain()).await;
    let set = move |tx: &mut Tx<'_>| credentials::set(tx, ada, "hash".to_owned(), 0);
    world.store.write(set).await.unwrap();
    world.days_pass(75);
    world.run(&world.notices).await;
    assert!(world.told().await.is_empty());
    world.days_pass(1);
    world.run(&world.notices).await;
    assert_eq!(world.told().await, ["password_expires ada@example.org"]);
    world.store.write(set).await.unwrap();
    world.days_pass(75);
    world.run(&world.notices).await;
    assert!(world.told().await.is_empty(), "a new one has its whole time");
    world.days_pass(1);
    world.run(&world.notices).await;
    assert_eq!(world.told().await.len(), 1);
    world.days_pass(100);
    world.run(&world.notices).await;
    assert!(world.told().await.is_empty(), "what is over is told no more");
}

#[tokio::test]
async fn when_a_threshold_is_shortened_everybody_is_told_first() {
    let world = world(|_| ());
    world.add("root", admin()).await;
    let ids = [world.add("ada", plain()).await, world.add("bob", plain()).await];
    world.add("mute", UserChange { email: Some(None), ..plain() }).await;
    world.days_pass(200);
    let world = world.with(|settings| settings.inactivity.threshold = Some(days(30)));
    assert_eq!(world.run(&world.sweep).await, "1 disabled", "whom nobody can tell");
    world.run(&world.notices).await;
    assert_eq!(world.told().await.len(), 3);
    for day in 1..=14 {
        assert!(world.get(ids[0]).is_active(), "day {day}");
        world.days_pass(1);
        if day == 7 {
            world.change(ids[1], |user| user.seen("2026-07-27T08:00:00Z".parse().unwrap())).await;
        }
        world.run(&world.notices).await;
        world.run(&world.sweep).await;
    }
    assert!(!world.get(ids[0]).is_active() && world.get(ids[1]).is_active(), "who came stays");
    let mail = world.told().await;
    assert_eq!(mail.iter().filter(|told| told.starts_with("inactivity_near ada")).count(), 3, "{mail:?}");
    assert_eq!(mail.iter().filter(|told| told.starts_with("disabled_for_inactivity ada")).count(), 1);
    assert_eq!(mail.iter().filter(|told| told.contains("bob")).count(), 0);
}

#[tokio::test]
async fn without_a_way_out_nobody_is_told_and_nothing_noted() {
    let world = world(|settings| settings.notices.can_leave = false);
    let ada = world.add("ada", ends(world.in_days(10))).await;
    assert!(world.run(&world.notices).await.contains("no [mail]"));
    assert!(world.told().await.is_empty());
    assert_eq!(notices::get(&world.store.view(), ada, About::Account).unwrap(), None);
}

#[tokio::test]
async fn what_no_administrator_can_be_told_is_kept_until_one_can() {
    let (log, _guard) = Log::start();
    let copies = |to: &[&str]| to.iter().map(|to| (*to).to_owned()).collect::<Vec<_>>();
    let world = world(|settings| settings.notices.copy_to = copies(&["nobody", "ada@example.org"]));
    let ada = world.add("ada", ends(world.in_days(5))).await;
    world.add("bob", ends(world.in_days(13))).await;
    world
        .change(ada, |user| user.disable(DisabledReason::Admin, Actor::Anonymous, Timestamp::UNIX_EPOCH).unwrap())
        .await;
    let said = world.notices.run().await.unwrap_err();
    assert!(said.contains("1 written; nobody of notices.copy_to"), "{said}");
    assert!(log.text().contains("entry=2") && !log.text().contains("example.org"), "{}", log.text());
    assert_eq!(world.told().await, ["account_expires bob@example.org"]);
    assert!(world.notices.run().await.is_err(), "as long as it is so");
    let heard = world.with(|settings| settings.notices.copy_to = copies(&["desk@example.com"]));
    assert_eq!(heard.run(&heard.notices).await, "0 written");
    assert_eq!(world.told().await, ["accounts_expire desk@example.com"]);
    assert_eq!(heard.run(&heard.notices).await, "0 written");
    assert!(world.told().await.is_empty(), "once");
}

#[tokio::test]
async fn a_fault_of_one_kind_does_not_end_the_others_and_is_told() {
    let world = world(|settings| {
        settings.password_max_age = Some(days(20));
        settings.notices.copy_to = vec!["desk@example.com".to_owned()];
    });
    world.add("ada", ends(world.in_days(10))).await;
    let bad = world.add("bad", plain()).await;
    let damage = move |tx: &mut Tx<'_>| {
        credentials::set(tx, bad, "hash".to_owned(), 0)?;
        tx.put(Space::Notice.key(&[bad.as_bytes(), &[2]]), codec::encode(&"no notice")?);
        Ok::<_, users::WriteError>(())
    };
    world.store.write(damage).await.unwrap();
    world.days_pass(6);
    let world = world.with(|settings| settings.inactivity.threshold = Some(days(8)));
    assert!(world.notices.run().await.is_err());
    let told = world.told().await;
    for kind in ["account_expires ada", "inactivity_near ada", "inactivity_near bad", "accounts_expire desk"] {
        assert!(told.iter().any(|told| told.starts_with(kind)), "{kind}: {told:?}");
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt().with_writer(move || writer.clone()).with_ansi(false).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// An engine that takes so many commits, and is dead then.
struct Mortal {
    memory: Arc<MemoryEngine>,
    left: Arc<AtomicUsize>,
}

impl Rows for Mortal {
    fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, EngineError> {
        self.memory.get_many(keys)
    }

    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> Result<Vec<Row>, EngineError> {
        self.memory.scan(range, order, limit)
    }
}

impl Engine for Mortal {
    fn snapshot(&self) -> Result<Box<dyn Rows>, EngineError> {
        self.memory.snapshot()
    }

    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        if self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err() {
            return Err(EngineError::Io("killed".to_owned()));
        }
        self.memory.commit(batch)
    }
}

#[tokio::test]
async fn a_run_that_is_killed_at_any_commit_and_begun_again_tells_everybody_once() {
    let clock = Clock::manual("2026-01-01T08:00:00Z".parse().unwrap());
    let mut kills = 0;
    for commits in 0.. {
        let (memory, left) = (Arc::new(MemoryEngine::default()), Arc::new(AtomicUsize::new(usize::MAX)));
        let open = |clock: &Clock| {
            let engine = Arc::new(Mortal { memory: memory.clone(), left: left.clone() });
            let sealer = Sealer::from_key(&[7; 32], &Rng::seeded(1));
            let store = Store::over(engine, sealer, clock.clone(), Rng::seeded(1)).unwrap();
            let mut settings = crate::lifecycle::settings::tests::settings();
            settings.notices.copy_to = vec!["desk@example.com".to_owned()];
            World::over(Arc::new(store), settings)
        };
        let world = open(&clock);
        for n in 0..250 {
            world.add(&format!("u{n}"), ends(world.in_days(5))).await;
        }
        left.store(commits, Ordering::SeqCst);
        let outcome = world.notices.run().await;
        left.store(usize::MAX, Ordering::SeqCst);
        drop(world);
        let world = open(&clock);
        world.notices.run().await.unwrap();
        let mut told = world.told().await;
        let all = told.len();
        told.sort();
        told.dedup();
        assert_eq!((all, told.len()), (251, 251), "killed after {commits} commits");
        if outcome.is_ok() {
            break;
        }
        kills += 1;
    }
    assert!(kills >= 3, "{kills}");
}
