//! From a SCIM resource to a user or a group of the seam. It reads what is there and asks for nothing.
//!
//! Entries get names that survive being compared without case, as names of entries are: `id=ID,Users`, with every
//! character of the identifier escaped that has another case or separates names. SCIM's identifiers are case-exact.

use std::fmt::Write as _;

use serde_json::Value;

use super::path::{AttributePath, boolean, member, text};
use super::settings::Settings;
use crate::base::id::ExternalId;
use crate::scim::Resource;
use crate::sources::{MemberName, PulledGroup, PulledUser, Said, SkippedEntry};

/// Users and groups, as endpoints and in the names of entries.
pub(super) const USERS: &str = "Users";
pub(super) const GROUPS: &str = "Groups";

/// How resources are read.
pub(super) struct Mapping {
    username: AttributePath,
    name: AttributePath,
    email: Option<AttributePath>,
    phone: Option<AttributePath>,
    description: Option<AttributePath>,
    /// The name, where the attribute for it is not there.
    full_name: AttributePath,
    given_name: AttributePath,
    family_name: AttributePath,
}

/// A group, and its members of whom it is not said whether they are users or groups.
#[derive(Debug)]
pub(super) struct Mapped {
    pub(super) group: PulledGroup,
    pub(super) untyped: Vec<String>,
    /// Does the resource have the attribute `members` at all?
    pub(super) has_members: bool,
}

impl Mapping {
    /// The mapping of settings without faults.
    ///
    /// # Errors
    /// A path is none.
    pub(super) fn new(settings: &Settings) -> Result<Self, String> {
        let wanted = &settings.attributes;
        let required = |set: &Option<String>, default: &str| AttributePath::parse(set.as_deref().unwrap_or(default));
        let optional = |set: &Option<String>, default: &str| match set.as_deref().unwrap_or(default) {
            "" => Ok(None),
            path => AttributePath::parse(path).map(Some),
        };
        Ok(Self {
            username: required(&wanted.username, "userName")?,
            name: required(&wanted.name, "displayName")?,
            email: optional(&wanted.email, "emails")?,
            phone: optional(&wanted.phone, "phoneNumbers")?,
            description: optional(&wanted.description, "")?,
            full_name: AttributePath::parse("name.formatted")?,
            given_name: AttributePath::parse("name.givenName")?,
            family_name: AttributePath::parse("name.familyName")?,
        })
    }

    /// The user that a resource describes.
    ///
    /// # Errors
    /// Why it cannot be taken.
    pub(super) fn user(&self, resource: &Resource) -> Result<PulledUser, SkippedEntry> {
        let external_id = identifier(resource, USERS)?;
        let label = label(USERS, external_id.as_str());
        let Some(username) = self.username.text(resource) else {
            let problem = "has no userName: check attributes.username".to_owned();
            return Err(SkippedEntry { external_id: Some(external_id), label, problem });
        };
        let active = member(resource, "active").and_then(boolean).unwrap_or(true);
        Ok(PulledUser {
            external_id,
            label,
            name: self.name(resource).unwrap_or_else(|| username.clone()),
            username,
            email: said(resource, self.email.as_ref()),
            // RFC 3966, which RFC 7643 recommends: `tel:+1-201-555-0123;ext=4`.
            phone: said(resource, self.phone.as_ref()).map(|phone| phone.as_deref().map(plain_phone)),
            description: said(resource, self.description.as_ref()),
            disabled: (!active).then(|| "active is false".to_owned()),
            expires_at: None,
            primary_group: None,
            passing: None,
        })
    }

    fn name(&self, resource: &Resource) -> Option<String> {
        let given_and_family = || {
            let parts = [&self.given_name, &self.family_name];
            let parts: Vec<String> = parts.into_iter().filter_map(|path| path.text(resource)).collect();
            Some(parts.join(" ")).filter(|name| !name.is_empty())
        };
        let name = self.name.text(resource).or_else(|| self.full_name.text(resource));
        name.or_else(given_and_family)
    }
}

/// The group that a resource describes.
///
/// # Errors
/// Why it cannot be taken.
pub(super) fn group(resource: &Resource) -> Result<Mapped, SkippedEntry> {
    let external_id = identifier(resource, GROUPS)?;
    let label = label(GROUPS, external_id.as_str());
    let skip = |problem: &str| SkippedEntry {
        external_id: Some(external_id.clone()),
        label: label.clone(),
        problem: problem.to_owned(),
    };
    let name = text(resource, "displayName").filter(|name| !name.trim().is_empty());
    let name = name.ok_or_else(|| skip("has no displayName"))?.to_owned();
    let (mut members, mut untyped) = (Vec::new(), Vec::new());
    let listed = match member(resource, "members") {
        None | Some(Value::Null) => None,
        Some(Value::Array(items)) => Some(items),
        // A group is never taken without some of its members.
        Some(_) => return Err(skip("its members are no list")),
    };
    for item in listed.into_iter().flatten() {
        let item = item.as_object().ok_or_else(|| skip("one of its members is no object"))?;
        let reference = text(item, "$ref").and_then(referred);
        let id = text(item, "value").map(str::to_owned).or_else(|| reference.as_ref().map(|(_, id)| id.clone()));
        let id = id.filter(|id| !id.is_empty()).ok_or_else(|| skip("one of its members has no value"))?;
        let kind = match text(item, "type") {
            Some(kind) if kind.eq_ignore_ascii_case("User") => Some(USERS),
            Some(kind) if kind.eq_ignore_ascii_case("Group") => Some(GROUPS),
            _ => reference.map(|(kind, _)| kind),
        };
        match kind {
            Some(kind) => members.push(MemberName::Entry(self::label(kind, &id))),
            None => untyped.push(id),
        }
    }
    let has_members = listed.is_some_and(|listed| !listed.is_empty());
    let group = PulledGroup { external_id, label, name, description: None, members, primary_key: None };
    Ok(Mapped { group, untyped, has_members })
}

/// The identifier of a resource.
fn identifier(resource: &Resource, kind: &str) -> Result<ExternalId, SkippedEntry> {
    let skip = |id: &str, problem: String| SkippedEntry { external_id: None, label: label(kind, id), problem };
    let id = text(resource, "id").ok_or_else(|| {
        let shown = text(resource, "userName").or_else(|| text(resource, "displayName")).unwrap_or_default();
        let problem = "has no id: without one nobody can be told from anybody else".to_owned();
        SkippedEntry { label: format!("{kind} {shown}"), ..skip("", problem) }
    })?;
    ExternalId::parse(id).map_err(|error| skip(id, format!("its id cannot be used: {error}")))
}

/// The name of an entry.
pub(super) fn label(kind: &str, id: &str) -> String {
    let mut label = String::from("id=");
    for byte in id.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'@' => label.push(char::from(byte)),
            // Writing to a text does not fail.
            _ => drop(write!(label, "%{byte:02X}")),
        }
    }
    label.push(',');
    label.push_str(kind);
    label
}

/// What a reference to a resource leads to: `…/Users/ID`, `…/Groups/ID`.
fn referred(reference: &str) -> Option<(&'static str, String)> {
    let mut segments = reference.trim_end_matches('/').rsplit('/');
    let (id, kind) = (segments.next()?, segments.next()?);
    let kind = [USERS, GROUPS].into_iter().find(|known| kind.eq_ignore_ascii_case(known))?;
    let id = percent_encoding::percent_decode_str(id).decode_utf8().ok()?;
    Some((kind, id.into_owned()))
}

fn said(resource: &Resource, path: Option<&AttributePath>) -> Said<String> {
    path.map(|path| path.text(resource))
}

fn plain_phone(phone: &str) -> String {
    let number = phone.trim();
    let number = number.get(..4).filter(|scheme| scheme.eq_ignore_ascii_case("tel:")).map_or(number, |_| {
        let number = number.get(4..).unwrap_or_default();
        number.split(';').next().unwrap_or_default()
    });
    number.to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::settings::tests::usable;
    use super::*;
    use crate::directory::dn;

    fn user(resource: Value) -> Result<PulledUser, SkippedEntry> {
        Mapping::new(&usable()).unwrap().user(resource.as_object().unwrap())
    }

    #[test]
    fn a_full_resource_becomes_a_user() {
        let full = user(json!({
            "id": "2819c223", "userName": "ada", "displayName": "Ada Lovelace", "active": true,
            "emails": [{"value": "x@example.org"}, {"value": "ada@example.org", "primary": true}],
            "phoneNumbers": [{"value": "tel:+1-201-555-0123;ext=4"}],
        }));
        let full = full.unwrap();
        assert_eq!((full.external_id.as_str(), full.label.as_str()), ("2819c223", "id=2819c223,Users"));
        assert_eq!((full.username.as_str(), full.name.as_str()), ("ada", "Ada Lovelace"));
        assert_eq!(full.email, Some(Some("ada@example.org".to_owned())));
        assert_eq!(full.phone, Some(Some("+1-201-555-0123".to_owned())));
        assert_eq!((full.disabled, full.description), (None, None));
    }

    #[test]
    fn what_is_missing_has_a_stand_in_or_is_told() {
        let named = |name: Value| user(json!({"id": "1", "userName": "ada", "name": name})).unwrap().name;
        assert_eq!(named(json!({"formatted": "Ms Ada", "givenName": "Ada"})), "Ms Ada");
        assert_eq!(named(json!({"givenName": "Ada", "familyName": "Lovelace"})), "Ada Lovelace");
        assert_eq!(named(json!(null)), "ada");
        let bare = user(json!({"id": "1", "userName": "ada", "active": "False"})).unwrap();
        assert_eq!((bare.email, bare.disabled.is_some()), (Some(None), true));
        let nameless = user(json!({"id": "1"})).unwrap_err();
        assert!(nameless.external_id.is_some() && nameless.problem.contains("attributes.username"));
        let unknown = user(json!({"userName": "ada"})).unwrap_err();
        assert!(unknown.external_id.is_none() && unknown.label.contains("ada"), "{unknown:?}");
    }

    #[test]
    fn members_are_named_by_what_they_are_and_none_is_lost() {
        let groups = json!({"id": "g", "displayName": "Tech", "members": [
            {"value": "A", "type": "user"}, {"value": "b", "type": "Group"}, {"value": "c", "$ref": "../Groups/c"},
            {"$ref": "https://x/v2/Users/d%2Fe"}, {"value": "f"},
        ]});
        let mapped = group(groups.as_object().unwrap()).unwrap();
        let entries: Vec<_> = mapped.group.members.iter().map(|member| format!("{member:?}")).collect();
        let expected = ["id=%41,Users", "id=b,Groups", "id=c,Groups", "id=d%2Fe,Users"];
        assert_eq!(entries, expected.map(|entry| format!("Entry({entry:?})")));
        assert_eq!((mapped.untyped, mapped.has_members), (vec!["f".to_owned()], true));
        for bad in [json!({"id": "g", "displayName": "x", "members": [{}]}), json!({"id": "g"})] {
            assert!(group(bad.as_object().unwrap()).unwrap_err().external_id.is_some());
        }
    }

    #[test]
    fn identifiers_that_differ_in_case_or_hold_separators_have_names_of_their_own() {
        let ids = ["abc", "ABC", "aBc", "a,c", "a+c", "a c", "a%2Cc", "ä", "Ä", "\\61bc"];
        let keys: std::collections::HashSet<_> = ids.iter().map(|id| dn::key(&label(USERS, id))).collect();
        assert_eq!(keys.len(), ids.len());
        assert_ne!(dn::key(&label(USERS, "abc")), dn::key(&label(GROUPS, "abc")));
    }
}
