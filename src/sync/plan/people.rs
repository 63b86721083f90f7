//! Entries that are users: who is new, what changed, who was disabled at the source and who came back.

use super::names::{Parsed, Waiting};
use super::{Planner, of_user};
use crate::directory::audit::{Actor, Change};
use crate::directory::conflict::{ConflictRule, Decision};
use crate::directory::field::{Description, DisplayName, Email, Phone, Username};
use crate::directory::plan::{Claim, MemberRef, PlanItem, Step};
use crate::directory::user::{AtSource, Disabled, DisabledReason, Fingerprint, Prints, State, User, UserChange};
use crate::sources::PulledUser;
use crate::store::StoreError;
use crate::store::users::Known;

impl Planner<'_> {
    /// One entry that is a user.
    pub(super) fn person(&mut self, entry: PulledUser, known: Option<Known>) -> Result<(), StoreError> {
        if self.was_looked_up(&entry) {
            return Ok(());
        }
        let is_twin = match &known {
            Some(known) => !self.met.insert(known.id),
            None => self.made.contains(&entry.external_id),
        };
        if is_twin {
            self.twin(entry);
            return Ok(());
        }
        if let Some(known) = &known
            && fingerprint(&entry) == Some(known.fingerprint)
        {
            self.draft.active = self.draft.active.saturating_add(1);
            self.draft.unchanged();
            self.groups.place(&entry, &MemberRef::User(known.id));
            self.resolve(&entry);
            return Ok(());
        }
        let user = known.map(|known| self.directory.user(known.id)).transpose()?.flatten();
        let parsed = self.parse(&entry);
        match (user, parsed) {
            (None, Some(parsed)) => self.newcomer(entry, parsed, true),
            (Some(user), Some(parsed)) => self.acquaintance(entry, parsed, user, true),
            // Whatever else is wrong with it: whom the source disabled does not stay in.
            (Some(user), None) => {
                self.draft.count_active(&user);
                if let Some(why) = entry.disabled.filter(|_| user.is_active()) {
                    let step = Step::disable(DisabledReason::Source);
                    self.draft.items.push(of_user(&user, step, format!("disabled at the source: {why}")));
                }
                Ok(())
            }
            (None, None) => Ok(()),
        }
    }

    /// An entry of the inbox is looked up after a reading of changes, in which it may have been already: that is no twin.
    fn was_looked_up(&mut self, entry: &PulledUser) -> bool {
        if !self.inbox.contains_key(&entry.external_id) {
            return false;
        }
        let before = self.waiting.insert(entry.external_id.clone(), entry.label.clone());
        before.as_ref() == Some(&entry.label)
    }

    /// Two entries with one identifier: neither can be told to be the person, so nothing is done for either.
    fn twin(&mut self, entry: PulledUser) {
        let problem = "another entry has the same identifier: check id_attribute";
        let of_first = |item: &PlanItem| item.external_id.as_ref() == Some(&entry.external_id);
        if let Some(first) = self.draft.items.iter().find(|item| of_first(item)) {
            let label = first.label.clone();
            self.draft.items.retain(|item| !of_first(item));
            self.draft.skip(label, problem.to_owned());
        }
        self.draft.skip(entry.label, problem.to_owned());
    }

    /// An entry that nobody here is; `may_wait` for a name that another entry of this reading may give up.
    pub(super) fn newcomer(&mut self, entry: PulledUser, mut parsed: Parsed, may_wait: bool) -> Result<(), StoreError> {
        match self.inbox.get(&entry.external_id).and_then(|conflict| conflict.decision.as_ref()) {
            Some(Decision::Ignored { .. }) => return Ok(()),
            Some(Decision::Renamed { username, .. }) => parsed.username = username.clone(),
            None => {}
        }
        while let Some(clash) = self.clash(None, Some(&parsed.username), parsed.address())? {
            if may_wait && clash.within {
                self.names.wait(Waiting { entry, parsed, user: None });
                return Ok(());
            }
            let field = clash.field;
            match self.rules.conflicts {
                // Shared mailboxes are common: nobody is kept out for one.
                _ if clash.within && field == "email" => {
                    self.draft.skip(entry.label.clone(), shared_email());
                    parsed.email = None;
                }
                ConflictRule::Suffix if field == "username" => match self.free_username(&parsed.username)? {
                    Some(username) => parsed.username = username,
                    None => return self.conflict(&entry, clash.step(claim(&entry))),
                },
                ConflictRule::Suffix => {
                    self.draft.skip(entry.label.clone(), "its email is another user's; it is left out".to_owned());
                    parsed.email = None;
                }
                ConflictRule::Reject => {
                    let problem = format!("its {field} is held by another user, of the source {}", clash.holder_source);
                    self.draft.skip(entry.label, problem);
                    return Ok(());
                }
                ConflictRule::Inbox | ConflictRule::Link => return self.conflict(&entry, clash.step(claim(&entry))),
            }
        }
        self.make(entry, parsed);
        Ok(())
    }

    fn conflict(&mut self, entry: &PulledUser, step: Step) -> Result<(), StoreError> {
        let field = if let Step::Conflict { field, .. } = &step { field.clone() } else { String::new() };
        let reason = format!("another user holds the {field}");
        let external_id = Some(entry.external_id.clone());
        let label = entry.label.clone();
        self.draft.items.push(PlanItem {
            label,
            user: None,
            group: None,
            external_id,
            revision: None,
            quiet_since: None,
            step,
            along: None,
            reason,
        });
        Ok(())
    }

    fn make(&mut self, entry: PulledUser, parsed: Parsed) {
        self.made.insert(entry.external_id.clone());
        self.groups.place(&entry, &MemberRef::NewUser(entry.external_id.clone()));
        self.resolve(&entry);
        let expires_at = entry.expires_at.flatten();
        let rest = UserChange {
            email: parsed.email,
            phone: parsed.phone,
            description: parsed.description,
            expires_at: expires_at.map(Some),
            external_id: Some(Some(entry.external_id.clone())),
            at_source: Some(Some(AtSource {
                entry: entry.label.clone(),
                primary_group: entry.primary_group,
                expires: expires_at.is_some(),
            })),
            ..UserChange::default()
        };
        let disabled = entry.disabled.as_ref().map(|_| DisabledReason::Source);
        let reason = match entry.disabled {
            Some(why) => format!("new at the source, and disabled there: {why}"),
            None => "new at the source".to_owned(),
        };
        self.draft.items.push(PlanItem {
            label: entry.label,
            user: None,
            group: None,
            external_id: Some(entry.external_id.clone()),
            revision: None,
            quiet_since: None,
            step: Step::Create {
                external_id: Some(entry.external_id),
                username: parsed.username,
                name: parsed.name,
                rest: Box::new(rest),
                disabled,
            },
            along: None,
            reason,
        });
    }

    /// An entry whose user is here.
    pub(super) fn acquaintance(
        &mut self,
        entry: PulledUser,
        parsed: Parsed,
        user: User,
        may_wait: bool,
    ) -> Result<(), StoreError> {
        if may_wait {
            self.draft.count_active(&user);
            self.groups.place(&entry, &MemberRef::User(user.id));
        }
        let wished = self.wished(&entry, parsed.clone(), &user);
        let (mut change, mut shows) = (wished.change, wished.shows);
        let comes_back = comes_back(&user, entry.disabled.is_none(), self.began);
        // A tombstone's name is free for others: it may be somebody's by now.
        let (own_name, own_email) = match comes_back {
            Return::Enabled { restore: true } => (Some(&user.username), user.email.as_ref()),
            _ => (None, None),
        };
        let mut in_conflict = false;
        loop {
            let username = change.username.as_ref().or(own_name);
            let email = change.email.as_ref().map_or(own_email, Option::as_ref);
            let Some(clash) = self.clash(Some(user.id), username, email)? else { break };
            if may_wait && clash.within {
                self.names.wait(Waiting { entry, parsed, user: Some(user) });
                return Ok(());
            }
            let field = clash.field;
            let is_shared = clash.within && field == "email";
            in_conflict |= !is_shared;
            if is_shared {
                self.draft.skip(entry.label.clone(), shared_email());
            } else if self.rules.conflicts == ConflictRule::Reject {
                let problem = format!("its new {field} is held by another user, of the source {}", clash.holder_source);
                self.draft.skip(entry.label.clone(), problem);
            } else {
                let step = clash.step(claim(&entry));
                self.draft.items.push(of_user(&user, step, format!("another user holds the new {field}")));
            }
            shows.retain(|show| show.attribute != field);
            let is_own = if field == "username" { change.username.is_none() } else { change.email.is_none() };
            if is_own {
                return Ok(());
            }
            match field {
                "username" => change.username = None,
                _ => change.email = None,
            }
        }
        if !in_conflict {
            self.resolve(&entry);
        }
        self.names.leaves(&user, &change);
        let change = Box::new(change);
        match comes_back {
            Return::Enabled { restore } => {
                self.draft.items.push(of_user(
                    &user,
                    Step::Enable { change, restore },
                    "the source has the user again",
                ));
            }
            Return::StaysRemoved => self.draft.unchanged(),
            Return::NoChange => self.carry_on(entry, &user, change, shows),
        }
        Ok(())
    }

    fn carry_on(&mut self, entry: PulledUser, user: &User, change: Box<UserChange>, shows: Vec<Change>) {
        let disable = entry.disabled.filter(|_| user.is_active());
        let changed = *change != UserChange::default();
        if !changed && disable.is_none() {
            self.draft.unchanged();
        }
        if changed {
            self.draft.items.push(of_user(user, Step::Update { change, shows }, "changed at the source"));
        }
        if let Some(why) = disable {
            let step = Step::disable(DisabledReason::Source);
            let item = of_user(user, step, format!("disabled at the source: {why}"));
            let revision = item.revision.filter(|_| !changed);
            self.draft.items.push(PlanItem { revision, ..item });
        }
    }

    /// The entry is in conflict no more.
    fn resolve(&mut self, entry: &PulledUser) {
        if self.inbox.get(&entry.external_id).is_some_and(|conflict| conflict.is_open()) {
            self.resolved.push(entry.external_id.clone());
        }
    }

    /// Parses an entry. A bad address or number is left alone and noted; without a username there is no user.
    fn parse(&mut self, entry: &PulledUser) -> Option<Parsed> {
        let (username, name) = match (Username::parse(&entry.username), DisplayName::parse(&entry.name)) {
            (Ok(username), Ok(name)) => (username, name),
            (username, name) => {
                let faults = [username.err(), name.err()].into_iter().flatten().map(|fault| fault.to_string());
                self.draft.skip(entry.label.clone(), faults.collect::<Vec<_>>().join("; "));
                return None;
            }
        };
        if let Some(first) = self.names.claim_username(&username, &entry.label) {
            self.draft.skip(entry.label.clone(), format!("its username {username} stands in {first} too"));
            return None;
        }
        let mut faults = Vec::new();
        let mut noted = |fault: crate::directory::field::FieldError| faults.push(fault.to_string());
        let text = |said: &'_ crate::sources::Said<String>| said.clone();
        let mut email = text(&entry.email)
            .and_then(|said| said.map(|text| Email::parse(&text).map_err(&mut noted)).transpose().ok());
        let phone = text(&entry.phone)
            .and_then(|said| said.map(|text| Phone::parse(&text).map_err(&mut noted)).transpose().ok());
        let description = text(&entry.description).and_then(|said| match said {
            Some(text) => Description::parse(&text).map_err(&mut noted).ok(),
            None => Some(Description::default()),
        });
        if let Some(Some(address)) = &email
            && let Some(first) = self.names.claim_email(address, &entry.label)
        {
            faults.push(format!("email stands in {first} too"));
            email = None;
        }
        for fault in faults {
            self.draft.skip(entry.label.clone(), format!("{fault}; it is left as it is"));
        }
        Some(Parsed { username, name, email, phone, description })
    }
}

/// The fingerprint that the user of an entry has when there is nothing to do; `None`: that cannot be told from it.
fn fingerprint(entry: &PulledUser) -> Option<Fingerprint> {
    if entry.disabled.is_some() || entry.expires_at.flatten().is_some() {
        return None;
    }
    let phone = match entry.phone.as_ref().and_then(Option::as_ref) {
        Some(text) => Some(Phone::parse(text).ok()?),
        None => None,
    };
    let prints = Prints {
        username: &entry.username,
        name: &entry.name,
        email: entry.email.as_ref().and_then(Option::as_deref),
        phone: phone.as_ref().map(Phone::as_str),
        description: entry.description.as_ref().and_then(Option::as_deref).unwrap_or_default(),
        entry: Some(&entry.label),
        primary_group: entry.primary_group.as_deref(),
        expires: false,
        active: true,
    };
    Some(prints.fingerprint())
}

fn shared_email() -> String {
    "its email is another user's of the same source; it is left as it is".to_owned()
}

fn claim(entry: &PulledUser) -> Claim {
    Claim {
        entry: entry.label.clone(),
        username: entry.username.clone(),
        name: entry.name.clone(),
        email: entry.email.clone().flatten(),
    }
}

#[derive(Clone, Copy)]
enum Return {
    Enabled { restore: bool },
    StaysRemoved,
    NoChange,
}

/// Only what the source took away does the source give back.
fn comes_back(user: &User, active: bool, now: jiff::Timestamp) -> Return {
    let by_source =
        |disabled: &Disabled| matches!(disabled.reason, DisabledReason::AbsentFromSource | DisabledReason::Source);
    match &user.state {
        State::Removed { by: Actor::Source { .. }, .. } if active => Return::Enabled { restore: true },
        State::Removed { .. } => Return::StaysRemoved,
        // An expiry that has passed keeps them out anyway.
        State::Disabled(disabled) if active && by_source(disabled) && !user.is_expired(now) => {
            Return::Enabled { restore: false }
        }
        State::Disabled(_) | State::Active => Return::NoChange,
    }
}
