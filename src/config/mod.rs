//! The settings: built-in defaults, then the file, then the environment.
//!
//! [`load`] reads all layers and gives every module its own settings struct, or every fault at once, each with its
//! key and the line or variable where it stands. An unknown key is a fault. Secrets are never shown. What a store adds
//! to policy ([`policy`]) is read by the same readers ([`Written::with`]), under the file. Nothing is written.

use std::path::Path;

use jiff::Timestamp;

use crate::base::id::SourceId;
use crate::directory::factor::Method;
use crate::directory::grant::Grant;
use crate::directory::policy::SourceLockout;
use crate::sync::rules::Rules;
use crate::tasks::schedule::Schedule;
use crate::{auth, http, lifecycle, notify, sources, store};

mod describe;
mod difference;
mod fault;
mod layers;
mod lines;
pub mod policy;
mod raw;
mod reader;
mod secret;
mod section;
mod sections;
#[cfg(test)]
mod tests;
mod written;

pub use describe::describe;
pub use difference::{Difference, differences};
pub use fault::{Fault, Faults, Origin};
pub use reader::{Effective, MASK, NOT_SET};
pub use written::{Stored, Written};

use reader::{Account, Reader, Secrets};

/// The settings of the whole daemon.
#[derive(Clone)]
pub struct Settings {
    /// Where the daemon listens and whom it believes.
    pub http: http::settings::Settings,
    /// What is logged.
    pub log: LogSettings,
    /// Where everything is kept.
    pub store: store::Settings,
    /// How logins run.
    pub auth: auth::settings::Settings,
    /// Tokens that are signed.
    pub jwt: auth::jwt::Settings,
    /// What the sweep does.
    pub lifecycle: lifecycle::settings::Settings,
    /// What identity providers find at the SCIM endpoint.
    pub scim: http::scim::settings::Settings,
    /// Who compares faces; `None` where nobody does.
    pub face: Option<auth::factors::face::Settings>,
    /// How mail leaves; `None` where none does.
    pub mail: Option<notify::settings::Settings>,
    /// Who is told when something needs a person.
    pub alerts: notify::alarms::Settings,
    /// Where events go.
    pub webhooks: Vec<notify::webhooks::settings::Settings>,
    /// How codes go to phones.
    pub sms: notify::sms::settings::Settings,
    /// Where users come from, in the order in which logins ask. The local source is always among them.
    pub sources: Vec<SourceSettings>,
}

/// What is logged, and how a line looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// Directives for `tracing_subscriber::EnvFilter`.
    pub level: String,
    /// How a line looks.
    pub format: LogFormat,
}

impl Default for LogSettings {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

/// How a line of the log looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object to a line.
    Json,
}

/// One source of users.
#[derive(Clone)]
pub struct SourceSettings {
    /// Its name.
    pub id: SourceId,
    /// Is it in use?
    pub enabled: bool,
    /// May its users log in?
    pub login: bool,
    /// Are its users always asked for a second factor?
    pub mfa: bool,
    /// When its quiet users are disabled; `None`: as everybody's.
    pub inactivity: Option<Option<std::time::Duration>>,
    /// When it is read; `None` where there is nothing to read from.
    pub schedule: Option<Schedule>,
    /// What an administrator decided for passes over it.
    pub rules: Rules,
    /// How old a password that the source accepted may be to stand in for it during an outage; `None`: not at all.
    pub outage_cache: Option<std::time::Duration>,
    /// How often the source is asked about one name; `None`: as often as logins are tried.
    pub lockout: Option<SourceLockout>,
    /// What it is.
    pub kind: SourceKind,
}

/// What a source is.
#[derive(Clone)]
pub enum SourceKind {
    /// Users that musterd itself keeps.
    Local,
    /// Users read from an LDAP server or Active Directory.
    Ldap(Box<sources::ldap::Settings>),
    /// Users that an identity provider pushes.
    Scim {
        /// The LDAP source that verifies their passwords.
        verify_with: Option<SourceId>,
        /// What the provider may do.
        push: http::scim::settings::Push,
    },
    /// Users read from another SCIM service.
    ScimPull {
        /// How it is read.
        settings: Box<sources::scim_pull::Settings>,
        /// The LDAP source that verifies their passwords.
        verify_with: Option<SourceId>,
    },
}

impl SourceKind {
    /// The source that verifies the passwords of this one's users in its place.
    #[must_use]
    pub fn verify_with(&self) -> Option<&SourceId> {
        match self {
            Self::Scim { verify_with, .. } | Self::ScimPull { verify_with, .. } => verify_with.as_ref(),
            Self::Local | Self::Ldap(_) => None,
        }
    }
}

/// The settings, and where each came from.
pub struct Loaded {
    /// The settings.
    pub settings: Settings,
    /// Every key with the value that takes effect, section by section.
    pub effective: Vec<Effective>,
    /// What a person should put right. The daemon does its work without: `check` fails for it, a start tells it.
    pub doubts: Vec<Fault>,
    /// What was set at run time and does not fit any more, with why. The daemon does its work without.
    pub left_out: Vec<Fault>,
    /// What was written, to be read again.
    pub written: Written,
    secrets: Secrets,
}

impl Loaded {
    /// Does the file or the environment set this key? Then it cannot be changed at run time.
    #[must_use]
    pub fn is_pinned(&self, key: &str) -> bool {
        self.effective.iter().any(|effective| effective.key == key && effective.is_pinned())
    }
}

/// Reads the settings: from the file, where one is named, and from the variables `MUSTERD__SECTION__KEY`. `now` is
/// for schedules that never come true.
///
/// # Errors
/// Everything that is wrong, all at once.
pub fn load(
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
    now: Timestamp,
) -> Result<Loaded, Faults> {
    Written::read(file, env)?.with(&Stored::new(), now)
}

impl Settings {
    /// Is there what a second factor of this kind goes by?
    #[must_use]
    pub fn has_way(&self, method: Method) -> bool {
        match method {
            Method::Email => self.mail.is_some(),
            Method::Sms => !self.sms.providers.is_empty(),
            Method::Face => self.face.is_some(),
            _ => true,
        }
    }

    /// Has the life of accounts follow from what other sections say of it.
    fn join(&mut self) {
        let own = |source: &SourceSettings| Some((source.id.clone(), source.inactivity?));
        self.lifecycle.inactivity.sources = self.sources.iter().filter_map(own).collect();
        self.lifecycle.notices.can_leave = self.mail.is_some();
        self.lifecycle.password_max_age = self.auth.passwords.max_age;
        let grants = |source: &SourceSettings| {
            let rules = source.rules.grants.clone();
            rules.into_iter().map(|rule| Grant { source: source.id.clone(), rule }).collect::<Vec<_>>()
        };
        self.lifecycle.grants = self.sources.iter().flat_map(grants).collect();
    }
}

fn read(reader: &mut Reader, now: Timestamp) -> Settings {
    let store = sections::store::read(reader);
    let http = sections::server::read(reader, &store);
    let log = sections::log::read(reader);
    let auth = sections::login::read(reader, &http.public_url);
    let order = sections::login::order(reader);
    let mut settings = Settings {
        http: http::settings::Settings { forward_auth: sections::forward_auth::read(reader), ..http },
        log,
        store,
        face: sections::face::read(reader, &auth.mfa.methods),
        auth,
        jwt: sections::jwt::read(reader),
        lifecycle: sections::users::read(reader, now),
        scim: sections::scim::read(reader),
        mail: sections::mail::read(reader),
        alerts: sections::alerts::read(reader),
        webhooks: sections::webhooks::read(reader),
        sms: sections::sms::read(reader),
        sources: sections::sources::read(reader, &order, now),
    };
    sections::users::complete(reader, &mut settings);
    sections::login::check(reader, &settings);
    settings
}
