//! Background work: the [`Task`] trait and the driver that runs tasks. Knows no task by name.
//!
//! A task takes no input, is safe to repeat and returns a status in words. The driver runs it when its
//! schedule says so or when it is poked, never twice at once, and catches up a missed run once.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_cron_scheduler::{Job, JobScheduler};
use tokio_util::sync::CancellationToken;

use crate::base::clock::{Clock, Stopwatch};

pub mod schedule;

use schedule::Schedule;

/// Work under way when the daemon stops gets this long to end.
const LAST_WORD: Duration = Duration::from_secs(20);

/// The tick follows the clock, and stands still for as long as that was set back: what is due is looked for anyway.
const LOOK_ANYWAY: Duration = Duration::from_secs(5);

/// A future that a task gives back.
pub type Work<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One piece of background work.
pub trait Task: Send + Sync {
    /// Its name, unique among the tasks.
    fn name(&self) -> &str;

    /// When it is due.
    fn schedule(&self) -> &Schedule;

    /// Does the work once; the words tell what came of it.
    fn run(&self) -> Work<'_, Result<String, String>>;
}

/// Remembers across restarts when a task began its last run.
pub trait Journal: Send + Sync {
    /// When the task began its last run.
    fn last_run(&self, name: &str) -> Option<Timestamp>;

    /// Notes that it begins one, or that it was first seen now and waits for its time.
    fn begin(&self, name: &str, now: Timestamp) -> Work<'_, ()>;
}

/// What is known of a task.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Status {
    /// When it is due, in the words of the settings.
    pub schedule: String,
    /// Since when it runs, if it does.
    pub running_since: Option<Timestamp>,
    /// When it began its last run, or since when it waits for its time.
    pub last_run: Option<Timestamp>,
    /// How long the last run that ended took.
    #[serde(skip)]
    pub last_took: Option<Duration>,
    /// What came of the last run that ended.
    pub last_result: Option<Result<String, String>>,
}

/// What is to be done about tasks now.
struct Due {
    /// They are to run.
    due: Vec<Arc<dyn Task>>,
    /// They count from this time on, which is to be remembered.
    seen: Vec<(String, Timestamp)>,
}

/// Runs tasks.
pub struct Driver {
    tasks: RwLock<Vec<Arc<dyn Task>>>,
    journal: Arc<dyn Journal>,
    clock: Clock,
    /// By name; also the lease: a task that runs is not begun again.
    states: Mutex<BTreeMap<String, Status>>,
    poked: Mutex<Vec<String>>,
    wake: Notify,
}

impl Driver {
    /// A driver for these tasks.
    #[must_use]
    pub fn new(tasks: Vec<Arc<dyn Task>>, journal: Arc<dyn Journal>, clock: Clock) -> Self {
        let states = tasks.iter().map(|task| {
            let last_run = journal.last_run(task.name());
            let schedule = task.schedule().as_str().to_owned();
            (task.name().to_owned(), Status { schedule, last_run, ..Status::default() })
        });
        let states = Mutex::new(states.collect());
        let tasks = RwLock::new(tasks);
        Self { tasks, journal, clock, states, poked: Mutex::default(), wake: Notify::new() }
    }

    /// Puts tasks in the place of those with the same names, which go on by what they know if they are under way. One
    /// without a place is left alone. Another cron line counts from now on: its times before were no times of the task.
    pub fn replace(&self, with: Vec<Arc<dyn Task>>) {
        let mut tasks = self.tasks.write().unwrap_or_else(PoisonError::into_inner);
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        for new in with {
            let Some(task) = tasks.iter_mut().find(|task| task.name() == new.name()) else { continue };
            if let Some(state) = states.get_mut(new.name()) {
                if new.schedule().names_times() && new.schedule() != task.schedule() {
                    state.last_run = None;
                }
                new.schedule().as_str().clone_into(&mut state.schedule);
            }
            *task = new;
        }
    }

    /// What is known of every task, by name.
    #[must_use]
    pub fn status(&self) -> BTreeMap<String, Status> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn tasks(&self) -> Vec<Arc<dyn Task>> {
        self.tasks.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Asks for a run as soon as possible. `false`: there is no such task.
    pub fn poke(&self, name: &str) -> bool {
        let known = self.tasks().iter().any(|task| task.name() == name);
        if known {
            self.poked.lock().unwrap_or_else(PoisonError::into_inner).push(name.to_owned());
            self.wake.notify_one();
        }
        known
    }

    /// Runs everything that is due now, one after the other, and returns their number: for tests.
    pub async fn run_due(&self) -> usize {
        let Due { due, seen } = self.due();
        let number = due.len();
        for (name, now) in seen {
            self.journal.begin(&name, now).await;
        }
        for task in due {
            self.run(task).await;
        }
        number
    }

    /// Runs tasks until `stop`; then waits, for a while, for those under way.
    ///
    /// # Errors
    /// When the scheduler that gives the tick cannot start.
    pub async fn drive(self: Arc<Self>, stop: CancellationToken) -> Result<(), String> {
        let mut ticks = self.start_ticking().await.map_err(|error| error.to_string())?;
        let mut under_way = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(LOOK_ANYWAY) => {}
                Some(_) = under_way.join_next() => {}
            }
            let Due { due, seen } = self.due();
            for (name, now) in seen {
                let driver = self.clone();
                under_way.spawn(async move { driver.journal.begin(&name, now).await });
            }
            for task in due {
                let driver = self.clone();
                under_way.spawn(async move { driver.run(task).await });
            }
        }
        if let Err(error) = ticks.shutdown().await {
            tracing::warn!(error = %error, "the scheduler did not stop cleanly");
        }
        let end = async { while under_way.join_next().await.is_some() {} };
        if tokio::time::timeout(LAST_WORD, end).await.is_err() {
            tracing::warn!("background work did not end in time and is cut; what it had committed stays");
        }
        Ok(())
    }

    /// Has the scheduler wake the driver every second: when what is due is decided here, in the real zone.
    async fn start_ticking(self: &Arc<Self>) -> Result<JobScheduler, tokio_cron_scheduler::JobSchedulerError> {
        let scheduler = JobScheduler::new().await?;
        let driver = Arc::downgrade(self);
        let tick = Job::new("* * * * * *", move |_, _| {
            if let Some(driver) = driver.upgrade() {
                driver.wake.notify_one();
            }
        })?;
        scheduler.add(tick).await?;
        scheduler.start().await?;
        Ok(scheduler)
    }

    /// The tasks that are due or poked and do not run; they count as running from here on.
    fn due(&self) -> Due {
        let (now, tasks) = (self.clock.now(), self.tasks());
        let mut poked = self.poked.lock().unwrap_or_else(PoisonError::into_inner);
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut due, mut seen) = (Vec::new(), Vec::new());
        for task in &tasks {
            let Some(state) = states.get_mut(task.name()) else { continue };
            if state.running_since.is_some() {
                continue;
            }
            let is_poked = poked.iter().any(|name| name == task.name());
            // A task that never ran starts to count when the daemon first sees it.
            let next = task.schedule().next(state.last_run, now);
            let is_due = next.is_some_and(|next| next <= now);
            // So does one whose last run was by a clock that has been set back since.
            if state.last_run.is_none_or(|last| last > now) && !is_due {
                state.last_run = Some(now);
                // Over a restart too: else a machine that is off at its time each night would never run it.
                if next.is_some() && task.schedule().is_remembered() {
                    seen.push((task.name().to_owned(), now));
                }
            }
            if is_due || is_poked {
                poked.retain(|name| name != task.name());
                state.running_since = Some(now);
                state.last_run = Some(now);
                due.push(task.clone());
            }
        }
        Due { due, seen }
    }

    async fn run(&self, task: Arc<dyn Task>) {
        let name = task.name().to_owned();
        if task.schedule().is_remembered() {
            self.journal.begin(&name, self.clock.now()).await;
        }
        // Another may have come in its place since it was found due.
        let task = self.tasks().into_iter().find(|other| other.name() == name).unwrap_or(task);
        let watch = Stopwatch::start();
        // A task of its own, so that a panic in it stays there.
        let result = match tokio::spawn(async move { task.run().await }).await {
            Ok(result) => result,
            Err(error) => Err(format!("it ended in a fault of its own: {error}")),
        };
        if let Err(why) = &result {
            tracing::warn!(task = name, "background task failed: {why}");
        }
        let mut states = self.states.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(state) = states.get_mut(&name) {
            state.running_since = None;
            state.last_took = Some(watch.elapsed());
            state.last_result = Some(result);
        }
    }
}

#[cfg(test)]
mod tests;
