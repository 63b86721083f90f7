//! Usernames and addresses: each is one user's. Who claims which in this reading, who gives one up, and who waits for
//! one that another entry of the same reading may give up, so that people can pass their names on, or swap them.

use std::collections::{HashMap, HashSet};

use super::{Planner, of_user};
use crate::base::id::{SourceId, UserId};
use crate::directory::audit::Change;
use crate::directory::field::{Description, DisplayName, Email, Phone, Username};
use crate::directory::plan::{Claim, Step};
use crate::directory::user::{User, UserChange};
use crate::sources::PulledUser;
use crate::store::StoreError;

/// Usernames that are tried when a free one is looked for.
const TRIES: u32 = 100;

/// An entry whose texts have been parsed.
#[derive(Clone)]
pub(super) struct Parsed {
    pub(super) username: Username,
    pub(super) name: DisplayName,
    /// `None` keeps what the user has: nobody asked, the source's is no address, or it stands in another entry too.
    pub(super) email: Option<Option<Email>>,
    /// `None` keeps what the user has: nobody asked, or the source's is no number.
    pub(super) phone: Option<Option<Phone>>,
    pub(super) description: Option<Description>,
}

impl Parsed {
    pub(super) fn address(&self) -> Option<&Email> {
        self.email.as_ref().and_then(Option::as_ref)
    }
}

/// An entry that waits for a name which another user of the same source has.
pub(super) struct Waiting {
    pub(super) entry: PulledUser,
    pub(super) parsed: Parsed,
    pub(super) user: Option<User>,
}

/// A value that must be unique, and who holds it.
pub(super) struct Clash {
    pub(super) field: &'static str,
    pub(super) holder: UserId,
    pub(super) holder_source: SourceId,
    /// The holder is a user of the same source: another entry may make them give it up.
    pub(super) within: bool,
}

impl Clash {
    pub(super) fn step(self, entry: Claim) -> Step {
        let Self { field, holder, holder_source, .. } = self;
        Step::Conflict { field: field.to_owned(), holder, holder_source, entry: Box::new(entry) }
    }
}

/// The names of one reading.
#[derive(Default)]
pub(super) struct Names {
    /// Who claims which, by the name of the entry.
    usernames: HashMap<String, String>,
    emails: HashMap<String, String>,
    /// Who gives up which value, as the plan stands.
    left: HashSet<(UserId, &'static str)>,
    waiting: Vec<Waiting>,
}

impl Names {
    /// Claims a username; gives the entry that claimed it before.
    pub(super) fn claim_username(&mut self, username: &Username, entry: &str) -> Option<String> {
        claim(&mut self.usernames, username.folded(), entry)
    }

    /// Claims an address; gives the entry that claimed it before.
    pub(super) fn claim_email(&mut self, email: &Email, entry: &str) -> Option<String> {
        claim(&mut self.emails, email.folded(), entry)
    }

    /// Notes which of the user's names a change gives up.
    pub(super) fn leaves(&mut self, user: &User, change: &UserChange) {
        if change.username.as_ref().is_some_and(|new| new.folded() != user.username.folded()) {
            self.left.insert((user.id, "username"));
        }
        if change.email.is_some() && user.email.is_some() {
            self.left.insert((user.id, "email"));
        }
    }

    pub(super) fn wait(&mut self, waiting: Waiting) {
        self.waiting.push(waiting);
    }
}

/// A claim that is there already stays.
fn claim(claims: &mut HashMap<String, String>, name: String, entry: &str) -> Option<String> {
    match claims.entry(name) {
        std::collections::hash_map::Entry::Occupied(first) => Some(first.get().clone()),
        std::collections::hash_map::Entry::Vacant(free) => {
            free.insert(entry.to_owned());
            None
        }
    }
}

impl Planner<'_> {
    /// The first unique value that somebody else holds, once what is planned so far is done.
    pub(super) fn clash(
        &self,
        own: Option<UserId>,
        username: Option<&Username>,
        email: Option<&Email>,
    ) -> Result<Option<Clash>, StoreError> {
        for (field, value) in [("username", username.map(Username::as_str)), ("email", email.map(Email::as_str))] {
            let Some(value) = value else { continue };
            let Some(holder) = self.directory.holder(field, value)?.filter(|holder| Some(holder.id) != own) else {
                continue;
            };
            // The value may be the holder's username or address, whichever field wants it.
            let held = if is_username_of(&holder, value) { "username" } else { "email" };
            if !self.names.left.contains(&(holder.id, held)) {
                let within = holder.source == *self.directory.source;
                return Ok(Some(Clash { field, holder: holder.id, holder_source: holder.source, within }));
            }
        }
        Ok(None)
    }

    /// Plans those who wait, in an order in which each name is free when it is wanted.
    pub(super) fn settle_names(&mut self) -> Result<(), StoreError> {
        loop {
            let before = self.names.waiting.len();
            for waiting in std::mem::take(&mut self.names.waiting) {
                self.again(waiting, true)?;
            }
            if self.names.waiting.is_empty() {
                return Ok(());
            }
            if self.names.waiting.len() == before && !self.break_circle()? {
                for waiting in std::mem::take(&mut self.names.waiting) {
                    self.again(waiting, false)?;
                }
                return Ok(());
            }
        }
    }

    fn again(&mut self, waiting: Waiting, may_wait: bool) -> Result<(), StoreError> {
        let Waiting { entry, parsed, user } = waiting;
        match user {
            Some(user) if may_wait => {
                // Counted and placed when it was met first.
                let (username, email) = (Some(&parsed.username), parsed.address());
                match self.clash(Some(user.id), username, email)?.filter(|clash| clash.within) {
                    Some(_) => self.names.wait(Waiting { entry, parsed, user: Some(user) }),
                    None => self.acquaintance(entry, parsed, user, false)?,
                }
                Ok(())
            }
            Some(user) => self.acquaintance(entry, parsed, user, false),
            None => self.newcomer(entry, parsed, may_wait),
        }
    }

    /// Where people swap their names, one of them steps aside first.
    fn break_circle(&mut self) -> Result<bool, StoreError> {
        let waiting: Vec<(User, Username, Option<Email>)> = self
            .names
            .waiting
            .iter()
            .filter_map(|waiting| {
                let user = waiting.user.clone()?;
                Some((user, waiting.parsed.username.clone(), waiting.parsed.address().cloned()))
            })
            .collect();
        let ids: HashSet<UserId> = waiting.iter().map(|(user, ..)| user.id).collect();
        for (user, username, email) in waiting {
            let Some(clash) = self.clash(Some(user.id), Some(&username), email.as_ref())? else { continue };
            let gives_up = clash.field == "email" && user.email.is_some()
                || clash.field == "username" && user.username.folded() != username.folded();
            if !ids.contains(&clash.holder) || !gives_up || self.names.left.contains(&(user.id, clash.field)) {
                continue;
            }
            let Some(change) = self.aside(&user, &username, email.as_ref())? else { continue };
            self.names.leaves(&user, &change);
            self.steps_aside(&user, change);
            return Ok(true);
        }
        Ok(false)
    }

    /// The user without the names that they will not keep.
    fn aside(&self, user: &User, username: &Username, email: Option<&Email>) -> Result<Option<UserChange>, StoreError> {
        let mut change = UserChange::default();
        if user.username.folded() != username.folded() {
            let Some(free) = self.free_username(&user.username)? else { return Ok(None) };
            change.username = Some(free);
        }
        if user.email.is_some() && user.email.as_ref() != email {
            change.email = Some(None);
        }
        Ok(Some(change))
    }

    fn steps_aside(&mut self, user: &User, change: UserChange) {
        let after = change.clone().apply(user.clone());
        let shows: Vec<Change> = after.changes_from(Some(user));
        let step = Step::Update { change: Box::new(change), shows };
        self.draft.items.push(of_user(user, step, "the name goes to somebody else of the source first"));
        // What follows for this user comes after it.
        let after = User { revision: user.revision.saturating_add(1), ..after };
        for waiting in &mut self.names.waiting {
            if let Some(other) = waiting.user.as_mut().filter(|other| other.id == user.id) {
                *other = after.clone();
            }
        }
    }

    /// The username with the source's name behind it, and a number where that is taken too.
    pub(super) fn free_username(&self, username: &Username) -> Result<Option<Username>, StoreError> {
        for number in 1..=TRIES {
            let number = if number == 1 { String::new() } else { number.to_string() };
            let text = format!("{}.{}{number}", username.as_str(), self.directory.source);
            let Ok(free) = Username::parse(&text) else { return Ok(None) };
            let is_claimed = self.names.usernames.contains_key(&free.folded());
            if !is_claimed && self.clash(None, Some(&free), None)?.is_none() {
                return Ok(Some(free));
            }
        }
        Ok(None)
    }
}

fn is_username_of(user: &User, value: &str) -> bool {
    Username::parse(value).is_ok_and(|name| name.folded() == user.username.folded())
}
