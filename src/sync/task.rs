//! The tasks that keep one source in step: on its schedule, and when the source says that something changed. One pass
//! at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::base::id::{RunId, SourceId};
use crate::directory::audit::{Actor, Author};
use crate::directory::plan::{Outcome, Run};
use crate::sources::{Bookmark, Source};
use crate::store::{StoreError, readings};
use crate::sync::pass::{Pass, Wanted};
use crate::sync::rules::Rules;
use crate::sync::undo::{self, UndoError};
use crate::tasks::schedule::Schedule;
use crate::tasks::{Task, Work};

/// After a change was told.
const WATCH_PAUSE: Duration = Duration::from_secs(1);
/// After a watch failed.
const WATCH_AGAIN: Duration = Duration::from_secs(30);

/// A source that is read, and the lease that lets one pass run at a time.
#[derive(Clone)]
pub struct Follower {
    /// The source.
    pub source: Arc<dyn Source>,
    /// How its passes run.
    pub pass: Pass,
    lease: Arc<Mutex<()>>,
}

impl Follower {
    /// A follower of a source.
    #[must_use]
    pub fn new(source: Arc<dyn Source>, pass: Pass) -> Self {
        Self { source, pass, lease: Arc::default() }
    }

    /// The same follower by other rules: one of both runs a pass at a time. What is read of the source stays.
    #[must_use]
    pub fn by(&self, rules: Rules) -> Self {
        let Rules { groups, unique_ids, .. } = *self.pass.rules;
        let rules = Arc::new(Rules { groups, unique_ids, ..rules });
        Self { pass: Pass { rules, ..self.pass.clone() }, ..self.clone() }
    }

    /// Runs a pass now; `None` when one runs already.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn run(&self, wanted: Wanted, by: Author) -> Result<Option<Run>, StoreError> {
        let Ok(_lease) = self.lease.try_lock() else { return Ok(None) };
        self.pass.run(&*self.source, wanted, by).await.map(Some)
    }

    /// Takes a run of the source back, where no pass is under way.
    ///
    /// # Errors
    /// Why it cannot be taken back.
    pub async fn undo(&self, run: RunId, by: Author) -> Result<Run, UndoError> {
        let Ok(_lease) = self.lease.try_lock() else { return Err(UndoError::Busy) };
        undo::undo(&self.pass, self.source.id(), run, by).await
    }

    /// The name of the task that runs the passes of a source: `sync:<source>`.
    #[must_use]
    pub fn task_name(source: &SourceId) -> String {
        format!("sync:{source}")
    }

    /// Calls `tell` whenever the source says that something changed since the last reading: once for each reading. Where
    /// the next pass fails or is held, its schedule brings the one after it.
    pub async fn watch(&self, tell: impl Fn()) {
        let mut told = None;
        loop {
            let reading = readings::get(&self.pass.store.view(), self.source.id());
            let bookmark = reading.ok().and_then(|reading| reading.bookmark);
            if bookmark.is_some() && bookmark == told {
                // Changes come in bursts; and the pass takes its time to move on.
                tokio::time::sleep(WATCH_PAUSE).await;
                continue;
            }
            match self.source.changed(bookmark.clone().map(Bookmark)).await {
                Ok(()) => {
                    tell();
                    told = bookmark;
                }
                Err(error) => {
                    tracing::info!(source.id = %self.source.id(), "the source does not tell of changes for now: {error}");
                    tokio::time::sleep(WATCH_AGAIN).await;
                }
            }
        }
    }
}

/// Runs a follower on its schedule.
pub struct SyncTask {
    name: String,
    schedule: Schedule,
    follower: Follower,
}

impl SyncTask {
    /// The task that [`Follower::task_name`] names.
    #[must_use]
    pub fn new(follower: Follower, schedule: Schedule) -> Self {
        Self { name: Follower::task_name(follower.source.id()), schedule, follower }
    }
}

impl Task for SyncTask {
    fn name(&self) -> &str {
        &self.name
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn run(&self) -> Work<'_, Result<String, String>> {
        Box::pin(async {
            let actor = Actor::Source { id: self.follower.source.id().clone(), run: None };
            match self.follower.run(Wanted::Due, Author::of(actor)).await.map_err(|error| error.to_string())? {
                None => Ok("a pass runs already".to_owned()),
                Some(run) => match run.outcome {
                    Outcome::Running | Outcome::Applied => Ok(format!("{} read: {}", run.counts.read, run.how)),
                    Outcome::Held { why, .. } => Err(format!("held: {why}")),
                    Outcome::Failed { why } => Err(why),
                },
            }
        })
    }
}
