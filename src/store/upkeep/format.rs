//! The form of a backup file.
//!
//! A line that says what it is; a line of JSON, the [`Header`]; one zstd stream; and the SHA-256 of everything before
//! it. In the stream, each row is the length of its key and of its value (four bytes each, the highest first), key,
//! value; keys ascend. The stream ends with four bytes of ones and the number of rows (eight bytes).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What every backup file begins with, before the number of its format.
pub(super) const MAGIC: &str = "musterd-backup ";
/// The format that is written, and read.
pub(super) const FORMAT: u32 = 1;
/// A first line or header is no longer than this.
pub(super) const LINE_MAX: u64 = 4096;
/// A key is no longer than this.
pub(super) const KEY_MAX: u32 = 1 << 16;
/// A value is no longer than this: the longest request body that can be set.
pub(super) const VALUE_MAX: u32 = 1 << 30;
/// Stands where the length of a key would, after the last row.
pub(super) const END: u32 = u32::MAX;
/// Memory for looking back in the stream: two to this many bytes. What is written needs less.
pub(super) const WINDOW_LOG: u32 = 23;
/// The length of the checksum.
pub(super) const DIGEST: usize = 32;

/// What a backup says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// The version of the musterd that wrote it.
    pub musterd: String,
    /// The version of the store's layout.
    pub schema: u32,
    /// When it was begun.
    pub created_at: Timestamp,
    /// The fingerprint of the key for sealed values; the key itself is not in it.
    pub seal_key: String,
}

/// What is in a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Rows.
    pub rows: u64,
    /// Bytes of their keys and values.
    pub content: u64,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Why a backup or export file cannot be used. The texts go on from the file's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FileFault {
    /// Something else.
    #[error("is no backup of musterd")]
    Foreign,
    /// In a format of later days.
    #[error("has format {0}, this musterd reads format {FORMAT}: use the musterd that wrote it, or a newer one")]
    NewerFormat(String),
    /// With a layout of later days.
    #[error(
        "has schema version {found}, this musterd knows up to {known}: use the musterd that wrote it, or a newer one"
    )]
    NewerSchema {
        /// The version in the file.
        found: u32,
        /// The last version that is known.
        known: u32,
    },
    /// It does not say what it must.
    #[error("is damaged or cut short: {0}")]
    Damaged(String),
    /// The operating system's word.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// An export with a line that is none.
    #[error("cannot be imported: {0}")]
    Lines(String),
    /// An export whose lines do not hold together.
    #[error("does not hold together, and nothing of it was kept: {0}")]
    Inconsistent(String),
    /// Changed between the two readings of a restore or import.
    #[error("was changed while it was read")]
    Changed,
}
