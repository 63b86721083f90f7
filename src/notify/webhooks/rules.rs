//! What an answer means for the event and for its endpoint. PURE.
//!
//! Events go one by one, in the order of the trail. An endpoint that does not take one is asked again, less and less
//! often, and what comes behind waits. An event alone that it answers with a failure again and again is set aside and
//! tried once an hour, so that it does not hold the others up for ever; whatever is older than [`LIFE`] is dropped.

use std::time::Duration;

use jiff::Timestamp;

use crate::base::clock::{is_over, plus};
use crate::store::webhooks::{Answered, Gone, Standing};

/// An event is of no use after this time.
pub(super) const LIFE: Duration = Duration::from_secs(3 * 24 * 3_600);
/// The pause after the first failure; each further one is twice as long,
const FIRST_PAUSE: Duration = Duration::from_secs(5);
/// up to this; an event that was set aside waits as long.
const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);
/// After so many answers that are failures an event is set aside: eleven minutes after the first.
const SET_ASIDE: u32 = 8;

/// What an endpoint answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It took the event.
    Accepted,
    /// It answered something else.
    Refused,
    /// It wants to be left alone, for a while that it may name.
    Busy(Option<Duration>),
    /// It is no more.
    Gone,
    /// There was no answer that counts.
    Unreachable,
}

/// What becomes of the event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is taken out.
    Done,
    /// It stays where it is.
    Stays,
    /// It stays, and this many answers were failures.
    Failed(u32),
    /// It is tried again then, and the next one is up.
    SetAside(u32, Timestamp),
}

/// How the webhook stands after an answer to an event that was answered with a failure `attempts` times before.
pub(super) fn after(
    before: &Standing,
    attempts: u32,
    verdict: &Verdict,
    said: String,
    url: &str,
    now: Timestamp,
) -> (Standing, Fate) {
    let accepted = *verdict == Verdict::Accepted;
    let mut standing = Standing { last_answer: Some(Answered { at: now, accepted, said }), ..before.clone() };
    if accepted {
        standing.delivered = standing.delivered.saturating_add(1);
        return (working(standing), Fate::Done);
    }
    standing.failures = standing.failures.saturating_add(1);
    standing.failing_since = standing.failing_since.or(Some(now));
    let wanted = if let Verdict::Busy(wait) = verdict { wait.unwrap_or_default() } else { Duration::ZERO };
    standing.not_before = Some(plus(now, pause(standing.failures).max(wanted.min(LONGEST_PAUSE))));
    let attempts = attempts.saturating_add(1);
    let fate = match verdict {
        Verdict::Refused if attempts >= SET_ASIDE => {
            standing.not_before = None;
            Fate::SetAside(attempts, plus(now, LONGEST_PAUSE))
        }
        Verdict::Refused => Fate::Failed(attempts),
        Verdict::Gone => {
            standing.gone = Some(Gone { at: now, url: url.to_owned() });
            Fate::Stays
        }
        _ => Fate::Stays,
    };
    (standing, fate)
}

/// The same, of an endpoint that works.
pub(super) fn working(standing: Standing) -> Standing {
    Standing { failures: 0, failing_since: None, not_before: None, gone: None, ..standing }
}

/// Is a pause until then over? One that would last longer than any began before the clock was set back.
pub(super) fn has_come(until: Timestamp, now: Timestamp) -> bool {
    is_over(until, LONGEST_PAUSE, now)
}

fn pause(failures: u32) -> Duration {
    let twice = 2_u32.saturating_pow(failures.saturating_sub(1));
    FIRST_PAUSE.saturating_mul(twice).min(LONGEST_PAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        Timestamp::from_second(1_000_000).unwrap()
    }

    fn told(before: &Standing, attempts: u32, verdict: &Verdict) -> (Standing, Fate) {
        after(before, attempts, verdict, "said".to_owned(), "url", now())
    }

    fn waits(standing: &Standing) -> i64 {
        standing.not_before.map_or(0, |at| at.duration_since(now()).as_secs())
    }

    #[test]
    fn an_endpoint_is_asked_less_and_less_often_until_it_takes_one() {
        let mut standing = Standing::default();
        let mut pauses = Vec::new();
        for _ in 0..12 {
            let (next, fate) = told(&standing, 0, &Verdict::Unreachable);
            assert_eq!(fate, Fate::Stays, "an endpoint that is down costs no event");
            pauses.push(waits(&next));
            standing = next;
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 160, 320, 640, 1_280, 2_560, 3_600, 3_600]);
        assert_eq!(standing.failing_since, Some(now()));
        let (standing, fate) = told(&standing, 0, &Verdict::Accepted);
        assert_eq!((fate, standing.failures, waits(&standing), standing.failing_since), (Fate::Done, 0, 0, None));
        assert_eq!(standing.delivered, 1);
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_pause_longer() {
        let until = plus(now(), LONGEST_PAUSE);
        let before = crate::base::clock::minus(now(), Duration::from_secs(24 * 3_600));
        assert!(!has_come(until, now()) && has_come(until, until) && has_come(until, before));
    }

    #[test]
    fn an_event_that_is_refused_again_and_again_is_set_aside() {
        let mut standing = Standing::default();
        for attempt in 1..8 {
            let (next, fate) = told(&standing, attempt - 1, &Verdict::Refused);
            assert_eq!(fate, Fate::Failed(attempt));
            standing = next;
        }
        let (standing, fate) = told(&standing, 7, &Verdict::Refused);
        assert_eq!(fate, Fate::SetAside(8, plus(now(), LONGEST_PAUSE)));
        assert_eq!((waits(&standing), standing.failures), (0, 8), "the next one is up");
        let (standing, _) = told(&standing, 0, &Verdict::Refused);
        assert_eq!(waits(&standing), 1_280, "and where it fails as well, that is the endpoint's fault");
    }

    #[test]
    fn what_an_endpoint_asks_for_is_kept_to_within_an_hour() {
        let seconds = |wait| waits(&told(&Standing::default(), 0, &Verdict::Busy(wait)).0);
        assert_eq!(seconds(None), 5);
        assert_eq!(seconds(Some(Duration::from_secs(90))), 90);
        assert_eq!(seconds(Some(Duration::from_secs(1_000_000))), 3_600);
    }

    #[test]
    fn one_that_is_gone_is_remembered_by_its_url() {
        let (standing, fate) = told(&Standing::default(), 0, &Verdict::Gone);
        assert_eq!((fate, standing.gone), (Fate::Stays, Some(Gone { at: now(), url: "url".to_owned() })));
    }
}
