//! The store under many users, against sled alone doing the same work: the same bytes in the same groups with the
//! same `fdatasync`, or the same reads.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use musterd::base::clock::Clock;
use musterd::base::id::{ExternalId, GroupId, SourceId, UserId};
use musterd::base::rng::Rng;
use musterd::base::secret::Secret;
use musterd::base::text;
use musterd::directory::audit::Author;
use musterd::directory::field::{Description, DisplayName};
use musterd::directory::group::{Group, Member};
use musterd::directory::user::UserChange;
use musterd::sources::{
    Answer, Bookmark, Extent, Output, Person, Piece, PullError, PulledUser, Read, Source, TestReport, Trial, Verdict,
};
use musterd::store::engine::sled::{Options, SledEngine};
use musterd::store::keys::Space;
use musterd::store::seal::Sealer;
use musterd::store::tx::Tx;
use musterd::store::users::WriteError;
use musterd::store::{Settings, Store, groups, list, users};
use musterd::sync::pass::{Pass, Wanted};
use musterd::sync::rules::Rules;

use crate::Figure;
use crate::daemon::Daemon;
use bare::Bare;
use recorder::{Recorded, Recorder};

mod bare;
pub(crate) mod recorder;
mod served;

/// Writers that wait for an answer each before they write again.
const WRITERS: usize = 64;
/// Changes of each.
const CHANGES: usize = 300;
const LOOKUPS: usize = 200_000;
const PAGES: usize = 2_000;
const PAGE: usize = 100;
const CACHE: u64 = 256 << 20;
const LARGE_GROUP: usize = 100_000;
const MEMBER_CHANGES: usize = 300;

/// What the figures are taken from: a store of some users in a folder.
struct Site {
    folder: tempfile::TempDir,
    store: Arc<Store>,
    recorder: Arc<Recorder>,
    ids: Arc<[UserId]>,
    users: usize,
}

pub(crate) fn figures(users: usize) -> Vec<Figure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut figures = Vec::new();
    let site = runtime.block_on(import(users, &mut figures));
    figures.push(lookups(&site));
    figures.push(pages(&site));
    figures.push(due(&site));
    runtime.block_on(changes(&site, &mut figures));
    runtime.block_on(members(&site, &mut figures));
    let Site { folder, store, recorder, .. } = site;
    drop((store, recorder));
    figures.extend(served::figures(folder, users));
    figures
}

fn options() -> Options {
    Options { cache_bytes: CACHE, reserve_bytes: 0 }
}

pub(crate) fn open(folder: &Path) -> (Arc<Store>, Arc<Recorder>) {
    let rng = Rng::system();
    std::fs::create_dir_all(folder.join("data")).unwrap();
    let sealer = Sealer::from_file(&folder.join("data/seal.key"), true, &rng).unwrap();
    let engine = SledEngine::open(&folder.join("data/store"), options()).unwrap();
    let recorder = Arc::new(Recorder::new(engine, folder));
    (Arc::new(Store::over(recorder.clone(), sealer, Clock::system(), rng).unwrap()), recorder)
}

fn name(n: usize) -> String {
    format!("user{n:07}")
}

/// A source that has so many users.
struct Many(SourceId, usize);

impl Source for Many {
    fn id(&self) -> &SourceId {
        &self.0
    }

    fn read(&self, _: Option<Bookmark>, mut output: Output) -> Answer<'_, Result<Read, PullError>> {
        let user = |n: usize| PulledUser {
            external_id: ExternalId::parse(&format!("{:032x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15))).unwrap(),
            label: format!("uid={},ou=people,dc=example,dc=org", name(n)),
            username: name(n),
            name: format!("Ada Number {n}"),
            email: Some(Some(format!("{}@example.org", name(n)))),
            phone: Some(Some(format!("+3120{n:07}"))),
            description: None,
            disabled: None,
            expires_at: None,
            primary_group: None,
            passing: None,
        };
        Box::pin(async move {
            for n in 0..self.1 {
                output.put(Piece::User(Box::new(user(n)))).await.unwrap();
            }
            output.flush().await.unwrap();
            Ok(Read { extent: Extent::Everything, next: None, how: "everything".to_owned() })
        })
    }

    fn look_up<'a>(&'a self, _: &'a ExternalId) -> Answer<'a, Result<Option<PulledUser>, PullError>> {
        Box::pin(async { Ok(None) })
    }

    fn verify<'a>(&'a self, _: Person<'a>, _: &'a Secret) -> Answer<'a, Verdict> {
        Box::pin(async { Verdict::Wrong })
    }

    fn test(&self, _: Trial) -> Answer<'_, TestReport> {
        Box::pin(async { TestReport::default() })
    }
}

/// A first pass over a source whose identifiers are unique: planned, looked at by the guard and applied while it is read.
async fn import(users: usize, figures: &mut Vec<Figure>) -> Site {
    let folder = tempfile::tempdir().unwrap();
    let (store, recorder) = open(folder.path());
    let pass = Pass::new(store.clone(), Rules { unique_ids: true, ..Rules::default() });
    let source = Many(SourceId::parse("corp").unwrap(), users);
    let start = Instant::now();
    pass.preview(&source, Wanted::Everything).await.unwrap();
    println!("reading and planning {users} users alone: {:.1} s", start.elapsed().as_secs_f64());
    recorder.start();
    let start = Instant::now();
    let run = pass.run(&source, Wanted::Everything, Author::system("bench")).await.unwrap();
    let took = start.elapsed();
    assert_eq!(run.counts.create, users, "{run:?}");
    let what = format!("import of {users} users by plan and apply");
    figures.push(against_sled(what, users, took, &recorder.stop(), &folder.path().join("bare"), 0.7));
    let mut ids = Vec::with_capacity(users);
    let source = SourceId::parse("corp").unwrap();
    while let Some(chunk) = Some(users::ids_of_source(&store.view(), &source, ids.last().copied(), 10_000).unwrap())
        .filter(|ids| !ids.is_empty())
    {
        ids.extend(chunk);
    }
    Site { folder, store, recorder, ids: ids.into(), users }
}

/// Waits until the disk has what was written: one side must not pay for what was done before.
pub(crate) fn settle() {
    assert!(std::process::Command::new("sync").status().unwrap().success());
}

/// Numbers that jump about, the same in every run.
fn scattered(count: usize, below: usize) -> impl Iterator<Item = usize> {
    (0..count).map(move |n| (n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) % below)
}

pub(crate) fn percentile(times: &mut [Duration], part: f64) -> Duration {
    times.sort_unstable();
    times[((times.len() - 1) as f64 * part) as usize]
}

pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn lookups(site: &Site) -> Figure {
    // Both warm, and turn about, so that neither gets the better hour.
    let mut times = Vec::with_capacity(LOOKUPS);
    let (mut ours, mut bare) = (Duration::ZERO, Duration::ZERO);
    let rows = site.recorder.inner();
    for round in 0..4 {
        let numbers: Vec<usize> = scattered(LOOKUPS / 2, site.users).collect();
        let start = Instant::now();
        for n in &numbers {
            let key = Space::UserByUsername.key(&[text::fold_username(&name(*n)).unwrap().as_bytes()]);
            let id = rows.read_alone(&key).unwrap();
            assert!(rows.read_alone(&Space::User.key(&[&id[id.len() - 16..]])).is_some());
        }
        bare += if round > 0 { start.elapsed() } else { Duration::ZERO };
        let start = Instant::now();
        for n in &numbers {
            let began = Instant::now();
            assert!(users::by_username(&site.store.view(), &name(*n)).unwrap().is_some());
            if round > 0 {
                times.push(began.elapsed());
            }
        }
        ours += if round > 0 { start.elapsed() } else { Duration::ZERO };
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / times.len() as f64;
    let (each_ours, each_bare) = (each(ours), each(bare));
    let p99 = percentile(&mut times, 0.99);
    Figure {
        what: format!("lookup by username among {}", site.users),
        ours: format!("{each_ours:.1} µs, p99 {:.3} ms", ms(p99)),
        other: format!("{each_bare:.1} µs the two bare reads"),
        ratio: each_bare / each_ours,
        goal: "at least 0.7, p99 under 1 ms".to_owned(),
        met: each_bare / each_ours >= 0.7 && ms(p99) < 1.0,
    }
}

fn pages(site: &Site) -> Figure {
    let mut times = Vec::new();
    for n in scattered(PAGES, site.users - PAGE - 1) {
        let start = Instant::now();
        let page = list::by_username(&site.store.view(), None, Some(&name(n)), PAGE, |_| true).unwrap();
        times.push(start.elapsed());
        assert_eq!((page.len(), page[0].username.as_str()), (PAGE, name(n + 1).as_str()));
    }
    let p99 = ms(percentile(&mut times, 0.99));
    limit(format!("page of {PAGE} of {} users by username, anywhere, p99", site.users), p99, 5.0, "ms")
}

fn due(site: &Site) -> Figure {
    let (view, now) = (site.store.view(), site.store.clock().now());
    let start = Instant::now();
    let long_ago = now.checked_sub(jiff::SignedDuration::from_hours(24 * 90)).unwrap();
    let found = users::expired(&view, now, 1_000).unwrap().len()
        + users::quiet(&view, &SourceId::parse("corp").unwrap(), long_ago, 1_000).unwrap().len();
    let took = ms(start.elapsed());
    assert_eq!(found, 0);
    limit(format!("who expires or went quiet among {}, none due", site.users), took, 10.0, "ms")
}

/// What took so long beside bare sled, which commits the same bytes in the same batches to a database in `folder`, made
/// where it is not there yet and removed afterwards.
pub(crate) fn against_sled(
    what: String,
    count: usize,
    took: Duration,
    recorded: &Recorded,
    folder: &Path,
    goal: f64,
) -> Figure {
    settle();
    let mut bare = Bare::open(folder, CACHE);
    let alone = bare.replay(recorded);
    drop(bare);
    std::fs::remove_dir_all(folder).unwrap();
    let rate = |time: Duration| count as f64 / time.as_secs_f64();
    let ratio = alone.as_secs_f64() / took.as_secs_f64();
    Figure {
        what,
        ours: format!("{:.0}/s", rate(took)),
        other: format!("{:.0}/s bare sled, same bytes and batches", rate(alone)),
        ratio,
        goal: format!("at least {goal}"),
        met: ratio >= goal,
    }
}

/// A figure with a limit, and nothing beside it.
pub(crate) fn limit(what: String, ours: f64, goal: f64, unit: &str) -> Figure {
    Figure {
        what,
        ours: format!("{ours:.2} {unit}"),
        other: format!("{goal} {unit}"),
        ratio: ours / goal,
        goal: format!("under {goal} {unit}"),
        met: ours < goal,
    }
}

/// Single changes by writers that wait for each: record, index, audit line.
async fn changes(site: &Site, figures: &mut Vec<Figure>) {
    let copy = site.folder.path().join("bare");
    site.recorder.copy_to(&copy);
    settle();
    site.recorder.start();
    let start = Instant::now();
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let (store, ids) = (site.store.clone(), site.ids.clone());
        writers.push(tokio::spawn(async move {
            for change in 0..CHANGES {
                let id = ids[(writer * CHANGES + change) * 7919 % ids.len()];
                let text = format!("changed by {writer}, {change}");
                let rule = move |tx: &mut Tx<'_>| {
                    let change =
                        UserChange { description: Some(Description::parse(&text).unwrap()), ..UserChange::default() };
                    users::update(tx, &Author::system("bench"), id, "user.changed", |user, _| Ok(change.apply(user)))
                };
                store.write(rule).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let took = start.elapsed();
    let recorded = site.recorder.stop();
    let what = format!(
        "single changes, {WRITERS} writers, {} users, in groups of {:.0}",
        site.users,
        (WRITERS * CHANGES) as f64 / recorded.batches as f64
    );
    figures.push(against_sled(what, WRITERS * CHANGES, took, &recorded, &copy, 0.7));
    settle();
}

/// Adding and removing one member, of a large group and of a small one.
async fn members(site: &Site, figures: &mut Vec<Figure>) {
    let mut shown = Vec::new();
    for size in [10, LARGE_GROUP.min(site.users / 2)] {
        let (group, ids) = (grow(site, size).await, &site.ids);
        let mut times = Vec::new();
        for n in 0..MEMBER_CHANGES {
            let member = Member::User(ids[ids.len() - 1 - n / 2]);
            let rule = move |tx: &mut Tx<'_>| {
                let (add, remove) = if n % 2 == 0 { (vec![member], vec![]) } else { (vec![], vec![member]) };
                groups::change_members(tx, &Author::system("bench"), group, &add, &remove)
            };
            let start = Instant::now();
            assert_eq!(site.store.write(rule).await.unwrap(), 1);
            times.push(start.elapsed());
        }
        shown.push((size, ms(percentile(&mut times, 0.5)), ms(percentile(&mut times, 0.99))));
    }
    let [(small, small_p50, small_p99), (large, large_p50, large_p99)] = shown[..] else { panic!() };
    figures.push(Figure {
        what: format!("add or remove one member of a group of {large}"),
        ours: format!("p50 {large_p50:.2} ms, p99 {large_p99:.2} ms"),
        other: format!("p50 {small_p50:.2} ms, p99 {small_p99:.2} ms of a group of {small}"),
        ratio: large_p50 / small_p50,
        goal: "p99 under 5 ms, the same as of a small one".to_owned(),
        met: large_p99 < 5.0,
    });
}

async fn grow(site: &Site, size: usize) -> GroupId {
    let make = move |tx: &mut Tx<'_>| -> Result<GroupId, WriteError> {
        let (id, name) = (GroupId::new(tx.now(), tx.rng()), DisplayName::parse(&format!("Group of {size}")).unwrap());
        let group = Group::new(id, name, SourceId::local(), tx.now());
        Ok(groups::create(tx, &Author::system("bench"), group)?.id)
    };
    let group = site.store.write(make).await.unwrap();
    for chunk in site.ids[..size].chunks(400) {
        let chunk: Vec<Member> = chunk.iter().map(|id| Member::User(*id)).collect();
        let rule =
            move |tx: &mut Tx<'_>| groups::change_members(tx, &Author::system("bench"), group, &chunk, &[]).map(drop);
        site.store.write_bulk(rule).await.unwrap();
    }
    group
}

/// The settings of a store in a folder, as the daemon has them.
fn settings(folder: &Path) -> Settings {
    Settings { folder: folder.join("data"), ..Settings::default() }
}
