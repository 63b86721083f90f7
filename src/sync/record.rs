//! The record of a run, and what becomes of the inbox by it.

use jiff::Timestamp;

use super::apply;
use super::pass::Pass;
use crate::base::id::{ExternalId, RunId, SourceId};
use crate::directory::audit::Author;
use crate::directory::conflict::{Conflict, ConflictRule};
use crate::directory::plan::{Cause, Counts, Outcome, PlanItem, Run, Skipped, Step};
use crate::sources::Extent;
use crate::store::audit::{self, Entry};
use crate::store::tx::Tx;
use crate::store::{StoreError, conflicts, runs};

/// Most skipped entries and conflicts that a run keeps.
const KEPT: usize = 1_000;

impl Pass {
    /// Writes the record of a run, with an audit line where it changed, failed or waits. A reading of changes that
    /// found none leaves no record.
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
        ended.skipped = ended.skipped.into_iter().map(Skipped::shortened).collect();
        let inbox = self.inbox(id, &cause, &ended)?;
        ended.conflicts.truncate(KEPT);
        let Ended { outcome, counts, skipped, conflicts, how, trail, extent, .. } = ended;
        let ended_at = self.store.clock().now();
        let trail = trail.map(|before| Ok::<_, StoreError>((before, audit::last(&self.store.view())?))).transpose()?;
        let (by_whom, undone_by) = (None, None);
        let run = Run {
            id,
            cause,
            started_at,
            ended_at,
            outcome,
            counts,
            how,
            trail,
            by: by_whom,
            undone_by,
            skipped,
            conflicts,
        };
        let is_idle = extent == Some(Extent::Changes)
            && run.outcome == Outcome::Applied
            && run.counts.is_quiet()
            && run.skipped.is_empty()
            && inbox.is_empty();
        if !is_idle {
            let record = run.clone();
            let write = move |tx: &mut Tx<'_>| {
                runs::put_run(tx, &record)?;
                // Not before it is done: one that is cut short is done again.
                if let Cause::Undo { run, .. } = &record.cause
                    && let Some(undone) = runs::get_run(tx, *run)?
                {
                    runs::put_run(tx, &Run { undone_by: Some(record.id), ..undone })?;
                }
                inbox.write(tx)?;
                let action = match &record.outcome {
                    Outcome::Running => return Ok(()),
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
        }
        log(&run, is_idle);
        Ok(run)
    }

    /// What becomes of the inbox by a run.
    fn inbox(&self, run: RunId, cause: &Cause, ended: &Ended) -> Result<Inbox, StoreError> {
        let Cause::Source { id: source } = cause else { return Ok(Inbox::default()) };
        let is_applied = ended.outcome == Outcome::Applied;
        let view = self.store.view();
        let mut inbox = Inbox { source: Some(source.clone()), ..Inbox::default() };
        if is_applied {
            inbox.remove.clone_from(&ended.resolved);
        }
        for item in ended.conflicts.iter().take(conflicts::KEPT_MAX) {
            let Step::Conflict { field, holder, holder_source, entry } = &item.step else { continue };
            let Some(external_id) = &item.external_id else { continue };
            let had = conflicts::get(&view, source, external_id)?;
            let is_same = |had: &Conflict| {
                had.field == *field
                    && had.holder == *holder
                    && had.username == entry.username
                    && had.email == entry.email
            };
            if had.as_ref().is_some_and(is_same) {
                continue;
            }
            inbox.put.push(Conflict {
                source: source.clone(),
                external_id: external_id.clone(),
                entry: entry.entry.clone(),
                username: entry.username.clone(),
                name: entry.name.clone(),
                email: entry.email.clone(),
                field: field.clone(),
                holder: *holder,
                holder_source: holder_source.clone(),
                user: item.user,
                link_proposed: self.rules.conflicts == ConflictRule::Link,
                since: had.map_or_else(|| self.store.clock().now(), |had| had.since),
                run: Some(run),
                unnamed: false,
                decision: None,
            });
        }
        Ok(inbox)
    }
}

/// Changes of the inbox.
#[derive(Default)]
struct Inbox {
    source: Option<SourceId>,
    put: Vec<Conflict>,
    remove: Vec<ExternalId>,
}

impl Inbox {
    fn is_empty(&self) -> bool {
        self.put.is_empty() && self.remove.is_empty()
    }

    fn write(&self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        if let Some(source) = &self.source {
            self.remove.iter().for_each(|id| conflicts::remove(tx, source, id));
        }
        self.put.iter().try_for_each(|conflict| conflicts::put(tx, conflict))
    }
}

/// What a run came to, before it is kept.
#[derive(Debug)]
pub struct Ended {
    /// What came of it.
    pub outcome: Outcome,
    /// How many of what.
    pub counts: Counts,
    /// How the source was read.
    pub how: String,
    /// How much of the source was read; none: no source was.
    pub extent: Option<Extent>,
    /// The last audit line before its changes.
    pub trail: Option<u64>,
    /// Entries that could not be taken.
    pub skipped: Vec<Skipped>,
    /// Conflicts that wait for a person.
    pub conflicts: Vec<PlanItem>,
    /// Conflicts of the inbox that are none any more.
    pub resolved: Vec<ExternalId>,
}

impl Ended {
    /// The same, of which no record is kept where there was nothing to do.
    #[must_use]
    pub fn noted_if_any(self) -> Self {
        Self { extent: Some(Extent::Changes), ..self }
    }
}

impl Default for Ended {
    fn default() -> Self {
        Self {
            outcome: Outcome::Applied,
            counts: Counts::default(),
            how: String::new(),
            extent: None,
            trail: None,
            skipped: Vec::new(),
            conflicts: Vec::new(),
            resolved: Vec::new(),
        }
    }
}

pub(super) fn log(run: &Run, is_idle: bool) {
    let name = match &run.cause {
        Cause::Undo { run: undone, .. } => format!("{}, taking back {undone}", run.cause.name()),
        cause => cause.name().to_owned(),
    };
    let Counts { read, create, update, enable, disable, remove, conflict, skipped, join, leave, .. } = run.counts;
    match &run.outcome {
        Outcome::Applied if is_idle || run.cause == Cause::Sweep && run.counts.is_quiet() => {
            tracing::debug!(run.id = %run.id, run.of = name, "run found nothing to do");
        }
        Outcome::Running => tracing::info!(run.id = %run.id, run.of = name, "run begins"),
        Outcome::Applied => tracing::info!(
            run.id = %run.id, run.of = name, read, create, update, enable, disable, remove, join, leave, conflict,
            skipped, "run applied: {}", run.how
        ),
        Outcome::Held { plan, why } => {
            tracing::warn!(run.id = %run.id, run.of = name, plan.id = %plan, "run held, nothing was changed: {why}");
        }
        Outcome::Failed { why } => {
            tracing::warn!(run.id = %run.id, run.of = name, "run failed, nobody was disabled: {why}");
        }
    }
}
