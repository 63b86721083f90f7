//! A compaction: every row is copied into a fresh store, which takes the place of the old one. The old one is
//! removed when the fresh one was found to hold the same.

use serde::Serialize;

use super::UpkeepError;
use super::build::check_room;
use super::folder::{Folder, size_on_disk};
use super::rows::{Filler, Tally, each, tally};
use crate::store::engine::sled::SledEngine;
use crate::store::engine::{Engine, Rows};
use crate::store::mark::Mark;
use crate::store::{Settings, lock};

/// What a compaction came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Compacted {
    /// Rows.
    pub rows: u64,
    /// Bytes on disk before.
    pub bytes_before: u64,
    /// Bytes on disk after: as many, where a fresh copy takes no less.
    pub bytes_after: u64,
}

/// Gives back the disk that old versions of rows take.
///
/// # Errors
/// When there is no store, it is in use or damaged, or the disk has no room for a copy. The store is as it was then.
pub fn compact(settings: &Settings) -> Result<Compacted, UpkeepError> {
    let folder = Folder::new(&settings.folder);
    if !folder.holds_records() {
        return Err(UpkeepError::Folder(format!("there is no store in {}", settings.folder.display())));
    }
    let _lock = lock(&settings.folder)?;
    folder.settle()?;
    let bytes_before = size_on_disk(&folder.store())?;
    let source = SledEngine::open(&folder.store(), settings.options())?;
    // What has lost something must not become a whole store by being copied.
    drop(Mark::check(&folder.store(), &source)?);
    let copied = copy(settings, &folder, &source);
    source.close()?;
    let compacted = copied.and_then(|copied| {
        let bytes_after = size_on_disk(&folder.compacting())?;
        if bytes_after < bytes_before {
            folder.swap(&folder.compacting())?;
        } else {
            folder.settle()?;
        }
        Ok(Compacted { rows: copied.rows, bytes_before, bytes_after: bytes_after.min(bytes_before) })
    });
    if compacted.is_err() {
        drop(folder.settle());
    }
    compacted
}

/// Copies all rows, and looks at the copy again as the daemon will.
fn copy(settings: &Settings, folder: &Folder, source: &dyn Rows) -> Result<Tally, UpkeepError> {
    let expected = tally(source)?;
    check_room(folder, expected.content, settings.reserve_bytes)?;
    let place = folder.compacting();
    let target = SledEngine::open(&place, settings.options())?;
    let copied = fill(source, &target);
    target.close()?;
    let copied = copied?;
    let target = SledEngine::open(&place, settings.options())?;
    let found = tally(&target);
    target.close()?;
    if copied.sum() == expected.sum() && found?.sum() == expected.sum() {
        Ok(expected)
    } else {
        Err(UpkeepError::Differs(place))
    }
}

fn fill(source: &dyn Rows, target: &dyn Engine) -> Result<Tally, UpkeepError> {
    let mut filler = Filler::new(target);
    each(source, |row| Ok::<_, UpkeepError>(filler.put(row)?))?;
    Ok(filler.finish()?)
}
