//! The task that keeps one source in step, on its schedule; one pass at a time.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::directory::audit::{Actor, Author};
use crate::directory::plan::{Outcome, Run};
use crate::sources::Source;
use crate::store::StoreError;
use crate::sync::source::Pass;
use crate::tasks::schedule::Schedule;
use crate::tasks::{Task, Work};

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

    /// Runs a pass now; `None` when one runs already.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn run(&self, by: Author) -> Result<Option<Run>, StoreError> {
        let Ok(_lease) = self.lease.try_lock() else { return Ok(None) };
        self.pass.run(&*self.source, by).await.map(Some)
    }
}

/// Runs a follower on its schedule.
pub struct SyncTask {
    name: String,
    schedule: Schedule,
    follower: Follower,
}

impl SyncTask {
    /// The task `sync:<source>`.
    #[must_use]
    pub fn new(follower: Follower, schedule: Schedule) -> Self {
        Self { name: format!("sync:{}", follower.source.id()), schedule, follower }
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
            match self.follower.run(Author::of(actor)).await.map_err(|error| error.to_string())? {
                None => Ok("a pass runs already".to_owned()),
                Some(run) => match run.outcome {
                    Outcome::Applied => Ok(format!("{} read", run.counts.read)),
                    Outcome::Held { why, .. } => Err(format!("held: {why}")),
                    Outcome::Failed { why } => Err(why),
                },
            }
        })
    }
}
