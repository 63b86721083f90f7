//! The only reader of the wall clock, and of the time since the boot beside it. Rules take `now` as an argument; callers
//! get it from a [`Clock`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp, Unit};

/// Tells the time: the system's, or one that only a test moves. Clones share the same time.
#[derive(Clone, Debug)]
pub struct Clock(Kind);

#[derive(Clone, Debug)]
enum Kind {
    System,
    Manual(Arc<Mutex<Manual>>),
}

/// What a test moves.
#[derive(Debug)]
struct Manual {
    at: Timestamp,
    boot: u32,
    up: SignedDuration,
}

/// How long the machine has been up, suspended or not: what only time itself moves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uptime {
    /// The boot: another one with each start of the machine.
    pub boot: String,
    /// The time since then.
    pub up: Duration,
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
        Self(Kind::Manual(Arc::new(Mutex::new(Manual { at, boot: 1, up: SignedDuration::ZERO }))))
    }

    /// The time now, cut to milliseconds: the precision of everything that is stored and shown.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        match &self.0 {
            #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the wall clock")]
            Kind::System => to_millis(Timestamp::now()),
            Kind::Manual(manual) => manual.lock().unwrap_or_else(PoisonError::into_inner).at,
        }
    }

    /// How long the machine has been up; `None` where it does not say.
    #[must_use]
    pub fn uptime(&self) -> Option<Uptime> {
        match &self.0 {
            Kind::System => {
                let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?.trim().to_owned();
                let up = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
                let up = Duration::new(u64::try_from(up.tv_sec).ok()?, u32::try_from(up.tv_nsec).ok()?);
                Some(Uptime { boot, up })
            }
            Kind::Manual(manual) => {
                let manual = manual.lock().unwrap_or_else(PoisonError::into_inner);
                let up = Duration::try_from(manual.up).unwrap_or_default();
                Some(Uptime { boot: manual.boot.to_string(), up })
            }
        }
    }

    /// Lets time pass on a manual clock (or sets it back, with a negative duration). The system's clock stays.
    pub fn advance(&self, by: SignedDuration) {
        if let Kind::Manual(manual) = &self.0 {
            let mut manual = manual.lock().unwrap_or_else(PoisonError::into_inner);
            manual.at = manual.at.checked_add(by).unwrap_or(manual.at);
            manual.up = manual.up.checked_add(by.max(SignedDuration::ZERO)).unwrap_or(manual.up);
        }
    }

    /// Lets time pass on a manual clock until then. The system's clock stays.
    pub fn set(&self, to: Timestamp) {
        self.advance(to.duration_since(self.now()));
    }

    /// Sets a manual clock wrong, or right: no time passes.
    pub fn jump(&self, by: SignedDuration) {
        if let Kind::Manual(manual) = &self.0 {
            let mut manual = manual.lock().unwrap_or_else(PoisonError::into_inner);
            manual.at = manual.at.checked_add(by).unwrap_or(manual.at);
        }
    }

    /// A manual clock's machine starts anew after being off for so long.
    pub fn reboot(&self, off: SignedDuration) {
        if let Kind::Manual(manual) = &self.0 {
            let mut manual = manual.lock().unwrap_or_else(PoisonError::into_inner);
            manual.at = manual.at.checked_add(off).unwrap_or(manual.at);
            manual.boot = manual.boot.saturating_add(1);
            manual.up = SignedDuration::ZERO;
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

/// Is a wait until then over, where it was no longer than `longest` when it began? One that would last longer now began
/// before the clock was set back.
#[must_use]
pub fn is_over(until: Timestamp, longest: Duration, now: Timestamp) -> bool {
    until <= now || until > plus(now, longest)
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
    fn only_time_itself_moves_the_uptime() {
        let clock = Clock::manual(Timestamp::UNIX_EPOCH);
        let start = clock.uptime().unwrap();
        clock.jump(SignedDuration::from_hours(48));
        assert_eq!(clock.uptime().unwrap(), start);
        clock.advance(SignedDuration::from_secs(5));
        assert_eq!(clock.uptime().unwrap().up, start.up + Duration::from_secs(5));
        clock.reboot(SignedDuration::from_hours(1));
        assert_ne!(clock.uptime().unwrap().boot, start.boot);
        let system = Clock::system();
        let (one, other) = (system.uptime().unwrap(), system.uptime().unwrap());
        assert!(one.boot == other.boot && one.up <= other.up, "{one:?} {other:?}");
    }

    #[test]
    fn arithmetic_stops_at_the_ends_of_time() {
        assert_eq!(plus_seconds(Timestamp::MAX, 1), Timestamp::MAX);
        assert_eq!(minus(Timestamp::MIN, Duration::from_secs(1)), Timestamp::MIN);
    }
}
