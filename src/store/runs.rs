//! Runs, and the plans that were held, item by item.

use crate::base::id::{PlanId, RunId};
use crate::directory::plan::{Cause, Plan, PlanItem, PlanStatus, Run};
use crate::store::StoreError;
use crate::store::engine::{KeyRange, Order};
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx, get_record};

/// Most runs that are kept.
const RUNS_MAX: usize = 1_000;

/// Keeps a run; the oldest make room.
///
/// # Errors
/// When the store cannot read.
pub fn put_run(tx: &mut Tx<'_>, run: &Run) -> Result<(), StoreError> {
    let rows = tx.scan(&KeyRange::prefix(&Space::Run.key(&[])), Order::Descending, RUNS_MAX)?;
    if rows.len() >= RUNS_MAX
        && let Some((oldest, _)) = rows.into_iter().last()
    {
        tx.remove(oldest);
    }
    tx.put_record(Space::Run.key(&[run.id.as_bytes()]), run)
}

/// The run of this id.
///
/// # Errors
/// When the store cannot read.
pub fn get_run(reads: &dyn Reads, id: RunId) -> Result<Option<Run>, StoreError> {
    get_record(reads, &Space::Run.key(&[id.as_bytes()]))
}

/// The last runs, newest first: of one cause or of all.
///
/// # Errors
/// When the store cannot read.
pub fn list_runs(reads: &dyn Reads, cause: Option<&Cause>, limit: usize) -> Result<Vec<Run>, StoreError> {
    let rows = reads.scan(&KeyRange::prefix(&Space::Run.key(&[])), Order::Descending, RUNS_MAX)?;
    let runs = rows.iter().map(|(_, bytes)| super::codec::decode::<Run>(bytes));
    runs.filter(|run| run.as_ref().map_or(true, |run| cause.is_none_or(|cause| run.cause == *cause)))
        .take(limit)
        .collect()
}

/// Keeps a held plan with its items; an earlier one of the same cause that still waits is superseded.
///
/// # Errors
/// When the store cannot read.
pub fn hold_plan(tx: &mut Tx<'_>, plan: &Plan, items: &[PlanItem]) -> Result<(), StoreError> {
    let now = tx.now();
    for earlier in list_plans(tx)? {
        if earlier.cause == plan.cause && earlier.status == PlanStatus::Held {
            drop_items(tx, earlier.id)?;
            put_plan(tx, &Plan { status: PlanStatus::Superseded { at: now }, ..earlier })?;
        }
    }
    for (number, item) in items.iter().enumerate() {
        let number = u64::try_from(number).unwrap_or(u64::MAX).to_be_bytes();
        tx.put_record(Space::PlanItem.key(&[plan.id.as_bytes(), &number]), item)?;
    }
    put_plan(tx, plan)
}

/// Writes a plan's header.
///
/// # Errors
/// When the record cannot be encoded.
pub fn put_plan(tx: &mut Tx<'_>, plan: &Plan) -> Result<(), StoreError> {
    tx.put_record(Space::Plan.key(&[plan.id.as_bytes()]), plan)
}

fn drop_items(tx: &mut Tx<'_>, id: PlanId) -> Result<(), StoreError> {
    let rows = tx.scan(&KeyRange::prefix(&Space::PlanItem.key(&[id.as_bytes()])), Order::Ascending, usize::MAX)?;
    rows.into_iter().for_each(|(key, _)| tx.remove(key));
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
    let rows = reads.scan(&KeyRange::prefix(&Space::Plan.key(&[])), Order::Descending, usize::MAX)?;
    rows.iter().map(|(_, bytes)| super::codec::decode(bytes)).collect()
}

/// A plan's items, in order.
///
/// # Errors
/// When the store cannot read.
pub fn items(reads: &dyn Reads, id: PlanId, limit: usize) -> Result<Vec<PlanItem>, StoreError> {
    let rows = reads.scan(&KeyRange::prefix(&Space::PlanItem.key(&[id.as_bytes()])), Order::Ascending, limit)?;
    rows.iter().map(|(_, bytes)| super::codec::decode(bytes)).collect()
}
