//! Dropping what is older than the trail is kept for, page by page, so that the rest stays provable.

use jiff::Timestamp;
use serde_json::Value;

use super::page::{self, Page};
use super::{Entry, Head, append, start_key};
use crate::directory::audit::{Author, Target};
use crate::store::StoreError;
use crate::store::engine::{KeyRange, Order};
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx};

/// Pages that are dropped in one commit.
const PAGES: usize = 50;

/// Drops the oldest pages whose lines are all older than `before`, at most some of them; the last page stays. What
/// is dropped is told by a line of its own, with the hash before the first line that stays, from which its proof
/// begins. Gives the number of lines; none: it is done.
///
/// # Errors
/// When the store cannot read.
pub fn trim(tx: &mut Tx<'_>, author: &Author, before: Timestamp) -> Result<u64, StoreError> {
    let rows = tx.scan(&KeyRange::prefix(&Space::Audit.key(&[])), Order::Ascending, PAGES.saturating_add(1))?;
    let Some((_, old)) = rows.split_last() else { return Ok(0) };
    let (mut dropped, mut last) = (0_u64, None);
    for row in old {
        let page = Page::read(row)?;
        if page.to >= before {
            break;
        }
        let lines = page.lines()?;
        dropped = dropped.saturating_add(u64::try_from(lines.len()).unwrap_or(u64::MAX));
        last = lines.into_iter().next_back().or(last);
        tx.remove(page::key(page.first));
    }
    let Some(last) = last else { return Ok(0) };
    let seq = last.get("seq").and_then(Value::as_u64).unwrap_or_default();
    let hash = last.get("hash").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut entry = Entry::new("audit.trimmed", Target::Directory);
    entry.details.insert("hash".to_owned(), hash.clone().into());
    tx.put_record(start_key(), &Head { seq, hash, page: 0 })?;
    entry.details.insert("through".to_owned(), seq.into());
    entry.details.insert("lines".to_owned(), dropped.into());
    append(tx, author, entry)?;
    Ok(dropped)
}
