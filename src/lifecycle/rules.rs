//! Who is due, who is told of it, and who stays whatever the calendar says. PURE.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;

use super::policy::Steps;
use crate::base::clock::{minus, plus};
use crate::base::id::UserId;
use crate::directory::notice::Told;
use crate::directory::plan::{Counts, PlanItem, Step};
use crate::directory::user::{DisabledReason, User};

/// A user as the rules see one.
#[derive(Clone, Debug)]
pub struct Person {
    /// The user.
    pub user: User,
    /// How long they may be quiet; `None`: for ever.
    pub threshold: Option<Duration>,
    /// How long before they must have been told; `None`: they need not have been.
    pub lead: Option<Duration>,
    /// The last notice of it.
    pub told: Option<Told>,
}

/// When a quiet user is disabled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quiet {
    /// Never, as long as nothing changes.
    Never,
    /// From then on.
    From(Timestamp),
    /// Not before they were told. They are told from the first time on, and nothing happens before the second.
    TellFirst(Timestamp, Timestamp),
}

impl Person {
    /// When this user is disabled for being quiet. What they were promised holds: nobody is disabled before the time
    /// that a notice named, and, where there is an address, nobody without a notice as long before as was promised.
    #[must_use]
    pub fn quiet(&self) -> Quiet {
        let Some(threshold) = self.threshold else { return Quiet::Never };
        let since = self.user.quiet_since();
        let due = plus(since, threshold);
        let told = self.told.as_ref().filter(|told| told.sent && told.quiet_since == Some(since));
        match (told, self.lead) {
            (Some(told), _) if told.due >= due => Quiet::From(told.due),
            (_, Some(lead)) if self.user.mailbox().is_some() => Quiet::TellFirst(minus(due, lead), due),
            _ => Quiet::From(due),
        }
    }

    /// Why the sweep would disable this user now, if it would.
    #[must_use]
    pub fn due(&self, now: Timestamp) -> Option<DisabledReason> {
        if !self.user.is_active() {
            return None;
        }
        if self.user.is_expired(now) {
            return Some(DisabledReason::Expired);
        }
        matches!(self.quiet(), Quiet::From(from) if from <= now).then_some(DisabledReason::Inactivity)
    }

    /// The notice of inactivity that is to be written now, if one is.
    #[must_use]
    pub fn notice(&self, steps: Steps, now: Timestamp) -> Option<Told> {
        let (Some(lead), true, Some(_)) = (self.lead, self.user.is_valid(now), self.user.mailbox()) else {
            return None;
        };
        let due = match self.quiet() {
            Quiet::TellFirst(from, due) if from <= now => due.max(plus(now, lead)),
            // Told already: again where a step has come since.
            Quiet::From(due) => {
                let step = Steps { first: Some(lead), ..steps }.last(due, now)?;
                self.told.as_ref().filter(|told| told.at < step)?;
                due
            }
            _ => return None,
        };
        Some(Told { due, at: now, quiet_since: Some(self.user.quiet_since()), sent: true })
    }
}

/// The notice of something that happens at `due` that is to be written now, if one is. `copies`: administrators are told
/// too, also of who has no address.
#[must_use]
pub fn notice(
    user: &User,
    due: Timestamp,
    steps: Steps,
    copies: bool,
    told: Option<&Told>,
    now: Timestamp,
) -> Option<Told> {
    let step = steps.last(due, now).filter(|_| user.is_valid(now))?;
    let sent = user.mailbox().is_some();
    let known = told.filter(|told| told.due == due && told.at >= step);
    let is_due = known.is_none_or(|told| sent && !told.sent);
    (is_due && (sent || copies)).then_some(Told { due, at: now, quiet_since: None, sent })
}

/// The plan for these candidates. `others_stay`: an administrator who is not among them may come in.
///
/// The last active System Admin is never among those to disable for inactivity (promise 12): where every
/// administrator is due, the one who was seen last stays.
#[must_use]
pub fn plan(candidates: &[Person], others_stay: bool, now: Timestamp) -> (Vec<PlanItem>, Counts) {
    let mut counts = Counts { read: candidates.len(), ..Counts::default() };
    let exempt = if others_stay { None } else { last_way_in(candidates, now) };
    let mut seen = BTreeSet::new();
    let mut items = Vec::new();
    for person in candidates {
        let Some(reason) = person.due(now) else { continue };
        let user = &person.user;
        if !seen.insert(user.id) {
            continue;
        }
        if exempt == Some(user.id) {
            counts.unchanged = counts.unchanged.saturating_add(1);
            continue;
        }
        let why = match reason {
            DisabledReason::Expired => "the expiry has passed".to_owned(),
            _ => format!("neither login nor use since {}", user.quiet_since()),
        };
        counts.disable = counts.disable.saturating_add(1);
        items.push(PlanItem {
            revision: Some(user.revision),
            quiet_since: (reason == DisabledReason::Inactivity).then(|| user.quiet_since()),
            external_id: None,
            ..PlanItem::of_user(user, Step::disable(reason), why)
        });
    }
    (items, counts)
}

fn last_way_in(candidates: &[Person], now: Timestamp) -> Option<UserId> {
    let users = candidates.iter().map(|person| &person.user);
    let may_come_in = users.filter(|user| user.is_system_admin() && user.is_valid(now));
    may_come_in.max_by_key(|user| (user.expires_at.is_none(), user.quiet_since(), user.id)).map(|user| user.id)
}

#[cfg(test)]
#[path = "rules/tests.rs"]
mod tests;
