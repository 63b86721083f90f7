//! The sweep over many users: none due, and ten thousand; and the notices to as many. On the store on disk, by a manual
//! clock, through plan and guard and apply, with the messages in the same commits.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use musterd::base::clock::Clock;
use musterd::base::id::{SourceId, UserId};
use musterd::base::rng::Rng;
use musterd::directory::audit::Author;
use musterd::directory::field::{DisplayName, Email, Username};
use musterd::directory::policy::{Budget, UserDefaults, days};
use musterd::directory::user::{NewUser, User, UserChange};
use musterd::lifecycle::notices::Notices;
use musterd::lifecycle::policy::{InactivityPolicy, Steps};
use musterd::lifecycle::settings::{Notices as NoticeSettings, Settings};
use musterd::lifecycle::sweep::Sweep;
use musterd::store::tx::Tx;
use musterd::store::users::{Prepared, WriteError};
use musterd::store::{Store, StoreError, outbox, users};
use musterd::tasks::Task;
use musterd::tasks::schedule::Schedule;

use crate::Figure;
use crate::store::{limit, ms, settle};

const DUE: usize = 10_000;
const CHUNK: usize = 500;
const LONG_AGO: &str = "2024-01-01T00:00:00Z";
const NOW: &str = "2026-01-01T08:00:00Z";

pub(crate) fn figures(users: usize) -> Vec<Figure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measure(users))
}

fn settings(threshold: u64, lead: Option<Duration>) -> Arc<Settings> {
    let steps = Steps { first: lead, daily_from: None };
    let source = |name: &str| SourceId::parse(name).unwrap();
    Arc::new(Settings {
        schedule: Schedule::every(Duration::from_secs(3_600)),
        budget: Budget { floor: usize::MAX, percent: 100, count: usize::MAX },
        // Everybody of the second source is quiet, and exempt.
        inactivity: InactivityPolicy {
            threshold: Some(days(threshold)),
            sources: [(source("exempt"), None)].into(),
            ..InactivityPolicy::default()
        },
        users: UserDefaults::default(),
        notices: NoticeSettings {
            schedule: Schedule::every(Duration::from_secs(86_400)),
            can_leave: lead.is_some(),
            account: steps,
            password: steps,
            inactivity: steps,
            copy_to: Vec::new(),
        },
        upkeep: Schedule::every(Duration::from_secs(3_600)),
        audit: None,
        password_max_age: None,
        grants: Vec::new(),
    })
}

pub(crate) fn open(folder: &Path, clock: &Clock) -> Arc<Store> {
    let settings = musterd::store::Settings { folder: folder.to_owned(), ..musterd::store::Settings::default() };
    Arc::new(Store::open(&settings, clock.clone(), Rng::system()).unwrap())
}

/// Half of the users belong to an exempt source and have been quiet for two years; the others came a while ago.
pub(crate) async fn fill(store: &Arc<Store>, count: usize) -> Vec<UserId> {
    let (clock, now) = (store.clock().clone(), NOW.parse::<Timestamp>().unwrap());
    let (mut ids, mut queued) = (Vec::with_capacity(count), std::collections::VecDeque::new());
    for begin in (0..count).step_by(CHUNK) {
        let is_exempt = begin % (2 * CHUNK) != 0;
        let seen = now.checked_sub(SignedDuration::from_hours(24 * 10)).unwrap();
        let at = if is_exempt { LONG_AGO.parse().unwrap() } else { seen };
        let made: Vec<NewUser> = (begin..count.min(begin + CHUNK))
            .map(|n| NewUser {
                id: UserId::new(clock.now(), store.rng()),
                username: Username::parse(&format!("user{n:07}")).unwrap(),
                name: DisplayName::parse(&format!("Ada Number {n}")).unwrap(),
                source: SourceId::parse(if is_exempt { "exempt" } else { "corp" }).unwrap(),
                rest: UserChange {
                    email: Some(Some(Email::parse(&format!("user{n:07}@example.org")).unwrap())),
                    ..UserChange::default()
                },
                disabled: None,
            })
            .collect();
        if !is_exempt {
            ids.extend(made.iter().map(|user| user.id));
        }
        let write = move |tx: &mut Tx<'_>| -> Result<(), WriteError> {
            for user in made.clone() {
                Prepared::new(&Author::system("bench"), user, at, None)?.create(tx, &Author::system("bench"))?;
            }
            Ok(())
        };
        queued.push_back(store.queue_bulk(write).await.unwrap());
        if queued.len() > 3 {
            queued.pop_front().unwrap().done().await.unwrap();
        }
    }
    for pending in queued {
        pending.done().await.unwrap();
    }
    ids
}

/// Makes these users ones who have not come for a hundred days.
async fn make_quiet(store: &Arc<Store>, ids: &[UserId]) {
    let then = store.clock().now().checked_sub(SignedDuration::from_hours(24 * 100)).unwrap();
    for chunk in ids.chunks(CHUNK) {
        let chunk = chunk.to_vec();
        let write = move |tx: &mut Tx<'_>| -> Result<(), WriteError> {
            for id in &chunk {
                let rule = |user: User, _| Ok(User { enabled_at: then, ..user });
                users::update(tx, &Author::system("bench"), *id, "user.changed", rule)?;
            }
            Ok(())
        };
        store.write_bulk(write).await.unwrap();
    }
}

async fn forget_mail(store: &Arc<Store>) -> usize {
    let mut all = 0;
    loop {
        let places: Vec<_> = outbox::list(&store.view(), CHUNK).unwrap().iter().map(|(place, _)| *place).collect();
        if places.is_empty() {
            return all;
        }
        all += places.len();
        let remove = move |tx: &mut Tx<'_>| {
            places.iter().for_each(|place| outbox::remove(tx, *place));
            Ok::<_, StoreError>(())
        };
        store.write_bulk(remove).await.unwrap();
    }
}

async fn timed(task: &dyn Task) -> (String, f64) {
    settle();
    let start = Instant::now();
    let said = task.run().await.unwrap();
    (said, ms(start.elapsed()))
}

async fn measure(count: usize) -> Vec<Figure> {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(NOW.parse().unwrap());
    let store = open(folder.path(), &clock);
    let start = Instant::now();
    let ids = fill(&store, count).await;
    println!("{count} users made in {:.0} s, half of them quiet and exempt", start.elapsed().as_secs_f64());
    let due = DUE.min(ids.len());
    let (plain, warning) = (settings(90, None), settings(90, Some(days(14))));
    let sweep = Sweep::new(store.clone(), plain);
    // The first notes what the clock says; of the others none is spared.
    timed(&sweep).await;
    let mut slowest: f64 = 0.0;
    for _ in 0..20 {
        let (said, took) = timed(&sweep).await;
        assert_eq!(said, "0 disabled");
        slowest = slowest.max(took);
    }
    let mut figures = vec![limit(format!("sweep of {count} users, none due, slowest of 20"), slowest, 10.0, "ms")];
    let notices = Notices::new(store.clone(), warning);
    let (said, took) = timed(&notices).await;
    assert_eq!(said, "0 written");
    figures.push(limit(format!("notices to {count} users, none due"), took, 10.0, "ms"));
    make_quiet(&store, &ids[..due]).await;
    let (said, took) = timed(&notices).await;
    assert_eq!((said, forget_mail(&store).await), (format!("{due} written"), due));
    figures.push(limit(format!("notices to {due} of {count} users"), took / 1e3, 5.0, "s"));
    let (said, took) = timed(&sweep).await;
    // Who was told has the time that was promised, also by a sweep that promises nothing itself.
    assert_eq!(said, "0 disabled");
    figures.push(limit(format!("sweep that finds {due} who were promised time"), took / 1e3, 5.0, "s"));
    clock.advance(SignedDuration::from_hours(24 * 15));
    let (said, took) = timed(&sweep).await;
    assert_eq!((said, forget_mail(&store).await), (format!("{due} disabled"), due));
    figures.push(limit(format!("sweep of {count} users, {due} due, told in the same commits"), took / 1e3, 5.0, "s"));
    figures
}
