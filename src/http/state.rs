//! What handlers work with: the rooms, wired together by `app`.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::metrics::Metrics;
use super::policies::{Policies, Shown};
use super::scim;
use super::settings::Settings;
use crate::auth::jwt::Signer;
use crate::auth::login::Authenticator;
use crate::base::id::SourceId;
use crate::directory::message::Message;
use crate::directory::policy::UserDefaults;
use crate::directory::quota::SmsPolicy;
use crate::lifecycle::sweep::Sweep;
use crate::store::alarms::Alarm;
use crate::store::{Store, StoreError};
use crate::sync::bulk::Bulk;
use crate::sync::task::Follower;
use crate::tasks::Driver;

/// Everything behind the routes. What policy says is in here as it was when it was made: the next policy makes another
/// one, which shares everything else, and a request goes by one of them to its end.
#[derive(Clone)]
pub struct Inside {
    /// The settings of the server; `public_url` is final.
    pub settings: Settings,
    /// What identity providers find at the SCIM endpoint.
    pub scim: scim::settings::Settings,
    /// Where the pages of their lists begin.
    pub pages: Arc<scim::pages::Pages>,
    /// What they have asked there.
    pub journal: Arc<scim::journal::Journal>,
    /// The store.
    pub store: Arc<Store>,
    /// The login.
    pub auth: Arc<Authenticator>,
    /// Signs tokens.
    pub jwt: Arc<Signer>,
    /// The sources, in their order.
    pub sources: Vec<SourceInfo>,
    /// The sweep.
    pub sweep: Arc<Sweep>,
    /// Bulk changes and imports.
    pub bulk: Arc<Bulk>,
    /// Background work.
    pub driver: Arc<Driver>,
    /// The way by mail, where there is one.
    pub mails: Option<Arc<dyn Mails>>,
    /// The way to phones, where there is one.
    pub texts: Option<Arc<dyn Texts>>,
    /// What needs a person.
    pub alarms: Arc<dyn Alarms>,
    /// Where events go.
    pub webhooks: Arc<[WebhookInfo]>,
    /// What is counted as it happens.
    pub metrics: Arc<Metrics>,
    /// Defaults for new users.
    pub users: UserDefaults,
    /// The settings as they are shown.
    pub shown: Arc<Shown>,
    /// Changes them.
    pub policies: Arc<dyn Policies>,
}

/// The way by mail, as far as it can be tried.
pub trait Mails: Send + Sync {
    /// Sends one message at once, past the outbox.
    fn test(&self, message: Message) -> TrialOfMail<'_>;
}

/// A trial of mail under way.
pub type TrialOfMail<'a> = Pin<Box<dyn Future<Output = TriedMail> + Send + 'a>>;

/// What came of a trial of mail.
#[derive(Clone, Debug, serde::Serialize)]
pub struct TriedMail {
    /// Did the server take it?
    pub accepted: bool,
    /// How the connection was protected, in words.
    pub tls: String,
    /// What the server said, or what went wrong.
    pub said: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// What is said of the way to phones, and a trial of it.
pub trait Texts: Send + Sync {
    /// Where texts may go, and how many.
    fn policy(&self) -> &SmsPolicy;

    /// The names of the providers, in the order in which they are asked.
    fn providers(&self) -> Vec<String>;

    /// Sends one text, by all providers until one takes it or by the one that is named.
    fn test(&self, to: String, only: Option<String>) -> Trial<'_>;
}

/// A trial under way.
pub type Trial<'a> = Pin<Box<dyn Future<Output = Vec<TriedProvider>> + Send + 'a>>;

/// What one provider said to a trial.
#[derive(Clone, Debug, serde::Serialize)]
pub struct TriedProvider {
    /// Its name.
    pub provider: String,
    /// Its kind.
    pub kind: &'static str,
    /// `accepted`, `refused`, `busy`, `unsure` (it may have been sent) or `not_asked`.
    pub outcome: &'static str,
    /// What it calls the text, or what went wrong.
    pub detail: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// What needs a person.
pub trait Alarms: Send + Sync {
    /// Now, by cause.
    fn active(&self) -> Vec<Alarm>;
}

/// One webhook as it is administered.
pub struct WebhookInfo {
    /// Its name.
    pub name: String,
    /// Where events go.
    pub url: String,
    /// Which, as the settings say it.
    pub events: Vec<String>,
    /// Tries it.
    pub trial: Arc<dyn WebhookTrial>,
}

/// A trial of a webhook.
pub trait WebhookTrial: Send + Sync {
    /// Sends one event that tells of nothing.
    fn run(&self) -> WebhookTried<'_>;
}

/// A trial under way.
pub type WebhookTried<'a> = Pin<Box<dyn Future<Output = Result<TriedWebhook, StoreError>> + Send + 'a>>;

/// What an endpoint said to a trial.
#[derive(Clone, Debug, serde::Serialize)]
pub struct TriedWebhook {
    /// Did it take the event?
    pub accepted: bool,
    /// What it answered, in words.
    pub said: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

/// One source as it is administered.
#[derive(Clone)]
pub struct SourceInfo {
    /// Its name.
    pub id: SourceId,
    /// `local`, `ldap`, `scim` or `scim-pull`.
    pub kind: SourceKind,
    /// Whether it is used at all.
    pub enabled: bool,
    /// Whether its users may log in.
    pub login: bool,
    /// What its identity provider may do, where one pushes.
    pub push: Option<scim::settings::Push>,
    /// How it is read, where it is.
    pub pulled: Option<Follower>,
}

/// The kinds of sources.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKind {
    /// Kept by musterd itself.
    Local,
    /// Read from a directory server.
    Ldap,
    /// Pushed by an identity provider.
    Scim,
    /// Read from another SCIM service.
    ScimPull,
}

/// Shared by all requests.
pub type App = Arc<Inside>;

impl Inside {
    /// The source of this name.
    #[must_use]
    pub fn source(&self, id: &SourceId) -> Option<&SourceInfo> {
        self.sources.iter().find(|source| source.id == *id)
    }

    /// Has messages sent now, and not at the next look at the outbox: somebody waits for a code.
    pub fn send_soon(&self) {
        self.driver.poke("outbox");
    }

    /// The default lifetime of new users.
    #[must_use]
    pub fn lifetime(&self) -> Option<Duration> {
        self.users.lifetime
    }
}
