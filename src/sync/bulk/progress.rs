//! How far a run of many users is, for whoever watches it.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use serde::Serialize;

use crate::base::clock::Stopwatch;

/// The counters of one run; written by the run, read by anybody.
pub struct Progress {
    read: AtomicUsize,
    total: AtomicUsize,
    written: AtomicUsize,
    to_write: AtomicUsize,
    phase: AtomicU8,
    since: Stopwatch,
}

/// Where a run is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It looks at what is wanted, and writes nothing.
    Validating,
    /// It writes.
    Writing,
}

/// How far a run is at a moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Seen {
    /// Where it is.
    pub phase: Phase,
    /// Users or rows that were looked at,
    pub validated: usize,
    /// of so many.
    pub of: usize,
    /// Users that were written,
    pub written: usize,
    /// of so many.
    pub to_write: usize,
    /// Milliseconds since it began.
    pub milliseconds: u64,
}

impl Default for Progress {
    fn default() -> Self {
        Self {
            read: AtomicUsize::new(0),
            total: AtomicUsize::new(0),
            written: AtomicUsize::new(0),
            to_write: AtomicUsize::new(0),
            phase: AtomicU8::new(0),
            since: Stopwatch::start(),
        }
    }
}

impl Progress {
    /// There are so many users or rows to look at.
    pub fn expects(&self, total: usize) {
        self.total.store(total, Ordering::Relaxed);
    }

    /// One more was looked at.
    pub fn validated(&self) {
        self.read.fetch_add(1, Ordering::Relaxed);
    }

    /// It begins to write so many.
    pub(super) fn writes(&self, many: usize) {
        self.to_write.store(many, Ordering::Relaxed);
        self.phase.store(1, Ordering::Relaxed);
    }

    /// So many more were written.
    pub(super) fn written(&self, more: usize) {
        self.written.fetch_add(more, Ordering::Relaxed);
    }

    pub(super) fn seen(&self) -> Seen {
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        let phase = if self.phase.load(Ordering::Relaxed) == 0 { Phase::Validating } else { Phase::Writing };
        Seen {
            phase,
            validated: count(&self.read),
            of: count(&self.total),
            written: count(&self.written),
            to_write: count(&self.to_write),
            milliseconds: self.since.elapsed_ms(),
        }
    }
}
