//! Runs, and the plans that were held, item by item.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use crate::base::clock::{minus, plus};
use crate::base::id::{PlanId, RunId, UserId};
use crate::directory::plan::{Cause, Outcome, Plan, PlanItem, PlanStatus, Run};
use crate::directory::policy::days;
use crate::store::engine::{KeyRange, Order, Row};
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx, get_record};
use crate::store::{StoreError, pages};

/// What was taken out counts against the budget of the guard for so long.
pub const GUARDED: Duration = days(1);
/// Most runs that are kept.
const RUNS_MAX: usize = 1_000;
/// A person's no counts for a while, and its plan is kept for longer than that.
const NO_COUNTS: Duration = days(30);
/// Most plans that are kept, besides those that wait, are under way, or were said no to of late.
const PLANS_MAX: usize = 200;
/// What became of each user or row of a run is kept for so long,
const PAGES_KEPT: Duration = days(30);
/// and of so many runs.
const PAGED_RUNS_MAX: usize = 100;
/// Runs that are read at a time.
const CHUNK: usize = 50;

/// Keeps a run.
///
/// # Errors
/// When the record cannot be encoded.
pub fn put_run(tx: &mut Tx<'_>, run: &Run) -> Result<(), StoreError> {
    tx.put_record(Space::Run.key(&[run.id.as_bytes()]), run)
}

/// Drops the oldest runs past the most that are kept, unless they are still needed, and the oldest plans of those that
/// wait for nobody any more. Some at a time.
///
/// # Errors
/// When the store cannot read.
pub fn prune(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    for run in past_the_most(tx, tx.now())? {
        tx.remove(Space::Run.key(&[run.as_bytes()]));
    }
    prune_pages(tx)?;
    let now = tx.now();
    let is_decided = |plan: &Plan| match plan.status {
        PlanStatus::Held | PlanStatus::Applying { .. } => false,
        PlanStatus::Rejected { at, .. } => plus(at, NO_COUNTS) <= now,
        PlanStatus::Approved { .. } | PlanStatus::Superseded { .. } => true,
    };
    for plan in list_plans(tx)?.into_iter().skip(PLANS_MAX).filter(is_decided).take(CHUNK) {
        drop_items(tx, plan.id)?;
        tx.remove(Space::Plan.key(&[plan.id.as_bytes()]));
    }
    Ok(())
}

/// Some of the runs past the most that are kept: those that have ended, count against no budget any more, and whose plan
/// waits for nobody.
fn past_the_most(reads: &dyn Reads, now: Timestamp) -> Result<Vec<RunId>, StoreError> {
    let open = with_open_plan(reads)?;
    let (mut met, mut past) = (0_usize, Vec::new());
    each_row(reads, None, |(key, bytes)| {
        met = met.saturating_add(1);
        if met > RUNS_MAX {
            // One that cannot be read any more is needed by nobody.
            let is_needed = super::codec::decode(bytes).is_ok_and(|run: Run| {
                run.outcome == Outcome::Running || open.contains(&run.id) || run.started_at >= minus(now, GUARDED)
            });
            past.extend(super::keys::trailing_id(key).filter(|_| !is_needed).map(RunId::from_bytes));
        }
        Ok(past.len() < CHUNK)
    })?;
    Ok(past)
}

/// The runs whose plan waits for somebody, or is being written.
fn with_open_plan(reads: &dyn Reads) -> Result<BTreeSet<RunId>, StoreError> {
    let is_open = |plan: &Plan| matches!(plan.status, PlanStatus::Held | PlanStatus::Applying { .. });
    Ok(list_plans(reads)?.iter().filter(|plan| is_open(plan)).map(|plan| plan.run).collect())
}

/// Drops what became of each user or row of old runs, some at a time: the run itself stays.
fn prune_pages(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let (end, open) = (minus(tx.now(), PAGES_KEPT), with_open_plan(tx)?);
    for (number, run) in pages::runs(tx)?.into_iter().rev().enumerate() {
        let is_recent = number < PAGED_RUNS_MAX && get_run(tx, run)?.is_some_and(|run| run.ended_at > end);
        let is_kept = is_recent || open.contains(&run);
        if !is_kept {
            pages::remove_some_results(tx, run)?;
        }
    }
    Ok(())
}

/// The run of this id.
///
/// # Errors
/// When the store cannot read.
pub fn get_run(reads: &dyn Reads, id: RunId) -> Result<Option<Run>, StoreError> {
    get_record(reads, &Space::Run.key(&[id.as_bytes()]))
}

/// Shows the runs, newest first, from the one before `before` on, until `visit` says no more.
fn each_run(reads: &dyn Reads, before: Option<RunId>, mut visit: impl FnMut(Run) -> bool) -> Result<(), StoreError> {
    each_row(reads, before, |(_, bytes)| Ok(visit(super::codec::decode(bytes)?)))
}

/// The same as they are stored.
fn each_row(
    reads: &dyn Reads,
    before: Option<RunId>,
    mut visit: impl FnMut(&Row) -> Result<bool, StoreError>,
) -> Result<(), StoreError> {
    let prefix = Space::Run.key(&[]);
    let mut range = match before {
        Some(before) => KeyRange::prefix_before(&prefix, Space::Run.key(&[before.as_bytes()])),
        None => KeyRange::prefix(&prefix),
    };
    loop {
        let rows = reads.scan(&range, Order::Descending, CHUNK)?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        range = KeyRange::prefix_before(&prefix, last.clone());
        for row in &rows {
            if !visit(row)? {
                return Ok(());
            }
        }
    }
}

/// The last runs, newest first: of one cause or of all.
///
/// # Errors
/// When the store cannot read.
pub fn list_runs(reads: &dyn Reads, cause: Option<&Cause>, limit: usize) -> Result<Vec<Run>, StoreError> {
    runs_before(reads, cause, None, limit)
}

/// The same, of those that began before one of them.
///
/// # Errors
/// When the store cannot read.
pub fn runs_before(
    reads: &dyn Reads,
    cause: Option<&Cause>,
    before: Option<RunId>,
    limit: usize,
) -> Result<Vec<Run>, StoreError> {
    let mut runs = Vec::new();
    each_run(reads, before, |run| {
        if cause.is_none_or(|cause| run.cause == *cause) {
            runs.push(run);
        }
        runs.len() < limit
    })?;
    Ok(runs)
}

/// The runs by hand that have not ended: those that are noted as under way, and those of plans that are being applied.
///
/// # Errors
/// When the store cannot read.
pub fn unfinished(reads: &dyn Reads) -> Result<BTreeSet<RunId>, StoreError> {
    let applying = list_plans(reads)?.into_iter();
    let applying =
        applying.filter(|plan| plan.cause.is_by_hand() && matches!(plan.status, PlanStatus::Applying { .. }));
    let mut unfinished: BTreeSet<RunId> = applying.map(|plan| plan.run).collect();
    each_run(reads, None, |run| {
        if run.outcome == Outcome::Running {
            unfinished.insert(run.id);
        }
        true
    })?;
    Ok(unfinished)
}

/// How many users the runs of a cause have taken out since then, without those that a person approved or took back.
///
/// # Errors
/// When the store cannot read.
pub fn lost_since(reads: &dyn Reads, cause: &Cause, since: Timestamp) -> Result<usize, StoreError> {
    let mut lost = 0_usize;
    each_run(reads, None, |run| {
        // What is under way counts as if it were done.
        let is_written = matches!(run.outcome, Outcome::Applied | Outcome::Running);
        let counts = is_written && run.undone_by.is_none() && run.started_at >= since;
        if run.cause.shares_budget_with(cause) && counts {
            lost = lost.saturating_add(run.counts.lost());
        }
        run.started_at >= since
    })?;
    Ok(lost)
}

/// Ends the plans of a cause that still wait.
///
/// # Errors
/// When the store cannot read.
pub fn supersede(tx: &mut Tx<'_>, cause: &Cause, now: Timestamp) -> Result<(), StoreError> {
    for earlier in list_plans(tx)? {
        if earlier.cause == *cause && earlier.status == PlanStatus::Held {
            drop_items(tx, earlier.id)?;
            put_plan(tx, &Plan { status: PlanStatus::Superseded { at: now }, ..earlier })?;
        }
    }
    Ok(())
}

/// Keeps a held plan with its items; an earlier one of the same cause that still waits is superseded.
///
/// # Errors
/// When the store cannot read.
pub fn hold_plan(tx: &mut Tx<'_>, plan: &Plan, items: &[PlanItem]) -> Result<(), StoreError> {
    supersede(tx, &plan.cause, tx.now())?;
    for (number, item) in items.iter().enumerate() {
        let number = u64::try_from(number).unwrap_or(u64::MAX).to_be_bytes();
        tx.put_record(Space::PlanItem.key(&[plan.id.as_bytes(), &number]), item)?;
    }
    put_plan(tx, plan)
}

/// Sets what a plan that grows has for a user, or takes it out; gives what it had.
///
/// # Errors
/// When the store cannot read.
pub fn put_item_of(
    tx: &mut Tx<'_>,
    plan: PlanId,
    user: UserId,
    item: Option<&PlanItem>,
) -> Result<Option<PlanItem>, StoreError> {
    let key = Space::PlanItem.key(&[plan.as_bytes(), user.as_bytes()]);
    let before = get_record(tx, &key)?;
    match item {
        Some(item) => tx.put_record(key, item)?,
        None => tx.remove(key),
    }
    Ok(before)
}

/// Writes a plan's header.
///
/// # Errors
/// When the record cannot be encoded.
pub fn put_plan(tx: &mut Tx<'_>, plan: &Plan) -> Result<(), StoreError> {
    tx.put_record(Space::Plan.key(&[plan.id.as_bytes()]), plan)
}

/// Forgets a plan that nobody had to decide.
pub fn remove_plan(tx: &mut Tx<'_>, id: PlanId) {
    tx.remove(Space::Plan.key(&[id.as_bytes()]));
}

/// Drops the items of a plan that is decided.
///
/// # Errors
/// When the store cannot read.
pub fn drop_items(tx: &mut Tx<'_>, id: PlanId) -> Result<(), StoreError> {
    let rows = tx.scan(&KeyRange::prefix(&Space::PlanItem.key(&[id.as_bytes()])), Order::Ascending, usize::MAX)?;
    rows.into_iter().for_each(|(key, _)| tx.remove(key));
    Ok(())
}

/// Drops the items of plans that were rejected before a time.
///
/// # Errors
/// When the store cannot read.
pub fn drop_refused(tx: &mut Tx<'_>, before: Timestamp) -> Result<(), StoreError> {
    for plan in list_plans(tx)? {
        if matches!(plan.status, PlanStatus::Rejected { at, .. } if at < before) {
            drop_items(tx, plan.id)?;
        }
    }
    Ok(())
}

/// The plan of this id.
///
/// # Errors
/// When the store cannot read.
pub fn get_plan(reads: &dyn Reads, id: PlanId) -> Result<Option<Plan>, StoreError> {
    get_record(reads, &Space::Plan.key(&[id.as_bytes()]))
}

/// All plans, newest first.
///
/// # Errors
/// When the store cannot read.
pub fn list_plans(reads: &dyn Reads) -> Result<Vec<Plan>, StoreError> {
    plans_before(reads, None, usize::MAX)
}

/// So many plans at most, newest first, of those that were made before one of them.
///
/// # Errors
/// When the store cannot read.
pub fn plans_before(reads: &dyn Reads, before: Option<PlanId>, limit: usize) -> Result<Vec<Plan>, StoreError> {
    let prefix = Space::Plan.key(&[]);
    let range = match before {
        Some(before) => KeyRange::prefix_before(&prefix, Space::Plan.key(&[before.as_bytes()])),
        None => KeyRange::prefix(&prefix),
    };
    let rows = reads.scan(&range, Order::Descending, limit)?;
    rows.iter().map(|(_, bytes)| super::codec::decode(bytes)).collect()
}

/// A plan's items, in order.
///
/// # Errors
/// When the store cannot read.
pub fn items(reads: &dyn Reads, id: PlanId, limit: usize) -> Result<Vec<PlanItem>, StoreError> {
    Ok(items_after(reads, id, None, limit)?.into_iter().map(|(_, item)| item).collect())
}

/// So many of a plan's items at most, in order, each with its place; those after a place.
///
/// # Errors
/// When the store cannot read.
pub fn items_after(
    reads: &dyn Reads,
    id: PlanId,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<(Vec<u8>, PlanItem)>, StoreError> {
    let prefix = Space::PlanItem.key(&[id.as_bytes()]);
    let range = match after {
        Some(place) => KeyRange::prefix_after(&prefix, [&prefix[..], place].concat()),
        None => KeyRange::prefix(&prefix),
    };
    let rows = reads.scan(&range, Order::Ascending, limit)?;
    let item = |(key, bytes): &(Vec<u8>, Vec<u8>)| {
        let place = key.get(prefix.len()..).unwrap_or_default().to_vec();
        Ok((place, super::codec::decode(bytes)?))
    };
    match rows.is_empty() {
        true => pages::items_after(reads, id, after, limit),
        false => rows.iter().map(item).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::base::id::RunId;
    use crate::base::rng::Rng;
    use crate::directory::audit::Actor;
    use crate::directory::plan::{Counts, Entry, Fate, Step};
    use crate::directory::user::tests::user;
    use crate::store::Store;
    use crate::store::pages::{Packed, Page};

    #[tokio::test]
    async fn old_plans_go_once_they_are_decided_and_those_that_wait_stay() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let rng = Rng::seeded(1);
        let plan = move |second: i64| Plan {
            id: PlanId::new(at(second), &rng),
            run: RunId::new(at(second), &rng),
            cause: Cause::Sweep,
            wished_by: None,
            created_at: at(second),
            counts: Counts::default(),
            digest: String::new(),
            held_because: "too many".to_owned(),
            then: None,
            status: match second {
                0 => PlanStatus::Held,
                _ => PlanStatus::Rejected { at: at(second), by: Actor::Anonymous },
            },
        };
        let clock = Clock::manual(at(1_000));
        let store = Store::in_memory(clock.clone(), Rng::seeded(2)).unwrap();
        let fill = move |tx: &mut Tx<'_>| (0..=300).try_for_each(|second| put_plan(tx, &plan(second)));
        store.write::<_, StoreError>(fill).await.unwrap();
        store.write(|tx: &mut Tx<'_>| prune(tx)).await.unwrap();
        assert_eq!(list_plans(&store.view()).unwrap().len(), 301, "a no still counts");
        clock.advance(jiff::SignedDuration::from_hours(24 * 31));
        for _ in 0..5 {
            store.write(|tx: &mut Tx<'_>| prune(tx)).await.unwrap();
        }
        let left = list_plans(&store.view()).unwrap();
        assert_eq!(left.len(), PLANS_MAX + 1);
        assert!(left.last().unwrap().status == PlanStatus::Held && left[0].created_at == at(300));
    }

    fn item(name: &str) -> PlanItem {
        PlanItem::of_user(&user(name, Timestamp::UNIX_EPOCH), Step::Remove, "is gone".to_owned())
    }

    /// The names of all items of a plan, read so many at a time.
    fn names(reads: &dyn Reads, plan: PlanId, limit: usize) -> Vec<String> {
        let (mut names, mut after) = (Vec::new(), None);
        loop {
            let found = items_after(reads, plan, after.as_deref(), limit).unwrap();
            assert!(found.len() <= limit);
            let Some((place, _)) = found.last() else { return names };
            after = Some(place.clone());
            names.extend(found.into_iter().map(|(_, item)| item.label));
        }
    }

    #[tokio::test]
    async fn the_items_of_a_plan_are_the_same_by_any_page_whether_it_lies_item_by_item_or_in_pages() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let store = Store::in_memory(clock, Rng::seeded(2)).unwrap();
        let rng = Rng::seeded(1);
        let [plain, growing, paged] =
            [1, 2, 3].map(|second| PlanId::new(Timestamp::from_second(second).unwrap(), &rng));
        let planned = |name: &str| Fate::Planned { item: Box::new(item(name)) };
        let entry = |label: &str, fate| Entry { line: None, label: label.to_owned(), user: None, fate };
        let pages = [
            vec![entry("ada", planned("ada")), entry("bob", Fate::Unchanged), entry("cyd", planned("cyd"))],
            vec![entry("dan", Fate::Unchanged)],
            vec![entry("eve", Fate::Refused { faults: Vec::new() }), entry("fay", planned("fay"))],
        ];
        let pages = pages.map(|entries| Packed::of(&Page { entries, ..Page::default() }).unwrap());
        let fill = move |tx: &mut Tx<'_>| {
            for (number, name) in (0_u64..).zip(["ada", "cyd", "fay"]) {
                tx.put_record(Space::PlanItem.key(&[plain.as_bytes(), &number.to_be_bytes()]), &item(name))?;
                let id = UserId::from_bytes([u8::try_from(number).unwrap(); 16]);
                put_item_of(tx, growing, id, Some(&item(name)))?;
            }
            (0_u64..).zip(&pages).for_each(|(number, page)| pages::put(tx, paged, number, page));
            Ok::<_, StoreError>(())
        };
        store.write(fill).await.unwrap();
        for plan in [plain, growing, paged] {
            for limit in 1..=4 {
                assert_eq!(names(&store.view(), plan, limit), ["ada", "cyd", "fay"], "{limit} at a time");
            }
        }
        assert!(items_after(&store.view(), paged, Some(b"nowhere"), 9).unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_run_is_kept_while_it_is_under_way_its_plan_waits_or_the_guard_counts_it() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let rng = Rng::seeded(1);
        let run = move |second: i64, outcome: Outcome| Run {
            id: RunId::new(at(second), &rng),
            cause: Cause::Bulk,
            started_at: at(second),
            ended_at: at(second),
            outcome,
            counts: Counts { disable: 1, ..Counts::default() },
            how: String::new(),
            trail: None,
            by: None,
            undone_by: None,
            skipped: Vec::new(),
            conflicts: Vec::new(),
        };
        let (held, running) = (run(0, Outcome::Applied), run(1, Outcome::Running));
        let plan = Plan {
            id: PlanId::new(at(0), &Rng::seeded(3)),
            run: held.id,
            cause: Cause::Bulk,
            wished_by: None,
            created_at: at(0),
            counts: Counts::default(),
            digest: String::new(),
            held_because: "too many".to_owned(),
            then: None,
            status: PlanStatus::Held,
        };
        let kept = [held.id, running.id];
        let clock = Clock::manual(at(2_000));
        let store = Store::in_memory(clock.clone(), Rng::seeded(2)).unwrap();
        let fill = move |tx: &mut Tx<'_>| {
            put_plan(tx, &plan)?;
            put_run(tx, &held)?;
            put_run(tx, &running)?;
            (2..=1_100).try_for_each(|second| put_run(tx, &run(second, Outcome::Applied)))
        };
        store.write::<_, StoreError>(fill).await.unwrap();
        let left = || list_runs(&store.view(), None, usize::MAX).unwrap();
        for _ in 0..5 {
            store.write(|tx: &mut Tx<'_>| prune(tx)).await.unwrap();
        }
        assert_eq!(left().len(), 1_101, "all of them count against the budget");
        assert_eq!(lost_since(&store.view(), &Cause::Import, at(0)).unwrap(), 1_101);
        clock.advance(jiff::SignedDuration::from_hours(25));
        for _ in 0..5 {
            store.write(|tx: &mut Tx<'_>| prune(tx)).await.unwrap();
        }
        assert_eq!(left().len(), RUNS_MAX + 2);
        assert!(kept.iter().all(|id| get_run(&store.view(), *id).unwrap().is_some()));
    }
}
