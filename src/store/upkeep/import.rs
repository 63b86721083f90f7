//! An import: the lines of an export become the store of a folder that has none. As with a restore, the whole file is
//! read first, and nothing is touched before each of its lines was found to be one.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use sha2::{Digest, Sha256};

use super::UpkeepError;
use super::build::{Key, build, refuse_records};
use super::format::FileFault;
use crate::store::engine::Engine;
use crate::store::seal::Sealer;
use crate::store::tx::View;
use crate::store::verify::{self, Report};
use crate::store::{Settings, StoreError, check_key, import as lines};

/// A line is no longer than this.
const LINE_MAX: u64 = 64 << 20;
/// Differences that are told.
const TOLD: usize = 5;

/// What an import came to.
#[derive(Debug)]
pub struct Imported {
    /// Lines of the file.
    pub lines: u64,
    /// What the store holds.
    pub report: Report,
}

/// Makes the store of a folder from an export; `given` is the key file of the time of the export, where the folder
/// does not have it.
///
/// # Errors
/// When the folder has a store, a line is none of an export, or the key is missing or another one: nothing was
/// touched then. When two lines claim the same, or what was loaded does not hold together: nothing is kept.
pub fn import(settings: &Settings, file: &Path, given: Option<&Path>) -> Result<Imported, UpkeepError> {
    refuse_records(settings)?;
    let mut key = None;
    let mut input = Lines::open(file)?;
    let origin = "this export: the seal.key of the store that it was taken from is needed";
    let checked = lines::check(&mut input, |wanted| {
        key = Some(Key::choose(settings, given, wanted, origin).map_err(Fault::Key)?);
        Ok(())
    });
    let number = checked.map_err(|fault: Fault| fault.of(file))?;
    let Some(key) = key else { return Err(UpkeepError::Key("the export names no key".to_owned())) };
    let (expected, sealer) = ((number, input.checksum()), key.sealer()?);
    let fill = |engine: &dyn Engine| fill(engine, file, &sealer, expected);
    let report = build(settings, &key, input.bytes, fill, |engine, (), _| look(engine, file, &sealer))?;
    Ok(Imported { lines: number, report })
}

/// Reads the file a second time, into the engine; it must be the same file.
pub(super) fn fill(
    engine: &dyn Engine,
    file: &Path,
    sealer: &Sealer,
    expected: (u64, [u8; 32]),
) -> Result<(), UpkeepError> {
    let mut input = Lines::open(file)?;
    let number = lines::import(engine, sealer, &mut input).map_err(|error| Fault::Store(error).of(file))?;
    if (number, input.checksum()) != expected {
        return Err(UpkeepError::file(file, FileFault::Changed));
    }
    Ok(check_key(engine, sealer)?)
}

fn look(engine: &dyn Engine, file: &Path, sealer: &Sealer) -> Result<Report, UpkeepError> {
    let report = verify::verify(&View { engine, sealer })?;
    let differences = report.differences.len();
    if differences == 0 {
        return Ok(report);
    }
    let mut told: Vec<String> = report.differences.iter().take(TOLD).map(|one| one.what.clone()).collect();
    if differences > TOLD {
        told.push(format!("and {} more", differences.saturating_sub(TOLD)));
    }
    Err(UpkeepError::file(file, FileFault::Inconsistent(told.join("; "))))
}

/// Why a line was not taken.
enum Fault {
    Store(StoreError),
    Key(UpkeepError),
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl Fault {
    fn of(self, file: &Path) -> UpkeepError {
        match self {
            Self::Store(StoreError::Record(what)) => UpkeepError::file(file, FileFault::Lines(what)),
            Self::Store(error) => error.into(),
            Self::Key(error) => error,
        }
    }
}

/// The lines of a file, none of them too long, and the checksum of all that was read.
struct Lines {
    input: BufReader<File>,
    digest: Sha256,
    bytes: u64,
}

impl Lines {
    fn open(file: &Path) -> Result<Self, UpkeepError> {
        let unreadable = |error: std::io::Error| UpkeepError::file(file, FileFault::Unreadable(error.to_string()));
        let input = BufReader::with_capacity(1 << 20, File::open(file).map_err(unreadable)?);
        Ok(Self { input, digest: Sha256::new(), bytes: 0 })
    }

    fn checksum(&self) -> [u8; 32] {
        self.digest.clone().finalize().into()
    }

    fn line(&mut self) -> Result<Option<String>, StoreError> {
        let mut line = Vec::new();
        let input = &mut self.input;
        let read = input.take(LINE_MAX.saturating_add(1)).read_until(b'\n', &mut line);
        let read = read.map_err(|error| StoreError::Record(format!("it cannot be read: {error}")))?;
        let read = u64::try_from(read).unwrap_or(u64::MAX);
        if read > LINE_MAX {
            return Err(StoreError::Record(format!("it is longer than {} MiB", LINE_MAX >> 20)));
        }
        if read == 0 {
            return Ok(None);
        }
        self.digest.update(&line);
        self.bytes = self.bytes.saturating_add(read);
        line.pop_if(|last| *last == b'\n');
        String::from_utf8(line).map(Some).map_err(|_| StoreError::Record("it is no UTF-8".to_owned()))
    }
}

impl Iterator for Lines {
    type Item = Result<String, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.line().transpose()
    }
}
