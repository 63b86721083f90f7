//! From an entry to a group: its name, and its members as the entry names them.

use super::entry::Entry;
use super::mapping::{identifier, said, text};
use super::profile::GroupProfile;
use crate::base::id::ExternalId;
use crate::sources::{MemberName, PulledGroup, SkippedEntry};

/// A group, and where the rest of its members begins.
pub(super) struct Mapped {
    pub(super) group: PulledGroup,
    /// The attributes that are not whole, and the number of the first value that is missing.
    pub(super) rest: Vec<(String, usize)>,
}

impl GroupProfile {
    /// The attributes to ask the server for.
    pub(super) fn wanted(&self) -> Vec<String> {
        let optional = [self.description.clone(), self.primary_key.clone()];
        let mut wanted = vec![self.id.clone(), self.name.clone()];
        wanted.extend(optional.into_iter().flatten());
        wanted.extend(self.members.iter().chain(&self.logins).cloned());
        wanted.sort();
        wanted.dedup();
        wanted
    }

    /// The attributes that hold members, and may be large.
    pub(super) fn large(&self) -> Vec<String> {
        self.members.iter().chain(&self.logins).cloned().collect()
    }

    /// The group that an entry describes.
    ///
    /// # Errors
    /// Why it cannot be taken.
    pub(super) fn group(&self, entry: &Entry) -> Result<Mapped, SkippedEntry> {
        let label = entry.label();
        let skip = |external_id, problem| SkippedEntry { external_id, label: label.clone(), problem };
        let external_id = identifier(entry, &self.id, "group_attributes.id").map_err(|problem| skip(None, problem))?;
        self.fields_of(entry, &external_id).map_err(|problem| skip(Some(external_id.clone()), problem))
    }

    fn fields_of(&self, entry: &Entry, external_id: &ExternalId) -> Result<Mapped, String> {
        std::str::from_utf8(&entry.dn).map_err(|_| "its DN is not UTF-8".to_owned())?;
        let name =
            text(entry, &self.name)?.ok_or_else(|| format!("has no {}: check group_attributes.name", self.name))?;
        let mut members = Vec::new();
        for attribute in &self.members {
            members.extend(named(entry, attribute)?.map(|name| MemberName::Entry(without_uid(name).to_owned())));
        }
        for attribute in &self.logins {
            members.extend(named(entry, attribute)?.map(|name| MemberName::Login(name.to_owned())));
        }
        let rest = self.large().into_iter().filter_map(|name| entry.next_value(&name).map(|next| (name, next)));
        let rest = rest.collect();
        let primary_key = self.primary_key.as_deref().and_then(|name| primary_key(entry, name));
        let description = said(entry, self.description.as_ref())?;
        let external_id = external_id.clone();
        let group = PulledGroup { external_id, label: entry.label(), name, description, members, primary_key };
        Ok(Mapped { group, rest })
    }
}

/// The values that are text; one that is none names nobody.
pub(super) fn named<'a>(entry: &'a Entry, attribute: &str) -> Result<impl Iterator<Item = &'a str>, String> {
    let values = entry.values(attribute).map_err(|excess| format!("the attribute {attribute} {}", excess.text()))?;
    Ok(values.iter().filter_map(|value| std::str::from_utf8(value).ok()))
}

/// A `uniqueMember` may carry a bit string behind the name (RFC 4517 §3.3.21): `cn=a,dc=x#'0101'B`.
pub(super) fn without_uid(name: &str) -> &str {
    match name.rsplit_once("#'") {
        Some((name, bits))
            if bits.strip_suffix("'B").is_some_and(|bits| bits.bytes().all(|bit| bit == b'0' || bit == b'1')) =>
        {
            name
        }
        _ => name,
    }
}

/// The number by which users name the group: of a security identifier its last part ([MS-DTYP] 2.4.2).
fn primary_key(entry: &Entry, attribute: &str) -> Option<String> {
    let value = entry.values(attribute).ok()?.first()?;
    if attribute.eq_ignore_ascii_case("objectSid") {
        return Some(u32::from_le_bytes(*value.last_chunk::<4>()?).to_string());
    }
    std::str::from_utf8(value).ok().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::super::entry::tests::entry;
    use super::super::kind::ServerKind;
    use super::super::profile::Profile;
    use super::super::settings::Settings;
    use super::*;

    fn profile(kind: ServerKind) -> GroupProfile {
        Profile::new(&Settings { groups: true, ..Settings::default() }, kind).unwrap().groups.unwrap()
    }

    fn read(profile: &GroupProfile, attributes: &[(&str, Vec<&[u8]>)]) -> Result<Mapped, SkippedEntry> {
        let tag = entry(b"cn=g,dc=x", attributes);
        profile.group(&Entry::read_group(tag, &profile.wanted(), &profile.large()).unwrap())
    }

    #[test]
    fn members_are_named_by_entries_and_by_logins() {
        let attributes: [(&str, Vec<&[u8]>); 5] = [
            ("entryUUID", vec![b"id-1"]),
            ("cn", vec![b"devs"]),
            ("uniqueMember", vec![b"uid=a,dc=x#'0101'B", b"uid=b#'x,dc=x", b"\xff"]),
            ("memberUid", vec![b"ada"]),
            ("gidNumber", vec![b"500"]),
        ];
        let Mapped { group, rest } = read(&profile(ServerKind::OpenLdap), &attributes).unwrap();
        let entries = ["uid=a,dc=x", "uid=b#'x,dc=x"].map(|name| MemberName::Entry(name.to_owned()));
        assert_eq!(group.members, [&entries[..], &[MemberName::Login("ada".to_owned())]].concat());
        assert_eq!((group.name.as_str(), group.primary_key.as_deref(), rest), ("devs", Some("500"), Vec::new()));
    }

    #[test]
    fn active_directory_sends_members_in_ranges_and_names_primary_groups_by_number() {
        let guid: Vec<u8> = (0..16).collect();
        let sid = [1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 2, 0, 0];
        let attributes: [(&str, Vec<&[u8]>); 4] = [
            ("objectGUID", vec![&guid]),
            ("cn", vec![b"all"]),
            ("member;range=0-1499", vec![b"cn=a,dc=x"]),
            ("objectSid", vec![&sid]),
        ];
        let Mapped { group, rest } = read(&profile(ServerKind::ActiveDirectory), &attributes).unwrap();
        assert_eq!(rest, [("member".to_owned(), 1500)]);
        assert_eq!(group.primary_key.as_deref(), Some("513"));
    }

    #[test]
    fn what_cannot_be_a_group_is_skipped_with_the_reason() {
        let nameless = read(&profile(ServerKind::OpenLdap), &[("entryUUID", vec![b"id-1"])]).err().unwrap();
        assert!(nameless.external_id.is_some() && nameless.problem.contains("group_attributes.name"));
        let unknown = read(&profile(ServerKind::OpenLdap), &[("cn", vec![b"x"])]).err().unwrap();
        assert!(unknown.external_id.is_none() && unknown.problem.contains("group_attributes.id"));
    }
}
