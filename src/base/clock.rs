//! The only reader of the wall clock. Rules take `now` as an argument; callers get it from a [`Clock`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp, Unit};

/// Tells the time: the system's, or one that only a test moves. Clones share the same time.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System,
    Manual(Arc<Mutex<Timestamp>>),
}

impl Clock {
    /// The system's clock.
    #[must_use]
    pub fn system() -> Self {
        Self(Kind::System)
    }

    /// A clock that stands at `at` until it is moved by [`Clock::advance`] or [`Clock::set`].
    #[must_use]
    pub fn manual(at: Timestamp) -> Self {
        Self(Kind::Manual(Arc::new(Mutex::new(at))))
    }

    /// The time now, cut to milliseconds: the precision of everything that is stored and shown.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
            Kind::System => to_millis(Timestamp::now()),
            Kind::Manual(at) => *at.lock().unwrap_or_else(PoisonError::into_inner),
        }
    }

    /// Moves a manual clock forward (or back, with a negative duration). The system's clock stays.
    pub fn advance(&self, by: SignedDuration) {
        if let Kind::Manual(at) = &self.0 {
            let mut at = at.lock().unwrap_or_else(PoisonError::into_inner);
            *at = at.checked_add(by).unwrap_or(*at);
        }
    }

    /// Sets a manual clock. The system's clock stays.
    pub fn set(&self, to: Timestamp) {
        if let Kind::Manual(at) = &self.0 {
            *at.lock().unwrap_or_else(PoisonError::into_inner) = to;
        }
    }
}

/// Measures how long something takes by the monotonic clock, whatever happens to the wall clock.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts measuring now.
    #[must_use]
    pub fn start() -> Self {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the monotonic clock")]
        Self(Instant::now())
    }

    /// The time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    /// The time since the start in whole milliseconds.
    #[must_use]
    pub fn elapsed_ms(&self) -> u64 {
        u64::try_from(self.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// Cuts a time to milliseconds.
#[must_use]
pub fn to_millis(at: Timestamp) -> Timestamp {
    at.round(jiff::TimestampRound::new().smallest(Unit::Millisecond).mode(jiff::RoundMode::Trunc)).unwrap_or(at)
}

/// `at` plus a number of seconds; the far end of time if that does not fit.
#[must_use]
pub fn plus_seconds(at: Timestamp, seconds: u64) -> Timestamp {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    at.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX)
}

/// `at` plus a duration; the far end of time if that does not fit.
#[must_use]
pub fn plus(at: Timestamp, by: Duration) -> Timestamp {
    plus_seconds(at, by.as_secs())
}

/// `at` minus a duration; the far start of time if that does not fit.
#[must_use]
pub fn minus(at: Timestamp, by: Duration) -> Timestamp {
    let seconds = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
    at.checked_sub(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_moves_only_when_told() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let other = clock.clone();
        assert_eq!(clock.now(), Timestamp::UNIX_EPOCH);
        other.advance(SignedDuration::from_secs(90));
        assert_eq!(clock.now().as_second(), 90);
    }

    #[test]
    fn arithmetic_stops_at_the_ends_of_time() {
        assert_eq!(plus_seconds(Timestamp::MAX, 1), Timestamp::MAX);
        assert_eq!(minus(Timestamp::MIN, Duration::from_secs(1)), Timestamp::MIN);
    }
}
