//! Backups that are whole, and everything else that might be taken for one.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::backup::{self, Backup, BackupError};
use super::format::{FileFault, Header};
use super::reader::Reader;
use super::rows::{self, Filler, tally};
use super::{UpkeepError, compact, import, restore};
use crate::base::clock::Clock;
use crate::base::rng::Rng;
use crate::store::engine::memory::MemoryEngine;
use crate::store::engine::{Batch, Bytes, Engine, EngineError, KeyRange, Order, Row, Rows};
use crate::store::migrate::SCHEMA;
use crate::store::tx::{Reads, Tx, View};
use crate::store::{Settings, Store, StoreError, clock};

fn header() -> Header {
    Header {
        musterd: "0.1.0".to_owned(),
        schema: SCHEMA,
        created_at: Timestamp::from_second(1_800_000_000).unwrap(),
        seal_key: "0123456789abcdef".to_owned(),
    }
}

fn engine(rows: impl IntoIterator<Item = Row>) -> MemoryEngine {
    let engine = MemoryEngine::default();
    let writes = rows.into_iter().map(|(key, value)| (key, Some(value))).collect();
    engine.commit(&Batch { writes, expect: vec![] }).unwrap();
    engine
}

fn some_rows(number: u32) -> impl Iterator<Item = Row> {
    (0..number).map(|n| (n.to_be_bytes().to_vec(), vec![7; usize::try_from(n % 700).unwrap()]))
}

fn written(engine: &dyn Rows) -> Bytes {
    let mut file = Vec::new();
    let summary = backup::write(engine, &header(), &mut file).unwrap();
    assert_eq!(summary.bytes, u64::try_from(file.len()).unwrap());
    file
}

fn read(file: &[u8]) -> Result<Vec<Row>, FileFault> {
    let mut reader = Reader::open(file)?;
    let mut rows = Vec::new();
    while let Some(row) = reader.next_row()? {
        rows.push(row);
    }
    reader.checked().map(|_| rows)
}

/// A file with this header and stream, and a checksum that is right.
fn forged(first: &str, header: &str, stream: &[u8]) -> Bytes {
    let mut file = format!("{first}\n{header}\n").into_bytes();
    file.extend(zstd::stream::encode_all(stream, 3).unwrap());
    let digest = Sha256::digest(&file);
    file.extend_from_slice(&digest);
    file
}

fn row(key: &[u8], value: &[u8]) -> Bytes {
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap().to_be_bytes();
    [&length(key), &length(value), key, value].concat()
}

fn end(rows: u64) -> Bytes {
    [&u32::MAX.to_be_bytes()[..], &rows.to_be_bytes()].concat()
}

fn forged_stream(parts: &[Bytes]) -> Bytes {
    forged("musterd-backup 1", &serde_json::to_string(&header()).unwrap(), &parts.concat())
}

fn damaged(file: &[u8], why: &str) {
    let fault = read(file).unwrap_err();
    assert!(matches!(&fault, FileFault::Damaged(what) if what.contains(why)), "{why}: {fault}");
}

#[test]
fn what_was_written_is_read_row_by_row() {
    let large = (vec![9; 3], vec![1; 3 << 20]);
    for engine in [engine([]), engine(some_rows(5_000)), engine(some_rows(40).chain([large]))] {
        let all = engine.scan(&KeyRange::prefix(b""), Order::Ascending, usize::MAX).unwrap();
        let file = written(&engine);
        assert_eq!(read(&file).unwrap(), all);
        let copy = MemoryEngine::default();
        let mut filler = Filler::new(&copy);
        all.iter().cloned().for_each(|row| filler.put(row).unwrap());
        assert_eq!(filler.finish().unwrap().sum(), tally(&engine).unwrap().sum());
        assert_eq!(tally(&copy).unwrap().sum(), tally(&engine).unwrap().sum());
        assert_eq!(Reader::open(&file[..]).unwrap().check().unwrap().header, header());
    }
}

#[test]
fn every_flipped_bit_and_every_missing_or_added_end_is_found() {
    let file = written(&engine(some_rows(12)));
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut flipped = file.clone();
            flipped[at] ^= 1 << bit;
            assert!(read(&flipped).is_err(), "bit {bit} of byte {at}");
        }
        assert!(read(&file[..at]).is_err(), "cut after {at}");
    }
    assert!(read(&[&file[..], b"x"].concat()).is_err());
    assert!(read(&[&file[..], &file[..]].concat()).is_err());
}

#[test]
fn what_is_something_else_is_called_so() {
    let header = serde_json::to_string(&header()).unwrap();
    for foreign in [&b""[..], b"\n", b"PK\x03\x04zip", b"musterd-backup \n{}\n", b"musterd-backup x\n", &[7; 100_000]] {
        assert_eq!(read(foreign), Err(FileFault::Foreign), "{:?}", foreign.get(..20));
    }
    assert_eq!(read(&forged("musterd-backup 2", &header, &end(0))), Err(FileFault::NewerFormat("2".to_owned())));
    let newer = header.replace(&format!("\"schema\":{SCHEMA}"), &format!("\"schema\":{}", SCHEMA + 1));
    let fault = read(&forged("musterd-backup 1", &newer, &end(0))).unwrap_err();
    assert_eq!(fault, FileFault::NewerSchema { found: SCHEMA + 1, known: SCHEMA });
    assert!(fault.to_string().contains("use the musterd that wrote it, or a newer one"));
    damaged(&forged("musterd-backup 1", "{}", &end(0)), "header");
    assert_eq!(read(&forged("musterd-backup 1", &header, &end(0))), Ok(Vec::new()));
}

#[test]
fn a_hostile_stream_is_refused_before_it_costs_memory() {
    let huge = |key: u32, value: u32| [key.to_be_bytes(), value.to_be_bytes()].concat();
    damaged(&forged_stream(&[huge((1 << 16) + 1, 0)]), "longer than rows are");
    damaged(&forged_stream(&[huge(1, (1 << 30) + 1)]), "longer than rows are");
    damaged(&forged_stream(&[huge(1, 1 << 30), vec![1, 2, 3]]), "cut off");
    damaged(&forged_stream(&[row(b"b", b"1"), row(b"a", b"1"), end(2)]), "not in order");
    damaged(&forged_stream(&[row(b"a", b"1"), row(b"a", b"1"), end(2)]), "not in order");
    damaged(&forged_stream(&[row(b"a", b"1"), end(2)]), "not hold as many rows");
    damaged(&forged_stream(&[row(b"a", b"1")]), "its end is missing");
    damaged(&forged_stream(&[row(b"a", b"1"), end(1), row(b"b", b"1")]), "after its last row");
    assert_eq!(read(&forged_stream(&[row(b"a", b"1"), end(1)])).unwrap().len(), 1);
    // Much more would have to be remembered than is ever written.
    let header = serde_json::to_string(&header()).unwrap();
    let mut file = format!("musterd-backup 1\n{header}\n").into_bytes();
    let mut stream = zstd::stream::write::Encoder::new(&mut file, 3).unwrap();
    stream.window_log(27).unwrap();
    stream.write_all(&end(0)).unwrap();
    stream.finish().unwrap();
    let digest = Sha256::digest(&file);
    file.extend_from_slice(&digest);
    damaged(&file, "cannot be unpacked");
}

#[test]
fn few_large_rows_are_held_at_a_time() {
    struct Counting<'a>(&'a MemoryEngine, std::sync::Mutex<usize>);
    impl Rows for Counting<'_> {
        fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, EngineError> {
            self.0.get_many(keys)
        }
        fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> Result<Vec<Row>, EngineError> {
            let rows = self.0.scan(range, order, limit)?;
            let mut most = self.1.lock().unwrap();
            *most = most.max(rows.iter().map(|(_, value)| value.len()).sum());
            Ok(rows)
        }
    }
    let engine = engine((0..60_u8).map(|n| (vec![n], vec![n; 500_000])));
    let counting = Counting(&engine, std::sync::Mutex::new(0));
    let mut seen = 0;
    rows::each(&counting, |_| {
        seen += 1;
        Ok::<_, EngineError>(())
    })
    .unwrap();
    assert_eq!(seen, 60);
    assert!(*counting.1.lock().unwrap() <= 16 * 500_000);
}

#[test]
fn a_reader_that_goes_away_ends_it() {
    struct Full;
    impl std::io::Write for Full {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    assert!(matches!(backup::write(&engine([]), &header(), Full), Err(BackupError::Output(_))));
}

/// A store on disk with some rows in it, and its backup.
async fn backed_up(folder: &Path) -> (Settings, std::path::PathBuf) {
    let settings =
        Settings { folder: folder.join("data"), reserve_bytes: 0, cache_bytes: 16 << 20, ..Settings::default() };
    let store = Store::open(&settings, Clock::system(), Rng::system()).unwrap();
    write(&store, 3_000, b"first").await;
    let backup = Backup::begin(&store).unwrap();
    write(&store, 10, b"later").await;
    let file = folder.join("backup");
    let mut bytes = Vec::new();
    backup.write(&mut bytes).unwrap();
    fs::write(&file, bytes).unwrap();
    (settings, file)
}

async fn write(store: &Store, number: u32, value: &'static [u8]) {
    let write = store.write(move |tx: &mut Tx<'_>| {
        (0..number).for_each(|n| tx.put([&[0x90], &n.to_be_bytes()[..]].concat(), value.to_vec()));
        Ok::<_, StoreError>(())
    });
    write.await.unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_restored_store_is_as_it_was_when_the_backup_began() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, file) = backed_up(folder.path()).await;
    let other = Settings { folder: folder.path().join("other"), ..settings.clone() };
    let key = settings.folder.join("seal.key");
    let restored = restore::restore(&other, &file, Some(&key)).unwrap();
    assert!(restored.summary.rows >= 3_000);
    assert_eq!(names(&other.folder), ["musterd.lock", "seal.key", "store"]);
    let store = Store::open(&other, Clock::system(), Rng::system()).unwrap();
    let rows = store.view().scan(&KeyRange::prefix(&[0x90]), Order::Ascending, 9_999).unwrap();
    assert_eq!(rows.len(), 3_000);
    assert!(rows.iter().all(|(_, value)| value == b"first"));
    let again = restore::restore(&other, &file, None).unwrap_err();
    assert!(again.to_string().contains("already holds a store"), "{again}");
}

#[tokio::test]
async fn nothing_is_touched_by_what_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, file) = backed_up(folder.path()).await;
    let other = Settings { folder: folder.path().join("other"), ..settings.clone() };
    let key = settings.folder.join("seal.key");
    let whole = fs::read(&file).unwrap();
    let bad = folder.path().join("bad");
    for at in [0, 20, 60, whole.len() / 2, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(&bad, flipped).unwrap();
        assert!(matches!(restore::restore(&other, &bad, Some(&key)), Err(UpkeepError::File { .. })), "byte {at}");
        assert!(!other.folder.exists());
    }
    assert!(
        restore::restore(&other, Path::new("none"), Some(&key)).unwrap_err().to_string().starts_with("none cannot")
    );
    let keyless = restore::restore(&other, &file, None).unwrap_err().to_string();
    assert!(keyless.contains("other/seal.key") && keyless.contains("--seal-key"), "{keyless}");
    let wrong = folder.path().join("wrong.key");
    drop(crate::store::seal::Sealer::from_file(&wrong, true, &Rng::system()).unwrap());
    let refused = restore::restore(&other, &file, Some(&wrong)).unwrap_err().to_string();
    assert!(refused.contains("wrong.key is not the one of this backup"), "{refused}");
    assert!(!other.folder.exists());
    fs::create_dir(&other.folder).unwrap();
    fs::copy(&wrong, other.folder.join("seal.key")).unwrap();
    assert!(matches!(restore::restore(&other, &file, Some(&key)), Err(UpkeepError::Key(_))));
    let full = Settings { reserve_bytes: u64::MAX / 2, seal_key_file: Some(key), ..other.clone() };
    assert!(matches!(restore::restore(&full, &file, None), Err(UpkeepError::Room { .. })));
    assert_eq!(names(&other.folder), ["musterd.lock", "seal.key"]);
}

#[tokio::test]
async fn a_file_that_changes_between_the_readings_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (_, file) = backed_up(folder.path()).await;
    let checked = Reader::open(fs::File::open(&file).unwrap()).unwrap().check().unwrap();
    fs::write(&file, written(&engine(some_rows(3)))).unwrap();
    let filled = restore::fill(&MemoryEngine::default(), &file, &checked);
    assert!(matches!(filled, Err(UpkeepError::File { fault: FileFault::Changed, .. })), "{filled:?}");
}

#[tokio::test]
async fn what_comes_from_a_file_does_not_know_the_boot_in_which_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::in_memory(Clock::system(), Rng::seeded(1)).unwrap();
    let at = Timestamp::from_second(1_800_000_000).unwrap();
    let anchor = Some(clock::Anchor { boot: "this one".to_owned(), up_ms: 7, at });
    let watch = clock::Watch { seen: at, anchor, paused: None };
    let note = watch.clone();
    store.write(move |tx: &mut Tx<'_>| clock::put(tx, &note)).await.unwrap();
    let expected = Some(clock::Watch { anchor: None, ..watch });
    let clock_of = |engine: &MemoryEngine| clock::get(&View { engine, sealer: &store.sealer }).unwrap();

    let (file, restored) = (folder.path().join("backup"), MemoryEngine::default());
    fs::write(&file, written(&*store.snapshot().unwrap().rows)).unwrap();
    let checked = Reader::open(fs::File::open(&file).unwrap()).unwrap().check().unwrap();
    let filled = restore::fill(&restored, &file, &checked).unwrap();
    assert_eq!(filled, tally(&restored).unwrap().sum());
    assert_eq!(clock_of(&restored), expected);

    let (file, imported, mut text) = (folder.path().join("export"), MemoryEngine::default(), String::new());
    let write = |line: &str| {
        text.push_str(line);
        text.push('\n');
        Ok::<_, StoreError>(())
    };
    let number = crate::store::export::export(&store.view(), write).unwrap();
    fs::write(&file, &text).unwrap();
    let sum = crate::base::secret::sha256(text.as_bytes());
    import::fill(&imported, &file, &store.sealer, (number, sum)).unwrap();
    assert_eq!(clock_of(&imported), expected);
}

#[tokio::test]
async fn an_export_that_changes_between_the_readings_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::in_memory(Clock::system(), Rng::seeded(1)).unwrap();
    let mut text = String::new();
    let write = |line: &str| {
        text.push_str(line);
        text.push('\n');
        Ok::<_, StoreError>(())
    };
    let number = crate::store::export::export(&store.view(), write).unwrap();
    let file = folder.path().join("export");
    fs::write(&file, &text).unwrap();
    let filled = |sum| import::fill(&MemoryEngine::default(), &file, &store.sealer, (number, sum));
    filled(crate::base::secret::sha256(text.as_bytes())).unwrap();
    let changed = filled([0; 32]);
    assert!(matches!(changed, Err(UpkeepError::File { fault: FileFault::Changed, .. })), "{changed:?}");
}

#[tokio::test]
async fn a_compacted_store_is_smaller_and_holds_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (settings, _) = backed_up(folder.path()).await;
    let store = Store::open(&settings, Clock::system(), Rng::system()).unwrap();
    write(&store, 40_000, &[9; 400]).await;
    let remove = store.write(|tx: &mut Tx<'_>| {
        (500..40_000_u32).for_each(|n| tx.remove([&[0x90], &n.to_be_bytes()[..]].concat()));
        Ok::<_, StoreError>(())
    });
    remove.await.unwrap();
    let before = tally(&*store.snapshot().unwrap().rows).unwrap().sum();
    drop(store);
    let done = compact::compact(&settings).unwrap();
    assert_eq!(done.rows, before.0);
    assert!(done.bytes_after * 5 < done.bytes_before, "{done:?}");
    assert_eq!(names(&settings.folder), ["musterd.lock", "seal.key", "store"]);
    let store = Store::open(&settings, Clock::system(), Rng::system()).unwrap();
    assert_eq!(tally(&*store.snapshot().unwrap().rows).unwrap().sum(), before);
    let held = compact::compact(&settings).unwrap_err().to_string();
    assert!(held.contains("is held by process"), "{held}");
    drop(store);
    let again = compact::compact(&settings).unwrap();
    assert!(again.bytes_after <= again.bytes_before && again.bytes_before <= done.bytes_after * 2, "{again:?}");
    let full = Settings { reserve_bytes: u64::MAX / 2, ..settings.clone() };
    let refused = compact::compact(&full).unwrap_err().to_string();
    assert!(refused.contains("are free: free some first"), "{refused}");
    assert_eq!(names(&settings.folder), ["musterd.lock", "seal.key", "store"]);
    let none = Settings { folder: folder.path().join("none"), ..settings };
    assert!(compact::compact(&none).unwrap_err().to_string().starts_with("there is no store in"));
    assert!(!none.folder.exists());
}
