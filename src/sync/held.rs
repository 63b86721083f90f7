//! Which plans wait for a person, and how they wait.

use data_encoding::HEXLOWER;
use jiff::Timestamp;

use super::directory::Directory;
use super::guard::{self, Loss, Lost};
use super::pass::Pass;
use super::plan::Draft;
use crate::base::clock::minus;
use crate::base::id::{PlanId, RunId};
use crate::base::secret::sha256;
use crate::directory::plan::{Cause, Counts, Plan, PlanItem, PlanStatus, Then};
use crate::sources::Extent;
use crate::store::tx::Tx;
use crate::store::{StoreError, readings, runs};

impl Pass {
    /// Why a plan must wait for a person. What runs of the last day took away counts too: a leak is a burst in slow
    /// motion.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn must_be_held(
        &self,
        cause: &Cause,
        draft: &Draft,
        extent: Option<Extent>,
    ) -> Result<Option<String>, StoreError> {
        self.must_be_held_at(cause, draft, extent, self.store.clock().now())
    }

    /// The same for a plan that would be made at `at`.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn must_be_held_at(
        &self,
        cause: &Cause,
        draft: &Draft,
        extent: Option<Extent>,
        at: Timestamp,
    ) -> Result<Option<String>, StoreError> {
        let view = self.store.view();
        if let Cause::Source { id } = cause
            && draft.counts.changes() > 0
            && let Some(run) = readings::get(&view, id)?.undone
        {
            return Ok(Some(format!("the run {run} was taken back: a person says when the source goes on")));
        }
        let budget = self.rules.budget;
        let lost = draft.counts.lost();
        if lost > 0 {
            let since = minus(at, runs::GUARDED);
            let recent = runs::lost_since(&view, cause, since)?;
            let lost = lost.saturating_add(recent);
            let active = match (cause, extent) {
                // A reading of changes has not met the others; and within the floor nobody asks how many they are.
                (Cause::Source { id }, Some(Extent::Changes)) if lost > budget.floor => {
                    Directory { reads: &view, source: id }.active()?
                }
                _ => draft.active,
            };
            let read = (extent == Some(Extent::Everything)).then_some(draft.counts.read);
            let loss = Loss { what: Lost::Users, lost, of: active.saturating_add(recent), read };
            if let Some(why) = guard::must_be_held(loss, budget) {
                return Ok(Some(why));
            }
        }
        let Some(source) = cause.source() else { return Ok(None) };
        let groups = Loss { what: Lost::Groups, lost: draft.counts.remove_groups, of: draft.groups, read: None };
        if let Some(why) = guard::must_be_held(groups, budget) {
            return Ok(Some(why));
        }
        let lost = draft.memberships_lost;
        if lost <= budget.floor {
            return Ok(None);
        }
        let of = Directory { reads: &view, source }.memberships()?;
        Ok(guard::must_be_held(Loss { what: Lost::Memberships, lost, of, read: None }, budget))
    }

    pub(super) async fn hold(
        &self,
        run: RunId,
        cause: &Cause,
        counts: Counts,
        items: Vec<PlanItem>,
        why: String,
        then: Option<Then>,
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
        let status = PlanStatus::Held;
        let (wished_by, held_because) = (None, why);
        let plan = Plan { id, run, cause, wished_by, created_at: now, counts, digest, held_because, then, status };
        self.store.write(move |tx: &mut Tx<'_>| runs::hold_plan(tx, &plan, &items)).await?;
        Ok(id)
    }
}
