//! Schema 5 to 6: members of organisations, and holders of roles inside them, are found by index; tokens say by numbers
//! what they open.

use super::{Chunk, Step, index_rows, rows};
use crate::directory::token::ApiToken;
use crate::directory::user::User;
use crate::store::engine::{Bytes, Engine};
use crate::store::keys::Space;
use crate::store::{StoreError, codec};

pub(super) const STEPS: &[Step] = &[users, tokens];

fn users(engine: &dyn Engine, after: Option<&Bytes>) -> Result<Chunk, StoreError> {
    index_rows::<User>(engine, after, &[Space::UserByOrganization, Space::UserByRole])
}

fn tokens(engine: &dyn Engine, after: Option<&Bytes>) -> Result<Chunk, StoreError> {
    let (records, after) = rows(engine, Space::Token, after)?;
    let mut chunk = Chunk { writes: Default::default(), after };
    for (key, bytes) in records {
        let token: ApiToken = codec::decode(&bytes)?;
        chunk.writes.insert(key, Some(codec::encode(&token)?));
    }
    Ok(chunk)
}
