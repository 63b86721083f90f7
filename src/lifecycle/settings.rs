//! When the sweep, the notices and the upkeep run, and how much they may do by themselves.

use std::time::Duration;

use super::policy::{InactivityPolicy, Steps};
use crate::directory::grant::Grant;
use crate::directory::policy::{Budget, UserDefaults};
use crate::tasks::schedule::Schedule;

/// The settings of the life of accounts.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// When the sweep runs.
    pub schedule: Schedule,
    /// How many users one run may disable.
    pub budget: Budget,
    /// When a quiet account is disabled.
    pub inactivity: InactivityPolicy,
    /// Defaults for new users and tombstones.
    pub users: UserDefaults,
    /// Who is told ahead of what.
    pub notices: Notices,
    /// When what is over is purged and dropped.
    pub upkeep: Schedule,
    /// How long lines of the audit trail are kept; `None` for ever.
    pub audit: Option<Duration>,
    /// How long a password is good; `None` for ever.
    pub password_max_age: Option<Duration>,
    /// Roles that follow from groups of sources.
    pub grants: Vec<Grant>,
}

/// Who is told ahead of what.
#[derive(Clone, Debug, PartialEq)]
pub struct Notices {
    /// When they are written.
    pub schedule: Schedule,
    /// Is there a way for them to leave? Without one, nobody is told and nobody is waited for.
    pub can_leave: bool,
    /// Of the end of an account.
    pub account: Steps,
    /// Of the end of a password.
    pub password: Steps,
    /// Of being disabled for inactivity.
    pub inactivity: Steps,
    /// Usernames, or addresses, of those who are told which accounts end.
    pub copy_to: Vec<String>,
}

impl Notices {
    /// Are any written at all?
    #[must_use]
    pub fn are_on(&self) -> bool {
        self.can_leave && self.schedule.as_str() != "off"
    }

    /// How long before a quiet account of this threshold is disabled its owner must have been told; `None`: they need
    /// not have been.
    #[must_use]
    pub fn lead(&self, threshold: Duration) -> Option<Duration> {
        self.inactivity.within(threshold).first.filter(|_| self.are_on())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use jiff::Timestamp;

    use super::*;

    /// Settings of tests: the sweep each hour, notices each morning, nobody quiet is disabled.
    pub(crate) fn settings() -> Settings {
        let parse = |text| Schedule::parse(text, "UTC", Timestamp::UNIX_EPOCH).unwrap();
        Settings {
            schedule: parse("1h"),
            budget: Budget::default(),
            inactivity: InactivityPolicy::default(),
            users: UserDefaults::default(),
            notices: Notices {
                schedule: parse("0 8 * * *"),
                can_leave: true,
                account: Steps::default(),
                password: Steps::default(),
                inactivity: Steps::default(),
                copy_to: Vec::new(),
            },
            upkeep: parse("1h"),
            audit: None,
            password_max_age: None,
            grants: Vec::new(),
        }
    }
}
