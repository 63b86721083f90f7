//! What lies ahead if nobody comes and nothing changes: who is told what and when, who is disabled when and why, and
//! whether the guard would hold it. By the rules, the plan and the guard of the real runs; writes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use super::look::Look;
use super::notices;
use super::policy::Steps;
use super::rules::{Person, Quiet};
use super::sweep::{Sweep, foresee, refused, wish};
use crate::base::clock::plus;
use crate::base::id::UserId;
use crate::directory::notice::{About, Told};
use crate::directory::plan::{Cause, PlanItem};
use crate::store::clock::Paused;
use crate::store::tx::Reads;
use crate::store::{StoreError, clock, notices as rows, tasks};
use crate::sync::guard::{self, Loss, Lost};
use crate::sync::plan::Draft;

/// Most notices, and most users to disable, that are listed.
pub(super) const LISTED: usize = 10_000;
/// Most users of a kind that are looked at.
const LOOKED: usize = 50_000;
/// Most sweeps that are looked at.
const SWEEPS: usize = 5_000;
/// Users that are read at a time.
const CHUNK: usize = 1_000;

/// How much is looked at, and listed, at most.
#[derive(Clone, Copy)]
pub(super) struct Most {
    pub(super) looked: usize,
    pub(super) listed: usize,
}

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
    /// So much lies ahead that not all of it was looked at.
    pub cut: bool,
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
    /// What lies ahead for so long. What it costs is bounded, however many users there are.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn upcoming(&self, ahead: Duration) -> Result<Upcoming, StoreError> {
        self.upcoming_of(ahead, Most { looked: LOOKED, listed: LISTED })
    }

    pub(super) fn upcoming_of(&self, ahead: Duration, most: Most) -> Result<Upcoming, StoreError> {
        let (view, from) = (self.view(), self.now());
        let until = plus(from, ahead);
        let look = Look { reads: &view, settings: self.settings() };
        let sweeps = self.coming_sweeps(&look, from, until, most)?;
        let mut notices = Notices { most, coming: BTreeMap::new(), more: 0, cut: false };
        notices.look_ahead(&look, from, until, &sweeps.out_at)?;
        Ok(Upcoming {
            from,
            until,
            paused: clock::paused(&view)?,
            notices: notices.coming.into_values().collect(),
            copies_to: self.settings().notices.copy_to.clone(),
            sweeps: sweeps.coming,
            more: notices.more.saturating_add(sweeps.more),
            cut: notices.cut || sweeps.cut,
        })
    }

    fn coming_sweeps(
        &self,
        look: &Look<'_>,
        from: Timestamp,
        until: Timestamp,
        most: Most,
    ) -> Result<Ahead, StoreError> {
        let (mut by_time, cut) = self.by_sweep(look, from, until, most)?;
        let mut ahead = Ahead { room: most.listed, cut, ..Ahead::default() };
        let mut looked_at = 0_usize;
        while let Some((at, people)) = by_time.pop_first() {
            if looked_at == SWEEPS {
                ahead.cut = true;
                break;
            }
            looked_at = looked_at.saturating_add(1);
            let waits_for_a_day_to_pass = ahead.sweep(self, look.reads, at, people)?;
            let later = at.checked_add(SignedDuration::from_hours(1)).ok().filter(|_| waits_for_a_day_to_pass);
            let again = later.and_then(|later| self.settings().schedule.first_from(Some(at), later));
            if let Some(again) = again.filter(|again| *again <= until) {
                by_time.entry(again).or_default();
            }
        }
        Ok(ahead)
    }

    /// Who is due by then, by the sweep that finds them so; and whether there are more.
    fn by_sweep(
        &self,
        look: &Look<'_>,
        from: Timestamp,
        until: Timestamp,
        most: Most,
    ) -> Result<(BTreeMap<Timestamp, Vec<Person>>, bool), StoreError> {
        let (schedule, last) = (&self.settings().schedule, tasks::last_run(look.reads, "sweep")?);
        let told_last = tasks::last_run(look.reads, notices::NAME)?;
        let refused = refused(look.reads, from)?;
        let mut by_time: BTreeMap<Timestamp, Vec<Person>> = BTreeMap::new();
        let (ids, cut) = at_most(look.due_ids(until, most.looked.saturating_add(1))?, most);
        for mut person in look.people(ids)? {
            foresee(&mut person, &self.settings().notices.schedule, told_last, from);
            let quiet = match person.quiet() {
                Quiet::From(at) => Some(at),
                _ => None,
            };
            let Some(due) = [person.user.expires_at, quiet].into_iter().flatten().min() else { continue };
            let mut at = schedule.first_from(last, due.max(from));
            // A no holds for a while.
            let wish = at.and_then(|at| wish(&person, at));
            if let Some(until) = wish.and_then(|wish| refused.get(&wish)) {
                at = schedule.first_from(last, due.max(*until));
            }
            if let Some(at) = at.filter(|at| *at <= until) {
                by_time.entry(at).or_default().push(person);
            }
        }
        Ok((by_time, cut))
    }
}

/// No more of them than are looked at, and whether there are more.
fn at_most(mut ids: Vec<UserId>, most: Most) -> (Vec<UserId>, bool) {
    let cut = ids.len() > most.looked;
    ids.truncate(most.looked);
    (ids, cut)
}

/// Sweeps that are foreseen, one after the other.
#[derive(Default)]
struct Ahead {
    coming: Vec<Disabling>,
    /// So many users may still be listed.
    room: usize,
    /// So many are not.
    more: usize,
    /// Not everything was looked at.
    cut: bool,
    /// Who waits for a person is in every later plan: administrators,
    admins: Vec<Person>,
    /// and everybody else.
    waiting: Vec<Person>,
    /// An administrator who is out is nobody who stays.
    out: Vec<Person>,
    /// Who is out, and since when.
    out_at: BTreeMap<UserId, Timestamp>,
    /// How many each took away in the last day.
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
        let mut looked: Vec<Person> = people.into_iter().chain(self.admins.drain(..)).chain(self.out.clone()).collect();
        // Of all others who wait, their number is enough until they are out.
        let mut draft = self.draft(sweep, reads, &looked, at)?;
        let own = draft.items.len().saturating_add(self.waiting.len());
        if own == 0 {
            return Ok(false);
        }
        let day_before = at.checked_sub(SignedDuration::from_hours(24)).unwrap_or(Timestamp::MIN);
        self.lost.retain(|(when, _)| *when >= day_before);
        let recent = self.lost.iter().map(|(_, lost)| lost).sum::<usize>();
        draft.counts.disable = own.saturating_add(recent);
        let held = sweep.pass().must_be_held_at(&Cause::Sweep, &draft, None, at)?;
        if held.is_none() {
            if !self.waiting.is_empty() {
                looked.append(&mut self.waiting);
                draft = self.draft(sweep, reads, &looked, at)?;
            }
            self.apply(at, own, looked, draft.items);
            return Ok(false);
        }
        let out = self.admins_out();
        for person in looked.into_iter().filter(|person| !out.contains(&person.user.id)) {
            if person.user.is_system_admin() { self.admins.push(person) } else { self.waiting.push(person) }
        }
        let alone = Loss { what: Lost::Users, lost: own, of: draft.active, read: None };
        draft.items.retain(|item| item.user.is_some_and(|user| new.contains(&user)));
        self.list(at, draft.items, held);
        Ok(guard::must_be_held(alone, sweep.settings().budget).is_none())
    }

    fn admins_out(&self) -> BTreeSet<UserId> {
        self.out.iter().map(|person| person.user.id).collect()
    }

    /// The plan for these people, without who is out.
    fn draft(&self, sweep: &Sweep, reads: &dyn Reads, people: &[Person], at: Timestamp) -> Result<Draft, StoreError> {
        let mut draft = sweep.draft(reads, people, at)?;
        let out = self.admins_out();
        draft.items.retain(|item| item.user.is_some_and(|user| !out.contains(&user)));
        Ok(draft)
    }

    fn apply(&mut self, at: Timestamp, own: usize, looked: Vec<Person>, items: Vec<PlanItem>) {
        self.lost.push((at, own));
        let out = self.admins_out();
        let admins = looked.into_iter().filter(|person| person.user.is_system_admin());
        self.out.extend(admins.filter(|person| !out.contains(&person.user.id)));
        self.out_at.extend(items.iter().filter_map(|item| Some((item.user?, at))));
        self.list(at, items, None);
    }

    fn list(&mut self, at: Timestamp, mut items: Vec<PlanItem>, would_be_held: Option<String>) {
        self.more = self.more.saturating_add(items.len().saturating_sub(self.room));
        items.truncate(self.room);
        self.room = self.room.saturating_sub(items.len());
        if !items.is_empty() {
            self.coming.push(Disabling { at, items, would_be_held });
        }
    }
}

/// Notices that are foreseen: the first of them, and the number of the others.
struct Notices {
    most: Most,
    coming: BTreeMap<(Timestamp, String, About), Notice>,
    more: usize,
    cut: bool,
}

impl Notices {
    fn look_ahead(
        &mut self,
        look: &Look<'_>,
        from: Timestamp,
        until: Timestamp,
        out_at: &BTreeMap<UserId, Timestamp>,
    ) -> Result<(), StoreError> {
        let (schedule, last) = (&look.settings.notices.schedule, tasks::last_run(look.reads, notices::NAME)?);
        let Some(first) = schedule.first_from(last, from).filter(|_| look.settings.notices.are_on()) else {
            return Ok(());
        };
        let run = |at| schedule.first_from(last.or(Some(first)), at).filter(|run| *run <= until);
        for about in [About::Account, About::Password, About::Inactivity] {
            let found = notices::candidates(look, about, from, until, self.most.looked.saturating_add(1))?;
            let (ids, cut) = at_most(found, self.most);
            self.cut |= cut;
            for chunk in ids.chunks(CHUNK) {
                for person in look.people(chunk.iter().copied())? {
                    self.tell(look, about, person, run(first), run, out_at)?;
                }
            }
        }
        Ok(())
    }

    /// What one person is told from this run on: from one time at which there is something to tell to the next.
    fn tell(
        &mut self,
        look: &Look<'_>,
        about: About,
        person: Person,
        first: Option<Timestamp>,
        run: impl Fn(Timestamp) -> Option<Timestamp>,
        out_at: &BTreeMap<UserId, Timestamp>,
    ) -> Result<(), StoreError> {
        let end = notices::end(look, about, &person.user)?;
        let mut person = with_told(look.reads, about, person)?;
        // Who is out is told nothing any more.
        let out = out_at.get(&person.user.id).copied();
        let mut next_run = first;
        while let Some(at) = next_run.filter(|at| out.is_none_or(|out| *at <= out)) {
            if let Some(told) = next(look, about, &person, end, at) {
                let (user, label) = (person.user.id, person.user.username.as_str().to_owned());
                self.list(Notice { at, about, user, label, happens_at: told.due, sent: told.sent });
                person.told = Some(told);
            }
            next_run = step_after(look, about, &person, end, at).and_then(&run);
        }
        Ok(())
    }

    fn list(&mut self, notice: Notice) {
        self.coming.insert((notice.at, notice.label.clone(), notice.about), notice);
        if self.coming.len() > self.most.listed {
            self.coming.pop_last();
            self.more = self.more.saturating_add(1);
        }
    }
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

/// The first time after `at` at which there may be something new to tell.
fn step_after(
    look: &Look<'_>,
    about: About,
    person: &Person,
    end: Option<Timestamp>,
    at: Timestamp,
) -> Option<Timestamp> {
    let settings = &look.settings.notices;
    match (about, person.quiet()) {
        (About::Account, _) => settings.account.next(end?, at),
        (About::Password, _) => settings.password.next(end?, at),
        (About::Inactivity, Quiet::TellFirst(from, _)) => Some(from).filter(|from| *from > at),
        (About::Inactivity, Quiet::From(due)) => Steps { first: person.lead, ..settings.inactivity }.next(due, at),
        (About::Inactivity, Quiet::Never) => None,
    }
}
