//! Upkeep of a store: a backup while it is in use, a restore or import into an empty folder, a compaction that gives
//! disk back. Everything but the import works on rows of the engine seam; what a row means is nobody's business here,
//! but for the one that knows of the machine's boot.

use std::path::{Path, PathBuf};

use crate::store::StoreError;
use crate::store::engine::EngineError;

pub mod backup;
mod build;
pub mod compact;
pub mod folder;
pub mod format;
pub mod import;
pub mod reader;
pub mod restore;
mod rows;

#[cfg(test)]
mod tests;

use format::FileFault;

const MB: u64 = 1_000_000;

/// Why it could not be done. Nothing that was there before is lost by it.
#[derive(Debug, thiserror::Error)]
pub enum UpkeepError {
    /// The store's.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The backup or export cannot be used.
    #[error("{} {fault}", .file.display())]
    File {
        /// Which.
        file: PathBuf,
        /// What is wrong with it.
        fault: FileFault,
    },
    /// The key for sealed values is not at hand, or another one.
    #[error("{0}")]
    Key(String),
    /// The folder is not as it must be for this.
    #[error("{0}")]
    Folder(String),
    /// A copy holds something else than what was copied.
    #[error("the copy in {} is not what was copied: nothing was changed; is the disk well?", .0.display())]
    Differs(PathBuf),
    /// The disk is too full for a copy.
    #[error(
        "{} needs up to {} MB beside the reserve of {} MB, and {} MB are free: free some first",
        .folder.display(), needed.div_ceil(MB), reserve.div_ceil(MB), free / MB
    )]
    Room {
        /// Where.
        folder: PathBuf,
        /// How many bytes the copy may take.
        needed: u64,
        /// How many must stay free besides.
        reserve: u64,
        /// How many are free.
        free: u64,
    },
}

impl From<EngineError> for UpkeepError {
    fn from(error: EngineError) -> Self {
        Self::Store(error.into())
    }
}

impl UpkeepError {
    fn file(file: &Path, fault: FileFault) -> Self {
        Self::File { file: file.to_owned(), fault }
    }
}
