//! sled alone, as its documentation shows it: batches, a flush, and the `fdatasync` that makes it durable.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;
use std::time::{Duration, Instant};

use super::recorder::Recorded;

pub(crate) struct Bare {
    db: sled::Db,
    log: File,
}

impl Bare {
    pub(crate) fn open(folder: &Path, cache: u64) -> Self {
        let db = sled::Config::new().path(folder).cache_capacity(cache).open().unwrap();
        let log = File::options().read(true).write(true).open(folder.join("db")).unwrap();
        Self { db, log }
    }

    /// Commits the batches; the time that sled takes for it.
    pub(crate) fn replay(&mut self, recorded: &Recorded) -> Duration {
        let mut file = BufReader::with_capacity(1 << 20, File::open(&recorded.path).unwrap());
        let mut took = Duration::ZERO;
        for _ in 0..recorded.batches {
            let mut batch = sled::Batch::default();
            for _ in 0..number(&mut file) {
                let key = bytes(&mut file).unwrap();
                match bytes(&mut file) {
                    // The engine's own byte in front of each value.
                    Some(value) => batch.insert(key, [&[0], &value[..]].concat()),
                    None => batch.remove(key),
                }
            }
            let start = Instant::now();
            self.db.apply_batch(batch).unwrap();
            self.db.flush().unwrap();
            self.log.sync_data().unwrap();
            took += start.elapsed();
        }
        took
    }
}

fn number(file: &mut impl Read) -> u32 {
    let mut number = [0; 4];
    file.read_exact(&mut number).unwrap();
    u32::from_le_bytes(number)
}

fn bytes(file: &mut impl Read) -> Option<Vec<u8>> {
    let length = number(file);
    if length == u32::MAX {
        return None;
    }
    let mut bytes = vec![0; length as usize];
    file.read_exact(&mut bytes).unwrap();
    Some(bytes)
}
