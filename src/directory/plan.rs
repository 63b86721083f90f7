//! Plans and runs: the exact list of changes that a pass, sweep or import wants, and what became of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::id::{ExternalId, GroupId, PlanId, RunId, SourceId, UserId};
use crate::directory::audit::{Actor, Change};
use crate::directory::field::{DisplayName, Username};
use crate::directory::group::{GroupChange, Member};
use crate::directory::user::{DisabledReason, User, UserChange};

mod counts;

pub use counts::Counts;

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
    /// A person took a run of a source back.
    Undo {
        /// The source.
        id: SourceId,
        /// The run.
        run: RunId,
    },
}

impl Cause {
    /// The source whose users it is about, where it is one's.
    #[must_use]
    pub fn source(&self) -> Option<&SourceId> {
        match self {
            Self::Source { id } | Self::Undo { id, .. } => Some(id),
            Self::Sweep => None,
        }
    }
}

/// One change that is wanted, with the reason.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlanItem {
    /// How people know the person: a username or the entry's name at the source.
    pub label: String,
    /// The user, where there is one already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// The group, where it is about one that is there already.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupId>,
    /// The entry's identity at the source, where the change comes from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_id: Option<ExternalId>,
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

impl PlanItem {
    /// A change of a user who is there, whatever becomes of them until then.
    #[must_use]
    pub fn of_user(user: &User, step: Step, reason: String) -> Self {
        Self {
            label: user.username.as_str().to_owned(),
            user: Some(user.id),
            group: None,
            external_id: user.external_id.clone(),
            revision: None,
            quiet_since: None,
            step,
            reason,
        }
    }
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
    /// Make a tombstone of who was absent for long.
    Remove,
    /// Take a tombstone back into the state it was removed from.
    Restore,
    /// Nothing can be done before a person has decided.
    Conflict {
        /// The value that another user holds.
        field: String,
        /// The other user.
        holder: UserId,
        /// Who owns the other user.
        holder_source: SourceId,
        /// What the entry says of itself.
        #[serde(default)]
        entry: Box<Claim>,
    },
    /// Make a group.
    CreateGroup {
        /// The identity at the source.
        external_id: ExternalId,
        /// Its name.
        name: DisplayName,
        /// Everything else.
        #[serde(default)]
        rest: Box<GroupChange>,
        /// The group's id, where it was there before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        again: Option<GroupId>,
    },
    /// Change attributes of a group.
    UpdateGroup {
        /// To these.
        change: Box<GroupChange>,
        /// Attribute by attribute, for people.
        #[serde(default)]
        shows: Vec<Change>,
    },
    /// Change members of a group; one that is made by the same plan is named by `external_id`.
    Members {
        /// Who joins.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        add: Vec<MemberRef>,
        /// Who leaves.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        remove: Vec<MemberRef>,
    },
    /// Remove a group; its members stay.
    RemoveGroup,
}

/// What an entry in conflict says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Claim {
    /// The name of the entry.
    pub entry: String,
    /// Its login name.
    pub username: String,
    /// Its name to show.
    pub name: String,
    /// Its address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
}

/// A member of a group in a plan: known already, or made by the same plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemberRef {
    /// A user that is there.
    User(UserId),
    /// A group that is there.
    Group(GroupId),
    /// A user whom the plan makes, by the identity at the source.
    NewUser(ExternalId),
    /// A group that the plan makes, by the identity at the source.
    NewGroup(ExternalId),
}

impl From<Member> for MemberRef {
    fn from(member: Member) -> Self {
        match member {
            Member::User(id) => Self::User(id),
            Member::Group(id) => Self::Group(id),
        }
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
    /// Where the next reading goes on once the plan is applied, and when the plan's own began, if it was complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub then: Option<Then>,
    /// What became of it.
    pub status: PlanStatus,
}

/// What is noted of a source when a plan of it was applied, in the same commit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Then {
    /// Where the next reading goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bookmark: Option<String>,
    /// When the reading began, if it was a complete one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete_at: Option<Timestamp>,
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
    /// How the source was read, and why so.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub how: String,
    /// The audit lines among which those of its changes stand: after the first number, up to the second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trail: Option<(u64, u64)>,
    /// The run that took it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undone_by: Option<RunId>,
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
