//! From the layout of an older version to this one, at start, in small commits: a kill at any point costs the chunk
//! that was under way, and the next start goes on from there. A store of a newer version is refused.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};

use crate::store::engine::{Batch, Bytes, Engine, KeyRange, Order, Row};
use crate::store::index::Indexed;
use crate::store::keys::Space;
use crate::store::tx::Writes;
use crate::store::{StoreError, codec};

mod from_1;
mod from_2;
mod from_3;
mod from_4;
mod from_5;

/// The version of the layout: key spaces and their meaning.
pub(super) const SCHEMA: u32 = 6;

/// How one version becomes the next: each step goes through its rows, chunk by chunk.
struct Migration {
    from: u32,
    steps: &'static [Step],
}

/// Changes some rows after a key; what it gives is committed together with where it got to.
type Step = fn(&dyn Engine, Option<&Bytes>) -> Result<Chunk, StoreError>;

/// What a step did.
struct Chunk {
    writes: Writes,
    /// Where to go on; `None`: the step is done.
    after: Option<Bytes>,
}

const MIGRATIONS: &[Migration] = &[
    Migration { from: 1, steps: from_1::STEPS },
    Migration { from: 2, steps: from_2::STEPS },
    Migration { from: 3, steps: from_3::STEPS },
    Migration { from: 4, steps: from_4::STEPS },
    Migration { from: 5, steps: from_5::STEPS },
];

/// How far a migration has got.
#[derive(Default, Serialize, Deserialize)]
struct Progress {
    step: usize,
    /// The last key of the step that is done, in hexadecimal.
    after: Option<String>,
}

fn schema_key() -> Bytes {
    Space::Meta.key(&[b"schema"])
}

fn progress_key() -> Bytes {
    Space::Meta.key(&[b"migration"])
}

/// The schema version of a store; `None`: it is empty.
///
/// # Errors
/// When the store cannot be read.
pub(super) fn schema(engine: &dyn Engine) -> Result<Option<u32>, StoreError> {
    engine.get(&schema_key())?.map(|bytes| codec::decode(&bytes)).transpose()
}

/// Brings a store to this version's layout.
///
/// # Errors
/// [`StoreError::Newer`] when a newer musterd wrote it, or when it cannot be read or written.
pub(super) fn migrate(engine: &dyn Engine) -> Result<(), StoreError> {
    let Some(mut found) = schema(engine)? else {
        return commit(engine, [(schema_key(), Some(codec::encode(&SCHEMA)?))].into());
    };
    while found != SCHEMA {
        let Some(migration) = MIGRATIONS.iter().find(|migration| migration.from == found) else {
            return Err(StoreError::Newer { found });
        };
        tracing::info!(store.schema = found, "bringing the store to schema version {SCHEMA}; a kill loses nothing");
        found = run(engine, migration)?;
        tracing::info!(store.schema = found, "the store has a new schema version");
    }
    Ok(())
}

fn run(engine: &dyn Engine, migration: &Migration) -> Result<u32, StoreError> {
    let progress = engine.get(&progress_key())?.map(|bytes| codec::decode::<Progress>(&bytes)).transpose()?;
    let progress = progress.unwrap_or_default();
    let damaged = |_| StoreError::Record("where the migration got to cannot be read".to_owned());
    let mut after = progress.after.map(|key| HEXLOWER.decode(key.as_bytes())).transpose().map_err(damaged)?;
    for (number, step) in migration.steps.iter().enumerate().skip(progress.step) {
        loop {
            let chunk = step(engine, after.as_ref())?;
            after = chunk.after;
            let step = if after.is_some() { number } else { number.saturating_add(1) };
            let progress = Progress { step, after: after.as_ref().map(|key| HEXLOWER.encode(key)) };
            let mut writes = chunk.writes;
            writes.insert(progress_key(), Some(codec::encode(&progress)?));
            commit(engine, writes)?;
            if after.is_none() {
                break;
            }
        }
    }
    let next = migration.from.saturating_add(1);
    commit(engine, [(schema_key(), Some(codec::encode(&next)?)), (progress_key(), None)].into())?;
    Ok(next)
}

/// Rows of one commit.
const CHUNK: usize = 100;

/// The next rows of a space after a key, and where to go on.
fn rows(engine: &dyn Engine, space: Space, after: Option<&Bytes>) -> Result<(Vec<Row>, Option<Bytes>), StoreError> {
    let prefix = space.key(&[]);
    let range = match after {
        Some(after) => KeyRange::prefix_after(&prefix, after.clone()),
        None => KeyRange::prefix(&prefix),
    };
    let rows = engine.scan(&range, Order::Ascending, CHUNK)?;
    let last = rows.last().map(|(key, _)| key.clone());
    Ok((rows, last))
}

/// Writes the rows of new indexes of some records.
fn index_rows<T: Indexed>(engine: &dyn Engine, after: Option<&Bytes>, indexes: &[Space]) -> Result<Chunk, StoreError> {
    let (records, after) = rows(engine, T::RECORDS, after)?;
    let mut chunk = Chunk { writes: Default::default(), after };
    for (key, bytes) in records {
        let new = codec::decode::<T>(&bytes)?.rows(&key);
        let is_wanted = |key: &Bytes| indexes.iter().any(|index| key.first() == Some(&index.tag()));
        chunk.writes.extend(new.into_iter().filter(|(key, _)| is_wanted(key)).map(|(key, value)| (key, Some(value))));
    }
    Ok(chunk)
}

fn commit(engine: &dyn Engine, writes: Writes) -> Result<(), StoreError> {
    Ok(engine.commit(&Batch { writes, expect: Vec::new() })?)
}

#[cfg(test)]
#[path = "migrate/tests.rs"]
mod tests;
