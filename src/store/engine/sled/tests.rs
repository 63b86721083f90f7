//! What is sled's own: its files, and what happens when they, or their disk, are not as they should be.

use super::parts::PARTS;
use super::*;
use crate::base::clock::Clock;
use crate::base::rng::Rng;
use crate::store::seal::Sealer;
use crate::store::tx::{Reads, Tx};
use crate::store::{Store, StoreError};

impl Options {
    /// A small cache, and no reserve.
    pub(crate) fn for_tests() -> Self {
        Self { cache_bytes: 16 << 20, reserve_bytes: 0 }
    }
}

fn one(key: &[u8]) -> Batch {
    Batch { writes: [(key.to_vec(), Some(b"1".to_vec()))].into(), expect: vec![] }
}

#[test]
fn an_unfinished_snapshot_does_not_keep_the_store_shut() {
    let folder = tempfile::tempdir().unwrap();
    let engine = SledEngine::open(folder.path(), Options::for_tests()).unwrap();
    engine.commit(&one(b"a")).unwrap();
    drop(engine);
    fs::write(folder.path().join("snap.00000000000003DC.generating"), b"").unwrap();
    let engine = SledEngine::open(folder.path(), Options::for_tests()).unwrap();
    assert_eq!(engine.get(b"a").unwrap(), Some(b"1".to_vec()));
}

#[test]
fn a_damaged_snapshot_is_put_aside_and_nothing_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    for round in 0..3_u8 {
        let engine = SledEngine::open(folder.path(), Options::for_tests()).unwrap();
        engine.commit(&one(&[round])).unwrap();
    }
    let snapshots = open::snapshot_files(folder.path(), false).unwrap();
    assert!(!snapshots.is_empty(), "sled keeps a snapshot after a restart");
    for path in snapshots {
        fs::write(path, b"garbage that is no snapshot at all, but long enough").unwrap();
    }
    let engine = SledEngine::open(folder.path(), Options::for_tests()).unwrap();
    assert_eq!(engine.get(&[1]).unwrap(), Some(b"1".to_vec()));
    assert!(folder.path().join("quarantine").is_dir());
}

#[test]
fn with_less_room_than_the_reserve_nothing_is_written_and_all_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let engine = SledEngine::open(folder.path(), Options::for_tests()).unwrap();
    engine.commit(&one(b"a")).unwrap();
    drop(engine);
    let options = Options { reserve_bytes: u64::MAX, ..Options::for_tests() };
    let engine = SledEngine::open(folder.path(), options).unwrap();
    assert!(matches!(engine.commit(&one(b"b")), Err(EngineError::Full(_))));
    assert!(matches!(engine.fault(), Some(EngineError::Full(_))));
    assert_eq!((engine.get(b"a").unwrap(), engine.get(b"b").unwrap()), (Some(b"1".to_vec()), None));
}

#[test]
fn after_a_write_that_failed_the_next_opens_the_files_again() {
    let folder = tempfile::tempdir().unwrap();
    let engine = SledEngine::open(folder.path(), Options::for_tests()).unwrap();
    engine.commit(&one(b"a")).unwrap();
    let snapshot = engine.snapshot().unwrap();
    engine.shared.broken.store(true, Ordering::SeqCst);
    assert!(engine.fault().is_some());
    engine.commit(&one(b"b")).unwrap();
    assert!(engine.fault().is_none());
    assert_eq!((engine.get(b"a").unwrap(), engine.get(b"b").unwrap()), (Some(b"1".to_vec()), Some(b"1".to_vec())));
    assert_eq!(snapshot.get(b"a"), Err(EngineError::Overrun));
}

#[test]
fn after_a_write_that_failed_half_way_nothing_is_told_before_the_files_are_open_again() {
    let folder = tempfile::tempdir().unwrap();
    let engine = SledEngine::open(folder.path(), Options::for_tests()).unwrap();
    engine.commit(&one(b"a")).unwrap();
    // What is synced is a file that cannot be: the batch is in memory then, and its sync fails.
    *engine.shared.log.lock().unwrap() = File::open("/proc/self/environ").unwrap();
    assert!(matches!(engine.commit(&one(b"b")), Err(EngineError::Io(_))));
    assert_eq!(engine.get(b"a").unwrap(), Some(b"1".to_vec()), "they were opened at once");
    assert!(engine.fault().is_none());

    tear(&engine);
    let log = engine.shared.log.lock().unwrap();
    assert!(matches!(engine.get(b"a"), Err(EngineError::Io(_))), "not while somebody else is at it");
    drop(log);
    assert_eq!(engine.get(b"a").unwrap(), Some(b"1".to_vec()), "who reads opens them");
    tear(&engine);
    engine.commit(&one(b"c")).unwrap();
    assert_eq!(engine.get(b"c").unwrap(), Some(b"1".to_vec()));
}

/// As a write leaves it that failed half-way, where the files could not be opened again at once.
fn tear(engine: &SledEngine) {
    engine.shared.torn.store(true, Ordering::SeqCst);
    engine.shared.broken.store(true, Ordering::SeqCst);
}

#[tokio::test]
async fn a_store_goes_on_by_itself_after_a_write_that_failed_half_way() {
    let folder = tempfile::tempdir().unwrap();
    let engine = Arc::new(SledEngine::open(folder.path(), Options::for_tests()).unwrap());
    let rng = Rng::seeded(1);
    let store = Store::over(engine.clone(), Sealer::ephemeral(&rng), Clock::system(), rng).unwrap();
    let write = |key: &'static [u8]| {
        store.write::<_, StoreError>(move |tx: &mut Tx<'_>| {
            tx.put(key.to_vec(), b"1".to_vec());
            Ok(())
        })
    };
    write(b"a").await.unwrap();
    tear(&engine);
    write(b"b").await.unwrap();
    assert!(engine.fault().is_none());
    assert_eq!(store.view().get(b"a").unwrap(), Some(b"1".to_vec()));
}

#[test]
fn a_value_in_parts_of_the_first_form_is_still_read() {
    let folder = tempfile::tempdir().unwrap();
    let engine = SledEngine::open(folder.path(), Options::for_tests()).unwrap();
    engine
        .shared
        .read(|db| {
            db.insert(b"k", &[1, 0, 0, 0, 2]).unwrap();
            db.insert([&[PARTS], &b"k"[..], &0_u32.to_be_bytes()].concat(), b"ab").unwrap();
            db.insert([&[PARTS], &b"k"[..], &1_u32.to_be_bytes()].concat(), b"c").unwrap();
            Ok(())
        })
        .unwrap();
    drop(engine);
    let engine = SledEngine::open(folder.path(), Options::for_tests()).unwrap();
    assert_eq!(engine.get(b"k").unwrap(), Some(b"abc".to_vec()));
    engine.commit(&one(b"k")).unwrap();
    let left = engine.shared.read(|db| Ok(db.len())).unwrap();
    assert_eq!(left, 1, "its parts go when it is replaced");
}
