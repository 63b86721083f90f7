//! The audit trail: append-only, hash-chained, committed with the change it tells of.
//!
//! A transaction gathers its lines; when its group is handed over they get their numbers and hashes, and go into
//! pages: a bulk change of a hundred users costs one row, and one compressed with its like.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::secret::sha256;
use crate::directory::audit::{AuditLine, Author, Change, Target};
use crate::store::StoreError;
use crate::store::engine::{KeyRange, Order, Row};
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx, get_record};
use page::{Page, Written};
pub(super) use page::{encode_lines, first_of};

mod page;
mod retention;
mod search;

pub use retention::trim;
pub use search::{Found, Query, Wanted, between, each, list};

/// Most lines of a page.
const PAGE_LINES: usize = 128;
/// A page gets no further line once it has so many bytes of JSON.
const PAGE_BYTES: usize = 128 << 10;
/// A short last page is written again with the lines that follow, up to this many.
const SHORT_PAGE: usize = 64;
/// Pages that are read at a time.
const CHUNK: usize = 64;

/// Where the trail ends, or, when its oldest lines are dropped, what comes before its first line.
#[derive(Default, Serialize, Deserialize)]
pub(super) struct Head {
    pub(super) seq: u64,
    pub(super) hash: String,
    /// The first line of the last page.
    #[serde(default)]
    pub(super) page: u64,
}

/// What a line says besides author and time.
#[derive(Clone)]
pub struct Entry {
    /// What happened: `user.created`.
    pub action: &'static str,
    /// To what.
    pub target: Target,
    /// Attribute by attribute.
    pub changes: Vec<Change>,
    /// More facts.
    pub details: Map<String, Value>,
}

impl Entry {
    /// A line without changes or details.
    #[must_use]
    pub fn new(action: &'static str, target: Target) -> Self {
        Self { action, target, changes: Vec::new(), details: Map::new() }
    }
}

/// Where the head lies.
pub(super) fn head_key() -> Vec<u8> {
    Space::Meta.key(&[b"audit"])
}

fn start_key() -> Vec<u8> {
    Space::Meta.key(&[b"audit-start"])
}

/// Appends a line to the trail. It is written with the group; the store may refuse it then.
///
/// # Errors
/// None of its own.
pub fn append(tx: &mut Tx<'_>, author: &Author, entry: Entry) -> Result<(), StoreError> {
    let Entry { action, target, changes, details } = entry;
    tx.note_line(AuditLine {
        action: action.to_owned(),
        actor: author.actor.clone(),
        address: author.address,
        at: tx.now(),
        changes,
        details,
        hash: String::new(),
        reason: author.reason.clone(),
        request: author.request.clone(),
        run: author.run,
        seq: 0,
        target,
    });
    Ok(())
}

/// The number of the last line of the trail; 0 where there is none.
///
/// # Errors
/// When the store cannot read.
pub fn last(reads: &dyn Reads) -> Result<u64, StoreError> {
    Ok(get_record::<Head>(reads, &head_key())?.unwrap_or_default().seq)
}

/// The number of the last line that was dropped because its time was over; 0 where none was.
///
/// # Errors
/// When the store cannot read.
pub fn dropped(reads: &dyn Reads) -> Result<u64, StoreError> {
    Ok(get_record::<Head>(reads, &start_key())?.unwrap_or_default().seq)
}

/// Gives the lines that the transaction gathered their numbers and hashes, and writes them in pages.
///
/// # Errors
/// When the store cannot read or encode.
pub(super) fn settle(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    let lines = tx.take_lines();
    if lines.is_empty() {
        return Ok(());
    }
    let head: Head = get_record(tx, &head_key())?.unwrap_or_default();
    let mut trail = Trail { open: last_page(tx, &head)?, head };
    for mut line in lines {
        line.seq = trail.head.seq.saturating_add(1);
        let json = serde_json::to_vec(&line).map_err(|error| StoreError::Record(error.to_string()))?;
        let hash = hash(&trail.head.hash, &json);
        let written = Written::sealed(json, &hash, &line);
        if let Some((key, page)) = trail.push(line.seq, hash, written)? {
            tx.put(key, page);
        }
    }
    for (key, row) in trail.end()? {
        tx.put(key, row);
    }
    Ok(())
}

/// The end of a trail that gets further lines, which have their numbers and hashes.
#[derive(Default)]
pub(super) struct Trail {
    head: Head,
    open: Open,
}

/// A page that still gets lines.
#[derive(Default)]
struct Open {
    first: u64,
    lines: Vec<Written>,
    bytes: usize,
    most: usize,
}

impl Trail {
    /// Adds a line that has its number and hash; gives the page that is full by it, if one is.
    ///
    /// # Errors
    /// When it is no line, or the page cannot be encoded.
    pub(super) fn add(&mut self, line: &Value) -> Result<Option<Row>, StoreError> {
        let seq = line.get("seq").and_then(Value::as_u64).unwrap_or_default();
        let hash = line.get("hash").and_then(Value::as_str).unwrap_or_default().to_owned();
        self.push(seq, hash, Written::of(line)?)
    }

    fn push(&mut self, seq: u64, hash: String, line: Written) -> Result<Option<Row>, StoreError> {
        (self.head.seq, self.head.hash) = (seq, hash);
        let full = self.open.lines.len() >= self.open.most || self.open.bytes.saturating_add(line.size()) > PAGE_BYTES;
        let mut page = None;
        if full {
            page = self.open.row()?;
            self.open = Open { first: seq, lines: Vec::new(), bytes: 0, most: PAGE_LINES };
        }
        self.open.bytes = self.open.bytes.saturating_add(line.size());
        self.open.lines.push(line);
        Ok(page)
    }

    /// The last page, and the head.
    ///
    /// # Errors
    /// When they cannot be encoded.
    pub(super) fn end(mut self) -> Result<Vec<Row>, StoreError> {
        let Some(page) = self.open.row()? else { return Ok(Vec::new()) };
        self.head.page = self.open.first;
        Ok(vec![page, (head_key(), super::codec::encode(&self.head)?)])
    }
}

impl Open {
    fn row(&self) -> Result<Option<Row>, StoreError> {
        if self.lines.is_empty() {
            return Ok(None);
        }
        Ok(Some((page::key(self.first), page::encode(&self.lines)?)))
    }
}

/// The last page if it is short, else a new one.
fn last_page(tx: &Tx<'_>, head: &Head) -> Result<Open, StoreError> {
    let held = head.seq.saturating_sub(head.page).saturating_add(1);
    if head.page == 0 || usize::try_from(held).is_ok_and(|held| held >= SHORT_PAGE) {
        return Ok(Open::default());
    }
    let key = page::key(head.page);
    let Some(bytes) = tx.get(&key)? else { return Ok(Open::default()) };
    let lines = Page::read(&(key, bytes))?.reopen()?;
    let bytes = lines.iter().map(Written::size).sum();
    Ok(Open { first: head.page, lines, bytes, most: SHORT_PAGE })
}

/// The hash of a line: SHA-256 over the previous line's hash and the members of this line, in the order of their
/// names, without its own hash.
fn hash(previous: &str, json: &[u8]) -> String {
    HEXLOWER.encode(&sha256(&[previous.as_bytes(), json].concat()))
}

/// The hash of a line as it is stored: a member that was added or dropped by another version counts as it stands.
fn hash_of(previous: &str, line: &mut Map<String, Value>) -> String {
    line.remove("hash");
    // A map of texts and values always becomes text.
    hash(previous, &serde_json::to_vec(line).unwrap_or_default())
}

/// The attributes in which two forms of a record differ. Members named in `quiet` do not count.
#[must_use]
pub fn differences(old: &Value, new: &Value, quiet: &[&str]) -> Vec<Change> {
    let empty = Map::new();
    let old = old.as_object().unwrap_or(&empty);
    let new = new.as_object().unwrap_or(&empty);
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .filter(|name| !quiet.contains(&name.as_str()))
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| Change {
            attribute: name.clone(),
            old: old.get(name).cloned().unwrap_or_default(),
            new: new.get(name).cloned().unwrap_or_default(),
        })
        .collect()
}

fn each_page<E: From<StoreError>>(reads: &dyn Reads, mut visit: impl FnMut(&Row) -> Result<bool, E>) -> Result<(), E> {
    let prefix = Space::Audit.key(&[]);
    let mut range = KeyRange::prefix(&prefix);
    loop {
        let rows = reads.scan(&range, Order::Ascending, CHUNK)?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        range = KeyRange::prefix_after(&prefix, last.clone());
        for row in &rows {
            if !visit(row)? {
                return Ok(());
            }
        }
    }
}

/// Recomputes the chain from the first line that is kept; gives the number of lines.
///
/// # Errors
/// [`StoreError::Record`] naming the first line that was changed, removed or cut off.
pub fn verify(reads: &dyn Reads) -> Result<u64, StoreError> {
    let broken = |seq: u64| StoreError::Record(format!("the audit trail does not hold together at line {seq}"));
    let head: Head = get_record(reads, &head_key())?.unwrap_or_default();
    let start: Head = get_record(reads, &start_key())?.unwrap_or_default();
    let (mut seq, mut hash) = (start.seq, start.hash);
    each_page(reads, |row| {
        let page = Page::read(row)?;
        let mut first = true;
        for line in page.lines()? {
            seq = seq.saturating_add(1);
            let Value::Object(mut line) = line else { return Err(broken(seq)) };
            let claimed = line.get("hash").and_then(Value::as_str).unwrap_or_default().to_owned();
            let in_place = line.get("seq").and_then(Value::as_u64) == Some(seq) && (!first || page.first == seq);
            hash = hash_of(&hash, &mut line);
            if !in_place || hash != claimed {
                return Err(broken(seq));
            }
            first = false;
        }
        Ok::<_, StoreError>(true)
    })?;
    if head.seq == seq && head.hash == hash {
        Ok(seq.saturating_sub(start.seq))
    } else {
        Err(StoreError::Record(format!("the audit trail ends at line {seq}, its head says {}", head.seq)))
    }
}

#[cfg(test)]
#[path = "audit/tests.rs"]
mod tests;
