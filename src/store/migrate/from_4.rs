//! Schema 4 to 5: who is quiet is found by source, and passwords by when they were set.

use super::{Chunk, Step, rows};
use crate::directory::user::User;
use crate::store::credentials::Credential;
use crate::store::engine::{Bytes, Engine};
use crate::store::index::Indexed;
use crate::store::keys::Space;
use crate::store::{StoreError, codec};

pub(super) const STEPS: &[Step] = &[users, credentials, quiet];

fn users(engine: &dyn Engine, after: Option<&Bytes>) -> Result<Chunk, StoreError> {
    rows_in::<User>(engine, after, Space::UserBySourceQuiet)
}

fn credentials(engine: &dyn Engine, after: Option<&Bytes>) -> Result<Chunk, StoreError> {
    rows_in::<Credential>(engine, after, Space::CredentialByChanged)
}

/// Writes the rows of a new index of some records.
fn rows_in<T: Indexed>(engine: &dyn Engine, after: Option<&Bytes>, index: Space) -> Result<Chunk, StoreError> {
    let (records, after) = rows(engine, T::RECORDS, after)?;
    let mut chunk = Chunk { writes: Default::default(), after };
    for (key, bytes) in records {
        let new = codec::decode::<T>(&bytes)?.rows(&key);
        let new = new.into_iter().filter(|(key, _)| key.first() == Some(&index.tag()));
        chunk.writes.extend(new.map(|(key, value)| (key, Some(value))));
    }
    Ok(chunk)
}

/// The index of all sources goes.
fn quiet(engine: &dyn Engine, after: Option<&Bytes>) -> Result<Chunk, StoreError> {
    let (rows, after) = rows(engine, Space::UserByQuiet, after)?;
    Ok(Chunk { writes: rows.into_iter().map(|(key, _)| (key, None)).collect(), after })
}
