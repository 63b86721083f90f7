//! Changes that an identity provider pushes, one by one, under the guard that passes are under (promise 2).
//!
//! One request takes away one user, so the guard looks at what the day took away. What is past the budget is refused,
//! and kept in a plan: a person says yes to exactly that, or no. While a plan waits, everything like it joins it.

use data_encoding::HEXLOWER;
use jiff::Timestamp;

use super::guard::{self, Loss, Lost};
use crate::base::id::{PlanId, RunId, SourceId};
use crate::base::secret::sha256;
use crate::directory::audit::{Actor, Author};
use crate::directory::plan::{Cause, Counts, Outcome, Plan, PlanItem, PlanStatus, Run, Step};
use crate::directory::policy::Budget;
use crate::directory::user::{Disabled, DisabledReason, State, User};
use crate::store::audit::{self, Entry};
use crate::store::pushes::{self, Of, Pushed};
use crate::store::tx::{Reads, Tx};
use crate::store::{Store, StoreError, runs, tally, users};
use crate::sync::apply;

/// Users whom a source has just made itself, and who were never in, it may remove this many of in a day: who tries a
/// connection out makes some and takes them away again.
const NEW_MAX: usize = 100;

/// A change that waits for a person.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// Whose.
    pub source: SourceId,
    /// Why.
    pub why: String,
    item: PlanItem,
}

/// Lets a source take away a user, or says why that waits for a person. Counts it in the same commit.
///
/// # Errors
/// When the store cannot read.
pub fn allow(tx: &mut Tx<'_>, user: &User, step: Step, budget: Budget) -> Result<Option<Held>, StoreError> {
    let now = tx.now();
    let mut pushed = pushes::get(tx, &user.source)?;
    let Some(of) = loss(user, &step, now) else { return Ok(None) };
    if let Some(why) = must_wait(tx, &user.source, &pushed, of, budget, now)? {
        let item = PlanItem::of_user(user, step, "the identity provider says so".to_owned());
        return Ok(Some(Held { source: user.source.clone(), why, item }));
    }
    if of == Of::New
        && let Some(then) = lost_at(user)
    {
        pushed.give_back(then);
    }
    pushed.lose(of, now);
    pushes::put(tx, &user.source, &pushed)?;
    Ok(None)
}

/// What taking this user away counts as; `None`: nobody loses anything.
fn loss(user: &User, step: &Step, now: Timestamp) -> Option<Of> {
    let is_new =
        user.last_login.is_none() && now.duration_since(user.created_at) < jiff::SignedDuration::from_hours(24);
    match step {
        Step::Remove if is_new => Some(Of::New),
        // Whom the source has shut out itself was lost then.
        _ if is_out(user) => None,
        _ => Some(Of::Users),
    }
}

/// Has the source itself shut the user out?
fn is_out(user: &User) -> bool {
    matches!(&user.state, State::Disabled(Disabled { by: Actor::Source { id, .. }, reason: DisabledReason::Source, .. })
        if *id == user.source)
}

/// When a user whom the source shut out was counted as lost: not one who was made so, nor whom a plan took away that a
/// person approved.
fn lost_at(user: &User) -> Option<Timestamp> {
    match &user.state {
        State::Disabled(Disabled { at, by: Actor::Source { run: None, .. }, .. }) => {
            Some(*at).filter(|at| is_out(user) && *at != user.created_at)
        }
        _ => None,
    }
}

/// Why a loss must wait for a person, if it must.
fn must_wait(
    reads: &dyn Reads,
    source: &SourceId,
    pushed: &Pushed,
    of: Of,
    budget: Budget,
    now: Timestamp,
) -> Result<Option<String>, StoreError> {
    if let Some(plan) = waiting(reads, pushed)? {
        return Ok(Some(format!("{} changes of this source wait for an administrator already", plan.counts.lost())));
    }
    let lost = pushed.lost(of, now).saturating_add(1);
    if of == Of::New {
        let why = format!("{lost} users whom this source made today would be removed; at most {NEW_MAX} may");
        return Ok((lost > NEW_MAX).then_some(why));
    }
    let active = usize::try_from(tally::of_source(reads, source)?.active).unwrap_or(usize::MAX);
    // The loss itself is among the active still.
    let of = active.saturating_add(lost).saturating_sub(1);
    Ok(guard::must_be_held(Loss { what: Lost::Users, lost, of, read: None }, budget))
}

fn waiting(reads: &dyn Reads, pushed: &Pushed) -> Result<Option<Plan>, StoreError> {
    let plan = pushed.held.map(|id| runs::get_plan(reads, id)).transpose()?.flatten();
    Ok(plan.filter(|plan| plan.status == PlanStatus::Held))
}

/// A source lets a user in whom it had shut out: they are not lost any more.
///
/// # Errors
/// When the store cannot read.
pub fn give_back(tx: &mut Tx<'_>, user: &User) -> Result<(), StoreError> {
    let Some(then) = lost_at(user) else { return Ok(()) };
    let mut pushed = pushes::get(tx, &user.source)?;
    pushed.give_back(then);
    pushes::put(tx, &user.source, &pushed)
}

/// A source says that a user is to stay: what waits to take them away is withdrawn.
///
/// # Errors
/// When the store cannot read.
pub fn withdraw(tx: &mut Tx<'_>, user: &User) -> Result<(), StoreError> {
    let pushed = pushes::get(tx, &user.source)?;
    if let Some(plan) = waiting(tx, &pushed)?
        && let Some(item) = runs::put_item_of(tx, plan.id, user.id, None)?
    {
        let mut plan = plan;
        plan.counts.forget(&item.step);
        plan.digest = digest_after(&plan.digest, &item);
        // An empty plan would hold everything that comes, for nothing.
        if plan.counts.lost() == 0 {
            plan.status = PlanStatus::Superseded { at: tx.now() };
        }
        runs::put_plan(tx, &plan)?;
    }
    Ok(())
}

/// Keeps what was refused in the plan that waits, or in a new one. Gives the plan; none where the user is not the
/// source's.
///
/// # Errors
/// When the store fails.
pub async fn hold(store: &Store, held: Held) -> Result<Option<PlanId>, StoreError> {
    let added = store.write(move |tx: &mut Tx<'_>| add(tx, &held)).await?;
    let Some((id, is_new)) = added else { return Ok(None) };
    if is_new {
        tracing::warn!(plan.id = %id, "an identity provider takes away more than it may: a plan waits for a person");
    }
    Ok(Some(id))
}

fn add(tx: &mut Tx<'_>, held: &Held) -> Result<Option<(PlanId, bool)>, StoreError> {
    // One whom the refused request would have taken over is another source's still.
    let user = held.item.user.map(|id| users::get(tx, id)).transpose()?.flatten();
    let Some(user) = user.filter(|user| user.source == held.source) else { return Ok(None) };
    let mut pushed = pushes::get(tx, &held.source)?;
    let (mut plan, is_new) = match waiting(tx, &pushed)? {
        Some(plan) => (plan, false),
        None => (begin(tx, held)?, true),
    };
    if let Some(before) = runs::put_item_of(tx, plan.id, user.id, Some(&held.item))? {
        plan.counts.forget(&before.step);
    }
    plan.counts.note(&held.item.step);
    plan.digest = digest_after(&plan.digest, &held.item);
    runs::put_plan(tx, &plan)?;
    if is_new {
        pushed.held = Some(plan.id);
        pushes::put(tx, &held.source, &pushed)?;
    }
    Ok(Some((plan.id, is_new)))
}

/// What stands for a plan after a change of it: a person approves what they have seen.
fn digest_after(before: &str, item: &PlanItem) -> String {
    let item = serde_json::to_vec(item).unwrap_or_default();
    HEXLOWER.encode(&sha256(&[before.as_bytes(), &item].concat()))
}

/// A run that was held, with its plan, and a line in the audit trail.
fn begin(tx: &mut Tx<'_>, held: &Held) -> Result<Plan, StoreError> {
    let now = tx.now();
    let (run, id) = (RunId::new(now, tx.rng()), PlanId::new(now, tx.rng()));
    let cause = Cause::Source { id: held.source.clone() };
    let outcome = Outcome::Held { plan: id, why: held.why.clone() };
    let record = Run {
        id: run,
        cause: cause.clone(),
        started_at: now,
        ended_at: now,
        outcome,
        counts: Counts::default(),
        how: "pushed by the identity provider".to_owned(),
        trail: None,
        by: None,
        undone_by: None,
        skipped: Vec::new(),
        conflicts: Vec::new(),
    };
    runs::put_run(tx, &record)?;
    let author = Author::of(Actor::Source { id: held.source.clone(), run: Some(run) });
    let mut entry = Entry::new("run.held", apply::target(&cause));
    entry.details.insert("run".to_owned(), run.to_string().into());
    entry.details.insert("plan".to_owned(), id.to_string().into());
    audit::append(tx, &author, entry)?;
    Ok(Plan {
        id,
        run,
        cause,
        wished_by: None,
        created_at: now,
        counts: Counts::default(),
        digest: String::new(),
        held_because: held.why.clone(),
        then: None,
        status: PlanStatus::Held,
    })
}
