//! Password hashing with argon2id: as many threads as cores, each with memory of its own, behind a bounded
//! queue. When the queue is full the answer is "busy", at once.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Block, Params, Version};
use data_encoding::BASE64_NOPAD;
use tokio::sync::oneshot;
use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

use super::settings::Hashing;
use crate::base::rng::Rng;
use crate::base::secret::{Secret, same_secret};

/// Bytes of a hash.
const HASH_BYTES: usize = 32;
/// Most memory of a stored hash that is still computed, in KiB: 1 GiB.
const MEMORY_MAX: u32 = 1 << 20;
/// Most passes of a stored hash that are still computed.
const ITERATIONS_MAX: u32 = 64;
/// Most lanes of a stored hash that are still computed.
const LANES_MAX: u32 = 16;

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

enum Job {
    Hash { password: Secret, salt: [u8; 16], answer: oneshot::Sender<Result<String, HashError>> },
    Verify { password: Secret, hash: String, answer: oneshot::Sender<Result<bool, HashError>> },
}

/// Hashes and verifies passwords. Its clones share the threads and the queue.
#[derive(Clone)]
pub struct Hasher {
    queue: SyncSender<Job>,
    /// Jobs that wait or are under way.
    pending: Arc<AtomicUsize>,
    threads: usize,
    settings: Hashing,
    rng: Rng,
    /// The hash of a password that nobody has: verified for those whom the directory does not know.
    decoy: String,
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
        let (queue, jobs) = sync_channel(settings.queue.max(1));
        let jobs = Arc::new(Mutex::new(jobs));
        let pending = Arc::new(AtomicUsize::new(0));
        for number in 0..threads {
            let (jobs, params, pending) = (jobs.clone(), params.clone(), pending.clone());
            let thread = thread::Builder::new().name(format!("hasher-{number}"));
            thread.spawn(move || work(&jobs, &params, &pending)).map_err(|error| error.to_string())?;
        }
        let decoy = phc(settings, &[0; 16], &[0; HASH_BYTES]);
        Ok(Self { queue, pending, threads, settings: settings.clone(), rng: rng.clone(), decoy })
    }

    /// The hash of a password, in PHC string form.
    ///
    /// # Errors
    /// When too many wait already.
    pub async fn hash(&self, password: &Secret) -> Result<String, HashError> {
        let (answer, hash) = oneshot::channel();
        self.send(Job::Hash { password: prepared(password), salt: self.rng.bytes(), answer })?;
        hash.await.unwrap_or(Err(HashError::Unusable))
    }

    /// Is this the password of that hash?
    ///
    /// # Errors
    /// When too many wait already, or the hash cannot be used.
    pub async fn verify(&self, password: &Secret, hash: &str) -> Result<bool, HashError> {
        let (answer, verdict) = oneshot::channel();
        self.send(Job::Verify { password: prepared(password), hash: hash.to_owned(), answer })?;
        verdict.await.unwrap_or(Err(HashError::Unusable))
    }

    /// Spends the time of one verification: nobody can tell by the time whether a user exists.
    ///
    /// # Errors
    /// When too many wait already.
    pub async fn verify_decoy(&self, password: &Secret) -> Result<(), HashError> {
        self.verify(password, &self.decoy).await.map(drop)
    }

    /// Was this hash made with other parameters than those of the settings?
    #[must_use]
    pub fn is_outdated(&self, hash: &str) -> bool {
        let Hashing { memory_kib, iterations, lanes, .. } = &self.settings;
        !hash.starts_with(&format!("$argon2id$v=19$m={memory_kib},t={iterations},p={lanes}$"))
    }

    /// Has every thread enough to do? Then nobody should ask for what can be left undone.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.pending.load(Ordering::Relaxed) > self.threads
    }

    fn send(&self, job: Job) -> Result<(), HashError> {
        self.pending.fetch_add(1, Ordering::Relaxed);
        self.queue.try_send(job).map_err(|error| {
            self.pending.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => HashError::Busy,
                TrySendError::Disconnected(_) => HashError::Unusable,
            }
        })
    }
}

/// NFKC, so that a composed and a decomposed letter are the same password (NIST SP 800-63B-4 §3.1.1.2).
fn prepared(password: &Secret) -> Secret {
    Secret::new(password.expose().nfkc().collect::<String>())
}

fn params(settings: &Hashing) -> Result<Params, argon2::Error> {
    Params::new(settings.memory_kib, settings.iterations, settings.lanes, Some(HASH_BYTES))
}

fn phc(settings: &Hashing, salt: &[u8], hash: &[u8]) -> String {
    let Hashing { memory_kib, iterations, lanes, .. } = settings;
    let (salt, hash) = (BASE64_NOPAD.encode(salt), BASE64_NOPAD.encode(hash));
    format!("$argon2id$v=19$m={memory_kib},t={iterations},p={lanes}${salt}${hash}")
}

fn work(jobs: &Mutex<Receiver<Job>>, params: &Params, pending: &AtomicUsize) {
    let mut blocks = vec![Block::default(); params.block_count()];
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match job {
            Ok(Job::Hash { password, salt, answer }) => {
                let hash = compute(params, &password, &salt, HASH_BYTES, &mut blocks);
                let settings = Hashing {
                    memory_kib: params.m_cost(),
                    iterations: params.t_cost(),
                    lanes: params.p_cost(),
                    ..Hashing::default()
                };
                drop(answer.send(hash.map(|hash| phc(&settings, &salt, &hash))));
            }
            Ok(Job::Verify { password, hash, answer }) => {
                // A caller whose deadline has passed is not worth the time.
                if !answer.is_closed() {
                    let _unread = answer.send(verify(&password, &hash, &mut blocks));
                }
            }
            Err(_) => return,
        }
        pending.fetch_sub(1, Ordering::Relaxed);
    }
}

fn verify(password: &Secret, hash: &str, blocks: &mut Vec<Block>) -> Result<bool, HashError> {
    let parsed = PasswordHash::new(hash).map_err(|_| HashError::Unusable)?;
    let number = |name: &str| parsed.params.get_decimal(name).ok_or(HashError::Unusable);
    let (memory, iterations, lanes) = (number("m")?, number("t")?, number("p")?);
    let (salt, expected) = parsed.salt.as_ref().zip(parsed.hash.as_ref()).ok_or(HashError::Unusable)?;
    let known = parsed.algorithm.as_str() == "argon2id" && parsed.version == Some(19);
    if !known || memory > MEMORY_MAX || iterations > ITERATIONS_MAX || lanes > LANES_MAX {
        return Err(HashError::Unusable);
    }
    let length = expected.as_bytes().len();
    let params = Params::new(memory, iterations, lanes, Some(length)).map_err(|_| HashError::Unusable)?;
    let computed = compute(&params, password, salt.as_ref(), length, blocks)?;
    Ok(same_secret(&computed, expected.as_bytes()))
}

fn compute(
    params: &Params,
    password: &Secret,
    salt: &[u8],
    length: usize,
    blocks: &mut Vec<Block>,
) -> Result<Zeroizing<Vec<u8>>, HashError> {
    let usual = blocks.len();
    let needed = params.block_count();
    if needed > usual {
        blocks.resize(needed, Block::default());
    }
    let mut out = Zeroizing::new(vec![0; length]);
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params.clone());
    let memory = blocks.get_mut(..needed).ok_or(HashError::Unusable)?;
    let outcome = argon2.hash_password_into_with_memory(password.expose().as_bytes(), salt, &mut out, memory);
    blocks.truncate(usual.max(1));
    blocks.shrink_to_fit();
    outcome.map(|()| out).map_err(|_| HashError::Unusable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cheap() -> Hashing {
        Hashing { memory_kib: 64, iterations: 1, lanes: 1, threads: 1, queue: 4 }
    }

    #[tokio::test]
    async fn a_password_verifies_against_its_hash_only() {
        let hasher = Hasher::start(&cheap(), &Rng::seeded(1)).unwrap();
        let hash = hasher.hash(&Secret::new("correct horse é")).await.unwrap();
        assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
        assert!(hasher.verify(&Secret::new("correct horse e\u{301}"), &hash).await.unwrap());
        assert!(!hasher.verify(&Secret::new("correct horse e"), &hash).await.unwrap());
        assert!(!hasher.is_outdated(&hash));
        let dearer = Hasher::start(&Hashing { memory_kib: 128, ..cheap() }, &Rng::seeded(1)).unwrap();
        assert!(dearer.is_outdated(&hash));
        assert!(dearer.verify(&Secret::new("correct horse é"), &hash).await.unwrap());
        assert!(dearer.verify_decoy(&Secret::new("x")).await.is_ok());
    }

    #[tokio::test]
    async fn a_known_answer_of_the_reference_implementation_verifies() {
        // echo -n "password" | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32 (RFC 9106 reference tool)
        let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
        let hasher = Hasher::start(&cheap(), &Rng::seeded(1)).unwrap();
        assert!(hasher.verify(&Secret::new("password"), hash).await.unwrap());
    }

    #[tokio::test]
    async fn a_hash_that_would_cost_too_much_is_refused_unread() {
        let hasher = Hasher::start(&cheap(), &Rng::seeded(1)).unwrap();
        for hash in [
            "",
            "x",
            "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$AAAA",
            "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAA",
        ] {
            let verdict = hasher.verify(&Secret::new("x"), hash).await;
            assert_eq!(verdict, Err(HashError::Unusable), "{hash}");
        }
    }

    #[tokio::test]
    async fn a_full_queue_says_busy_at_once() {
        let slow = Hashing { memory_kib: 65_536, iterations: 3, queue: 1, ..cheap() };
        let hasher = Arc::new(Hasher::start(&slow, &Rng::seeded(1)).unwrap());
        let tries: Vec<_> = (0..20)
            .map(|_| {
                let hasher = hasher.clone();
                tokio::spawn(async move { hasher.hash(&Secret::new("x")).await })
            })
            .collect();
        let mut busy = 0;
        for outcome in tries {
            busy += usize::from(outcome.await.unwrap() == Err(HashError::Busy));
        }
        assert!(busy >= 17, "{busy} of 20 were refused");
    }
}
