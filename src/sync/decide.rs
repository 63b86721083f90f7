//! Plans that were held: a person says yes or no. Yes applies exactly the plan, or nothing when the world has moved on.

use std::sync::Arc;

use crate::base::id::{PlanId, SourceId};
use crate::directory::audit::{Actor, Author};
use crate::directory::plan::{Cause, Plan, PlanItem, PlanStatus, Run, Step};
use crate::directory::policy::UserDefaults;
use crate::directory::user::User;
use crate::store::audit::{self, Entry};
use crate::store::tx::{Tx, View};
use crate::store::users::{self, WriteError};
use crate::store::{Store, StoreError, groups, readings, runs};
use crate::sync::apply::{self, Applied, Ground};

/// Why a held plan could not be decided.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// There is no such plan.
    #[error("there is no such plan")]
    NotFound,
    /// It does not wait any more.
    #[error("the plan does not wait for a decision any more")]
    Decided,
    /// The directory has changed since the plan was made.
    #[error("{0} of its users or groups have changed since the plan was made; run it again for a fresh one")]
    Stale(usize),
    /// The plan is not the one that was looked at.
    #[error("the plan has changed since it was looked at: look at it again")]
    Changed,
    /// The store's fault.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<WriteError> for DecideError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Store(error) => Self::Store(error),
            other => Self::Store(StoreError::Record(other.to_string())),
        }
    }
}

/// Applies exactly the held plan, if none of its users and groups has moved on.
///
/// # Errors
/// When there is no such plan, it is decided, or the world has moved on.
pub async fn approve(
    store: &Arc<Store>,
    author: &Author,
    id: PlanId,
    defaults: &UserDefaults,
) -> Result<Applied, DecideError> {
    approve_as_seen(store, author, id, defaults, None).await
}

/// [`approve`], if the plan still has the digest that somebody saw: a plan of what is pushed grows while it waits.
///
/// # Errors
/// As [`approve`], and when it has another digest.
pub async fn approve_as_seen(
    store: &Arc<Store>,
    author: &Author,
    id: PlanId,
    defaults: &UserDefaults,
    digest: Option<String>,
) -> Result<Applied, DecideError> {
    let plan = waiting(store, id)?;
    let digest = digest.unwrap_or_else(|| plan.digest.clone());
    let items = runs::items(&store.view(), id, usize::MAX)?;
    let mut stale = 0_usize;
    for item in &items {
        if has_moved_on(&store.view(), &plan, item)? {
            stale = stale.saturating_add(1);
        }
    }
    if stale > 0 {
        return Err(DecideError::Stale(stale));
    }
    decide(store, author, id, Some(digest), "plan.approved", |at, by| PlanStatus::Applying { at, by }).await?;
    carry_out(store, &author.actor, plan, items, defaults).await
}

pub(super) fn has_moved_on(view: &View<'_>, plan: &Plan, item: &PlanItem) -> Result<bool, StoreError> {
    if let Some(user) = item.user {
        let found = users::get(view, user)?;
        let is_anothers = |found: &User| plan.cause.source().is_some_and(|source| found.source != *source);
        if found.is_none_or(|found| is_anothers(&found)) || users::expect_revision(view, user, item.revision).is_err() {
            return Ok(true);
        }
    }
    match (item.group, item.revision) {
        (Some(group), Some(revision)) => Ok(groups::get(view, group)?.is_none_or(|group| group.revision != revision)),
        _ => Ok(false),
    }
}

/// Who stands in the audit trail for the changes of an approved plan: the source whose word it is, by the run that made
/// it; of a sweep, whoever said yes.
fn author_of(plan: &Plan, by: &Actor) -> Author {
    match &plan.cause {
        Cause::Source { id } | Cause::Undo { id: Some(id), .. } => {
            Author::of(Actor::Source { id: id.clone(), run: Some(plan.run) })
        }
        Cause::Sweep => Author::of(by.clone()),
        Cause::Bulk | Cause::Import | Cause::Undo { id: None, .. } => {
            Author { run: Some(plan.run), ..Author::of(by.clone()) }
        }
    }
}

/// Writes an approved plan to its end. Safe to repeat: what was written before has moved on and is left alone.
async fn carry_out(
    store: &Arc<Store>,
    by: &Actor,
    plan: Plan,
    items: Vec<PlanItem>,
    defaults: &UserDefaults,
) -> Result<Applied, DecideError> {
    let changes = items.into_iter().filter(|item| !matches!(item.step, Step::Conflict { .. })).collect();
    let ground = Ground {
        store: store.clone(),
        author: author_of(&plan, by),
        source: plan.cause.source().cloned().unwrap_or_else(SourceId::local),
        defaults: defaults.clone(),
        live: None,
    };
    let before = audit::last(&store.view())?;
    let applied = apply::apply(ground, changes, plan.then.clone()).await?;
    let (by, written) = (by.clone(), applied.written);
    let finish = move |tx: &mut Tx<'_>| {
        let status = PlanStatus::Approved { at: tx.now(), by: by.clone() };
        runs::drop_items(tx, plan.id)?;
        // From here on the source may go on by itself.
        if let Cause::Source { id } = &plan.cause {
            let reading = readings::get(tx, id)?;
            if reading.undone.is_some() {
                readings::put(tx, id, &readings::Reading { undone: None, ..reading })?;
            }
        }
        if let Some(run) = runs::get_run(tx, plan.run)? {
            let trail = Some((run.trail.map_or(before, |(from, _)| from.min(before)), audit::last(tx)?));
            runs::put_run(tx, &Run { trail, counts: run.counts.with_changes_of(written), ..run })?;
        }
        runs::put_plan(tx, &Plan { status, ..plan.clone() })
    };
    store.write::<_, StoreError>(finish).await?;
    Ok(applied)
}

/// Goes on with approved plans of sources and sweeps that an end of the daemon cut short. Gives their number.
///
/// # Errors
/// When the store fails.
pub async fn resume(store: &Arc<Store>, defaults: &UserDefaults) -> Result<usize, DecideError> {
    let plans = runs::list_plans(&store.view())?;
    let mut resumed = 0_usize;
    for plan in plans {
        let PlanStatus::Applying { by, .. } = plan.status.clone() else { continue };
        if plan.cause.is_by_hand() {
            continue;
        }
        let items = runs::items(&store.view(), plan.id, usize::MAX)?;
        tracing::info!(plan.id = %plan.id, "going on with an approved plan");
        carry_out(store, &by, plan, items, defaults).await?;
        resumed = resumed.saturating_add(1);
    }
    Ok(resumed)
}

/// Says no to a held plan: nothing of it is ever applied.
///
/// # Errors
/// When there is no such plan, or it is decided.
pub async fn reject(store: &Store, author: &Author, id: PlanId) -> Result<(), DecideError> {
    waiting(store, id)?;
    decide(store, author, id, None, "plan.rejected", |at, by| PlanStatus::Rejected { at, by }).await
}

fn waiting(store: &Store, id: PlanId) -> Result<Plan, DecideError> {
    let plan = runs::get_plan(&store.view(), id)?.ok_or(DecideError::NotFound)?;
    if plan.status == PlanStatus::Held { Ok(plan) } else { Err(DecideError::Decided) }
}

async fn decide(
    store: &Store,
    author: &Author,
    id: PlanId,
    digest: Option<String>,
    action: &'static str,
    status: impl Fn(jiff::Timestamp, Actor) -> PlanStatus + Send + 'static,
) -> Result<(), DecideError> {
    let author = author.clone();
    let decide = move |tx: &mut Tx<'_>| decide_in(tx, &author, id, digest.as_ref(), action, &status);
    store.write(decide).await
}

/// Notes what a person said to a plan that waits, if it has the digest that they saw.
pub(super) fn decide_in(
    tx: &mut Tx<'_>,
    author: &Author,
    id: PlanId,
    digest: Option<&String>,
    action: &'static str,
    status: impl Fn(jiff::Timestamp, Actor) -> PlanStatus,
) -> Result<(), DecideError> {
    let plan = runs::get_plan(tx, id)?.ok_or(DecideError::NotFound)?;
    if plan.status != PlanStatus::Held {
        return Err(DecideError::Decided);
    }
    // A plan of what is pushed may grow or shrink until the very moment.
    if digest.is_some_and(|digest| *digest != plan.digest) {
        return Err(DecideError::Changed);
    }
    let mut entry = Entry::new(action, apply::target(&plan.cause));
    entry.details.insert("plan".to_owned(), id.to_string().into());
    entry.details.insert("run".to_owned(), plan.run.to_string().into());
    let status = status(tx.now(), author.actor.clone());
    // What a sweep is refused is not asked for again for a while: until then it is known what that was.
    if matches!(status, PlanStatus::Rejected { .. }) && plan.cause != Cause::Sweep {
        runs::drop_items(tx, id)?;
    }
    runs::put_plan(tx, &Plan { status, ..plan })?;
    audit::append(tx, author, entry)?;
    Ok(())
}
