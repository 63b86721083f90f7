//! An engine that writes down what it is told to commit, so that sled alone can be told the same.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use musterd::store::engine::sled::SledEngine;
use musterd::store::engine::{Batch, Bytes, Engine, EngineError, KeyRange, Order, Row, Rows};

/// Batches in a file.
pub(crate) struct Recorded {
    pub(crate) path: PathBuf,
    pub(crate) batches: usize,
}

struct Tape {
    file: BufWriter<File>,
    recorded: Recorded,
}

pub(crate) struct Recorder {
    engine: SledEngine,
    folder: PathBuf,
    tape: Mutex<Option<Tape>>,
}

impl Recorder {
    pub(crate) fn new(engine: SledEngine, folder: &Path) -> Self {
        Self { engine, folder: folder.to_owned(), tape: Mutex::default() }
    }

    pub(crate) fn start(&self) {
        let path = self.folder.join("batches");
        let file = BufWriter::with_capacity(1 << 20, File::create(&path).unwrap());
        *self.tape.lock().unwrap() = Some(Tape { file, recorded: Recorded { path, batches: 0 } });
    }

    pub(crate) fn stop(&self) -> Recorded {
        let mut tape = self.tape.lock().unwrap().take().unwrap();
        tape.file.flush().unwrap();
        tape.recorded
    }

    /// The engine itself.
    pub(crate) fn inner(&self) -> &Self {
        self
    }

    /// One read of the engine.
    pub(crate) fn read_alone(&self, key: &[u8]) -> Option<Bytes> {
        self.engine.get(key).unwrap()
    }

    /// The files as they are: nobody writes now.
    pub(crate) fn copy_to(&self, to: &Path) {
        let status = std::process::Command::new("cp").arg("-r").arg(self.folder.join("data/store")).arg(to).status();
        assert!(status.unwrap().success());
    }
}

impl Rows for Recorder {
    fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, EngineError> {
        self.engine.get_many(keys)
    }

    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> Result<Vec<Row>, EngineError> {
        self.engine.scan(range, order, limit)
    }

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        self.engine.get(key)
    }
}

impl Engine for Recorder {
    fn snapshot(&self) -> Result<Box<dyn Rows>, EngineError> {
        self.engine.snapshot()
    }

    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        if let Some(tape) = &mut *self.tape.lock().unwrap() {
            tape.recorded.batches += 1;
            write(&mut tape.file, batch);
        }
        self.engine.commit(batch)
    }
}

/// A number of rows, then each: length and bytes of its key, and, but for a removal, of its value.
fn write(file: &mut impl Write, batch: &Batch) {
    let number = |n: usize| u32::try_from(n).unwrap().to_le_bytes();
    file.write_all(&number(batch.writes.len())).unwrap();
    for (key, value) in &batch.writes {
        file.write_all(&number(key.len())).unwrap();
        file.write_all(key).unwrap();
        match value {
            Some(value) => {
                file.write_all(&number(value.len())).unwrap();
                file.write_all(value).unwrap();
            }
            None => file.write_all(&u32::MAX.to_le_bytes()).unwrap(),
        }
    }
}
