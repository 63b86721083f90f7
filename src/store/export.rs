//! Everything that is known, as JSON lines: one canonical form of a directory, whatever engine and schema version it
//! lies in. What follows from other rows (indexes, the second direction of memberships) is left out and computed
//! again by [`crate::store::import`]. Secrets stay as they are stored: hashed, or sealed with the key that is not in
//! the store.
//!
//! The first line names the format and the seal key. Every other line has a `space` and a `key` (in hexadecimal),
//! and a `record` (as JSON), `sealed` bytes (in base64), or neither. Lines of the audit trail have a `record` alone.
//! The last line has the space `end`, and the number of lines before it: without it, an export is cut short.

use std::cell::Cell;

use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::store::engine::Bytes;
use crate::store::keys::Space;
use crate::store::tx::{Reads, each_chunk};
use crate::store::{StoreError, audit, clock, codec};

/// The version of the format.
pub(super) const FORMAT: u32 = 1;
/// The space of the last line.
pub(super) const LAST: &str = "end";
/// Rows that are read at a time.
const CHUNK: usize = 128;

/// How the rows of a space are exported.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Records that can be read.
    Record,
    /// Sealed bytes.
    Sealed,
    /// Keys without values.
    Key,
    /// Pages of the audit trail, line by line.
    Trail,
}

/// What is exported, in this order: what others refer to comes first.
pub(super) const EXPORTED: &[(Space, Form)] = &[
    (Space::Role, Form::Record),
    (Space::Organization, Form::Record),
    (Space::User, Form::Record),
    (Space::Credential, Form::Record),
    (Space::Factor, Form::Record),
    (Space::Verifier, Form::Record),
    (Space::Lock, Form::Record),
    (Space::Notice, Form::Record),
    (Space::Group, Form::Record),
    (Space::GroupMember, Form::Key),
    (Space::Resource, Form::Record),
    (Space::Session, Form::Record),
    (Space::Token, Form::Record),
    (Space::Link, Form::Record),
    (Space::Login, Form::Record),
    (Space::Challenge, Form::Record),
    (Space::Device, Form::Record),
    (Space::Quota, Form::Record),
    (Space::SigningKey, Form::Record),
    (Space::Ending, Form::Key),
    (Space::Outbox, Form::Sealed),
    (Space::OutboxFailed, Form::Sealed),
    (Space::Alarm, Form::Record),
    (Space::Webhook, Form::Record),
    (Space::Run, Form::Record),
    (Space::Plan, Form::Record),
    (Space::PlanItem, Form::Record),
    (Space::Reading, Form::Record),
    (Space::Conflict, Form::Record),
    (Space::Push, Form::Record),
    (Space::PlanPage, Form::Record),
    (Space::RunPage, Form::Record),
    (Space::Journal, Form::Record),
    (Space::TaskState, Form::Record),
    (Space::Setting, Form::Record),
    (Space::Audit, Form::Trail),
];
/// The facts of the store itself that are exported; the others follow from the rest.
pub(super) const META: &[&[u8]] = &[b"audit-start", b"outbox", b"settings"];

/// The first line.
#[derive(Serialize, Deserialize)]
pub(super) struct Header {
    /// The version of the format.
    pub(super) musterd_export: u32,
    /// Which key the sealed values need.
    pub(super) seal_key: String,
}

/// Every other line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Line {
    pub(super) space: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) record: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) sealed: Option<String>,
}

impl Line {
    fn of(space: &str) -> Self {
        Self { space: space.to_owned(), key: None, record: None, sealed: None }
    }
}

/// Hands every line, without its end, to `write`; gives their number.
///
/// # Errors
/// When the store cannot be read; those of `write`.
pub fn export<E: From<StoreError>>(reads: &dyn Reads, mut write: impl FnMut(&str) -> Result<(), E>) -> Result<u64, E> {
    let lines = Cell::new(0_u64);
    let mut write = |line: &str| {
        lines.set(lines.get().saturating_add(1));
        write(line)
    };
    let header = Header { musterd_export: FORMAT, seal_key: reads.sealer().fingerprint().to_owned() };
    write(&text(&header)?)?;
    for name in META {
        let key = Space::Meta.key(&[name]);
        if let Some(bytes) = reads.get(&key)? {
            let line = Line { key: Some(HEXLOWER.encode(name)), ..Line::of("meta") };
            write(&text(&Line { record: Some(codec::decode(&bytes)?), ..line })?)?;
        }
    }
    for (space, form) in EXPORTED {
        let line = |key: Option<&[u8]>| Line {
            key: key.map(|key| HEXLOWER.encode(key.get(1..).unwrap_or_default())),
            ..Line::of(space.name())
        };
        if *form == Form::Trail {
            audit::each(reads, &audit::Query::default(), |record| {
                write(&text(&Line { record: Some(record), ..line(None) })?)?;
                Ok::<_, E>(true)
            })?;
            continue;
        }
        each(reads, *space, |key, bytes| {
            let (key, bytes) = clock::without_anchor((key, bytes))?;
            let line = line(Some(&key));
            let line = match form {
                Form::Record => Line { record: Some(codec::decode(&bytes)?), ..line },
                Form::Sealed => Line { sealed: Some(BASE64.encode(&bytes)), ..line },
                Form::Key | Form::Trail => line,
            };
            write(&text(&line)?)
        })?;
    }
    write(&text(&Line { record: Some(lines.get().into()), ..Line::of(LAST) })?)?;
    Ok(lines.get())
}

fn each<E: From<StoreError>>(
    reads: &dyn Reads,
    space: Space,
    mut visit: impl FnMut(Bytes, Bytes) -> Result<(), E>,
) -> Result<(), E> {
    each_chunk(reads, space, CHUNK, |rows| rows.into_iter().try_for_each(|(key, bytes)| visit(key, bytes)))
}

fn text<T: Serialize>(line: &T) -> Result<String, StoreError> {
    serde_json::to_string(line).map_err(|error| StoreError::Record(error.to_string()))
}
