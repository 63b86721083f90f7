//! How lines of the audit trail lie in the store: in pages of neighbours, compressed together, under the number of
//! the first. In front of each page stand the times that it spans and marks of whom and what its lines are about, so
//! that a search passes by the pages that cannot hold what it looks for.
//!
//! A page: version 2, `p`; number of marks (two bytes); earliest and latest time (eight bytes each, milliseconds
//! since 1970); marks (four bytes each, ascending); the lines as a JSON array, compressed by the codec.

use jiff::Timestamp;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::directory::audit::AuditLine;
use crate::store::engine::{Bytes, Row};
use crate::store::keys::Space;
use crate::store::{StoreError, codec};

const VERSION: u8 = 2;
const PAGE: u8 = b'p';

/// A page as it is stored, its lines not unpacked yet.
pub(super) struct Page<'a> {
    /// The number of its first line.
    pub(super) first: u64,
    /// The earliest time of a line.
    pub(super) from: Timestamp,
    /// The latest.
    pub(super) to: Timestamp,
    marks: &'a [u8],
    packed: &'a [u8],
}

/// A short name of something that a line is about: equal things have equal marks, others nearly never.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Mark([u8; 4]);

impl Mark {
    /// The mark of a member of lines and a value that it has: a CRC-32 of both.
    pub(super) fn of(member: &str, value: &str) -> Self {
        let mut hasher = crc32fast::Hasher::new();
        [member.as_bytes(), b"\0", value.as_bytes()].into_iter().for_each(|part| hasher.update(part));
        Self(hasher.finalize().to_be_bytes())
    }
}

/// A line as it goes into a page: its JSON, and what the page must know of it.
pub(super) struct Written {
    json: Vec<u8>,
    at: Timestamp,
    marks: Vec<Mark>,
}

impl Written {
    /// A line that has its hash, as it was stored or exported.
    ///
    /// # Errors
    /// When it is no line.
    pub(super) fn of(line: &Value) -> Result<Self, StoreError> {
        let fault = |error: serde_json::Error| StoreError::Record(format!("it is no line of an audit trail: {error}"));
        let json = serde_json::to_vec(line).map_err(fault)?;
        let line: AuditLine = serde_json::from_value(line.clone()).map_err(fault)?;
        Ok(Self { json, at: line.at, marks: marks(&line) })
    }

    /// A line with its JSON, and its hash, which goes last.
    pub(super) fn sealed(mut json: Vec<u8>, hash: &str, line: &AuditLine) -> Self {
        json.pop();
        json.extend_from_slice(b",\"hash\":\"");
        json.extend_from_slice(hash.as_bytes());
        json.extend_from_slice(b"\"}");
        Self { json, at: line.at, marks: marks(line) }
    }

    /// A line of a page that is opened again: its text, and nothing of it is parsed.
    fn reopened(json: &RawValue, at: Timestamp) -> Self {
        Self { json: json.get().as_bytes().to_vec(), at, marks: Vec::new() }
    }

    /// Bytes of its JSON.
    pub(super) fn size(&self) -> usize {
        self.json.len()
    }
}

/// The key of the page that begins with this line.
pub(super) fn key(first: u64) -> Bytes {
    Space::Audit.key(&[&first.to_be_bytes()])
}

/// The number that a key of a page says.
pub(in crate::store) fn first_of(key: &[u8]) -> u64 {
    key.last_chunk::<8>().map_or(0, |first| u64::from_be_bytes(*first))
}

/// Lines as they are stored.
///
/// # Errors
/// When they cannot be compressed.
pub(super) fn encode(lines: &[Written]) -> Result<Bytes, StoreError> {
    let mut marks: Vec<Mark> = lines.iter().flat_map(|line| line.marks.iter().copied()).collect();
    marks.sort_unstable();
    marks.dedup();
    let count = u16::try_from(marks.len()).unwrap_or(u16::MAX);
    let millis = |at: Option<Timestamp>| at.unwrap_or_default().as_millisecond().to_be_bytes();
    let mut json = Vec::with_capacity(lines.iter().map(|line| line.json.len().saturating_add(1)).sum::<usize>() + 2);
    for (number, line) in lines.iter().enumerate() {
        json.push(if number == 0 { b'[' } else { b',' });
        json.extend_from_slice(&line.json);
    }
    json.push(b']');
    let mut page = vec![VERSION, PAGE];
    page.extend_from_slice(&count.to_be_bytes());
    page.extend_from_slice(&millis(lines.iter().map(|line| line.at).min()));
    page.extend_from_slice(&millis(lines.iter().map(|line| line.at).max()));
    marks.iter().take(usize::from(count)).for_each(|mark| page.extend_from_slice(&mark.0));
    page.extend_from_slice(&codec::pack(&json)?);
    Ok(page)
}

/// A page of whole lines.
///
/// # Errors
/// When one is no line.
pub(in crate::store) fn encode_lines(lines: &[Value]) -> Result<Bytes, StoreError> {
    encode(&lines.iter().map(Written::of).collect::<Result<Vec<_>, _>>()?)
}

/// What a line can be looked for by.
fn marks(line: &AuditLine) -> Vec<Mark> {
    let action = [("action", Some(line.action.as_str())), ("family", line.action.split_once('.').map(|parts| parts.0))];
    let mut marks: Vec<Mark> =
        action.into_iter().filter_map(|(member, value)| Some(Mark::of(member, value?))).collect();
    marks.push(Mark::of("actor", &line.actor.who()));
    marks.extend(line.target.id().map(|id| Mark::of("target", &id)));
    marks
}

impl<'a> Page<'a> {
    /// The page of a row.
    ///
    /// # Errors
    /// When it is none, or damaged.
    pub(super) fn read((key, bytes): &'a Row) -> Result<Self, StoreError> {
        let damaged = || StoreError::Record(format!("the page of audit lines from {} on is damaged", first_of(key)));
        let [VERSION, PAGE, high, low, rest @ ..] = bytes.as_slice() else { return Err(damaged()) };
        let (from, rest) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
        let (to, rest) = rest.split_first_chunk::<8>().ok_or_else(damaged)?;
        let marks = usize::from(u16::from_be_bytes([*high, *low])).saturating_mul(4);
        let (marks, packed) = rest.split_at_checked(marks).ok_or_else(damaged)?;
        let time = |millis| Timestamp::from_millisecond(i64::from_be_bytes(millis)).map_err(|_| damaged());
        Ok(Self { first: first_of(key), from: time(*from)?, to: time(*to)?, marks, packed })
    }

    /// Can it hold a line that has all of these?
    pub(super) fn may_hold(&self, wanted: &[Mark]) -> bool {
        let (marks, _) = self.marks.as_chunks::<4>();
        // A page with more marks than are counted may hold anything.
        marks.len() == usize::from(u16::MAX) || wanted.iter().all(|wanted| marks.binary_search(&wanted.0).is_ok())
    }

    /// Its lines as they go into a page again: together they have its times and marks.
    ///
    /// # Errors
    /// When they are damaged.
    pub(super) fn reopen(&self) -> Result<Vec<Written>, StoreError> {
        let read = |json: &[u8]| {
            let lines: Vec<&RawValue> = serde_json::from_slice(json)?;
            Ok::<_, serde_json::Error>(lines.into_iter().map(|line| Written::reopened(line, self.to)).collect())
        };
        let lines = codec::unpack(self.packed, read).map_err(|error| self.damaged(&error))?;
        let mut lines: Vec<Written> = lines.map_err(|error| self.damaged(&error))?;
        if let Some(first) = lines.first_mut() {
            first.at = self.from;
            first.marks = self.marks.as_chunks::<4>().0.iter().copied().map(Mark).collect();
        }
        Ok(lines)
    }

    fn damaged(&self, error: &dyn std::fmt::Display) -> StoreError {
        StoreError::Record(format!("the page of audit lines from {} on is damaged: {error}", self.first))
    }

    /// Its lines as they were written.
    ///
    /// # Errors
    /// When they are damaged.
    pub(super) fn lines(&self) -> Result<Vec<Value>, StoreError> {
        let parse = |json: &[u8]| serde_json::from_slice(json);
        codec::unpack(self.packed, parse).map_err(|error| self.damaged(&error))?.map_err(|error| self.damaged(&error))
    }
}
