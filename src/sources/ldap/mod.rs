//! Users and groups read from an LDAP server or Active Directory, and passwords verified there by bind.
//!
//! Only this folder may use the LDAP library; the roots of TLS are those of `web`. Whatever drives the
//! LDAP library runs in a task of its own, or where a panic is caught, because that library can panic on what a server
//! sends; such a panic is an error here, never a result. Nothing is written to the server, no referral is followed, and
//! no certificate goes unverified.
//!
//! The way of an entry: [`wire`] (TCP, TLS, guard, LDAP library) → `reading` → [`entry`] (panic-free) → mapping →
//! [`crate::sources::Piece`]. What is asked for and how it is understood follows from the [`kind`] of server.

mod bookmark;
pub mod entry;
pub mod filter;
mod flags;
mod group;
pub mod kind;
mod login;
mod mapping;
mod pages;
mod pool;
mod probe;
mod profile;
mod reading;
mod server;
mod settings;
pub mod wire;

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

pub use self::kind::ServerKind;
pub use self::settings::{Attributes, Fault, GroupAttributes, Settings, Strategy};

use self::kind::RootDse;
use self::login::{Logins, Whom};
use self::mapping::Mapping;
use self::profile::Profile;
use self::server::Servers;
use self::wire::error::LinkError;
use self::wire::link::Link;
use crate::base::certificates::SeenCertificates;
use crate::base::clock::{Clock, Stopwatch};
use crate::base::id::{ExternalId, SourceId};
use crate::base::secret::Secret;
use crate::sources::{
    Answer, Bookmark, Output, Person, PullError, PulledUser, Read, ServerHealth, Source, TestReport, TestStep, Trial,
    Verdict,
};

/// The server made the library panic.
const UNDECODABLE: &str = "the server sent something that cannot be decoded";

/// One LDAP directory as a source of users and verdicts on passwords.
pub struct LdapSource(Arc<Inner>);

struct Inner {
    settings: Settings,
    servers: Servers,
    logins: Logins,
    clock: Clock,
    /// What was found out about the server last.
    known: Mutex<Option<Arc<Known>>>,
}

/// What is known of a server.
struct Known {
    root: RootDse,
    /// How its kind can be told.
    kind_because: &'static str,
    mapping: Mapping,
    clock: Clock,
}

impl Known {
    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The ways to read changes, best first, each with the reason; the last is to read everything.
    fn strategies(&self, settings: &Settings) -> Vec<(Strategy, &'static str)> {
        let profile = &self.mapping.profile;
        let kind = profile.kind;
        if let Some(strategy) = settings.strategy {
            return vec![
                (strategy, "the settings say so (strategy)"),
                (Strategy::Full, "the strategy of the settings cannot be used"),
            ];
        }
        if profile.filters().any(looks_at_groups) && !matches!(kind, ServerKind::Ds389 | ServerKind::FreeIpa) {
            let why = "a filter looks at memberOf, and no user's entry changes with that: name strategy to read changes all the same";
            return vec![(Strategy::Full, why)];
        }
        let has_id = |name: &str| profile.is_identified_by(name);
        let mut strategies = Vec::new();
        match kind {
            ServerKind::ActiveDirectory if has_id("objectGUID") => {
                if self.root.offers(kind::DIR_SYNC) {
                    strategies.push((Strategy::DirSync, "the server offers DirSync"));
                }
                strategies.push((Strategy::Usn, "the server counts its changes"));
            }
            ServerKind::OpenLdap if self.root.offers(kind::SYNC) && has_id("entryUUID") => {
                strategies.push((Strategy::Syncrepl, "the server offers content synchronization"));
            }
            ServerKind::Ds389 if self.root.offers(kind::SYNC) && has_id("nsUniqueId") => {
                strategies.push((Strategy::Syncrepl, "the server offers content synchronization"));
            }
            _ => {}
        }
        // Who was deleted shows no time: that would be seen a day later, where a complete reading takes seconds.
        strategies.push((
            Strategy::Full,
            "the server tells of no deletions; strategy = timestamps reads changes by their times",
        ));
        strategies
    }
}

/// Does a filter look at the groups of a user? Servers compute that from the groups; 389 writes it.
fn looks_at_groups(filter: &filter::Filter) -> bool {
    filter.attributes().iter().any(|name| name.eq_ignore_ascii_case("memberOf"))
}

/// Asks a server what it is. A mapping that does not fit the settings is their fault.
async fn know(inner: &Inner, link: &mut Link) -> Result<Arc<Known>, LinkError> {
    let root = RootDse::read(link, &inner.settings).await?;
    let (kind, kind_because) = kind::detect(link, &inner.settings, &root).await?;
    let profile = Profile::new(&inner.settings, kind).map_err(LinkError::Settings)?;
    let mapping = Mapping::new(profile, inner.clock.clone());
    let known = Arc::new(Known { root, kind_because, mapping, clock: inner.clock.clone() });
    *inner.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(known.clone());
    Ok(known)
}

impl Inner {
    /// What was found out about the server last, or is found out now.
    async fn known(&self, link: &mut Link) -> Result<Arc<Known>, LinkError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Some(known) => Ok(known),
            None => know(self, link).await,
        }
    }
}

impl LdapSource {
    /// Takes settings that have no faults. Connects to nothing yet.
    ///
    /// # Errors
    /// Everything that is wrong with the settings.
    pub fn new(settings: Settings) -> Result<Self, Vec<Fault>> {
        Self::with_clock(settings, Clock::system())
    }

    /// The same, with a clock.
    ///
    /// # Errors
    /// Everything that is wrong with the settings.
    pub fn with_clock(settings: Settings, clock: Clock) -> Result<Self, Vec<Fault>> {
        let faults = settings.faults();
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self(Arc::new(Inner::new(settings, clock))))
    }

    /// Notes there what certificates its servers show, from the first connection on.
    #[must_use]
    pub fn noting_certificates(self, seen: &SeenCertificates) -> Self {
        self.0.servers.note_in(seen);
        self
    }

    /// Are the identifiers of its entries the server's own making, and unique for that?
    #[must_use]
    pub fn has_unique_ids(&self) -> bool {
        self.0.settings.id_attribute.as_deref().is_none_or(mapping::is_made_by_server)
    }
}

impl Inner {
    fn new(settings: Settings, clock: Clock) -> Self {
        let (servers, logins) = (Servers::new(&settings), Logins::new(&settings));
        Self { settings, servers, logins, clock, known: Mutex::default() }
    }

    /// The same source with other settings, to try them: no connection, and nothing that is known, is shared.
    fn instead(&self, instead: crate::sources::Instead) -> Result<Self, String> {
        let elsewhere = instead.urls.is_some() || instead.bind_dn.is_some();
        if elsewhere && instead.bind_password.is_none() && !self.settings.bind_dn.is_empty() {
            return Err("another server or reader needs bind_password again: the configured one is for the \
                        configured server and reader only"
                .to_owned());
        }
        let settings = self.settings.clone();
        let settings = Settings {
            urls: instead.urls.unwrap_or(settings.urls),
            bind_dn: instead.bind_dn.unwrap_or(settings.bind_dn),
            bind_password: instead.bind_password.or(settings.bind_password),
            base_dn: instead.base_dn.unwrap_or(settings.base_dn),
            user_filter: instead.user_filter.or(settings.user_filter),
            ..settings
        };
        match settings.faults().first() {
            None => Ok(Self::new(settings, self.clock.clone())),
            Some((key, problem)) => Err(format!("{key}: {problem}")),
        }
    }
}

impl Source for LdapSource {
    fn id(&self) -> &SourceId {
        &self.0.settings.id
    }

    fn read(&self, since: Option<Bookmark>, output: Output) -> Answer<'_, Result<Read, PullError>> {
        Box::pin(read(Arc::clone(&self.0), since, output))
    }

    fn look_up<'a>(&'a self, id: &'a ExternalId) -> Answer<'a, Result<Option<PulledUser>, PullError>> {
        Box::pin(look_up(Arc::clone(&self.0), id.clone()))
    }

    fn changed(&self, since: Option<Bookmark>) -> Answer<'_, Result<(), PullError>> {
        if !self.0.settings.watch {
            return Box::pin(std::future::pending());
        }
        let inner = Arc::clone(&self.0);
        Box::pin(async move {
            let work = async move { reading::wait(&inner, since).await };
            apart(work).await.unwrap_or_else(|| Err(PullError::Unavailable(UNDECODABLE.to_owned())))
        })
    }

    fn verify<'a>(&'a self, person: Person<'a>, password: &'a Secret) -> Answer<'a, Verdict> {
        Box::pin(verify(Arc::clone(&self.0), person.into(), password.clone()))
    }

    fn test(&self, trial: Trial) -> Answer<'_, TestReport> {
        Box::pin(test(Arc::clone(&self.0), trial))
    }

    fn health(&self) -> Vec<ServerHealth> {
        self.0.servers.health()
    }
}

/// Runs it in a task of its own, so that a panic of the library stays there; `None`: it panicked.
async fn apart<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> Option<T> {
    AbortOnDropHandle::new(tokio::spawn(work)).await.ok()
}

/// Runs it here, and takes a panic of the library for its end; `None`: it panicked. A task of its own costs a login two
/// changes of threads.
async fn in_place<T>(work: impl Future<Output = T>) -> Option<T> {
    let mut work = pin!(work);
    let poll = |cx: &mut Context<'_>| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(poll) => poll.map(Some),
        Err(_) => Poll::Ready(None),
    };
    poll_fn(poll).await
}

async fn read(inner: Arc<Inner>, since: Option<Bookmark>, output: Output) -> Result<Read, PullError> {
    let limit = inner.settings.pass_timeout;
    let counter = output.counter();
    let pass = apart(async move { reading::read(&inner, since, output).await });
    let why = match timeout(limit, pass).await {
        Ok(Some(outcome)) => return outcome,
        Ok(None) => UNDECODABLE.to_owned(),
        Err(_) => format!("reading did not end within {limit:?} (pass_timeout)"),
    };
    Err(PullError::Incomplete { read: counter.load(std::sync::atomic::Ordering::Relaxed), why })
}

async fn look_up(inner: Arc<Inner>, id: ExternalId) -> Result<Option<PulledUser>, PullError> {
    let limit = inner.settings.operation_timeout;
    let work = apart(async move { inner.logins.person(&inner, &id).await });
    let why = match timeout(limit, work).await {
        Ok(Some(found)) => return found.map_err(pages::before_reading),
        Ok(None) => UNDECODABLE.to_owned(),
        Err(_) => format!("no answer within {limit:?} (operation_timeout)"),
    };
    Err(PullError::Unavailable(why))
}

async fn verify(inner: Arc<Inner>, whom: Whom, password: Secret) -> Verdict {
    let limit = inner.settings.login_timeout;
    let login = in_place(inner.logins.verify(&inner, &whom, &password));
    match timeout(limit, login).await {
        Ok(Some(verdict)) => verdict,
        Ok(None) => Verdict::Unavailable(UNDECODABLE.to_owned()),
        Err(_) => Verdict::Unavailable(format!("no verdict within {limit:?} (login_timeout)")),
    }
}

async fn test(inner: Arc<Inner>, trial: Trial) -> TestReport {
    let watch = Stopwatch::start();
    let failed = |name: &'static str, setting: &'static str, why: String, took: Duration| TestReport {
        steps: vec![TestStep { name, outcome: Err(why), took, setting }],
        samples: Vec::new(),
    };
    let Trial { thorough, limit, instead } = trial;
    let is_instead = instead.is_some();
    let inner = match is_instead.then(|| inner.instead(instead)) {
        None => inner,
        Some(Ok(other)) => Arc::new(other),
        Some(Err(why)) => return failed("settings", "bind_password", why, watch.elapsed()),
    };
    let run = apart(async move {
        let mut report = TestReport::default();
        // A step that failed stands in the report.
        if timeout(limit, probe::run(&inner, thorough, &mut report)).await.is_err() {
            let outcome = Err(format!(
                "the test did not end within {limit:?}: the server is very slow, or has very many entries"
            ));
            report.steps.push(TestStep {
                name: "deadline",
                outcome,
                took: watch.elapsed(),
                setting: "server.request_timeout",
            });
        }
        report
    });
    run.await.unwrap_or_else(|| failed("answers", "urls", format!("{UNDECODABLE}: check urls"), watch.elapsed()))
}
