//! What becomes of each user or row that a bulk change or an import is about. PURE.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Cause, Counts, PlanItem, Step};
use crate::base::id::UserId;
use crate::directory::field::FieldError;

/// One user or row, and what becomes of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The line of the file, where it came from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    /// How people know the user: the username, or what was written for it.
    pub label: String,
    /// The user, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<UserId>,
    /// What becomes of it.
    #[serde(flatten)]
    pub fate: Fate,
}

/// What becomes of one user or row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Fate {
    /// It shall be changed.
    Planned {
        /// To this.
        item: Box<PlanItem>,
    },
    /// The user was made.
    Created,
    /// The user was changed.
    Changed,
    /// It is as it shall be.
    Unchanged,
    /// It is left alone.
    Refused {
        /// Everything that is wrong.
        faults: Vec<Fault>,
    },
}

impl Fate {
    /// What each comes to in the end, in one word.
    pub const DONE: [&'static str; 4] = ["created", "changed", "unchanged", "refused"];

    /// In one word.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Planned { .. } => "planned",
            Self::Created => "created",
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Refused { .. } => "refused",
        }
    }
}

/// Why a user or row is left alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The column, where it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<String>,
    /// Stable, for programs.
    pub code: String,
    /// What is wrong, for people.
    pub message: String,
}

impl Fault {
    /// A fault of the whole row or user.
    #[must_use]
    pub fn new(code: &str, message: impl Into<String>) -> Self {
        Self { column: None, code: code.to_owned(), message: message.into() }
    }

    /// A fault of one column.
    #[must_use]
    pub fn at(column: &str, code: &str, message: impl Into<String>) -> Self {
        Self { column: Some(column.to_owned()), ..Self::new(code, message) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.column {
            Some(column) => write!(f, "{column} {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl From<FieldError> for Fault {
    fn from(error: FieldError) -> Self {
        Self::at(&error.field, error.code, error.message)
    }
}

impl Entry {
    /// The same, refused.
    #[must_use]
    pub fn refused(self, faults: Vec<Fault>) -> Self {
        Self { fate: Fate::Refused { faults }, ..self }
    }

    /// What it counts as.
    pub fn count(&self, counts: &mut Counts) {
        match &self.fate {
            Fate::Planned { item } => {
                counts.note(&item.step);
                if let Some(along) = &item.along {
                    counts.join = counts.join.saturating_add(along.join.len());
                    counts.leave = counts.leave.saturating_add(along.leave.len());
                    counts.expire = counts.expire.saturating_add(usize::from(along.expires));
                }
            }
            Fate::Unchanged => counts.unchanged = counts.unchanged.saturating_add(1),
            Fate::Refused { .. } => counts.skipped = counts.skipped.saturating_add(1),
            Fate::Created | Fate::Changed => {}
        }
    }

    /// What it is once its change is written; `user` is whom it was written of.
    #[must_use]
    pub fn written(self, user: Option<UserId>) -> Self {
        let fate = match &self.fate {
            Fate::Planned { item } if matches!(item.step, Step::Create { .. }) => Fate::Created,
            Fate::Planned { .. } => Fate::Changed,
            _ => return self,
        };
        Self { user, fate, ..self }
    }
}

/// What a preview says, and what an answer begins with: the whole of it is in the run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outline {
    /// What wants the changes.
    pub cause: Cause,
    /// How many of what.
    pub counts: Counts,
    /// SHA-256 of everything that is wanted: the same wish in the same directory is the same plan.
    pub digest: String,
    /// Why a person must approve it, if that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// The first of the users or rows.
    pub items: Vec<Entry>,
}
