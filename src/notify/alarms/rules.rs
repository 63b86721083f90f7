//! From what is found to what is written, mailed and logged. PURE.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::finding::{DAY, Finding, Kind};
use crate::base::clock::plus;
use crate::directory::message::Body;
use crate::store::alarms::Alarm;

/// Alarms by cause.
pub(super) type Alarms = BTreeMap<String, Alarm>;

/// What changes for one cause.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    /// The alarm from now on.
    pub(super) alarm: Alarm,
    /// Its row is of no use any more.
    pub(super) remove: bool,
    /// To be mailed with it.
    pub(super) mail: Option<Body>,
    /// To be logged with it.
    pub(super) turn: Option<Turn>,
}

/// What the log is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    Begins,
    /// It goes on, and something else is to be said of it.
    Changes,
    Ends,
}

/// What follows from the findings. `mails`: there is somebody to be told. Alarms of which nobody can tell whether they
/// are over (`is_unknown`) stay as they are.
pub(super) fn steps(
    found: &[Finding],
    known: &Alarms,
    is_unknown: impl Fn(&Alarm) -> bool,
    mails: bool,
    now: Timestamp,
) -> Vec<Step> {
    let begun = found.iter().filter_map(|finding| begun(finding, known.get(&finding.cause()), mails, now));
    let causes: BTreeSet<String> = found.iter().map(Finding::cause).collect();
    let others = known.iter().filter(|(cause, alarm)| !causes.contains(*cause) && !is_unknown(alarm));
    begun.chain(others.filter_map(|(_, alarm)| ended(alarm, mails, now))).collect()
}

/// Is it time to mail it? A clock that was set back must not silence anything: what was mailed in the future counts as
/// never.
fn is_due(mailed_at: Option<Timestamp>, again: Duration, now: Timestamp) -> bool {
    mailed_at.is_none_or(|at| plus(at, again) <= now || at > now)
}

fn begun(finding: &Finding, known: Option<&Alarm>, mails: bool, now: Timestamp) -> Option<Step> {
    let active = known.filter(|alarm| alarm.ended_at.is_none());
    let mailed_at = known.and_then(|alarm| alarm.mailed_at);
    // Mail that does not leave is told when it leaves again.
    let is_due = finding.is_news || is_due(mailed_at, finding.again, now);
    let mail = (mails && finding.kind != Kind::Mail && is_due).then(|| finding.body.clone());
    let turn = match active {
        None => Some(Turn::Begins),
        Some(alarm) => (!says_the_same(&alarm.detail, &finding.detail)).then_some(Turn::Changes),
    };
    let is_as_it_was = active.is_some_and(|alarm| alarm.detail == finding.detail && alarm.about == finding.about);
    if mail.is_none() && is_as_it_was {
        return None;
    }
    let alarm = Alarm {
        kind: finding.kind.name().to_owned(),
        of: finding.of.clone(),
        detail: finding.detail.clone(),
        about: finding.about.clone(),
        since: active.map_or(now, |alarm| alarm.since),
        ended_at: None,
        mailed_at: if mail.is_some() { Some(now) } else { mailed_at },
    };
    Some(Step { alarm, remove: false, mail, turn })
}

/// Do two details differ in their numbers at most? How many wait, or what is free, is shown as it is and is no news.
fn says_the_same(one: &str, other: &str) -> bool {
    let words = |text: &'_ str| text.chars().filter(|c| !c.is_ascii_digit()).collect::<String>();
    words(one) == words(other)
}

fn ended(alarm: &Alarm, mails: bool, now: Timestamp) -> Option<Step> {
    if let Some(at) = alarm.ended_at {
        let is_of_use = alarm.mailed_at.is_some_and(|mailed| plus(mailed, DAY) > now) && at <= now;
        let is_mark = !Kind::ALL.iter().any(|kind| kind.name() == alarm.kind);
        let step = Step { alarm: alarm.clone(), remove: true, mail: None, turn: None };
        return (!is_of_use && !is_mark).then_some(step);
    }
    let is_told = mails && alarm.kind == Kind::Mail.name() && is_due(alarm.mailed_at, DAY, now);
    let mail = is_told.then(|| Body::Alarm {
        cause: alarm.cause(),
        detail: format!(
            "from {} to {} mail could not leave; it does now, and what was still of use was sent",
            alarm.since.strftime("%Y-%m-%d %H:%M UTC"),
            now.strftime("%Y-%m-%d %H:%M UTC")
        ),
    });
    let mailed_at = if mail.is_some() { Some(now) } else { alarm.mailed_at };
    let alarm = Alarm { ended_at: Some(now), mailed_at, ..alarm.clone() };
    Some(Step { alarm, remove: false, mail, turn: Some(Turn::Ends) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hour: i64) -> Timestamp {
        Timestamp::from_second(1_000_000 + hour * 3_600).unwrap()
    }

    fn found(kind: Kind) -> Finding {
        Finding::new(kind, "corp", "something is wrong".to_owned())
    }

    /// Runs through looks at these hours, each with what was found; gives the hours of mails, begins and ends.
    fn told(looks: &[(i64, &[Finding])]) -> (Vec<i64>, Vec<i64>, Vec<i64>) {
        let (mut known, mut told) = (Alarms::new(), (vec![], vec![], vec![]));
        for (hour, found) in looks {
            for step in steps(found, &known, |_| false, true, at(*hour)) {
                if step.mail.is_some() {
                    told.0.push(*hour);
                }
                match step.turn {
                    Some(Turn::Begins) => told.1.push(*hour),
                    Some(Turn::Ends) => told.2.push(*hour),
                    Some(Turn::Changes) | None => {}
                }
                match step.remove {
                    true => known.remove(&step.alarm.cause()),
                    false => known.insert(step.alarm.cause(), step.alarm),
                };
            }
        }
        told
    }

    #[test]
    fn a_cause_is_mailed_once_a_day_and_logged_when_it_begins_and_ends() {
        let finding = [found(Kind::RunFailed)];
        let looks: Vec<(i64, &[Finding])> = (0..60).map(|hour| (hour, &finding[..])).chain([(60, &[][..])]).collect();
        assert_eq!(told(&looks), (vec![0, 24, 48], vec![0], vec![60]));
    }

    #[test]
    fn one_that_comes_and_goes_is_mailed_once_a_day_all_the_same() {
        let finding = [found(Kind::RunFailed)];
        let looks: Vec<(i64, &[Finding])> =
            (0..50).map(|hour| (hour, if hour % 2 == 0 { &finding[..] } else { &[][..] })).collect();
        let (mails, begins, ends) = told(&looks);
        assert_eq!((mails, begins.len(), ends.len()), (vec![0, 24, 48], 25, 25));
    }

    #[test]
    fn what_is_said_of_an_alarm_is_kept_up_to_date_and_logged_where_it_is_more_than_a_number() {
        let [step] = &steps(&[found(Kind::RunFailed)], &Alarms::new(), |_| false, true, at(0))[..] else { panic!() };
        let mut alarm = step.alarm.clone();
        let (stays, moves) = (None, Some(Turn::Changes));
        for (detail, turn) in [("nobody answers", moves), ("200 are free", moves), ("9 are free", stays)] {
            let known: Alarms = [(alarm.cause(), alarm.clone())].into();
            let finding = Finding { detail: detail.to_owned(), ..found(Kind::RunFailed) };
            let [step] = &steps(&[finding], &known, |_| false, true, at(1))[..] else { panic!("{detail}") };
            assert_eq!((step.alarm.detail.as_str(), &step.turn, &step.mail), (detail, &turn, &None));
            assert_eq!((step.alarm.since, step.alarm.mailed_at), (at(0), Some(at(0))));
            alarm = step.alarm.clone();
        }
    }

    #[test]
    fn mail_that_does_not_leave_is_mailed_when_it_does_again() {
        let finding = [found(Kind::Mail)];
        assert_eq!(told(&[(0, &finding), (30, &finding), (31, &[])]), (vec![31], vec![0], vec![31]));
    }

    #[test]
    fn what_cannot_be_looked_at_ends_no_alarm_and_rows_of_no_use_go() {
        let [step] = &steps(&[found(Kind::RunHeld)], &Alarms::new(), |_| false, true, at(0))[..] else { panic!() };
        let known: Alarms = [(step.alarm.cause(), step.alarm.clone())].into();
        assert!(steps(&[], &known, |_| true, true, at(1)).is_empty());
        let [ends] = &steps(&[], &known, |_| false, true, at(1))[..] else { panic!() };
        let known: Alarms = [(ends.alarm.cause(), ends.alarm.clone())].into();
        assert!(steps(&[], &known, |_| false, true, at(20)).is_empty());
        assert!(steps(&[], &known, |_| false, true, at(25))[0].remove);
    }

    #[test]
    fn where_nobody_is_to_be_told_nothing_is_said_to_be_mailed() {
        let [step] = &steps(&[found(Kind::RunHeld)], &Alarms::new(), |_| false, false, at(0))[..] else { panic!() };
        assert_eq!((&step.mail, step.alarm.mailed_at, step.turn), (&None, None, Some(Turn::Begins)));
        let known: Alarms = [(step.alarm.cause(), step.alarm.clone())].into();
        assert!(steps(&[found(Kind::RunHeld)], &known, |_| false, false, at(1)).is_empty());
        assert!(steps(&[found(Kind::RunHeld)], &known, |_| false, true, at(2))[0].mail.is_some(), "from then on");
    }

    #[test]
    fn a_clock_that_was_set_back_silences_nothing() {
        let finding = [found(Kind::Storage)];
        assert_eq!(told(&[(1_000, &finding), (0, &finding), (1, &finding)]).0, [1_000, 0]);
    }
}
