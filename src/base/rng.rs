//! The only source of random bytes: the operating system's, or a seeded stream in tests.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng};

/// Gives random bytes. Clones share one stream.
#[derive(Clone)]
pub struct Rng(Kind);

#[derive(Clone)]
enum Kind {
    System,
    Seeded(Arc<Mutex<ChaCha20Rng>>),
}

impl Rng {
    /// The operating system's cryptographic source.
    #[must_use]
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// The same bytes for the same seed: for tests and golden files, never for a running daemon.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        Self(Kind::Seeded(Arc::new(Mutex::new(ChaCha20Rng::seed_from_u64(seed)))))
    }

    /// Fills `out` with random bytes.
    ///
    /// # Panics
    /// If the operating system has no randomness to give: nothing safe can be done then.
    pub fn fill(&self, out: &mut [u8]) {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the system's randomness")]
            #[expect(clippy::expect_used, reason = "without randomness no secret may be made; the task must stop")]
            Kind::System => getrandom::fill(out).expect("the operating system gives random bytes"),
            Kind::Seeded(stream) => stream.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(out),
        }
    }

    /// `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut out = [0; N];
        self.fill(&mut out);
        out
    }
}

/// Names for what passes by, such as requests: no two the same, and at no cost of a call to the operating system. They
/// are no secrets: who sees one may compute the next.
pub struct Names(AtomicU64);

impl Names {
    /// Names from a random beginning on.
    #[must_use]
    pub fn new(rng: &Rng) -> Self {
        Self(AtomicU64::new(u64::from_be_bytes(rng.bytes())))
    }

    /// The next name. Each step of the mixing can be undone (the finaliser of SplitMix64), so none comes twice.
    #[must_use]
    pub fn next(&self) -> [u8; 8] {
        let mut name = self.0.fetch_add(1, Ordering::Relaxed);
        name = (name ^ (name >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        name = (name ^ (name >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (name ^ (name >> 31)).to_be_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seeded_stream_repeats_and_the_systems_does_not() {
        assert_eq!(Rng::seeded(42).bytes::<16>(), Rng::seeded(42).bytes::<16>());
        assert_ne!(Rng::system().bytes::<16>(), Rng::system().bytes::<16>());
    }

    #[test]
    fn names_do_not_come_twice_and_begin_elsewhere_each_time() {
        let names = Names::new(&Rng::seeded(1));
        let all: std::collections::BTreeSet<_> = (0..10_000).map(|_| names.next()).collect();
        assert_eq!(all.len(), 10_000);
        assert!(!all.contains(&Names::new(&Rng::seeded(2)).next()));
    }
}
