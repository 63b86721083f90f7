//! What an administrator has decided for the passes over one source.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::directory::conflict::ConflictRule;
use crate::directory::grant::GrantRule;
use crate::directory::policy::{Budget, UserDefaults, days};
use crate::directory::user::KeptAttribute;

/// The rules of one source.
#[derive(Clone, Debug, PartialEq)]
pub struct Rules {
    /// How many users one run may take out without a person's word.
    pub budget: Budget,
    /// The lifetime of new users, and how long tombstones are kept.
    pub users: UserDefaults,
    /// A complete reading is due so long after the last one.
    pub complete_every: Duration,
    /// Who has been absent from the source for so long becomes a tombstone; `None`: nobody does.
    pub absent_grace: Option<Duration>,
    /// What becomes of an entry whose username or address somebody else holds.
    pub conflicts: ConflictRule,
    /// Attributes of the source's users that are kept here; the source gives them at the first reading only.
    pub kept: BTreeSet<KeptAttribute>,
    /// The source's groups are read too.
    pub groups: bool,
    /// What membership of its groups gives.
    pub grants: Vec<GrantRule>,
    /// The identifiers of the source are unique by the server's own making: then a first reading may write while it
    /// reads.
    pub unique_ids: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            budget: Budget::default(),
            users: UserDefaults::default(),
            complete_every: days(1),
            absent_grace: Some(days(30)),
            conflicts: ConflictRule::default(),
            kept: BTreeSet::new(),
            groups: false,
            grants: Vec::new(),
            unique_ids: false,
        }
    }
}
