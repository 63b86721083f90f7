//! The record of a run of many users: how it ends, well or not.

use super::{Begun, Bulk, Draft, Report};
use crate::directory::audit::Author;
use crate::directory::plan::{Cause, Entry, Fate, Outcome, Run};
use crate::store::audit::{self, Entry as Line};
use crate::store::pages::{self, Done, PAGE};
use crate::store::tx::Tx;
use crate::store::{StoreError, runs};
use crate::sync::apply::target;

/// Writes the record of a run, with an audit line by its author where it has ended.
pub(super) fn put(tx: &mut Tx<'_>, run: &Run, author: Option<&Author>) -> Result<(), StoreError> {
    runs::put_run(tx, run)?;
    // What did not take everything back may be done again, and until then all of it counts.
    let is_whole = !run.counts.is_quiet() && run.counts.skipped == 0;
    if let Cause::Undo { run: undone, .. } = &run.cause
        && is_whole
        && run.outcome == Outcome::Applied
        && let Some(undone) = runs::get_run(tx, *undone)?
    {
        runs::put_run(tx, &Run { undone_by: Some(run.id), ..undone })?;
    }
    let action = match &run.outcome {
        Outcome::Running => return Ok(()),
        Outcome::Applied if run.counts.is_quiet() => return Ok(()),
        Outcome::Applied => "run.applied",
        Outcome::Held { .. } => "run.held",
        Outcome::Failed { .. } => "run.failed",
    };
    let Some(author) = author else { return Ok(()) };
    let mut line = Line::new(action, target(&run.cause));
    line.details.insert("run".to_owned(), run.id.to_string().into());
    line.details.insert("of".to_owned(), run.cause.name().into());
    line.details.insert("counts".to_owned(), serde_json::to_value(run.counts).unwrap_or_default());
    audit::append(tx, author, line)
}

impl Bulk {
    /// Ends a run that needs no more than its record.
    pub(super) async fn end(&self, run: Run, author: Author) -> Result<(), StoreError> {
        crate::sync::record::log(&run, false);
        self.store.write(move |tx: &mut Tx<'_>| put(tx, &run, Some(&author))).await
    }

    /// Ends a run of which nothing may be written, because of what was refused; that is kept.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn refuse(&self, begun: Begun, draft: Draft, why: String) -> Result<Report, StoreError> {
        let id = begun.id;
        let refused = self.keep_refused(begun, draft, why).await;
        self.leave(id, &refused);
        refused
    }

    async fn keep_refused(&self, begun: Begun, draft: Draft, why: String) -> Result<Report, StoreError> {
        let (mut kept, mut number) = (Vec::new(), 0_u64);
        for page in &draft.pages {
            let refused = page.open()?.entries.into_iter().filter(|entry| matches!(entry.fate, Fate::Refused { .. }));
            kept.extend(refused);
            while kept.len() >= PAGE {
                let rest = kept.split_off(PAGE);
                self.keep_result(begun.id, &mut number, std::mem::replace(&mut kept, rest)).await?;
            }
        }
        self.keep_result(begun.id, &mut number, kept).await?;
        let (ended_at, outcome) = (self.store.clock().now(), Outcome::Failed { why });
        let skipped = draft.listed.skipped();
        let run = Run { ended_at, outcome, skipped, counts: draft.counts, ..begun.run };
        self.end(run.clone(), begun.author).await?;
        Ok(Report { run, listed: draft.listed })
    }

    async fn keep_result(
        &self,
        run: crate::base::id::RunId,
        number: &mut u64,
        entries: Vec<Entry>,
    ) -> Result<(), StoreError> {
        let place = *number;
        *number = place.saturating_add(1);
        let done = Done { entries, ..Done::default() };
        self.store.write_bulk(move |tx: &mut Tx<'_>| pages::put_result(tx, run, place, &done)).await
    }

    /// Ends a run that came to nothing: what it is about could not be read.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn fail(&self, begun: Begun, why: String) -> Result<Run, StoreError> {
        let (ended_at, outcome) = (self.store.clock().now(), Outcome::Failed { why });
        let run = Run { ended_at, outcome, ..begun.run };
        let ended = self.end(run.clone(), begun.author).await;
        self.leave(begun.id, &ended);
        ended.map(|()| run)
    }
}
