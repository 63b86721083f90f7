//! How a store comes into a folder that has none: a copy is filled beside its place, closed, opened again and looked
//! at; only one that was found to be good gets the name. What was read of a file by then touched nothing.

use std::path::{Path, PathBuf};

use super::UpkeepError;
use super::folder::Folder;
use crate::base::rng::Rng;
use crate::store::engine::Engine;
use crate::store::engine::sled::SledEngine;
use crate::store::seal::{self, Sealer};
use crate::store::{Settings, lock};

/// sled's files are at most this many times as large as what is put in in order, measured, with some to spare.
pub(super) const GROWTH: u64 = 3;
/// And this much larger, however little it is.
pub(super) const LEAST: u64 = 16 << 20;

/// Makes the store of a folder: `fill` fills an empty copy with about so many bytes of rows, and `look` looks at it
/// again as the daemon will. When either fails, the folder has no store, and nothing of the copy.
pub(super) fn build<Filled, Found>(
    settings: &Settings,
    key: &Key,
    content: u64,
    fill: impl FnOnce(&dyn Engine) -> Result<Filled, UpkeepError>,
    look: impl FnOnce(&dyn Engine, Filled, &Path) -> Result<Found, UpkeepError>,
) -> Result<Found, UpkeepError> {
    let folder = Folder::new(&settings.folder);
    let _lock = lock(&settings.folder)?;
    folder.settle_for_restore()?;
    refuse_records(settings)?;
    check_room(&folder, content, settings.reserve_bytes)?;
    let copy = folder.restoring();
    let made = make(settings, &copy, fill, look);
    let installed = made.and_then(|found| {
        key.install(&folder)?;
        folder.install(&copy)?;
        Ok(found)
    });
    if installed.is_err() {
        drop(folder.remove(&copy));
    }
    installed
}

fn make<Filled, Found>(
    settings: &Settings,
    copy: &Path,
    fill: impl FnOnce(&dyn Engine) -> Result<Filled, UpkeepError>,
    look: impl FnOnce(&dyn Engine, Filled, &Path) -> Result<Found, UpkeepError>,
) -> Result<Found, UpkeepError> {
    let engine = SledEngine::open(copy, settings.options())?;
    let filled = fill(&engine);
    engine.close()?;
    let filled = filled?;
    let engine = SledEngine::open(copy, settings.options())?;
    let found = look(&engine, filled, copy);
    engine.close()?;
    found
}

/// Refuses a folder that has a store.
pub(super) fn refuse_records(settings: &Settings) -> Result<(), UpkeepError> {
    let folder = Folder::new(&settings.folder);
    if folder.holds_records() {
        let text = format!(
            "{} already holds a store: stop the daemon and move {} away first, or name another store.folder",
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

/// The key for the sealed values of a file: it is in its place, or will be copied there.
#[derive(Debug)]
pub(super) struct Key {
    place: PathBuf,
    copied_from: Option<PathBuf>,
}

impl Key {
    /// Finds the key with this fingerprint; `origin` says in words what was sealed with it.
    pub(super) fn choose(
        settings: &Settings,
        given: Option<&Path>,
        wanted: &str,
        origin: &str,
    ) -> Result<Self, UpkeepError> {
        let place = settings.seal_key_path();
        let in_place = place.exists();
        for file in [in_place.then_some(place.as_path()), given].into_iter().flatten() {
            if sealer(file)?.fingerprint() != wanted {
                return Err(UpkeepError::Key(format!("the key in {} is not the one of {origin}", file.display())));
            }
        }
        match given {
            Some(given) if !in_place => Ok(Self { place, copied_from: Some(given.to_owned()) }),
            None if !in_place => Err(UpkeepError::Key(format!(
                "the seal key of its time is needed, and there is none at {}: put it there (mode 600), or name it with --seal-key FILE",
                place.display()
            ))),
            _ => Ok(Self { place, copied_from: None }),
        }
    }

    /// What opens and seals with it.
    pub(super) fn sealer(&self) -> Result<Sealer, UpkeepError> {
        sealer(self.copied_from.as_ref().unwrap_or(&self.place))
    }

    fn install(&self, folder: &Folder) -> Result<(), UpkeepError> {
        let Some(from) = &self.copied_from else { return Ok(()) };
        seal::copy_key(from, &self.place)?;
        let given = folder.give_to_owner(&self.place);
        given.map_err(|error| UpkeepError::Key(format!("{}: {error}", self.place.display())))
    }
}

fn sealer(file: &Path) -> Result<Sealer, UpkeepError> {
    Ok(Sealer::from_file(file, false, &Rng::system())?)
}
