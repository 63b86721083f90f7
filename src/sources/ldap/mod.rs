//! Users read from an LDAP server or Active Directory, and passwords verified there by bind.
//!
//! Only this folder may use the LDAP and TLS libraries. Whatever drives the LDAP library runs in a task of
//! its own, because that library can panic on what a server sends; such a panic is an error here, never a
//! result. Nothing is written to the server, no referral is followed, and no certificate goes unverified.
//!
//! The way of an entry: [`wire`] (TCP, TLS, guard, LDAP library) → [`entry`] (panic-free) → mapping →
//! [`crate::sources::PulledUser`].

pub mod entry;
pub mod filter;
mod login;
mod mapping;
mod pass;
mod pool;
mod probe;
mod server;
mod settings;
pub mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

pub use self::settings::{Attributes, Fault, Settings};
pub use self::wire::health::EndpointHealth;

use self::login::{Logins, Whom};
use self::mapping::Mapping;
use self::server::Servers;
use crate::base::clock::Stopwatch;
use crate::base::id::SourceId;
use crate::base::secret::Secret;
use crate::sources::{Answer, Person, PullError, Pulled, Source, TestReport, TestStep, Verdict};

/// Longest test of a source.
const TEST_MAX: Duration = Duration::from_secs(60);
/// The server made the library panic.
const UNDECODABLE: &str = "the server sent something that cannot be decoded";

/// One LDAP directory as a source of users and verdicts on passwords.
pub struct LdapSource(Arc<Inner>);

struct Inner {
    settings: Settings,
    mapping: Mapping,
    servers: Servers,
    logins: Logins,
}

impl LdapSource {
    /// Takes settings that have no faults. Connects to nothing yet.
    ///
    /// # Errors
    /// Everything that is wrong with the settings.
    pub fn new(settings: Settings) -> Result<Self, Vec<Fault>> {
        let faults = settings.faults();
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self(Arc::new(Inner {
            mapping: Mapping::new(&settings),
            servers: Servers::new(&settings),
            logins: Logins::new(&settings),
            settings,
        })))
    }

    /// How each server stands, in the order of the settings: nothing is asked for it.
    #[must_use]
    pub fn health(&self) -> Vec<EndpointHealth> {
        self.0.servers.health()
    }
}

impl Source for LdapSource {
    fn id(&self) -> &SourceId {
        &self.0.settings.id
    }

    fn pull(&self) -> Answer<'_, Result<Pulled, PullError>> {
        Box::pin(pull(Arc::clone(&self.0)))
    }

    fn verify<'a>(&'a self, person: Person<'a>, password: &'a Secret) -> Answer<'a, Verdict> {
        Box::pin(verify(Arc::clone(&self.0), person.into(), password.clone()))
    }

    fn test(&self) -> Answer<'_, TestReport> {
        Box::pin(test(Arc::clone(&self.0)))
    }
}

async fn pull(inner: Arc<Inner>) -> Result<Pulled, PullError> {
    let limit = inner.settings.pass_timeout;
    let read = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&read);
    let pass =
        tokio::spawn(async move { pass::read_all(&inner.settings, &inner.servers, &inner.mapping, &counter).await });
    let why = match timeout(limit, AbortOnDropHandle::new(pass)).await {
        Ok(Ok(outcome)) => return outcome,
        Ok(Err(_)) => UNDECODABLE.to_owned(),
        Err(_) => format!("reading did not end within {limit:?} (pass_timeout)"),
    };
    Err(PullError::Incomplete { read: read.load(Ordering::Relaxed), why })
}

async fn verify(inner: Arc<Inner>, whom: Whom, password: Secret) -> Verdict {
    let limit = inner.settings.login_timeout;
    let login = tokio::spawn(async move {
        inner.logins.verify(&inner.settings, &inner.servers, &inner.mapping, &whom, &password).await
    });
    match timeout(limit, AbortOnDropHandle::new(login)).await {
        Ok(Ok(verdict)) => verdict,
        Ok(Err(_)) => Verdict::Unavailable(UNDECODABLE.to_owned()),
        Err(_) => Verdict::Unavailable(format!("no verdict within {limit:?} (login_timeout)")),
    }
}

async fn test(inner: Arc<Inner>) -> TestReport {
    let watch = Stopwatch::start();
    let run = tokio::spawn(async move {
        let mut report = TestReport::default();
        let steps = probe::run(&inner.settings, &inner.servers, &inner.mapping, &mut report);
        // A step that failed stands in the report.
        if timeout(TEST_MAX, steps).await.is_err() {
            let outcome = Err(format!("the test did not end within {TEST_MAX:?}; the server is very slow"));
            report.steps.push(TestStep { name: "deadline", outcome, took: watch.elapsed() });
        }
        report
    });
    let undecodable = |_| {
        let outcome = Err(format!("{UNDECODABLE}: check urls"));
        TestReport { steps: vec![TestStep { name: "answers", outcome, took: watch.elapsed() }], samples: Vec::new() }
    };
    AbortOnDropHandle::new(run).await.unwrap_or_else(undecodable)
}
