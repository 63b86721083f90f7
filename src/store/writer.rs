//! The one writer: a thread that takes queued jobs in groups, runs each in a transaction, commits the group
//! with one flush and only then answers. Rules run one after the other, so nothing between a read and its
//! write can change.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tokio::sync::{mpsc, oneshot};

use crate::base::clock::Clock;
use crate::base::rng::Rng;
use crate::store::StoreError;
use crate::store::engine::{Batch, Engine};
use crate::store::seal::Sealer;
use crate::store::tx::Tx;

/// Jobs that wait; further callers wait for a place.
const QUEUE: usize = 1024;
/// Most jobs of one group.
const GROUP_JOBS: usize = 256;
/// No further job joins a group that has this many writes: readers wait for the length of a batch.
const GROUP_WRITES: usize = 2_000;

trait Job: Send {
    /// Runs the rule. `false`: it failed, take back what it wrote.
    fn run(&mut self, tx: &mut Tx<'_>) -> bool;
    /// Answers the caller.
    fn answer(self: Box<Self>, committed: Result<(), StoreError>);
}

struct Typed<F, T, E> {
    rule: F,
    outcome: Option<Result<T, E>>,
    caller: oneshot::Sender<Result<T, E>>,
}

impl<F, T, E> Job for Typed<F, T, E>
where
    F: FnMut(&mut Tx<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<StoreError> + Send,
{
    fn run(&mut self, tx: &mut Tx<'_>) -> bool {
        let outcome = (self.rule)(tx);
        let kept = outcome.is_ok();
        self.outcome = Some(outcome);
        kept
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreError>) {
        let answer = match (self.outcome, committed) {
            (Some(Ok(_)), Err(error)) => Err(error.into()),
            (Some(outcome), _) => outcome,
            (None, Err(error)) => Err(error.into()),
            (None, Ok(())) => Err(StoreError::Stopped.into()),
        };
        // A caller that went away needs no answer.
        drop(self.caller.send(answer));
    }
}

/// A handle on the writer's queue.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(
        engine: Arc<dyn Engine>,
        sealer: Arc<Sealer>,
        clock: Clock,
        rng: Rng,
    ) -> Result<Self, StoreError> {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let thread = thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || work(jobs, &*engine, &sealer, &clock, &rng))
            .map_err(|error| StoreError::Record(format!("the writer's thread could not start: {error}")))?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Queues a job and waits until its group is on disk.
    pub(super) async fn run<T, E>(&self, rule: impl FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (caller, answer) = oneshot::channel();
        let job = Box::new(Typed { rule, outcome: None, caller });
        let queue = self.queue.as_ref().ok_or(StoreError::Stopped)?;
        queue.send(job).await.map_err(|_| StoreError::Stopped)?;
        answer.await.unwrap_or_else(|_| Err(StoreError::Stopped.into()))
    }

    /// Queues a job that nobody waits for. `false`: the queue is full and the job is dropped.
    pub(super) fn enqueue(&self, rule: impl FnMut(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static) -> bool {
        let (caller, _) = oneshot::channel();
        let job = Box::new(Typed { rule, outcome: None, caller });
        self.queue.as_ref().is_some_and(|queue| queue.try_send(job).is_ok())
    }
}

impl Drop for Writer {
    /// Lets the queued jobs finish, then ends the thread.
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

fn work(mut jobs: mpsc::Receiver<Box<dyn Job>>, engine: &dyn Engine, sealer: &Sealer, clock: &Clock, rng: &Rng) {
    while let Some(first) = jobs.blocking_recv() {
        let mut tx = Tx::new(engine, sealer, rng, clock.now());
        let mut ran = vec![run(first, &mut tx)];
        while ran.len() < GROUP_JOBS && tx.written() < GROUP_WRITES {
            match jobs.try_recv() {
                Ok(job) => ran.push(run(job, &mut tx)),
                Err(_) => break,
            }
        }
        let committed = commit(engine, tx);
        if let Err(error) = &committed {
            tracing::error!(error = %error, store.jobs = ran.len(), "a group of changes could not be committed");
        }
        for (job, panicked) in ran {
            job.answer(if panicked { Err(StoreError::Stopped) } else { committed.clone() });
        }
    }
}

fn run(mut job: Box<dyn Job>, tx: &mut Tx<'_>) -> (Box<dyn Job>, bool) {
    let outcome = catch_unwind(AssertUnwindSafe(|| job.run(tx)));
    match outcome {
        Ok(true) => tx.keep(),
        Ok(false) | Err(_) => tx.take_back(),
    }
    (job, outcome.is_err())
}

fn commit(engine: &dyn Engine, tx: Tx<'_>) -> Result<(), StoreError> {
    let writes = tx.into_writes();
    if writes.is_empty() {
        return Ok(());
    }
    let batch = Batch { writes, expect: Vec::new() };
    match catch_unwind(AssertUnwindSafe(|| engine.commit(&batch))) {
        Ok(committed) => Ok(committed?),
        Err(_) => Err(StoreError::Stopped),
    }
}
