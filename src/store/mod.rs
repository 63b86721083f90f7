//! The store: records under ids, indexes written in the same commit, one writer, many readers.
//!
//! Everything that changes a record goes through [`Store::write`]; a user is changed by [`users::update`]
//! alone, which writes record, indexes and audit line together. Nobody is answered before it is on disk.

use std::fs::{self, File, TryLockError};
use std::io::{Read, Write as _};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::base::clock::Clock;
use crate::base::id::{RoleId, UserId};
use crate::base::rng::Rng;
use crate::base::secret::TokenHash;

pub mod alarms;
pub mod audit;
pub mod challenges;
pub mod clock;
pub mod codec;
pub mod conflicts;
pub mod credentials;
pub mod devices;
pub mod engine;
pub mod export;
pub mod grants;
pub mod groups;
pub mod import;
mod index;
pub mod journal;
pub mod keys;
pub mod list;
pub mod locks;
pub mod logins;
mod mark;
mod migrate;
pub mod notices;
pub mod organizations;
pub mod outbox;
pub mod pages;
pub mod passwords;
pub mod pushes;
pub mod queue;
pub mod quotas;
pub mod readings;
mod remembered;
pub mod resources;
pub mod roles;
pub mod rotate;
pub mod runs;
pub mod seal;
pub mod sessions;
pub mod settings;
pub mod signing_keys;
pub mod tally;
pub mod tasks;
pub mod tokens;
pub mod tx;
pub mod upkeep;
pub mod users;
pub mod verifiers;
pub mod verify;
pub mod ways_in;
pub mod webhooks;
mod writer;

use engine::memory::MemoryEngine;
use engine::sled::{Options, SledEngine};
use engine::{Engine, EngineError};
use mark::Mark;
use remembered::Remembered;
use seal::Sealer;
use tx::{Snapshot, Tx, View};
use upkeep::folder::Folder;
use writer::{Lane, Writer};

pub use writer::Pending;

/// A write that takes longer than this is a fault of the disk, or of the engine.
const SLOW: Duration = Duration::from_secs(10);
/// A single read that takes longer than this is one too.
const SLOW_READ: Duration = Duration::from_secs(3);

/// Where the store is and how much memory it may use.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// The folder of everything that musterd keeps.
    pub folder: PathBuf,
    /// Page cache in bytes.
    pub cache_bytes: u64,
    /// With less free on the disk than so many bytes, nothing is written.
    pub reserve_bytes: u64,
    /// The file with the key for sealed values.
    pub seal_key_file: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Self {
        Self { folder: PathBuf::from("data"), cache_bytes: 256 << 20, reserve_bytes: 64 << 20, seal_key_file: None }
    }
}

impl Settings {
    /// Where the key for sealed values is.
    fn seal_key_path(&self) -> PathBuf {
        self.seal_key_file.clone().unwrap_or_else(|| Folder::new(&self.folder).seal_key())
    }

    fn options(&self) -> Options {
        Options { cache_bytes: self.cache_bytes, reserve_bytes: self.reserve_bytes }
    }
}

/// Why the store could not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The engine's fault.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A record that cannot be read or written.
    #[error("a record cannot be read: {0}")]
    Record(String),
    /// The key for sealed values.
    #[error("the seal key: {0}")]
    Key(String),
    /// The store was written by a newer musterd.
    #[error("the store has schema version {found}, this musterd knows up to {known}: start the newer musterd again", known = migrate::SCHEMA)]
    Newer {
        /// The version in the store.
        found: u32,
    },
    /// The disk takes what is written, but not now.
    #[error("a write has been waiting for the disk for {seconds} seconds: is the disk well?")]
    Slow {
        /// For how long, in seconds.
        seconds: u64,
    },
    /// The engine does not come back from a read.
    #[error("the store has not answered a read for {seconds} seconds: restart the daemon if that stays")]
    Unanswered {
        /// For how long at least, in seconds.
        seconds: u64,
    },
    /// The writer has ended, or a rule panicked.
    #[error("the store is shutting down or hit a fault of its own")]
    Stopped,
}

/// The store of one daemon.
pub struct Store {
    // The writer goes first: its thread ends before the engine closes and the lock is given back.
    writer: Writer,
    engine: Arc<dyn Engine>,
    sealer: Arc<Sealer>,
    clock: Clock,
    rng: Rng,
    /// Held while the engine is asked whether it answers.
    probe: Arc<tokio::sync::Mutex<()>>,
    /// Held while the seal key changes.
    rotation: tokio::sync::Mutex<()>,
    /// Sessions and API tokens that were looked at a moment ago.
    bearers: Remembered<TokenHash, sessions::Bearer>,
    api_tokens: Remembered<TokenHash, tokens::Carried>,
    /// And the names of users' groups.
    group_names: Remembered<UserId, groups::Names>,
    roles: Remembered<RoleId, roles::Known>,
    _lock: Option<File>,
}

impl Store {
    /// Opens the store on disk, or makes it.
    ///
    /// # Errors
    /// When another process holds it, a newer musterd wrote it, its files are damaged or its key is unreadable.
    pub fn open(settings: &Settings, clock: Clock, rng: Rng) -> Result<Self, StoreError> {
        let lock = lock(&settings.folder)?;
        let folder = Folder::new(&settings.folder);
        folder.settle()?;
        let records = folder.store();
        let sealer = Sealer::from_file(&settings.seal_key_path(), !records.exists(), &rng)?;
        let engine = SledEngine::open(&records, settings.options())?;
        let mark = Mark::check(&records, &engine)?;
        Self::with(Arc::new(engine), sealer, clock, rng, Some((lock, mark)))
    }

    /// A store that forgets everything when it is dropped.
    ///
    /// # Errors
    /// When the writer's threads cannot start.
    pub fn in_memory(clock: Clock, rng: Rng) -> Result<Self, StoreError> {
        let sealer = Sealer::ephemeral(&rng);
        Self::over(Arc::new(MemoryEngine::default()), sealer, clock, rng)
    }

    /// A store over an engine, whichever it is.
    ///
    /// # Errors
    /// When the engine cannot be read or migrated, what is in it was sealed with another key, or the writer's threads
    /// cannot start.
    pub fn over(engine: Arc<dyn Engine>, sealer: Sealer, clock: Clock, rng: Rng) -> Result<Self, StoreError> {
        Self::with(engine, sealer, clock, rng, None)
    }

    fn with(
        engine: Arc<dyn Engine>,
        sealer: Sealer,
        clock: Clock,
        rng: Rng,
        folder: Option<(File, Mark)>,
    ) -> Result<Self, StoreError> {
        migrate::migrate(&*engine)?;
        check_key(&*engine, &sealer)?;
        let sealer = Arc::new(sealer);
        let (lock, mark) = folder.unzip();
        let writer = Writer::start(engine.clone(), sealer.clone(), clock.clone(), rng.clone(), mark)?;
        Ok(Self {
            writer,
            engine,
            sealer,
            clock,
            rng,
            probe: Arc::default(),
            rotation: tokio::sync::Mutex::default(),
            bearers: Remembered::default(),
            api_tokens: Remembered::default(),
            group_names: Remembered::default(),
            roles: Remembered::default(),
            _lock: lock,
        })
    }

    /// What is committed, for reading.
    #[must_use]
    pub fn view(&self) -> View<'_> {
        View { engine: &*self.engine, sealer: &self.sealer }
    }

    /// What is committed now, as it stays to be seen while others write. What changes meanwhile costs memory.
    ///
    /// # Errors
    /// When the engine cannot read.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Ok(Snapshot { rows: self.engine.snapshot()?, sealer: self.sealer.clone() })
    }

    /// Why nothing can be written now, if that is so: no room, a write that failed, or one that does not come back.
    #[must_use]
    pub fn fault(&self) -> Option<StoreError> {
        self.fault_if_slower_than(SLOW)
    }

    /// Does it read and write now? Tries a read, which must come back soon.
    ///
    /// # Errors
    /// Why not: those of [`Store::fault`], or the engine does not answer.
    pub async fn check(self: &Arc<Self>) -> Result<(), StoreError> {
        self.check_within(SLOW_READ).await
    }

    async fn check_within(self: &Arc<Self>, limit: Duration) -> Result<(), StoreError> {
        if let Some(fault) = self.fault() {
            return Err(fault);
        }
        // One at a time: a read that hangs must not be joined by another with every question.
        let slow = StoreError::Unanswered { seconds: limit.as_secs() };
        let Ok(probe) = tokio::time::timeout(limit, self.probe.clone().lock_owned()).await else { return Err(slow) };
        let store = self.clone();
        let read = tokio::task::spawn_blocking(move || {
            let _probe = probe;
            store.engine.get(&seal_check_key()).map(drop)
        });
        match tokio::time::timeout(limit, read).await {
            Ok(Ok(read)) => Ok(read?),
            Ok(Err(_)) => Err(StoreError::Stopped),
            Err(_) => Err(slow),
        }
    }

    fn fault_if_slower_than(&self, limit: Duration) -> Option<StoreError> {
        let slow = self.writer.committing_for().filter(|time| *time >= limit);
        let slow = slow.map(|time| StoreError::Slow { seconds: time.as_secs() });
        slow.or_else(|| self.engine.fault().map(StoreError::Engine))
    }

    /// The clock by which transactions are timed.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The source of random bytes.
    #[must_use]
    pub fn rng(&self) -> &Rng {
        &self.rng
    }

    /// Runs a rule in a transaction and returns when everything it wrote is on disk.
    ///
    /// The rule may be run again if a commit meets another writer's: it must not have effects of its own.
    /// If it fails, nothing of it is written.
    ///
    /// # Errors
    /// The rule's own, or the store's.
    pub async fn write<T, E>(&self, rule: impl FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.writer.queue(Lane::Urgent, rule).await?.done().await
    }

    /// [`Store::write`] for a part of a long piece of work: it lets everybody else go first.
    ///
    /// # Errors
    /// The rule's own, or the store's.
    pub async fn write_bulk<T, E>(&self, rule: impl FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.queue_bulk(rule).await?.done().await
    }

    /// Queues a part of a long piece of work, so that the next can be queued while it is on its way to the disk. Parts
    /// are written in the order in which they are queued.
    ///
    /// # Errors
    /// When the store is ending; what the rule says comes from [`Pending::done`].
    pub async fn queue_bulk<T, E>(
        &self,
        rule: impl FnMut(&mut Tx<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<Pending<T, E>, E>
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        self.writer.queue(Lane::Bulk, rule).await
    }

    /// Queues a rule that may be lost: for notes of activity, which must never slow down who reads.
    /// `false`: too much waits already, and it was dropped.
    pub fn note(&self, rule: impl FnMut(&mut Tx<'_>) -> Result<(), StoreError> + Send + 'static) -> bool {
        self.writer.enqueue(rule)
    }
}

/// What is free on the disk of a folder, in bytes; `None` where nobody can say.
#[must_use]
pub fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// A value that only the right key opens: with another one, new secrets would be sealed beside old ones that no
/// longer open.
fn check_key(engine: &dyn Engine, sealer: &Sealer) -> Result<(), StoreError> {
    const KNOWN: &[u8] = b"musterd";
    let key = seal_check_key();
    match engine.get(&key)? {
        Some(sealed) => sealer.open(&key, &sealed).map(drop),
        None => {
            let sealed = sealer.seal(&key, KNOWN)?;
            Ok(engine.commit(&engine::Batch { writes: [(key, Some(sealed))].into(), expect: Vec::new() })?)
        }
    }
}

/// Where that value is.
fn seal_check_key() -> engine::Bytes {
    keys::Space::Meta.key(&[b"seal"])
}

/// Takes the folder for this process, and writes into the lock file who holds it.
fn lock(folder: &Path) -> Result<File, StoreError> {
    let io = |error: std::io::Error| EngineError::Io(format!("{}: {error}", folder.display()));
    // Hashes of passwords are in there: a folder that is made here is its owner's alone.
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(io)?;
    let path = folder.join("musterd.lock");
    let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path).map_err(io)?;
    match file.try_lock() {
        Ok(()) => {
            file.set_len(0).map_err(io)?;
            write!(file, "process {}", std::process::id()).map_err(io)?;
            Folder::new(folder).give_to_owner(&folder.join("musterd.lock")).map_err(io)?;
            Ok(file)
        }
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            drop(Read::take(&mut file, 64).read_to_string(&mut holder));
            let holder = if holder.is_empty() { "another process".to_owned() } else { holder };
            let hint = "stop it, or talk to it through its admin socket";
            Err(EngineError::Held(format!("{} is held by {holder}: {hint}", folder.display())).into())
        }
        Err(TryLockError::Error(error)) => Err(io(error).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::tx::Reads;

    #[test]
    fn a_second_opening_names_the_holder() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { folder: folder.path().to_owned(), ..Settings::default() };
        let first = Store::open(&settings, Clock::system(), Rng::system()).unwrap();
        let error = Store::open(&settings, Clock::system(), Rng::system()).err().unwrap().to_string();
        assert!(error.contains(&format!("held by process {}", std::process::id())), "{error}");
        drop(first);
        Store::open(&settings, Clock::system(), Rng::system()).unwrap();
    }

    #[test]
    fn a_folder_that_is_made_for_the_store_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("data");
        let settings = Settings { folder: folder.clone(), ..Settings::default() };
        drop(Store::open(&settings, Clock::system(), Rng::system()).unwrap());
        assert_eq!(fs::metadata(folder).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_store_does_not_open_with_another_key() {
        let folder = tempfile::tempdir().unwrap();
        let settings = Settings { folder: folder.path().to_owned(), ..Settings::default() };
        drop(Store::open(&settings, Clock::system(), Rng::system()).unwrap());
        fs::remove_file(folder.path().join("seal.key")).unwrap();
        assert!(matches!(Store::open(&settings, Clock::system(), Rng::system()), Err(StoreError::Key(_))), "none");
        Sealer::from_file(&folder.path().join("seal.key"), true, &Rng::system()).unwrap();
        assert!(matches!(Store::open(&settings, Clock::system(), Rng::system()), Err(StoreError::Key(_))), "another");
    }

    #[tokio::test]
    async fn a_failing_rule_writes_nothing_and_the_next_is_not_harmed() {
        let store = Store::in_memory(Clock::system(), Rng::system()).unwrap();
        let failed: Result<(), StoreError> = store
            .write(|tx: &mut Tx<'_>| {
                tx.put(b"a".to_vec(), b"1".to_vec());
                tx.put(b"a".to_vec(), b"2".to_vec());
                Err(StoreError::Stopped)
            })
            .await;
        assert!(failed.is_err());
        let panicked: Result<(), StoreError> = store
            .write(|tx: &mut Tx<'_>| {
                tx.put(b"a".to_vec(), b"3".to_vec());
                panic!("a rule with a bug")
            })
            .await;
        assert!(panicked.is_err());
        assert_eq!(store.view().get(b"a").unwrap(), None);
        let wrote: Result<(), StoreError> = store
            .write(|tx: &mut Tx<'_>| {
                tx.put(b"a".to_vec(), b"4".to_vec());
                Ok(())
            })
            .await;
        assert!(wrote.is_ok());
        assert_eq!(store.view().get(b"a").unwrap(), Some(b"4".to_vec()));
    }

    #[tokio::test]
    async fn a_transaction_scans_over_its_own_writes() {
        let store = Store::in_memory(Clock::system(), Rng::system()).unwrap();
        let rows: Result<Vec<u8>, StoreError> = store
            .write(|tx: &mut Tx<'_>| {
                for n in 0..5 {
                    tx.put(vec![b'k', n], vec![n]);
                }
                tx.remove(vec![b'k', 1]);
                let rows = tx.scan(&engine::KeyRange::prefix(b"k"), engine::Order::Descending, 3)?;
                Ok(rows.into_iter().flat_map(|(_, value)| value).collect())
            })
            .await;
        assert_eq!(rows.unwrap(), [4, 3, 2]);
    }
}
