//! The requests of identity providers, in pages by source and time. They are kept for a while and may be lost with the
//! last seconds before a crash: the audit trail is what proves.

use jiff::Timestamp;

use crate::base::id::SourceId;
use crate::directory::journal::Exchange;
use crate::store::engine::{Bytes, KeyRange, Order};
use crate::store::keys::{END, Space, millis};
use crate::store::tx::{Reads, Tx};
use crate::store::{StoreError, codec};

/// Requests of one page.
const PAGE: usize = 128;
/// Bytes of bodies of a page that takes no more: it is written anew with every addition.
const PAGE_BYTES: usize = 64 << 10;
/// Most pages that one source keeps.
const PAGES_MAX: usize = 512;
/// Pages that are looked at besides.
const DROP: usize = 64;

fn prefix(source: &SourceId) -> Bytes {
    Space::Journal.key(&[source.as_str().as_bytes(), END])
}

/// Adds requests of a source, oldest first, to the last page or to new ones; tells whether a page was begun.
///
/// # Errors
/// When the store cannot read.
pub fn add(tx: &mut Tx<'_>, source: &SourceId, exchanges: &[Exchange]) -> Result<bool, StoreError> {
    let size = |exchange: &Exchange| exchange.body.as_ref().map_or(0, String::len);
    let last = tx.scan(&KeyRange::prefix(&prefix(source)), Order::Descending, 1)?.into_iter().next();
    let (mut key, mut page) = match last {
        Some((key, bytes)) => (Some(key), codec::decode::<Vec<Exchange>>(&bytes)?),
        None => (None, Vec::new()),
    };
    let mut bytes = page.iter().map(size).fold(0, usize::saturating_add);
    let mut begun = key.is_none();
    for exchange in exchanges {
        if page.len() >= PAGE || bytes >= PAGE_BYTES {
            put(tx, source, key.take(), &std::mem::take(&mut page))?;
            (bytes, begun) = (0, true);
        }
        bytes = bytes.saturating_add(size(exchange));
        page.push(exchange.clone());
    }
    put(tx, source, key, &page)?;
    Ok(begun)
}

fn put(tx: &mut Tx<'_>, source: &SourceId, key: Option<Bytes>, page: &[Exchange]) -> Result<(), StoreError> {
    let Some(first) = page.first() else { return Ok(()) };
    let key = match key {
        Some(key) => key,
        None => [prefix(source), millis(first.at).to_vec(), tx.rng().bytes::<8>().to_vec()].concat(),
    };
    tx.put_record(key, &page)
}

/// Drops what is older than a time, and what is more than is kept.
///
/// # Errors
/// When the store cannot read.
pub fn prune(tx: &mut Tx<'_>, source: &SourceId, before: Timestamp) -> Result<(), StoreError> {
    let prefix = prefix(source);
    let rows = tx.scan(&KeyRange::prefix(&prefix), Order::Ascending, PAGES_MAX.saturating_add(DROP))?;
    let surplus = rows.len().saturating_sub(PAGES_MAX);
    // A page ends where the next begins.
    let ends = rows.iter().skip(1).map(|(key, _)| time_of(&prefix, key));
    let ends: Vec<u64> = ends.chain([u64::MAX]).collect();
    let limit = u64::from_be_bytes(millis(before));
    for (number, ((key, _), end)) in rows.into_iter().zip(ends).enumerate() {
        if number < surplus || end < limit {
            tx.remove(key);
        }
    }
    Ok(())
}

fn time_of(prefix: &[u8], key: &[u8]) -> u64 {
    let time = key.get(prefix.len()..).and_then(|rest| rest.first_chunk::<8>());
    time.map_or(u64::MAX, |time| u64::from_be_bytes(*time))
}

/// The last requests of a source that `wanted` wants, newest first, older than a time.
///
/// # Errors
/// When the store cannot read.
pub fn list(
    reads: &dyn Reads,
    source: &SourceId,
    before: Option<Timestamp>,
    limit: usize,
    wanted: impl Fn(&Exchange) -> bool,
) -> Result<Vec<Exchange>, StoreError> {
    let prefix = prefix(source);
    let mut range = KeyRange::prefix(&prefix);
    let mut found = Vec::new();
    loop {
        let rows = reads.scan(&range, Order::Descending, 16)?;
        let Some((last, _)) = rows.last() else { return Ok(found) };
        range = KeyRange::prefix_before(&prefix, last.clone());
        for (_, bytes) in &rows {
            let page: Vec<Exchange> = codec::decode(bytes)?;
            let page = page.into_iter().rev().filter(|one| before.is_none_or(|before| one.at < before));
            found.extend(page.filter(|one| wanted(one)));
            if found.len() >= limit {
                found.truncate(limit);
                return Ok(found);
            }
        }
    }
}
