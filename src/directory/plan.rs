//! Plans and runs: the exact list of changes that a pass, sweep or import wants, and what became of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::id::{ExternalId, PlanId, RunId, SourceId, UserId};
use crate::directory::audit::{Actor, Change};
use crate::directory::field::{DisplayName, Username};
use crate::directory::user::{DisabledReason, UserChange};

/// What wants the changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cause {
    /// A pass over a source.
    Source {
        /// Which.
        id: SourceId,
    },
    /// A sweep for expired and quiet users.
    Sweep,
}

/// One change that is wanted, with the reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanItem {
    /// How people know the person: a username or the entry's name at the source.
    pub label: String,
    /// The user, where there is one already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// The revision that the plan saw; a user who has moved on since is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// For who went quiet: since when, as the plan saw it; a user who was seen since is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_since: Option<Timestamp>,
    /// What is to be done.
    pub step: Step,
    /// Why, in words.
    pub reason: String,
}

/// What is to be done with one user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Step {
    /// Make a user.
    Create {
        /// The identity at the source.
        external_id: ExternalId,
        /// The login name.
        username: Username,
        /// The name to show.
        name: DisplayName,
        /// Everything else.
        #[serde(default)]
        rest: Box<UserChange>,
        /// Disabled from the start.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        disabled: Option<DisabledReason>,
    },
    /// Change attributes.
    Update {
        /// To these.
        change: Box<UserChange>,
        /// Attribute by attribute, for people.
        #[serde(default)]
        shows: Vec<Change>,
    },
    /// Enable a user whom the source gave back, with the changes that came with it.
    Enable {
        /// What changed meanwhile.
        change: Box<UserChange>,
        /// It was removed: take the tombstone back first.
        #[serde(default)]
        restore: bool,
    },
    /// Disable.
    Disable {
        /// Why.
        reason: DisabledReason,
    },
    /// Nothing can be done before a person has decided.
    Conflict {
        /// The value that another user holds.
        field: String,
        /// The other user.
        holder: UserId,
        /// Who owns the other user.
        holder_source: SourceId,
    },
}

/// How many of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Entries that the source gave, or users that the sweep looked at.
    pub read: usize,
    /// Users as they should be.
    pub unchanged: usize,
    /// Users to make.
    pub create: usize,
    /// Users to change.
    pub update: usize,
    /// Users to enable again.
    pub enable: usize,
    /// Users to disable.
    pub disable: usize,
    /// Users whom another one's name or address keeps out.
    pub conflict: usize,
    /// Entries that cannot be taken.
    pub skipped: usize,
}

impl Counts {
    /// Counts one step.
    pub fn note(&mut self, step: &Step) {
        let count = match step {
            Step::Create { .. } => &mut self.create,
            Step::Update { .. } => &mut self.update,
            Step::Enable { .. } => &mut self.enable,
            Step::Disable { .. } => &mut self.disable,
            Step::Conflict { .. } => &mut self.conflict,
        };
        *count = count.saturating_add(1);
    }

    /// The changes of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            create: self.create.saturating_add(other.create),
            update: self.update.saturating_add(other.update),
            enable: self.enable.saturating_add(other.enable),
            disable: self.disable.saturating_add(other.disable),
            ..self
        }
    }

    /// All changes together.
    #[must_use]
    pub fn changes(&self) -> usize {
        self.create.saturating_add(self.update).saturating_add(self.enable).saturating_add(self.disable)
    }

    /// Is there nothing to write?
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.changes() == 0
    }
}

/// A plan that was kept because a person must decide.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Its name.
    pub id: PlanId,
    /// The run that made it.
    pub run: RunId,
    /// What wants the changes.
    pub cause: Cause,
    /// When it was made.
    pub created_at: Timestamp,
    /// How many of what.
    pub counts: Counts,
    /// SHA-256 of its items, in hexadecimal: the same wish again is the same plan.
    #[serde(default)]
    pub digest: String,
    /// Why it was held.
    pub held_because: String,
    /// What became of it.
    pub status: PlanStatus,
}

/// What became of a held plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum PlanStatus {
    /// It waits for a person.
    Held,
    /// A person said yes, and it is being applied; a daemon that starts goes on with it.
    Applying {
        /// Since when.
        at: Timestamp,
        /// By whom.
        by: Actor,
    },
    /// A person said yes, and it was applied.
    Approved {
        /// When.
        at: Timestamp,
        /// By whom.
        by: Actor,
    },
    /// A person said no.
    Rejected {
        /// When.
        at: Timestamp,
        /// By whom.
        by: Actor,
    },
    /// A later run of the same source took its place.
    Superseded {
        /// When.
        at: Timestamp,
    },
}

/// One pass of a source, or one sweep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its name.
    pub id: RunId,
    /// What ran.
    pub cause: Cause,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Timestamp,
    /// What came of it.
    pub outcome: Outcome,
    /// How many of what.
    pub counts: Counts,
    /// Entries that could not be taken, each with the reason; the first thousand.
    #[serde(default)]
    pub skipped: Vec<Skipped>,
    /// Conflicts that wait for a person; the first thousand.
    #[serde(default)]
    pub conflicts: Vec<PlanItem>,
}

/// An entry that could not be taken.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Skipped {
    /// The entry.
    pub label: String,
    /// What is wrong with it.
    pub problem: String,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Outcome {
    /// Its changes, if any, were written.
    Applied,
    /// It would have changed too much: the plan waits for a person.
    Held {
        /// The plan.
        plan: PlanId,
        /// Why.
        why: String,
    },
    /// The source could not be read to its end; nothing was changed.
    Failed {
        /// Why.
        why: String,
    },
}
