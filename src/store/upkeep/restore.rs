//! A restore: a backup becomes the store of a folder that has none. The whole file is read and checked first; until
//! then, and for as long as anything does not fit, nothing is touched.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::UpkeepError;
use super::folder::Folder;
use super::format::{FileFault, Header};
use super::reader::{Checked, Reader};
use super::rows::{Filler, tally};
use crate::base::rng::Rng;
use crate::store::engine::Engine;
use crate::store::engine::sled::SledEngine;
use crate::store::seal::{self, Sealer};
use crate::store::{Settings, lock};

/// sled's files are at most this many times as large as what is put in in order, measured, with some to spare.
pub(super) const GROWTH: u64 = 3;
/// And this much larger, however little it is.
pub(super) const LEAST: u64 = 16 << 20;

/// Makes the store of a folder from a backup; `given` is the key file of the time of the backup, where the folder
/// does not have it.
///
/// # Errors
/// When the folder has a store, the file is not a whole backup, or the key is missing or another one: nothing was
/// touched then. When the disk refuses: a part of a copy may be left, which the next restore removes.
pub fn restore(settings: &Settings, file: &Path, given: Option<&Path>) -> Result<Checked, UpkeepError> {
    let folder = Folder::new(&settings.folder);
    refuse_records(settings, &folder)?;
    let checked = open(file)?.check().map_err(|fault| UpkeepError::file(file, fault))?;
    let key = Key::choose(settings, given, &checked.header)?;
    let _lock = lock(&settings.folder)?;
    folder.settle_for_restore()?;
    refuse_records(settings, &folder)?;
    check_room(&folder, checked.summary.content, settings.reserve_bytes)?;
    let copy = folder.restoring();
    let loaded = load(settings, file, &checked, &copy);
    let installed = loaded.and_then(|()| key.install(&folder)).and_then(|()| Ok(folder.install(&copy)?));
    if installed.is_err() {
        drop(folder.remove(&copy));
    }
    installed.map(|()| checked)
}

fn refuse_records(settings: &Settings, folder: &Folder) -> Result<(), UpkeepError> {
    if folder.holds_records() {
        let text = format!(
            "{} already holds a store: stop the daemon and move {} away first, or restore into another store.folder",
            settings.folder.display(),
            folder.store().display()
        );
        return Err(UpkeepError::Folder(text));
    }
    Ok(())
}

/// Is there room for a copy of so many bytes of rows?
pub(super) fn check_room(folder: &Folder, content: u64, reserve: u64) -> Result<(), UpkeepError> {
    let needed = content.saturating_mul(GROWTH).saturating_add(LEAST);
    let free = folder.free()?;
    if free < needed.saturating_add(reserve) {
        return Err(UpkeepError::Room { folder: folder.path().to_owned(), needed, reserve, free });
    }
    Ok(())
}

fn open(file: &Path) -> Result<Reader<File>, UpkeepError> {
    let fault = |fault| UpkeepError::file(file, fault);
    let input = File::open(file).map_err(|error| fault(FileFault::Unreadable(error.to_string())))?;
    Reader::open(input).map_err(fault)
}

/// Fills a store of its own at `copy`, and looks at it again as the daemon will.
fn load(settings: &Settings, file: &Path, checked: &Checked, copy: &Path) -> Result<(), UpkeepError> {
    let engine = SledEngine::open(copy, settings.options())?;
    let filled = fill(&engine, file, checked);
    engine.close()?;
    let expected = filled?;
    let engine = SledEngine::open(copy, settings.options())?;
    let found = tally(&engine);
    engine.close()?;
    if found?.sum() == expected { Ok(()) } else { Err(UpkeepError::Differs(copy.to_owned())) }
}

/// Reads the file a second time, into the engine; it must be the same file.
pub(super) fn fill(engine: &dyn Engine, file: &Path, checked: &Checked) -> Result<(u64, [u8; 32]), UpkeepError> {
    let fault = |fault| UpkeepError::file(file, fault);
    let mut reader = open(file)?;
    let mut filler = Filler::new(engine);
    while let Some(row) = reader.next_row().map_err(fault)? {
        filler.put(row)?;
    }
    if reader.checked().map_err(fault)? != *checked {
        return Err(fault(FileFault::Changed));
    }
    Ok(filler.finish()?.sum())
}

/// The key for the sealed values of a backup: it is in its place, or will be copied there.
#[derive(Debug)]
struct Key {
    place: PathBuf,
    copied_from: Option<PathBuf>,
}

impl Key {
    /// Finds the key that the backup was made with.
    fn choose(settings: &Settings, given: Option<&Path>, header: &Header) -> Result<Self, UpkeepError> {
        let place = settings.seal_key_path();
        let in_place = place.exists();
        if in_place && fingerprint(&place)? != header.seal_key {
            return Err(UpkeepError::Key(another(&place, header)));
        }
        match given {
            Some(given) if fingerprint(given)? != header.seal_key => Err(UpkeepError::Key(another(given, header))),
            Some(given) if !in_place => Ok(Self { place, copied_from: Some(given.to_owned()) }),
            None if !in_place => Err(UpkeepError::Key(format!(
                "the seal key of the backup's time is needed, and there is none at {}: put it there (mode 600), or name it with --seal-key FILE",
                place.display()
            ))),
            _ => Ok(Self { place, copied_from: None }),
        }
    }

    fn install(&self, folder: &Folder) -> Result<(), UpkeepError> {
        let Some(from) = &self.copied_from else { return Ok(()) };
        seal::copy_key(from, &self.place)?;
        let given = folder.give_to_owner(&self.place);
        given.map_err(|error| UpkeepError::Key(format!("{}: {error}", self.place.display())))
    }
}

fn fingerprint(file: &Path) -> Result<String, UpkeepError> {
    Ok(Sealer::from_file(file, false, &Rng::system())?.fingerprint().to_owned())
}

fn another(file: &Path, header: &Header) -> String {
    format!(
        "the key in {} is not the one of this backup: the seal.key of the store as it was on {} is needed",
        file.display(),
        header.created_at
    )
}
