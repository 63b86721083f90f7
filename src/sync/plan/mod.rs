//! What a reading of a source means for the directory: it takes the reading piece by piece and writes nothing.
//!
//! * `people`: entries that are users, new and known
//! * `wishes`: what an entry asks for of its user
//! * `names`: usernames and addresses, of which nobody has another's
//! * `groups`: groups and who is in them
//! * `primaries`: groups that users name by a number
//! * `absent`: who is not there any more

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;

use crate::base::id::{ExternalId, UserId};
use crate::directory::conflict::Conflict;
use crate::directory::plan::{Counts, PlanItem, Skipped, Step};
use crate::directory::user::User;
use crate::sources::{Extent, Piece, SkippedEntry};
use crate::store::StoreError;
use crate::sync::directory::Directory;
use crate::sync::rules::Rules;

mod absent;
mod groups;
mod names;
mod people;
mod primaries;
mod wishes;

/// A plan before the guard has looked at it.
#[derive(Debug, Default)]
pub struct Draft {
    /// The changes, in the order in which they are made.
    pub items: Vec<PlanItem>,
    /// How many of what.
    pub counts: Counts,
    /// Entries that could not be taken, or not whole.
    pub skipped: Vec<Skipped>,
    /// Active users of the source before, as far as they were looked at.
    pub active: usize,
    /// Groups of the source before, as far as they were looked at.
    pub groups: usize,
    /// Memberships that end although their users stay.
    pub memberships_lost: usize,
}

/// Most skipped entries that are kept, each with its reason; all are counted.
const SKIPPED_KEPT: usize = 1_000;

/// Plans one reading.
pub struct Planner<'a> {
    directory: Directory<'a>,
    rules: &'a Rules,
    /// When the reading began.
    began: Timestamp,
    draft: Draft,
    /// Users of the source who are there.
    met: HashSet<UserId>,
    /// Identities of which the plan makes users.
    made: HashSet<ExternalId>,
    /// Entries without an identity.
    nameless: usize,
    names: names::Names,
    groups: groups::Groups,
    /// The inbox as it was, and which of its entries are in conflict no more.
    inbox: BTreeMap<ExternalId, Conflict>,
    resolved: Vec<ExternalId>,
    /// Entries of the inbox that were met, each with its name.
    waiting: BTreeMap<ExternalId, String>,
}

impl<'a> Planner<'a> {
    /// A plan of a reading that began at `began`.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn new(directory: Directory<'a>, rules: &'a Rules, began: Timestamp) -> Result<Self, StoreError> {
        let inbox = directory.conflicts()?.into_iter().map(|conflict| (conflict.external_id.clone(), conflict));
        Ok(Self {
            directory,
            rules,
            began,
            draft: Draft::default(),
            met: HashSet::new(),
            made: HashSet::new(),
            nameless: 0,
            names: names::Names::default(),
            groups: groups::Groups::new(rules.groups),
            inbox: inbox.collect(),
            resolved: Vec::new(),
            waiting: BTreeMap::new(),
        })
    }

    /// Takes the next pieces of the reading.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn take(&mut self, pieces: Vec<Piece>) -> Result<(), StoreError> {
        let identities = pieces.iter().filter_map(|piece| match piece {
            Piece::User(entry) => Some(&entry.external_id),
            _ => None,
        });
        let ids: Vec<&ExternalId> = identities.collect();
        let mut known = self.directory.known(&ids)?.into_iter();
        for piece in pieces {
            match piece {
                Piece::User(entry) => {
                    self.draft.counts.read = self.draft.counts.read.saturating_add(1);
                    self.person(*entry, known.next().flatten())?;
                }
                Piece::Group(entry) => {
                    self.settle_names()?;
                    self.group(*entry)?;
                }
                Piece::Skipped(entry) => self.skipped_entry(entry)?,
                Piece::Gone(id) => self.gone(&id)?,
            }
        }
        Ok(())
    }

    /// The changes that are certain by now; they leave the plan. Conflicts stay: they are no changes.
    pub fn drain(&mut self) -> Vec<PlanItem> {
        let items = std::mem::take(&mut self.draft.items);
        let (conflicts, changes) = items.into_iter().partition(|item| matches!(item.step, Step::Conflict { .. }));
        self.draft.items = conflicts;
        self.count(changes)
    }

    fn count(&mut self, items: Vec<PlanItem>) -> Vec<PlanItem> {
        self.draft.counts = items.iter().fold(self.draft.counts, |mut counts, item| {
            counts.note(&item.step);
            counts
        });
        items
    }

    /// Ends the plan of a reading that came to its end. Gives the identities of the inbox that are in conflict no more.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn finish(mut self, extent: Extent) -> Result<(Draft, Vec<ExternalId>), StoreError> {
        self.settle_names()?;
        if extent == Extent::Everything {
            self.absent()?;
        }
        if extent == Extent::Changes {
            self.primary_changes()?;
        }
        self.settle_groups(extent)?;
        let items = std::mem::take(&mut self.draft.items);
        self.draft.items = self.count(items);
        if extent == Extent::Everything {
            let met: HashSet<&ExternalId> = self.conflicting().collect();
            let gone = self.inbox.iter().filter(|(id, conflict)| conflict.is_open() && !met.contains(id));
            let gone: Vec<ExternalId> = gone.map(|(id, _)| id.clone()).collect();
            self.resolved.extend(gone);
        }
        Ok((self.draft, self.resolved))
    }

    /// Ends the plan of a reading that did not come to its end: nothing more follows from it.
    #[must_use]
    pub fn give_up(mut self) -> Draft {
        drop(self.drain());
        self.draft
    }

    fn conflicting(&self) -> impl Iterator<Item = &ExternalId> {
        let conflicts = self.draft.items.iter().filter(|item| matches!(item.step, Step::Conflict { .. }));
        conflicts.filter_map(|item| item.external_id.as_ref())
    }

    /// An entry that could not be read counts as present; without an identity nobody can be told to be absent.
    fn skipped_entry(&mut self, entry: SkippedEntry) -> Result<(), StoreError> {
        self.draft.counts.read = self.draft.counts.read.saturating_add(1);
        match &entry.external_id {
            Some(id) => self.present(id)?,
            None => self.nameless = self.nameless.saturating_add(1),
        }
        self.draft.skip(entry.label, entry.problem);
        Ok(())
    }

    /// An entry that is there, and of which nothing more is said.
    fn present(&mut self, id: &ExternalId) -> Result<(), StoreError> {
        if let Some(known) = self.directory.known(&[id])?.into_iter().flatten().next() {
            self.met.insert(known.id);
        }
        self.group_is_there(id)
    }
}

impl Draft {
    fn skip(&mut self, label: String, problem: String) {
        self.counts.skipped = self.counts.skipped.saturating_add(1);
        if self.skipped.len() < SKIPPED_KEPT {
            self.skipped.push(Skipped { label, problem });
        }
    }

    fn unchanged(&mut self) {
        self.counts.unchanged = self.counts.unchanged.saturating_add(1);
    }

    fn count_active(&mut self, user: &User) {
        self.active = self.active.saturating_add(usize::from(user.is_active()));
    }
}

/// A change of a user that is there.
fn of_user(user: &User, step: Step, reason: impl Into<String>) -> PlanItem {
    PlanItem {
        label: user.username.as_str().to_owned(),
        user: Some(user.id),
        group: None,
        external_id: user.external_id.clone(),
        revision: Some(user.revision),
        quiet_since: None,
        step,
        along: None,
        reason: reason.into(),
    }
}
