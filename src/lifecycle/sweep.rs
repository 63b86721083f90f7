//! The sweep: disables who has expired or gone quiet, through plan and guard. It waits while the clock is in doubt, and
//! what waits for a person is not asked for again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;

use super::clock;
use super::look::Look;
use super::rules::{self, Person, Quiet};
use super::settings::Settings;
use super::upcoming::LISTED;
use crate::base::clock::plus;
use crate::base::id::{RunId, UserId};
use crate::directory::audit::{Actor, Author};
use crate::directory::notice::Told;
use crate::directory::plan::{Cause, Counts, Outcome, Plan, PlanItem, PlanStatus, Run};
use crate::directory::policy::days;
use crate::directory::role;
use crate::directory::user::{DisabledReason, User};
use crate::store::clock::Paused;
use crate::store::tx::{Reads, View};
use crate::store::{Store, StoreError, runs, tally, tasks, users};
use crate::sync::pass::{Pass, Planned};
use crate::sync::plan::Draft;
use crate::sync::rules::Rules;
use crate::tasks::schedule::Schedule;
use crate::tasks::{Task, Work};

/// Most users that one sweep looks at; the rest comes with the next.
const MOST: usize = 100_000;
/// What waits for a person is asked for anew after a day, where more are due by then.
const ASK_AGAIN: u64 = 1;
/// A person's no holds for a week.
pub(super) const NO_HOLDS: u64 = 7;

/// The sweep of one daemon.
pub struct Sweep {
    store: Arc<Store>,
    settings: Arc<Settings>,
    /// Lets one sweep run at a time.
    lease: Arc<tokio::sync::Mutex<()>>,
    /// Lets one look ahead be under way: each may cost much.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// What a sweep would do.
#[derive(Debug)]
pub struct Preview {
    /// Who would be disabled, and why.
    pub items: Vec<PlanItem>,
    /// How many are not listed.
    pub more: usize,
    /// How many of what.
    pub counts: Counts,
    /// Why it would be held, if it would.
    pub held: Option<String>,
    /// Why no sweep runs now, if none does.
    pub paused: Option<Paused>,
}

/// Why there was no sweep.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The clock is in doubt.
    #[error("the clock is in doubt: {}", .0.why)]
    Paused(Paused),
    /// The store's fault.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Sweep {
    /// A sweep over this store.
    #[must_use]
    pub fn new(store: Arc<Store>, settings: Arc<Settings>) -> Self {
        Self { store, settings, lease: Arc::default(), turn: Arc::default() }
    }

    /// The same sweep by other settings: one of both runs at a time.
    #[must_use]
    pub fn by(&self, settings: Arc<Settings>) -> Self {
        Self { store: self.store.clone(), settings, lease: self.lease.clone(), turn: self.turn.clone() }
    }

    /// The settings that it goes by.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The turn of one look ahead, which is held until it has ended; `None`: another is under way.
    #[must_use]
    pub fn turn(&self) -> Option<tokio::sync::OwnedMutexGuard<()>> {
        self.turn.clone().try_lock_owned().ok()
    }

    pub(super) fn view(&self) -> View<'_> {
        self.store.view()
    }

    pub(super) fn now(&self) -> Timestamp {
        self.store.clock().now()
    }

    /// What a sweep at `at` would do if nobody came until then. Writes nothing.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn preview(&self, at: Timestamp) -> Result<Preview, StoreError> {
        self.preview_of(at, LISTED)
    }

    pub(super) fn preview_of(&self, at: Timestamp, listed: usize) -> Result<Preview, StoreError> {
        let view = self.store.view();
        let mut draft = self.plan(&view, at)?;
        let held = self.pass().must_be_held_at(&Cause::Sweep, &draft, None, at)?;
        let paused = crate::store::clock::paused(&view)?;
        let more = draft.items.len().saturating_sub(listed);
        draft.items.truncate(listed);
        Ok(Preview { items: draft.items, more, counts: draft.counts, held, paused })
    }

    /// Sweeps now, because somebody asks for it.
    ///
    /// # Errors
    /// When the clock is in doubt or the store fails.
    pub async fn sweep(&self, by: Author) -> Result<Run, SweepError> {
        let _lease = self.lease.lock().await;
        if let Some(paused) = clock::check(&self.store).await? {
            return Err(SweepError::Paused(paused));
        }
        Ok(self.run_as(by, false).await?)
    }

    /// Sweeps because it is time to: leaves no record where nobody is due, and asks nobody twice.
    async fn sweep_in_time(&self) -> Result<String, StoreError> {
        let _lease = self.lease.lock().await;
        if let Some(paused) = clock::check(&self.store).await? {
            return Ok(format!("paused: {}", paused.why));
        }
        let run = self.run_as(Author::of(Actor::System { part: "sweep".to_owned() }), true).await?;
        Ok(match run.outcome {
            Outcome::Held { why, .. } => format!("held: {why}"),
            _ => format!("{} disabled", run.counts.disable),
        })
    }

    async fn run_as(&self, by: Author, in_time: bool) -> Result<Run, StoreError> {
        let started_at = self.store.clock().now();
        let id = RunId::new(started_at, self.store.rng());
        let mut draft = self.plan(&self.store.view(), started_at)?;
        if in_time {
            leave_out(&mut draft, &refused(&self.store.view(), started_at)?);
        }
        if in_time && let Some((plan, why)) = self.asked_already(&draft, started_at)? {
            // It is the run of the plan that waits: no other one is noted.
            return Ok(asked_before(&plan, why, draft.counts, started_at));
        }
        let ended = self.pass().finish(id, &Cause::Sweep, Planned::of(draft), None, None, &by).await?;
        let ended = if in_time { ended.noted_if_any() } else { ended };
        self.pass().keep(id, Cause::Sweep, started_at, ended, by).await
    }

    /// A plan of an earlier sweep that says what this one would: it still waits, and all of it is still true.
    fn asked_already(&self, draft: &Draft, now: Timestamp) -> Result<Option<(Plan, String)>, StoreError> {
        if self.pass().must_be_held(&Cause::Sweep, draft, None)?.is_none() {
            return Ok(None);
        }
        let view = self.store.view();
        let plans = runs::list_plans(&view)?.into_iter();
        let is_fresh = |plan: &Plan| plan.status == PlanStatus::Held && plus(plan.created_at, days(ASK_AGAIN)) > now;
        for plan in plans.filter(|plan| plan.cause == Cause::Sweep && is_fresh(plan)) {
            let wanted: BTreeSet<_> = draft.items.iter().map(same).collect();
            let items = runs::items(&view, plan.id, usize::MAX)?;
            if !items.is_empty() && items.iter().all(|item| wanted.contains(&same(item))) {
                let why = plan.held_because.clone();
                return Ok(Some((plan, why)));
            }
        }
        Ok(None)
    }

    pub(super) fn pass(&self) -> Pass {
        let rules = Rules { budget: self.settings.budget, users: self.settings.users.clone(), ..Rules::default() };
        Pass::new(self.store.clone(), rules)
    }

    /// The plan of a sweep at `at`: of now, or of a time ahead.
    fn plan(&self, reads: &dyn Reads, at: Timestamp) -> Result<Draft, StoreError> {
        let look = Look { reads, settings: &self.settings };
        let mut people = look.due(at, MOST)?;
        let now = self.store.clock().now();
        if at > now {
            let last = tasks::last_run(reads, super::notices::NAME)?;
            people.iter_mut().for_each(|person| foresee(person, &self.settings.notices.schedule, last, now));
        }
        self.draft(reads, &people, at)
    }

    /// The plan for these people at `at`.
    pub(super) fn draft(&self, reads: &dyn Reads, people: &[Person], at: Timestamp) -> Result<Draft, StoreError> {
        let others_stay = others_stay(reads, people, at)?;
        let (items, counts) = rules::plan(people, others_stay, at);
        let active = usize::try_from(tally::total(reads)?.active).unwrap_or(usize::MAX);
        Ok(Draft { items, counts, active, ..Draft::default() })
    }
}

fn asked_before(plan: &Plan, why: String, counts: Counts, now: Timestamp) -> Run {
    Run {
        id: plan.run,
        cause: Cause::Sweep,
        started_at: now,
        ended_at: now,
        outcome: Outcome::Held { plan: plan.id, why },
        counts,
        how: String::new(),
        trail: None,
        by: None,
        undone_by: None,
        skipped: Vec::new(),
        conflicts: Vec::new(),
    }
}

/// What makes an item of one plan the same as one of another.
pub(super) type Same = (Option<UserId>, Option<u64>, Option<Timestamp>);

fn same(item: &PlanItem) -> Same {
    (item.user, item.revision, item.quiet_since)
}

/// What the item of this person is at `at`, if there is one.
pub(super) fn wish(person: &Person, at: Timestamp) -> Option<Same> {
    let reason = person.due(at)?;
    let quiet_since = (reason == DisabledReason::Inactivity).then(|| person.user.quiet_since());
    Some((Some(person.user.id), Some(person.user.revision), quiet_since))
}

/// What a person said no to a short while ago, and until when that holds.
pub(super) fn refused(reads: &dyn Reads, now: Timestamp) -> Result<BTreeMap<Same, Timestamp>, StoreError> {
    let mut refused = BTreeMap::new();
    for plan in runs::list_plans(reads)?.into_iter().filter(|plan| plan.cause == Cause::Sweep) {
        let PlanStatus::Rejected { at, .. } = plan.status else { continue };
        let until = plus(at, days(NO_HOLDS));
        if at > now || until <= now {
            continue;
        }
        for item in runs::items(reads, plan.id, usize::MAX)? {
            let holds = refused.entry(same(&item)).or_insert(until);
            *holds = until.max(*holds);
        }
    }
    Ok(refused)
}

/// Takes out of a plan what a person said no to.
fn leave_out(draft: &mut Draft, refused: &BTreeMap<Same, Timestamp>) {
    draft.items.retain(|item| !refused.contains_key(&same(item)));
    let left_out = draft.counts.disable.saturating_sub(draft.items.len());
    draft.counts.disable = draft.items.len();
    draft.counts.unchanged = draft.counts.unchanged.saturating_add(left_out);
}

/// The notice that will have been written by the time it matters, if nothing comes between.
pub(super) fn foresee(person: &mut Person, schedule: &Schedule, last: Option<Timestamp>, now: Timestamp) {
    let Quiet::TellFirst(from, due) = person.quiet() else { return };
    let Some((at, lead)) = schedule.first_from(last, from.max(now)).zip(person.lead) else { return };
    let due = due.max(plus(at, lead));
    person.told = Some(Told { due, at, quiet_since: Some(person.user.quiet_since()), sent: true });
}

/// May an administrator come in whom no sweep at `at` takes away, of those who are not among these?
fn others_stay(reads: &dyn Reads, people: &[Person], at: Timestamp) -> Result<bool, StoreError> {
    if !people.iter().any(|person| person.user.is_system_admin()) {
        return Ok(true);
    }
    let due = people.iter().filter(|person| person.due(at).is_some());
    let due: BTreeSet<UserId> = due.map(|person| person.user.id).collect();
    for id in users::holders(reads, role::SYSTEM_ADMIN, usize::MAX)? {
        let stays = |user: User| user.is_valid(at) && user.expires_at.is_none();
        if !due.contains(&id) && users::get(reads, id)?.is_some_and(stays) {
            return Ok(true);
        }
    }
    Ok(false)
}

impl Task for Sweep {
    fn name(&self) -> &str {
        "sweep"
    }

    fn schedule(&self) -> &Schedule {
        &self.settings.schedule
    }

    fn run(&self) -> Work<'_, Result<String, String>> {
        Box::pin(async { self.sweep_in_time().await.map_err(|error| error.to_string()) })
    }
}
