//! What a bulk change or an import is about, page by page: what shall become of each user or row (`plan-page`), and what
//! became of it (`run-page`). The page of a plan goes in the commit that writes the same page of the run: so an end of
//! the daemon between them leaves no row half done, and none is done twice.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::base::id::{PlanId, RunId};
use crate::directory::plan::{Counts, Entry, Fate, PlanItem};
use crate::store::engine::{Bytes, KeyRange, Order};
use crate::store::keys::{self, Space};
use crate::store::passwords::NewPassword;
use crate::store::tx::{Reads, Tx};
use crate::store::{StoreError, codec};

/// Users or rows of one page.
pub const PAGE: usize = 100;
/// Pages that one commit removes, or that are read at a time.
const CHUNK: usize = 50;

/// A page of a plan.
#[derive(Default, Serialize, Deserialize)]
pub struct Page {
    /// Users or rows, in their order.
    pub entries: Vec<Entry>,
    /// Passwords that are set, by the place of their entry. No list shows them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub passwords: BTreeMap<usize, NewPassword>,
}

/// What a page came to.
#[derive(Default, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct Done {
    /// Users or rows, in their order.
    pub entries: Vec<Entry>,
    /// What was written of them, of each kind.
    pub written: Counts,
}

/// What a page came to, as it is read: at first the entries were all of it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Stored {
    Entries(Vec<Entry>),
    Done { entries: Vec<Entry>, written: Counts },
}

impl From<Stored> for Done {
    fn from(stored: Stored) -> Self {
        match stored {
            Stored::Entries(entries) => Self { entries, written: Counts::default() },
            Stored::Done { entries, written } => Self { entries, written },
        }
    }
}

/// A page as it is stored: a plan of a million users is held in memory so.
pub struct Packed(Bytes);

impl Packed {
    /// Packs a page.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn of(page: &Page) -> Result<Self, StoreError> {
        codec::encode(page).map(Self)
    }

    /// Unpacks it.
    ///
    /// # Errors
    /// When it cannot be decoded.
    pub fn open(&self) -> Result<Page, StoreError> {
        codec::decode(&self.0)
    }
}

fn plan_key(plan: PlanId, number: u64) -> Bytes {
    Space::PlanPage.key(&[plan.as_bytes(), &number.to_be_bytes()])
}

fn run_key(run: RunId, number: u64) -> Bytes {
    Space::RunPage.key(&[run.as_bytes(), &number.to_be_bytes()])
}

/// Writes a page of a plan.
pub fn put(tx: &mut Tx<'_>, plan: PlanId, number: u64, page: &Packed) {
    tx.put(plan_key(plan, number), page.0.clone());
}

/// The page of a plan with this number, or the next that is still there.
///
/// # Errors
/// When the store cannot read.
pub fn next(reads: &dyn Reads, plan: PlanId, number: u64) -> Result<Option<(u64, Page)>, StoreError> {
    page_from(
        reads,
        &Space::PlanPage.key(&[plan.as_bytes()]),
        number.checked_sub(1).map(|before| plan_key(plan, before)),
    )
}

/// What the page of a run with this number came to, or the next that is there.
///
/// # Errors
/// When the store cannot read.
pub fn done(reads: &dyn Reads, run: RunId, number: u64) -> Result<Option<(u64, Done)>, StoreError> {
    page_from(reads, &Space::RunPage.key(&[run.as_bytes()]), number.checked_sub(1).map(|before| run_key(run, before)))
}

/// The first page after a key, of those whose keys begin so.
fn page_from<T: DeserializeOwned>(
    reads: &dyn Reads,
    prefix: &[u8],
    after: Option<Bytes>,
) -> Result<Option<(u64, T)>, StoreError> {
    let range = match after {
        Some(before) => KeyRange::prefix_after(prefix, before),
        None => KeyRange::prefix(prefix),
    };
    let row = reads.scan(&range, Order::Ascending, 1)?.pop();
    row.map(|(key, page)| Ok((number_of(&key)?, codec::decode(&page)?))).transpose()
}

/// The number that a key ends with.
fn number_of(key: &[u8]) -> Result<u64, StoreError> {
    let number = key.last_chunk::<8>().copied().map(u64::from_be_bytes);
    number.ok_or_else(|| StoreError::Record("a page without a number".to_owned()))
}

/// So many items of a plan in pages at most, in order, each with its place: page and number in it; those after a place.
/// No other place gives anything.
///
/// # Errors
/// When the store cannot read.
pub fn items_after(
    reads: &dyn Reads,
    plan: PlanId,
    after: Option<&[u8]>,
    limit: usize,
) -> Result<Vec<(Vec<u8>, PlanItem)>, StoreError> {
    let (mut number, mut from) = match after.map(read_place) {
        None => (0, 0),
        Some(Some((number, item))) => (number, item.saturating_add(1)),
        Some(None) => return Ok(Vec::new()),
    };
    let mut items = Vec::new();
    while items.len() < limit
        && let Some((found, page)) = next(reads, plan, number)?
    {
        let first = if found == number { from } else { 0 };
        let entries = (0_u64..).zip(page.entries).filter(|(place, _)| *place >= first);
        items.extend(entries.filter_map(|(place, entry)| match entry.fate {
            Fate::Planned { item } => Some(([found.to_be_bytes(), place.to_be_bytes()].concat(), *item)),
            _ => None,
        }));
        (number, from) = (found.saturating_add(1), 0);
    }
    items.truncate(limit);
    Ok(items)
}

fn read_place(bytes: &[u8]) -> Option<(u64, u64)> {
    let (number, item) = bytes.split_at_checked(8)?;
    Some((u64::from_be_bytes(number.try_into().ok()?), u64::from_be_bytes(item.try_into().ok()?)))
}

/// Is the page still to be done?
///
/// # Errors
/// When the store cannot read.
pub fn is_there(reads: &dyn Reads, plan: PlanId, number: u64) -> Result<bool, StoreError> {
    Ok(reads.get(&plan_key(plan, number))?.is_some())
}

/// Writes what became of a page, in place of what was planned.
///
/// # Errors
/// When it cannot be encoded.
pub fn settle(tx: &mut Tx<'_>, plan: PlanId, run: RunId, number: u64, done: &Done) -> Result<(), StoreError> {
    tx.remove(plan_key(plan, number));
    put_result(tx, run, number, done)
}

/// Writes what became of a page of which nothing was to be written.
///
/// # Errors
/// When it cannot be encoded.
pub fn put_result(tx: &mut Tx<'_>, run: RunId, number: u64, done: &Done) -> Result<(), StoreError> {
    tx.put_record(run_key(run, number), done)
}

/// A place among the results of a run: the number of the page, and of the entry in it.
pub type Place = (u64, usize);

/// What became of the users or rows of a run from a place on: at most `limit` that `keep` takes, each with its place.
///
/// # Errors
/// When the store cannot read.
pub fn results(
    reads: &dyn Reads,
    run: RunId,
    from: Place,
    limit: usize,
    keep: impl Fn(&Entry) -> bool,
) -> Result<Vec<(Place, Entry)>, StoreError> {
    let prefix = Space::RunPage.key(&[run.as_bytes()]);
    let mut range = match from.0.checked_sub(1) {
        Some(before) => KeyRange::prefix_after(&prefix, run_key(run, before)),
        None => KeyRange::prefix(&prefix),
    };
    let mut found = Vec::new();
    while found.len() < limit {
        let rows = reads.scan(&range, Order::Ascending, CHUNK)?;
        let Some((last, _)) = rows.last() else { break };
        range = KeyRange::prefix_after(&prefix, last.clone());
        for (key, bytes) in &rows {
            let number = number_of(key)?;
            let Done { entries, .. } = codec::decode(bytes)?;
            let placed = entries.into_iter().enumerate().map(|(place, entry)| ((number, place), entry));
            found.extend(placed.filter(|(place, entry)| *place >= from && keep(entry)));
        }
    }
    found.truncate(limit);
    Ok(found)
}

/// Removes some pages of a plan; `true`: there may be more.
///
/// # Errors
/// When the store cannot read.
pub fn remove_some(tx: &mut Tx<'_>, plan: PlanId) -> Result<bool, StoreError> {
    remove(tx, &Space::PlanPage.key(&[plan.as_bytes()]))
}

/// Removes some of what became of the users or rows of a run; `true`: there may be more.
///
/// # Errors
/// When the store cannot read.
pub fn remove_some_results(tx: &mut Tx<'_>, run: RunId) -> Result<bool, StoreError> {
    remove(tx, &Space::RunPage.key(&[run.as_bytes()]))
}

fn remove(tx: &mut Tx<'_>, prefix: &[u8]) -> Result<bool, StoreError> {
    let rows = tx.scan(&KeyRange::prefix(prefix), Order::Ascending, CHUNK)?;
    let more = rows.len() == CHUNK;
    rows.into_iter().for_each(|(key, _)| tx.remove(key));
    Ok(more)
}

/// The plans that have pages.
///
/// # Errors
/// When the store cannot read.
pub fn plans(reads: &dyn Reads) -> Result<Vec<PlanId>, StoreError> {
    Ok(owners(reads, Space::PlanPage)?.into_iter().map(PlanId::from_bytes).collect())
}

/// The runs that have pages, oldest first.
///
/// # Errors
/// When the store cannot read.
pub fn runs(reads: &dyn Reads) -> Result<Vec<RunId>, StoreError> {
    Ok(owners(reads, Space::RunPage)?.into_iter().map(RunId::from_bytes).collect())
}

/// The ids with which the keys of a space begin. Reads one row of each.
fn owners(reads: &dyn Reads, space: Space) -> Result<Vec<[u8; 16]>, StoreError> {
    let prefix = space.key(&[]);
    let (mut range, mut owners) = (KeyRange::prefix(&prefix), Vec::new());
    while let Some((key, _)) = reads.scan(&range, Order::Ascending, 1)?.pop() {
        let Some(id) = key.get(..17).and_then(keys::trailing_id) else { break };
        owners.push(id);
        range = KeyRange::prefix_after(&prefix, space.key(&[&id, &u64::MAX.to_be_bytes()]));
    }
    Ok(owners)
}
