//! Takes a bulk change or an import back: what the audit trail says that it changed, and only what still is as it was left.

use std::sync::Arc;

use super::{Bulk, Gate, Planner, Report};
use crate::base::id::RunId;
use crate::directory::audit::{Author, Target};
use crate::directory::plan::{Cause, Fault, PlanStatus, Run};
use crate::store::StoreError;
use crate::store::audit::{self, Entry};
use crate::store::tx::Tx;
use crate::sync::undo::{self, UndoError};

impl Bulk {
    /// Takes a run back. One that is cut short goes on at the next start.
    ///
    /// # Errors
    /// Why it cannot be taken back.
    pub async fn undo(self: &Arc<Self>, id: RunId, by: &Author, gate: Arc<dyn Gate>) -> Result<Report, UndoError> {
        let (store, defaults) = (self.store.clone(), self.rules.users.clone());
        let plan = move || {
            let (view, now) = (store.view(), store.clock().now());
            let undo = undo::plan(&view, id)?;
            let mut planner = Planner::new(&view, &*gate, &defaults, String::new(), now)?;
            for skipped in undo.skipped {
                planner.refuse(None, &skipped.label, None, vec![Fault::new("changed_since", skipped.problem)])?;
            }
            undo.items.into_iter().try_for_each(|item| planner.step(item))?;
            Ok::<_, UndoError>(planner.finish()?)
        };
        let draft = tokio::task::spawn_blocking(plan).await.map_err(|_| StoreError::Stopped)??;
        let begun = self.begin(Cause::Undo { id: None, run: id }, by).await?;
        let (own, author) = (begun.id, begun.author.clone());
        let note = move |tx: &mut Tx<'_>| {
            let mut line = Entry::new("run.undone", Target::Directory);
            line.details.insert("run".to_owned(), id.to_string().into());
            line.details.insert("by_run".to_owned(), own.to_string().into());
            audit::append(tx, &author, line)
        };
        self.store.write::<_, StoreError>(note).await?;
        let status = PlanStatus::Applying { at: self.store.clock().now(), by: begun.author.actor.clone() };
        let plan = self.plan_of(&begun, draft.counts, draft.digest, String::new(), status);
        let run = Run { counts: draft.counts, ..begun.run.clone() };
        begun.progress.writes(draft.counts.changes());
        self.lay_down(&plan, draft.pages, run.clone(), None).await?;
        let written = self.write(&plan, run, &begun.author, begun.before, &begun.progress).await;
        self.forget(own);
        Ok(written?)
    }
}
