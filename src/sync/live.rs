//! What a pass that is under way has come to, for whoever watches it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::Serialize;

use crate::base::clock::Stopwatch;
use crate::base::id::RunId;
use crate::directory::plan::Run;

/// The counters of the pass of one source; written by the pass, read by anybody.
#[derive(Default)]
pub struct Live {
    /// Entries that were read.
    pub read: Arc<AtomicUsize>,
    /// Changes that were planned.
    pub planned: AtomicUsize,
    /// Changes that were written.
    pub written: AtomicUsize,
    run: Mutex<Option<Under>>,
    last: Mutex<Option<Run>>,
}

struct Under {
    run: RunId,
    since: Stopwatch,
    phase: Phase,
    expected: Option<usize>,
}

/// Where a pass is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It reads the source, and plans.
    Reading,
    /// It writes what was planned.
    Writing,
}

/// What a pass has come to by now.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Progress {
    /// The pass.
    pub run: RunId,
    /// Where it is.
    pub phase: Phase,
    /// Entries that were read.
    pub read: usize,
    /// About how many entries there are, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<usize>,
    /// Changes that were planned.
    pub planned: usize,
    /// Changes that were written.
    pub written: usize,
    /// Milliseconds since it began.
    pub milliseconds: u64,
    /// Entries a second.
    pub rate: u64,
    /// Milliseconds that it may still take, where that can be told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_milliseconds: Option<u64>,
}

impl Live {
    /// A pass begins.
    pub(super) fn begin(&self, run: RunId, expected: Option<usize>) {
        self.read.store(0, Ordering::Relaxed);
        self.planned.store(0, Ordering::Relaxed);
        self.written.store(0, Ordering::Relaxed);
        let under = Under { run, since: Stopwatch::start(), phase: Phase::Reading, expected };
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = Some(under);
    }

    /// It begins to write.
    pub(super) fn writes(&self) {
        if let Some(under) = self.run.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            under.phase = Phase::Writing;
        }
    }

    /// It has ended, with this record of it; none where it could not even be kept.
    pub(super) fn end(&self, run: Option<&Run>) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = run.cloned();
        *self.run.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// The pass that ended last since the daemon started, also where it found nothing to do and left no record.
    #[must_use]
    pub fn last(&self) -> Option<Run> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What the pass under way has come to; `None`: there is none.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        let run = self.run.lock().unwrap_or_else(PoisonError::into_inner);
        let under = run.as_ref()?;
        let count = |counter: &AtomicUsize| counter.load(Ordering::Relaxed);
        let (read, planned, written) = (count(&self.read), count(&self.planned), count(&self.written));
        let milliseconds = under.since.elapsed_ms();
        let (done, all) = match under.phase {
            Phase::Reading => (read, under.expected),
            Phase::Writing => (written, Some(planned)),
        };
        let left = all.and_then(|all| left(done, all, milliseconds)).filter(|_| under.phase == Phase::Reading);
        Some(Progress {
            run: under.run,
            phase: under.phase,
            read,
            expected: under.expected,
            planned,
            written,
            milliseconds,
            rate: wide(read).saturating_mul(1_000).checked_div(milliseconds).unwrap_or(0),
            left_milliseconds: left,
        })
    }
}

fn wide(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The time that the rest takes at the pace so far.
fn left(done: usize, all: usize, milliseconds: u64) -> Option<u64> {
    let rest = wide(all.saturating_sub(done));
    rest.saturating_mul(milliseconds).checked_div(wide(done))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::base::rng::Rng;

    #[test]
    fn a_pass_is_seen_while_it_runs_and_not_after() {
        let live = Live::default();
        assert_eq!(live.progress(), None);
        live.begin(RunId::new(Timestamp::UNIX_EPOCH, &Rng::seeded(1)), Some(100));
        live.read.store(50, Ordering::Relaxed);
        let progress = live.progress().unwrap();
        assert_eq!((progress.read, progress.expected, progress.phase), (50, Some(100), Phase::Reading));
        live.writes();
        assert_eq!(live.progress().unwrap().phase, Phase::Writing);
        live.end(None);
        assert_eq!((live.progress(), live.last()), (None, None));
        assert_eq!((left(50, 100, 2_000), left(0, 100, 2_000)), (Some(2_000), None));
    }
}
