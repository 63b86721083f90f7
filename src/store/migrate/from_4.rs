//! Schema 4 to 5: who is quiet is found by source, and passwords by when they were set.

use super::{Chunk, Step, index_rows, rows};
use crate::directory::user::User;
use crate::store::StoreError;
use crate::store::credentials::Credential;
use crate::store::engine::{Bytes, Engine};
use crate::store::keys::Space;

pub(super) const STEPS: &[Step] = &[users, credentials, quiet];

fn users(engine: &dyn Engine, after: Option<&Bytes>) -> Result<Chunk, StoreError> {
    index_rows::<User>(engine, after, &[Space::UserBySourceQuiet])
}

fn credentials(engine: &dyn Engine, after: Option<&Bytes>) -> Result<Chunk, StoreError> {
    index_rows::<Credential>(engine, after, &[Space::CredentialByChanged])
}

/// The index of all sources goes.
fn quiet(engine: &dyn Engine, after: Option<&Bytes>) -> Result<Chunk, StoreError> {
    let (rows, after) = rows(engine, Space::UserByQuiet, after)?;
    Ok(Chunk { writes: rows.into_iter().map(|(key, _)| (key, None)).collect(), after })
}
