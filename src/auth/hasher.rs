//! Password hashing with argon2id: as many threads as cores, each with memory of its own, behind a bounded
//! queue. When the queue is full the answer is "busy", at once.
//!
//! Hashes of other kinds are verified too, and of argon2id with other parameters; what such a one costs is bounded when
//! it is read ([`StoredHash`]), and one that costs much more than the usual is verified alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;

use argon2::{Algorithm, Argon2, Block, Params, Version};
use data_encoding::BASE64_NOPAD;
use tokio::sync::oneshot;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::settings::Hashing;
use crate::base::rng::Rng;
use crate::base::secret::{Secret, same_secret};
use crate::directory::password::BYTES_MAX;
use crate::directory::stored_hash::StoredHash;

mod imported;
mod queue;

pub use queue::Seat;
use queue::{Full, Queue};

/// Bytes of a hash.
const HASH_BYTES: usize = 32;
/// Longest password in bytes that is looked at; longer ones are wrong.
pub const PASSWORD_BYTES: usize = BYTES_MAX;

/// Why a password could not be hashed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HashError {
    /// Too many wait already.
    #[error("too many passwords wait to be checked")]
    Busy,
    /// A stored hash cannot be read, or costs more than this daemon will spend.
    #[error("a stored hash cannot be used")]
    Unusable,
}

/// What a stored hash says of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It is its password.
    Right,
    /// It is not.
    Wrong,
    /// It is longer than what the hash was made of (bcrypt forgets what comes after 72 bytes): nobody can say, and the
    /// password must be reset.
    MustReset,
}

enum Job {
    Hash { password: Secret, salt: [u8; 16], answer: oneshot::Sender<Result<String, HashError>> },
    Verify { password: Secret, hash: StoredHash, answer: oneshot::Sender<Result<Checked, HashError>> },
    Decoy { answer: oneshot::Sender<Result<Checked, HashError>> },
}

/// Closes the queue when the last hasher is gone.
struct Front(Arc<Queue<Job>>);

impl Drop for Front {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Hashes and verifies passwords. Its clones share the threads and the queue.
#[derive(Clone)]
pub struct Hasher {
    front: Arc<Front>,
    threads: usize,
    settings: Hashing,
    rng: Rng,
}

impl Hasher {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the settings are none that argon2 takes, or a thread cannot start.
    pub fn start(settings: &Hashing, rng: &Rng) -> Result<Self, String> {
        let params = params(settings).map_err(|error| format!("hashing: {error}"))?;
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let threads = if settings.threads == 0 { cores } else { settings.threads };
        let queue = Arc::new(Queue::new(settings.queue, settings.reserved));
        for number in 0..threads {
            let mut worker = Worker { queue: queue.clone(), params: params.clone(), blocks: Vec::new() };
            let thread = thread::Builder::new().name(format!("hasher-{number}"));
            thread.spawn(move || worker.work()).map_err(|error| error.to_string())?;
        }
        Ok(Self { front: Arc::new(Front(queue)), threads, settings: settings.clone(), rng: rng.clone() })
    }

    /// The hash of a password, in PHC string form.
    ///
    /// # Errors
    /// When too many wait already.
    pub async fn hash(&self, password: &Secret) -> Result<String, HashError> {
        let (answer, hash) = oneshot::channel();
        self.send(Job::Hash { password: password.clone(), salt: self.rng.bytes(), answer }, Seat::Anybody, false)?;
        hash.await.unwrap_or(Err(HashError::Unusable))
    }

    /// What the hash says of this password.
    ///
    /// # Errors
    /// When too many wait already, or the hash cannot be used.
    pub async fn check(&self, password: &Secret, hash: &str, seat: Seat) -> Result<Checked, HashError> {
        let stored = StoredHash::parse(hash).map_err(|_| HashError::Unusable)?;
        let costly = self.settings.is_costly(&stored);
        let (answer, verdict) = oneshot::channel();
        self.send(Job::Verify { password: password.clone(), hash: stored, answer }, seat, costly)?;
        verdict.await.unwrap_or(Err(HashError::Unusable))
    }

    /// Is this the password of that hash? One that must be reset is not.
    ///
    /// # Errors
    /// When too many wait already, or the hash cannot be used.
    pub async fn verify(&self, password: &Secret, hash: &str) -> Result<bool, HashError> {
        Ok(self.check(password, hash, Seat::Anybody).await? == Checked::Right)
    }

    /// Spends the time of one verification: nobody can tell by the time whether a user exists.
    ///
    /// # Errors
    /// When too many wait already.
    pub async fn verify_decoy(&self, seat: Seat) -> Result<(), HashError> {
        let (answer, verdict) = oneshot::channel();
        self.send(Job::Decoy { answer }, seat, false)?;
        verdict.await.unwrap_or(Err(HashError::Unusable)).map(drop)
    }

    /// Was this hash made with less than the settings want, or by something else than argon2id? A stronger one stays.
    #[must_use]
    pub fn is_outdated(&self, hash: &str) -> bool {
        let cost = || {
            let (cost, _) = hash.strip_prefix("$argon2id$v=19$")?.split_once('$')?;
            let mut numbers = cost.split(',').map_while(|part| part.get(2..)?.parse::<u32>().ok());
            Some((numbers.next()?, numbers.next()?))
        };
        let Hashing { memory_kib, iterations, .. } = &self.settings;
        cost().is_none_or(|(memory, passes)| memory < *memory_kib || passes < *iterations)
    }

    /// Passwords that wait or are hashed.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.front.0.pending()
    }

    /// Has every thread enough to do? Then nobody should ask for what can be left undone.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.pending() > self.threads
    }

    fn send(&self, job: Job, seat: Seat, costly: bool) -> Result<(), HashError> {
        self.front.0.push(job, seat, costly).map_err(|Full| HashError::Busy)
    }
}

impl Hashing {
    fn work(&self) -> u64 {
        u64::from(self.memory_kib).saturating_mul(u64::from(self.iterations))
    }

    /// Does it take more memory than the threads hold, or far more time than the usual?
    fn is_costly(&self, hash: &StoredHash) -> bool {
        match hash {
            StoredHash::Argon2id { memory_kib, iterations, .. } => {
                let work = u64::from(*memory_kib).saturating_mul(u64::from(*iterations));
                *memory_kib > self.memory_kib || work > self.work().saturating_mul(16)
            }
            StoredHash::Bcrypt { cost, .. } => *cost > 12,
            StoredHash::Pbkdf2 { rounds, .. } => *rounds > 1_500_000,
            StoredHash::Salted { .. } => false,
        }
    }
}

fn params(settings: &Hashing) -> Result<Params, argon2::Error> {
    Params::new(settings.memory_kib, settings.iterations, settings.lanes, Some(HASH_BYTES))
}

/// NFKC, so that a composed and a decomposed letter are the same password (NIST SP 800-63B-4 §3.1.1.2).
fn prepared(password: &Secret) -> Secret {
    Secret::new(password.expose().nfkc().collect::<String>())
}

/// One thread, with the memory that the usual parameters need.
struct Worker {
    queue: Arc<Queue<Job>>,
    params: Params,
    blocks: Vec<Block>,
}

impl Worker {
    fn work(&mut self) {
        while let Some((job, costly)) = self.queue.pop() {
            if catch_unwind(AssertUnwindSafe(|| self.run(job))).is_err() {
                tracing::error!("the check of a password panicked");
            }
            self.blocks.truncate(self.params.block_count());
            self.blocks.shrink_to_fit();
            self.queue.done(costly);
        }
    }

    /// A caller whose deadline has passed is not worth the time.
    fn run(&mut self, job: Job) {
        match job {
            Job::Hash { password, salt, answer } if !answer.is_closed() => {
                let params = self.params.clone();
                let hash = self.argon2id(&params, &prepared(&password), &salt, HASH_BYTES);
                let _unread = answer.send(hash.map(|hash| phc(&params, &salt, &hash)));
            }
            Job::Verify { password, hash, answer } if !answer.is_closed() => {
                let _unread = answer.send(self.verify(&password, &hash));
            }
            Job::Decoy { answer } if !answer.is_closed() => {
                let _unread = answer.send(self.decoy().map(|()| Checked::Wrong));
            }
            _ => {}
        }
    }

    /// The work of one verification with the usual parameters.
    fn decoy(&mut self) -> Result<(), HashError> {
        let params = self.params.clone();
        self.argon2id(&params, &Secret::new("decoy"), &[0; 16], HASH_BYTES).map(drop)
    }

    fn verify(&mut self, password: &Secret, stored: &StoredHash) -> Result<Checked, HashError> {
        let right = match stored {
            _ if password.expose().len() > PASSWORD_BYTES => false,
            StoredHash::Argon2id { memory_kib, iterations, lanes, salt, hash } => {
                let params = Params::new(*memory_kib, *iterations, *lanes, Some(hash.len()));
                let params = params.map_err(|_| HashError::Unusable)?;
                let computed = self.argon2id(&params, &prepared(password), salt, hash.len())?;
                same_secret(&computed, hash)
            }
            StoredHash::Bcrypt { of_sha256: false, .. } if password.expose().len() > imported::BCRYPT_BYTES => {
                self.decoy()?;
                return Ok(Checked::MustReset);
            }
            StoredHash::Bcrypt { of_sha256, cost, salt, hash } => in_either_form(password, |password| {
                let digest = of_sha256.then(|| imported::sha256_hex(password));
                imported::bcrypt(digest.as_ref().map_or(password, |digest| digest), *cost, *salt, hash)
            }),
            StoredHash::Pbkdf2 { digest, rounds, salt, hash } => {
                in_either_form(password, |password| imported::pbkdf2(password, *digest, *rounds, salt, hash))
            }
            StoredHash::Salted { digest, salt, hash } => {
                in_either_form(password, |password| imported::salted(password, *digest, salt, hash))
            }
        };
        if right {
            return Ok(Checked::Right);
        }
        // A quick "wrong" would tell that there is such a user.
        if self.is_cheap(stored) {
            self.decoy()?;
        }
        Ok(Checked::Wrong)
    }

    /// Does it take less than half of the usual time?
    fn is_cheap(&self, stored: &StoredHash) -> bool {
        let work = |memory: u32, iterations: u32| u64::from(memory).saturating_mul(u64::from(iterations));
        match stored {
            StoredHash::Argon2id { memory_kib, iterations, .. } => {
                work(*memory_kib, *iterations).saturating_mul(2) < work(self.params.m_cost(), self.params.t_cost())
            }
            StoredHash::Bcrypt { cost, .. } => *cost < 8,
            StoredHash::Pbkdf2 { rounds, .. } => *rounds < 20_000,
            StoredHash::Salted { .. } => true,
        }
    }

    fn argon2id(
        &mut self,
        params: &Params,
        password: &Secret,
        salt: &[u8],
        length: usize,
    ) -> Result<Zeroizing<Vec<u8>>, HashError> {
        let needed = params.block_count();
        if needed > self.blocks.len() {
            self.blocks.resize(needed.max(self.params.block_count()), Block::default());
        }
        let mut out = Zeroizing::new(vec![0; length]);
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
        let memory = self.blocks.get_mut(..needed).ok_or(HashError::Unusable)?;
        let outcome = argon2.hash_password_into_with_memory(password.expose().as_bytes(), salt, &mut out, memory);
        outcome.map(|()| out).map_err(|_| HashError::Unusable)
    }
}

/// Elsewhere a password was hashed as it was typed, or in NFKC: which of them, nobody knows.
fn in_either_form(password: &Secret, is_right: impl Fn(&[u8]) -> bool) -> bool {
    if is_right(password.expose().as_bytes()) {
        return true;
    }
    let other = prepared(password);
    other.expose() != password.expose() && is_right(other.expose().as_bytes())
}

fn phc(params: &Params, salt: &[u8], hash: &[u8]) -> String {
    let (memory_kib, iterations, lanes) = (params.m_cost(), params.t_cost(), params.p_cost());
    let (salt, hash) = (BASE64_NOPAD.encode(salt), BASE64_NOPAD.encode(hash));
    format!("$argon2id$v=19$m={memory_kib},t={iterations},p={lanes}${salt}${hash}")
}

#[cfg(test)]
mod tests;
