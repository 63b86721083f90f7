//! Notices: of what a user is told ahead.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What a notice is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// The account ends.
    Account,
    /// The password must be changed.
    Password,
    /// The account is disabled because nobody uses it.
    Inactivity,
}

/// The last notice of its kind to a user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// When it happens, as the notice says.
    pub due: Timestamp,
    /// When the notice was written.
    pub at: Timestamp,
    /// Of inactivity: since when the account was quiet then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_since: Option<Timestamp>,
    /// A message was written; `false`: there was no address, and only administrators were told.
    pub sent: bool,
}
