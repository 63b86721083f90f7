//! Which kind of server this is: from what its root DSE (RFC 4512 §5.1) says, unless the settings say it.

use std::collections::BTreeSet;

use ldap3::Scope;

use super::entry::Entry;
use super::filter::Filter;
use super::settings::Settings;
use super::wire::error::{LinkError, explain_code};
use super::wire::link::{Link, Search};

/// The paging control's name (RFC 2696).
pub(super) const PAGING: &str = "1.2.840.113556.1.4.319";
/// The content synchronization control's name (RFC 4533).
pub(super) const SYNC: &str = "1.3.6.1.4.1.4203.1.9.1.1";
/// Active Directory's DirSync control ([MS-ADTS] 3.1.1.3.4.1.3).
pub(super) const DIR_SYNC: &str = "1.2.840.113556.1.4.841";
/// Active Directory says by it that it is one ([MS-ADTS] 3.1.1.3.4.3.1).
const ACTIVE_DIRECTORY: &str = "1.2.840.113556.1.4.800";

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerKind {
    /// OpenLDAP.
    OpenLdap,
    /// 389 Directory Server.
    Ds389,
    /// FreeIPA: a 389 Directory Server with a layout of its own.
    FreeIpa,
    /// Active Directory, or Samba as its domain controller.
    ActiveDirectory,
    /// Any other.
    Generic,
}

impl ServerKind {
    /// Every kind, with its name in the settings.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("openldap", Self::OpenLdap),
        ("389ds", Self::Ds389),
        ("freeipa", Self::FreeIpa),
        ("active-directory", Self::ActiveDirectory),
        ("generic", Self::Generic),
    ];

    /// Its name in the settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// What the root DSE says, as far as it matters.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct RootDse {
    pub(super) vendor: String,
    pub(super) object_classes: BTreeSet<String>,
    pub(super) controls: BTreeSet<String>,
    pub(super) capabilities: BTreeSet<String>,
    pub(super) naming_contexts: Vec<String>,
    /// Active Directory: the root of its domain.
    pub(super) default_naming_context: Option<String>,
    /// Active Directory: which of its servers this is.
    pub(super) service_name: Option<String>,
    /// Active Directory: the number of its last change.
    pub(super) highest_usn: Option<u64>,
    /// The server's clock, where it tells it.
    pub(super) current_time: Option<String>,
    /// Where the schema stands (RFC 4512 §4.2).
    pub(super) subschema: Option<String>,
}

const ASKED: &[&str] = &[
    "objectClass",
    "vendorName",
    "vendorVersion",
    "supportedControl",
    "supportedCapabilities",
    "namingContexts",
    "defaultNamingContext",
    "dsServiceName",
    "highestCommittedUSN",
    "currentTime",
    "subschemaSubentry",
];

impl RootDse {
    /// Asks for it. A server that does not show it is like one that says nothing in it.
    pub(super) async fn read(link: &mut Link, settings: &Settings) -> Result<Self, LinkError> {
        let asked = ASKED.iter().map(|name| (*name).to_owned()).collect();
        let entry = one(link, settings, "", asked).await?;
        Ok(entry.map(|entry| Self::of(&entry)).unwrap_or_default())
    }

    fn of(entry: &Entry) -> Self {
        let all = |name: &str| texts(entry, name);
        let first = |name: &str| texts(entry, name).into_iter().next();
        Self {
            vendor: [all("vendorName"), all("vendorVersion")].concat().join(" "),
            object_classes: all("objectClass").into_iter().collect(),
            controls: all("supportedControl").into_iter().collect(),
            capabilities: all("supportedCapabilities").into_iter().collect(),
            naming_contexts: all("namingContexts"),
            default_naming_context: first("defaultNamingContext"),
            service_name: first("dsServiceName"),
            highest_usn: first("highestCommittedUSN").and_then(|usn| usn.parse().ok()),
            current_time: first("currentTime"),
            subschema: first("subschemaSubentry"),
        }
    }

    /// Does the server offer this control?
    pub(super) fn offers(&self, control: &str) -> bool {
        self.controls.contains(control)
    }

    /// The kind that it speaks of, and how it can be told; FreeIPA looks like 389 here.
    fn kind(&self) -> (ServerKind, &'static str) {
        if self.capabilities.contains(ACTIVE_DIRECTORY) {
            (ServerKind::ActiveDirectory, "the root DSE names the capability of Active Directory")
        } else if self.vendor.starts_with("389 Project") {
            (ServerKind::Ds389, "the root DSE names the 389 Project as vendor")
        } else if self.object_classes.contains("OpenLDAProotDSE") {
            (ServerKind::OpenLdap, "the root DSE is one of OpenLDAP")
        } else {
            (ServerKind::Generic, "the root DSE names no vendor that is known")
        }
    }

    /// The naming context that holds an entry.
    fn context_of(&self, dn: &str) -> Option<&String> {
        self.naming_contexts.iter().find(|context| crate::directory::dn::is_under(dn, context))
    }
}

/// The kind of the server, and how it can be told.
pub(super) async fn detect(
    link: &mut Link,
    settings: &Settings,
    root: &RootDse,
) -> Result<(ServerKind, &'static str), LinkError> {
    if let Some(kind) = settings.server_kind {
        return Ok((kind, "the settings say so (server_kind)"));
    }
    let (kind, why) = root.kind();
    if kind == ServerKind::Ds389
        && let Some(context) = root.context_of(&settings.base_dn)
    {
        let place = format!("cn=ipaConfig,cn=etc,{context}");
        // Not an answer is not a no: with another kind everybody would have another identity.
        if one(link, settings, &place, vec!["1.1".to_owned()]).await?.is_some() {
            return Ok((ServerKind::FreeIpa, "a 389 Directory Server with the configuration of FreeIPA"));
        }
    }
    Ok((kind, why))
}

/// Reads one entry by its name; `None`: it may not be seen, or is not there.
pub(super) async fn one(
    link: &mut Link,
    settings: &Settings,
    dn: &str,
    attributes: Vec<String>,
) -> Result<Option<Entry>, LinkError> {
    let filter = Filter::present("objectClass");
    let timeout = settings.operation_timeout;
    let search = Search { base: dn, scope: Scope::Base, filter: &filter, attributes, size_limit: 1, timeout };
    let (entries, result) = link.search_few(&search).await?;
    match result.rc {
        0 => {}
        32 => return Ok(None),
        code => return Err(LinkError::Settings(explain_code(code, &result.text))),
    }
    let entry = entries.into_iter().next().map(|entry| Entry::read(entry.0, &search.attributes));
    entry.transpose().map_err(|error| LinkError::Settings(error.to_string()))
}

/// The values of an attribute as texts, as far as they are.
pub(super) fn texts(entry: &Entry, name: &str) -> Vec<String> {
    let values = entry.values(name).unwrap_or_default();
    values.iter().map(|value| String::from_utf8_lossy(value).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_known_by_what_its_root_dse_says() {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let cases = [
            (RootDse { capabilities: set(&[ACTIVE_DIRECTORY]), ..RootDse::default() }, ServerKind::ActiveDirectory),
            (RootDse { vendor: "389 Project 389-Directory/2.3".to_owned(), ..RootDse::default() }, ServerKind::Ds389),
            (RootDse { object_classes: set(&["top", "OpenLDAProotDSE"]), ..RootDse::default() }, ServerKind::OpenLdap),
            (RootDse { vendor: "Somebody Else".to_owned(), ..RootDse::default() }, ServerKind::Generic),
        ];
        for (root, kind) in cases {
            assert_eq!(root.kind().0, kind, "{root:?}");
            assert_eq!(ServerKind::ALL.iter().find(|(name, _)| *name == kind.name()).unwrap().1, kind);
        }
    }
}
