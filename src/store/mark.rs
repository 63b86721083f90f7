//! How far the store had come, beside it: a small file with the number of the last commit. It is written after each
//! commit and never before, so it may lag behind what is there and is never ahead of it: a store that ends before its
//! mark has lost something, and is refused instead of quietly being an older one.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::store::StoreError;
use crate::store::engine::{EngineError, Rows};
use crate::store::writer;

/// The file, open for writing.
pub(super) struct Mark(File);

/// Its name, in the folder of the records.
const NAME: &str = "committed";

impl Mark {
    /// Compares the mark of a folder with the store in it, and opens the mark for writing.
    ///
    /// # Errors
    /// When the store ends before its mark, or either cannot be read.
    pub(super) fn check(folder: &Path, rows: &dyn Rows) -> Result<Self, StoreError> {
        let path = folder.join(NAME);
        let io = |error: std::io::Error| EngineError::Io(format!("{}: {error}", path.display()));
        let there = writer::last_number(rows)?;
        let marked = match fs::read(&path) {
            // One that is no mark says nothing.
            Ok(bytes) => bytes.as_slice().try_into().map_or(0, u64::from_be_bytes),
            Err(error) if error.kind() == ErrorKind::NotFound => 0,
            Err(error) => return Err(io(error).into()),
        };
        if there < marked {
            let (log, hint) = (folder.join("db"), "move the folder away and run `musterd restore`");
            let why = format!("it ends at commit {there}, and commit {marked} was acknowledged");
            return Err(
                EngineError::Damaged(format!("the store in {} is damaged: {why}; {hint}", log.display())).into()
            );
        }
        let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(io)?;
        let mark = Self(file);
        mark.set(there);
        Ok(mark)
    }

    /// Notes that this commit is on disk. The mark itself need not be: an older one is as true.
    pub(super) fn set(&self, number: u64) {
        if let Err(error) = self.0.write_all_at(&number.to_be_bytes(), 0) {
            tracing::warn!(error = %error, "the mark of the last commit could not be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::codec;
    use crate::store::engine::memory::MemoryEngine;
    use crate::store::engine::{Batch, Engine};
    use crate::store::keys::Space;

    #[test]
    fn a_store_that_ends_before_its_mark_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |number: u64| {
            let engine = MemoryEngine::default();
            let row = (Space::Meta.key(&[b"commit"]), Some(codec::encode(&number).unwrap()));
            engine.commit(&Batch { writes: [row].into(), expect: vec![] }).unwrap();
            engine
        };
        Mark::check(folder.path(), &at(5)).unwrap().set(7);
        let refusal = Mark::check(folder.path(), &at(6)).err().unwrap().to_string();
        assert!(refusal.contains("ends at commit 6") && refusal.contains("restore"), "{refusal}");
        Mark::check(folder.path(), &at(7)).unwrap();
        fs::write(folder.path().join(NAME), b"no mark").unwrap();
        Mark::check(folder.path(), &at(1)).unwrap();
    }
}
