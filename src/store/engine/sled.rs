//! The embedded engine: sled 0.34, one tree, batches from one committer.
//!
//! What is known of this version and met here: a leftover `snap.*.generating` of a kill during start keeps
//! the store from opening; damaged snapshots are rebuilt from the log once they are out of the way; `flush`
//! hands the log to the kernel but does not force it out, so the log file itself is synced after it; damaged
//! files may panic, when they are opened and when they are read; after a failed write nothing more is taken
//! and nothing is told until the files are opened again, which happens here; there are no snapshots, so the old values of what
//! changes are kept for whoever looks at one.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, TryLockError};

use super::{Batch, Bytes, Engine, EngineError, KeyRange, Order, Row, Rows};
use crate::base::panic::caught;
use open::{damaged, io, translate};
use parts::is_row;
use snapshot::{Snapshot, Snapshots};

mod open;
mod parts;
mod snapshot;

/// Once it was full, so much more must be free: the next small write shall not be taken and the one after refused.
const AFTER_FULL: u64 = 1 << 20;

/// With less free than two of sled's segments nothing is written, whatever the settings keep in reserve. A batch that sled
/// cannot write to its end leaves its memory behind what was acknowledged, seldom and by a few commits: whoever is out
/// must not be in by that.
const FLOOR: u64 = 1 << 20;

/// How a store is opened.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of the page cache.
    pub cache_bytes: u64,
    /// With less free on the disk than this, nothing is written: sled itself is never shown a full disk.
    pub reserve_bytes: u64,
}

/// A sled store in a folder of its own.
pub struct SledEngine {
    shared: Arc<Shared>,
}

struct Shared {
    folder: PathBuf,
    options: Options,
    /// Replaced when the files are opened again after a failed write; `None` when that failed too.
    db: RwLock<Option<sled::Db>>,
    /// A second handle on the log, for `fdatasync`. Its lock also makes commits one at a time.
    log: Mutex<File>,
    /// Held while a batch is put into memory, and never while a disk is waited for.
    snapshots: Mutex<Snapshots>,
    /// Some values are, or were, in parts: what is replaced must be looked at.
    parts: AtomicBool,
    /// A batch was refused for want of room: it takes some more than that until the next is taken.
    full: AtomicBool,
    /// A write is under way, or has failed half-way: what is on disk is uncertain until the files are opened again.
    broken: AtomicBool,
    /// One has failed half-way: what is in memory is uncertain too, and nobody is told of it.
    torn: AtomicBool,
}

impl SledEngine {
    /// Opens or creates the store in `folder`.
    ///
    /// # Errors
    /// When the files are damaged, held by another process, or the disk refuses.
    pub fn open(folder: &Path, options: Options) -> Result<Self, EngineError> {
        fs::create_dir_all(folder).map_err(|error| io(folder, &error))?;
        let (db, log) = open::open(folder, options)?;
        let parts = open::has_parts(folder, &db)?;
        Ok(Self {
            shared: Arc::new(Shared {
                folder: folder.to_owned(),
                options,
                db: RwLock::new(Some(db)),
                log: Mutex::new(log),
                snapshots: Mutex::default(),
                parts: AtomicBool::new(parts),
                full: AtomicBool::new(false),
                broken: AtomicBool::new(false),
                torn: AtomicBool::new(false),
            }),
        })
    }

    /// Closes the files, and waits until sled's own threads have let go of them: then they may be moved.
    ///
    /// # Errors
    /// When something holds them still.
    pub fn close(self) -> Result<(), EngineError> {
        let folder = self.shared.folder.clone();
        drop(self);
        open::released(&folder)
    }
}

impl Rows for SledEngine {
    fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, EngineError> {
        self.shared.read(|db| keys.iter().map(|key| self.shared.get(db, key)).collect())
    }

    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> Result<Vec<Row>, EngineError> {
        self.shared.scan(range, order, limit)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.shared.read(|db| self.shared.get(db, key))
    }
}

impl Engine for SledEngine {
    fn snapshot(&self) -> Result<Box<dyn Rows>, EngineError> {
        let mut snapshots = self.shared.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(Box::new(Snapshot::new(self.shared.clone(), snapshots.begin())))
    }

    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        let mut log = self.shared.log.lock().unwrap_or_else(PoisonError::into_inner);
        let room = self.shared.check_room(batch);
        self.shared.full.store(room.is_err(), Ordering::SeqCst);
        room?;
        if self.shared.broken.load(Ordering::SeqCst) {
            self.shared.check_room_to_open()?;
            *log = self.shared.open_again()?;
        }
        let committed = self.shared.commit(batch, &log);
        if committed.is_err() && self.shared.broken.load(Ordering::SeqCst) {
            self.shared.torn.store(true, Ordering::SeqCst);
            // At once, so that reading goes on; where that fails too, whoever reads tries again.
            let again = self.shared.check_room_to_open().and_then(|()| self.shared.open_again());
            if let Ok(again) = again {
                *log = again;
            }
        }
        committed
    }

    fn fault(&self) -> Option<EngineError> {
        // While a commit runs the flag is up too: only one that nobody holds the log for is a fault.
        let resting = self.shared.log.try_lock().is_ok();
        let broken = resting && self.shared.broken.load(Ordering::SeqCst);
        let room = self.shared.check_room(&Batch::default());
        let room = if broken { room.and_then(|()| self.shared.check_room_to_open()) } else { room };
        room.err().or_else(|| broken.then(|| self.shared.broken_by_a_write()))
    }
}

impl Shared {
    /// Runs a reading; whatever sled does on damaged files is an error. After a write that failed half-way memory may
    /// lie behind what was acknowledged, or before it: whoever is out must not be in by that.
    fn read<T>(&self, reading: impl FnOnce(&sled::Db) -> Result<T, EngineError>) -> Result<T, EngineError> {
        if self.torn.load(Ordering::SeqCst) {
            self.mend()?;
        }
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = db.as_ref().ok_or_else(|| self.broken_by_a_write())?;
        caught(|| reading(db)).unwrap_or_else(|why| Err(damaged(&self.folder, &format!("reading it failed: {why}"))))
    }

    fn get(&self, db: &sled::Db, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        parts::get(db, key).map_err(|fault| self.error(fault))
    }

    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> Result<Vec<Row>, EngineError> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        self.read(|db| {
            let rows = db.range((range.start.clone(), range.end.clone()));
            let whole = |row: sled::Result<(sled::IVec, sled::IVec)>| {
                let (key, stored) = row.map_err(|error| translate(&self.folder, error))?;
                let value = parts::whole(db, &key, &stored).map_err(|fault| self.error(fault))?;
                Ok(value.map(|value| (key.to_vec(), value)))
            };
            let whole = |row| whole(row).transpose();
            match order {
                Order::Ascending => rows.filter(is_row).filter_map(whole).take(limit).collect(),
                Order::Descending => rows.rev().filter(is_row).filter_map(whole).take(limit).collect(),
            }
        })
    }

    fn commit(&self, batch: &Batch, log: &File) -> Result<(), EngineError> {
        let db = self.db.read().unwrap_or_else(PoisonError::into_inner);
        let db = db.as_ref().ok_or_else(|| self.broken_by_a_write())?;
        let committed = caught(|| {
            for (key, expected) in &batch.expect {
                if self.get(db, key)? != *expected {
                    return Err(EngineError::Conflict);
                }
            }
            if parts::come_with(batch) {
                self.parts.store(true, Ordering::SeqCst);
            }
            let any = self.parts.load(Ordering::SeqCst);
            let writes = parts::writes(db, batch, any).map_err(|fault| self.error(fault))?;
            {
                let mut snapshots = self.snapshots.lock().unwrap_or_else(PoisonError::into_inner);
                snapshots.remember(batch.writes.keys(), |key| self.get(db, key))?;
                // From here on a failure, or a panic, leaves memory and disk apart.
                self.broken.store(true, Ordering::SeqCst);
                db.apply_batch(writes).map_err(|error| translate(&self.folder, error))?;
            }
            db.flush().map_err(|error| translate(&self.folder, error))?;
            log.sync_data().map_err(|error| io(&self.folder, &error))?;
            self.broken.store(false, Ordering::SeqCst);
            Ok(())
        });
        committed
            .unwrap_or_else(|why| Err(EngineError::Io(format!("writing to {} failed: {why}", self.folder.display()))))
    }

    /// Opens the files again where a write has failed half-way and no other is under way. Whoever reads does so: before
    /// a write comes to the engine, somebody has read for it.
    fn mend(&self) -> Result<(), EngineError> {
        let mut log = match self.log.try_lock() {
            Ok(log) => log,
            Err(TryLockError::Poisoned(log)) => log.into_inner(),
            Err(TryLockError::WouldBlock) => return Err(self.broken_by_a_write()),
        };
        if self.torn.load(Ordering::SeqCst) {
            self.check_room_to_open()?;
            *log = self.open_again()?;
        }
        Ok(())
    }

    /// Opens the files again after a write that failed half-way: what of it is there, is there whole.
    fn open_again(&self) -> Result<File, EngineError> {
        let mut db = self.db.write().unwrap_or_else(PoisonError::into_inner);
        // Closing may want to write, and fail again; the files are what counts.
        drop(caught(|| drop(db.take())));
        let (opened, log) = open::open(&self.folder, self.options)?;
        *db = Some(opened);
        self.snapshots.lock().unwrap_or_else(PoisonError::into_inner).give_up();
        self.broken.store(false, Ordering::SeqCst);
        self.torn.store(false, Ordering::SeqCst);
        tracing::warn!(store.folder = %self.folder.display(), "the store was opened again after a write that failed");
        Ok(log)
    }

    /// Is there room for a batch, beside what is kept in reserve?
    fn check_room(&self, batch: &Batch) -> Result<(), EngineError> {
        let size =
            |(key, value): (&Bytes, &Option<Bytes>)| key.len().saturating_add(value.as_ref().map_or(0, Vec::len));
        let bytes: usize = batch.writes.iter().map(size).sum();
        // Pages are written again whole now and then, and old ones are moved.
        let pages = u64::try_from(bytes).unwrap_or(u64::MAX).saturating_mul(4);
        let more = if self.full.load(Ordering::SeqCst) { AFTER_FULL } else { 0 };
        self.check_free(self.options.reserve_bytes.max(FLOOR).saturating_add(pages).saturating_add(more))
    }

    /// Is there room to open the files again?
    fn check_room_to_open(&self) -> Result<(), EngineError> {
        self.check_free(open::room_to_open(&self.folder)?)
    }

    fn check_free(&self, wanted: u64) -> Result<(), EngineError> {
        let disk = rustix::fs::statvfs(&self.folder);
        let disk = disk.map_err(|error| io(&self.folder, &std::io::Error::from(error)))?;
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if free < wanted { Err(EngineError::Full(self.folder.display().to_string())) } else { Ok(()) }
    }

    fn error(&self, fault: parts::Fault) -> EngineError {
        open::fault(&self.folder, fault)
    }

    fn broken_by_a_write(&self) -> EngineError {
        EngineError::Io(format!("a write to {} failed, and its files are to be opened again", self.folder.display()))
    }
}

#[cfg(test)]
#[path = "sled/tests.rs"]
mod tests;
