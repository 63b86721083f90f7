//! When the sweep runs and how much it may do by itself.

use std::time::Duration;

use crate::directory::policy::{Budget, InactivityPolicy, UserDefaults};
use crate::tasks::schedule::Schedule;

/// The settings of the sweep.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// When it runs.
    pub schedule: Schedule,
    /// How many users one run may disable.
    pub budget: Budget,
    /// When a quiet account is disabled.
    pub inactivity: InactivityPolicy,
    /// Defaults for new users and tombstones.
    pub users: UserDefaults,
    /// How long lines of the audit trail are kept; `None` for ever.
    pub audit: Option<Duration>,
}
