//! The failures of one account, network or name.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Held;
use crate::base::clock::plus;
use crate::store::locks::Lock;

/// The end of a row is told to the hour: it then seldom changes with the row.
const HOUR: i64 = 3_600;

#[derive(Clone, Copy)]
pub(super) struct Counter {
    /// Failures since the last wait.
    pub(super) failures: u32,
    pub(super) waits: u32,
    pub(super) wait_until: Timestamp,
    pub(super) last: Timestamp,
    /// Failures since the last success, over all waits and for as long as it takes.
    pub(super) consecutive: u32,
    /// Tries that were not checked since the wait began.
    pub(super) held: u64,
    /// When one of those was last told of.
    pub(super) told: Timestamp,
    /// Is there a row?
    pub(super) stored: bool,
}

impl Counter {
    pub(super) fn new(now: Timestamp) -> Self {
        Self {
            failures: 0,
            waits: 0,
            wait_until: Timestamp::MIN,
            last: now,
            consecutive: 0,
            held: 0,
            told: now,
            stored: false,
        }
    }

    /// Starts anew after a time without failures, but for those since the last success.
    pub(super) fn forget_after(&mut self, quiet: SignedDuration, now: Timestamp) {
        if now.duration_since(self.last) > quiet && now >= self.wait_until {
            (self.failures, self.waits) = (0, 0);
        }
    }

    pub(super) fn raise(&mut self, now: Timestamp) {
        self.last = now;
        self.failures = self.failures.saturating_add(1);
        self.consecutive = self.consecutive.saturating_add(1);
    }

    pub(super) fn wait(&mut self, until: Timestamp) {
        (self.failures, self.held) = (0, 0);
        self.wait_until = until;
        self.waits = self.waits.saturating_add(1);
    }

    /// Takes one failure back, and the wait that it began.
    pub(super) fn take_back(&mut self, limit: u32) {
        self.consecutive = self.consecutive.saturating_sub(1);
        if self.failures == 0 && self.waits > 0 {
            self.failures = limit.saturating_sub(1);
            self.waits = self.waits.saturating_sub(1);
            self.wait_until = Timestamp::MIN;
        } else {
            self.failures = self.failures.saturating_sub(1);
        }
    }

    pub(super) fn hold(&mut self, wait: Duration, reason: &'static str) -> Held {
        self.held = self.held.saturating_add(1);
        let is_power_of_ten = self.held == 10_u64.saturating_pow(self.held.checked_ilog10().unwrap_or(0));
        Held { wait, reason, worth_telling: is_power_of_ten.then_some(self.held) }
    }

    /// Is there nothing to keep?
    pub(super) fn is_clear(&self) -> bool {
        (self.failures, self.waits, self.consecutive) == (0, 0, 0)
    }

    /// As it is kept; `stays`: until it is taken back.
    pub(super) fn lock(&self, stays: bool) -> Lock {
        let end = plus(self.last, Duration::from_secs(86_400)).max(self.wait_until);
        let end = end.as_second().saturating_add(HOUR).div_euclid(HOUR).saturating_mul(HOUR);
        Lock {
            failures: self.failures,
            waits: self.waits,
            wait_until: Some(self.wait_until).filter(|until| *until > Timestamp::MIN),
            last: self.last,
            consecutive: self.consecutive,
            ends_at: if stays { None } else { Timestamp::from_second(end).ok() },
        }
    }
}

impl From<Lock> for Counter {
    fn from(lock: Lock) -> Self {
        Self {
            failures: lock.failures,
            waits: lock.waits,
            wait_until: lock.wait_until.unwrap_or(Timestamp::MIN),
            consecutive: lock.consecutive,
            stored: true,
            ..Self::new(lock.last)
        }
    }
}
