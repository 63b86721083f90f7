//! What becomes of each user or row. Writes nothing: what is refused here, the store would refuse too.

use std::collections::HashMap;

use data_encoding::HEXLOWER;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::administrators::Administrators;
use super::listed::Listed;
use super::wish::{Gate, GroupWish, To, Wish};
use crate::base::clock::plus;
use crate::base::id::{GroupId, UserId};
use crate::directory::audit::Actor;
use crate::directory::field::{Email, Username};
use crate::directory::group::Member;
use crate::directory::plan::{Along, Counts, Entry, Fate, Fault, PlanItem, Step};
use crate::directory::policy::UserDefaults;
use crate::directory::user::{DisabledReason, NewUser, RuleError, User, UserChange};
use crate::store::pages::{PAGE, Packed, Page};
use crate::store::passwords::NewPassword;
use crate::store::runs::GUARDED;
use crate::store::tx::Reads;
use crate::store::{StoreError, groups, tally, users};

/// A plan before the guard has looked at it.
pub struct Draft {
    /// Its pages.
    pub pages: Vec<Packed>,
    /// How many of what.
    pub counts: Counts,
    /// SHA-256 of everything that is wanted but for passwords, in hexadecimal.
    pub digest: String,
    /// Does it set passwords? Those of two plans of one digest may differ.
    pub sets_passwords: bool,
    /// Active users of the directory before.
    pub active: usize,
    /// The first of the users or rows.
    pub listed: Listed,
}

/// Makes a plan, one user or row at a time.
pub struct Planner<'a> {
    reads: &'a dyn Reads,
    gate: &'a dyn Gate,
    defaults: &'a UserDefaults,
    now: Timestamp,
    reason: String,
    administrators: Administrators,
    /// Usernames and addresses that this plan gives, each with the line that has it.
    claims: HashMap<String, u64>,
    /// Users whom it is about, each with the line that is.
    met: HashMap<UserId, u64>,
    /// Which groups are musterd's own.
    own_groups: HashMap<GroupId, bool>,
    pages: Vec<Packed>,
    page: Page,
    counts: Counts,
    digest: Sha256,
    sets_passwords: bool,
    listed: Listed,
}

impl<'a> Planner<'a> {
    /// A plan of what somebody wants at `now`, for this reason.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn new(
        reads: &'a dyn Reads,
        gate: &'a dyn Gate,
        defaults: &'a UserDefaults,
        reason: String,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        Ok(Self {
            reads,
            gate,
            defaults,
            now,
            reason,
            administrators: Administrators::read(reads, now)?,
            claims: HashMap::new(),
            met: HashMap::new(),
            own_groups: HashMap::new(),
            pages: Vec::new(),
            page: Page::default(),
            counts: Counts::default(),
            digest: Sha256::new(),
            sets_passwords: false,
            listed: Listed::default(),
        })
    }

    /// A user or row that cannot be taken.
    ///
    /// # Errors
    /// When it cannot be encoded.
    pub fn refuse(
        &mut self,
        line: Option<u64>,
        label: &str,
        user: Option<UserId>,
        faults: Vec<Fault>,
    ) -> Result<(), StoreError> {
        let entry = Entry { line, label: label.to_owned(), user, fate: Fate::Refused { faults } };
        self.push(entry, None)
    }

    /// Notes that a line is about a user, of whom no other line of the file may be.
    ///
    /// # Errors
    /// Which line is about them already.
    pub fn meet(&mut self, user: UserId, line: u64) -> Result<(), Fault> {
        match self.met.insert(user, line) {
            None => Ok(()),
            Some(first) => Err(Fault::new("twice_in_file", format!("the user stands in line {first} already"))),
        }
    }

    /// What is wanted of a user who is there.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn change(&mut self, line: Option<u64>, user: &User, wish: Wish) -> Result<(), StoreError> {
        let unchanged =
            Entry { line, label: user.username.as_str().to_owned(), user: Some(user.id), fate: Fate::Unchanged };
        let Wish { change, to, groups: wanted, password } = wish;
        if to == Some(To::Removed) && user.is_removed() {
            return self.push(unchanged, None);
        }
        let change = change.differing_from(user);
        let to = to.filter(|to| !is_in(user, *to));
        let (join, leave) = self.memberships(user.id, wanted)?;
        if change.is_nothing() && to.is_none() && join.is_empty() && leave.is_empty() && password.is_none() {
            return self.push(unchanged, None);
        }
        let mut faults = Vec::new();
        if change.email == Some(None) && user.source.is_local() {
            faults.push(Fault::at("email", "required", "must not be taken from a local user"));
        }
        let kept = change.kept.clone().unwrap_or_else(|| user.kept.clone());
        let owned = user.owned_by_source(|attribute| change.writes(attribute), &kept);
        faults.extend(owned.into_iter().map(Fault::from));
        let names = (change.username.as_ref(), change.email.as_ref().and_then(Option::as_ref));
        faults.extend(self.clashes(line, Some(user.id), names)?);
        let expires = to.is_none() && self.expires(user, &change);
        let along = Along { join, leave, password: password.as_ref().map(|(_, must_change)| *must_change), expires };
        let shows = change.clone().apply(user.clone()).changes_from(Some(user));
        let change = Box::new(change);
        let after = after(user, &change, to, self.now, self.defaults);
        let step = match to {
            None => Step::Update { change, shows },
            Some(To::Enabled) => Step::Enable { change, restore: false },
            Some(To::Disabled) => Step::Disable { reason: DisabledReason::Admin, change },
            Some(To::Removed) => Step::Remove,
        };
        let item = PlanItem {
            revision: Some(user.revision),
            external_id: None,
            along: (along != Along::default()).then(|| Box::new(along)),
            ..PlanItem::of_user(user, step, self.reason.clone())
        };
        faults.extend(self.gate.refuses(Some(user), &item)?);
        match after {
            Err(error) => faults.push(fault_of_rule(&error)),
            Ok(after) if faults.is_empty() && !self.administrators.take(self.reads, &after)? => {
                faults.push(fault_of_rule(&RuleError::LastAdministrator));
            }
            Ok(_) => {}
        }
        let fate = Fate::Planned { item: Box::new(item) };
        self.planned(Entry { fate, ..unchanged }, faults, password.map(|(password, _)| password))
    }

    /// A user who is to be made.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn create(&mut self, line: Option<u64>, new: NewUser, wish: Wish) -> Result<(), StoreError> {
        let label = new.username.as_str().to_owned();
        let email = new.rest.email.as_ref().and_then(Option::as_ref);
        let mut faults = self.clashes(line, None, (Some(&new.username), email))?;
        let made = new.clone().build(Actor::Anonymous, self.now, self.defaults.lifetime);
        let Wish { groups: wanted, password, .. } = wish;
        let join = match wanted {
            Some(GroupWish::Exactly(groups) | GroupWish::Change { join: groups, .. }) => groups,
            None => Vec::new(),
        };
        let password_wish = password.as_ref().map(|(_, must_change)| *must_change);
        let along = Along { join, password: password_wish, ..Along::default() };
        let NewUser { username, name, rest, disabled, .. } = new;
        let item = PlanItem {
            label: label.clone(),
            user: None,
            group: None,
            external_id: None,
            revision: None,
            quiet_since: None,
            step: Step::Create { external_id: None, username, name, rest: Box::new(rest), disabled },
            along: (along != Along::default()).then(|| Box::new(along)),
            reason: self.reason.clone(),
        };
        faults.extend(self.gate.refuses(None, &item)?);
        if faults.is_empty() {
            self.administrators.take(self.reads, &made)?;
        }
        let entry = Entry { line, label, user: None, fate: Fate::Planned { item: Box::new(item) } };
        self.planned(entry, faults, password.map(|(password, _)| password))
    }

    /// A step of its own: one that takes something back.
    ///
    /// # Errors
    /// When the store cannot read.
    pub(super) fn step(&mut self, item: PlanItem) -> Result<(), StoreError> {
        let user = item.user.map(|id| users::get(self.reads, id)).transpose()?.flatten();
        let faults: Vec<Fault> = self.gate.refuses(user.as_ref(), &item)?.into_iter().collect();
        let expires = match (&user, &item.step) {
            (Some(user), Step::Update { change, .. }) => self.expires(user, change),
            _ => false,
        };
        let along = expires.then(|| Box::new(Along { expires, ..Along::default() }));
        let item = PlanItem { along, ..item };
        let (label, user) = (item.label.clone(), item.user);
        self.planned(Entry { line: None, label, user, fate: Fate::Planned { item: Box::new(item) } }, faults, None)
    }

    /// Does the change take out who may come in now, and within the time for which the guard counts?
    fn expires(&self, user: &User, change: &UserChange) -> bool {
        let is_nearer = |end: Timestamp| user.expires_at.is_none_or(|before| end < before);
        let end = change.expires_at.flatten().filter(|end| is_nearer(*end));
        user.is_valid(self.now) && end.is_some_and(|end| end <= plus(self.now, GUARDED))
    }

    fn planned(&mut self, entry: Entry, faults: Vec<Fault>, password: Option<NewPassword>) -> Result<(), StoreError> {
        match faults.is_empty() {
            true => self.push(entry, password),
            false => self.push(entry.refused(faults), None),
        }
    }

    fn push(&mut self, entry: Entry, password: Option<NewPassword>) -> Result<(), StoreError> {
        self.counts.read = self.counts.read.saturating_add(1);
        entry.count(&mut self.counts);
        let wish = serde_json::to_vec(&entry).map_err(|error| StoreError::Record(error.to_string()))?;
        self.digest.update(wish);
        self.listed.note(&entry);
        if let Some(password) = password {
            self.sets_passwords = true;
            self.page.passwords.insert(self.page.entries.len(), password);
        }
        self.page.entries.push(entry);
        if self.page.entries.len() >= PAGE {
            let page = std::mem::take(&mut self.page);
            self.pages.push(Packed::of(&page)?);
        }
        Ok(())
    }

    /// Names that somebody else has, here or in another row: a username must not be another one's address either.
    fn clashes(
        &mut self,
        line: Option<u64>,
        own: Option<UserId>,
        (username, email): (Option<&Username>, Option<&Email>),
    ) -> Result<Vec<Fault>, StoreError> {
        let mut faults = Vec::new();
        let username = username.map(|name| ("username", name.as_str(), name.folded()));
        let email = email.map(|email| ("email", email.as_str(), email.folded()));
        for (field, text, folded) in [username, email].into_iter().flatten() {
            let holders = [users::by_username(self.reads, text)?, holder_of_address(self.reads, text)?];
            if holders.into_iter().flatten().any(|holder| Some(holder.id) != own) {
                let message = "is already taken (upper and lower case do not differ)";
                faults.push(Fault::at(field, &format!("{field}_taken"), message));
            }
            let line = line.unwrap_or_default();
            let first = *self.claims.entry(folded).or_insert(line);
            if first != line {
                let message = format!("stands in line {first} already");
                faults.push(Fault::at(field, "twice_in_file", message));
            }
        }
        Ok(faults)
    }

    /// What to join and what to leave, of groups of musterd's own.
    fn memberships(
        &mut self,
        user: UserId,
        wanted: Option<GroupWish>,
    ) -> Result<(Vec<GroupId>, Vec<GroupId>), StoreError> {
        let Some(wanted) = wanted else { return Ok(Default::default()) };
        let direct = groups::direct_groups(self.reads, Member::User(user))?;
        let (mut join, mut leave) = match wanted {
            GroupWish::Change { join, leave } => {
                (join, leave.into_iter().filter(|group| direct.contains(group)).collect())
            }
            GroupWish::Exactly(wanted) => {
                let mut leave = Vec::new();
                for group in direct.iter().filter(|group| !wanted.contains(group)) {
                    if self.is_own(*group)? {
                        leave.push(*group);
                    }
                }
                (wanted, leave)
            }
        };
        join.retain(|group| !direct.contains(group) && !leave.contains(group));
        for list in [&mut join, &mut leave] {
            list.sort_unstable();
            list.dedup();
        }
        Ok((join, leave))
    }

    fn is_own(&mut self, id: GroupId) -> Result<bool, StoreError> {
        if let Some(own) = self.own_groups.get(&id) {
            return Ok(*own);
        }
        let own = groups::get(self.reads, id)?.is_some_and(|group| group.source.is_local());
        self.own_groups.insert(id, own);
        Ok(own)
    }

    /// The plan.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn finish(mut self) -> Result<Draft, StoreError> {
        if !self.page.entries.is_empty() {
            self.pages.push(Packed::of(&self.page)?);
        }
        let Self { pages, counts, digest, sets_passwords, listed, .. } = self;
        let active = usize::try_from(tally::total(self.reads)?.active).unwrap_or(usize::MAX);
        Ok(Draft { pages, counts, digest: HEXLOWER.encode(&digest.finalize()), sets_passwords, active, listed })
    }
}

/// No username is without an at sign where an address is asked for: most look-ups need no second one.
fn holder_of_address(reads: &dyn Reads, text: &str) -> Result<Option<User>, StoreError> {
    if text.contains('@') { users::by_email(reads, text) } else { Ok(None) }
}

/// Is the user so already? An expired one who is active is not enabled by that.
fn is_in(user: &User, to: To) -> bool {
    match to {
        To::Enabled => user.is_active(),
        To::Disabled => !user.is_active() && !user.is_removed(),
        To::Removed => user.is_removed(),
    }
}

/// The user as the wish makes them.
fn after(
    user: &User,
    change: &UserChange,
    to: Option<To>,
    now: Timestamp,
    defaults: &UserDefaults,
) -> Result<User, RuleError> {
    if user.is_removed() {
        return Err(RuleError::WrongState { state: "removed", hint: "restore it first" });
    }
    let by = Actor::Anonymous;
    let changed = change.clone().apply(user.clone());
    match to {
        None => Ok(changed),
        Some(To::Enabled) => changed.enable(now),
        Some(To::Disabled) => changed.disable(DisabledReason::Admin, by, now),
        Some(To::Removed) => Ok(user.clone().remove(by, now, defaults.retention)),
    }
}

/// A rule's refusal with the code that the API has for it.
pub(super) fn fault_of_rule(error: &RuleError) -> Fault {
    let code = match error {
        RuleError::Invalid(_) => "invalid_fields",
        RuleError::WrongState { .. } => "wrong_state",
        RuleError::LastAdministrator => "last_administrator",
    };
    Fault::new(code, error.to_string())
}
