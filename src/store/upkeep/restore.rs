//! A restore: a backup becomes the store of a folder that has none. The whole file is read and checked first; until
//! then, and for as long as anything does not fit, nothing is touched.

use std::fs::File;
use std::path::Path;

use super::UpkeepError;
use super::build::{Key, build, refuse_records};
use super::format::FileFault;
use super::reader::{Checked, Reader};
use super::rows::{Filler, tally};
use crate::store::engine::Engine;
use crate::store::{Settings, clock};

/// Makes the store of a folder from a backup; `given` is the key file of the time of the backup, where the folder
/// does not have it.
///
/// # Errors
/// When the folder has a store, the file is not a whole backup, or the key is missing or another one: nothing was
/// touched then. When the disk refuses: a part of a copy may be left, which the next restore removes.
pub fn restore(settings: &Settings, file: &Path, given: Option<&Path>) -> Result<Checked, UpkeepError> {
    refuse_records(settings)?;
    let checked = open(file)?.check().map_err(|fault| UpkeepError::file(file, fault))?;
    let origin = format!("this backup: the seal.key of the store as it was on {} is needed", checked.header.created_at);
    let key = Key::choose(settings, given, &checked.header.seal_key, &origin)?;
    let fill = |engine: &dyn Engine| fill(engine, file, &checked);
    build(settings, &key, checked.summary.content, fill, |engine, expected, copy| {
        if tally(engine)?.sum() == expected { Ok(()) } else { Err(UpkeepError::Differs(copy.to_owned())) }
    })?;
    Ok(checked)
}

fn open(file: &Path) -> Result<Reader<File>, UpkeepError> {
    let fault = |fault| UpkeepError::file(file, fault);
    let input = File::open(file).map_err(|error| fault(FileFault::Unreadable(error.to_string())))?;
    Reader::open(input).map_err(fault)
}

/// Reads the file a second time, into the engine; it must be the same file.
pub(super) fn fill(engine: &dyn Engine, file: &Path, checked: &Checked) -> Result<(u64, [u8; 32]), UpkeepError> {
    let fault = |fault| UpkeepError::file(file, fault);
    let mut reader = open(file)?;
    let mut filler = Filler::new(engine);
    while let Some(row) = reader.next_row().map_err(fault)? {
        filler.put(clock::without_anchor(row)?)?;
    }
    if reader.checked().map_err(fault)? != *checked {
        return Err(fault(FileFault::Changed));
    }
    Ok(filler.finish()?.sum())
}
