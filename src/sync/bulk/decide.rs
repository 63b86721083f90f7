//! Plans of many users that were held, and those that an end of the daemon cut short.

use std::sync::{Arc, PoisonError};

use super::{Bulk, Gate, Progress, Report};
use crate::base::id::{PlanId, RunId};
use crate::directory::audit::Author;
use crate::directory::plan::{Fate, Outcome, Plan, PlanStatus, Run};
use crate::store::pages::{self, Packed};
use crate::store::tx::Tx;
use crate::store::{StoreError, audit, runs, users};
use crate::sync::decide::{self, DecideError};

impl Bulk {
    /// Applies exactly the held plan, if none of its users has moved on. Whom the one who says yes may not change is left
    /// alone. It is under way from the first look at it.
    ///
    /// # Errors
    /// When there is no such plan, it is decided, it has another digest, or the world has moved on.
    pub async fn approve(
        self: &Arc<Self>,
        author: &Author,
        plan: Plan,
        digest: Option<String>,
        gate: Arc<dyn Gate>,
    ) -> Result<Report, DecideError> {
        let (run, progress) = (plan.run, Arc::<Progress>::default());
        if !self.watch(run, progress.clone()) {
            return Err(DecideError::Decided);
        }
        let approved = self.approve_watched(author, plan, digest, gate, &progress).await;
        self.leave(run, &approved);
        approved
    }

    async fn approve_watched(
        self: &Arc<Self>,
        author: &Author,
        plan: Plan,
        digest: Option<String>,
        gate: Arc<dyn Gate>,
        progress: &Progress,
    ) -> Result<Report, DecideError> {
        let (bulk, looked_at) = (self.clone(), plan.clone());
        let look = move || bulk.look_again(&looked_at, &*gate);
        let rewritten = tokio::task::spawn_blocking(look).await.map_err(|_| StoreError::Stopped)??;
        let run = self.say_yes(author, &plan, digest, rewritten).await?;
        Ok(self.carry_out(&plan, run, author, progress).await?)
    }

    /// Notes that the plan is being applied, and where the trail of its run begins.
    pub(super) async fn say_yes(
        &self,
        author: &Author,
        plan: &Plan,
        digest: Option<String>,
        rewritten: Vec<(u64, Packed)>,
    ) -> Result<Run, DecideError> {
        let seen = digest.unwrap_or_else(|| plan.digest.clone());
        let (id, run, by) = (plan.id, plan.run, author.clone());
        let say_yes = move |tx: &mut Tx<'_>| {
            let run = runs::get_run(tx, run)?.ok_or(DecideError::NotFound)?;
            let last = audit::last(tx)?;
            let run = Run { trail: Some((last, last)), ..run };
            rewritten.iter().for_each(|(number, page)| pages::put(tx, id, *number, page));
            let status = |at, by| PlanStatus::Applying { at, by };
            decide::decide_in(tx, &by, id, Some(&seen), "plan.approved", status)?;
            runs::put_run(tx, &run)?;
            Ok::<_, DecideError>(run)
        };
        self.store.write(say_yes).await
    }

    /// The pages of which something may not be done by whoever says yes, with that refused.
    fn look_again(&self, plan: &Plan, gate: &dyn Gate) -> Result<Vec<(u64, Packed)>, DecideError> {
        let view = self.store.view();
        let (mut rewritten, mut number, mut stale) = (Vec::new(), 0, 0_usize);
        while let Some((found, mut page)) = pages::next(&view, plan.id, number)? {
            number = found.saturating_add(1);
            let mut differs = false;
            for entry in &mut page.entries {
                let Fate::Planned { item } = &entry.fate else { continue };
                if decide::has_moved_on(&view, plan, item)? {
                    stale = stale.saturating_add(1);
                }
                let user = item.user.map(|id| users::get(&view, id)).transpose()?.flatten();
                if let Some(fault) = gate.refuses(user.as_ref(), item)? {
                    *entry = entry.clone().refused(vec![fault]);
                    differs = true;
                }
            }
            if differs {
                rewritten.push((found, Packed::of(&page)?));
            }
        }
        if stale > 0 { Err(DecideError::Stale(stale)) } else { Ok(rewritten) }
    }

    async fn carry_out(&self, plan: &Plan, run: Run, by: &Author, progress: &Progress) -> Result<Report, StoreError> {
        let author = Author { run: Some(run.id), ..by.clone() };
        progress.writes(run.counts.changes());
        self.write(plan, run, &author, progress).await
    }

    /// Drops the pages of a plan that nobody will apply.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn drop_pages(&self, plan: PlanId) -> Result<(), StoreError> {
        while self.store.write_bulk(move |tx: &mut Tx<'_>| pages::remove_some(tx, plan)).await? {}
        Ok(())
    }

    /// Drops pages that were laid down for nothing: the daemon ended before their plan was. To be called before a run can
    /// begin.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn drop_strays(&self) -> Result<(), StoreError> {
        self.drop_of(pages::plans(&self.store.view())?).await
    }

    /// Drops the pages of those of the plans that are not to be decided or written.
    async fn drop_of(&self, ids: impl IntoIterator<Item = PlanId>) -> Result<(), StoreError> {
        let plans = runs::list_plans(&self.store.view())?;
        for id in ids {
            if !plans.iter().any(|plan| plan.id == id && is_waiting(plan)) {
                self.drop_pages(id).await?;
            }
        }
        Ok(())
    }

    /// Once something was cut short by a fault of the store.
    pub async fn is_cut_short(&self) {
        self.cut_short.notified().await;
    }

    /// Goes on with runs that an end of the daemon, or a fault of the store, cut short: what was laid down is written,
    /// and the others end here. Whatever is under way is left alone. Gives the number of those that were written.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn resume(&self) -> Result<usize, StoreError> {
        let strays = self.strays.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.drop_of(strays.iter().copied()).await.inspect_err(|_| self.cut_short.notify_one())?;
        self.strays.lock().unwrap_or_else(PoisonError::into_inner).retain(|id| !strays.contains(id));
        let (mut resumed, mut fault) = (0_usize, None);
        for run in runs::unfinished(&self.store.view())? {
            let progress = Arc::<Progress>::default();
            if !self.watch(run, progress.clone()) {
                continue;
            }
            let done = self.go_on(run, &progress).await;
            self.leave(run, &done);
            // One that cannot go on keeps no other one back.
            match done {
                Ok(is_written) => resumed = resumed.saturating_add(usize::from(is_written)),
                Err(error) => drop(fault.get_or_insert(error)),
            }
        }
        fault.map_or(Ok(resumed), Err)
    }

    /// Goes on with one that nobody else is about; `false`: there was nothing to write.
    async fn go_on(&self, id: RunId, progress: &Progress) -> Result<bool, StoreError> {
        let plan = runs::list_plans(&self.store.view())?.into_iter().find(|plan| plan.run == id && is_waiting(plan));
        let Some(run) = runs::get_run(&self.store.view(), id)? else { return Ok(false) };
        match plan {
            Some(plan) => {
                let PlanStatus::Applying { by, .. } = plan.status.clone() else { return Ok(false) };
                tracing::info!(plan.id = %plan.id, run.id = %id, "going on with a run that was cut short");
                self.carry_out(&plan, run, &Author::of(by), progress).await?;
                Ok(true)
            }
            None if run.outcome == Outcome::Running => {
                let why = "it was cut short before anything was written: ask again".to_owned();
                let (ended_at, outcome) = (self.store.clock().now(), Outcome::Failed { why });
                let author = Author { run: Some(id), ..Author::system("bulk") };
                self.end(Run { ended_at, outcome, ..run }, author).await?;
                Ok(false)
            }
            None => Ok(false),
        }
    }
}

/// Is it still to be decided or written?
fn is_waiting(plan: &Plan) -> bool {
    matches!(plan.status, PlanStatus::Held | PlanStatus::Applying { .. })
}
