//! Writing a backup: what the store holds at one moment, as a stream, while others go on writing.

use std::io::{self, Write};

use sha2::{Digest, Sha256};

use super::format::{END, FORMAT, Header, KEY_MAX, MAGIC, Summary, VALUE_MAX};
use super::rows;
use crate::store::engine::{EngineError, Row, Rows};
use crate::store::keys::Space;
use crate::store::migrate::SCHEMA;
use crate::store::tx::{Snapshot, get_record};
use crate::store::{Store, StoreError};

/// How hard it is compressed: zstd's own default.
const LEVEL: i32 = 3;

/// Why a backup or an export was not written to its end.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Whoever takes it did not.
    #[error("it could not be handed over: {0}")]
    Output(#[from] io::Error),
}

impl From<EngineError> for BackupError {
    fn from(error: EngineError) -> Self {
        Self::Store(error.into())
    }
}

/// A backup that was begun: what it will hold is fixed.
pub struct Backup {
    header: Header,
    snapshot: Snapshot,
}

impl Backup {
    /// Fixes what the store holds now.
    ///
    /// # Errors
    /// When the engine cannot read.
    pub fn begin(store: &Store) -> Result<Self, StoreError> {
        let snapshot = store.snapshot()?;
        let schema = get_record(&snapshot, &Space::Meta.key(&[b"schema"]))?;
        let header = Header {
            musterd: env!("CARGO_PKG_VERSION").to_owned(),
            schema: schema.unwrap_or(SCHEMA),
            created_at: store.clock().now(),
            seal_key: store.sealer.fingerprint().to_owned(),
        };
        Ok(Self { header, snapshot })
    }

    /// Writes it, and lets go of what was fixed.
    ///
    /// # Errors
    /// When the store cannot be read any further, or the output takes no more.
    pub fn write(self, output: impl Write) -> Result<Summary, BackupError> {
        write(&*self.snapshot.rows, &self.header, output)
    }
}

/// Writes rows in the form of a backup.
pub(super) fn write(rows: &dyn Rows, header: &Header, output: impl Write) -> Result<Summary, BackupError> {
    let mut output = Digesting { output, digest: Sha256::new(), bytes: 0 };
    let header = serde_json::to_string(header).map_err(io::Error::from)?;
    write!(output, "{MAGIC}{FORMAT}\n{header}\n")?;
    let mut stream = zstd::stream::write::Encoder::new(output, LEVEL)?;
    let (mut number, mut content) = (0_u64, 0_u64);
    rows::each(rows, |row| {
        number = number.saturating_add(1);
        content = content.saturating_add(write_row(&mut stream, &row)?);
        Ok::<_, BackupError>(())
    })?;
    stream.write_all(&END.to_be_bytes())?;
    stream.write_all(&number.to_be_bytes())?;
    let Digesting { mut output, digest, bytes } = stream.finish()?;
    let digest = digest.finalize();
    output.write_all(&digest)?;
    output.flush()?;
    let bytes = bytes.saturating_add(u64::try_from(digest.len()).unwrap_or(0));
    Ok(Summary { rows: number, content, bytes })
}

/// Writes a row; gives its size.
fn write_row(stream: &mut impl Write, (key, value): &Row) -> Result<u64, BackupError> {
    let length = |bytes: &[u8], most: u32| u32::try_from(bytes.len()).ok().filter(|length| *length <= most);
    let lengths = length(key, KEY_MAX).zip(length(value, VALUE_MAX));
    let (key_length, value_length) =
        lengths.ok_or_else(|| StoreError::Record("a row is longer than a backup can hold".to_owned()))?;
    stream.write_all(&key_length.to_be_bytes())?;
    stream.write_all(&value_length.to_be_bytes())?;
    stream.write_all(key)?;
    stream.write_all(value)?;
    Ok(u64::from(key_length).saturating_add(value_length.into()))
}

/// Hands on what is written, counts it and sums it up.
struct Digesting<W> {
    output: W,
    digest: Sha256,
    bytes: u64,
}

impl<W: Write> Write for Digesting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.output.write(bytes)?;
        self.digest.update(bytes.get(..taken).unwrap_or(bytes));
        self.bytes = self.bytes.saturating_add(u64::try_from(taken).unwrap_or(0));
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}
