//! The embedded engine: sled 0.34, one tree, batches from one committer.
//!
//! What is known of this version and met here: a leftover `snap.*.generating` of a kill during start keeps
//! the store from opening; damaged snapshots are rebuilt from the log once they are out of the way; `flush`
//! hands the log to the kernel but does not force it out, so the log file itself is synced after it; opening
//! damaged files may panic.

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::{Batch, Bytes, Engine, EngineError, KeyRange, Order, Row};

/// A sled store in a folder of its own.
pub struct SledEngine {
    db: sled::Db,
    /// A second handle on the log, for `fdatasync`. Its lock also makes commits one at a time.
    log: Mutex<File>,
    folder: PathBuf,
    /// A write has failed half-way: what is on disk is uncertain until the store is opened again.
    broken: AtomicBool,
}

impl SledEngine {
    /// Opens or creates the store in `folder`, with a page cache of `cache_bytes`.
    ///
    /// # Errors
    /// When the files are damaged, held by another process, or the disk refuses.
    pub fn open(folder: &Path, cache_bytes: u64) -> Result<Self, EngineError> {
        fs::create_dir_all(folder).map_err(|error| io(folder, &error))?;
        remove_unfinished_snapshots(folder)?;
        let db = match open(folder, cache_bytes) {
            Err(EngineError::Damaged(first)) => {
                let moved = quarantine_snapshots(folder)?;
                if moved == 0 {
                    return Err(EngineError::Damaged(first));
                }
                tracing::warn!(
                    store.moved = moved,
                    "damaged snapshots were put into quarantine; reading the whole log"
                );
                open(folder, cache_bytes)?
            }
            opened => opened?,
        };
        let path = folder.join("db");
        let log = File::options().read(true).write(true).open(&path).map_err(|error| io(&path, &error))?;
        Ok(Self { db, log: Mutex::new(log), folder: folder.to_owned(), broken: AtomicBool::new(false) })
    }

    fn error(&self, error: sled::Error) -> EngineError {
        translate(&self.folder, error)
    }
}

impl Engine for SledEngine {
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        match self.db.get(key).map_err(|error| self.error(error))? {
            Some(value) => self.whole(key, &value).map(Some),
            None => Ok(None),
        }
    }

    fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, EngineError> {
        keys.iter().map(|key| self.get(key)).collect()
    }

    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> Result<Vec<Row>, EngineError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let rows = self.db.range((range.start.clone(), range.end.clone()));
        let read = |row: sled::Result<(sled::IVec, sled::IVec)>| {
            let (key, value) = row.map_err(|error| self.error(error))?;
            let whole = self.whole(&key, &value)?;
            Ok((key.to_vec(), whole))
        };
        let is_row = |row: &sled::Result<(sled::IVec, sled::IVec)>| {
            row.as_ref().map_or(true, |(key, _)| key.first() != Some(&PARTS))
        };
        match order {
            Order::Ascending => rows.filter(is_row).take(limit).map(read).collect(),
            Order::Descending => rows.rev().filter(is_row).take(limit).map(read).collect(),
        }
    }

    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        let log = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        if self.broken.load(Ordering::SeqCst) {
            return Err(EngineError::Io(self.fault_text()));
        }
        for (key, expected) in &batch.expect {
            if self.get(key)? != *expected {
                return Err(EngineError::Conflict);
            }
        }
        let writes = self.writes(batch)?;
        // From here on a failure, or a panic, leaves memory and disk apart.
        self.broken.store(true, Ordering::SeqCst);
        self.db.apply_batch(writes).map_err(|error| self.error(error))?;
        self.db.flush().map_err(|error| self.error(error))?;
        log.sync_data().map_err(|error| io(&self.folder, &error))?;
        self.broken.store(false, Ordering::SeqCst);
        Ok(())
    }

    fn fault(&self) -> Option<String> {
        // While a commit runs the flag is up too: only one that nobody holds the log for is a fault.
        let resting = self.log.try_lock().is_ok();
        (resting && self.broken.load(Ordering::SeqCst)).then(|| self.fault_text())
    }
}

/// Values up to this size are one row. sled writes values past 128 KiB to files of their own that no `fdatasync`
/// of the log covers; parts stay well below that.
const PART: usize = 32 << 10;
/// The first byte of a stored value: it is all here.
const WHOLE: u8 = 0;
/// The first byte of a stored value: it is in so many parts (four bytes follow).
const IN_PARTS: u8 = 1;
/// The first byte of the keys of parts; no key of the store begins with it.
const PARTS: u8 = 0xff;

fn part_key(key: &[u8], number: u32) -> Bytes {
    [&[PARTS], key, &number.to_be_bytes()].concat()
}

/// Of how many parts a stored value is.
fn parts_of(stored: &[u8]) -> u32 {
    match stored {
        [IN_PARTS, number @ ..] => number.try_into().map(u32::from_be_bytes).unwrap_or(0),
        _ => 0,
    }
}

impl SledEngine {
    fn fault_text(&self) -> String {
        format!("an earlier write to {} failed: restart the daemon once the disk is well", self.folder.display())
    }

    /// A value as it was written, put together from its parts.
    fn whole(&self, key: &[u8], stored: &[u8]) -> Result<Bytes, EngineError> {
        match stored {
            [WHOLE, value @ ..] => Ok(value.to_vec()),
            [IN_PARTS, ..] => {
                let mut value = Vec::new();
                for number in 0..parts_of(stored) {
                    let part = self.db.get(part_key(key, number)).map_err(|error| self.error(error))?;
                    value
                        .extend_from_slice(&part.ok_or_else(|| damaged(&self.folder, "a part of a value is missing"))?);
                }
                Ok(value)
            }
            _ => Err(damaged(&self.folder, "a value has no form that is known")),
        }
    }

    /// The batch in sled's terms: large values in parts, and the parts of what is replaced removed.
    fn writes(&self, batch: &Batch) -> Result<sled::Batch, EngineError> {
        let mut writes = sled::Batch::default();
        for (key, value) in &batch.writes {
            let old = self.db.get(key).map_err(|error| self.error(error))?;
            let old_parts = old.map_or(0, |old| parts_of(&old));
            let mut new_parts = 0;
            match value {
                Some(value) if value.len() <= PART => {
                    writes.insert(key.as_slice(), [&[WHOLE], value.as_slice()].concat())
                }
                Some(value) => {
                    for part in value.chunks(PART) {
                        writes.insert(part_key(key, new_parts), part);
                        new_parts = new_parts.saturating_add(1);
                    }
                    writes.insert(key.as_slice(), [&[IN_PARTS], new_parts.to_be_bytes().as_slice()].concat());
                }
                None => writes.remove(key.as_slice()),
            }
            (new_parts..old_parts).for_each(|number| writes.remove(part_key(key, number)));
        }
        Ok(writes)
    }
}

/// How often, and how long apart, a held store is tried again: sled's own threads give its lock back a moment
/// after the last handle is dropped. Another daemon is told apart before, by the lock of the whole folder.
const LOCK_TRIES: u32 = 40;
const LOCK_PAUSE: Duration = Duration::from_millis(50);

fn open(folder: &Path, cache_bytes: u64) -> Result<sled::Db, EngineError> {
    let config = sled::Config::new().path(folder).cache_capacity(cache_bytes);
    let mut tries = 0;
    loop {
        let opened = match catch_unwind(AssertUnwindSafe(|| config.open())) {
            Ok(opened) => opened.map_err(|error| translate(folder, error)),
            Err(_) => Err(damaged(folder, "reading it ended in a panic")),
        };
        tries += 1;
        match opened {
            Err(EngineError::Held(_)) if tries < LOCK_TRIES => std::thread::sleep(LOCK_PAUSE),
            opened => return opened,
        }
    }
}

fn damaged(folder: &Path, why: &str) -> EngineError {
    EngineError::Damaged(format!("the store in {} is damaged: {why}; restore it from a backup", folder.display()))
}

fn io(path: &Path, error: &std::io::Error) -> EngineError {
    match error.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
            EngineError::Full(path.display().to_string())
        }
        std::io::ErrorKind::WouldBlock => EngineError::Held(format!("{} is held by another process", path.display())),
        _ => EngineError::Io(format!("{}: {error}", path.display())),
    }
}

fn translate(folder: &Path, error: sled::Error) -> EngineError {
    match error {
        sled::Error::Io(error) => {
            // sled reports a held lock as an error without a kind of its own.
            let held = error.to_string().contains("could not acquire lock");
            if held {
                EngineError::Held(format!("{} is held by another process", folder.display()))
            } else {
                io(folder, &error)
            }
        }
        sled::Error::Corruption { .. } => damaged(folder, "a checksum does not match"),
        other => EngineError::Io(format!("{}: {other}", folder.display())),
    }
}

fn snapshot_files(folder: &Path, unfinished: bool) -> Result<Vec<PathBuf>, EngineError> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_snapshot_does_not_keep_the_store_shut() {
        let folder = tempfile::tempdir().unwrap();
        let engine = SledEngine::open(folder.path(), 1 << 20).unwrap();
        let writes = [(b"a".to_vec(), Some(b"1".to_vec()))].into();
        engine.commit(&Batch { writes, expect: vec![] }).unwrap();
        drop(engine);
        fs::write(folder.path().join("snap.00000000000003DC.generating"), b"").unwrap();
        let engine = SledEngine::open(folder.path(), 1 << 20).unwrap();
        assert_eq!(engine.get(b"a").unwrap(), Some(b"1".to_vec()));
    }

    #[test]
    fn a_damaged_snapshot_is_put_aside_and_nothing_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..3_u8 {
            let engine = SledEngine::open(folder.path(), 1 << 20).unwrap();
            engine.commit(&Batch { writes: [(vec![round], Some(vec![round]))].into(), expect: vec![] }).unwrap();
        }
        let snapshots = snapshot_files(folder.path(), false).unwrap();
        assert!(!snapshots.is_empty(), "sled keeps a snapshot after a restart");
        for path in snapshots {
            fs::write(path, b"garbage that is no snapshot at all, but long enough").unwrap();
        }
        let engine = SledEngine::open(folder.path(), 1 << 20).unwrap();
        assert_eq!(engine.get(&[1]).unwrap(), Some(vec![1]));
        assert!(folder.path().join("quarantine").is_dir());
    }
}
