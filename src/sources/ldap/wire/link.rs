//! One LDAP connection: the library's handle behind the guard, and the reason once it has ended.
//!
//! It refuses to send a bind with an empty DN or password: to many servers that is an anonymous bind, which
//! succeeds (RFC 4513 §5.1.2). The library can panic on odd data, also in the caller: whoever uses a link
//! does so in a task of its own, or catches panics, and takes one for a failure.

use std::os::unix::net::UnixStream as StdUnixStream;
use std::sync::Arc;
use std::time::Duration;

use ldap3::controls::RawControl;
use ldap3::{
    Ldap, LdapConnAsync, LdapConnSettings, LdapError, LdapResult, ResultEntry, Scope, SearchOptions, SearchStream,
    StdStream,
};
use rustls::ClientConfig;
use tokio_util::task::AbortOnDropHandle;

use super::super::filter::Filter;
use super::endpoint::Endpoint;
use super::error::{LinkError, explain_code};
use super::guard::{self, End, Fate};
use super::health::Watch;
use super::transport::{self, Connected};
use crate::base::clock::Stopwatch;
use crate::base::secret::Secret;

/// The library keeps a little of each search for ever: a connection is replaced after so many operations.
const OPERATIONS_MAX: u32 = 1000;
/// A connection unused for longer may have been forgotten by a firewall on the way.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// How long the end of a connection may take to become known after an operation on it failed.
const REASON_WAIT: Duration = Duration::from_millis(200);

/// An open connection. Dropping it closes it.
pub(crate) struct Link {
    ldap: Ldap,
    endpoint: String,
    fate: Fate,
    /// Taken once the connection is known to have failed.
    driver: Option<AbortOnDropHandle<Result<(), LdapError>>>,
    _carrier: AbortOnDropHandle<()>,
    operations: u32,
    unused: Stopwatch,
    /// Is it TLS?
    protected: bool,
    /// Did the server answer anything yet?
    answered: bool,
    /// Told how the first answers come.
    watch: Option<Watch>,
}

/// One search request.
pub(crate) struct Search<'a> {
    pub(crate) base: &'a str,
    pub(crate) scope: Scope,
    pub(crate) filter: &'a Filter,
    pub(crate) attributes: Vec<String>,
    /// Most entries wanted; 0 for no limit of ours.
    pub(crate) size_limit: u8,
    /// Longest wait for each entry.
    pub(crate) timeout: Duration,
}

/// The answers to one search, as they come.
pub(crate) type Answers = SearchStream<'static, String, Vec<String>>;

impl Link {
    /// Connects to one server and starts the two tasks that keep the connection going.
    pub(crate) async fn open(endpoint: &Endpoint, tls: &Arc<ClientConfig>, limit: Duration) -> Result<Self, LinkError> {
        Self::start(endpoint, transport::connect(endpoint, tls, limit).await?).await
    }

    /// Puts the LDAP library on a connection.
    pub(crate) async fn start(endpoint: &Endpoint, connected: Connected) -> Result<Self, LinkError> {
        let failed = |error: String| LinkError::Lost(format!("{endpoint}: no local socket pair: {error}"));
        let (ours, theirs) = StdUnixStream::pair().map_err(|error| failed(error.to_string()))?;
        ours.set_nonblocking(true).map_err(|error| failed(error.to_string()))?;
        let ours = tokio::net::UnixStream::from_std(ours).map_err(|error| failed(error.to_string()))?;
        let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(theirs));
        let (connection, ldap) =
            LdapConnAsync::with_settings(settings, "ldapi:///").await.map_err(|error| failed(error.to_string()))?;
        let fate = Fate::default();
        let carrier = tokio::spawn(guard::carry(connected.wire, ours, fate.clone()));
        Ok(Self {
            ldap,
            endpoint: endpoint.to_string(),
            fate,
            driver: Some(AbortOnDropHandle::new(tokio::spawn(connection.drive()))),
            _carrier: AbortOnDropHandle::new(carrier),
            operations: 0,
            unused: Stopwatch::start(),
            protected: connected.tls.is_some(),
            answered: false,
            watch: None,
        })
    }

    /// Lets the server's health follow from what it answers here.
    pub(crate) fn watched_by(&mut self, watch: Watch) {
        self.watch = Some(watch);
    }

    /// A result, unless the server says of itself that it cannot serve (busy, unavailable): another one may.
    fn served(&mut self, result: LdapResult) -> Result<LdapResult, LinkError> {
        if !matches!(result.rc, 51 | 52) {
            return Ok(result);
        }
        let problem = format!("{}: {}", self.endpoint, explain_code(result.rc, &result.text));
        if let Some(watch) = &mut self.watch {
            watch.unable(&problem);
        }
        Err(LinkError::Lost(problem))
    }

    /// Can it be used for one more operation?
    pub(crate) fn is_usable(&mut self) -> bool {
        self.fate.why().is_none()
            && self.driver.as_ref().is_some_and(|driver| !driver.is_finished())
            && !self.ldap.is_closed()
            && self.operations < OPERATIONS_MAX
            && self.unused.elapsed() < IDLE_MAX
    }

    /// The server at the other end.
    pub(crate) fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Notes that the link was used just now.
    pub(crate) fn touch(&mut self) {
        self.unused = Stopwatch::start();
    }

    /// A simple bind; the result code is the caller's to judge.
    pub(crate) async fn bind(&mut self, dn: &str, password: &Secret, limit: Duration) -> Result<LdapResult, LinkError> {
        if dn.is_empty() || password.is_empty() {
            return Err(LinkError::Settings(format!("{}: a bind without DN or password is never sent", self.endpoint)));
        }
        self.begin();
        let result = self.ldap.with_timeout(limit).simple_bind(dn, password.expose()).await;
        let result = self.outcome(result, "a bind", limit).await?;
        self.served(result)
    }

    /// A bind as whom the client certificate names (SASL EXTERNAL); the result code is the caller's to judge.
    pub(crate) async fn bind_external(&mut self, limit: Duration) -> Result<LdapResult, LinkError> {
        if !self.protected {
            return Err(LinkError::Settings(format!("{}: client_cert_file needs TLS", self.endpoint)));
        }
        self.begin();
        let result = self.ldap.with_timeout(limit).sasl_external_bind().await;
        let result = self.outcome(result, "a bind", limit).await?;
        self.served(result)
    }

    /// Sends a search; the answers come by [`Link::next`].
    pub(crate) async fn search(
        &mut self,
        search: &Search<'_>,
        controls: Vec<RawControl>,
    ) -> Result<Answers, LinkError> {
        self.begin();
        let options = SearchOptions::new().sizelimit(i32::from(search.size_limit));
        let ldap = self.ldap.with_timeout(search.timeout).with_search_options(options).with_controls(controls);
        let begun =
            ldap.streaming_search(search.base, search.scope, search.filter.as_str(), search.attributes.clone()).await;
        match begun {
            // It was only sent: there is no answer yet.
            Ok(answers) => Ok(answers),
            Err(error) => self.outcome(Err(error), "a search", search.timeout).await,
        }
    }

    /// The next entry or reference; `None` only after the server said that the search has ended.
    pub(crate) async fn next(
        &mut self,
        answers: &mut Answers,
        limit: Duration,
    ) -> Result<Option<ResultEntry>, LinkError> {
        let next = answers.next().await;
        self.outcome(next, "a search", limit).await
    }

    /// A search for a handful of entries: all of them, at most twice the size limit.
    pub(crate) async fn search_few(
        &mut self,
        search: &Search<'_>,
    ) -> Result<(Vec<ResultEntry>, LdapResult), LinkError> {
        self.search_entries(search, Vec::new(), usize::from(search.size_limit).saturating_mul(2)).await
    }

    /// A search with controls, whose entries are gathered; a server that sends more than `most` is not believed.
    pub(crate) async fn search_entries(
        &mut self,
        search: &Search<'_>,
        controls: Vec<RawControl>,
        most: usize,
    ) -> Result<(Vec<ResultEntry>, LdapResult), LinkError> {
        let mut entries = Vec::new();
        let mut answers = self.search(search, controls).await?;
        while let Some(entry) = self.next(&mut answers, search.timeout).await? {
            if entry.is_ref() || entry.is_intermediate() {
                continue;
            }
            if entries.len() >= most {
                return Err(LinkError::Lost(format!("{}: more entries than were asked for", self.endpoint)));
            }
            entries.push(entry);
        }
        let result = answers.finish().await;
        Ok((entries, self.served(result)?))
    }

    /// One more operation begins.
    fn begin(&mut self) {
        self.operations = self.operations.saturating_add(1);
        if let Some(watch) = &mut self.watch {
            watch.asked();
        }
    }

    /// An answer, or what its absence means; the server's health hears of both.
    async fn outcome<T>(&mut self, answer: Result<T, LdapError>, what: &str, limit: Duration) -> Result<T, LinkError> {
        let outcome = match answer {
            Ok(answer) => Ok(answer),
            Err(error) => Err(self.explain(what, limit, error).await),
        };
        self.answered |= outcome.is_ok();
        match (&mut self.watch, &outcome) {
            (Some(watch), Ok(_)) => watch.answered(),
            (Some(watch), Err(LinkError::Settings(_))) => watch.answered(),
            (Some(watch), Err(error)) => watch.failed(&error.to_string()),
            (None, _) => {}
        }
        outcome
    }

    /// Says what an error of the library means, with the reason for which the connection ended.
    async fn explain(&mut self, what: &str, limit: Duration, error: LdapError) -> LinkError {
        let endpoint = &self.endpoint;
        match error {
            LdapError::Timeout { .. } => LinkError::Slow(format!("{endpoint}: no answer to {what} within {limit:?}")),
            LdapError::FilterParsing => {
                LinkError::Settings(format!("{endpoint}: a filter does not parse; check user_filter"))
            }
            _ => {
                let panicked = match self.driver.take() {
                    Some(driver) => tokio::time::timeout(REASON_WAIT, driver).await.is_ok_and(|ended| ended.is_err()),
                    None => false,
                };
                match self.fate.why() {
                    _ if panicked => {
                        LinkError::Lost(format!("{endpoint}: the server sent something that cannot be decoded"))
                    }
                    // So a server ends that wants another client certificate and does not say so.
                    Some(End::Lost(why)) if self.protected && !self.answered => LinkError::Lost(format!(
                        "{endpoint}: {why} before its first answer; if it asks for a client certificate, set client_cert_file to one that it trusts"
                    )),
                    Some(End::Lost(why)) => LinkError::Lost(format!("{endpoint}: {why}")),
                    Some(End::Refused(why)) => LinkError::Tls(format!("{endpoint}: {why}")),
                    None => LinkError::Lost(format!("{endpoint}: the connection ended")),
                }
            }
        }
    }
}
