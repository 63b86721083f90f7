//! Plans and runs: the exact list of changes that a pass, sweep or import wants, and what became of it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::id::{ExternalId, GroupId, PlanId, RunId, SourceId, UserId};
use crate::directory::audit::{Actor, Change};
use crate::directory::field::{DisplayName, Username};
use crate::directory::group::{GroupChange, Member};
use crate::directory::user::{DisabledReason, User, UserChange};

mod counts;
mod entry;
mod run;

pub use counts::Counts;
pub use entry::{Entry, Fate, Fault, Outline};
pub use run::{Outcome, Run, Skipped};

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
    /// One wish about many users.
    Bulk,
    /// A file of users.
    Import,
    /// A person took a run back.
    Undo {
        /// The source, where it was a run of one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        id: Option<SourceId>,
        /// The run.
        run: RunId,
    },
}

impl Cause {
    /// The source whose users it is about, where it is one's.
    #[must_use]
    pub fn source(&self) -> Option<&SourceId> {
        match self {
            Self::Source { id } | Self::Undo { id: Some(id), .. } => Some(id),
            Self::Sweep | Self::Bulk | Self::Import | Self::Undo { id: None, .. } => None,
        }
    }

    /// Does a person ask for it, user by user? What becomes of each is kept then.
    #[must_use]
    pub fn is_by_hand(&self) -> bool {
        matches!(self, Self::Bulk | Self::Import | Self::Undo { id: None, .. })
    }

    /// In one word: the source, `sweep`, `bulk` or `import`.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Source { id } | Self::Undo { id: Some(id), .. } => id.as_str(),
            Self::Sweep => "sweep",
            Self::Bulk | Self::Undo { id: None, .. } => "bulk",
            Self::Import => "import",
        }
    }

    /// Does what the other takes away count for this one too? People have one budget for all that they do by hand.
    #[must_use]
    pub fn shares_budget_with(&self, other: &Self) -> bool {
        self == other || self.is_by_hand() && other.is_by_hand()
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
    /// What is done together with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub along: Option<Box<Along>>,
    /// Why, in words.
    pub reason: String,
}

/// What is done with a user in one piece with a step: a row of a file asks for more than one thing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Along {
    /// Groups to join.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub join: Vec<GroupId>,
    /// Groups to leave.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub leave: Vec<GroupId>,
    /// A password is set, which lies elsewhere: whether it must be changed at the next login.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password: Option<bool>,
    /// The step takes the user out by an expiry: it counts as a loss.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub expires: bool,
}

impl Step {
    /// Disabling, and nothing else.
    #[must_use]
    pub fn disable(reason: DisabledReason) -> Self {
        Self::Disable { reason, change: Box::default() }
    }
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
            along: None,
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
        /// The identity at the source, where one has the person.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        external_id: Option<ExternalId>,
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
    /// Disable, with the changes that come with it.
    Disable {
        /// Why.
        reason: DisabledReason,
        /// What changes besides.
        #[serde(default, skip_serializing_if = "is_nothing")]
        change: Box<UserChange>,
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
    /// Who asked for them, where a person did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wished_by: Option<Actor>,
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

fn is_nothing(change: &UserChange) -> bool {
    *change == UserChange::default()
}
