//! What an administrator sets for one directory server, and everything that can be wrong with it.
//!
//! It offers no way to skip the verification of certificates and no plain text to another host.

use std::path::PathBuf;
use std::time::Duration;

use super::filter::{Filter, is_attribute};
use super::kind::ServerKind;
use super::wire::endpoint::{Endpoint, Protection};
use super::wire::identity::{self, IdentityFiles};
use super::wire::pin::Pin;
use super::wire::tls::TlsSettings;
use crate::base::id::SourceId;
use crate::base::secret::Secret;
use crate::web::tls;

/// Which attribute of an entry becomes which field of a user; `None` is what the server's kind has for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The login name; an entry without it is skipped.
    pub username: Option<String>,
    /// The name to show; `cn` or the login name stands in where an entry has none.
    pub name: Option<String>,
    /// The email address; the empty text: it is not read.
    pub email: Option<String>,
    /// The phone number; the empty text: it is not read.
    pub phone: Option<String>,
    /// A description; read only where an attribute is named.
    pub description: Option<String>,
}

/// Which attribute of an entry becomes which field of a group; `None` is what the server's kind has for it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GroupAttributes {
    /// The attribute that never changes.
    pub id: Option<String>,
    /// The name to show.
    pub name: Option<String>,
    /// A description; the empty text: it is not read.
    pub description: Option<String>,
    /// Members by the names of their entries; the empty text: there are none such.
    pub members: Option<String>,
    /// Members by their logins; the empty text: there are none such.
    pub member_logins: Option<String>,
}

/// How changes are read between complete readings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// By content synchronization (RFC 4533).
    Syncrepl,
    /// By Active Directory's DirSync.
    DirSync,
    /// By the numbers of changes of one domain controller.
    Usn,
    /// By the times of changes, with an overlap.
    Timestamps,
    /// Not at all: every reading is a complete one.
    Full,
}

impl Strategy {
    /// Every strategy, with its name in the settings.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("syncrepl", Self::Syncrepl),
        ("dirsync", Self::DirSync),
        ("usn", Self::Usn),
        ("timestamps", Self::Timestamps),
        ("full", Self::Full),
    ];

    /// Its name in the settings.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, strategy)| *strategy == self).map_or("", |(name, _)| name)
    }
}

/// The settings of one LDAP source.
#[derive(Clone)]
pub struct Settings {
    /// The configured name of the source.
    pub id: SourceId,
    /// `ldaps://host[:port]` or `ldap://host[:port]`, tried in order until one connects.
    pub urls: Vec<String>,
    /// Start TLS on `ldap://` connections; without it, `ldap://` goes to loopback only.
    pub start_tls: bool,
    /// PEM certificates that sign the server's; the system's own where `None`.
    pub ca_file: Option<PathBuf>,
    /// SHA-256 of the only server certificates that are taken, instead of verifying name and chain; none for that.
    pub tls_pin: Vec<String>,
    /// PEM of the certificate that says who we are; without `bind_dn`, the bind is by it (SASL EXTERNAL).
    pub client_cert_file: Option<PathBuf>,
    /// PEM of its key.
    pub client_key_file: Option<PathBuf>,
    /// Who reads the directory; empty for anonymous reading.
    pub bind_dn: String,
    /// The password of `bind_dn`.
    pub bind_password: Option<Secret>,
    /// The kind of server; `None`: it is told by its root DSE.
    pub server_kind: Option<ServerKind>,
    /// How changes are read; `None`: as the server allows.
    pub strategy: Option<Strategy>,
    /// Keep a connection open on which the server tells of changes, where it can.
    pub watch: bool,
    /// Where the users are; the whole subtree is read.
    pub base_dn: String,
    /// Which entries are users (RFC 4515); `None` is what the server's kind has for it.
    pub user_filter: Option<String>,
    /// The attribute that never changes: `entryUUID`, `objectGUID`, `nsUniqueId`, `ipaUniqueID`.
    pub id_attribute: Option<String>,
    /// Groups are read too.
    pub groups: bool,
    /// Where the groups are; `None`: where the users are.
    pub group_base_dn: Option<String>,
    /// Which entries are groups (RFC 4515); `None` is what the server's kind has for it.
    pub group_filter: Option<String>,
    /// Which attribute becomes which field of a group.
    pub group_attributes: GroupAttributes,
    /// Which attribute becomes which field.
    pub attributes: Attributes,
    /// Which of the users are disabled at the source (RFC 4515), such as
    /// `(userAccountControl:1.2.840.113556.1.4.803:=2)`.
    pub disabled_when: Option<String>,
    /// Entries to a page, 1 to 1,000.
    pub page_size: u16,
    /// Whether references to other servers are left alone. Otherwise a reading that meets one is not complete: who
    /// is behind it cannot be told from who is gone. `None`: in Active Directory alone, whose root always gives three.
    pub ignore_referrals: Option<bool>,
    /// TCP, StartTLS and TLS together, for each URL.
    pub connect_timeout: Duration,
    /// One answer to a bind or a small search.
    pub operation_timeout: Duration,
    /// Between two entries of a full reading.
    pub idle_timeout: Duration,
    /// A whole full reading.
    pub pass_timeout: Duration,
    /// One whole verification of a password.
    pub login_timeout: Duration,
    /// A full reading of more entries than this is given up.
    pub max_entries: usize,
    /// Connections kept for searches of logins, and as many again for their binds.
    pub login_connections: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // `local` is no name for a remote source: `faults` says so until a name is set.
            id: SourceId::local(),
            urls: Vec::new(),
            start_tls: false,
            ca_file: None,
            tls_pin: Vec::new(),
            client_cert_file: None,
            client_key_file: None,
            bind_dn: String::new(),
            bind_password: None,
            server_kind: None,
            strategy: None,
            watch: false,
            base_dn: String::new(),
            user_filter: None,
            id_attribute: None,
            groups: false,
            group_base_dn: None,
            group_filter: None,
            group_attributes: GroupAttributes::default(),
            attributes: Attributes::default(),
            disabled_when: None,
            page_size: 1000,
            ignore_referrals: None,
            connect_timeout: Duration::from_secs(5),
            operation_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(30),
            pass_timeout: Duration::from_secs(15 * 60),
            login_timeout: Duration::from_secs(5),
            max_entries: 1_500_000,
            login_connections: 4,
        }
    }
}

/// One thing that is wrong: the key of the setting, and what to do.
pub type Fault = (&'static str, String);

impl Settings {
    /// Everything that is wrong with these settings, all at once; empty when they can be used.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.id.is_local() {
            faults.push(("id", "must name the source, and `local` is taken".to_owned()));
        }
        self.server_faults(&mut faults);
        self.search_faults(&mut faults);
        self.attribute_faults(&mut faults);
        self.limit_faults(&mut faults);
        faults
    }

    /// The URLs that can be used, in their order.
    pub(super) fn endpoints(&self) -> Vec<Endpoint> {
        self.urls.iter().filter_map(|url| Endpoint::parse(url, self.start_tls).ok()).collect()
    }

    fn server_faults(&self, faults: &mut Vec<Fault>) {
        if self.urls.is_empty() {
            faults.push(("urls", "must hold at least one URL, like ldaps://ldap.example.org".to_owned()));
        }
        let bad = self.urls.iter().filter_map(|url| Endpoint::parse(url, self.start_tls).err());
        faults.extend(bad.map(|problem| ("urls", problem)));
        if let Some(path) = &self.ca_file
            && let Err(problem) = tls::read_certificates(path)
        {
            faults.push(("ca_file", problem));
        }
        self.tls_faults(faults);
        let has_password = self.bind_password.as_ref().is_some_and(|password| !password.is_empty());
        match (self.bind_dn.trim().is_empty(), has_password) {
            // A bind with a DN and no password succeeds without proof (RFC 4513 §5.1.2).
            (false, false) => faults.push(("bind_password", "is missing or empty, but bind_dn is set".to_owned())),
            (true, true) => faults.push(("bind_dn", "is empty, but bind_password is set".to_owned())),
            _ => {}
        }
    }

    /// What the settings say of TLS.
    pub(super) fn tls(&self) -> TlsSettings {
        let files = self.client_cert_file.clone().zip(self.client_key_file.clone());
        TlsSettings {
            ca_file: self.ca_file.clone(),
            pins: self.tls_pin.iter().filter_map(|pin| Pin::parse(pin).ok()).collect(),
            identity: files.map(|(certificate, key)| IdentityFiles { certificate, key }),
        }
    }

    fn tls_faults(&self, faults: &mut Vec<Fault>) {
        let bad = self.tls_pin.iter().filter_map(|pin| Pin::parse(pin).err());
        faults.extend(bad.map(|problem| ("tls_pin", problem)));
        if !self.tls_pin.is_empty() && self.ca_file.is_some() {
            let problem = "only the pinned certificates are taken, whoever signed them: remove ca_file or tls_pin";
            faults.push(("tls_pin", problem.to_owned()));
        }
        match (&self.client_cert_file, &self.client_key_file) {
            (None, None) => return,
            (Some(_), None) => faults.push((identity::KEY, "is missing, but client_cert_file is set".to_owned())),
            (None, Some(_)) => {
                faults.push((identity::CERTIFICATE, "is missing, but client_key_file is set".to_owned()));
            }
            (Some(_), Some(_)) => {}
        }
        if self.endpoints().iter().any(|endpoint| endpoint.protection == Protection::Loopback) {
            let problem = "needs TLS: use ldaps:// in urls, or set start_tls";
            faults.push((identity::CERTIFICATE, problem.to_owned()));
        }
        if let Some(files) = self.tls().identity
            && let Err(fault) = identity::read(&files, &tls::provider())
        {
            faults.push(fault);
        }
    }

    fn search_faults(&self, faults: &mut Vec<Fault>) {
        if self.base_dn.trim().is_empty() {
            faults.push(("base_dn", "must say where the users are, like ou=people,dc=example,dc=org".to_owned()));
        }
        let filters = [
            ("user_filter", &self.user_filter),
            ("disabled_when", &self.disabled_when),
            ("group_filter", &self.group_filter),
        ];
        for (key, text) in filters {
            if let Some(Err(problem)) = text.as_deref().map(Filter::parse) {
                faults.push((key, problem));
            }
        }
        for (key, dn) in [("base_dn", Some(&self.base_dn)), ("group_base_dn", self.group_base_dn.as_ref())] {
            if dn.is_some_and(|dn| !dn.trim().is_empty() && !dn.contains('=')) {
                faults.push((key, "is no DN: it has no part like dc=example".to_owned()));
            }
        }
    }

    fn attribute_faults(&self, faults: &mut Vec<Fault>) {
        let (users, groups) = (&self.attributes, &self.group_attributes);
        let must_be_named = ["id_attribute", "attributes.username", "attributes.name"];
        let must_be_named = [&must_be_named[..], &["group_attributes.id", "group_attributes.name"]].concat();
        let all = [
            ("id_attribute", &self.id_attribute),
            ("attributes.username", &users.username),
            ("attributes.name", &users.name),
            ("attributes.email", &users.email),
            ("attributes.phone", &users.phone),
            ("attributes.description", &users.description),
            ("group_attributes.id", &groups.id),
            ("group_attributes.name", &groups.name),
            ("group_attributes.description", &groups.description),
            ("group_attributes.members", &groups.members),
            ("group_attributes.member_logins", &groups.member_logins),
        ];
        for (key, attribute) in all {
            match attribute.as_deref() {
                Some("") if must_be_named.contains(&key) => {
                    faults.push((key, "is empty; name an attribute".to_owned()))
                }
                Some(name) if !name.is_empty() && !is_attribute(name) => {
                    faults.push((key, format!("`{name}` is not an attribute's name")))
                }
                _ => {}
            }
        }
    }

    fn limit_faults(&self, faults: &mut Vec<Fault>) {
        if !(1..=1000).contains(&self.page_size) {
            faults.push(("page_size", "must be 1 to 1000".to_owned()));
        }
        if self.max_entries == 0 {
            faults.push(("max_entries", "must be at least 1".to_owned()));
        }
        if !(1..=64).contains(&self.login_connections) {
            faults.push(("login_connections", "must be 1 to 64".to_owned()));
        }
        let durations = [
            ("connect_timeout", self.connect_timeout),
            ("operation_timeout", self.operation_timeout),
            ("idle_timeout", self.idle_timeout),
            ("pass_timeout", self.pass_timeout),
            ("login_timeout", self.login_timeout),
        ];
        let day = Duration::from_secs(24 * 60 * 60);
        let bad = durations.into_iter().filter(|(_, duration)| duration.is_zero() || *duration > day);
        faults.extend(bad.map(|(key, _)| (key, "must be more than zero and at most a day".to_owned())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usable() -> Settings {
        Settings {
            id: SourceId::parse("corp").unwrap(),
            urls: vec!["ldaps://ldap.example.org".to_owned()],
            base_dn: "dc=example,dc=org".to_owned(),
            ..Settings::default()
        }
    }

    #[test]
    fn usable_settings_have_no_faults() {
        assert!(usable().faults().is_empty());
    }

    #[test]
    fn all_faults_are_told_at_once() {
        let settings = Settings {
            urls: vec!["ldap://dc1.example.org".to_owned(), "http://x".to_owned()],
            ca_file: Some("/nonexistent/ca.pem".into()),
            bind_dn: "cn=reader".to_owned(),
            bind_password: Some(Secret::new("")),
            user_filter: Some("(uid=".to_owned()),
            disabled_when: Some("x".to_owned()),
            id_attribute: Some("a)(b".to_owned()),
            attributes: Attributes { username: Some(String::new()), ..Attributes::default() },
            page_size: 1001,
            max_entries: 0,
            login_connections: 0,
            login_timeout: Duration::ZERO,
            ..Settings::default()
        };
        let keys: Vec<_> = settings.faults().into_iter().map(|(key, _)| key).collect();
        let expected = [
            "id",
            "urls",
            "urls",
            "ca_file",
            "bind_password",
            "base_dn",
            "user_filter",
            "disabled_when",
            "id_attribute",
            "attributes.username",
            "page_size",
            "max_entries",
            "login_connections",
            "login_timeout",
        ];
        assert_eq!(keys, expected);
    }

    #[test]
    fn a_ca_file_without_certificates_is_a_fault() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let settings = Settings { ca_file: Some(file.path().to_owned()), ..usable() };
        assert!(settings.faults()[0].1.contains("no certificate"));
    }
}
