//! Bulk changes and imports: one wish about many users, or a file of them.
//!
//! * `wish`: what is wanted of one user, and who may want it
//! * `planner`: what becomes of each, without writing anything
//! * `administrators`: that the last way in stays open
//! * `listed`: what an answer begins with
//! * `apply`: writes a plan page by page
//! * `progress`: how far a run is
//! * `decide`: plans that were held, and those that an end of the daemon cut short
//! * `undo`: takes a run back
//!
//! A run is noted before anything else. Then the plan is made, the guard looks, and what may be written is laid down in
//! pages, which are written one after the other: an end of the daemon loses none, and does none twice.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::base::id::{PlanId, RunId};
use crate::directory::audit::Author;
use crate::directory::plan::{Cause, Counts, Outcome, Outline, Plan, PlanStatus, Run};
use crate::store::audit;
use crate::store::pages::{self, Packed};
use crate::store::tx::Tx;
use crate::store::{Store, StoreError, runs};
use crate::sync::pass::Pass;
use crate::sync::plan;
use crate::sync::rules::Rules;

mod administrators;
mod apply;
mod decide;
mod listed;
mod planner;
mod progress;
mod record;
mod undo;
mod wish;

#[cfg(test)]
mod tests;

pub use listed::Listed;
pub use planner::{Draft, Planner};
pub use progress::{Phase, Progress, Seen};
pub use wish::{BulkChange, Gate, GroupWish, To, Wish};

/// Pages that one commit lays down.
const PAGES: usize = 20;
/// Plans of bulk changes, imports and what takes them back that wait for a person at a time.
const HELD_MAX: usize = 100;
/// Bulk changes of which the plans are made at a time: each reads all users.
const PLANNED_AT_ONCE: usize = 4;
/// Exports at a time, for the same reason; each goes at the pace of its reader.
const EXPORTED_AT_ONCE: usize = 8;
/// Files that come in at a time: each lies in memory.
const RECEIVED_AT_ONCE: usize = 4;

/// Runs bulk changes and imports.
pub struct Bulk {
    store: Arc<Store>,
    rules: Rules,
    /// The guard looks at one run at a time: two do not share what is left of the budget.
    guard: Arc<tokio::sync::Mutex<()>>,
    /// One file is read at a time: it may be large.
    reading: Arc<tokio::sync::Mutex<()>>,
    planning: Arc<tokio::sync::Semaphore>,
    exporting: Arc<tokio::sync::Semaphore>,
    receiving: Arc<tokio::sync::Semaphore>,
    /// Plans of which pages may lie about that are nobody's.
    strays: Arc<Mutex<BTreeSet<PlanId>>>,
    under_way: Arc<Mutex<BTreeMap<RunId, Arc<Progress>>>>,
    /// Something was cut short by a fault of the store.
    cut_short: Arc<Notify>,
}

/// Why a run was not settled.
#[derive(Debug, thiserror::Error)]
pub enum SettleError {
    /// As many plans wait as may.
    #[error("{HELD_MAX} plans wait for a person: decide some of them, then ask again")]
    TooManyHeld,
    /// The store's fault.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A run that has begun, and is noted.
pub struct Begun {
    /// Its name.
    pub id: RunId,
    /// How far it is.
    pub progress: Arc<Progress>,
    run: Run,
    /// Who asks for it.
    author: Author,
    /// The last audit line before its changes.
    before: u64,
}

/// What a run came to.
#[derive(Debug)]
pub struct Report {
    /// Its record.
    pub run: Run,
    /// The first of the users or rows.
    pub listed: Listed,
}

impl Begun {
    /// The run as it is laid down: its trail begins where it began, whoever ends it.
    fn laid_down(&self, counts: Counts) -> Run {
        Run { counts, trail: Some((self.before, self.before)), ..self.run.clone() }
    }
}

impl Bulk {
    /// Runs over a store, by these rules.
    #[must_use]
    pub fn new(store: Arc<Store>, rules: Rules) -> Self {
        Self {
            store,
            rules,
            guard: Arc::default(),
            reading: Arc::default(),
            planning: Arc::new(tokio::sync::Semaphore::new(PLANNED_AT_ONCE)),
            exporting: Arc::new(tokio::sync::Semaphore::new(EXPORTED_AT_ONCE)),
            receiving: Arc::new(tokio::sync::Semaphore::new(RECEIVED_AT_ONCE)),
            strays: Arc::default(),
            under_way: Arc::default(),
            cut_short: Arc::default(),
        }
    }

    /// The same by other rules: what is under way is so for both.
    #[must_use]
    pub fn by(&self, rules: Rules) -> Self {
        Self {
            store: self.store.clone(),
            rules,
            guard: self.guard.clone(),
            reading: self.reading.clone(),
            planning: self.planning.clone(),
            exporting: self.exporting.clone(),
            receiving: self.receiving.clone(),
            strays: self.strays.clone(),
            under_way: self.under_way.clone(),
            cut_short: self.cut_short.clone(),
        }
    }

    /// The turn of one file, held until its run has ended; `None`: another one is under way.
    #[must_use]
    pub fn turn(&self) -> Option<tokio::sync::OwnedMutexGuard<()>> {
        self.reading.clone().try_lock_owned().ok()
    }

    /// A turn to read all users for an export; `None`: as many others do as may.
    #[must_use]
    pub fn exporting_turn(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        self.exporting.clone().try_acquire_owned().ok()
    }

    /// A place for a file that comes in; `None`: as many others do as may.
    #[must_use]
    pub fn receiving_turn(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        self.receiving.clone().try_acquire_owned().ok()
    }

    /// A turn to make the plan of a bulk change; `None`: as many others are under way as may be.
    #[must_use]
    pub fn planning_turn(&self) -> Option<tokio::sync::OwnedSemaphorePermit> {
        self.planning.clone().try_acquire_owned().ok()
    }

    /// How far a run is; `None`: it is not under way.
    #[must_use]
    pub fn progress(&self, run: RunId) -> Option<Seen> {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).get(&run).map(|progress| progress.seen())
    }

    /// Begins a run, and notes it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn begin(&self, cause: Cause, author: &Author) -> Result<Begun, StoreError> {
        let started_at = self.store.clock().now();
        let id = RunId::new(started_at, self.store.rng());
        let run = Run {
            id,
            cause,
            started_at,
            ended_at: started_at,
            outcome: Outcome::Running,
            counts: Counts::default(),
            how: String::new(),
            trail: None,
            by: Some(author.actor.clone()),
            undone_by: None,
            skipped: Vec::new(),
            conflicts: Vec::new(),
        };
        let begun = Begun {
            id,
            progress: Arc::default(),
            author: Author { run: Some(id), ..author.clone() },
            before: audit::last(&self.store.view())?,
            run: run.clone(),
        };
        self.watch(id, begun.progress.clone());
        let noted = self.store.write(move |tx: &mut Tx<'_>| runs::put_run(tx, &run)).await;
        noted.inspect_err(|_: &StoreError| self.leave(id, &Err::<(), _>(())))?;
        Ok(begun)
    }

    /// Puts a run among those under way, unless it is.
    fn watch(&self, run: RunId, progress: Arc<Progress>) -> bool {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let is_new = !under_way.contains_key(&run);
        under_way.entry(run).or_insert(progress);
        is_new
    }

    /// It is under way no more. Where something failed, [`Bulk::resume`] sees what is left of it.
    fn leave<T, E>(&self, run: RunId, outcome: &Result<T, E>) {
        self.forget(run);
        if outcome.is_err() {
            self.cut_short.notify_one();
        }
    }

    fn forget(&self, run: RunId) {
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&run);
    }

    /// What a plan would do, and whether a person must approve it. Writes nothing.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn preview(&self, cause: Cause, draft: Draft) -> Result<Outline, StoreError> {
        let held = self.must_be_held(&cause, &draft)?;
        let Draft { counts, digest, listed, .. } = draft;
        Ok(Outline { cause, counts, digest, held, items: listed.into_items() })
    }

    fn must_be_held(&self, cause: &Cause, draft: &Draft) -> Result<Option<String>, StoreError> {
        let looked_at = plan::Draft { counts: draft.counts, active: draft.active, ..plan::Draft::default() };
        Pass::new(self.store.clone(), self.rules.clone()).must_be_held(cause, &looked_at, None)
    }

    /// Lets the guard look at the plan, then writes or holds it, to its end.
    ///
    /// # Errors
    /// When it would have to be held and no more may be, or the store fails: then it goes on by itself later.
    pub async fn settle(&self, begun: Begun, draft: Draft) -> Result<Report, SettleError> {
        let id = begun.id;
        let settled = self.guard_and_write(begun, draft).await;
        self.leave(id, &settled);
        settled
    }

    async fn guard_and_write(&self, begun: Begun, draft: Draft) -> Result<Report, SettleError> {
        let looking = self.guard.lock().await;
        if let Some(why) = self.must_be_held(&begun.run.cause, &draft)? {
            return self.hold(begun, draft, why).await;
        }
        let planned = draft.counts.changes();
        begun.progress.writes(planned);
        let Draft { pages, counts, digest, .. } = draft;
        let plan = self.plan_of(
            &begun,
            counts,
            digest,
            String::new(),
            PlanStatus::Applying { at: self.store.clock().now(), by: begun.author.actor.clone() },
        );
        // From here on what it takes away counts against the budget.
        let run = begun.laid_down(counts);
        self.lay_down(&plan, pages, run.clone(), None).await?;
        drop(looking);
        Ok(self.write(&plan, run, &begun.author, &begun.progress).await?)
    }

    fn plan_of(&self, begun: &Begun, counts: Counts, digest: String, why: String, status: PlanStatus) -> Plan {
        let now = self.store.clock().now();
        Plan {
            id: PlanId::new(now, self.store.rng()),
            run: begun.id,
            cause: begun.run.cause.clone(),
            wished_by: Some(begun.author.actor.clone()),
            created_at: now,
            counts,
            digest,
            held_because: why,
            then: None,
            status,
        }
    }

    /// Lays the pages of a plan down, and with the last of them the plan and its run: without those they are nothing.
    async fn lay_down(
        &self,
        plan: &Plan,
        pages: Vec<Packed>,
        run: Run,
        author: Option<Author>,
    ) -> Result<(), StoreError> {
        let laid_down = self.lay_pages(plan, pages, run, author).await;
        if laid_down.is_err() {
            self.strays.lock().unwrap_or_else(PoisonError::into_inner).insert(plan.id);
        }
        laid_down
    }

    async fn lay_pages(
        &self,
        plan: &Plan,
        pages: Vec<Packed>,
        run: Run,
        author: Option<Author>,
    ) -> Result<(), StoreError> {
        let id = plan.id;
        let (mut number, mut rest) = (0_u64, pages.into_iter());
        loop {
            let some: Vec<(u64, Packed)> = (number..).zip(rest.by_ref().take(PAGES)).collect();
            let Some((last, _)) = some.last() else { break };
            number = last.saturating_add(1);
            let lay = move |tx: &mut Tx<'_>| {
                some.iter().for_each(|(number, page)| pages::put(tx, id, *number, page));
                Ok::<_, StoreError>(())
            };
            self.store.write_bulk(lay).await?;
        }
        let plan = plan.clone();
        let note = move |tx: &mut Tx<'_>| {
            runs::put_plan(tx, &plan)?;
            record::put(tx, &run, author.as_ref())
        };
        self.store.write(note).await
    }

    /// Holds a plan until a person approves it. The same wish again, while it waits, is the same plan; one that sets
    /// passwords never is, since others may have been given.
    async fn hold(&self, begun: Begun, draft: Draft, why: String) -> Result<Report, SettleError> {
        let Draft { pages, counts, digest, sets_passwords, listed, .. } = draft;
        let is_same = |plan: &Plan| plan.cause == begun.run.cause && plan.digest == digest;
        let mut all = runs::list_plans(&self.store.view())?;
        all.retain(|plan| plan.status == PlanStatus::Held && plan.cause.is_by_hand());
        let number = all.len();
        let waiting = all.into_iter().find(|plan| !sets_passwords && is_same(plan));
        if waiting.is_none() && number >= HELD_MAX {
            self.fail(begun, SettleError::TooManyHeld.to_string()).await?;
            return Err(SettleError::TooManyHeld);
        }
        let ended_at = self.store.clock().now();
        let held = |plan: PlanId| {
            let outcome = Outcome::Held { plan, why: why.clone() };
            Run { outcome, counts, ended_at, ..begun.run.clone() }
        };
        let run = match waiting {
            Some(same) => {
                let run = held(same.id);
                self.end(run.clone(), begun.author).await?;
                run
            }
            None => {
                let plan = self.plan_of(&begun, counts, digest, why.clone(), PlanStatus::Held);
                let run = held(plan.id);
                self.lay_down(&plan, pages, run.clone(), Some(begun.author)).await?;
                crate::sync::record::log(&run, false);
                run
            }
        };
        Ok(Report { run, listed })
    }
}
