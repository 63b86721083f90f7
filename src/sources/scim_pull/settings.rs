//! What an administrator sets for one SCIM service that is read, and everything that can be wrong with it.
//!
//! It offers no way to skip the verification of certificates, and no plain text to another host.

use std::path::PathBuf;
use std::time::Duration;

use super::path::AttributePath;
use crate::base::id::SourceId;
use crate::base::secret::Secret;
use crate::scim::filter;
use crate::web::client::{Keys, Limits};
use crate::web::place::Place;
use crate::web::tls;

/// What the errors of the HTTP client call these settings.
pub(super) const KEYS: Keys = Keys {
    url: "url",
    ca_file: "ca_file",
    connect: "connect_timeout",
    request: "operation_timeout",
    too_large: "lower page_size, or raise answer_limit",
};

/// How a list is read page by page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paging {
    /// By `startIndex` (RFC 7644 §3.4.2.4).
    Index,
    /// By `cursor` (RFC 9865).
    Cursor,
}

impl Paging {
    /// Both, each with its name in the settings.
    pub const ALL: &'static [(&'static str, Self)] = &[("index", Self::Index), ("cursor", Self::Cursor)];
}

/// How we show who we are.
#[derive(Clone)]
pub enum Access {
    /// By a bearer token that does not change.
    Token(Secret),
    /// By tokens that an OAuth server gives to client credentials (RFC 6749 §4.4).
    Client {
        /// Where they are given.
        token_url: String,
        /// Who we are there.
        client_id: String,
        /// The proof of it.
        client_secret: Secret,
        /// What is asked for; the server's own choice where `None`.
        scope: Option<String>,
    },
}

/// Which attribute of a resource becomes which field of a user, as SCIM paths; `None` is what most services have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// The login name; a resource without it is skipped.
    pub username: Option<String>,
    /// The name to show; `name` or the login name stands in where a resource has none.
    pub name: Option<String>,
    /// The email address; the empty text: it is not read.
    pub email: Option<String>,
    /// The phone number; the empty text: it is not read.
    pub phone: Option<String>,
    /// A description; read only where an attribute is named.
    pub description: Option<String>,
}

/// The settings of one SCIM service.
#[derive(Clone)]
pub struct Settings {
    /// The configured name of the source.
    pub id: SourceId,
    /// The base URL, to which `/Users` is added.
    pub url: String,
    /// How we show who we are; `None`: nothing was given.
    pub access: Option<Access>,
    /// PEM certificates that sign the server's; the system's own where `None`.
    pub ca_file: Option<PathBuf>,
    /// Resources to a page, 2 to 1,000.
    pub page_size: usize,
    /// How lists are read; `None`: as the server says.
    pub paging: Option<Paging>,
    /// Which of the users are wanted (RFC 7644 §3.4.2.2); `None`: all.
    pub user_filter: Option<String>,
    /// Which attribute becomes which field.
    pub attributes: Attributes,
    /// Groups are read too.
    pub groups: bool,
    /// Changes are read by `meta.lastModified` between complete readings, where the server filters.
    pub changes: bool,
    /// TCP and TLS together.
    pub connect_timeout: Duration,
    /// One request to the end of its answer.
    pub operation_timeout: Duration,
    /// A whole reading, with every wait that the server asks for.
    pub pass_timeout: Duration,
    /// Most bytes of one answer.
    pub answer_limit: usize,
    /// A reading of more resources than this is given up.
    pub max_entries: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            // `local` is no name for a remote source: `faults` says so until a name is set.
            id: SourceId::local(),
            url: String::new(),
            access: None,
            ca_file: None,
            page_size: 100,
            paging: None,
            user_filter: None,
            attributes: Attributes::default(),
            groups: true,
            changes: true,
            connect_timeout: Duration::from_secs(5),
            operation_timeout: Duration::from_secs(30),
            pass_timeout: Duration::from_secs(30 * 60),
            answer_limit: 16 * 1024 * 1024,
            max_entries: 1_500_000,
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
        self.attribute_faults(&mut faults);
        self.limit_faults(&mut faults);
        faults
    }

    pub(super) fn limits(&self) -> Limits {
        let (connect, request, answer) = (self.connect_timeout, self.operation_timeout, self.answer_limit);
        Limits { connect, request, answer, keys: &KEYS }
    }

    fn server_faults(&self, faults: &mut Vec<Fault>) {
        if self.url.is_empty() {
            faults
                .push(("url", "must be the base URL of the service, like https://idp.example.org/scim/v2".to_owned()));
        } else if let Err(problem) = Place::parse(&self.url) {
            faults.push(("url", problem));
        }
        match &self.access {
            None => faults.push((
                "token",
                "is missing; give token, or token_url, client_id and client_secret for OAuth client credentials"
                    .to_owned(),
            )),
            Some(Access::Token(token)) => header_fault("token", token, faults),
            Some(Access::Client { token_url, client_id, client_secret, .. }) => {
                if let Err(problem) = Place::parse(token_url) {
                    faults.push(("token_url", problem));
                }
                if client_id.is_empty() {
                    faults.push(("client_id", "is missing, but token_url is set".to_owned()));
                }
                if client_secret.is_empty() {
                    faults.push(("client_secret", "is missing, but token_url is set".to_owned()));
                }
            }
        }
        if let Some(path) = &self.ca_file
            && let Err(problem) = tls::read_certificates(path)
        {
            faults.push(("ca_file", problem));
        }
        if let Some(text) = &self.user_filter
            && let Err(error) = filter::parse(text)
        {
            faults.push(("user_filter", error.detail));
        }
    }

    fn attribute_faults(&self, faults: &mut Vec<Fault>) {
        let users = &self.attributes;
        let all = [
            ("attributes.username", &users.username, true),
            ("attributes.name", &users.name, true),
            ("attributes.email", &users.email, false),
            ("attributes.phone", &users.phone, false),
            ("attributes.description", &users.description, false),
        ];
        for (key, path, is_required) in all {
            match path.as_deref() {
                Some("") if is_required => faults.push((key, "is empty; name an attribute".to_owned())),
                None | Some("") => {}
                Some(text) => faults.extend(AttributePath::parse(text).err().map(|problem| (key, problem))),
            }
        }
    }

    fn limit_faults(&self, faults: &mut Vec<Fault>) {
        if !(2..=1000).contains(&self.page_size) {
            faults.push(("page_size", "must be 2 to 1000".to_owned()));
        }
        if self.max_entries == 0 {
            faults.push(("max_entries", "must be at least 1".to_owned()));
        }
        if self.answer_limit == 0 {
            faults.push(("answer_limit", "must be at least 1".to_owned()));
        }
        let durations = [
            ("connect_timeout", self.connect_timeout),
            ("operation_timeout", self.operation_timeout),
            ("pass_timeout", self.pass_timeout),
        ];
        let day = Duration::from_secs(24 * 60 * 60);
        let bad = durations.into_iter().filter(|(_, duration)| duration.is_zero() || *duration > day);
        faults.extend(bad.map(|(key, _)| (key, "must be more than zero and at most a day".to_owned())));
    }
}

/// A token stands in a header: it cannot hold what would end one.
fn header_fault(key: &'static str, token: &Secret, faults: &mut Vec<Fault>) {
    if token.is_empty() {
        faults.push((key, "must not be empty".to_owned()));
    } else if !token.expose().bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
        faults.push((key, "holds a space, a line end or another character that no bearer token has".to_owned()));
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn usable() -> Settings {
        Settings {
            id: SourceId::parse("hr").unwrap(),
            url: "https://idp.example.org/scim/v2".to_owned(),
            access: Some(Access::Token(Secret::new("t0ken"))),
            ..Settings::default()
        }
    }

    #[test]
    fn usable_settings_have_no_faults() {
        assert_eq!(usable().faults(), []);
    }

    #[test]
    fn all_faults_are_told_at_once_and_no_secret_is_in_them() {
        let settings = Settings {
            url: "http://idp.example.org".to_owned(),
            access: Some(Access::Client {
                token_url: "http://idp.example.org/token?secret=hunter2".to_owned(),
                client_id: String::new(),
                client_secret: Secret::new(""),
                scope: None,
            }),
            ca_file: Some("/nonexistent/ca.pem".into()),
            page_size: 1,
            user_filter: Some("userName eq".to_owned()),
            attributes: Attributes {
                username: Some(String::new()),
                email: Some("emails[".to_owned()),
                ..Attributes::default()
            },
            pass_timeout: Duration::ZERO,
            ..usable()
        };
        let faults = settings.faults();
        let keys: Vec<_> = faults.iter().map(|(key, _)| *key).collect();
        let expected = [
            "url",
            "token_url",
            "client_id",
            "client_secret",
            "ca_file",
            "user_filter",
            "attributes.username",
            "attributes.email",
            "page_size",
            "pass_timeout",
        ];
        assert_eq!(keys, expected, "{faults:?}");
        assert!(!format!("{faults:?}").contains("hunter2"));
        let torn = Settings { access: Some(Access::Token(Secret::new("a\nb"))), ..usable() };
        assert_eq!(torn.faults()[0].0, "token");
        assert_eq!(Settings { access: None, ..usable() }.faults()[0].0, "token");
    }
}
