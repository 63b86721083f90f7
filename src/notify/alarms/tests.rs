//! The promises of alarms, on a store in memory and a clock that only the test moves.

mod certificates;
mod mail;
mod tokens;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use jiff::SignedDuration;

use super::*;
use crate::base::certificates::SeenCertificates;
use crate::base::clock::Clock;
use crate::base::id::{PlanId, RunId, SourceId};
use crate::base::rng::Rng;
use crate::directory::plan::{Cause, Counts, Outcome, Plan, PlanStatus, Run};
use crate::notify::channel::MemoryChannel;
use crate::store::engine::small::SmallEngine;
use crate::store::seal::Sealer;
use crate::store::tx::Reads;
use crate::store::webhooks::{self, Standing};
use crate::store::{readings, runs};
use crate::tasks::Status;

struct World {
    store: Arc<Store>,
    seen: SeenCertificates,
    tasks: Arc<Mutex<BTreeMap<String, Status>>>,
    watch: Watch,
}

fn corp() -> SourceId {
    SourceId::parse("corp").unwrap()
}

fn probes(
    seen: &SeenCertificates,
    tasks: &Arc<Mutex<BTreeMap<String, Status>>>,
    began: Timestamp,
) -> Vec<Box<dyn Probe>> {
    let known = tasks.clone();
    let tasks: Tasks = Arc::new(move || known.lock().unwrap().clone());
    vec![
        Box::new(HeldRuns),
        Box::new(FailedRuns::new(vec![corp()], tasks.clone())),
        Box::new(FailedTasks(tasks)),
        Box::new(StuckMail { is_configured: true, is_down: Box::new(|| true) }),
        Box::new(Certificates { seen: seen.clone(), files: Vec::new(), began }),
        Box::new(StuckWebhooks(vec!["portal".to_owned()])),
    ]
}

impl World {
    fn new() -> Self {
        let clock = Clock::manual(Timestamp::from_second(1_800_000_000).unwrap());
        Self::over(Arc::new(Store::in_memory(clock, Rng::seeded(1)).unwrap()))
    }

    fn over(store: Arc<Store>) -> Self {
        Self::with(store, Some(Arc::new(MemoryChannel::default())))
    }

    fn with(store: Arc<Store>, mail: Option<Arc<dyn Channel>>) -> Self {
        let (seen, tasks) = (SeenCertificates::default(), Arc::default());
        let settings = Settings { recipients: vec!["ops@example.org".parse().unwrap()] };
        let watch = Watch::new(
            store.clone(),
            settings,
            probes(&seen, &tasks, store.clock().now()),
            FirstReadings(vec![corp()]),
            mail,
        );
        Self { store, seen, tasks, watch: watch.unwrap() }
    }

    fn now(&self) -> Timestamp {
        self.store.clock().now()
    }

    fn advance(&self, minutes: i64) {
        self.store.clock().advance(SignedDuration::from_mins(minutes));
    }

    async fn write(&self, what: impl Fn(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static) {
        self.store.write(what).await.unwrap();
    }

    /// Looks, and takes the mails out of the outbox, as a mail server would have them.
    async fn look(&self) -> Vec<Body> {
        self.watch.look().await.unwrap();
        let mails = outbox::list(&self.store.view(), 100).unwrap();
        let ids: Vec<_> = mails.iter().map(|(id, _)| *id).collect();
        self.write(move |tx| {
            ids.iter().for_each(|id| outbox::remove(tx, *id));
            Ok(())
        })
        .await;
        mails.into_iter().map(|(_, mail)| mail.body).collect()
    }

    fn causes(&self) -> Vec<String> {
        self.watch.active().iter().map(Alarm::cause).collect()
    }

    async fn run(&self, outcome: Outcome, counts: Counts) -> RunId {
        let (now, id) = (self.now(), RunId::new(self.now(), self.store.rng()));
        let run = Run {
            id,
            cause: Cause::Source { id: corp() },
            started_at: now,
            ended_at: now,
            outcome,
            counts,
            how: String::new(),
            trail: None,
            by: None,
            undone_by: None,
            skipped: Vec::new(),
            conflicts: Vec::new(),
        };
        self.write(move |tx| runs::put_run(tx, &run)).await;
        id
    }

    async fn plan(&self, id: PlanId, status: PlanStatus) {
        let plan = Plan {
            id,
            run: RunId::new(self.now(), self.store.rng()),
            wished_by: None,
            cause: Cause::Source { id: corp() },
            created_at: self.now(),
            counts: Counts::default(),
            digest: String::new(),
            held_because: "it would disable 500 users".to_owned(),
            then: None,
            status,
        };
        self.write(move |tx| runs::put_plan(tx, &plan)).await;
    }
}

#[tokio::test]
async fn a_held_run_is_mailed_once_a_day_over_restarts_until_it_is_decided() {
    let mut world = World::new();
    let id = PlanId::new(world.now(), world.store.rng());
    world.plan(id, PlanStatus::Held).await;
    let mut mails = Vec::new();
    for quarter in 0..200 {
        if quarter % 7 == 0 {
            world = World::over(world.store.clone());
        }
        mails.extend(world.look().await.into_iter().map(|body| (quarter, body)));
        world.advance(15);
    }
    let held = Body::RunHeld { of: "corp".to_owned(), plan: id, why: "it would disable 500 users".to_owned() };
    assert_eq!(mails, [(0, held.clone()), (96, held.clone()), (192, held)]);
    let [alarm] = &world.watch.active()[..] else { panic!() };
    assert_eq!(alarm.cause(), "run_held:corp");
    assert!(alarm.detail.ends_with(&format!("musterd plan show {id}")), "{}", alarm.detail);
    assert_eq!(alarm.since, Timestamp::from_second(1_800_000_000).unwrap());
    world.plan(id, PlanStatus::Superseded { at: world.now() }).await;
    assert!(world.look().await.is_empty() && world.causes().is_empty());
}

#[tokio::test]
async fn without_a_way_by_mail_nobody_is_said_to_have_been_told() {
    let world = World::with(World::new().store, None);
    world.plan(PlanId::new(world.now(), world.store.rng()), PlanStatus::Held).await;
    let reading = readings::Reading { complete_at: Some(world.now()), ..readings::Reading::default() };
    world.run(Outcome::Applied, Counts::default()).await;
    world.write(move |tx| readings::put(tx, &corp(), &reading)).await;
    assert!(world.look().await.is_empty());
    let [alarm] = &world.watch.active()[..] else { panic!() };
    assert_eq!(alarm.mailed_at, None);
    let mailing = World::over(world.store.clone());
    assert_eq!(mailing.look().await.len(), 1, "from then on");
}

#[tokio::test]
async fn another_plan_is_shown_at_once_and_mailed_where_a_person_decided_the_one_before() {
    let world = World::new();
    let ids = [1, 2, 3].map(|minutes| {
        world.advance(minutes);
        PlanId::new(world.now(), world.store.rng())
    });
    world.plan(ids[0], PlanStatus::Held).await;
    assert_eq!(world.look().await.len(), 1);
    world.plan(ids[0], PlanStatus::Superseded { at: world.now() }).await;
    world.plan(ids[1], PlanStatus::Held).await;
    assert!(world.look().await.is_empty(), "the next reading found nearly the same");
    assert!(world.watch.active()[0].detail.ends_with(&ids[1].to_string()));
    let (at, by) = (world.now(), crate::directory::audit::Actor::Socket { uid: 0 });
    world.plan(ids[1], PlanStatus::Rejected { at, by }).await;
    world.plan(ids[2], PlanStatus::Held).await;
    let [Body::RunHeld { plan, .. }] = &world.look().await[..] else { panic!() };
    assert_eq!(*plan, ids[2]);
    assert!(world.look().await.is_empty());
    let again = World::over(world.store.clone());
    assert!(again.look().await.is_empty() && again.watch.active()[0].detail.ends_with(&ids[2].to_string()));
}

#[tokio::test]
async fn a_store_that_is_nearly_full_and_one_that_cannot_write_are_two_causes() {
    let (disk, rng, folder) = (Arc::new(SmallEngine::default()), Rng::seeded(3), tempfile::tempdir().unwrap());
    let clock = Clock::manual(Timestamp::UNIX_EPOCH);
    let store = Store::over(disk.clone(), Sealer::ephemeral(&rng), clock, rng).unwrap();
    disk.tells.store(true, Ordering::SeqCst);
    let probe = Storage { folder: folder.path().to_owned(), reserve: u64::MAX };
    let causes = || probe.look(&store, store.clock().now()).unwrap().iter().map(Finding::cause).collect::<Vec<_>>();
    assert_eq!(causes(), ["storage:room"]);
    disk.is_full(true);
    assert_eq!(causes(), ["storage", "storage:room"]);
}

#[tokio::test]
async fn a_source_that_fails_at_each_poll_is_one_cause_and_ends_with_a_run_that_does_not() {
    let world = World::new();
    let failed = || Outcome::Failed { why: "nobody answers".to_owned() };
    let mut mails = 0;
    for _ in 0..96 {
        world.run(failed(), Counts::default()).await;
        mails += world.look().await.len();
        world.advance(15);
    }
    assert_eq!((mails, world.causes()), (1, vec!["run_failed:corp".to_owned()]));
    // One that finds nothing to do leaves no record: the task tells.
    let ok = Status { last_run: Some(world.now()), last_result: Some(Ok("0 read".to_owned())), ..Status::default() };
    world.tasks.lock().unwrap().insert("sync:corp".to_owned(), ok);
    world.look().await;
    assert!(world.causes().is_empty());
    world.advance(1);
    world.run(failed(), Counts::default()).await;
    world.look().await;
    assert_eq!(world.causes(), ["run_failed:corp"], "a later one counts again");
    world.advance(1);
    world.run(Outcome::Applied, Counts::default()).await;
    world.look().await;
    assert!(world.causes().is_empty());
}

#[tokio::test]
async fn what_another_room_says_in_words_is_an_alarm_as_long_as_it_says_it() {
    let world = World::new();
    let said = Arc::new(Mutex::new(Some("the clock\r\njumped".to_owned())));
    let saying = said.clone();
    let look = move |_: &dyn Reads| Ok(saying.lock().unwrap().clone());
    let probes: Vec<Box<dyn Probe>> = vec![Box::new(By { kind: Kind::SweepPaused, look })];
    let watch = Watch::new(world.store.clone(), Settings::default(), probes, FirstReadings(Vec::new()), None).unwrap();
    assert_eq!(watch.look().await, Ok(1));
    assert_eq!(watch.active()[0].detail, "the clock jumped");
    *said.lock().unwrap() = None;
    assert_eq!(watch.look().await, Ok(0));
}

#[tokio::test]
async fn webhooks_that_are_not_taken_or_gone_are_told_of_with_what_to_type() {
    let world = World::new();
    let failing = Standing { failing_since: Some(world.now()), failures: 3, ..Standing::default() };
    world.write(move |tx| webhooks::put(tx, "portal", &failing)).await;
    world.look().await;
    assert!(world.causes().is_empty(), "not at once");
    world.advance(10);
    assert_eq!(world.look().await.len(), 1);
    let [alarm] = &world.watch.active()[..] else { panic!() };
    assert!(alarm.detail.ends_with("musterd webhook test portal"), "{}", alarm.detail);
    world.write(|tx| webhooks::put(tx, "portal", &Standing::default())).await;
    world.look().await;
    let gone = webhooks::Gone { at: world.now(), url: String::new() };
    world
        .write(move |tx| webhooks::put(tx, "portal", &Standing { gone: Some(gone.clone()), ..Standing::default() }))
        .await;
    world.look().await;
    assert!(world.watch.active()[0].detail.contains("is stopped"));
}

#[tokio::test]
async fn the_first_complete_reading_of_a_source_is_told_once_and_one_of_long_ago_is_not() {
    for (minutes, mails) in [(5, 1), (3 * 24 * 60, 0)] {
        let world = World::new();
        assert!(world.look().await.is_empty());
        let counts = Counts { create: 7, skipped: 1, conflict: 1, ..Counts::default() };
        world.run(Outcome::Applied, counts).await;
        let reading = readings::Reading { complete_at: Some(world.now()), ..readings::Reading::default() };
        world.write(move |tx| readings::put(tx, &corp(), &reading)).await;
        world.advance(minutes);
        let told = world.look().await;
        assert_eq!(told.len(), mails, "{minutes}");
        if let [body] = &told[..] {
            let of = "corp".to_owned();
            assert_eq!(*body, Body::ImportDone { of, created: 7, changed: 0, skipped: 2 });
        }
        let again = World::over(world.store.clone());
        assert!(again.look().await.is_empty() && again.causes().is_empty());
        again.advance(10 * 24 * 60);
        assert!(again.look().await.is_empty(), "for ever");
    }
}

#[tokio::test]
async fn each_import_that_is_done_is_told_once() {
    let world = World::new();
    let import = |create| {
        let id = RunId::new(world.now(), world.store.rng());
        let run = Run {
            id,
            cause: Cause::Import,
            started_at: world.now(),
            ended_at: world.now(),
            outcome: Outcome::Applied,
            counts: Counts { create, update: 2, skipped: 1, ..Counts::default() },
            how: String::new(),
            trail: None,
            by: None,
            undone_by: None,
            skipped: Vec::new(),
            conflicts: Vec::new(),
        };
        world.write(move |tx| runs::put_run(tx, &run))
    };
    let told = |created| Body::ImportDone { of: "import".to_owned(), created, changed: 2, skipped: 1 };
    import(7).await;
    world.advance(1);
    import(8).await;
    assert_eq!(world.look().await, [told(7), told(8)]);
    assert!(world.look().await.is_empty() && World::over(world.store.clone()).look().await.is_empty());
    world.advance(1);
    import(9).await;
    assert_eq!(world.look().await, [told(9)]);
    world.advance(1);
    import(10).await;
    world.advance(3 * 24 * 60);
    assert!(world.look().await.is_empty(), "one of long ago is news to nobody");
}

#[tokio::test]
async fn a_full_disk_is_mailed_past_the_outbox_once_a_day_and_ends_by_itself() {
    let (disk, rng, folder) = (Arc::new(SmallEngine::default()), Rng::seeded(2), tempfile::tempdir().unwrap());
    disk.tells.store(true, Ordering::SeqCst);
    let clock = Clock::manual(Timestamp::from_second(1_800_000_000).unwrap());
    let store = Arc::new(Store::over(disk.clone(), Sealer::ephemeral(&rng), clock.clone(), rng).unwrap());
    let mail = Arc::new(MemoryChannel::default());
    let storage = Storage { folder: folder.path().to_owned(), reserve: 0 };
    let recipients = vec!["ops@example.org".parse().unwrap(), "it@example.org".parse().unwrap()];
    let readings = FirstReadings(Vec::new());
    let probes: Vec<Box<dyn Probe>> = vec![Box::new(storage)];
    let watch = Watch::new(store.clone(), Settings { recipients }, probes, readings, Some(mail.clone())).unwrap();
    assert_eq!(watch.look().await, Ok(0));
    disk.is_full(true);
    let mut mails = Vec::new();
    for hour in 0..50 {
        drop(watch.look().await);
        mails.extend(mail.take().into_iter().map(|mail| (hour, mail.to)));
        clock.advance(SignedDuration::from_hours(1));
    }
    let to = |hour| [(hour, "ops@example.org".to_owned()), (hour, "it@example.org".to_owned())];
    assert_eq!(mails, [to(0), to(24), to(48)].concat());
    assert!(watch.active()[0].detail.contains("no space is left"), "{:?}", watch.active());
    disk.is_full(false);
    assert_eq!(watch.look().await, Ok(0));
    let [row] = &alarms::list(&store.view()).unwrap()[..] else { panic!() };
    assert!(row.mailed_at.is_some() && row.ended_at.is_some(), "{row:?}");
    assert!(mail.take().is_empty() && outbox::list(&store.view(), 9).unwrap().is_empty());
}
