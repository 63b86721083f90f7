//! When a task is due: an interval, or a cron line in a time zone.

use std::str::FromStr;
use std::time::Duration;

use croner::Cron;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::base::clock::plus;
use crate::base::secret::sha256;

/// When a task is due.
#[derive(Clone, Debug)]
pub struct Schedule {
    text: String,
    kind: Kind,
    /// The most that a run comes later than it is due.
    jitter: Duration,
}

#[derive(Clone, Debug)]
enum Kind {
    Never,
    Every(Duration),
    Cron(Box<Cron>, TimeZone),
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.zone() == other.zone()
    }
}

/// Shortest interval.
const SHORTEST: Duration = Duration::from_secs(1);

impl Schedule {
    /// Parses `off`, an interval such as `90s`, `15m`, `6h`, `1d`, or a cron line of five fields (minute, hour,
    /// day of month, month, day of week), which is read in `zone` (an IANA name such as `Europe/Amsterdam`).
    ///
    /// # Errors
    /// What is wrong with the text or the zone, or that a cron line never comes true.
    pub fn parse(text: &str, zone: &str, now: Timestamp) -> Result<Self, String> {
        let trimmed = text.trim();
        let kind = if trimmed == "off" {
            Kind::Never
        } else if trimmed.contains(' ') {
            let zone = TimeZone::get(zone).map_err(|_| format!("{zone:?} is no time zone such as Europe/Amsterdam"))?;
            let cron = Cron::from_str(trimmed)
                .map_err(|error| format!("{trimmed:?} is no cron line of five fields: {error}"))?;
            if cron.find_next_occurrence(&now.to_zoned(zone.clone()), false).is_err() {
                return Err(format!("{trimmed:?} never comes true"));
            }
            Kind::Cron(Box::new(cron), zone)
        } else {
            let interval = parse_duration(trimmed)?;
            if interval < SHORTEST {
                return Err("must be at least 1s".to_owned());
            }
            Kind::Every(interval)
        };
        Ok(Self { text: trimmed.to_owned(), kind, jitter: Duration::ZERO })
    }

    /// The same, but each run comes up to so much later than it is due: how much depends on the run before, so that it
    /// is the same whenever it is asked for.
    #[must_use]
    pub fn with_jitter(self, jitter: Duration) -> Self {
        Self { jitter, ..self }
    }

    fn delay(&self, last: Timestamp) -> Duration {
        let most = u64::try_from(self.jitter.as_millis()).unwrap_or(u64::MAX);
        let hash = sha256(format!("{} {}", self.text, last.as_millisecond()).as_bytes());
        let number = hash.first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes));
        Duration::from_millis(number.checked_rem(most.saturating_add(1)).unwrap_or(0))
    }

    /// An interval.
    #[must_use]
    pub fn every(interval: Duration) -> Self {
        let kind = Kind::Every(interval.max(SHORTEST));
        Self { text: format!("{}s", interval.as_secs()), kind, jitter: Duration::ZERO }
    }

    /// When a task that began its last run at `last` is due; `None` is never.
    ///
    /// A task that never ran is due at once with an interval, and at its next time with a cron line. However
    /// many times were missed, the task is due once.
    #[must_use]
    pub fn next(&self, last: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        // A last run in the future is the word of a clock that has been set back since: it must not stop the task.
        let last = last.filter(|last| *last <= now);
        let delay = last.map_or(Duration::ZERO, |last| self.delay(last));
        self.due(last, now).map(|due| plus(due, delay))
    }

    fn due(&self, last: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        match &self.kind {
            Kind::Never => None,
            Kind::Every(interval) => Some(last.map_or(now, |last| plus(last, *interval))),
            Kind::Cron(cron, zone) => {
                let from = last.unwrap_or(now).to_zoned(zone.clone());
                cron.find_next_occurrence(&from, false).ok().map(|next| next.timestamp())
            }
        }
    }

    /// The first time from `at` on at which a task that began its last run at `last` runs, if nothing comes between.
    #[must_use]
    pub fn first_from(&self, last: Option<Timestamp>, at: Timestamp) -> Option<Timestamp> {
        match &self.kind {
            Kind::Never => None,
            Kind::Every(interval) => {
                let Some(last) = last.filter(|last| *last <= at) else { return Some(at) };
                let (passed, interval) = (at.duration_since(last).as_millis(), i128::try_from(interval.as_millis()));
                let interval = interval.unwrap_or(i128::MAX).max(1);
                let rest = passed.checked_rem(interval).filter(|rest| *rest > 0);
                let wait = rest.map_or(0, |rest| interval.saturating_sub(rest));
                at.checked_add(SignedDuration::from_millis(i64::try_from(wait).ok()?)).ok()
            }
            Kind::Cron(cron, zone) => {
                cron.find_next_occurrence(&at.to_zoned(zone.clone()), true).ok().map(|next| next.timestamp())
            }
        }
    }

    /// The zone of its hours; `None` where it has none.
    fn zone(&self) -> Option<&TimeZone> {
        match &self.kind {
            Kind::Cron(_, zone) => Some(zone),
            Kind::Never | Kind::Every(_) => None,
        }
    }

    /// Does it name times, as a cron line does, and not how much lies between runs?
    #[must_use]
    pub fn names_times(&self) -> bool {
        self.zone().is_some()
    }

    /// Is it worth a commit to remember each run over a restart? Not for what runs every few seconds anyway.
    #[must_use]
    pub fn is_remembered(&self) -> bool {
        !matches!(self.kind, Kind::Every(interval) if interval < Duration::from_secs(60))
    }

    /// The schedule as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// The units of durations.
pub const UNITS: [(&str, Duration); 5] = [
    ("ms", Duration::from_millis(1)),
    ("s", Duration::from_secs(1)),
    ("m", Duration::from_secs(60)),
    ("h", Duration::from_secs(3_600)),
    ("d", Duration::from_secs(86_400)),
];

/// Parses `30s`, `15m`, `6h`, `7d`, or `500ms`.
///
/// # Errors
/// What is wrong with the text.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let fault = || format!("{text:?} is no duration such as 30s, 15m, 6h or 7d");
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or_else(fault)?;
    let number: u64 = number.parse().map_err(|_| fault())?;
    let (_, unit) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(fault)?;
    let unit = u64::try_from(unit.as_millis()).map_err(|_| fault())?;
    let duration = number.checked_mul(unit).map(Duration::from_millis);
    duration.filter(|duration| *duration <= Duration::from_secs(86_400 * 36_500)).ok_or_else(fault)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn a_run_comes_a_little_later_and_always_by_the_same_time() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let plain = Schedule::every(Duration::from_secs(60));
        let late = plain.clone().with_jitter(Duration::from_secs(30));
        let mut delays = std::collections::BTreeSet::new();
        for last in 0..50 {
            let (due, next) = (plain.next(Some(at(last)), at(1_000)), late.next(Some(at(last)), at(1_000)));
            let delay = next.unwrap().duration_since(due.unwrap());
            assert!(delay.as_millis() <= 30_000 && !delay.is_negative());
            assert_eq!(next, late.next(Some(at(last)), at(1_001)));
            delays.insert(delay.as_millis());
        }
        assert!(delays.len() > 10, "{delays:?}");
        assert_eq!(late.next(None, at(5)), Some(at(5)), "the first one does not wait");
    }

    #[test]
    fn a_cron_line_keeps_its_hour_when_the_clocks_change() {
        let now = at("2026-10-24T12:00:00Z");
        let night = Schedule::parse("0 2 * * *", "Europe/Berlin", now).unwrap();
        let summer = night.next(Some(at("2026-10-24T00:00:00Z")), now).unwrap();
        let winter = night.next(None, at("2026-10-26T00:00:00Z")).unwrap();
        assert_eq!(winter, at("2026-10-26T01:00:00Z"), "02:00 is 01:00 UTC in winter");
        assert_eq!(summer, at("2026-10-25T00:00:00Z"), "02:00 is 00:00 UTC in summer");
    }

    #[test]
    fn the_first_run_from_a_time_on_is_foreseen() {
        let (noon, late) = (at("2026-01-05T12:00:00Z"), at("2026-01-05T12:00:01Z"));
        let hourly = Schedule::every(Duration::from_secs(3_600));
        let last = Some(at("2026-01-01T00:00:00Z"));
        assert_eq!(hourly.first_from(last, noon), Some(noon));
        assert_eq!(hourly.first_from(last, late), Some(at("2026-01-05T13:00:00Z")));
        assert_eq!(hourly.first_from(None, late), Some(late));
        let daily = Schedule::parse("0 12 * * *", "UTC", noon).unwrap();
        assert_eq!(daily.first_from(last, noon), Some(noon));
        assert_eq!(daily.first_from(last, late), Some(at("2026-01-06T12:00:00Z")));
        assert_eq!(Schedule::parse("off", "UTC", noon).unwrap().first_from(last, noon), None);
    }

    #[test]
    fn every_day_of_a_change_of_clocks_has_one_run() {
        // Of 2026 in Berlin: 02:30 does not exist on 29 March, and comes twice on 25 October.
        for (line, first, last) in [
            ("30 2 * * *", "2026-03-27T12:00:00Z", "2026-03-31T12:00:00Z"),
            ("30 2 * * *", "2026-10-23T12:00:00Z", "2026-10-27T12:00:00Z"),
            ("0 8 * * *", "2026-03-27T12:00:00Z", "2026-03-31T12:00:00Z"),
        ] {
            let schedule = Schedule::parse(line, "Europe/Berlin", at(first)).unwrap();
            let (mut runs, mut before) = (Vec::new(), at(first));
            while let Some(next) = schedule.next(Some(before), before).filter(|next| *next < at(last)) {
                assert!(next > before);
                runs.push(next);
                before = next;
            }
            let zone = TimeZone::get("Europe/Berlin").unwrap();
            let days: std::collections::BTreeSet<_> =
                runs.iter().map(|run| run.to_zoned(zone.clone()).date()).collect();
            assert_eq!((runs.len(), days.len()), (4, 4), "{line} from {first}: {runs:?}");
        }
    }

    #[test]
    fn a_missed_interval_is_due_once() {
        let hourly = Schedule::parse("1h", "UTC", Timestamp::UNIX_EPOCH).unwrap();
        assert_eq!(hourly.next(None, at("2026-01-01T00:00:00Z")), Some(at("2026-01-01T00:00:00Z")));
        assert_eq!(
            hourly.next(Some(at("2026-01-01T00:00:00Z")), at("2026-01-05T00:00:00Z")),
            Some(at("2026-01-01T01:00:00Z"))
        );
    }

    #[test]
    fn a_last_run_in_the_future_does_not_stop_a_task() {
        let hourly = Schedule::parse("1h", "UTC", Timestamp::UNIX_EPOCH).unwrap();
        let now = at("2026-01-01T00:00:00Z");
        assert_eq!(hourly.next(Some(at("2027-01-01T00:00:00Z")), now), Some(now));
    }

    #[test]
    fn what_never_comes_true_is_refused() {
        for bad in ["", "x", "0s", "10", "1y", "0 0 31 2 *", "* * * *", "99 * * * *"] {
            assert!(Schedule::parse(bad, "UTC", at("2026-01-01T00:00:00Z")).is_err(), "{bad}");
        }
        assert!(Schedule::parse("0 2 * * *", "Mars/Olympus", Timestamp::UNIX_EPOCH).is_err());
        assert!(
            Schedule::parse("off", "UTC", Timestamp::UNIX_EPOCH).unwrap().next(None, Timestamp::UNIX_EPOCH).is_none()
        );
    }
}
