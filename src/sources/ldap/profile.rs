//! What is read from one server, and how it is understood: the settings, with the defaults of the server's kind where
//! they are silent.

use super::filter::Filter;
use super::kind::ServerKind;
use super::settings::{Attributes, GroupAttributes, Settings};

/// Everything that a reading or a login must know of the server's entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Profile {
    pub(super) kind: ServerKind,
    /// Which entries are users.
    pub(super) users: Filter,
    /// Which of them are disabled by the administrator's own rule.
    pub(super) disabled: Option<Filter>,
    pub(super) id: String,
    pub(super) fields: Fields,
    /// The user's attribute that names the primary group.
    pub(super) primary_group: Option<String>,
    pub(super) groups: Option<GroupProfile>,
    /// References to other servers are left alone.
    pub(super) ignores_referrals: bool,
}

/// Which attribute becomes which field of a user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fields {
    pub(super) username: String,
    pub(super) name: String,
    /// What stands in where an entry has no name.
    pub(super) second_name: String,
    pub(super) email: Option<String>,
    pub(super) phone: Option<String>,
    pub(super) description: Option<String>,
}

/// How groups are read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GroupProfile {
    pub(super) base: String,
    pub(super) filter: Filter,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) description: Option<String>,
    /// Attributes that name members by their entries.
    pub(super) members: Vec<String>,
    /// Attributes that name members by their logins.
    pub(super) logins: Vec<String>,
    /// The number by which users name their primary group.
    pub(super) primary_key: Option<String>,
}

/// The defaults of a kind.
struct Defaults {
    users: &'static str,
    id: &'static str,
    username: &'static str,
    name: &'static str,
    second_name: &'static str,
    groups: &'static str,
    group_id: &'static str,
    members: &'static [&'static str],
    logins: &'static [&'static str],
    primary: Option<(&'static str, &'static str)>,
}

const OPEN_LDAP: Defaults = Defaults {
    users: "(objectClass=inetOrgPerson)",
    id: "entryUUID",
    username: "uid",
    name: "cn",
    second_name: "displayName",
    groups: "(|(objectClass=groupOfNames)(objectClass=groupOfUniqueNames)(objectClass=posixGroup))",
    group_id: "entryUUID",
    members: &["member", "uniqueMember"],
    logins: &["memberUid"],
    primary: Some(("gidNumber", "gidNumber")),
};

fn defaults(kind: ServerKind) -> Defaults {
    match kind {
        ServerKind::OpenLdap | ServerKind::Generic => OPEN_LDAP,
        ServerKind::Ds389 => Defaults { id: "nsUniqueId", group_id: "nsUniqueId", ..OPEN_LDAP },
        // The compat tree shows everybody a second time; it has other object classes and no ipaUniqueID.
        ServerKind::FreeIpa => Defaults {
            users: "(&(objectClass=posixAccount)(ipaUniqueID=*))",
            id: "ipaUniqueID",
            groups: "(&(|(objectClass=ipaUserGroup)(objectClass=posixGroup))(ipaUniqueID=*))",
            group_id: "ipaUniqueID",
            members: &["member"],
            logins: &[],
            primary: None,
            ..OPEN_LDAP
        },
        ServerKind::ActiveDirectory => Defaults {
            users: "(&(objectCategory=person)(objectClass=user))",
            id: "objectGUID",
            username: "sAMAccountName",
            name: "displayName",
            second_name: "cn",
            groups: "(objectCategory=group)",
            group_id: "objectGUID",
            members: &["member"],
            logins: &[],
            primary: Some(("primaryGroupID", "objectSid")),
        },
    }
}

impl Profile {
    /// The profile of a server of this kind.
    ///
    /// # Errors
    /// A filter of the settings that does not parse; the wording names the setting.
    pub(super) fn new(settings: &Settings, kind: ServerKind) -> Result<Self, String> {
        let default = defaults(kind);
        let filter = |key: &str, text: &str| Filter::parse(text).map_err(|problem| format!("{key} {problem}"));
        let groups = settings.groups.then(|| group_profile(settings, &default)).transpose()?;
        let primary = groups.as_ref().and(default.primary).map(|(user, _)| user.to_owned());
        Ok(Self {
            kind,
            users: filter("user_filter", settings.user_filter.as_deref().unwrap_or(default.users))?,
            disabled: settings.disabled_when.as_deref().map(|text| filter("disabled_when", text)).transpose()?,
            id: settings.id_attribute.clone().unwrap_or_else(|| default.id.to_owned()),
            fields: fields(&settings.attributes, &default),
            primary_group: primary,
            groups,
            ignores_referrals: settings.ignore_referrals.unwrap_or(kind == ServerKind::ActiveDirectory),
        })
    }
}

impl Profile {
    /// The filters that decide who is a user or a group, and who is disabled.
    pub(super) fn filters(&self) -> impl Iterator<Item = &Filter> {
        let groups = self.groups.iter().map(|groups| &groups.filter);
        std::iter::once(&self.users).chain(&self.disabled).chain(groups)
    }

    /// Are users, and groups where they are read, identified by this attribute?
    pub(super) fn is_identified_by(&self, attribute: &str) -> bool {
        let mut ids = std::iter::once(&self.id).chain(self.groups.iter().map(|groups| &groups.id));
        ids.all(|id| id.eq_ignore_ascii_case(attribute))
    }
}

/// An attribute that is read unless the settings name another, or none by the empty text.
fn optional(set: Option<&String>, default: &str) -> Option<String> {
    Some(set.map_or(default, String::as_str)).filter(|name| !name.is_empty()).map(str::to_owned)
}

fn fields(set: &Attributes, default: &Defaults) -> Fields {
    Fields {
        username: set.username.clone().unwrap_or_else(|| default.username.to_owned()),
        name: set.name.clone().unwrap_or_else(|| default.name.to_owned()),
        second_name: default.second_name.to_owned(),
        email: optional(set.email.as_ref(), "mail"),
        phone: optional(set.phone.as_ref(), "telephoneNumber"),
        description: optional(set.description.as_ref(), ""),
    }
}

fn group_profile(settings: &Settings, default: &Defaults) -> Result<GroupProfile, String> {
    let GroupAttributes { id, name, description, members, member_logins } = &settings.group_attributes;
    let text = settings.group_filter.as_deref().unwrap_or(default.groups);
    let all = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let own = |set: &Option<String>, default: &[&str]| match set {
        Some(name) if name.is_empty() => Vec::new(),
        Some(name) => vec![name.clone()],
        None => all(default),
    };
    Ok(GroupProfile {
        base: settings.group_base_dn.clone().unwrap_or_else(|| settings.base_dn.clone()),
        filter: Filter::parse(text).map_err(|problem| format!("group_filter {problem}"))?,
        id: id.clone().unwrap_or_else(|| default.group_id.to_owned()),
        name: name.clone().unwrap_or_else(|| "cn".to_owned()),
        description: optional(description.as_ref(), "description"),
        members: own(members, default.members),
        logins: own(member_logins, default.logins),
        primary_key: default.primary.map(|(_, key)| key.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_brings_its_own_defaults_and_the_settings_win() {
        let settings = Settings { groups: true, base_dn: "dc=x".to_owned(), ..Settings::default() };
        for (kind, id, username) in [
            (ServerKind::OpenLdap, "entryUUID", "uid"),
            (ServerKind::Ds389, "nsUniqueId", "uid"),
            (ServerKind::FreeIpa, "ipaUniqueID", "uid"),
            (ServerKind::ActiveDirectory, "objectGUID", "sAMAccountName"),
            (ServerKind::Generic, "entryUUID", "uid"),
        ] {
            let profile = Profile::new(&settings, kind).unwrap();
            assert_eq!((profile.id.as_str(), profile.fields.username.as_str()), (id, username));
            assert_eq!(profile.groups.unwrap().id, id);
            let attributes = Attributes { email: Some(String::new()), ..Attributes::default() };
            let own = Settings { id_attribute: Some("uid".to_owned()), attributes, groups: false, ..settings.clone() };
            let profile = Profile::new(&own, kind).unwrap();
            assert_eq!((profile.id.as_str(), profile.fields.email, profile.groups), ("uid", None, None));
        }
    }
}
