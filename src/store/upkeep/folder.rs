//! The names in a store's folder, and putting in order what a restore or a compaction left that did not end.
//!
//! `store` holds the records. `store.restoring` and `store.compacting` are copies that are not finished;
//! `store.replaced` is what a compaction has taken the place of.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};

use crate::store::StoreError;
use crate::store::engine::EngineError;

/// A folder as musterd keeps it.
pub(in crate::store) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(in crate::store) fn new(path: &Path) -> Self {
        Self { path: path.to_owned() }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The records.
    pub(in crate::store) fn store(&self) -> PathBuf {
        self.path.join("store")
    }

    /// A restore's or import's copy, until it is whole.
    pub(super) fn restoring(&self) -> PathBuf {
        self.path.join("store.restoring")
    }

    /// A compaction's copy, until it is whole.
    pub(super) fn compacting(&self) -> PathBuf {
        self.path.join("store.compacting")
    }

    /// The records from before a compaction, until they are removed.
    fn replaced(&self) -> PathBuf {
        self.path.join("store.replaced")
    }

    /// The key for sealed values, where the settings name no other place.
    pub(in crate::store) fn seal_key(&self) -> PathBuf {
        self.path.join("seal.key")
    }

    /// Are there records, if only under the name that a compaction gave them?
    pub(super) fn holds_records(&self) -> bool {
        self.store().exists() || self.replaced().exists()
    }

    /// Puts in order what did not end. The folder must be locked; nothing in it may be open.
    ///
    /// # Errors
    /// When there are no records but an unfinished copy of some: an empty store must not take their place.
    pub(in crate::store) fn settle(&self) -> Result<(), StoreError> {
        self.finish_swap()?;
        if self.store().exists() {
            return Ok(());
        }
        let folder = self.path.display();
        if self.restoring().exists() {
            return Err(fault(format!(
                "a restore or import into {folder} was not finished: run `musterd restore` again (or `musterd import`), or remove {} for an empty store",
                self.restoring().display()
            )));
        }
        if self.compacting().exists() {
            return Err(fault(format!(
                "{folder} has no store, only {}, the copy of a compaction that did not end: put the store back",
                self.compacting().display()
            )));
        }
        Ok(())
    }

    /// Ends, or takes back, the swap of a compaction; removes copies that are of no use beside records.
    fn finish_swap(&self) -> Result<(), StoreError> {
        if !self.store().exists() && self.replaced().exists() {
            self.rename(&self.replaced(), &self.store())?;
            tracing::info!(store.folder = %self.path.display(), "a compaction that did not end was taken back");
        }
        if self.store().exists() {
            for left in [self.restoring(), self.compacting(), self.replaced()] {
                self.remove(&left)?;
            }
        }
        Ok(())
    }

    /// The same before a restore: what an earlier one left is removed.
    pub(super) fn settle_for_restore(&self) -> Result<(), StoreError> {
        self.finish_swap()?;
        self.remove(&self.restoring())?;
        self.settle()
    }

    /// A whole copy becomes the store of a folder that has none.
    pub(super) fn install(&self, copy: &Path) -> Result<(), StoreError> {
        self.make_own(copy)?;
        self.rename(copy, &self.store())
    }

    /// A whole copy takes the store's place. Whenever it is cut short, [`Folder::settle`] finds one of the two whole.
    pub(super) fn swap(&self, copy: &Path) -> Result<(), StoreError> {
        self.make_own(copy)?;
        self.rename(&self.store(), &self.replaced())?;
        self.rename(copy, &self.store())?;
        self.remove(&self.replaced())
    }

    /// Gives a copy to whom the folder belongs, for root may have made it, and forces all of it out: the engine
    /// vouches for its log only.
    fn make_own(&self, copy: &Path) -> Result<(), StoreError> {
        let own = |path: &Path| self.give_to_owner(path).and_then(|()| File::open(path)?.sync_all());
        each_file(copy, &mut |path| own(path)).and_then(|()| own(copy)).map_err(|error| io_fault(copy, &error))
    }

    /// The daemon runs as the folder's owner: what root made beside its store must be its own too.
    pub(in crate::store) fn give_to_owner(&self, path: &Path) -> io::Result<()> {
        let (folder, made) = (fs::metadata(&self.path)?, fs::metadata(path)?);
        if (folder.uid(), folder.gid()) == (made.uid(), made.gid()) {
            return Ok(());
        }
        match chown(path, Some(folder.uid()), Some(folder.gid())) {
            // Not root: the folder's owner gave this user the right to write there, and will read what it made.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
            outcome => outcome,
        }
    }

    /// Renames, and forces that out before anything else happens.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        fs::rename(from, to).and_then(|()| self.sync()).map_err(|error| io_fault(from, &error))
    }

    /// Forces out which names the folder has.
    fn sync(&self) -> io::Result<()> {
        File::open(&self.path)?.sync_all()
    }

    /// Removes a copy, if it is there.
    pub(super) fn remove(&self, copy: &Path) -> Result<(), StoreError> {
        match fs::remove_dir_all(copy) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(io_fault(copy, &error)),
            _ => Ok(()),
        }
    }

    /// Bytes that can be written to this disk.
    pub(super) fn free(&self) -> Result<u64, StoreError> {
        let disk = rustix::fs::statvfs(&self.path).map_err(|error| io_fault(&self.path, &error.into()))?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

/// Does a folder hold a store?
#[must_use]
pub fn holds_a_store(folder: &Path) -> bool {
    Folder::new(folder).holds_records()
}

/// The bytes that a folder takes on disk.
pub(super) fn size_on_disk(folder: &Path) -> Result<u64, StoreError> {
    let mut size = 0_u64;
    each_file(folder, &mut |path| {
        size = size.saturating_add(fs::metadata(path)?.blocks().saturating_mul(512));
        Ok(())
    })
    .map_err(|error| io_fault(folder, &error))?;
    Ok(size)
}

fn each_file(folder: &Path, visit: &mut impl FnMut(&Path) -> io::Result<()>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            each_file(&path, visit)?;
        }
        visit(&path)?;
    }
    Ok(())
}

fn fault(text: String) -> StoreError {
    EngineError::Io(text).into()
}

fn io_fault(path: &Path, error: &io::Error) -> StoreError {
    fault(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these folders in it, each holding a file that says which it was.
    fn with(names: &[&str]) -> (tempfile::TempDir, Folder) {
        let temporary = tempfile::tempdir().unwrap();
        for name in names {
            fs::create_dir(temporary.path().join(name)).unwrap();
            fs::write(temporary.path().join(name).join("is"), name).unwrap();
        }
        let folder = Folder::new(temporary.path());
        (temporary, folder)
    }

    fn names(folder: &Folder) -> Vec<String> {
        let entries = fs::read_dir(&folder.path).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn whatever_a_compaction_left_the_records_are_found_again() {
        for (left, is) in [
            (&["store"][..], "store"),
            (&["store", "store.compacting"], "store"),
            (&["store.replaced", "store.compacting"], "store.replaced"),
            (&["store", "store.replaced"], "store"),
            (&["store.replaced"], "store.replaced"),
            (&["store", "store.restoring"], "store"),
        ] {
            let (_temporary, folder) = with(left);
            folder.settle().unwrap();
            assert_eq!(names(&folder), ["store"], "{left:?}");
            assert_eq!(fs::read_to_string(folder.store().join("is")).unwrap(), is, "{left:?}");
        }
    }

    #[test]
    fn an_unfinished_copy_alone_is_no_empty_store() {
        let (_temporary, folder) = with(&["store.restoring"]);
        assert!(folder.settle().unwrap_err().to_string().contains("was not finished: run `musterd restore` again"));
        assert_eq!(names(&folder), ["store.restoring"]);
        folder.settle_for_restore().unwrap();
        assert!(names(&folder).is_empty());
        let (_temporary, folder) = with(&["store.compacting"]);
        assert!(folder.settle().is_err() && folder.settle_for_restore().is_err());
        assert_eq!(names(&folder), ["store.compacting"]);
        let (_temporary, folder) = with(&[]);
        folder.settle().unwrap();
    }

    #[test]
    fn what_root_copies_belongs_to_the_folders_owner() {
        let (temporary, folder) = with(&["store.restoring"]);
        if chown(temporary.path(), Some(12_345), Some(12_346)).is_err() {
            return;
        }
        folder.install(&folder.restoring()).unwrap();
        for path in [folder.store(), folder.store().join("is")] {
            let made = fs::metadata(path).unwrap();
            assert_eq!((made.uid(), made.gid()), (12_345, 12_346));
        }
    }

    #[test]
    fn a_swap_leaves_the_copy_alone_as_the_store() {
        let (_temporary, folder) = with(&["store", "store.compacting"]);
        folder.swap(&folder.compacting()).unwrap();
        assert_eq!(names(&folder), ["store"]);
        assert_eq!(fs::read_to_string(folder.store().join("is")).unwrap(), "store.compacting");
    }
}
