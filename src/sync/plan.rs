//! What a complete reading of a source means for the directory. PURE: it looks things up through [`Known`]
//! and writes nothing.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::Value;

use crate::base::id::{ExternalId, SourceId, UserId};
use crate::directory::audit::{Actor, Change};
use crate::directory::field::{Description, DisplayName, Email, FieldError, Phone, Username};
use crate::directory::plan::{Counts, PlanItem, Skipped, Step};
use crate::directory::user::{Disabled, DisabledReason, State, User, UserChange};
use crate::sources::{Pulled, PulledUser};
use crate::store::StoreError;

/// What the plan must know of the directory.
pub trait Known {
    /// The user of the planned source with this identity, tombstones too.
    ///
    /// # Errors
    /// When it cannot be read.
    fn user(&self, external_id: &ExternalId) -> Result<Option<User>, StoreError>;

    /// Who holds this username (`username`) or address (`email`) now, in whatever source.
    ///
    /// # Errors
    /// When it cannot be read.
    fn holder(&self, field: &'static str, value: &str) -> Result<Option<(UserId, SourceId)>, StoreError>;

    /// Shows every user of the planned source that is not a tombstone.
    ///
    /// # Errors
    /// When they cannot be read.
    fn each(&self, visit: &mut dyn FnMut(User)) -> Result<(), StoreError>;
}

/// A plan before the guard has looked at it.
#[derive(Debug, Default)]
pub struct Draft {
    /// The changes, each user's in order.
    pub items: Vec<PlanItem>,
    /// How many of what.
    pub counts: Counts,
    /// Entries that could not be taken, or not whole.
    pub skipped: Vec<Skipped>,
    /// Active users of the source before.
    pub active: usize,
}

/// Is the reading everything that the source has, or one entry out of it?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reading {
    /// A complete pass: who is not in it is absent.
    Complete,
    /// Single entries: nothing is said of anybody else.
    Partial,
}

/// Plans what a reading that began at `began` means.
///
/// # Errors
/// When the directory cannot be read.
pub fn plan(pulled: Pulled, reading: Reading, known: &dyn Known, began: Timestamp) -> Result<Draft, StoreError> {
    let mut draft = Draft::default();
    draft.counts.read = pulled.users.len().saturating_add(pulled.skipped.len());
    let nameless = pulled.skipped.iter().filter(|entry| entry.external_id.is_none()).count();
    let mut present: BTreeSet<ExternalId> =
        pulled.skipped.iter().filter_map(|entry| entry.external_id.clone()).collect();
    for entry in pulled.skipped {
        draft.skip(entry.label, entry.problem);
    }
    let mut claimed = Claimed { began, usernames: BTreeMap::new(), emails: BTreeMap::new() };
    for entry in pulled.users {
        present.insert(entry.external_id.clone());
        plan_entry(&mut draft, &mut claimed, entry, known)?;
    }
    if reading == Reading::Complete {
        plan_absent(&mut draft, &present, nameless, known, began)?;
    }
    Ok(draft)
}

impl Draft {
    fn skip(&mut self, label: String, problem: String) {
        self.counts.skipped = self.counts.skipped.saturating_add(1);
        self.skipped.push(Skipped { label, problem });
    }

    fn add(&mut self, item: PlanItem) {
        self.counts.note(&item.step);
        self.items.push(item);
    }
}

/// An entry whose texts have been parsed.
struct Parsed {
    username: Username,
    name: DisplayName,
    /// `None` keeps what the user has: the source's is no address, or stands in another entry too.
    email: Option<Option<Email>>,
    /// `None` keeps what the user has: the source's is no number.
    phone: Option<Option<Phone>>,
    description: Option<Description>,
}

/// What the entries of this pass have claimed so far, each with the entry that did.
struct Claimed {
    began: Timestamp,
    usernames: BTreeMap<String, String>,
    emails: BTreeMap<String, String>,
}

/// Parses an entry. A bad address or number is left alone and noted; without a username there is no user.
fn parse(draft: &mut Draft, claimed: &mut Claimed, entry: &PulledUser) -> Option<Parsed> {
    let (username, name) = match (Username::parse(&entry.username), DisplayName::parse(&entry.name)) {
        (Ok(username), Ok(name)) => (username, name),
        (username, name) => {
            let faults = [username.err(), name.err()].into_iter().flatten().map(|fault| fault.to_string());
            draft.skip(entry.label.clone(), faults.collect::<Vec<_>>().join("; "));
            return None;
        }
    };
    if let Some(first) = claimed.usernames.insert(username.folded(), entry.label.clone()) {
        draft.skip(entry.label.clone(), format!("its username {username} stands in {first} too"));
        return None;
    }
    let mut faults: Vec<FieldError> = Vec::new();
    let mut noted = |fault: FieldError| faults.push(fault);
    let mut email = entry.email.as_deref().map(|text| Email::parse(text).map_err(&mut noted)).transpose().ok();
    let phone = entry.phone.as_deref().map(|text| Phone::parse(text).map_err(&mut noted)).transpose().ok();
    let description = entry.description.as_deref().map(|text| Description::parse(text).map_err(&mut noted)).transpose();
    if let Some(Some(address)) = &email
        && let Some(first) = claimed.emails.insert(address.folded(), entry.label.clone())
    {
        faults.push(FieldError::new("email", "taken", format!("stands in {first} too")));
        email = None;
    }
    for fault in faults {
        draft.skip(entry.label.clone(), format!("{fault}; it is left as it is"));
    }
    Some(Parsed { username, name, email, phone, description: description.ok().flatten() })
}

fn plan_entry(
    draft: &mut Draft,
    claimed: &mut Claimed,
    entry: PulledUser,
    known: &dyn Known,
) -> Result<(), StoreError> {
    let parsed = parse(draft, claimed, &entry);
    match (known.user(&entry.external_id)?, parsed) {
        (None, Some(parsed)) => plan_unknown(draft, entry, parsed, known),
        (Some(user), Some(parsed)) => plan_known(draft, entry, parsed, user, claimed.began, known),
        // Whatever else is wrong with it: whom the source disabled does not stay in.
        (Some(user), None) if user.is_active() && !entry.active => {
            draft.active = draft.active.saturating_add(1);
            draft.add(PlanItem {
                label: user.username.as_str().to_owned(),
                user: Some(user.id),
                revision: Some(user.revision),
                quiet_since: None,
                step: Step::Disable { reason: DisabledReason::Source },
                reason: "disabled at the source".to_owned(),
            });
            Ok(())
        }
        (Some(user), None) => {
            draft.active = draft.active.saturating_add(usize::from(user.is_active()));
            Ok(())
        }
        (None, None) => Ok(()),
    }
}

/// The first unique value that somebody else holds.
fn conflict(
    own: Option<UserId>,
    username: Option<&Username>,
    email: Option<&Email>,
    known: &dyn Known,
) -> Result<Option<(&'static str, Step)>, StoreError> {
    for (field, value) in [("username", username.map(Username::as_str)), ("email", email.map(Email::as_str))] {
        let Some(value) = value else { continue };
        if let Some((holder, holder_source)) = known.holder(field, value)?.filter(|(holder, _)| Some(*holder) != own) {
            return Ok(Some((field, Step::Conflict { field: field.to_owned(), holder, holder_source })));
        }
    }
    Ok(None)
}

fn plan_unknown(draft: &mut Draft, entry: PulledUser, parsed: Parsed, known: &dyn Known) -> Result<(), StoreError> {
    if let Some((field, step)) =
        conflict(None, Some(&parsed.username), parsed.email.as_ref().and_then(Option::as_ref), known)?
    {
        let reason = format!("another user holds the {field}");
        draft.add(PlanItem { label: entry.label, user: None, revision: None, quiet_since: None, step, reason });
        return Ok(());
    }
    let rest = UserChange {
        email: parsed.email,
        phone: parsed.phone,
        description: parsed.description,
        expires_at: entry.expires_at.map(Some),
        external_id: Some(Some(entry.external_id.clone())),
        ..UserChange::default()
    };
    let step = Step::Create {
        external_id: entry.external_id,
        username: parsed.username,
        name: parsed.name,
        rest: Box::new(rest),
        disabled: (!entry.active).then_some(DisabledReason::Source),
    };
    let reason = "new at the source".to_owned();
    draft.add(PlanItem { label: entry.label, user: None, revision: None, quiet_since: None, step, reason });
    Ok(())
}

fn plan_known(
    draft: &mut Draft,
    entry: PulledUser,
    parsed: Parsed,
    user: User,
    now: Timestamp,
    known: &dyn Known,
) -> Result<(), StoreError> {
    if user.is_active() {
        draft.active = draft.active.saturating_add(1);
    }
    let (mut change, mut shows) = wanted(&entry, parsed, &user);
    let label = user.username.as_str().to_owned();
    let item = |step, reason: &str| PlanItem {
        label: label.clone(),
        user: Some(user.id),
        revision: Some(user.revision),
        quiet_since: None,
        step,
        reason: reason.to_owned(),
    };
    while let Some((field, step)) =
        conflict(Some(user.id), change.username.as_ref(), change.email.as_ref().and_then(Option::as_ref), known)?
    {
        draft.add(item(step, &format!("another user holds the new {field}")));
        shows.retain(|show| show.attribute != field);
        match field {
            "username" => change.username = None,
            _ => change.email = None,
        }
    }
    let change = Box::new(change);
    match comes_back(&user, entry.active, now) {
        Return::Enabled { restore } => {
            draft.add(item(Step::Enable { change, restore }, "the source has the user again"));
        }
        Return::StaysRemoved => draft.counts.unchanged = draft.counts.unchanged.saturating_add(1),
        Return::NoChange => {
            let disable = user.is_active() && !entry.active;
            if shows.is_empty() && !disable {
                draft.counts.unchanged = draft.counts.unchanged.saturating_add(1);
            }
            if !shows.is_empty() {
                draft.add(item(Step::Update { change, shows: shows.clone() }, "changed at the source"));
            }
            if disable {
                let reason = DisabledReason::Source;
                let revision = shows.is_empty().then_some(user.revision);
                draft.add(PlanItem { revision, ..item(Step::Disable { reason }, "disabled at the source") });
            }
        }
    }
    Ok(())
}

enum Return {
    Enabled { restore: bool },
    StaysRemoved,
    NoChange,
}

/// Only what the source took away does the source give back.
fn comes_back(user: &User, active: bool, now: Timestamp) -> Return {
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

/// The attributes in which the entry differs from the user.
fn wanted(entry: &PulledUser, parsed: Parsed, user: &User) -> (UserChange, Vec<Change>) {
    let mut shows = Vec::new();
    let mut differs = |attribute: &str, old: Option<&str>, new: Option<&str>| {
        let differs = old != new;
        if differs {
            let value = |text: Option<&str>| text.map_or(Value::Null, Value::from);
            shows.push(Change { attribute: attribute.to_owned(), old: value(old), new: value(new) });
        }
        differs
    };
    let mut change = UserChange::default();
    if differs("username", Some(user.username.as_str()), Some(parsed.username.as_str())) {
        change.username = Some(parsed.username);
    }
    if differs("name", Some(user.name.as_str()), Some(parsed.name.as_str())) {
        change.name = Some(parsed.name);
    }
    if let Some(email) = parsed.email
        && differs("email", user.email.as_ref().map(Email::as_str), email.as_ref().map(Email::as_str))
    {
        change.email = Some(email);
    }
    if let Some(phone) = parsed.phone
        && differs("phone", user.phone.as_ref().map(Phone::as_str), phone.as_ref().map(Phone::as_str))
    {
        change.phone = Some(phone);
    }
    if let Some(description) = parsed.description
        && differs("description", Some(user.description.as_str()), Some(description.as_str()))
    {
        change.description = Some(description);
    }
    if let Some(end) = entry.expires_at {
        let (old, new) = (user.expires_at.map(|end| end.to_string()), end.to_string());
        if differs("expires_at", old.as_deref(), Some(&new)) {
            change.expires_at = Some(Some(end));
        }
    }
    (change, shows)
}

fn plan_absent(
    draft: &mut Draft,
    present: &BTreeSet<ExternalId>,
    nameless: usize,
    known: &dyn Known,
    began: Timestamp,
) -> Result<(), StoreError> {
    let mut absent = Vec::new();
    known.each(&mut |user| {
        // Who came in while the source was being read may not have been there yet when it was.
        let is_older = user.enabled_at <= began;
        let is_absent = is_older && user.external_id.as_ref().is_some_and(|id| !present.contains(id));
        if user.is_active() && is_absent {
            absent.push((user.id, user.revision, user.username));
        }
    })?;
    draft.active = draft.active.saturating_add(absent.len());
    if nameless > 0 && !absent.is_empty() {
        let problem =
            format!("{nameless} entries came without an identity: {} absent users stay as they are", absent.len());
        draft.skip("absent users".to_owned(), problem);
        return Ok(());
    }
    for (id, revision, username) in absent {
        draft.add(PlanItem {
            label: username.as_str().to_owned(),
            user: Some(id),
            revision: Some(revision),
            quiet_since: None,
            step: Step::Disable { reason: DisabledReason::AbsentFromSource },
            reason: "a complete pass of the source did not have the user".to_owned(),
        });
    }
    Ok(())
}
