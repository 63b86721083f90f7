//! The writer's promises, over engines that are slow, full, or shared with another daemon.

use std::sync::Condvar;

use super::*;
use crate::store::Store;
use crate::store::engine::memory::MemoryEngine;
use crate::store::engine::{KeyRange, Order, Row, Rows};
use crate::store::tx::{Reads, get_record};

/// A disk that takes what is written only when it is let.
#[derive(Default)]
struct Gated {
    memory: MemoryEngine,
    state: Mutex<Gate>,
    changed: Condvar,
}

#[derive(Default)]
struct Gate {
    shut: bool,
    fails: bool,
    reads_hang: bool,
    commits: usize,
    waiting: usize,
}

impl Gated {
    fn set(&self, change: impl FnOnce(&mut Gate)) {
        change(&mut self.state.lock().unwrap());
        self.changed.notify_all();
    }

    fn wait_for_a_commit(&self) {
        drop(self.changed.wait_while(self.state.lock().unwrap(), |gate| gate.waiting == 0).unwrap());
    }
}

impl Rows for Gated {
    fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, EngineError> {
        drop(self.changed.wait_while(self.state.lock().unwrap(), |gate| gate.reads_hang).unwrap());
        self.memory.get_many(keys)
    }

    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> Result<Vec<Row>, EngineError> {
        self.memory.scan(range, order, limit)
    }
}

impl Engine for Gated {
    fn snapshot(&self) -> Result<Box<dyn Rows>, EngineError> {
        self.memory.snapshot()
    }

    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        let mut gate = self.state.lock().unwrap();
        gate.waiting += 1;
        self.changed.notify_all();
        gate = self.changed.wait_while(gate, |gate| gate.shut).unwrap();
        gate.waiting -= 1;
        if gate.fails {
            return Err(EngineError::Full("here".to_owned()));
        }
        gate.commits += 1;
        self.memory.commit(batch)
    }
}

fn store(engine: &Arc<impl Engine + 'static>) -> Arc<Store> {
    let (clock, rng) = (Clock::system(), Rng::system());
    let sealer = Sealer::from_key(&[7; 32], &rng);
    Arc::new(Store::over(engine.clone(), sealer, clock, rng).unwrap())
}

fn gated() -> (Arc<Gated>, Arc<Store>) {
    let engine = Arc::new(Gated::default());
    let store = store(&engine);
    (engine, store)
}

/// Raises a counter, and gives what it was before.
fn count(tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    let before: u64 = get_record(tx, b"counter")?.unwrap_or(0);
    tx.put_record(b"counter".to_vec(), &(before + 1))?;
    Ok(before)
}

fn counter(store: &Store) -> u64 {
    get_record(&store.view(), b"counter").unwrap().unwrap_or(0)
}

#[tokio::test]
async fn a_slow_disk_slows_writers_and_no_reader() {
    let (engine, store) = gated();
    store.write(count).await.unwrap();
    engine.set(|gate| gate.shut = true);
    let writing = tokio::spawn({
        let store = store.clone();
        async move { store.write(count).await }
    });
    tokio::task::spawn_blocking({
        let engine = engine.clone();
        move || engine.wait_for_a_commit()
    })
    .await
    .unwrap();
    assert_eq!(counter(&store), 1, "nobody sees what is not on disk");
    assert_eq!(store.snapshot().unwrap().get(b"nothing").unwrap(), None);
    assert!(store.note(|tx| count(tx).map(drop)), "a note waits for nothing");
    assert!(!writing.is_finished());
    engine.set(|gate| gate.shut = false);
    assert_eq!(writing.await.unwrap(), Ok(1));
}

#[tokio::test]
async fn those_who_wait_together_share_one_flush() {
    let (engine, store) = gated();
    engine.set(|gate| gate.shut = true);
    let writers: Vec<_> = (0..50)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.write(count).await })
        })
        .collect();
    tokio::task::yield_now().await;
    engine.set(|gate| gate.shut = false);
    let mut seen = Vec::new();
    for writer in writers {
        seen.push(writer.await.unwrap().unwrap());
    }
    seen.sort_unstable();
    assert_eq!(seen, (0..50).collect::<Vec<_>>());
    assert!(engine.state.lock().unwrap().commits < 10, "fifty writers, a few flushes");
}

#[tokio::test]
async fn bulk_work_waits_for_people_and_is_not_starved() {
    let (engine, store) = gated();
    engine.set(|gate| gate.shut = true);
    let bulk: Vec<_> = (0..5)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.write_bulk(count).await })
        })
        .collect();
    let urgent: Vec<_> = (0..20)
        .map(|_| {
            let store = store.clone();
            tokio::spawn(async move { store.write(count).await })
        })
        .collect();
    tokio::task::yield_now().await;
    engine.set(|gate| gate.shut = false);
    let mut latest_urgent = 0;
    for writer in urgent {
        latest_urgent = latest_urgent.max(writer.await.unwrap().unwrap());
    }
    let mut latest_bulk = 0;
    for writer in bulk {
        latest_bulk = latest_bulk.max(writer.await.unwrap().unwrap());
    }
    assert_eq!(latest_bulk, 24, "the last of all is bulk work");
    assert!(latest_urgent < 24);
}

#[tokio::test]
async fn a_full_disk_is_told_to_everybody_in_the_group_and_the_next_goes_on() {
    let (engine, store) = gated();
    engine.set(|gate| (gate.fails, gate.shut) = (true, true));
    let first = tokio::spawn({
        let store = store.clone();
        async move { store.write(count).await }
    });
    tokio::task::spawn_blocking({
        let engine = engine.clone();
        move || engine.wait_for_a_commit()
    })
    .await
    .unwrap();
    // Made over what never comes to be.
    let second = tokio::spawn({
        let store = store.clone();
        async move { store.write(count).await }
    });
    tokio::task::yield_now().await;
    engine.set(|gate| gate.shut = false);
    assert!(matches!(first.await.unwrap(), Err(StoreError::Engine(EngineError::Full(_)))));
    drop(second.await.unwrap());
    engine.set(|gate| gate.fails = false);
    let seen = store.write(count).await.unwrap();
    assert_eq!(counter(&store), seen + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_daemons_on_one_engine_lose_no_update() {
    let engine = Arc::new(MemoryEngine::default());
    let stores = [store(&engine), store(&engine)];
    let mut writers = Vec::new();
    for n in 0..100 {
        let store = stores[n % 2].clone();
        writers.push(tokio::spawn(async move { store.write(count).await }));
    }
    for writer in writers {
        writer.await.unwrap().unwrap();
    }
    assert_eq!(counter(&stores[0]), 100);
}

#[tokio::test]
async fn what_the_disk_does_not_take_is_noticed() {
    let (engine, store) = gated();
    assert!(store.fault().is_none());
    engine.set(|gate| gate.shut = true);
    let writing = tokio::spawn({
        let store = store.clone();
        async move { store.write(count).await }
    });
    tokio::task::spawn_blocking({
        let engine = engine.clone();
        move || engine.wait_for_a_commit()
    })
    .await
    .unwrap();
    assert!(store.writer.committing_for().is_some());
    assert!(store.fault_if_slower_than(Duration::ZERO).unwrap().to_string().contains("waiting for the disk"));
    engine.set(|gate| gate.shut = false);
    writing.await.unwrap().unwrap();
    assert!(store.writer.committing_for().is_none());
}

#[tokio::test]
async fn an_engine_that_does_not_come_back_from_a_read_is_noticed() {
    let (engine, store) = gated();
    assert_eq!(store.check().await, Ok(()));
    engine.set(|gate| gate.reads_hang = true);
    for _ in 0..3 {
        let answer = store.check_within(Duration::from_millis(1)).await;
        assert!(matches!(answer, Err(StoreError::Unanswered { .. })), "{answer:?}");
    }
    engine.set(|gate| gate.reads_hang = false);
    while store.check().await.is_err() {
        tokio::task::yield_now().await;
    }
}
