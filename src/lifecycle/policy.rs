//! Whose account is disabled when nobody uses it, and when who is told ahead. PURE.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use crate::base::clock::{minus, plus};
use crate::base::id::{RoleId, SourceId};
use crate::directory::policy::days;
use crate::directory::user::User;

/// When a quiet account is disabled. What is said of a role goes before what is said of a source, and that before what
/// is said of everybody.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct InactivityPolicy {
    /// After this long without login or use; `None` is never.
    pub threshold: Option<Duration>,
    /// The same for users of a source.
    pub sources: BTreeMap<SourceId, Option<Duration>>,
    /// The same for who holds a system role.
    pub roles: BTreeMap<RoleId, Option<Duration>>,
    /// Folded usernames of those to whom it never happens.
    pub exempt_users: BTreeSet<String>,
}

impl InactivityPolicy {
    /// How long this user, who holds these roles, may be quiet; `None`: for ever. Of several roles the strictest counts.
    #[must_use]
    pub fn threshold_for(&self, user: &User, roles: &BTreeSet<RoleId>) -> Option<Duration> {
        if self.exempt_users.contains(&user.username.folded()) {
            return None;
        }
        let of_roles: Vec<_> = roles.iter().filter_map(|role| self.roles.get(role)).collect();
        if of_roles.is_empty() {
            self.threshold_of(&user.source)
        } else {
            of_roles.into_iter().flatten().min().copied()
        }
    }

    /// How long users of a source may be quiet whose roles say nothing of it.
    #[must_use]
    pub fn threshold_of(&self, source: &SourceId) -> Option<Duration> {
        self.sources.get(source).copied().unwrap_or(self.threshold)
    }
}

/// When somebody is told ahead of what happens: once, and each day when it is near.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Steps {
    /// So long before is the first notice; `None`: nobody is told.
    pub first: Option<Duration>,
    /// From so long before on, one each day; `None`: the first is the only one.
    pub daily_from: Option<Duration>,
}

impl Default for Steps {
    fn default() -> Self {
        Self { first: Some(days(14)), daily_from: Some(days(3)) }
    }
}

impl Steps {
    /// Nobody is told.
    pub const OFF: Self = Self { first: None, daily_from: None };

    /// The last time up to now when somebody was to be told of what happens at `due`; `None` before the first and from
    /// `due` on.
    #[must_use]
    pub fn last(&self, due: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let first = minus(due, self.first?);
        if now >= due || now < first {
            return None;
        }
        let daily = self.daily_from.map(|from| minus(due, from)).filter(|from| *from <= now);
        let Some(from) = daily else { return Some(first) };
        let passed = u64::try_from(now.duration_since(from).as_secs()).unwrap_or(0) / 86_400;
        Some(plus(from, days(passed)).max(first))
    }

    /// The first time after `now` when somebody is to be told of what happens at `due`; `None` from the last on.
    #[must_use]
    pub fn next(&self, due: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let first = minus(due, self.first?);
        if now < first {
            return Some(first);
        }
        let from = minus(due, self.daily_from?);
        let passed = u64::try_from(now.duration_since(from).as_secs()).unwrap_or(0) / 86_400;
        let next = if now < from { from } else { plus(from, days(passed.saturating_add(1))) };
        Some(next).filter(|next| *next < due)
    }

    /// The same steps for a time of quiet: the first never comes before half of it is over.
    #[must_use]
    pub fn within(self, threshold: Duration) -> Self {
        Self { first: self.first.map(|first| first.min(threshold / 2)), ..self }
    }
}
