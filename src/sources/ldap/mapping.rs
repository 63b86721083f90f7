//! From an entry to a user: which attribute becomes which field, and how an identifier is written.
//!
//! It parses no usernames and no addresses; it refuses only what is no text or has no identifier or login
//! name. Such an entry is skipped with the reason, and counts as present.

use uuid::Uuid;

use super::entry::Entry;
use super::filter::Filter;
use super::flags;
use super::profile::Profile;
use crate::base::clock::Clock;
use crate::base::id::ExternalId;
use crate::sources::{PulledUser, Said, SkippedEntry};

/// The attribute mapping of one source.
#[derive(Clone)]
pub(super) struct Mapping {
    pub(super) profile: Profile,
    clock: Clock,
}

impl Mapping {
    pub(super) fn new(profile: Profile, clock: Clock) -> Self {
        Self { profile, clock }
    }

    /// The attributes to ask the server for; never "all".
    pub(super) fn wanted(&self) -> Vec<String> {
        let Profile { fields, id, primary_group, kind, .. } = &self.profile;
        let optional = [&fields.email, &fields.phone, &fields.description, primary_group];
        let mut wanted = vec![id.clone(), fields.username.clone(), fields.name.clone(), fields.second_name.clone()];
        wanted.extend(optional.into_iter().flatten().cloned());
        wanted.extend(flags::wanted(*kind).iter().map(|name| (*name).to_owned()));
        wanted.sort();
        wanted.dedup();
        wanted
    }

    /// The attributes that say whose entry it is and whether it is disabled: all that a login of somebody known needs.
    pub(super) fn wanted_of_account(&self) -> Vec<String> {
        let flags = flags::wanted(self.profile.kind).iter().map(|name| (*name).to_owned());
        flags.chain(self.wanted_id()).collect()
    }

    /// Why the entry itself is disabled, if it is.
    pub(super) fn disabled(&self, entry: &Entry) -> Option<String> {
        flags::read(self.profile.kind, entry, self.clock.now()).disabled
    }

    /// The attribute that identifies an entry, and nothing else.
    pub(super) fn wanted_id(&self) -> Vec<String> {
        vec![self.profile.id.clone()]
    }

    /// Whoever goes by this login name or address.
    pub(super) fn named(&self, name: &str) -> Filter {
        let fields = &self.profile.fields;
        let by_name = Filter::equals(&fields.username, name.as_bytes());
        match &fields.email {
            Some(email) => Filter::any(&[by_name, Filter::equals(email, name.as_bytes())]),
            None => by_name,
        }
    }

    /// The entry with this identifier.
    pub(super) fn known(&self, id: &ExternalId) -> Filter {
        identified_by(&self.profile.id, id)
    }

    /// The identifier of an entry.
    ///
    /// # Errors
    /// There is none, or none that can be used; the wording stands alone.
    pub(super) fn external_id(&self, entry: &Entry) -> Result<ExternalId, String> {
        identifier(entry, &self.profile.id, "id_attribute")
    }

    /// The user that an entry describes.
    ///
    /// # Errors
    /// Why it cannot be taken.
    pub(super) fn user(&self, entry: &Entry) -> Result<PulledUser, SkippedEntry> {
        let skip = |external_id, problem| SkippedEntry { external_id, label: entry.label(), problem };
        let external_id = self.external_id(entry).map_err(|problem| skip(None, problem))?;
        self.fields_of(entry, &external_id).map_err(|problem| skip(Some(external_id.clone()), problem))
    }

    fn fields_of(&self, entry: &Entry, external_id: &ExternalId) -> Result<PulledUser, String> {
        std::str::from_utf8(&entry.dn).map_err(|_| "its DN is not UTF-8".to_owned())?;
        let fields = &self.profile.fields;
        let username = text(entry, &fields.username)?
            .ok_or_else(|| format!("has no {}: check attributes.username", fields.username))?;
        let name = match text(entry, &fields.name)? {
            Some(name) => name,
            None => text(entry, &fields.second_name)?.unwrap_or_else(|| username.clone()),
        };
        let flags = flags::read(self.profile.kind, entry, self.clock.now());
        Ok(PulledUser {
            external_id: external_id.clone(),
            label: entry.label(),
            name,
            username,
            email: said(entry, fields.email.as_ref())?,
            phone: said(entry, fields.phone.as_ref())?,
            description: said(entry, fields.description.as_ref())?,
            disabled: flags.disabled,
            expires_at: flags.expires_at,
            primary_group: said(entry, self.profile.primary_group.as_ref())?.flatten(),
            passing: flags.passing,
        })
    }
}

/// What an entry says of an attribute that may not be asked for.
pub(super) fn said(entry: &Entry, name: Option<&String>) -> Result<Said<String>, String> {
    name.map(|name| text(entry, name)).transpose()
}

/// Entries with this identifier. One that we wrote as a UUID may be sixteen bytes at the server.
pub(super) fn identified_by(attribute: &str, id: &ExternalId) -> Filter {
    let text = Filter::equals(attribute, id.as_str().as_bytes());
    match Uuid::try_parse(id.as_str()) {
        Ok(uuid) if is_object_guid(attribute) => Filter::equals(attribute, &uuid.to_bytes_le()),
        Ok(uuid) if !is_textual(attribute) => Filter::any(&[text, Filter::equals(attribute, uuid.as_bytes())]),
        _ => text,
    }
}

/// The identifier of an entry, out of this attribute, which a setting names.
pub(super) fn identifier(entry: &Entry, name: &str, setting: &str) -> Result<ExternalId, String> {
    let value = match entry.values(name).map_err(|excess| format!("the attribute {name} {}", excess.text()))? {
        [value] => value,
        [] => return Err(format!("has no {name}: check {setting}, and that the bind DN may read it")),
        _ => return Err(format!("has several values of {name}; {setting} must be unique")),
    };
    let text = match <[u8; 16]>::try_from(value.as_slice()) {
        Ok(bytes) if is_object_guid(name) => Uuid::from_bytes_le(bytes).to_string(),
        Ok(bytes) if !is_plain(value) => Uuid::from_bytes(bytes).to_string(),
        _ => std::str::from_utf8(value)
            .map_err(|_| format!("the attribute {name} is neither text nor a UUID"))?
            .to_owned(),
    };
    ExternalId::parse(&text).map_err(|error| format!("the attribute {name} cannot be used: {error}"))
}

pub(super) fn is_object_guid(attribute: &str) -> bool {
    attribute.eq_ignore_ascii_case("objectGUID")
}

/// Attributes whose identifiers are text on the wire, so that sixteen raw bytes are never asked for.
fn is_textual(attribute: &str) -> bool {
    ["entryUUID", "nsUniqueId", "ipaUniqueID", "uid"].iter().any(|known| known.eq_ignore_ascii_case(attribute))
}

/// Identifiers that the server itself makes, and of which no two entries have the same.
pub(super) fn is_made_by_server(attribute: &str) -> bool {
    is_object_guid(attribute)
        || ["entryUUID", "nsUniqueId", "ipaUniqueID"].iter().any(|known| known.eq_ignore_ascii_case(attribute))
}

fn is_plain(value: &[u8]) -> bool {
    std::str::from_utf8(value).is_ok_and(|text| !text.chars().any(char::is_control))
}

/// The first value that is not blank, in the server's order.
pub(super) fn text(entry: &Entry, name: &str) -> Result<Option<String>, String> {
    let values = entry.values(name).map_err(|excess| format!("the attribute {name} {}", excess.text()))?;
    let not_text = |_| format!("the attribute {name} is not UTF-8 text");
    for value in values {
        let value = std::str::from_utf8(value).map_err(not_text)?;
        if !value.trim().is_empty() {
            return Ok(Some(value.to_owned()));
        }
    }
    Ok(None)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::entry::tests::entry;
    use super::super::kind::ServerKind;
    use super::super::settings::Settings;
    use super::*;

    pub(in super::super) fn mapping(settings: &Settings) -> Mapping {
        Mapping::new(Profile::new(settings, ServerKind::OpenLdap).unwrap(), Clock::system())
    }

    fn by(id: &str) -> Mapping {
        mapping(&Settings { id_attribute: Some(id.to_owned()), ..Settings::default() })
    }

    fn read(mapping: &Mapping, attributes: &[(&str, Vec<&[u8]>)]) -> Result<PulledUser, SkippedEntry> {
        mapping.user(&Entry::read(entry(b"uid=ada,dc=x", attributes), &mapping.wanted()).unwrap())
    }

    #[test]
    fn a_full_entry_becomes_a_user() {
        let full: [(&str, Vec<&[u8]>); 5] = [
            ("entryuuid", vec![b"id-1"]),
            ("uid", vec![b"ada", b"countess"]),
            ("cn", vec![b" ", "Ada Lovelace".as_bytes()]),
            ("mail", vec![b"ada@example.org"]),
            ("telephoneNumber", vec![b""]),
        ];
        let user = read(&by("entryUUID"), &full).unwrap();
        assert_eq!(user.external_id.as_str(), "id-1");
        assert_eq!((user.username.as_str(), user.name.as_str()), ("ada", "Ada Lovelace"));
        assert_eq!((user.email, user.phone), (Some(Some("ada@example.org".to_owned())), Some(None)));
        assert_eq!((user.disabled, user.description), (None, None));
    }

    #[test]
    fn what_cannot_be_a_user_is_skipped_with_the_reason_and_present_where_it_can_be_known() {
        let mapping = by("entryUUID");
        let nameless = read(&mapping, &[("entryUUID", vec![b"id-1"])]).unwrap_err();
        assert_eq!(nameless.external_id.unwrap().as_str(), "id-1");
        assert!(nameless.problem.contains("attributes.username"));
        let unknown = read(&mapping, &[("uid", vec![b"ada"])]).unwrap_err();
        assert!(unknown.external_id.is_none() && unknown.problem.contains("id_attribute"));
        let binary = read(&mapping, &[("entryUUID", vec![b"id-1"]), ("uid", vec![b"\xff\xfe"])]).unwrap_err();
        assert!(binary.problem.contains("uid is not UTF-8"), "{}", binary.problem);
        assert_eq!(binary.label, "uid=ada,dc=x");
    }

    #[test]
    fn a_dn_that_is_no_text_is_skipped_not_fatal() {
        let mapping = by("entryUUID");
        let tag = entry(b"uid=\xff", &[("entryUUID", vec![b"id-1"]), ("uid", vec![b"ada"])]);
        let skipped = mapping.user(&Entry::read(tag, &mapping.wanted()).unwrap()).unwrap_err();
        assert!(skipped.external_id.is_some() && skipped.problem.contains("DN"));
    }

    #[test]
    fn an_object_guid_is_written_as_its_uuid_and_found_again() {
        let bytes: Vec<u8> = (0..16).collect();
        let mapping = by("objectGUID");
        let user = read(&mapping, &[("objectGUID", vec![&bytes]), ("uid", vec![b"ada"])]).unwrap();
        assert_eq!(user.external_id.as_str(), "03020100-0504-0706-0809-0a0b0c0d0e0f");
        let expected: String = bytes.iter().map(|byte| format!("\\{byte:02x}")).collect();
        assert_eq!(mapping.known(&user.external_id).as_str(), format!("(objectGUID={expected})"));
    }

    #[test]
    fn sixteen_raw_bytes_of_another_attribute_are_looked_for_in_both_forms() {
        let bytes: Vec<u8> = (0xf0..=0xff).collect();
        let mapping = by("GUID");
        let user = read(&mapping, &[("GUID", vec![&bytes]), ("uid", vec![b"ada"])]).unwrap();
        assert_eq!(user.external_id.as_str(), "f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfeff");
        assert!(mapping.known(&user.external_id).as_str().contains(r"(GUID=\f0\f1"));
        let plain = ExternalId::parse("ada)(x=*").unwrap();
        assert_eq!(mapping.known(&plain).as_str(), r"(GUID=ada\29\28x=\2a)");
    }
}
