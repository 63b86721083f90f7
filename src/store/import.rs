//! The way back from [`crate::store::export`]: lines into an empty store, with every row that follows from them.

use std::collections::BTreeMap;

use data_encoding::{BASE64, HEXLOWER};
use serde_json::Value;

use crate::directory::stored_hash::StoredHash;
use crate::store::audit::Trail;
use crate::store::credentials::Credential;
use crate::store::engine::{Batch, Bytes, Engine};
use crate::store::export::{EXPORTED, FORMAT, Form, Header, LAST, Line, META};
use crate::store::index::KINDS;
use crate::store::keys::Space;
use crate::store::seal::Sealer;
use crate::store::tally::Tally;
use crate::store::tx::Writes;
use crate::store::verifiers::Verifier;
use crate::store::{StoreError, codec, migrate};

/// Rows of one commit.
const CHUNK: usize = 2_000;
/// Bytes of one commit.
const CHUNK_BYTES: usize = 8 << 20;

/// Loads lines into an empty engine, and gives their number. A line that does not fit stops it: what was loaded
/// before is of no use then.
///
/// # Errors
/// With the number of the line, when one is no line of an export, or two claim the same; when the engine cannot
/// write, or the lines were sealed with another key.
pub fn import(
    engine: &dyn Engine,
    sealer: &Sealer,
    lines: impl Iterator<Item = Result<String, StoreError>>,
) -> Result<u64, StoreError> {
    let mut load = Load {
        engine: Some(engine),
        writes: Writes::new(),
        bytes: 0,
        trail: Trail::default(),
        counted: BTreeMap::new(),
    };
    let number = load.all(lines, |key| match sealer.fingerprint() {
        own if own == key => Ok(()),
        own => Err(StoreError::Key(format!("it was sealed with the key {key}, this is {own}"))),
    })?;
    load.finish()?;
    Ok(number)
}

/// Looks at every line as [`import`] does, and loads none of them; gives their number. `fits` is asked first, whether
/// there is the key with this fingerprint. Only whether two lines claim the same is left open.
///
/// # Errors
/// As [`import`], and those of `fits`.
pub fn check<E: From<StoreError>>(
    lines: impl Iterator<Item = Result<String, StoreError>>,
    fits: impl FnOnce(&str) -> Result<(), E>,
) -> Result<u64, E> {
    Load { engine: None, writes: Writes::new(), bytes: 0, trail: Trail::default(), counted: BTreeMap::new() }
        .all(lines, fits)
}

fn at(line: u64, what: &str) -> StoreError {
    StoreError::Record(format!("line {line}: {what}"))
}

/// The same fault, with the line where it is.
fn found_at(line: u64) -> impl Fn(StoreError) -> StoreError {
    move |error| match error {
        StoreError::Record(what) => at(line, &what),
        other => other,
    }
}

struct Load<'a> {
    /// `None`: the lines are only looked at.
    engine: Option<&'a dyn Engine>,
    writes: Writes,
    bytes: usize,
    trail: Trail,
    /// How many users each source has.
    counted: BTreeMap<Bytes, Tally>,
}

impl Load<'_> {
    /// All lines, from the header to the one that says how many there are.
    fn all<E: From<StoreError>>(
        &mut self,
        lines: impl Iterator<Item = Result<String, StoreError>>,
        fits: impl FnOnce(&str) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut lines = (1_u64..).zip(lines);
        let Some((_, first)) = lines.next() else { return Err(at(1, "the file is empty").into()) };
        let foreign = |_| at(1, "this is no export of musterd");
        let header: Header = serde_json::from_str(&first.map_err(found_at(1))?).map_err(foreign)?;
        if header.musterd_export != FORMAT {
            let what = format!("its format is {}, this musterd reads {FORMAT}", header.musterd_export);
            return Err(at(1, &what).into());
        }
        fits(&header.seal_key)?;
        let (mut last, mut ended) = (1, false);
        for (number, text) in lines {
            let text = text.map_err(found_at(number))?;
            let line: Line = serde_json::from_str(&text).map_err(|error| at(number, &error.to_string()))?;
            if ended {
                return Err(at(number, "something comes after the last line").into());
            }
            ended = line.space == LAST;
            if !ended {
                self.line(line).map_err(found_at(number))?;
            } else if line.record != Some(last.into()) {
                return Err(at(number, "it does not have as many lines as it says").into());
            }
            last = number;
        }
        if ended { Ok(last) } else { Err(at(last, "it is cut short after this line").into()) }
    }

    fn line(&mut self, line: Line) -> Result<(), StoreError> {
        let fault = |what: &str| StoreError::Record(what.to_owned());
        let key = line.key.map(|key| HEXLOWER.decode(key.as_bytes())).transpose();
        let key = key.map_err(|_| fault("its key is no lower-case hexadecimal"))?;
        if line.space == "meta" {
            let key = key.filter(|key| META.contains(&key.as_slice())).ok_or_else(|| fault("an unknown fact"))?;
            let record = line.record.ok_or_else(|| fault("it lacks its record"))?;
            return self.put(Space::Meta.key(&[&key]), codec::encode(&record)?);
        }
        let (space, form) = EXPORTED
            .iter()
            .find(|(space, _)| space.name() == line.space)
            .ok_or_else(|| fault("its space is none that is exported"))?;
        let key = key.map(|key| space.key(&[&key]));
        match (form, key, line.record, line.sealed) {
            (Form::Record, Some(key), Some(record), None) => self.record(*space, key, &record),
            (Form::Key, Some(key), None, None) => self.key(*space, key),
            (Form::Sealed, Some(key), None, Some(sealed)) => {
                let bytes = BASE64.decode(sealed.as_bytes()).map_err(|_| fault("it is no base64"))?;
                self.put(key, bytes)
            }
            (Form::Trail, None, Some(line), None) => {
                let full = self.trail.add(&line)?;
                full.map_or(Ok(()), |(key, page)| self.put(key, page))
            }
            _ => Err(fault("it lacks what lines of its space have, or has more")),
        }
    }

    fn record(&mut self, space: Space, key: Bytes, record: &Value) -> Result<(), StoreError> {
        let bytes = codec::encode(record)?;
        check_hashes(space, &bytes)?;
        if let Some(kind) = KINDS.iter().find(|kind| kind.records == space) {
            for (index, value) in (kind.rows)(&key, &bytes)? {
                self.put(index, value)?;
            }
            if let Some((row, one)) = (kind.tally)(&bytes)? {
                let before = self.counted.get(&row).copied().unwrap_or_default();
                self.counted.insert(row, before.plus(one));
            }
        }
        self.put(key, bytes)
    }

    fn key(&mut self, space: Space, key: Bytes) -> Result<(), StoreError> {
        if space == Space::GroupMember {
            let (group, member) = key.get(1..).and_then(|ids| ids.split_at_checked(16)).unwrap_or_default();
            self.put(Space::GroupOfMember.key(&[member, group]), Bytes::new())?;
        }
        self.put(key, Bytes::new())
    }

    fn put(&mut self, key: Bytes, value: Bytes) -> Result<(), StoreError> {
        let Some(engine) = self.engine else { return Ok(()) };
        let taken = match self.writes.get(&key) {
            Some(other) => Some(other.clone().unwrap_or_default()),
            None => engine.get(&key)?,
        };
        if taken.is_some_and(|taken| taken != value) {
            return Err(StoreError::Record(format!("another line claims the same row in {}", space_of(&key))));
        }
        self.bytes = self.bytes.saturating_add(key.len()).saturating_add(value.len());
        self.writes.insert(key, Some(value));
        if self.writes.len() < CHUNK && self.bytes < CHUNK_BYTES { Ok(()) } else { self.commit() }
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.bytes = 0;
        let batch = Batch { writes: std::mem::take(&mut self.writes), expect: Vec::new() };
        self.engine.map_or(Ok(()), |engine| Ok(engine.commit(&batch)?))
    }

    /// The schema comes last: without it, nothing takes what was loaded for a store.
    fn finish(mut self) -> Result<(), StoreError> {
        for (key, value) in std::mem::take(&mut self.trail).end()? {
            self.put(key, value)?;
        }
        for (key, tally) in std::mem::take(&mut self.counted) {
            self.put(key, tally.bytes())?;
        }
        self.commit()?;
        self.engine.map_or(Ok(()), migrate::migrate)
    }
}

/// A password's hash that no login could use is refused while somebody looks.
fn check_hashes(space: Space, record: &[u8]) -> Result<(), StoreError> {
    let hashes = match space {
        Space::Credential => {
            let Credential { hash, history, .. } = codec::decode(record)?;
            std::iter::once(hash).chain(history).collect()
        }
        Space::Verifier => vec![codec::decode::<Verifier>(record)?.hash],
        _ => Vec::new(),
    };
    let unusable = hashes.iter().find_map(|hash| StoredHash::parse(hash).err());
    unusable.map_or(Ok(()), |why| Err(StoreError::Record(format!("the hash of its password {why}"))))
}

fn space_of(key: &[u8]) -> &'static str {
    Space::of(key).map_or("an unknown space", Space::name)
}
