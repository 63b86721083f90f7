//! The one writer. A thread runs queued jobs, each in a transaction of its own, and gathers them in groups; another
//! commits a group with one flush and only then answers. While one group is on its way to the disk, the next is
//! made over it.
//!
//! Rules run one after the other, so nothing between a read and its write can change. Where several daemons share
//! an engine, a counter that every commit raises shows that another came first: the group is run again.
//!
//! What people wait for goes first; bulk work gets a place in every group.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::base::clock::{Clock, Stopwatch};
use crate::base::rng::Rng;
use crate::directory::audit::AuditLine;
use crate::store::engine::{Batch, Bytes, Engine, EngineError, Rows};
use crate::store::keys::{self, Space};
use crate::store::mark::Mark;
use crate::store::seal::Sealer;
use crate::store::tx::{Tx, Writes};
use crate::store::{StoreError, audit, codec, groups};
pub use job::Pending;
use job::{AnyJob, Typed};

mod job;

/// Jobs that wait in each lane; further callers wait for a place.
const QUEUE: usize = 1024;
/// Most jobs of one group.
const GROUP_JOBS: usize = 256;
/// No further job joins a group that has this many writes: readers wait for the length of a batch.
const GROUP_WRITES: usize = 1_000;
/// How often a group is run again because another daemon's commit came first.
const TRIES: u32 = 50;

/// Which queue a job waits in.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    /// Somebody waits for the answer.
    Urgent,
    /// Part of a long piece of work.
    Bulk,
}

/// A handle on the writer's queues.
pub(super) struct Writer {
    lanes: Option<Lanes<mpsc::Sender<AnyJob>>>,
    threads: Vec<JoinHandle<()>>,
    pulse: Arc<Pulse>,
}

struct Lanes<Q> {
    urgent: Q,
    bulk: Q,
}

/// Since when the commit under way takes.
#[derive(Default)]
struct Pulse(Mutex<Option<Stopwatch>>);

/// What transactions are made with.
struct Ground {
    engine: Arc<dyn Engine>,
    sealer: Arc<Sealer>,
    clock: Clock,
    rng: Rng,
}

impl Writer {
    pub(super) fn start(
        engine: Arc<dyn Engine>,
        sealer: Arc<Sealer>,
        clock: Clock,
        rng: Rng,
        mark: Option<Mark>,
    ) -> Result<Self, StoreError> {
        let fault = |error: std::io::Error| StoreError::Record(format!("the writer could not start: {error}"));
        let (urgent, urgent_jobs) = mpsc::channel(QUEUE);
        let (bulk, bulk_jobs) = mpsc::channel(QUEUE);
        let (departures, to_commit) = std::sync::mpsc::channel();
        let (report, arrivals) = mpsc::unbounded_channel();
        let pulse = Arc::new(Pulse::default());
        let ground = Ground { engine: engine.clone(), sealer, clock, rng };
        // A runtime of the writer's own: it waits for several things at once.
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(fault)?;
        let lanes = Lanes { urgent: urgent_jobs, bulk: bulk_jobs };
        let gather = move || {
            let gatherer = Gatherer { ground, lanes, departures, arrivals, answered: 0, under_way: None, last: None };
            runtime.block_on(gatherer.work());
        };
        let beats = pulse.clone();
        let commit = move || commit_groups(&*engine, &to_commit, &report, &beats, mark.as_ref());
        let threads = vec![
            thread::Builder::new().name("store-writer".to_owned()).spawn(gather).map_err(fault)?,
            thread::Builder::new().name("store-committer".to_owned()).spawn(commit).map_err(fault)?,
        ];
        Ok(Self { lanes: Some(Lanes { urgent, bulk }), threads, pulse })
    }

    /// Queues a job; what it gives back is there when its group is on disk.
    pub(super) async fn queue<T, E>(
        &self,
        lane: Lane,
        rule: impl FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<Pending<T, E>, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let job = Box::new(Typed { rule, outcome: None, caller });
        let lanes = self.lanes.as_ref().ok_or(StoreError::Stopped)?;
        let queue = if lane == Lane::Bulk { &lanes.bulk } else { &lanes.urgent };
        queue.send(job).await.map_err(|_| StoreError::Stopped)?;
        Ok(Pending(answer))
    }

    /// Queues a job that nobody waits for. `false`: the queue is full and the job is dropped.
    pub(super) fn enqueue(&self, rule: impl FnMut(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static) -> bool {
        let (caller, _) = oneshot::channel();
        let job = Box::new(Typed { rule, outcome: None, caller });
        self.lanes.as_ref().is_some_and(|lanes| lanes.urgent.try_send(job).is_ok())
    }

    /// For how long the commit under way has been waiting for the disk.
    pub(super) fn committing_for(&self) -> Option<Duration> {
        self.pulse.0.lock().unwrap_or_else(PoisonError::into_inner).map(|since| since.elapsed())
    }
}

impl Drop for Writer {
    /// Lets the queued jobs finish, then ends the threads.
    fn drop(&mut self) {
        drop(self.lanes.take());
        for thread in self.threads.drain(..) {
            drop(thread.join());
        }
    }
}

/// Jobs that have run, each with whether it panicked, and what they want written.
#[derive(Default)]
struct Group {
    jobs: Vec<(AnyJob, bool)>,
    writes: Writes,
    lines: Vec<AuditLine>,
    bulk: usize,
    tries: u32,
}

impl Group {
    fn has_room(&self) -> bool {
        self.jobs.len() < GROUP_JOBS && self.writes.len() < GROUP_WRITES
    }

    fn takes_bulk(&self) -> bool {
        self.bulk == 0 && self.has_room()
    }

    fn answer(self, committed: &Result<(), StoreError>) {
        for (job, panicked) in self.jobs {
            job.answer(if panicked { Err(StoreError::Stopped) } else { committed.clone() });
        }
    }
}

/// A group on its way to the disk; its writes are what the next group sees.
struct Departure {
    group: Group,
    batch: Arc<Batch>,
    number: u64,
}

/// What became of a departure.
enum Arrival {
    Committed,
    Failed,
    /// Another daemon came first: it must be run again.
    Overtaken(Group),
}

struct Gatherer {
    ground: Ground,
    lanes: Lanes<mpsc::Receiver<AnyJob>>,
    departures: std::sync::mpsc::Sender<Departure>,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    /// How many jobs the last group had: whoever waited for them is back with another soon.
    answered: usize,
    /// The group that is on its way.
    under_way: Option<Arc<Batch>>,
    /// The number of the last commit, as it was before the group read anything; `None`: ask the engine.
    last: Option<u64>,
}

impl Gatherer {
    async fn work(mut self) {
        let mut group = Group::default();
        let (mut urgent_ended, mut bulk_ended) = (false, false);
        loop {
            if self.under_way.is_none() && !group.jobs.is_empty() {
                // Half of those who write at a time go ahead: the other half is made while they are on their way.
                let waiting = self.lanes.urgent.len();
                let half = self.answered.saturating_add(group.jobs.len()).saturating_add(waiting).div_ceil(2);
                while group.jobs.len() < half
                    && let Some((job, lane)) = self.waiting(&group)
                {
                    self.run(&mut group, job, lane);
                }
                self.answered = group.jobs.len();
                self.hand_over(std::mem::take(&mut group));
                continue;
            }
            if self.under_way.is_none() && urgent_ended && bulk_ended {
                return;
            }
            let (room, bulk_room) = (group.has_room(), group.takes_bulk());
            tokio::select! {
                biased;
                arrival = self.arrivals.recv(), if self.under_way.is_some() => match arrival {
                    Some(arrival) => self.arrived(&mut group, arrival),
                    None => return,
                },
                job = self.lanes.urgent.recv(), if room && !urgent_ended => match job {
                    Some(job) => self.run(&mut group, job, Lane::Urgent),
                    None => urgent_ended = true,
                },
                job = self.lanes.bulk.recv(), if bulk_room && !bulk_ended => match job {
                    Some(job) => self.run(&mut group, job, Lane::Bulk),
                    None => bulk_ended = true,
                },
            }
        }
    }

    /// The next job that waits already, if the group has room for it.
    fn waiting(&mut self, group: &Group) -> Option<(AnyJob, Lane)> {
        let urgent = if group.has_room() { self.lanes.urgent.try_recv().ok() } else { None };
        let bulk = |this: &mut Self| if group.takes_bulk() { this.lanes.bulk.try_recv().ok() } else { None };
        urgent.map(|job| (job, Lane::Urgent)).or_else(|| bulk(self).map(|job| (job, Lane::Bulk)))
    }

    /// A transaction that goes on where the group is.
    fn transaction(&self, group: &mut Group) -> Tx<'_> {
        let Ground { engine, sealer, clock, rng } = &self.ground;
        let under_way = self.under_way.as_ref().map(|batch| &batch.writes);
        let so_far = (std::mem::take(&mut group.writes), std::mem::take(&mut group.lines));
        Tx::new(&**engine, sealer, rng, clock.now(), under_way, so_far)
    }

    fn run(&mut self, group: &mut Group, mut job: AnyJob, lane: Lane) {
        // Before the rule reads anything: whatever another daemon commits from here on makes the group run again.
        if self.last.is_none() {
            self.last = last_number(&*self.ground.engine).ok();
        }
        let mut tx = self.transaction(group);
        let outcome = catch_unwind(AssertUnwindSafe(|| job.run(&mut tx)));
        if !matches!(outcome, Ok(true)) {
            tx.take_back();
        }
        (group.writes, group.lines) = tx.into_parts();
        group.bulk = group.bulk.saturating_add(usize::from(lane == Lane::Bulk));
        group.jobs.push((job, outcome.is_err()));
    }

    /// Sends a group on its way. One that writes nothing too: what it read must be on disk before it is answered.
    fn hand_over(&mut self, mut group: Group) {
        let expect = match self.settle(&mut group) {
            Ok(expect) => expect,
            Err(error) => return group.answer(&Err(error)),
        };
        let batch = Arc::new(Batch { writes: std::mem::take(&mut group.writes), expect });
        self.under_way = Some(batch.clone());
        if let Err(ended) = self.departures.send(Departure { group, batch, number: self.last.unwrap_or_default() }) {
            self.under_way = None;
            ended.0.group.answer(&Err(StoreError::Stopped));
        }
    }

    /// Writes the group's audit lines and its number; gives what must hold for it.
    fn settle(&mut self, group: &mut Group) -> Result<Vec<(Bytes, Option<Bytes>)>, StoreError> {
        let mut tx = self.transaction(group);
        let settled = audit::settle(&mut tx);
        (group.writes, group.lines) = tx.into_parts();
        settled?;
        if group.writes.is_empty() {
            return Ok(Vec::new());
        }
        let fence = self.number()?;
        if groups::are_in(&group.writes) {
            // With the time: the number of a commit that failed may come again.
            let now = keys::millis(self.ground.clock.now());
            group.writes.insert(groups::stamp_key(), Some([&fence.next[..], &now].concat()));
        }
        Ok(fence.expected(&mut group.writes).into_iter().collect())
    }

    /// The number of the next commit, which makes this daemon's commits one chain.
    fn number(&mut self) -> Result<Fence, StoreError> {
        let key = number_key();
        let Some(before) = self.last else {
            return Err(last_number(&*self.ground.engine).err().unwrap_or(StoreError::Stopped));
        };
        let next = before.saturating_add(1);
        self.last = Some(next);
        let was = if before == 0 { None } else { Some(codec::encode(&before)?) };
        Ok(Fence { key, was, next: codec::encode(&next)? })
    }

    fn arrived(&mut self, group: &mut Group, arrival: Arrival) {
        self.under_way = None;
        let overtaken = match arrival {
            Arrival::Committed => return,
            Arrival::Failed => Group::default(),
            Arrival::Overtaken(overtaken) => overtaken,
        };
        // What ran over it saw what is not there: again, from what is.
        self.last = None;
        let again = Group { tries: overtaken.tries, ..Group::default() };
        let ran = std::mem::replace(group, again);
        for (job, _) in overtaken.jobs.into_iter().chain(ran.jobs) {
            self.run(group, job, Lane::Urgent);
        }
    }
}

fn number_key() -> Bytes {
    Space::Meta.key(&[b"commit"])
}

/// The number of the last commit.
pub(super) fn last_number(rows: &dyn Rows) -> Result<u64, StoreError> {
    rows.get(&number_key())?.map_or(Ok(0), |bytes| codec::decode(&bytes))
}

/// A row that every commit changes, and what it must have been.
struct Fence {
    key: Bytes,
    was: Option<Bytes>,
    next: Bytes,
}

impl Fence {
    fn expected(self, writes: &mut Writes) -> Option<(Bytes, Option<Bytes>)> {
        writes.insert(self.key.clone(), Some(self.next));
        Some((self.key, self.was))
    }
}

/// Commits one group after the other.
fn commit_groups(
    engine: &dyn Engine,
    departures: &std::sync::mpsc::Receiver<Departure>,
    arrivals: &mpsc::UnboundedSender<Arrival>,
    pulse: &Pulse,
    mark: Option<&Mark>,
) {
    while let Ok(Departure { mut group, batch, number }) = departures.recv() {
        pulse.set(Some(Stopwatch::start()));
        let committed = commit(engine, &batch);
        pulse.set(None);
        if committed == Err(StoreError::Engine(EngineError::Conflict)) && group.tries < TRIES {
            group.tries = group.tries.saturating_add(1);
            drop(arrivals.send(Arrival::Overtaken(group)));
            continue;
        }
        if let (Ok(()), Some(mark), false) = (&committed, mark, batch.writes.is_empty()) {
            mark.set(number);
        }
        if let Err(error) = &committed {
            tracing::error!(error = %error, store.jobs = group.jobs.len(), "a group of changes could not be committed");
        }
        drop(arrivals.send(if committed.is_ok() { Arrival::Committed } else { Arrival::Failed }));
        group.answer(&committed);
    }
}

fn commit(engine: &dyn Engine, batch: &Batch) -> Result<(), StoreError> {
    if batch.writes.is_empty() {
        return Ok(());
    }
    match catch_unwind(AssertUnwindSafe(|| engine.commit(batch))) {
        Ok(committed) => Ok(committed?),
        Err(_) => Err(StoreError::Stopped),
    }
}

impl Pulse {
    fn set(&self, since: Option<Stopwatch>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

#[cfg(test)]
#[path = "writer/tests.rs"]
mod tests;
