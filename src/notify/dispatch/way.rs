//! A way to the outside: how much of it may be in use, and when it is closed because the other side is down.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use crate::base::clock::{is_over, plus};
use crate::directory::message::Via;
use crate::notify::channel::Channel;

/// After so many failures of the way in a row it is closed for a while; then one message tries it.
const FAILURES: u32 = 3;
/// For how long at first; each further time is twice as long,
const FIRST_CLOSED: Duration = Duration::from_secs(5);
/// up to this: when the other side is back, codes go out within it.
const LONGEST_CLOSED: Duration = Duration::from_secs(60);
/// Messages for each delivery at once whose fate is not on disk yet: so many for each connection may arrive twice if
/// the daemon dies.
const UNNOTED: usize = 8;

/// What is the same for every daemon: a name for people, and whether a message leaves at most once. A new way has its
/// line here.
pub(super) fn rules(via: Via) -> (&'static str, bool) {
    match via {
        Via::Mail => ("mail", false),
        Via::Sms => ("SMS", true),
        Via::Face => ("provider of faces", false),
        Via::Webhook => ("webhooks", false),
    }
}

/// One way.
pub(super) struct Way {
    pub(super) via: Via,
    pub(super) channel: Option<Arc<dyn Channel>>,
    /// Most deliveries at once.
    width: usize,
    gate: Mutex<Gate>,
    /// Was it said already that messages wait and there is no channel?
    told: AtomicBool,
}

#[derive(Default)]
struct Gate {
    failures: u32,
    closed: Option<Closed>,
}

#[derive(Clone)]
struct Closed {
    until: Timestamp,
    pause: Duration,
    why: String,
}

impl Closed {
    fn lasts(&self, now: Timestamp) -> bool {
        !is_over(self.until, self.pause, now)
    }
}

impl Way {
    /// A way without a channel: its messages wait until they expire.
    pub(super) fn missing(via: Via) -> Self {
        Self { via, channel: None, width: 1, gate: Mutex::default(), told: AtomicBool::new(false) }
    }

    /// A way by this channel, with so many deliveries at once.
    pub(super) fn by(via: Via, channel: Option<Arc<dyn Channel>>, width: usize) -> Self {
        Self { channel, width: width.max(1), ..Self::missing(via) }
    }

    pub(super) fn is_at_most_once(&self) -> bool {
        rules(self.via).1
    }

    fn gate(&self) -> MutexGuard<'_, Gate> {
        self.gate.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// May another delivery begin, with so many under way and so many not noted? `Some(false)`: only of a message that
    /// somebody waits for. One place is kept for those.
    pub(super) fn admits(&self, now: Timestamp, under_way: usize, unnoted: usize) -> Option<bool> {
        let gate = self.gate();
        let width = match &gate.closed {
            Some(closed) if closed.lasts(now) => 0,
            Some(_) => 1,
            None => self.width,
        };
        if under_way >= width || unnoted >= self.width.saturating_mul(UNNOTED) {
            return None;
        }
        Some(width == 1 || under_way < width.saturating_sub(1))
    }

    /// The other side took a message, or looked at one.
    pub(super) fn is_open(&self) {
        *self.gate() = Gate::default();
    }

    /// The way failed.
    pub(super) fn failed(&self, now: Timestamp, why: &str) {
        let mut gate = self.gate();
        gate.failures = gate.failures.saturating_add(1);
        let is_closed = gate.closed.as_ref().is_some_and(|closed| closed.lasts(now));
        if gate.failures < FAILURES || is_closed {
            return;
        }
        let longer = |closed: &Closed| closed.pause.saturating_mul(2).min(LONGEST_CLOSED);
        let pause = gate.closed.as_ref().map_or(FIRST_CLOSED, longer);
        let until = plus(now, pause);
        tracing::warn!("messages by {} wait until {until}: {why}", rules(self.via).0);
        gate.closed = Some(Closed { until, pause, why: why.to_owned() });
    }

    /// Why nothing leaves by it at present, if that is so.
    pub(super) fn trouble(&self) -> Option<String> {
        let closed = self.gate().closed.clone()?;
        Some(format!("{} is closed until {}: {}", rules(self.via).0, closed.until, closed.why))
    }

    /// Says once that messages wait for a channel that is not there.
    pub(super) fn tell_missing(&self) {
        if !self.told.swap(true, Ordering::Relaxed) {
            let what = rules(self.via).0;
            tracing::warn!("there are messages to send, but no {what} is configured: they wait until they expire");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::channel::MemoryChannel;

    #[test]
    fn a_side_that_is_down_is_asked_less_and_less_often_and_by_one_message() {
        let way = Way::by(Via::Mail, Some(Arc::new(MemoryChannel::default())), 4);
        let mut now = Timestamp::from_second(1_000_000).unwrap();
        assert_eq!(way.admits(now, 0, 0), Some(true));
        for _ in 0..4 {
            way.failed(now, "down");
        }
        for pause in [5, 10, 20, 40, 60, 60] {
            let end = plus(now, Duration::from_secs(pause));
            assert_eq!((way.admits(now, 0, 0), way.admits(end, 0, 0), way.admits(end, 1, 0)), (None, Some(true), None));
            assert!(way.trouble().unwrap().contains("mail is closed until"));
            now = end;
            way.failed(now, "down");
        }
        way.is_open();
        assert_eq!((way.admits(now, 3, 0), way.trouble()), (Some(false), None));
    }

    #[test]
    fn a_clock_that_is_set_back_closes_no_way_for_longer() {
        let way = Way::by(Via::Mail, None, 4);
        let now = Timestamp::from_second(1_000_000).unwrap();
        for _ in 0..3 {
            way.failed(now, "down");
        }
        let before = crate::base::clock::minus(now, Duration::from_secs(24 * 3_600));
        assert_eq!((way.admits(now, 0, 0), way.admits(before, 0, 0)), (None, Some(true)));
        way.failed(before, "down");
        let end = plus(before, Duration::from_secs(10));
        assert_eq!((way.admits(before, 0, 0), way.admits(end, 0, 0)), (None, Some(true)));
    }

    #[test]
    fn one_place_is_for_what_somebody_waits_for_and_not_everything_is_unnoted() {
        let way = Way::by(Via::Mail, None, 3);
        let admits = |under_way, unnoted| way.admits(Timestamp::UNIX_EPOCH, under_way, unnoted);
        assert_eq!((admits(1, 1), admits(2, 2), admits(3, 3)), (Some(true), Some(false), None));
        assert_eq!((admits(0, 3 * UNNOTED - 1), admits(0, 3 * UNNOTED)), (Some(true), None));
        let single = Way::by(Via::Face, None, 1);
        assert_eq!(single.admits(Timestamp::UNIX_EPOCH, 0, 0), Some(true));
    }
}
