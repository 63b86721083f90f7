//! Users and groups read from another SCIM 2.0 service (RFC 7643, RFC 7644, RFC 9865).
//!
//! It reads only, by GET, and verifies no passwords: SCIM has no way to ask. The HTTP client is that of
//! [`crate::web`]: no redirect is followed, so that no token goes where it was not meant to go, and no certificate goes
//! unverified.
//!
//! The way of a resource: `web` (TCP, TLS, HTTP) → `session` (token, waiting, faults) → `sweep` (pages, proved to be
//! all) → `mapping` → [`crate::sources::Piece`].

mod access;
mod answer;
mod bookmark;
mod groups;
mod mapping;
mod path;
mod probe;
mod reading;
mod session;
mod settings;
mod sweep;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::ClientConfig;
use tokio::time::timeout;

pub use self::settings::{Access, Attributes, Fault, Paging, Settings};

use self::access::Access as Way;
use self::answer::Features;
use self::mapping::{Mapping, USERS};
use self::session::Session;
use crate::base::certificates::SeenCertificates;
use crate::base::clock::{Clock, Stopwatch};
use crate::base::id::{ExternalId, SourceId};
use crate::base::secret::Secret;
use crate::scim::Resource;
use crate::sources::{
    Answer, Bookmark, Instead, Output, Person, PullError, PulledUser, Read, ServerHealth, Source, TestReport, TestStep,
    Trial, Verdict,
};
use crate::web::place::{Place, encode};
use crate::web::tls::Tls;

/// One SCIM service as a source of users.
pub struct ScimSource(Arc<Inner>);

struct Inner {
    settings: Settings,
    base: Place,
    access: Way,
    mapping: Mapping,
    clock: Clock,
    tls: Tls,
    /// What the service said last that it can do.
    features: Mutex<Option<Features>>,
    /// Why it did not answer last, and since when; `None`: it did, as far as is known.
    down: Mutex<Option<(String, Stopwatch)>>,
}

impl ScimSource {
    /// Takes settings that have no faults. Connects to nothing yet.
    ///
    /// # Errors
    /// Everything that is wrong with the settings.
    pub fn new(settings: Settings, clock: Clock) -> Result<Self, Vec<Fault>> {
        Inner::new(settings, clock).map(|inner| Self(Arc::new(inner)))
    }

    /// Notes there what certificates its servers show, from the first connection on.
    #[must_use]
    pub fn noting_certificates(self, seen: &SeenCertificates) -> Self {
        self.0.tls.note_in(seen);
        self
    }
}

impl Inner {
    fn new(settings: Settings, clock: Clock) -> Result<Self, Vec<Fault>> {
        let faults = settings.faults();
        if !faults.is_empty() {
            return Err(faults);
        }
        let base = Place::parse(&settings.url).map_err(|problem| vec![("url", problem)])?;
        let mapping = Mapping::new(&settings).map_err(|problem| vec![("attributes", problem)])?;
        let access = Way::new(&settings);
        let (tls, features, down) = (Tls::new(settings.ca_file.clone()), Mutex::default(), Mutex::default());
        Ok(Self { settings, base, access, mapping, clock, tls, features, down })
    }

    /// How TLS is done; `None` where it is not.
    async fn tls(&self) -> Result<Option<Arc<ClientConfig>>, String> {
        let token_place = match &self.access {
            Way::Client { at, .. } => Some(at),
            _ => None,
        };
        if !self.base.tls && token_place.is_none_or(|place| !place.tls) {
            return Ok(None);
        }
        self.tls.config().await.map(Some)
    }

    /// The same source with other settings, to try them: no connection, and nothing that is known, is shared.
    fn instead(&self, instead: Instead) -> Result<Self, (&'static str, String)> {
        let Instead { urls, bind_dn, bind_password, base_dn, user_filter } = instead;
        if bind_dn.is_some() || base_dn.is_some() {
            return Err(("url", "a SCIM service has no bind DN and no base: only url and user_filter".to_owned()));
        }
        let mut settings = self.settings.clone();
        match urls.as_deref() {
            None => {}
            Some([url]) if bind_password.is_some() => settings.url.clone_from(url),
            Some([_]) => {
                let why = "another service needs its token (as bind_password): the configured one is for the \
                           configured service only";
                return Err(("token", why.to_owned()));
            }
            Some(_) => return Err(("url", "a SCIM source has one URL".to_owned())),
        }
        if let Some(token) = bind_password {
            settings.access = Some(Access::Token(token));
        }
        settings.user_filter = user_filter.or(settings.user_filter);
        Self::new(settings, self.clock.clone())
            .map_err(|faults| faults.into_iter().next().unwrap_or(("url", "cannot be used".to_owned())))
    }

    /// Notes whether the service answered.
    fn note<T>(&self, outcome: &Result<T, PullError>) {
        let mut down = self.down.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Ok(_) => *down = None,
            // Whatever else went wrong, it answered.
            Err(PullError::Incomplete { .. } | PullError::Misconfigured(_)) => *down = None,
            Err(error) => {
                let since = down.as_ref().map_or_else(Stopwatch::start, |(_, since)| *since);
                *down = Some((error.to_string(), since));
            }
        }
    }

    async fn person(&self, id: &ExternalId) -> Result<Option<PulledUser>, session::Fault> {
        let mut session = Session::new(self, self.settings.operation_timeout).await?;
        let alone = match session.get(&format!("/{USERS}/{}", encode(id.as_str())), None).await {
            Ok(answer) => serde_json::from_slice::<Resource>(&answer.body).ok(),
            Err(fault) if fault.status() == Some(404) => return Ok(None),
            Err(fault) => return Err(fault),
        };
        let same = alone.filter(|user| path::text(user, "id") == Some(id.as_str()));
        let same = same.ok_or_else(|| session::Fault::Untrusted(format!("/{USERS}/{id} answers something else")))?;
        if let Some(filter) = &self.settings.user_filter
            && !is_among(&mut session, filter, id).await?
        {
            return Ok(None);
        }
        let skipped = |skipped: crate::sources::SkippedEntry| session::Fault::Untrusted(skipped.problem);
        self.mapping.user(&same).map(Some).map_err(skipped)
    }
}

/// Does the service find the user by the filter for users?
async fn is_among(session: &mut Session<'_>, filter: &str, id: &ExternalId) -> Result<bool, session::Fault> {
    let literal = serde_json::Value::from(id.as_str());
    let both = format!("id eq {literal} and ({filter})");
    let answer = session.get(&format!("/{USERS}?count=2&startIndex=1&filter={}", encode(&both)), None).await?;
    let page = answer::Page::read(&answer.body).map_err(session::Fault::Untrusted)?;
    Ok(page.resources.iter().any(|user| path::text(user, "id") == Some(id.as_str())))
}

impl Source for ScimSource {
    fn id(&self) -> &SourceId {
        &self.0.settings.id
    }

    fn read(&self, since: Option<Bookmark>, output: Output) -> Answer<'_, Result<Read, PullError>> {
        Box::pin(async move {
            let (limit, counter) = (self.0.settings.pass_timeout, output.counter());
            let outcome = timeout(limit, reading::read(&self.0, since, output)).await.unwrap_or_else(|_| {
                let why = format!("reading did not end within {limit:?} (pass_timeout)");
                Err(PullError::Incomplete { read: counter.load(std::sync::atomic::Ordering::Relaxed), why })
            });
            self.0.note(&outcome);
            outcome
        })
    }

    fn look_up<'a>(&'a self, id: &'a ExternalId) -> Answer<'a, Result<Option<PulledUser>, PullError>> {
        Box::pin(async move {
            let limit = self.0.settings.operation_timeout;
            let found = timeout(limit, self.0.person(id)).await;
            let late = || PullError::Unavailable(format!("no answer within {limit:?} (operation_timeout)"));
            match found.map_err(|_| late())? {
                Ok(found) => Ok(found),
                // Of this one nothing can be said; the service is there.
                Err(session::Fault::Untrusted(why)) => Err(PullError::Misconfigured(why)),
                Err(fault) => Err(fault.into_pull(0)),
            }
        })
    }

    /// SCIM has no way to ask. Whoever verifies these users is another source, or musterd itself.
    fn verify<'a>(&'a self, _: Person<'a>, _: &'a Secret) -> Answer<'a, Verdict> {
        Box::pin(std::future::ready(Verdict::Wrong))
    }

    fn test(&self, trial: Trial) -> Answer<'_, TestReport> {
        Box::pin(async move {
            let Trial { thorough, limit, instead } = trial;
            let watch = Stopwatch::start();
            let other = match instead.is_some().then(|| self.0.instead(instead)).transpose() {
                Ok(other) => other,
                Err((setting, why)) => return failed("settings", setting, why, watch.elapsed()),
            };
            let inner = other.as_ref().unwrap_or(&self.0);
            let mut report = TestReport::default();
            if timeout(limit, probe::run(inner, thorough, limit, &mut report)).await.is_err() {
                let why = format!("the test did not end within {limit:?}: the service is very slow");
                let late = failed("deadline", "server.request_timeout", why, watch.elapsed());
                report.steps.extend(late.steps);
            }
            report
        })
    }

    fn health(&self) -> Vec<ServerHealth> {
        let down = self.0.down.lock().unwrap_or_else(PoisonError::into_inner);
        let down = down.as_ref().map(|(why, since)| (why.clone(), since.elapsed()));
        vec![ServerHealth { url: self.0.base.to_string(), down }]
    }
}

fn failed(name: &'static str, setting: &'static str, why: String, took: Duration) -> TestReport {
    TestReport { steps: vec![TestStep { name, outcome: Err(why), took, setting }], samples: Vec::new() }
}
