//! Opening sled's files, whatever state they were left in.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Options, parts};
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
        Err(EngineError::Damaged(why)) => open_without_damaged_snapshots(folder, options, why)?,
        opened => opened?,
    };
    let path = folder.join("db");
    let log = File::options().read(true).write(true).open(&path).map_err(|error| io(&path, &error))?;
    Ok((db, log))
}

/// A snapshot says where in the log its pages are. One that is damaged can be made again from the whole log; where
/// the snapshots are whole it is the log that is damaged, and reading it without them would show an older state.
fn open_without_damaged_snapshots(folder: &Path, options: Options, why: String) -> Result<sled::Db, EngineError> {
    let snapshots = snapshot_files(folder, false)?;
    let mut damaged_ones = Vec::new();
    for path in &snapshots {
        if !is_whole(&fs::read(path).map_err(|error| io(path, &error))?) {
            damaged_ones.push(path.clone());
        }
    }
    if damaged_ones.is_empty() {
        return Err(EngineError::Damaged(why));
    }
    quarantine(folder, &damaged_ones)?;
    tracing::warn!(
        store.moved = damaged_ones.len(),
        "damaged snapshots were put into quarantine; reading the whole log"
    );
    let db = open_once(folder, options)?;
    // The name of a snapshot is the place in the log that it reaches, in hexadecimal.
    let reached =
        |paths: &[PathBuf]| paths.iter().filter_map(|path| path.extension()?.to_str().map(str::to_owned)).max();
    if reached(&snapshot_files(folder, false)?) < reached(&damaged_ones) {
        return Err(damaged(folder, "the log ends before the place that its snapshot had reached"));
    }
    Ok(db)
}

/// What opening the files may write: a snapshot like the last one, and some of sled's segments of 512 KiB.
pub(super) fn room_to_open(folder: &Path) -> Result<u64, EngineError> {
    let sizes = snapshot_files(folder, false)?;
    let sizes = sizes.iter().filter_map(|path| fs::metadata(path).ok()).map(|file| file.len());
    Ok(sizes.sum::<u64>().saturating_mul(2).saturating_add(2 << 20))
}

/// Does a snapshot's own checksum hold? It ends with its length (eight bytes) and its CRC-32 (four).
fn is_whole(snapshot: &[u8]) -> bool {
    let parts = snapshot.split_last_chunk::<4>().and_then(|(rest, crc)| Some((rest.split_last_chunk::<8>()?.0, crc)));
    parts.is_some_and(|(content, crc)| !content.is_empty() && crc32fast::hash(content) == u32::from_le_bytes(*crc))
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

/// Waits until nobody holds the files any more.
pub(super) fn released(folder: &Path) -> Result<(), EngineError> {
    let path = folder.join("db");
    let log = File::open(&path).map_err(|error| io(&path, &error))?;
    for _ in 0..LOCK_TRIES {
        if log.try_lock().is_ok() {
            return Ok(());
        }
        std::thread::sleep(LOCK_PAUSE);
    }
    Err(EngineError::Held(format!("{} is still held by its own threads", folder.display())))
}

/// The files do not say what they should.
pub(super) fn damaged(folder: &Path, why: &str) -> EngineError {
    let log = folder.join("db");
    EngineError::Damaged(format!(
        "the store in {} is damaged: {why}; move the folder away and run `musterd restore`",
        log.display()
    ))
}

/// A value cannot be read.
pub(super) fn fault(folder: &Path, fault: parts::Fault) -> EngineError {
    match fault {
        parts::Fault::Sled(error) => translate(folder, error),
        parts::Fault::Form(why) => damaged(folder, why),
    }
}

/// Is any value of the store in parts?
pub(super) fn has_parts(folder: &Path, db: &sled::Db) -> Result<bool, EngineError> {
    let found = caught(|| parts::exist(db)).map_err(|why| damaged(folder, &format!("reading it failed: {why}")))?;
    found.map_err(|error| fault(folder, error))
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
            } else if error.kind() == std::io::ErrorKind::UnexpectedEof {
                damaged(folder, "the log is shorter than it was")
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

/// Moves files aside.
fn quarantine(folder: &Path, files: &[PathBuf]) -> Result<(), EngineError> {
    let quarantine = folder.join("quarantine");
    fs::create_dir_all(&quarantine).map_err(|error| io(&quarantine, &error))?;
    for path in files {
        let name = path.file_name().unwrap_or_default();
        fs::rename(path, quarantine.join(name)).map_err(|error| io(path, &error))?;
    }
    Ok(())
}
