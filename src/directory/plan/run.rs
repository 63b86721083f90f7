//! Runs: what a pass, a sweep, a bulk change or an import came to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Cause, Counts, PlanItem};
use crate::base::id::{PlanId, RunId};
use crate::directory::audit::Actor;

/// One pass of a source, one sweep, one bulk change or import.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its name.
    pub id: RunId,
    /// What ran.
    pub cause: Cause,
    /// When it began.
    pub started_at: Timestamp,
    /// When it ended; while it is under way, when it began.
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
    /// Who began it, where it is a bulk change or an import: they follow it themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Actor>,
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

impl Skipped {
    /// Most characters of each of its texts in a record.
    pub const TEXT_MAX: usize = 1_000;

    /// One of a length that a thousand of them may have.
    #[must_use]
    pub fn shortened(self) -> Self {
        let cut = |text: String| match text.char_indices().nth(Self::TEXT_MAX) {
            Some((end, _)) => format!("{}\u{2026}", text.get(..end).unwrap_or_default()),
            None => text,
        };
        Self { label: cut(self.label), problem: cut(self.problem) }
    }
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Outcome {
    /// A bulk change or an import is under way.
    Running,
    /// Its changes, if any, were written.
    Applied,
    /// It would have changed too much: the plan waits for a person.
    Held {
        /// The plan.
        plan: PlanId,
        /// Why.
        why: String,
    },
    /// It could not be read to its end, or not be taken; nothing was changed.
    Failed {
        /// Why.
        why: String,
    },
}
