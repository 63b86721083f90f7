//! Opening sled's files, whatever state they were left in.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Options;
use crate::base::panic::caught;
use crate::store::engine::EngineError;

/// How often, and how long apart, a held store is tried again: sled's own threads give its lock back a moment
/// after the last handle is dropped. Another daemon is told apart before, by the lock of the whole folder.
const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// sled counts pages by their size on disk; in memory they take about this much more.
const IN_MEMORY: u64 = 2;

/// Opens the files: the store, and a second handle on its log.
pub(super) fn open(folder: &Path, options: Options) -> Result<(sled::Db, File), EngineError> {
    remove_unfinished_snapshots(folder)?;
    let db = match open_once(folder, options) {
        Err(EngineError::Damaged(first)) => {
            let moved = quarantine_snapshots(folder)?;
            if moved == 0 {
                return Err(EngineError::Damaged(first));
            }
            tracing::warn!(store.moved = moved, "damaged snapshots were put into quarantine; reading the whole log");
            open_once(folder, options)?
        }
        opened => opened?,
    };
    let path = folder.join("db");
    let log = File::options().read(true).write(true).open(&path).map_err(|error| io(&path, &error))?;
    Ok((db, log))
}

fn open_once(folder: &Path, options: Options) -> Result<sled::Db, EngineError> {
    let config = sled::Config::new().path(folder).cache_capacity(options.cache_bytes / IN_MEMORY);
    let mut tries = 0;
    loop {
        let opened = match caught(|| config.open()) {
            Ok(opened) => opened.map_err(|error| translate(folder, error)),
            Err(why) => Err(damaged(folder, &format!("reading it failed: {why}"))),
        };
        tries += 1;
        match opened {
            Err(EngineError::Held(_)) if tries < LOCK_TRIES => std::thread::sleep(LOCK_PAUSE),
            opened => return opened,
        }
    }
}

/// The files do not say what they should.
pub(super) fn damaged(folder: &Path, why: &str) -> EngineError {
    let log = folder.join("db");
    EngineError::Damaged(format!(
        "the store in {} is damaged: {why}; move the folder away and run `musterd restore`",
        log.display()
    ))
}

/// What the operating system said of a file.
pub(super) fn io(path: &Path, error: &std::io::Error) -> EngineError {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            EngineError::Full(path.display().to_string())
        }
        std::io::ErrorKind::WouldBlock => EngineError::Held(format!("{} is held by another process", path.display())),
        _ => EngineError::Io(format!("{}: {error}", path.display())),
    }
}

/// sled's errors in the seam's terms.
pub(super) fn translate(folder: &Path, error: sled::Error) -> EngineError {
    match error {
        sled::Error::Io(error) => {
            // sled reports a held lock as an error without a kind of its own, and others by their text alone.
            let text = error.to_string();
            if text.contains("could not acquire lock") {
                EngineError::Held(format!("{} is held by another process", folder.display()))
            } else if text.contains("No space left") {
                EngineError::Full(folder.display().to_string())
            } else {
                io(folder, &error)
            }
        }
        sled::Error::Corruption { .. } => damaged(folder, "a checksum does not match"),
        sled::Error::ReportableBug(why) => damaged(folder, why.lines().next().unwrap_or_default()),
        other => EngineError::Io(format!("{}: {other}", folder.display())),
    }
}

/// sled's own snapshots of where its pages are: the finished ones, or those that a kill left unfinished.
pub(super) fn snapshot_files(folder: &Path, unfinished: bool) -> Result<Vec<PathBuf>, EngineError> {
    let entries = fs::read_dir(folder).map_err(|error| io(folder, &error))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| io(folder, &error))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if name.starts_with("snap.") && name.ends_with(".generating") == unfinished {
            found.push(path);
        }
    }
    Ok(found)
}

/// A kill while sled wrote a snapshot leaves it behind unfinished, and sled then refuses to open.
fn remove_unfinished_snapshots(folder: &Path) -> Result<(), EngineError> {
    for path in snapshot_files(folder, true)? {
        fs::remove_file(&path).map_err(|error| io(&path, &error))?;
        tracing::info!(store.file = %path.display(), "removed an unfinished snapshot of an earlier start");
    }
    Ok(())
}

/// Moves finished snapshots aside; sled then rebuilds its state from the log. Gives their number.
fn quarantine_snapshots(folder: &Path) -> Result<usize, EngineError> {
    let quarantine = folder.join("quarantine");
    let files = snapshot_files(folder, false)?;
    if !files.is_empty() {
        fs::create_dir_all(&quarantine).map_err(|error| io(&quarantine, &error))?;
    }
    for path in &files {
        let name = path.file_name().unwrap_or_default();
        fs::rename(path, quarantine.join(name)).map_err(|error| io(path, &error))?;
    }
    Ok(files.len())
}
