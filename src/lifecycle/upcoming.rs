//! What lies ahead if nobody comes and nothing changes: who is told what and when, who is disabled when and why, and
//! whether the guard would hold it. By the rules, the plan and the guard of the real runs; writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::look::Look;
use super::notices;
use super::rules::{Person, Quiet};
use super::sweep::{Sweep, foresee};
use crate::base::clock::plus;
use crate::base::id::UserId;
use crate::directory::notice::{About, Told};
use crate::directory::plan::{Cause, PlanItem};
use crate::store::clock::Paused;
use crate::store::tx::Reads;
use crate::store::{StoreError, clock, notices as rows, tasks};
use crate::sync::guard::{self, Loss, Lost};

/// Most notices, and most users to disable, that are listed.
const LISTED: usize = 10_000;
/// Most runs of the notices that are looked at one by one; where there are more, some are passed over.
const RUNS: i64 = 1_000;

/// What lies ahead.
#[derive(Debug, Serialize)]
pub struct Upcoming {
    /// From now,
    pub from: Timestamp,
    /// until then.
    pub until: Timestamp,
    /// Why nothing of it happens as long as it is so.
    pub paused: Option<Paused>,
    /// Who is told what, in the order of time.
    pub notices: Vec<Notice>,
    /// Who is told too which accounts end.
    pub copies_to: Vec<String>,
    /// Sweeps that have something to do, in the order of time.
    pub sweeps: Vec<Disabling>,
    /// How many notices and users to disable are not listed.
    pub more: usize,
}

/// A notice that will be written.
#[derive(Debug, Serialize)]
pub struct Notice {
    /// When.
    pub at: Timestamp,
    /// About what.
    pub about: About,
    /// To whom.
    pub user: UserId,
    /// Their username.
    pub label: String,
    /// When it happens, as they are told.
    pub happens_at: Timestamp,
    /// `false`: there is no address, and only administrators are told.
    pub sent: bool,
}

/// A sweep that will disable somebody.
#[derive(Debug, Serialize)]
pub struct Disabling {
    /// When.
    pub at: Timestamp,
    /// Whom, and why; not those who are held from before.
    pub items: Vec<PlanItem>,
    /// Why it would be held, if it would.
    pub would_be_held: Option<String>,
}

impl Sweep {
    /// What lies ahead for so long.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn upcoming(&self, ahead: Duration) -> Result<Upcoming, StoreError> {
        let (view, from) = (self.view(), self.now());
        let until = plus(from, ahead);
        let look = Look { reads: &view, settings: self.settings() };
        let mut sweeps = self.coming_sweeps(&look, from, until)?;
        let mut notices = coming_notices(&look, from, until)?;
        // Who is out is told nothing any more.
        let applied = sweeps.iter().filter(|sweep| sweep.would_be_held.is_none());
        let out = applied.flat_map(|sweep| sweep.items.iter().filter_map(|item| Some((item.user?, sweep.at))));
        let out: BTreeMap<UserId, Timestamp> = out.collect();
        notices.retain(|notice| out.get(&notice.user).is_none_or(|out| notice.at <= *out));
        notices.sort_by(|one, other| (one.at, &one.label, one.about).cmp(&(other.at, &other.label, other.about)));
        let mut more = notices.len().saturating_sub(LISTED);
        notices.truncate(LISTED);
        let mut room = LISTED;
        for sweep in &mut sweeps {
            more = more.saturating_add(sweep.items.len().saturating_sub(room));
            sweep.items.truncate(room);
            room = room.saturating_sub(sweep.items.len());
        }
        let copies_to = self.settings().notices.copy_to.clone();
        Ok(Upcoming { from, until, paused: clock::paused(&view)?, notices, copies_to, sweeps, more })
    }

    fn coming_sweeps(&self, look: &Look<'_>, from: Timestamp, until: Timestamp) -> Result<Vec<Disabling>, StoreError> {
        let mut by_time = self.by_sweep(look, from, until)?;
        let mut ahead = Ahead::default();
        while let Some((at, people)) = by_time.pop_first() {
            let waits_for_a_day_to_pass = ahead.sweep(self, look.reads, at, people)?;
            let later = at.checked_add(SignedDuration::from_hours(1)).ok().filter(|_| waits_for_a_day_to_pass);
            let again = later.and_then(|later| self.settings().schedule.first_from(Some(at), later));
            if let Some(again) = again.filter(|again| *again <= until) {
                by_time.entry(again).or_default();
            }
        }
        Ok(ahead.coming)
    }

    /// Who is due by then, by the sweep that finds them so.
    fn by_sweep(
        &self,
        look: &Look<'_>,
        from: Timestamp,
        until: Timestamp,
    ) -> Result<BTreeMap<Timestamp, Vec<Person>>, StoreError> {
        let last = tasks::last_run(look.reads, "sweep")?;
        let told_last = tasks::last_run(look.reads, notices::NAME)?;
        let mut by_time: BTreeMap<Timestamp, Vec<Person>> = BTreeMap::new();
        for mut person in look.due(until, usize::MAX)? {
            foresee(&mut person, &self.settings().notices.schedule, told_last, from);
            let quiet = match person.quiet() {
                Quiet::From(at) => Some(at),
                _ => None,
            };
            let Some(due) = [person.user.expires_at, quiet].into_iter().flatten().min() else { continue };
            let at = self.settings().schedule.first_from(last, due.max(from));
            if let Some(at) = at.filter(|at| *at <= until) {
                by_time.entry(at).or_default().push(person);
            }
        }
        Ok(by_time)
    }
}

/// Sweeps that are foreseen, one after the other.
#[derive(Default)]
struct Ahead {
    coming: Vec<Disabling>,
    /// Who waits for a person is in every later plan.
    waiting: Vec<Person>,
    /// An administrator who is out is nobody who stays.
    out: Vec<Person>,
    /// How many each took away.
    lost: Vec<(Timestamp, usize)>,
}

impl Ahead {
    /// The sweep at `at`, of which these are newly due. `true`: it is held only for what the last day took away.
    fn sweep(
        &mut self,
        sweep: &Sweep,
        reads: &dyn Reads,
        at: Timestamp,
        people: Vec<Person>,
    ) -> Result<bool, StoreError> {
        let new: BTreeSet<UserId> = people.iter().map(|person| person.user.id).collect();
        let all: Vec<Person> = people.into_iter().chain(self.waiting.drain(..)).chain(self.out.clone()).collect();
        let mut draft = sweep.draft(reads, &all, at)?;
        let out: BTreeSet<UserId> = self.out.iter().map(|person| person.user.id).collect();
        draft.items.retain(|item| item.user.is_some_and(|user| !out.contains(&user)));
        let own = draft.items.len();
        if own == 0 {
            return Ok(false);
        }
        let day_before = at.checked_sub(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MIN);
        let recent = self.lost.iter().filter(|(when, _)| *when >= day_before).map(|(_, lost)| lost).sum::<usize>();
        draft.counts.disable = own.saturating_add(recent);
        let held = sweep.pass().must_be_held_at(&Cause::Sweep, &draft, None, at)?;
        if held.is_none() {
            self.lost.push((at, own));
            let admins = all.into_iter().filter(|person| person.user.is_system_admin());
            self.out.extend(admins.filter(|person| !out.contains(&person.user.id)));
            self.coming.push(Disabling { at, items: draft.items, would_be_held: None });
            return Ok(false);
        }
        self.waiting = all.into_iter().filter(|person| !out.contains(&person.user.id)).collect();
        let alone = Loss { what: Lost::Users, lost: own, of: draft.active, read: None };
        draft.items.retain(|item| item.user.is_some_and(|user| new.contains(&user)));
        if !draft.items.is_empty() {
            self.coming.push(Disabling { at, items: draft.items, would_be_held: held });
        }
        Ok(guard::must_be_held(alone, sweep.settings().budget).is_none())
    }
}

fn coming_notices(look: &Look<'_>, from: Timestamp, until: Timestamp) -> Result<Vec<Notice>, StoreError> {
    let mut coming = Vec::new();
    if !look.settings.notices.are_on() {
        return Ok(coming);
    }
    let runs = runs(look, from, until)?;
    for about in [About::Account, About::Password, About::Inactivity] {
        let ids = notices::candidates(look, about, from, until)?;
        for person in look.people(ids)? {
            let end = notices::end(look, about, &person.user)?;
            let mut person = with_told(look.reads, about, person)?;
            for at in &runs {
                let new = next(look, about, &person, end, *at);
                let Some(told) = new else { continue };
                let (user, label) = (person.user.id, person.user.username.as_str().to_owned());
                coming.push(Notice { at: *at, about, user, label, happens_at: told.due, sent: told.sent });
                person.told = Some(told);
            }
        }
    }
    Ok(coming)
}

/// The person with the last notice of this kind.
fn with_told(reads: &dyn Reads, about: About, person: Person) -> Result<Person, StoreError> {
    match about {
        About::Inactivity => Ok(person),
        _ => Ok(Person { told: rows::get(reads, person.user.id, about)?, ..person }),
    }
}

fn next(look: &Look<'_>, about: About, person: &Person, end: Option<Timestamp>, at: Timestamp) -> Option<Told> {
    match about {
        About::Inactivity => person.notice(look.settings.notices.inactivity, at),
        _ => notices::plain(look.settings, about, &person.user, end?, person.told.as_ref(), at),
    }
}

/// When notices are written between these times.
fn runs(look: &Look<'_>, from: Timestamp, until: Timestamp) -> Result<Vec<Timestamp>, StoreError> {
    let (schedule, last) = (&look.settings.notices.schedule, tasks::last_run(look.reads, notices::NAME)?);
    let step = SignedDuration::from_secs(until.duration_since(from).as_secs() / RUNS).max(SignedDuration::from_secs(1));
    let mut runs = Vec::new();
    let mut at = schedule.first_from(last, from);
    while let Some(run) = at.filter(|at| *at <= until) {
        runs.push(run);
        at = run.checked_add(step).ok().and_then(|after| schedule.first_from(last, after));
    }
    Ok(runs)
}
