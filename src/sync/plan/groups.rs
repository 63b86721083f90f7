//! Groups of the source and who is in them. Members are named by entries or logins; a name that leads to nobody stays
//! out until a later reading knows it, and that is no fault. Groups may hold each other in circles.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::Planner;
use crate::base::id::{ExternalId, UserId};
use crate::directory::audit::Change;
use crate::directory::dn::{self, EntryKey};
use crate::directory::field::{Description, DisplayName};
use crate::directory::grant::Gives;
use crate::directory::group::{Group, GroupAtSource, GroupChange, Member};
use crate::directory::plan::{MemberRef, PlanItem, Step};
use crate::sources::{Extent, MemberName, PulledGroup, PulledUser};
use crate::store::StoreError;

/// Members of one item: each is a commit and an audit line of its own.
const MEMBERS: usize = 1_000;

/// The groups of one reading.
#[derive(Default)]
pub(super) struct Groups {
    /// The source's groups as they were, once somebody asks.
    before: Option<BTreeMap<ExternalId, Group>>,
    /// Groups that are there.
    met: BTreeSet<ExternalId>,
    /// Names that are given in this reading, folded.
    names: BTreeMap<String, ExternalId>,
    /// Who has which name of an entry in this reading.
    entries: HashMap<EntryKey, MemberRef>,
    /// Who has which login name in this reading, folded.
    logins: HashMap<String, MemberRef>,
    /// Who names which primary group.
    pub(super) primaries: BTreeMap<String, Vec<MemberRef>>,
    /// The primary group that a user who is there already names in this reading.
    pub(super) primary_of: HashMap<UserId, String>,
    /// Groups whose members are settled when all groups are known.
    pub(super) open: Vec<Open>,
    wanted: bool,
}

/// A group whose attributes are planned, and whose members are not.
pub(super) struct Open {
    pub(super) external_id: ExternalId,
    label: String,
    name: String,
    /// The group, where it is there already.
    group: Option<Group>,
    members: Vec<MemberName>,
    primary_key: Option<String>,
}

impl Groups {
    /// `wanted`: the source's groups are read too.
    pub(super) fn new(wanted: bool) -> Self {
        Self { wanted, ..Self::default() }
    }

    /// Notes where a user of this reading is found by groups.
    pub(super) fn place(&mut self, entry: &PulledUser, member: &MemberRef) {
        if !self.wanted {
            return;
        }
        if let Some(key) = &entry.primary_group {
            self.primaries.entry(key.clone()).or_default().push(member.clone());
            if let MemberRef::User(id) = member {
                self.primary_of.insert(*id, key.clone());
            }
        }
        // Whoever is there already is found through the directory, unless the entry's name is new; that costs a read
        // of the record to know, and this costs a few bytes.
        self.entries.insert(dn::key(&entry.label), member.clone());
        self.logins.insert(crate::base::text::fold(&entry.username), member.clone());
    }
}

impl Planner<'_> {
    pub(super) fn groups_before(&mut self) -> Result<&BTreeMap<ExternalId, Group>, StoreError> {
        let before = match self.groups.before.take() {
            Some(before) => before,
            None => {
                let groups = self.directory.groups()?.into_iter();
                groups.filter_map(|group| Some((group.external_id.clone()?, group))).collect()
            }
        };
        Ok(self.groups.before.insert(before))
    }

    pub(super) fn group_is_there(&mut self, id: &ExternalId) -> Result<(), StoreError> {
        if self.groups_before()?.contains_key(id) {
            self.groups.met.insert(id.clone());
        }
        Ok(())
    }

    /// One entry that is a group: its attributes now, its members when all groups are known.
    pub(super) fn group(&mut self, entry: PulledGroup) -> Result<(), StoreError> {
        self.draft.counts.read = self.draft.counts.read.saturating_add(1);
        let known = self.groups_before()?.get(&entry.external_id).cloned();
        if !self.groups.met.insert(entry.external_id.clone()) {
            let problem = "another group has the same identifier: check group_id_attribute";
            self.draft.skip(entry.label, problem.to_owned());
            return Ok(());
        }
        let Some(name) = self.group_name(&entry)? else { return Ok(()) };
        let description = entry
            .description
            .clone()
            .map(|said| Description::parse(&said.unwrap_or_default()).map_err(|fault| fault.to_string()));
        let description = match description.transpose() {
            Ok(description) => description,
            Err(fault) => {
                self.draft.skip(entry.label.clone(), format!("{fault}; it is left as it is"));
                None
            }
        };
        let at_source = GroupAtSource { entry: entry.label.clone(), primary_key: entry.primary_key.clone() };
        let member = match &known {
            Some(group) => MemberRef::Group(group.id),
            None => MemberRef::NewGroup(entry.external_id.clone()),
        };
        self.groups.entries.insert(dn::key(&entry.label), member);
        match &known {
            Some(group) => self.change_group(group, name, description, at_source),
            None => self.make_group(&entry, name, description, at_source),
        }
        self.groups.open.push(Open {
            external_id: entry.external_id,
            label: entry.label,
            name: entry.name,
            group: known,
            members: entry.members,
            primary_key: entry.primary_key,
        });
        Ok(())
    }

    /// The name that the group gets: two groups of one source with one name are told apart by where they are.
    fn group_name(&mut self, entry: &PulledGroup) -> Result<Option<DisplayName>, StoreError> {
        let place = entry.label.split(',').nth(1).and_then(|rdn| rdn.split('=').nth(1)).unwrap_or(&entry.label);
        let with_place = format!("{} ({place})", entry.name);
        for text in [entry.name.as_str(), with_place.as_str()] {
            let name = match DisplayName::parse(text) {
                Ok(name) => name,
                Err(fault) => {
                    self.draft.skip(entry.label.clone(), fault.to_string());
                    return Ok(None);
                }
            };
            let folded = name.folded();
            let held = self.groups_before()?.values().find(|group| group.name.folded() == folded);
            // A group that is not met may be gone, or may have another name by now: only the end can tell.
            let held = held.filter(|group| group.external_id.as_ref() != Some(&entry.external_id));
            if held.is_none() && !self.groups.names.contains_key(&folded) {
                self.groups.names.insert(folded, entry.external_id.clone());
                return Ok(Some(name));
            }
        }
        self.draft.skip(entry.label.clone(), format!("another group of the source has the name {}", entry.name));
        Ok(None)
    }

    fn change_group(
        &mut self,
        group: &Group,
        name: DisplayName,
        description: Option<Description>,
        at_source: GroupAtSource,
    ) {
        let mut shows = Vec::new();
        let mut differs = |attribute: &str, old: &str, new: &str| {
            if old != new {
                shows.push(Change { attribute: attribute.to_owned(), old: old.into(), new: new.into() });
            }
            old != new
        };
        let name = Some(name).filter(|name| differs("name", group.name.as_str(), name.as_str()));
        let description = description.filter(|new| differs("description", group.description.as_str(), new.as_str()));
        let at_source = Some(at_source).filter(|new| group.at_source.as_ref() != Some(new));
        if let Some(at) = &at_source {
            let had = group.at_source.as_ref().map(|at| at.entry.as_str()).unwrap_or_default();
            differs("entry", had, &at.entry);
        }
        let change = GroupChange { name, description, at_source };
        if change != GroupChange::default() {
            let step = Step::UpdateGroup { change: Box::new(change), shows };
            self.draft.items.push(of_group(group, step, "changed at the source"));
        }
    }

    fn make_group(
        &mut self,
        entry: &PulledGroup,
        name: DisplayName,
        description: Option<Description>,
        at_source: GroupAtSource,
    ) {
        let external_id = entry.external_id.clone();
        let rest = GroupChange { name: None, description, at_source: Some(at_source) };
        let label = format!("group {}", name.as_str());
        let step = Step::CreateGroup { external_id, name, rest: Box::new(rest), again: None };
        self.draft.items.push(new_group(label, &entry.external_id, step, "new at the source"));
    }

    /// Plans who joins and who leaves, and which groups are gone.
    pub(super) fn settle_groups(&mut self, extent: Extent) -> Result<(), StoreError> {
        if !self.groups.wanted {
            return Ok(());
        }
        for open in std::mem::take(&mut self.groups.open) {
            self.grant_groups(&open)?;
            self.members(open, extent)?;
        }
        let before: Vec<Group> = self.groups_before()?.values().cloned().collect();
        self.draft.groups = before.len();
        if extent == Extent::Everything && self.nameless == 0 {
            let gone = before.into_iter().filter(|group| {
                group.created_at <= self.began
                    && group.external_id.as_ref().is_some_and(|id| !self.groups.met.contains(id))
            });
            for group in gone.collect::<Vec<_>>() {
                self.group_is_gone(&group, "a complete reading of the source did not have the group")?;
            }
        }
        Ok(())
    }

    /// A group of musterd's own that has the members of this one, where a rule says so.
    fn grant_groups(&mut self, open: &Open) -> Result<(), StoreError> {
        let name = open.group.as_ref().map(|group| group.name.as_str()).unwrap_or_default();
        for rule in &self.rules.grants {
            let Gives::Group(own) = &rule.gives else { continue };
            let is_about = rule.is_about(name, Some(&open.label)) || rule.is_about(&open.name, None);
            let Some(group) = self.directory.own_group(own)?.filter(|_| is_about) else { continue };
            let member = match &open.group {
                Some(member) if self.directory.members_of(group.id)?.contains(&Member::Group(member.id)) => continue,
                Some(member) => MemberRef::Group(member.id),
                None => MemberRef::NewGroup(open.external_id.clone()),
            };
            let step = Step::Members { add: vec![member], remove: Vec::new() };
            let item = of_group(&group, step, "the settings say so (group_grants)");
            self.draft.items.push(PlanItem { revision: None, external_id: None, ..item });
        }
        Ok(())
    }

    /// A group that the source has no more: its members leave it, and it goes.
    pub(super) fn group_is_gone(&mut self, group: &Group, reason: &str) -> Result<(), StoreError> {
        let members = self.directory.members_of(group.id)?;
        self.note_lost(&members.iter().copied().collect::<Vec<_>>())?;
        let members: Vec<MemberRef> = members.into_iter().map(MemberRef::from).collect();
        self.change_members(Some(group), None, &group.name, Vec::new(), members, reason);
        let item = of_group(group, Step::RemoveGroup, reason);
        // The members left it before: it is at another revision then.
        self.draft.items.push(PlanItem { revision: None, ..item });
        Ok(())
    }

    /// Was the group in this reading?
    pub(super) fn group_is_met(&self, id: &ExternalId) -> bool {
        self.groups.met.contains(id)
    }

    /// The group of this identity, as it was.
    pub(super) fn group_before(&mut self, id: &ExternalId) -> Result<Option<Group>, StoreError> {
        Ok(self.groups_before()?.get(id).cloned())
    }

    fn members(&mut self, open: Open, extent: Extent) -> Result<(), StoreError> {
        let Open { external_id, label, group, members, primary_key, .. } = open;
        let mut wanted = self.find(&members)?;
        if let Some(key) = &primary_key {
            wanted.extend(self.groups.primaries.get(key).into_iter().flatten().cloned());
        }
        let has = match &group {
            Some(group) => self.directory.members_of(group.id)?,
            None => BTreeSet::new(),
        };
        let own = group.as_ref().map(|group| MemberRef::Group(group.id));
        let add: Vec<MemberRef> =
            wanted.iter().filter(|member| Some(*member) != own.as_ref() && !is_in(&has, member)).cloned().collect();
        let mut gone: Vec<Member> =
            has.into_iter().filter(|member| !wanted.contains(&MemberRef::from(*member))).collect();
        if extent == Extent::Changes && primary_key.is_some() {
            gone = self.without_primaries(gone, primary_key.as_deref())?;
        }
        self.note_lost(&gone)?;
        let remove = gone.into_iter().map(MemberRef::from).collect();
        let name = DisplayName::parse(&label).ok();
        let name = group.as_ref().map(|group| group.name.clone()).or(name);
        if let Some(name) = name {
            self.change_members(group.as_ref(), Some(&external_id), &name, add, remove, "changed at the source");
        }
        Ok(())
    }

    /// The members that are found, each once.
    fn find(&mut self, members: &[MemberName]) -> Result<BTreeSet<MemberRef>, StoreError> {
        let mut found = BTreeSet::new();
        let mut unknown = Vec::new();
        for member in members {
            match member {
                MemberName::Entry(entry) => {
                    let key = dn::key(entry);
                    match self.groups.entries.get(&key) {
                        Some(member) => drop(found.insert(member.clone())),
                        None => unknown.push(key),
                    }
                }
                MemberName::Login(login) => match self.groups.logins.get(&crate::base::text::fold(login)) {
                    Some(member) => drop(found.insert(member.clone())),
                    None => found.extend(self.directory.by_login(login)?.map(MemberRef::User)),
                },
            }
        }
        found.extend(self.directory.members(&unknown)?.into_iter().flatten().map(MemberRef::from));
        Ok(found)
    }

    /// Counts the memberships that end although their users stay: those are what a person must know of.
    fn note_lost(&mut self, members: &[Member]) -> Result<(), StoreError> {
        for member in members {
            let stays = match member {
                Member::User(id) => {
                    self.met.contains(id) || self.directory.user(*id)?.is_some_and(|user| user.is_active())
                }
                Member::Group(_) => true,
            };
            self.draft.memberships_lost = self.draft.memberships_lost.saturating_add(usize::from(stays));
        }
        Ok(())
    }

    pub(super) fn change_members(
        &mut self,
        group: Option<&Group>,
        external_id: Option<&ExternalId>,
        name: &DisplayName,
        add: Vec<MemberRef>,
        remove: Vec<MemberRef>,
        reason: &str,
    ) {
        let pieces = remove
            .chunks(MEMBERS)
            .map(|remove| (Vec::new(), remove.to_vec()))
            .chain(add.chunks(MEMBERS).map(|add| (add.to_vec(), Vec::new())));
        for (add, remove) in pieces {
            let step = Step::Members { add, remove };
            let item = match (group, external_id) {
                (Some(group), _) => PlanItem { revision: None, ..of_group(group, step, reason) },
                (None, Some(id)) => new_group(format!("group {}", name.as_str()), id, step, reason),
                (None, None) => return,
            };
            self.draft.items.push(item);
        }
    }
}

fn is_in(has: &BTreeSet<Member>, member: &MemberRef) -> bool {
    match member {
        MemberRef::User(id) => has.contains(&Member::User(*id)),
        MemberRef::Group(id) => has.contains(&Member::Group(*id)),
        MemberRef::NewUser(_) | MemberRef::NewGroup(_) => false,
    }
}

fn of_group(group: &Group, step: Step, reason: &str) -> PlanItem {
    PlanItem {
        label: format!("group {}", group.name.as_str()),
        user: None,
        group: Some(group.id),
        external_id: group.external_id.clone(),
        revision: Some(group.revision),
        quiet_since: None,
        step,
        along: None,
        reason: reason.to_owned(),
    }
}

fn new_group(label: String, external_id: &ExternalId, step: Step, reason: &str) -> PlanItem {
    PlanItem {
        label,
        user: None,
        group: None,
        external_id: Some(external_id.clone()),
        revision: None,
        quiet_since: None,
        step,
        along: None,
        reason: reason.to_owned(),
    }
}
