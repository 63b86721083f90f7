//! A user of the directory as a SCIM resource, and a SCIM resource as a wish for a user.
//!
//! What a source sent is kept as it was sent. The typed fields of the user are read out of it; where an
//! administrator has changed one of them since, the answer shows that change in the place it came from.

use serde_json::{Map, Value, json};

use crate::base::id::ExternalId;
use crate::base::secret::Secret;
use crate::directory::field::{DisplayName, Email, FieldError, Phone, Username};
use crate::directory::group::Group;
use crate::directory::resource::Resource as Stored;
use crate::directory::user::{Disabled, DisabledReason, State, User, UserChange};
use crate::http::extract::etag;
use crate::scim::resource::{Meta, finish};
use crate::scim::schema::ResourceType;
use crate::scim::{Resource, ScimError};

/// Members that are kept in fields of the user, or made anew for every answer.
const ELSEWHERE: [&str; 7] = ["externalId", "active", "password", "schemas", "id", "meta", "groups"];

/// What a resource wishes of a user.
#[derive(Clone)]
pub struct Wish {
    /// The login name.
    pub username: Username,
    /// The name to show.
    pub name: DisplayName,
    /// The address, if there is one.
    pub email: Option<Email>,
    /// The number, if there is one that is a number.
    pub phone: Option<Phone>,
    /// What the source calls the user.
    pub external_id: Option<ExternalId>,
    /// Whether the user may come in; `None` leaves it.
    pub active: Option<bool>,
    /// A new password; `None` leaves it.
    pub password: Option<Secret>,
    /// All that was sent and has no field of its own.
    pub scim: Map<String, Value>,
}

impl Wish {
    /// Reads a resource in canonical form.
    ///
    /// # Errors
    /// 400 `invalidValue` for a username, address or external id that cannot be one.
    pub fn read(resource: Resource) -> Result<Self, ScimError> {
        let text = |name: &str| resource.get(name).and_then(Value::as_str);
        let username =
            Username::parse(text("userName").unwrap_or_default()).map_err(|fault| invalid("userName", &fault))?;
        let email = leading_text(&resource, "emails").map(Email::parse).transpose();
        Ok(Self {
            name: name_of(&resource).ok_or_else(|| ScimError::invalid_value("userName is no name to show"))?,
            email: email.map_err(|fault| invalid("emails.value", &fault))?,
            phone: phone_of(&resource),
            external_id: external_id_of(&resource)?,
            active: resource.get("active").and_then(Value::as_bool),
            password: text("password").map(Secret::new),
            scim: kept(resource, &username),
            username,
        })
    }

    /// The wish of a PATCH: one that leaves a resource without `active` has removed it, which moves nobody in
    /// or out and is remembered.
    ///
    /// # Errors
    /// As [`Wish::read`].
    pub fn read_patched(resource: Resource) -> Result<Self, ScimError> {
        let mut wish = Self::read(resource)?;
        if wish.active.is_none() {
            wish.scim.insert("active".to_owned(), Value::Null);
        }
        Ok(wish)
    }

    /// The wish as a change of a user's attributes; whether the user is active is no attribute.
    #[must_use]
    pub fn change(&self) -> UserChange {
        UserChange {
            username: Some(self.username.clone()),
            name: Some(self.name.clone()),
            email: Some(self.email.clone()),
            phone: Some(self.phone.clone()),
            external_id: Some(self.external_id.clone()),
            scim: Some(self.scim.clone()),
            ..UserChange::default()
        }
    }
}

/// Was the user disabled by what the source said, or by its silence?
#[must_use]
pub fn is_the_sources(state: &State) -> bool {
    let reasons = [DisabledReason::Source, DisabledReason::AbsentFromSource];
    matches!(state, State::Disabled(Disabled { reason, .. }) if reasons.contains(reason))
}

/// The user as a resource; `groups` are those of [`show_membership`].
#[must_use]
pub fn show_user(mut user: User, groups: Vec<Value>, base: &str, kind: &ResourceType) -> Resource {
    let mut resource = std::mem::take(&mut user.scim);
    // What was sent is parsed again only where it is not, letter by letter, what is kept. The name comes last: where
    // none was sent, the username stands for it.
    let username = user.username.as_str();
    let sent = resource.get("userName").and_then(Value::as_str);
    if sent != Some(username) && sent.and_then(|sent| Username::parse(sent).ok()).as_ref() != Some(&user.username) {
        resource.insert("userName".to_owned(), Value::from(username));
    }
    let sent = resource.get("displayName").and_then(Value::as_str);
    if sent != Some(user.name.as_str()) && name_of(&resource).as_ref() != Some(&user.name) {
        resource.insert("displayName".to_owned(), Value::from(user.name.as_str()));
    }
    let (sent, kept) = (leading_text(&resource, "emails"), user.email.as_ref().map(Email::as_str));
    if sent != kept && sent.and_then(|sent| Email::parse(sent).ok()) != user.email {
        set_leading(&mut resource, "emails", kept);
    }
    if phone_of(&resource) != user.phone {
        set_leading(&mut resource, "phoneNumbers", user.phone.as_ref().map(Phone::as_str));
    }
    if let Some(external_id) = &user.external_id {
        resource.insert("externalId".to_owned(), Value::from(external_id.as_str()));
    }
    if !groups.is_empty() {
        resource.insert("groups".to_owned(), Value::Array(groups));
    }
    // The source took its word back (RFC 7644 §3.5.2.2); another's reason to keep the user out is still shown.
    let withdrawn = resource.remove("active").is_some() && (user.is_active() || is_the_sources(&user.state));
    if !withdrawn {
        resource.insert("active".to_owned(), Value::Bool(user.is_active()));
    }
    let place = Place { id: user.id.to_string(), base, revision: user.revision };
    place.finish(kind, &mut resource, user.created_at, user.modified_at);
    resource
}

/// A group as a resource; no members are shown as none.
#[must_use]
pub fn show_group(group: &Group, members: Vec<Value>, base: &str, kind: &ResourceType) -> Resource {
    let mut resource = group.scim.clone();
    // What was sent stands there where the directory had to give the group another name.
    resource.entry("displayName").or_insert_with(|| Value::from(group.name.as_str()));
    if let Some(external_id) = &group.external_id {
        resource.insert("externalId".to_owned(), Value::from(external_id.as_str()));
    }
    if !members.is_empty() {
        resource.insert("members".to_owned(), Value::Array(members));
    }
    let place = Place { id: group.id.to_string(), base, revision: group.revision };
    place.finish(kind, &mut resource, group.created_at, group.modified_at);
    resource
}

/// A resource of a type that the settings add.
#[must_use]
pub fn show_other(kind: &ResourceType, stored: Stored, base: &str) -> Resource {
    let mut resource = stored.attributes;
    if let Some(external_id) = &stored.external_id {
        resource.insert("externalId".to_owned(), Value::from(external_id.as_str()));
    }
    let place = Place { id: stored.id.to_string(), base, revision: stored.revision };
    place.finish(kind, &mut resource, stored.created_at, stored.modified_at);
    resource
}

/// One of a user's `groups` (RFC 7643 §4.1.2).
#[must_use]
pub fn show_membership(group: &Group, direct: bool, base: &str) -> Value {
    json!({
        "value": group.id.to_string(),
        "$ref": format!("{base}/Groups/{}", group.id),
        "display": group.name.as_str(),
        "type": if direct { "direct" } else { "indirect" },
    })
}

struct Place<'b> {
    id: String,
    base: &'b str,
    revision: u64,
}

impl Place<'_> {
    fn finish(&self, kind: &ResourceType, to: &mut Resource, created: jiff::Timestamp, last_modified: jiff::Timestamp) {
        let location = format!("{}{}/{}", self.base, kind.endpoint, self.id);
        finish(kind, to, &self.id, &Meta { created, last_modified, location, version: Some(etag(self.revision)) });
    }
}

/// The refusal of one value, by the name it has on the wire.
#[must_use]
pub fn invalid(attribute: &str, fault: &FieldError) -> ScimError {
    ScimError::invalid_value(format!("{attribute} {}", fault.message))
}

/// What the source calls a resource.
///
/// # Errors
/// 400 `invalidValue` for what cannot be an external id.
pub fn external_id_of(resource: &Resource) -> Result<Option<ExternalId>, ScimError> {
    let sent = resource.get("externalId").and_then(Value::as_str);
    sent.map(ExternalId::parse).transpose().map_err(|fault| ScimError::invalid_value(format!("externalId: {fault}")))
}

/// What is kept as it was sent: all but what has a field that gives it back exactly.
fn kept(mut resource: Resource, username: &Username) -> Map<String, Value> {
    resource.retain(|name, _| !ELSEWHERE.contains(&name.as_str()));
    if resource.get("userName").and_then(Value::as_str) == Some(username.as_str()) {
        resource.remove("userName");
    }
    resource
}

/// The name to show: the first of the usual places that holds one.
fn name_of(resource: &Resource) -> Option<DisplayName> {
    let text = |holder: &Resource, name: &str| holder.get(name).and_then(Value::as_str).map(str::to_owned);
    let name = resource.get("name").and_then(Value::as_object);
    let part = |part: &str| name.and_then(|name| text(name, part));
    let both = [part("givenName"), part("familyName")].into_iter().flatten().collect::<Vec<_>>().join(" ");
    let candidates = [text(resource, "displayName"), part("formatted"), Some(both), text(resource, "userName")];
    candidates.into_iter().flatten().find_map(|candidate| DisplayName::parse(&candidate).ok())
}

/// A number in E.164, as it is or as a `tel:` URI (RFC 3966); others are kept as sent and are none of ours.
fn phone_of(resource: &Resource) -> Option<Phone> {
    let sent = leading_text(resource, "phoneNumbers")?;
    let scheme = sent.get(..4).filter(|scheme| scheme.eq_ignore_ascii_case("tel:"));
    Phone::parse(scheme.and_then(|scheme| sent.get(scheme.len()..)).unwrap_or(sent)).ok()
}

fn leading_text<'r>(resource: &'r Resource, list: &str) -> Option<&'r str> {
    let items = resource.get(list)?.as_array()?;
    items.get(leading(items)?)?.get("value")?.as_str()
}

/// Which value speaks for the list: the primary one, else the first.
fn leading(items: &[Value]) -> Option<usize> {
    let has_value = |item: &Value| item.get("value").is_some_and(Value::is_string);
    let primary = items.iter().position(|item| has_value(item) && item.get("primary") == Some(&Value::Bool(true)));
    primary.or_else(|| items.iter().position(has_value))
}

/// Shows `wanted` in the place of the value that speaks for the list.
fn set_leading(resource: &mut Resource, list: &str, wanted: Option<&str>) {
    let mut items = match resource.remove(list) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    match (leading(&items), wanted) {
        (Some(at), Some(text)) => {
            if let Some(item) = items.get_mut(at).and_then(Value::as_object_mut) {
                item.insert("value".to_owned(), Value::from(text));
            }
        }
        (Some(at), None) => drop(items.remove(at)),
        (None, Some(text)) => items.push(json!({"value": text, "primary": true})),
        (None, None) => {}
    }
    if !items.is_empty() {
        resource.insert(list.to_owned(), Value::Array(items));
    }
}

#[cfg(test)]
mod tests;
