//! Applies a plan, item by item, in batches of one commit each. An item whose user has moved on since the
//! plan was made is left alone and said so.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::base::id::{PlanId, SourceId, UserId};
use crate::directory::audit::{Author, Target};
use crate::directory::plan::{Cause, Counts, Plan, PlanItem, PlanStatus, Skipped, Step};
use crate::directory::user::{NewUser, RuleError};
use crate::store::audit::{self, Entry};
use crate::store::tx::Tx;
use crate::store::users::{self, WriteError};
use crate::store::{Pending, Store, StoreError, runs};

/// Users of one commit: readers wait for the length of a batch.
const BATCH: usize = 100;
/// Batches that are queued at a time: one is made while another is on its way to the disk.
const UNDER_WAY: usize = 3;

/// What applying came to.
#[derive(Debug, Default)]
pub struct Applied {
    /// What was written, of each kind.
    pub written: Counts,
    /// Items that were not, each with the reason.
    pub refused: Vec<Skipped>,
}

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
    #[error("{0} of its users have changed since the plan was made; run it again for a fresh one")]
    Stale(usize),
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

/// Writes the items of a plan. `lifetime` is the default one of new users.
///
/// # Errors
/// When the store fails; what was written before stays, and the next run takes it from there.
pub async fn apply(
    store: &Store,
    author: &Author,
    cause: &Cause,
    items: Vec<PlanItem>,
    lifetime: Option<Duration>,
) -> Result<Applied, StoreError> {
    let mut applied = Applied::default();
    let source = match cause {
        Cause::Source { id } => id.clone(),
        Cause::Sweep => SourceId::local(),
    };
    let items: Arc<[PlanItem]> = items.into();
    let mut under_way = VecDeque::new();
    for start in (0..items.len()).step_by(BATCH) {
        if under_way.len() >= UNDER_WAY {
            applied.add(under_way.pop_front()).await?;
        }
        let (items, author, source) = (items.clone(), author.clone(), source.clone());
        let batch = move |tx: &mut Tx<'_>| {
            let (mut written, mut refused) = (Counts::default(), Vec::new());
            for item in items.iter().skip(start).take(BATCH) {
                match tx.attempt(|tx| apply_item(tx, &author, &source, item, lifetime)) {
                    Ok(()) => written.note(&item.step),
                    Err(WriteError::Store(error)) => return Err(error),
                    Err(error) => refused.push(Skipped { label: item.label.clone(), problem: error.to_string() }),
                }
            }
            Ok((written, refused))
        };
        under_way.push_back(store.queue_bulk(batch).await?);
    }
    while let Some(batch) = under_way.pop_front() {
        applied.add(Some(batch)).await?;
    }
    Ok(applied)
}

impl Applied {
    /// Waits for a batch, and adds what it came to.
    async fn add(&mut self, batch: Option<Pending<(Counts, Vec<Skipped>), StoreError>>) -> Result<(), StoreError> {
        if let Some(batch) = batch {
            let (written, refused) = batch.done().await?;
            self.written = self.written.plus(written);
            self.refused.extend(refused);
        }
        Ok(())
    }
}

fn apply_item(
    tx: &mut Tx<'_>,
    author: &Author,
    source: &SourceId,
    item: &PlanItem,
    lifetime: Option<Duration>,
) -> Result<(), WriteError> {
    let author = author.clone().because(item.reason.clone());
    if let Step::Create { username, name, rest, disabled, .. } = &item.step {
        let new = NewUser {
            id: UserId::new(tx.now(), tx.rng()),
            username: username.clone(),
            name: name.clone(),
            source: source.clone(),
            rest: rest.as_ref().clone(),
            disabled: *disabled,
        };
        users::create(tx, &author, new, lifetime)?;
        return Ok(());
    }
    let Some(id) = item.user else { return Ok(()) };
    users::expect_revision(tx, id, item.revision)?;
    let seen = users::get(tx, id)?.map(|user| user.quiet_since());
    if item.quiet_since.is_some() && item.quiet_since != seen {
        let hint = "they were seen since the plan was made";
        return Err(RuleError::WrongState { state: "not quiet any more", hint }.into());
    }
    let actor = author.actor.clone();
    match item.step.clone() {
        Step::Update { change, .. } => users::update(tx, &author, id, "user.changed", |user, _| Ok(change.apply(user))),
        Step::Enable { change, restore } => users::update(tx, &author, id, "user.enabled", |user, now| {
            let user = if restore { user.restore(now)? } else { user };
            change.apply(user).enable(now)
        }),
        Step::Disable { reason } => {
            users::update(tx, &author, id, "user.disabled", |user, now| user.disable(reason, actor, now))
        }
        Step::Create { .. } | Step::Conflict { .. } => return Ok(()),
    }?;
    Ok(())
}

/// Applies exactly the held plan, if none of its users has moved on.
///
/// # Errors
/// When there is no such plan, it is decided, or the world has moved on.
pub async fn approve(
    store: &Store,
    author: &Author,
    id: PlanId,
    lifetime: Option<Duration>,
) -> Result<Applied, DecideError> {
    let plan = waiting(store, id)?;
    let items = runs::items(&store.view(), id, usize::MAX)?;
    let mut stale = 0_usize;
    for item in &items {
        if let Some(user) = item.user
            && users::expect_revision(&store.view(), user, item.revision).is_err()
        {
            stale = stale.saturating_add(1);
        }
    }
    if stale > 0 {
        return Err(DecideError::Stale(stale));
    }
    decide(store, author, id, "plan.approved", |at, by| PlanStatus::Applying { at, by }).await?;
    carry_out(store, author, plan, items, lifetime).await
}

/// Writes an approved plan to its end. Safe to repeat: what was written before has moved on and is left alone.
async fn carry_out(
    store: &Store,
    author: &Author,
    plan: Plan,
    items: Vec<PlanItem>,
    lifetime: Option<Duration>,
) -> Result<Applied, DecideError> {
    let changes = items.into_iter().filter(|item| !matches!(item.step, Step::Conflict { .. })).collect();
    let applied = apply(store, author, &plan.cause, changes, lifetime).await?;
    let by = author.actor.clone();
    let finish = move |tx: &mut Tx<'_>| {
        let status = PlanStatus::Approved { at: tx.now(), by: by.clone() };
        runs::drop_items(tx, plan.id)?;
        runs::put_plan(tx, &Plan { status, ..plan.clone() })
    };
    store.write::<_, StoreError>(finish).await?;
    Ok(applied)
}

/// Goes on with approved plans that an end of the daemon cut short. Gives their number.
///
/// # Errors
/// When the store fails.
pub async fn resume(store: &Store, lifetime: Option<Duration>) -> Result<usize, DecideError> {
    let plans = runs::list_plans(&store.view())?;
    let mut resumed = 0_usize;
    for plan in plans {
        let PlanStatus::Applying { by, .. } = plan.status.clone() else { continue };
        let items = runs::items(&store.view(), plan.id, usize::MAX)?;
        tracing::info!(plan.id = %plan.id, "going on with an approved plan");
        carry_out(store, &Author::of(by), plan, items, lifetime).await?;
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
    decide(store, author, id, "plan.rejected", |at, by| PlanStatus::Rejected { at, by }).await
}

fn waiting(store: &Store, id: PlanId) -> Result<Plan, DecideError> {
    let plan = runs::get_plan(&store.view(), id)?.ok_or(DecideError::NotFound)?;
    if plan.status == PlanStatus::Held { Ok(plan) } else { Err(DecideError::Decided) }
}

async fn decide(
    store: &Store,
    author: &Author,
    id: PlanId,
    action: &'static str,
    status: impl Fn(jiff::Timestamp, crate::directory::audit::Actor) -> PlanStatus + Send + 'static,
) -> Result<(), DecideError> {
    let author = author.clone();
    let decide = move |tx: &mut Tx<'_>| {
        let plan = runs::get_plan(tx, id)?.ok_or(DecideError::NotFound)?;
        if plan.status != PlanStatus::Held {
            return Err(DecideError::Decided);
        }
        let mut entry = Entry::new(action, target(&plan.cause));
        entry.details.insert("plan".to_owned(), id.to_string().into());
        let status = status(tx.now(), author.actor.clone());
        if matches!(status, PlanStatus::Rejected { .. }) {
            runs::drop_items(tx, id)?;
        }
        runs::put_plan(tx, &Plan { status, ..plan })?;
        audit::append(tx, &author, entry)?;
        Ok(())
    };
    store.write(decide).await
}

/// How the audit trail names what wanted the changes.
#[must_use]
pub fn target(cause: &Cause) -> Target {
    match cause {
        Cause::Source { id } => Target::Source { id: id.clone() },
        Cause::Sweep => Target::Directory,
    }
}
