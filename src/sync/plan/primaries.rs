//! Primary groups: a user's entry names one by its number, and the group's own entry does not name the user.

use std::collections::{BTreeMap, BTreeSet};

use super::Planner;
use crate::base::id::{ExternalId, GroupId};
use crate::directory::group::{Group, Member};
use crate::directory::plan::MemberRef;
use crate::store::StoreError;

impl Planner<'_> {
    /// In a reading of changes, who has the group as their primary one stays, although its entry does not name them.
    pub(super) fn without_primaries(&self, members: Vec<Member>, key: Option<&str>) -> Result<Vec<Member>, StoreError> {
        let mut gone = Vec::new();
        for member in members {
            let Member::User(id) = member else {
                gone.push(member);
                continue;
            };
            let primary = match self.groups.primary_of.get(&id) {
                Some(primary) => Some(primary.clone()),
                None => self.directory.user(id)?.and_then(|user| user.at_source?.primary_group),
            };
            if primary.as_deref() != key {
                gone.push(member);
            }
        }
        Ok(gone)
    }

    /// In a reading of changes: a user who names another primary group now joins it, and leaves the one before.
    pub(super) fn primary_changes(&mut self) -> Result<(), StoreError> {
        let by_key: BTreeMap<String, GroupId> = self
            .groups_before()?
            .values()
            .filter_map(|group| Some((group.at_source.as_ref()?.primary_key.clone()?, group.id)))
            .collect();
        let before: BTreeMap<GroupId, Group> =
            self.groups_before()?.values().map(|group| (group.id, group.clone())).collect();
        let mut joins: BTreeMap<GroupId, Vec<MemberRef>> = BTreeMap::new();
        let mut leaves: BTreeMap<GroupId, Vec<MemberRef>> = BTreeMap::new();
        for (key, members) in &self.groups.primaries {
            for member in members {
                let had = match member {
                    MemberRef::User(id) => self.directory.user(*id)?.and_then(|user| user.at_source?.primary_group),
                    _ => None,
                };
                if had.as_ref() == Some(key) {
                    continue;
                }
                if let Some(group) = by_key.get(key) {
                    joins.entry(*group).or_default().push(member.clone());
                }
                if let Some(group) = had.as_ref().and_then(|key| by_key.get(key)) {
                    leaves.entry(*group).or_default().push(member.clone());
                }
            }
        }
        let open: BTreeSet<ExternalId> = self.groups.open.iter().map(|open| open.external_id.clone()).collect();
        for (id, group) in &before {
            // Groups that are in the reading themselves are settled with all of it.
            if group.external_id.as_ref().is_some_and(|id| open.contains(id)) {
                continue;
            }
            let (add, remove) = (joins.remove(id).unwrap_or_default(), leaves.remove(id).unwrap_or_default());
            self.change_members(Some(group), None, &group.name, add, remove, "another primary group at the source");
        }
        Ok(())
    }
}
