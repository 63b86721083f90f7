//! Schema 2 to 3: the row by external id carries the user's fingerprint in front of the id.

use super::{Chunk, Step, rows};
use crate::directory::user::User;
use crate::store::engine::{Bytes, Engine};
use crate::store::index::Indexed;
use crate::store::keys::Space;
use crate::store::{StoreError, codec};

pub(super) const STEPS: &[Step] = &[users];

fn users(engine: &dyn Engine, after: Option<&Bytes>) -> Result<Chunk, StoreError> {
    let (records, after) = rows(engine, Space::User, after)?;
    let mut chunk = Chunk { writes: Default::default(), after };
    for (key, bytes) in records {
        let user: User = codec::decode(&bytes)?;
        let tag = Space::UserByExternalId.tag();
        let changed = user.rows(&key).into_iter().filter(|(index, _)| index.first() == Some(&tag));
        chunk.writes.extend(changed.map(|(index, value)| (index, Some(value))));
    }
    Ok(chunk)
}
