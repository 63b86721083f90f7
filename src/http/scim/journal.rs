//! The journal: each request of a provider, kept for a while, so that an administrator can see what was sent and what
//! came of it. Nothing waits for it: requests are noted in memory and written together, some seconds later.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use jiff::Timestamp;
use serde::de::IgnoredAny;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::body;
use super::settings::Settings;
use crate::auth::login::Origin;
use crate::base::clock::{Stopwatch, minus};
use crate::base::id::SourceId;
use crate::directory::journal::Exchange;
use crate::http::caller::{Caller, Provider};
use crate::http::state::App;
use crate::scim::redact::Secrets;
use crate::store::tx::Tx;
use crate::store::{Store, StoreError, journal};

/// How long requests gather before they are written.
const GATHER: Duration = Duration::from_secs(2);
/// Longest body that is kept, in bytes.
const BODY_MAX: usize = 32 << 10;
/// Most requests that wait to be written; more are not kept.
const WAITING_MAX: usize = 20_000;
/// Most bytes of their bodies.
const BYTES_MAX: usize = 16 << 20;
/// Longest path with query that is kept, in characters.
const PATH_MAX: usize = 1_024;

/// A request that waits to be written.
struct Noted {
    source: SourceId,
    exchange: Exchange,
    /// As it was received.
    body: Bytes,
}

/// What waits.
#[derive(Default)]
struct Waiting {
    noted: Vec<Noted>,
    bytes: usize,
    /// How many could not be kept, of each source.
    dropped: BTreeMap<SourceId, u64>,
}

/// The journal of all sources.
pub struct Journal {
    waiting: Mutex<Waiting>,
    wake: Notify,
    /// How long requests are kept; `None`: not at all.
    keep: Option<Duration>,
    secrets: Secrets,
}

/// What an answer says of itself, for the journal: an error's type, and what came of the request.
#[derive(Clone, Debug)]
pub struct Remark {
    /// The SCIM error type.
    pub scim_type: Option<&'static str>,
    /// In words.
    pub detail: String,
}

/// The body of a request, once its handler has read it.
#[derive(Clone, Default)]
pub struct Seen(Arc<Mutex<Bytes>>);

impl Seen {
    /// The handler has read this.
    pub fn note(&self, bytes: &Bytes) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = bytes.clone();
    }

    fn take(&self) -> Bytes {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Notes a request of a provider with its answer.
pub async fn keep(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let provider = request.extensions().get::<Caller>().and_then(|caller| caller.scim.clone());
    let Some(Provider { source, token, .. }) = provider.filter(|_| app.journal.keep.is_some()) else {
        return next.run(request).await;
    };
    let seen = Seen::default();
    request.extensions_mut().insert(seen.clone());
    let uri = request.uri();
    let query = uri.query().map(|query| format!("?{}", app.journal.secrets.redact_query(query))).unwrap_or_default();
    let exchange = Exchange {
        at: app.store.clock().now(),
        request: request.extensions().get::<Origin>().and_then(|origin| origin.request.clone()).unwrap_or_default(),
        token,
        method: request.method().as_str().to_owned(),
        path: format!("{}{query}", uri.path()).chars().take(PATH_MAX).collect(),
        body: None,
        size: 0,
        status: CUT_OFF,
        scim_type: None,
        detail: Some("cut off before it was answered: it took too long, or the client hung up".to_owned()),
        microseconds: 0,
    };
    let mut under_way =
        UnderWay { app: app.clone(), watch: Stopwatch::start(), source, seen, exchange: Some(exchange) };
    let response = next.run(request).await;
    if let Some(exchange) = &mut under_way.exchange {
        let remark = response.extensions().get::<Remark>();
        exchange.status = response.status().as_u16();
        exchange.scim_type = remark.and_then(|remark| remark.scim_type.map(str::to_owned));
        exchange.detail = remark.map(|remark| remark.detail.clone());
    }
    response
}

/// What stands for the status of a request that got no answer (RFC 9110 §15.6.4).
const CUT_OFF: u16 = 503;

/// A request that is noted when it ends, however that is.
struct UnderWay {
    app: App,
    watch: Stopwatch,
    source: SourceId,
    seen: Seen,
    exchange: Option<Exchange>,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let Some(exchange) = self.exchange.take() else { return };
        let body = self.seen.take();
        let exchange = Exchange {
            at: self.app.store.clock().now(),
            size: u64::try_from(body.len()).unwrap_or(u64::MAX),
            microseconds: u64::try_from(self.watch.elapsed().as_micros()).unwrap_or(u64::MAX),
            ..exchange
        };
        self.app.journal.note(Noted { source: self.source.clone(), exchange, body });
    }
}

impl Journal {
    /// A journal by these settings.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        Self {
            waiting: Mutex::default(),
            wake: Notify::new(),
            keep: settings.journal,
            secrets: Secrets::of(settings.registry),
        }
    }

    fn note(&self, mut noted: Noted) {
        if noted.body.len() > BODY_MAX {
            noted.body = Bytes::new();
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = waiting.bytes.saturating_add(noted.body.len());
        if waiting.noted.len() >= WAITING_MAX || bytes > BYTES_MAX {
            let dropped = waiting.dropped.entry(noted.source).or_default();
            *dropped = dropped.saturating_add(1);
            return;
        }
        waiting.bytes = bytes;
        let is_first = waiting.noted.is_empty();
        waiting.noted.push(noted);
        drop(waiting);
        if is_first {
            self.wake.notify_one();
        }
    }

    /// Writes what has gathered, until `stop`, and then the rest.
    pub async fn drive(&self, store: &Store, stop: &CancellationToken) {
        let mut ends = false;
        while !ends {
            tokio::select! {
                () = stop.cancelled() => ends = true,
                () = self.wake.notified() => {
                    ends = tokio::time::timeout(GATHER, stop.cancelled()).await.is_ok();
                }
            }
            self.flush(store).await;
        }
    }

    /// Writes what has gathered.
    pub async fn flush(&self, store: &Store) {
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        if waiting.noted.is_empty() {
            return;
        }
        for (source, number) in &waiting.dropped {
            tracing::warn!(
                source.id = source.as_str(),
                requests = number,
                "the journal could not keep so many requests"
            );
        }
        let mut sources: BTreeMap<SourceId, Vec<Exchange>> = BTreeMap::new();
        for Noted { source, mut exchange, body } in waiting.noted {
            exchange.body = self.shown(&body);
            sources.entry(source).or_default().push(exchange);
        }
        for (source, exchanges) in sources {
            let before = self.keep.map_or(Timestamp::MIN, |keep| minus(store.clock().now(), keep));
            let write = move |tx: &mut Tx<'_>| {
                // What is old is looked for when a page is full, not with every request.
                if journal::add(tx, &source, &exchanges)? { journal::prune(tx, &source, before) } else { Ok(()) }
            };
            if let Err(error) = store.write_bulk::<_, StoreError>(write).await {
                tracing::error!(error = %error, "requests of identity providers cannot be kept");
            }
        }
    }

    /// A body as it may be read again; one that is no JSON may hold a secret anywhere.
    fn shown(&self, body: &Bytes) -> Option<String> {
        if body.is_empty() {
            return None;
        }
        let text = std::str::from_utf8(body).ok();
        let is_json = serde_json::from_slice::<IgnoredAny>(body).is_ok();
        if let Some(text) = text.filter(|text| is_json && self.secrets.cannot_be_in(text)) {
            return Some(text.to_owned());
        }
        let shown = body::parse(body).map(|value| self.secrets.redact(value).to_string());
        Some(shown.unwrap_or_else(|_| "[not JSON]".to_owned()))
    }
}
