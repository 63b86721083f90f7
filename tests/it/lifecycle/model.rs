//! What ought to become of accounts, written down a second time from the promises alone: a user is a history of what
//! people did, and the model says at each run who is told what and who falls out. It shares no rule with the daemon.

use std::collections::BTreeMap;

/// Minutes since the simulation began.
pub(crate) type Minute = i64;
pub(crate) const DAY: Minute = 24 * 60;

/// What people do to an account.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Event {
    Made { ends: Option<Minute> },
    Used,
    DisabledByHand,
    EnabledByHand,
    Ends(Option<Minute>),
    Moved { source: usize },
    Mailbox(bool),
    PasswordSet,
}

/// The settings of a time, in days; a threshold of `None` is "off".
#[derive(Clone, Debug)]
pub(crate) struct Rules {
    pub(crate) threshold: Option<i64>,
    pub(crate) sources: BTreeMap<usize, Option<i64>>,
    pub(crate) auditors: Option<Option<i64>>,
    pub(crate) exempt: Vec<usize>,
    pub(crate) notices: bool,
    pub(crate) first: i64,
    pub(crate) daily_from: Option<i64>,
    pub(crate) password_age: Option<i64>,
}

/// Why somebody is out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Out {
    ByHand,
    Expired,
    Quiet,
}

/// What is written to somebody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    Account,
    Password,
    Inactivity,
    Disabled,
}

/// A notice that was written: of what, when, and which day it named.
#[derive(Clone, Copy, Debug)]
struct Wrote {
    kind: Kind,
    at: Minute,
    due: Minute,
}

/// One account.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) number: usize,
    pub(crate) is_admin: bool,
    pub(crate) is_auditor: bool,
    history: Vec<(Minute, Event)>,
    /// When the daemon put them out, as the model has it.
    put_out: Vec<(Minute, Out)>,
    wrote: Vec<Wrote>,
}

impl Account {
    pub(crate) fn new(number: usize, is_admin: bool, is_auditor: bool) -> Self {
        Self { number, is_admin, is_auditor, history: Vec::new(), put_out: Vec::new(), wrote: Vec::new() }
    }

    pub(crate) fn note(&mut self, at: Minute, event: Event) {
        self.history.push((at, event));
    }

    fn last<T>(&self, pick: impl Fn(&Event) -> Option<T>) -> Option<(Minute, T)> {
        self.history.iter().rev().find_map(|(at, event)| Some((*at, pick(event)?)))
    }

    /// Why the account is out, if it is: by the last word of either side.
    pub(crate) fn out(&self) -> Option<Out> {
        let by_hand = self.last(|event| match event {
            Event::DisabledByHand => Some(true),
            Event::EnabledByHand | Event::Made { .. } => Some(false),
            _ => None,
        });
        let (said_at, disabled) = by_hand.expect("it was made");
        let put_out = self.put_out.last().filter(|(at, _)| *at >= said_at);
        // Who is out keeps the first reason; nobody is disabled by hand who is out already.
        if disabled { Some(Out::ByHand) } else { put_out.map(|(_, why)| *why) }
    }

    pub(crate) fn ends(&self) -> Option<Minute> {
        let (_, ends) = self.last(|event| match event {
            Event::Made { ends } | Event::Ends(ends) => Some(*ends),
            _ => None,
        })?;
        ends
    }

    pub(crate) fn source(&self) -> usize {
        self.last(|event| if let Event::Moved { source } = event { Some(*source) } else { None }).map_or(0, |it| it.1)
    }

    pub(crate) fn has_mailbox(&self) -> bool {
        self.last(|event| if let Event::Mailbox(there) = event { Some(*there) } else { None }).is_none_or(|it| it.1)
    }

    /// Since when nobody has come.
    pub(crate) fn quiet_since(&self) -> Minute {
        let comes = |event: &Event| matches!(event, Event::Made { .. } | Event::Used | Event::EnabledByHand);
        self.history.iter().filter(|(_, event)| comes(event)).map(|(at, _)| *at).max().expect("it was made")
    }

    fn password_set(&self) -> Option<Minute> {
        self.last(|event| (*event == Event::PasswordSet).then_some(())).map(|it| it.0)
    }

    /// Minutes of quiet that are allowed.
    fn allowed(&self, rules: &Rules) -> Option<Minute> {
        if rules.exempt.contains(&self.number) {
            return None;
        }
        let days = match (self.is_auditor, rules.auditors, rules.sources.get(&self.source())) {
            (true, Some(of_role), _) => of_role,
            (_, _, Some(of_source)) => *of_source,
            _ => rules.threshold,
        };
        days.map(|days| days * DAY)
    }

    /// How long before they must have been told.
    fn ahead(&self, rules: &Rules) -> Option<Minute> {
        let allowed = self.allowed(rules)?;
        rules.notices.then(|| (rules.first * DAY).min(allowed / 2))
    }

    /// Every time at which a notice of something is to be written that happens at `due`.
    fn times(due: Minute, first: Minute, daily_from: Option<i64>) -> Vec<Minute> {
        let mut times = vec![due - first];
        for days in (1..=daily_from.unwrap_or(0)).rev() {
            let time = due - days * DAY;
            if time > due - first {
                times.push(time);
            }
        }
        times
    }

    fn wrote_last(&self, kind: Kind) -> Option<Wrote> {
        self.wrote.iter().rev().find(|wrote| wrote.kind == kind).copied()
    }

    fn is_to_write(&self, kind: Kind, due: Minute, times: &[Minute], now: Minute) -> bool {
        let passed = times.iter().filter(|time| **time <= now).max();
        let Some(passed) = passed.filter(|_| now < due) else { return false };
        self.wrote_last(kind).is_none_or(|wrote| wrote.due != due || wrote.at < *passed)
    }

    /// The notice of inactivity that holds for this time of quiet.
    fn warned(&self) -> Option<Wrote> {
        let since = self.quiet_since();
        self.wrote_last(Kind::Inactivity).filter(|wrote| wrote.at >= since)
    }

    /// What is written to this account now: the kind, and the day that it names.
    pub(crate) fn notices(&self, rules: &Rules, now: Minute) -> Vec<(Kind, Minute)> {
        let mut written = Vec::new();
        if !rules.notices || self.out().is_some() || !self.has_mailbox() || self.ends().is_some_and(|end| end <= now) {
            return written;
        }
        let times = |due| Self::times(due, rules.first * DAY, rules.daily_from);
        if let Some(due) = self.ends().filter(|due| self.is_to_write(Kind::Account, *due, &times(*due), now)) {
            written.push((Kind::Account, due));
        }
        let password = self.password_set().zip(rules.password_age).map(|(set, age)| set + age * DAY);
        if let Some(due) = password.filter(|due| self.is_to_write(Kind::Password, *due, &times(*due), now)) {
            written.push((Kind::Password, due));
        }
        let (Some(allowed), Some(ahead)) = (self.allowed(rules), self.ahead(rules)) else { return written };
        let due = self.quiet_since() + allowed;
        match self.warned() {
            Some(warned) if warned.due >= due => {
                let times = Self::times(warned.due, ahead, rules.daily_from);
                if self.is_to_write(Kind::Inactivity, warned.due, &times, now) {
                    written.push((Kind::Inactivity, warned.due));
                }
            }
            _ if now >= due - ahead => written.push((Kind::Inactivity, due.max(now + ahead))),
            _ => {}
        }
        written
    }

    pub(crate) fn was_told(&mut self, kind: Kind, at: Minute, due: Minute) {
        self.wrote.push(Wrote { kind, at, due });
    }

    /// Whether and why the account falls out now.
    pub(crate) fn falls(&self, rules: &Rules, now: Minute) -> Option<Out> {
        if self.out().is_some() {
            return None;
        }
        if self.ends().is_some_and(|end| end <= now) {
            return Some(Out::Expired);
        }
        let due = self.quiet_since() + self.allowed(rules)?;
        let from = match self.warned() {
            Some(warned) if warned.due >= due => warned.due,
            _ if rules.notices && self.has_mailbox() => return None,
            _ => due,
        };
        (from <= now).then_some(Out::Quiet)
    }

    pub(crate) fn put_out(&mut self, at: Minute, why: Out) {
        self.put_out.push((at, why));
    }
}

/// Who falls out in a sweep: everybody who is due, but for the administrator who came last where none would be left.
pub(crate) fn sweep(accounts: &[Account], rules: &Rules, now: Minute) -> Vec<(usize, Out)> {
    let mut out: Vec<_> = accounts.iter().filter_map(|one| Some((one.number, one.falls(rules, now)?))).collect();
    let stays = |one: &&Account| one.is_admin && one.out().is_none();
    let is_due = |one: &Account| out.iter().any(|(number, _)| *number == one.number);
    if !accounts.iter().filter(stays).any(|one| !is_due(one)) {
        let last = accounts.iter().filter(stays).max_by_key(|one| one.quiet_since());
        out.retain(|(number, _)| last.is_none_or(|last| last.number != *number));
    }
    out
}
