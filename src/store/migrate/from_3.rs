//! Schema 3 to 4: how many users each source has stands in a row.

use super::{Chunk, Step, rows};
use crate::directory::user::User;
use crate::store::engine::{Bytes, Engine};
use crate::store::index::Indexed;
use crate::store::keys::Space;
use crate::store::tally::Tally;
use crate::store::tx::Writes;
use crate::store::{StoreError, codec};

pub(super) const STEPS: &[Step] = &[users];

/// What a chunk counts is added in the commit that says how far counting has got.
fn users(engine: &dyn Engine, after: Option<&Bytes>) -> Result<Chunk, StoreError> {
    let (records, after) = rows(engine, Space::User, after)?;
    let mut counted: std::collections::BTreeMap<Bytes, Tally> = Default::default();
    for (_, bytes) in records {
        if let Some((key, one)) = codec::decode::<User>(&bytes)?.tally() {
            let before = counted.get(&key).copied().unwrap_or_default();
            counted.insert(key, before.plus(one));
        }
    }
    let mut writes = Writes::new();
    for (key, tally) in counted {
        let before = engine.get(&key)?.and_then(|bytes| Tally::read(&bytes)).unwrap_or_default();
        writes.insert(key, Some(before.plus(tally).bytes()));
    }
    Ok(Chunk { writes, after })
}
