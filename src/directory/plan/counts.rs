//! How many of what a plan changes, or a run has changed.

use serde::{Deserialize, Serialize};

use super::Step;

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
    /// Users to make tombstones of.
    #[serde(default)]
    pub remove: usize,
    /// Users who may come in now, and whose account ends within a day by a change that says no more than that.
    #[serde(default)]
    pub expire: usize,
    /// Groups to make.
    #[serde(default)]
    pub create_groups: usize,
    /// Groups to change.
    #[serde(default)]
    pub update_groups: usize,
    /// Groups to remove.
    #[serde(default)]
    pub remove_groups: usize,
    /// Memberships to add.
    #[serde(default)]
    pub join: usize,
    /// Memberships to end.
    #[serde(default)]
    pub leave: usize,
    /// Users whom another one's name or address keeps out.
    pub conflict: usize,
    /// Entries that cannot be taken.
    pub skipped: usize,
}

impl Counts {
    /// Counts one step.
    pub fn note(&mut self, step: &Step) {
        self.change(step, usize::saturating_add);
    }

    /// Counts one step no longer.
    pub fn forget(&mut self, step: &Step) {
        self.change(step, usize::saturating_sub);
    }

    fn change(&mut self, step: &Step, how: fn(usize, usize) -> usize) {
        let many = |count: &mut usize, by: usize| *count = how(*count, by);
        match step {
            Step::Create { .. } => many(&mut self.create, 1),
            Step::Update { .. } => many(&mut self.update, 1),
            Step::Enable { .. } | Step::Restore => many(&mut self.enable, 1),
            Step::Disable { .. } => many(&mut self.disable, 1),
            Step::Remove => many(&mut self.remove, 1),
            Step::Conflict { .. } => many(&mut self.conflict, 1),
            Step::CreateGroup { .. } => many(&mut self.create_groups, 1),
            Step::UpdateGroup { .. } => many(&mut self.update_groups, 1),
            Step::RemoveGroup => many(&mut self.remove_groups, 1),
            Step::Members { add, remove } => {
                many(&mut self.join, add.len());
                many(&mut self.leave, remove.len());
            }
        }
    }

    /// What both would change.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            create: self.create.saturating_add(other.create),
            update: self.update.saturating_add(other.update),
            enable: self.enable.saturating_add(other.enable),
            disable: self.disable.saturating_add(other.disable),
            remove: self.remove.saturating_add(other.remove),
            expire: self.expire.saturating_add(other.expire),
            create_groups: self.create_groups.saturating_add(other.create_groups),
            update_groups: self.update_groups.saturating_add(other.update_groups),
            remove_groups: self.remove_groups.saturating_add(other.remove_groups),
            join: self.join.saturating_add(other.join),
            leave: self.leave.saturating_add(other.leave),
            ..self
        }
    }

    /// What was read as it was, with the changes of another.
    #[must_use]
    pub fn with_changes_of(self, other: Self) -> Self {
        let Self { read, unchanged, conflict, skipped, .. } = self;
        Self { read, unchanged, conflict, skipped, ..other }
    }

    /// All changes together.
    #[must_use]
    pub fn changes(&self) -> usize {
        let Self { create, update, enable, disable, remove, .. } = *self;
        let Self { create_groups, update_groups, remove_groups, join, leave, .. } = *self;
        let of_groups = [create_groups, update_groups, remove_groups, join, leave];
        [create, update, enable, disable, remove].into_iter().chain(of_groups).fold(0, usize::saturating_add)
    }

    /// Users whom it takes out.
    #[must_use]
    pub fn lost(&self) -> usize {
        self.disable.saturating_add(self.remove).saturating_add(self.expire)
    }

    /// Is there nothing to write?
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.changes() == 0
    }
}
