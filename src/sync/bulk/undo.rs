//! Takes a bulk change or an import back: what the audit trail says that it changed, and only what still is as it was left.

use std::sync::Arc;

use super::{Begun, Bulk, Draft, Gate, Planner, Report};
use crate::base::id::RunId;
use crate::directory::audit::{Author, Target};
use crate::directory::plan::{Cause, Entry, Fate, Fault, PlanStatus};
use crate::store::audit::{self, Entry as Line};
use crate::store::tx::Tx;
use crate::store::{StoreError, runs};
use crate::sync::undo::{self, Undo, UndoError};

impl Bulk {
    /// Begins to take a run back.
    ///
    /// # Errors
    /// When there is no such run, or it was taken back already.
    pub async fn begin_undo(&self, id: RunId, by: &Author) -> Result<Begun, UndoError> {
        let run = runs::get_run(&self.store.view(), id)?.ok_or(UndoError::NotFound)?;
        match run.undone_by {
            Some(by) => Err(UndoError::Done(by)),
            None => Ok(self.begin(Cause::Undo { id: None, run: id }, by).await?),
        }
    }

    /// Takes a run back. One that is cut short goes on by itself.
    ///
    /// # Errors
    /// Why it cannot be taken back.
    pub async fn undo(self: &Arc<Self>, begun: Begun, undone: RunId, gate: Arc<dyn Gate>) -> Result<Report, UndoError> {
        let bulk = self.clone();
        let plan = tokio::task::spawn_blocking(move || bulk.plan_undo(undone, &*gate));
        match plan.await.unwrap_or(Err(StoreError::Stopped.into())) {
            Ok(draft) => {
                let own = begun.id;
                let taken_back = self.take_back(begun, undone, draft).await;
                self.leave(own, &taken_back);
                Ok(taken_back?)
            }
            Err(error) => {
                self.fail(begun, error.to_string()).await?;
                Err(error)
            }
        }
    }

    /// What taking a run back would change, as far as the gate lets it. Writes nothing.
    ///
    /// # Errors
    /// Why it cannot be taken back.
    pub fn preview_undo(&self, undone: RunId, gate: &dyn Gate) -> Result<Undo, UndoError> {
        let Draft { counts, listed, .. } = self.plan_undo(undone, gate)?;
        let skipped = listed.skipped();
        let planned = |entry: Entry| match entry.fate {
            Fate::Planned { item } => Some(*item),
            _ => None,
        };
        Ok(Undo { items: listed.into_items().into_iter().filter_map(planned).collect(), counts, skipped })
    }

    pub(super) fn plan_undo(&self, undone: RunId, gate: &dyn Gate) -> Result<Draft, UndoError> {
        let (view, now) = (self.store.view(), self.store.clock().now());
        let undo = undo::plan(&view, undone)?;
        let mut planner = Planner::new(&view, gate, &self.rules.users, String::new(), now)?;
        for skipped in undo.skipped {
            planner.refuse(None, &skipped.label, None, vec![Fault::new("changed_since", skipped.problem)])?;
        }
        undo.items.into_iter().try_for_each(|item| planner.step(item))?;
        Ok(planner.finish()?)
    }

    pub(super) async fn take_back(&self, begun: Begun, undone: RunId, draft: Draft) -> Result<Report, StoreError> {
        let (own, author) = (begun.id, begun.author.clone());
        let note = move |tx: &mut Tx<'_>| {
            let mut line = Line::new("run.undone", Target::Directory);
            line.details.insert("run".to_owned(), undone.to_string().into());
            line.details.insert("by_run".to_owned(), own.to_string().into());
            audit::append(tx, &author, line)
        };
        self.store.write::<_, StoreError>(note).await?;
        let status = PlanStatus::Applying { at: self.store.clock().now(), by: begun.author.actor.clone() };
        let plan = self.plan_of(&begun, draft.counts, draft.digest, String::new(), status);
        let run = begun.laid_down(draft.counts);
        begun.progress.writes(draft.counts.changes());
        self.lay_down(&plan, draft.pages, run.clone(), None).await?;
        self.write(&plan, run, &begun.author, &begun.progress).await
    }
}
