//! A look at the whole store: every record can be read, every index row follows from a record and every record has
//! its rows, every reference leads somewhere, the audit trail holds together. What can be put right from what is
//! there, [`repair`] puts right; the rest needs a person, or a backup.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::base::id::UserId;
use crate::directory::audit::{Author, Target};
use crate::store::audit::{self, Entry};
use crate::store::engine::{Bytes, KeyRange, Order, Row};
use crate::store::index::{KINDS, Kind};
use crate::store::keys::{SPACES, Space};
use crate::store::tally::{self, Tally};
use crate::store::tx::{self, Reads, Tx, Writes};
use crate::store::{Store, StoreError, codec};

mod references;

/// Rows that are read at a time.
const CHUNK: usize = 1_000;
/// Rows that one commit puts right.
const REPAIRS: usize = 500;
/// The spaces whose rows are records; the others hold index rows, references or forms of their own.
const RECORDS: &[Space] = &[
    Space::User,
    Space::Group,
    Space::Organization,
    Space::Resource,
    Space::Role,
    Space::Credential,
    Space::Factor,
    Space::Verifier,
    Space::Quota,
    Space::Lock,
    Space::Notice,
    Space::Session,
    Space::Token,
    Space::Link,
    Space::Login,
    Space::Challenge,
    Space::Device,
    Space::SigningKey,
    Space::Alarm,
    Space::Webhook,
    Space::Run,
    Space::Plan,
    Space::PlanItem,
    Space::Reading,
    Space::Conflict,
    Space::Push,
    Space::PlanPage,
    Space::RunPage,
    Space::Journal,
    Space::TaskState,
    Space::Setting,
];

/// What was looked at, and every difference.
#[derive(Debug, Default)]
pub struct Report {
    /// User records.
    pub users: usize,
    /// Records of every kind.
    pub records: usize,
    /// Index rows.
    pub index_rows: usize,
    /// Memberships of groups.
    pub members: usize,
    /// Lines of the audit trail, if it holds together.
    pub audit_lines: u64,
    /// What does not hold together.
    pub differences: Vec<Difference>,
}

impl Report {
    /// A count is not what there is.
    pub(super) fn wrong_count(&mut self, key: &Bytes, wanted: Option<Bytes>) {
        let what = format!("{} is not the number of the source's users", name(key));
        self.differences.push(Difference::repaired_by(what, [(key.clone(), wanted)]));
    }

    /// The keys of all rows that are put right.
    fn repairs(&self) -> BTreeSet<Bytes> {
        self.differences.iter().flat_map(|one| one.repair.keys().cloned()).collect()
    }
}

/// One thing that does not hold together.
#[derive(Debug)]
pub struct Difference {
    /// What, in words.
    pub what: String,
    /// The rows that put it right; none: it needs a person.
    repair: Writes,
}

impl Difference {
    fn beyond_repair(what: String) -> Self {
        Self { what, repair: Writes::new() }
    }

    fn repaired_by(what: String, rows: impl IntoIterator<Item = (Bytes, Option<Bytes>)>) -> Self {
        Self { what, repair: rows.into_iter().collect() }
    }

    /// Can it be put right from what is there?
    #[must_use]
    pub fn is_repairable(&self) -> bool {
        !self.repair.is_empty()
    }
}

/// Compares everything with everything.
///
/// # Errors
/// When the store cannot be read; records that cannot are differences.
pub fn verify(reads: &dyn Reads) -> Result<Report, StoreError> {
    let mut report = Report::default();
    for space in RECORDS {
        readable(reads, *space, &mut report)?;
    }
    unknown(reads, &mut report)?;
    let mut counted = BTreeMap::new();
    for kind in KINDS {
        indexes(reads, kind, &mut counted, &mut report)?;
    }
    tally::verify(reads, &counted, &mut report)?;
    references::verify(reads, &mut report)?;
    match audit::verify(reads) {
        Ok(lines) => report.audit_lines = lines,
        Err(StoreError::Record(what)) => report.differences.push(Difference::beyond_repair(what)),
        Err(error) => return Err(error),
    }
    Ok(report)
}

/// Shows every row of a space, some at a time.
fn each_chunk(
    reads: &dyn Reads,
    space: Space,
    visit: impl FnMut(Vec<Row>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    tx::each_chunk(reads, space, CHUNK, visit)
}

/// A key for people: the space and the rest in hexadecimal.
fn name(key: &[u8]) -> String {
    let space = Space::of(key).map_or("unknown", Space::name);
    format!("{space} {}", data_encoding::HEXLOWER.encode(key.get(1..).unwrap_or_default()))
}

fn readable(reads: &dyn Reads, space: Space, report: &mut Report) -> Result<(), StoreError> {
    each_chunk(reads, space, |rows| {
        report.records = report.records.saturating_add(rows.len());
        report.users = report.users.saturating_add(if space == Space::User { rows.len() } else { 0 });
        for (key, bytes) in rows {
            // Into a value: what reads it knows better what it must be, and tells.
            if let Err(error) = codec::decode::<Value>(&bytes) {
                let what = format!("{}: {error}", name(&key));
                report.differences.push(Difference::beyond_repair(what));
            }
        }
        Ok(())
    })
}

/// Rows between the spaces that are known.
fn unknown(reads: &dyn Reads, report: &mut Report) -> Result<(), StoreError> {
    let known: BTreeSet<u8> = SPACES.iter().map(|(space, _)| space.tag()).collect();
    for tag in (0..=u8::MAX).filter(|tag| !known.contains(tag)) {
        for (key, _) in reads.scan(&KeyRange::prefix(&[tag]), Order::Ascending, 1)? {
            let what = format!("rows of an unknown kind begin at {}", name(&key));
            report.differences.push(Difference::beyond_repair(what));
        }
    }
    Ok(())
}

/// Every record of a kind against its index rows, and back.
fn indexes(
    reads: &dyn Reads,
    kind: &Kind,
    counted: &mut BTreeMap<Bytes, Tally>,
    report: &mut Report,
) -> Result<(), StoreError> {
    let mut expected: BTreeMap<u8, usize> = BTreeMap::new();
    each_chunk(reads, kind.records, |records| {
        let mut rows = Vec::new();
        for (key, bytes) in &records {
            if let Ok(Some((row, one))) = (kind.tally)(bytes) {
                let before = counted.get(&row).copied().unwrap_or_default();
                counted.insert(row, before.plus(one));
            }
            match (kind.rows)(key, bytes) {
                Ok(own) => rows.extend(own.into_iter().map(|(index, value)| (key, index, value))),
                Err(error) => {
                    let what = format!("{}: its index rows cannot be computed: {error}", name(key));
                    report.differences.push(Difference::beyond_repair(what));
                }
            }
        }
        let keys: Vec<Bytes> = rows.iter().map(|(_, index, _)| index.clone()).collect();
        for ((record, index, value), found) in rows.into_iter().zip(reads.get_many(&keys)?) {
            let count = expected.entry(index.first().copied().unwrap_or_default()).or_default();
            *count = count.saturating_add(1);
            if found.as_ref() != Some(&value) {
                report.differences.push(missing(reads, kind, record, (index, value), found)?);
            }
        }
        Ok(())
    })?;
    for space in kind.indexes {
        strays(reads, kind, *space, expected.get(&space.tag()).copied().unwrap_or_default(), report)?;
    }
    Ok(())
}

/// A record's index row is not there, or leads elsewhere.
fn missing(
    reads: &dyn Reads,
    kind: &Kind,
    record: &Bytes,
    (index, value): Row,
    found: Option<Bytes>,
) -> Result<Difference, StoreError> {
    let (record, row) = (name(record), name(&index));
    if let Some(found) = found {
        let claim = (index.clone(), found);
        if let Some(other) = (kind.leads_to)(&claim)
            && claims(reads, kind, &other, &claim)?
        {
            let other = name(&other);
            return Ok(Difference::beyond_repair(format!("{record} and {other} both want the row {row}: change one")));
        }
    }
    Ok(Difference::repaired_by(format!("{record} lacks its row {row}"), [(index, Some(value))]))
}

/// Does this row follow from that record?
fn claims(reads: &dyn Reads, kind: &Kind, record: &Bytes, row: &Row) -> Result<bool, StoreError> {
    let Some(bytes) = reads.get(record)? else { return Ok(false) };
    // Of a record that cannot be read nobody knows: what leads to it stays.
    Ok((kind.rows)(record, &bytes).map_or(true, |rows| rows.contains(row)))
}

/// Rows of an index that follow from no record. Where there are as many as there should be, all are in their place.
fn strays(
    reads: &dyn Reads,
    kind: &Kind,
    space: Space,
    expected: usize,
    report: &mut Report,
) -> Result<(), StoreError> {
    let mut there = 0_usize;
    each_chunk(reads, space, |rows| {
        there = there.saturating_add(rows.len());
        Ok(())
    })?;
    report.index_rows = report.index_rows.saturating_add(there);
    let put_right = report.repairs();
    let lacking = put_right.iter().filter(|key| key.first() == Some(&space.tag())).count();
    if there.saturating_add(lacking) == expected && there <= expected {
        return Ok(());
    }
    let mut strays = Vec::new();
    each_chunk(reads, space, |rows| {
        for row in rows {
            let stays = match (kind.leads_to)(&row) {
                Some(record) => claims(reads, kind, &record, &row)?,
                None => false,
            };
            if !stays && !put_right.contains(&row.0) {
                let what = format!("the row {} follows from no record", name(&row.0));
                strays.push(Difference::repaired_by(what, [(row.0, None)]));
            }
        }
        Ok(())
    })?;
    report.differences.extend(strays);
    Ok(())
}

/// Puts right what can be, and tells the audit trail. Gives the number of rows that were written.
///
/// # Errors
/// When the store cannot write.
pub async fn repair(store: &Store, report: &Report) -> Result<usize, StoreError> {
    let repairs: Writes = report.differences.iter().flat_map(|one| one.repair.clone()).collect();
    let rows: Vec<_> = repairs.into_iter().collect();
    for chunk in rows.chunks(REPAIRS) {
        let chunk = chunk.to_vec();
        let write = move |tx: &mut Tx<'_>| {
            for (key, value) in chunk.clone() {
                match value {
                    Some(value) => tx.put(key, value),
                    None => tx.remove(key),
                }
            }
            let mut entry = Entry::new("store.repaired", Target::Directory);
            entry.details.insert("rows".to_owned(), chunk.len().into());
            audit::append(tx, &Author::system("verify"), entry)
        };
        store.write_bulk::<_, StoreError>(write).await?;
    }
    Ok(rows.len())
}

/// Is there such a user, tombstones too?
fn has_user(reads: &dyn Reads, id: UserId) -> Result<bool, StoreError> {
    Ok(reads.get(&crate::store::index::user_key(id))?.is_some())
}

#[cfg(test)]
#[path = "verify/tests.rs"]
mod tests;
