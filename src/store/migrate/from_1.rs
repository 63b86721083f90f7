//! Schema 1 to 2: users get the indexes by modification and by state and lose the row of the role that everybody
//! has; audit lines move into pages, and the rows by user that pages make needless go.

use serde_json::Value;

use super::{Chunk, Step, rows};
use crate::directory::role;
use crate::directory::user::User;
use crate::store::audit::{self, Head};
use crate::store::engine::{Bytes, Engine, KeyRange, Order};
use crate::store::index::Indexed;
use crate::store::keys::{END, Space};
use crate::store::tx::Writes;
use crate::store::{StoreError, codec};

pub(super) const STEPS: &[Step] = &[users, lines, lines_by_user, head];

fn users(engine: &dyn Engine, after: Option<&Bytes>) -> Result<Chunk, StoreError> {
    let (records, after) = rows(engine, Space::User, after)?;
    let mut writes = Writes::new();
    for (key, bytes) in records {
        let user: User = codec::decode(&bytes)?;
        let new = [Space::UserByModified.tag(), Space::UserByState.tag()];
        let added = user.rows(&key).into_iter().filter(|(index, _)| index.first().is_some_and(|tag| new.contains(tag)));
        writes.extend(added.map(|(index, value)| (index, Some(value))));
        writes.insert(Space::UserByRole.key(&[role::USER.as_bytes(), END, user.id.as_bytes()]), None);
    }
    Ok(Chunk { writes, after })
}

fn lines(engine: &dyn Engine, after: Option<&Bytes>) -> Result<Chunk, StoreError> {
    let (records, after) = rows(engine, Space::Audit, after)?;
    let mut writes = Writes::new();
    let mut lines: Vec<Value> = Vec::new();
    for (key, bytes) in &records {
        lines.push(codec::decode(bytes)?);
        writes.insert(key.clone(), None);
    }
    if let Some((first, _)) = records.first() {
        writes.insert(first.clone(), Some(audit::encode_lines(&lines)?));
    }
    Ok(Chunk { writes, after })
}

fn lines_by_user(engine: &dyn Engine, after: Option<&Bytes>) -> Result<Chunk, StoreError> {
    let (rows, after) = rows(engine, Space::AuditByUser, after)?;
    Ok(Chunk { writes: rows.into_iter().map(|(key, _)| (key, None)).collect(), after })
}

/// The head learns which page is the last.
fn head(engine: &dyn Engine, _: Option<&Bytes>) -> Result<Chunk, StoreError> {
    let key = audit::head_key();
    let last = engine.scan(&KeyRange::prefix(&Space::Audit.key(&[])), Order::Descending, 1)?;
    let mut writes = Writes::new();
    if let (Some(bytes), Some((page, _))) = (engine.get(&key)?, last.first()) {
        let head: Head = codec::decode(&bytes)?;
        writes.insert(key, Some(codec::encode(&Head { page: audit::first_of(page), ..head })?));
    }
    Ok(Chunk { writes, after: None })
}
