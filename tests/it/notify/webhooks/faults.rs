//! An endpoint that takes events while the disk takes nothing: each event arrives once.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use musterd::base::clock::Clock;
use musterd::base::rng::Rng;
use musterd::notify::webhooks::{Tally, Webhook};
use musterd::store::engine::memory::MemoryEngine;
use musterd::store::engine::{Batch, Bytes, Engine, EngineError, KeyRange, Order, Row, Rows};
use musterd::store::seal::Sealer;
use musterd::store::tx::Tx;
use musterd::store::{Store, StoreError, outbox, webhooks};

use super::{down, happens, numbers, ok, settings, waiting};
use crate::harness::web_server::WebServer;

/// A disk with room for so many commits, which says so before, or only where it is written to.
struct Disk {
    memory: MemoryEngine,
    room: AtomicUsize,
    tells: bool,
}

impl Disk {
    fn full() -> EngineError {
        EngineError::Full("data".to_owned())
    }
}

impl Rows for Disk {
    fn get_many(&self, keys: &[Bytes]) -> Result<Vec<Option<Bytes>>, EngineError> {
        self.memory.get_many(keys)
    }

    fn scan(&self, range: &KeyRange, order: Order, limit: usize) -> Result<Vec<Row>, EngineError> {
        self.memory.scan(range, order, limit)
    }
}

impl Engine for Disk {
    fn snapshot(&self) -> Result<Box<dyn Rows>, EngineError> {
        self.memory.snapshot()
    }

    fn commit(&self, batch: &Batch) -> Result<(), EngineError> {
        let less = |room: usize| room.checked_sub(1);
        self.room.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).map_err(|_| Self::full())?;
        self.memory.commit(batch)
    }

    fn fault(&self) -> Option<EngineError> {
        (self.tells && self.room.load(Ordering::SeqCst) == 0).then(Self::full)
    }
}

/// A webhook whose disk has room for three events in the outbox, and for nothing behind that.
async fn almost_full(server: &WebServer, tells: bool) -> (Arc<Disk>, Arc<Store>, Webhook) {
    let disk = Arc::new(Disk { memory: MemoryEngine::default(), room: AtomicUsize::new(1_000), tells });
    let (clock, rng) = (Clock::manual(Timestamp::from_second(1_800_000_000).unwrap()), Rng::seeded(7));
    let store = Arc::new(Store::over(disk.clone(), Sealer::ephemeral(&rng), clock, rng).unwrap());
    let webhook = Webhook::begin(settings(server, &["*"]), store.clone()).await.unwrap();
    happens(&store, "user.created", 3).await;
    disk.room.store(1, Ordering::SeqCst);
    (disk, store, webhook)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_dropped_before_its_failure_is_noted_does_not_come_back() {
    let server = WebServer::start(Some("server"), down()).await;
    let (disk, store, webhook) = almost_full(&server, false).await;
    assert!(webhook.follow_and_deliver().await.is_err());
    disk.room.store(1_000, Ordering::SeqCst);
    let first = webhooks::waiting(&store.view(), "portal", 9).unwrap()[0];
    store.write(move |tx: &mut Tx<'_>| outbox::discard(tx, first)).await.unwrap();
    assert_eq!(webhook.follow_and_deliver().await.unwrap(), Tally { delivered: 0, failed: 0, waiting: 2 });
    assert!(outbox::get(&store.view(), first).unwrap().is_none());
    assert_eq!((waiting(&store), outbox::list(&store.view(), 9).unwrap().len()), (2, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn over_a_full_disk_each_event_is_sent_once() {
    for (tells, at_once) in [(true, 0), (false, 1)] {
        let server = WebServer::start(Some("server"), ok()).await;
        let (disk, store, webhook) = almost_full(&server, tells).await;
        drop(webhook.follow_and_deliver().await);
        for _ in 0..4 {
            assert!(matches!(webhook.follow_and_deliver().await, Err(StoreError::Engine(EngineError::Full(_)))));
        }
        assert_eq!((numbers(&server).len(), waiting(&store)), (at_once, 3));
        disk.room.store(1_000, Ordering::SeqCst);
        let left = 3 - at_once;
        assert_eq!(webhook.follow_and_deliver().await.unwrap(), Tally { delivered: left, failed: 0, waiting: 0 });
        assert_eq!((numbers(&server), waiting(&store)), (vec![1, 2, 3], 0));
    }
}
