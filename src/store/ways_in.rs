//! Which sources let their users log in, as the settings say: an administrator whom no source lets in is no way in.

use std::collections::BTreeSet;

use crate::base::id::SourceId;
use crate::store::engine::Bytes;
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx, get_record};
use crate::store::{Store, StoreError};

fn key() -> Bytes {
    Space::Meta.key(&[b"ways in"])
}

/// Does this source let its users log in? As long as nobody has said anything, each does.
///
/// # Errors
/// When the store cannot read.
pub fn lets_in(reads: &dyn Reads, source: &SourceId) -> Result<bool, StoreError> {
    let sources: Option<BTreeSet<SourceId>> = get_record(reads, &key())?;
    Ok(sources.is_none_or(|sources| sources.contains(source)))
}

/// Notes what the settings say now.
///
/// # Errors
/// When the store cannot write.
pub async fn note(store: &Store, sources: BTreeSet<SourceId>) -> Result<(), StoreError> {
    let known: Option<BTreeSet<SourceId>> = get_record(&store.view(), &key())?;
    if known.as_ref() == Some(&sources) {
        return Ok(());
    }
    store.write(move |tx: &mut Tx<'_>| put(tx, &sources)).await
}

/// The same in a commit of others.
///
/// # Errors
/// When the record cannot be encoded.
pub fn put(tx: &mut Tx<'_>, sources: &BTreeSet<SourceId>) -> Result<(), StoreError> {
    tx.put_record(key(), sources)
}
