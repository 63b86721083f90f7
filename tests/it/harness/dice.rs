//! Pseudo-random choices that a printed seed repeats.

use std::ops::Range;
use std::time::Duration;

use musterd::base::rng::Rng;

pub(crate) struct Dice(Rng);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(Rng::seeded(seed))
    }

    /// A number of the range.
    pub(crate) fn number(&self, range: Range<u64>) -> u64 {
        range.start + u64::from_le_bytes(self.0.bytes()) % (range.end - range.start)
    }

    pub(crate) fn milliseconds(&self, range: Range<u64>) -> Duration {
        Duration::from_micros(self.number(range.start * 1_000..range.end * 1_000))
    }

    /// One of them, where there is any.
    pub(crate) fn pick<T: Clone>(&self, among: &[T]) -> Option<T> {
        let count = u64::try_from(among.len()).unwrap();
        (count > 0).then(|| among[usize::try_from(self.number(0..count)).unwrap()].clone())
    }
}
