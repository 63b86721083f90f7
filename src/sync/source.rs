//! One pass of one source: pull, plan, guard, apply; and the record of it.

use std::sync::Arc;
use std::time::Duration;

use data_encoding::HEXLOWER;
use jiff::Timestamp;

use crate::base::clock::minus;
use crate::base::id::{ExternalId, PlanId, RunId, SourceId, UserId};
use crate::base::secret::sha256;
use crate::directory::audit::{Actor, Author};
use crate::directory::plan::{Cause, Counts, Outcome, Plan, PlanItem, PlanStatus, Run, Step};
use crate::directory::policy::{Budget, days};
use crate::directory::user::User;
use crate::sources::{Pulled, Source};
use crate::store::audit::{self, Entry};
use crate::store::tx::{Tx, View};
use crate::store::{Store, StoreError, list, runs, users};
use crate::sync::apply::{self, Applied};
use crate::sync::guard::{self, Loss};
use crate::sync::plan::{self, Draft, Known, Reading};

/// Most skipped entries and conflicts that a run keeps.
const KEPT: usize = 1_000;

/// What a pass needs besides the source.
#[derive(Clone)]
pub struct Pass {
    /// The store.
    pub store: Arc<Store>,
    /// How many users one run may disable.
    pub budget: Budget,
    /// The default lifetime of new users.
    pub lifetime: Option<Duration>,
}

/// A pass that was planned and not applied.
#[derive(Debug)]
pub struct Preview {
    /// The plan.
    pub draft: Draft,
    /// Why it would be held, if it would.
    pub held: Option<String>,
}

/// The directory as a plan of one source sees it.
struct Directory<'a> {
    view: View<'a>,
    source: &'a SourceId,
}

impl Known for Directory<'_> {
    fn user(&self, external_id: &ExternalId) -> Result<Option<User>, StoreError> {
        users::by_external_id(&self.view, self.source, external_id)
    }

    fn holder(&self, field: &'static str, value: &str) -> Result<Option<(UserId, SourceId)>, StoreError> {
        // A username that is somebody else's address would take their logins, and the other way round.
        let (first, second) = (users::by_username(&self.view, value)?, users::by_email(&self.view, value)?);
        let holder = if field == "username" { first.or(second) } else { second.or(first) };
        Ok(holder.map(|user| (user.id, user.source)))
    }

    fn each(&self, visit: &mut dyn FnMut(User)) -> Result<(), StoreError> {
        list::of_source(&self.view, self.source, |user| {
            visit(user);
            true
        })
    }
}

impl Pass {
    /// Plans off the runtime's threads: it reads every user of the source.
    async fn draft(
        &self,
        source: &SourceId,
        pulled: Pulled,
        reading: Reading,
        began: Timestamp,
    ) -> Result<Draft, StoreError> {
        let (pass, source) = (self.clone(), source.clone());
        let work = move || plan::plan(pulled, reading, &Directory { view: pass.store.view(), source: &source }, began);
        tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Stopped)?
    }

    /// Reads the source and plans, without writing anything.
    ///
    /// # Errors
    /// In words, when the source or the store could not be read.
    pub async fn preview(&self, source: &dyn Source) -> Result<Preview, String> {
        let began = self.store.clock().now();
        let pulled = source.pull().await.map_err(|error| error.to_string())?;
        let draft =
            self.draft(source.id(), pulled, Reading::Complete, began).await.map_err(|error| error.to_string())?;
        let cause = Cause::Source { id: source.id().clone() };
        let held = self.must_be_held(&cause, &draft).map_err(|error| error.to_string())?;
        Ok(Preview { draft, held })
    }

    /// Reads the source, plans, and applies or holds the plan. Keeps the run.
    ///
    /// # Errors
    /// When the store fails; a source that cannot be read is an [`Outcome`], not an error.
    pub async fn run(&self, source: &dyn Source, by: Author) -> Result<Run, StoreError> {
        let started_at = self.store.clock().now();
        let id = RunId::new(started_at, self.store.rng());
        let cause = Cause::Source { id: source.id().clone() };
        let ended = match source.pull().await {
            Ok(pulled) => {
                let draft = self.draft(source.id(), pulled, Reading::Complete, started_at).await?;
                self.finish(id, &cause, draft, &by).await?
            }
            Err(error) => Ended { outcome: Outcome::Failed { why: error.to_string() }, ..Ended::default() },
        };
        self.keep(id, cause, started_at, ended, by).await
    }

    /// Takes one person from the source: at the first login of somebody whom the directory does not know.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn take_one(
        &self,
        source: &SourceId,
        entry: crate::sources::PulledUser,
    ) -> Result<Option<User>, StoreError> {
        let id = entry.external_id.clone();
        let pulled = Pulled { users: vec![entry], skipped: Vec::new() };
        let draft = self.draft(source, pulled, Reading::Partial, self.store.clock().now()).await?;
        let creates = draft.items.into_iter().filter(|item| matches!(item.step, Step::Create { .. })).collect();
        let author = Author::of(Actor::Source { id: source.clone(), run: None });
        apply::apply(&self.store, &author, &Cause::Source { id: source.clone() }, creates, self.lifetime).await?;
        users::by_external_id(&self.store.view(), source, &id)
    }

    /// Lets the guard look at a plan, then applies or holds it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finish(&self, run: RunId, cause: &Cause, draft: Draft, by: &Author) -> Result<Ended, StoreError> {
        let held = self.must_be_held(cause, &draft)?;
        let (conflicts, changes): (Vec<_>, Vec<_>) =
            draft.items.into_iter().partition(|item| matches!(item.step, Step::Conflict { .. }));
        let mut ended = Ended { counts: draft.counts, skipped: draft.skipped, conflicts, outcome: Outcome::Applied };
        if let Some(why) = held {
            let plan = self.hold(run, cause, ended.counts, changes, why.clone()).await?;
            ended.outcome = Outcome::Held { plan, why };
            return Ok(ended);
        }
        let actor = match cause {
            Cause::Source { id } => Actor::Source { id: id.clone(), run: Some(run) },
            Cause::Sweep => by.actor.clone(),
        };
        let author = Author { actor, ..by.clone() };
        let Applied { written, refused } = apply::apply(&self.store, &author, cause, changes, self.lifetime).await?;
        let Counts { create, update, enable, disable, .. } = written;
        ended.counts = Counts { create, update, enable, disable, ..ended.counts };
        // What is true now is written: an earlier plan that still waits is of a world that is gone.
        let (held, now) = (cause.clone(), self.store.clock().now());
        self.store.write(move |tx: &mut Tx<'_>| runs::supersede(tx, &held, now)).await?;
        ended.counts.skipped = ended.counts.skipped.saturating_add(refused.len());
        ended.skipped.extend(refused);
        Ok(ended)
    }

    /// Why a plan must wait for a person. What runs of the last day took away counts too: a leak is a burst in slow
    /// motion.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn must_be_held(&self, cause: &Cause, draft: &Draft) -> Result<Option<String>, StoreError> {
        let Counts { disable, read, .. } = draft.counts;
        if disable == 0 {
            return Ok(None);
        }
        let since = minus(self.store.clock().now(), days(1));
        let recent = runs::disabled_since(&self.store.view(), cause, since)?;
        let read = matches!(cause, Cause::Source { .. }).then_some(read);
        let loss = Loss { disabled: disable.saturating_add(recent), active: draft.active.saturating_add(recent), read };
        Ok(guard::must_be_held(loss, self.budget))
    }

    async fn hold(
        &self,
        run: RunId,
        cause: &Cause,
        counts: Counts,
        items: Vec<PlanItem>,
        why: String,
    ) -> Result<PlanId, StoreError> {
        let now = self.store.clock().now();
        let digest = HEXLOWER.encode(&sha256(&serde_json::to_vec(&items).unwrap_or_default()));
        let waiting = runs::list_plans(&self.store.view())?
            .into_iter()
            .find(|plan| plan.status == PlanStatus::Held && plan.cause == *cause && plan.digest == digest);
        if let Some(same) = waiting {
            return Ok(same.id);
        }
        let id = PlanId::new(now, self.store.rng());
        let cause = cause.clone();
        let plan =
            Plan { id, run, cause, created_at: now, counts, digest, held_because: why, status: PlanStatus::Held };
        self.store.write(move |tx: &mut Tx<'_>| runs::hold_plan(tx, &plan, &items)).await?;
        Ok(id)
    }

    /// Writes the record of a run, with an audit line where it changed, failed or waits.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn keep(
        &self,
        id: RunId,
        cause: Cause,
        started_at: Timestamp,
        mut ended: Ended,
        by: Author,
    ) -> Result<Run, StoreError> {
        ended.skipped.truncate(KEPT);
        ended.conflicts.truncate(KEPT);
        let Ended { outcome, counts, skipped, conflicts } = ended;
        let run =
            Run { id, cause, started_at, ended_at: self.store.clock().now(), outcome, counts, skipped, conflicts };
        let record = run.clone();
        let write = move |tx: &mut Tx<'_>| {
            runs::put_run(tx, &record)?;
            let action = match &record.outcome {
                Outcome::Applied if record.counts.is_quiet() => return Ok(()),
                Outcome::Applied => "run.applied",
                Outcome::Held { .. } => "run.held",
                Outcome::Failed { .. } => "run.failed",
            };
            let mut entry = Entry::new(action, apply::target(&record.cause));
            entry.details.insert("run".to_owned(), record.id.to_string().into());
            entry.details.insert("counts".to_owned(), serde_json::to_value(record.counts).unwrap_or_default());
            audit::append(tx, &by, entry)
        };
        self.store.write::<_, StoreError>(write).await?;
        log(&run);
        Ok(run)
    }
}

/// What a run came to, before it is kept.
#[derive(Debug)]
pub struct Ended {
    /// What came of it.
    pub outcome: Outcome,
    /// How many of what.
    pub counts: Counts,
    /// Entries that could not be taken.
    pub skipped: Vec<crate::directory::plan::Skipped>,
    /// Conflicts that wait for a person.
    pub conflicts: Vec<PlanItem>,
}

impl Default for Ended {
    fn default() -> Self {
        Self { outcome: Outcome::Applied, counts: Counts::default(), skipped: Vec::new(), conflicts: Vec::new() }
    }
}

fn log(run: &Run) {
    let name = match &run.cause {
        Cause::Source { id } => id.as_str().to_owned(),
        Cause::Sweep => "sweep".to_owned(),
    };
    let Counts { read, create, update, enable, disable, conflict, skipped, .. } = run.counts;
    match &run.outcome {
        Outcome::Applied if run.cause == Cause::Sweep && run.counts.is_quiet() => {
            tracing::debug!(run.id = %run.id, run.of = name, "run found nothing to do");
        }
        Outcome::Applied => tracing::info!(
            run.id = %run.id, run.of = name, read, create, update, enable, disable, conflict, skipped,
            "run applied"
        ),
        Outcome::Held { plan, why } => {
            tracing::warn!(run.id = %run.id, run.of = name, plan.id = %plan, "run held, nothing was changed: {why}");
        }
        Outcome::Failed { why } => {
            tracing::warn!(run.id = %run.id, run.of = name, "run failed, nothing was changed: {why}");
        }
    }
}
