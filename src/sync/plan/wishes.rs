//! What an entry asks for of its user: the attributes in which they differ, without those that are kept here.

use serde_json::Value;

use super::Planner;
use super::names::Parsed;
use crate::directory::audit::Change;
use crate::directory::field::{Email, Phone};
use crate::directory::user::{AtSource, KeptAttribute, User, UserChange};
use crate::sources::PulledUser;

/// The changes that an entry asks for.
#[derive(Default)]
pub(super) struct Wished {
    pub(super) change: UserChange,
    /// Attribute by attribute, for people.
    pub(super) shows: Vec<Change>,
}

impl Wished {
    fn differs(&mut self, attribute: &str, old: Option<&str>, new: Option<&str>) -> bool {
        if old == new {
            return false;
        }
        let value = |text: Option<&str>| text.map_or(Value::Null, Value::from);
        self.shows.push(Change { attribute: attribute.to_owned(), old: value(old), new: value(new) });
        true
    }
}

impl Planner<'_> {
    /// The attributes in which the entry differs from the user, without those that are kept here.
    pub(super) fn wished(&self, entry: &PulledUser, parsed: Parsed, user: &User) -> Wished {
        let mut wished = Wished::default();
        let kept = |attribute: KeptAttribute| user.kept.contains(&attribute) || self.rules.kept.contains(&attribute);
        if !kept(KeptAttribute::Username)
            && wished.differs("username", Some(user.username.as_str()), Some(parsed.username.as_str()))
        {
            wished.change.username = Some(parsed.username);
        }
        if !kept(KeptAttribute::Name) && wished.differs("name", Some(user.name.as_str()), Some(parsed.name.as_str())) {
            wished.change.name = Some(parsed.name);
        }
        if let Some(email) = parsed.email.filter(|_| !kept(KeptAttribute::Email))
            && wished.differs("email", user.email.as_ref().map(Email::as_str), email.as_ref().map(Email::as_str))
        {
            wished.change.email = Some(email);
        }
        if let Some(phone) = parsed.phone.filter(|_| !kept(KeptAttribute::Phone))
            && wished.differs("phone", user.phone.as_ref().map(Phone::as_str), phone.as_ref().map(Phone::as_str))
        {
            wished.change.phone = Some(phone);
        }
        if let Some(description) = parsed.description.filter(|_| !kept(KeptAttribute::Description))
            && wished.differs("description", Some(user.description.as_str()), Some(description.as_str()))
        {
            wished.change.description = Some(description);
        }
        let expires = self.wished_expiry(entry, user, kept(KeptAttribute::ExpiresAt), &mut wished);
        let at = AtSource { entry: entry.label.clone(), primary_group: entry.primary_group.clone(), expires };
        if user.at_source.as_ref() != Some(&at) {
            let had = user.at_source.as_ref();
            wished.differs("entry", had.map(|at| at.entry.as_str()), Some(&at.entry));
            let had = had.and_then(|at| at.primary_group.as_deref());
            wished.differs("primary_group", had, at.primary_group.as_deref());
            wished.change.at_source = Some(Some(at));
        }
        wished
    }

    /// Says whether the user's expiry is the source's word from now on. An earlier end that was set here stays: whoever
    /// is out for us is not let in again by their source.
    fn wished_expiry(&self, entry: &PulledUser, user: &User, kept: bool, wished: &mut Wished) -> bool {
        let is_its_word = user.at_source.as_ref().is_some_and(|at| at.expires);
        let end = match entry.expires_at {
            None => return is_its_word,
            _ if kept => return false,
            Some(None) if is_its_word => None,
            Some(None) => return false,
            Some(Some(end)) if !is_its_word && user.expires_at.is_some_and(|own| own < end) => return false,
            Some(end) => end,
        };
        let text = |end: Option<jiff::Timestamp>| end.map(|end| end.to_string());
        if wished.differs("expires_at", text(user.expires_at).as_deref(), text(end).as_deref()) {
            wished.change.expires_at = Some(end);
        }
        end.is_some()
    }
}
