//! Conflicts: entries of a source that cannot be taken because somebody else holds their username or address.
//!
//! They wait in an inbox until a person decides, or the source or the other user resolves them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::id::{ExternalId, RunId, SourceId, UserId};
use crate::directory::audit::Actor;
use crate::directory::field::Username;

/// What becomes of an entry whose username or address somebody else holds, where nobody has decided yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ConflictRule {
    /// It waits in the inbox.
    #[default]
    Inbox,
    /// It waits in the inbox with the proposal to take over the other user.
    Link,
    /// It gets another username; an address that is taken is left out.
    Suffix,
    /// It is refused, and stands in the run only.
    Reject,
}

/// An entry that waits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Conflict {
    /// The source that has the entry.
    pub source: SourceId,
    /// The entry's identity there: with the source, the conflict's.
    pub external_id: ExternalId,
    /// How people find the entry at the source.
    pub entry: String,
    /// Its login name.
    pub username: String,
    /// Its name to show.
    pub name: String,
    /// Its address, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The value that somebody else holds: `username` or `email`.
    pub field: String,
    /// Who holds it.
    pub holder: UserId,
    /// Who owns that user.
    pub holder_source: SourceId,
    /// The user of the entry, where there is one already: then only its new value waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// The source's rule proposes to take over the other user.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub link_proposed: bool,
    /// Since when it waits.
    pub since: Timestamp,
    /// The run that met it last; none: an identity provider pushed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// The provider gave no id of its own: the username stands for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub unnamed: bool,
    /// What a person decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
}

/// What a person decided about a conflict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Decision {
    /// The entry is not taken, and nobody is reminded of it.
    Ignored {
        /// When.
        at: Timestamp,
        /// By whom.
        by: Actor,
    },
    /// The entry goes by this username here.
    Renamed {
        /// When.
        at: Timestamp,
        /// By whom.
        by: Actor,
        /// The username.
        username: Username,
    },
}

impl Conflict {
    /// Does it still wait for a person?
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.decision.is_none()
    }
}
