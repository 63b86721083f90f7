//! Every request: an id, the client's address, one line in the log, and headers that keep answers private.

use std::net::{IpAddr, SocketAddrV4};
use std::sync::Arc;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;

use super::body::lend;
use crate::auth::login::Origin;
use crate::base::clock::Stopwatch;
use crate::base::rng::Names;
use crate::http::caller::Peer;
use crate::http::error::{Code, Problem};
use crate::http::scim;
use crate::http::state::App;
use crate::scim::error::ScimError;

/// Most proxies in a row that are looked through.
const HOPS_MAX: usize = 32;

/// Most bytes of what a client calls itself. (What is looked at is visible ASCII.)
const AGENT_MAX: usize = 200;

/// Checks: they are told in the log where something is wrong, or at the level debug.
const QUIET: &[&str] = &["/healthz", "/readyz", "/metrics", "/api/v1/introspect", "/api/v1/forward-auth"];

/// Where logins and their steps begin.
const LOGINS: &str = "/api/v1/authenticate";

/// What every request is wrapped in.
#[derive(Clone)]
pub struct Wrapping {
    app: App,
    names: Arc<Names>,
}

impl Wrapping {
    /// For the requests of one daemon.
    #[must_use]
    pub fn new(app: App) -> Self {
        let names = Arc::new(Names::new(app.store.rng()));
        Self { app, names }
    }
}

/// Wraps every request.
pub async fn wrap(State(Wrapping { app, names }): State<Wrapping>, request: Request, next: Next) -> Response {
    let watch = Stopwatch::start();
    let id = HEXLOWER.encode(&names.next());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let peer = request.extensions().get::<Peer>().copied();
    let address = match peer {
        Some(Peer::Network(address)) => client(&app, &request, address).map(Some),
        _ => Ok(None),
    };
    let agent = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let agent = agent.map(|agent| agent.get(..AGENT_MAX).unwrap_or(agent).to_owned());
    let is_scim = request.uri().path().starts_with("/scim/");
    let (mut request, rest) = lend(request);
    let mut response = match address {
        _ if names_token(request.uri()) => {
            drop(request);
            token_in_query(is_scim)
        }
        Ok(address) => {
            request.extensions_mut().insert(Origin { address, request: Some(id.clone()), client: None, agent });
            next.run(request).await
        }
        Err(Unreadable) if is_scim => scim::reply::in_other_words(StatusCode::BAD_REQUEST).into_response(),
        Err(Unreadable) => {
            let detail = "the proxy's X-Forwarded-For holds something else than addresses, or too many of them";
            Problem::bad_request("bad_forwarded_for", detail).into_response()
        }
    };
    if !response.status().is_server_error() {
        rest.pass().await;
    }
    // A timeout is answered by a layer that knows no problems, a timeout or a panic by one that knows no SCIM.
    if !is_scim && response.status() == StatusCode::SERVICE_UNAVAILABLE && response.extensions().get::<Code>().is_none()
    {
        response = Problem::timed_out().into_response();
    }
    if is_scim && response.status().is_server_error() && !scim::reply::is_scim(&response) {
        response = scim::reply::in_other_words(response.status()).into_response();
    }
    let headers = response.headers_mut();
    if let Ok(id) = HeaderValue::from_str(&id) {
        headers.insert("x-request-id", id);
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    let status = response.status().as_u16();
    let route = route.as_ref().map_or("no route", MatchedPath::as_str);
    app.metrics.answered(status);
    if route.starts_with(LOGINS) {
        app.metrics.login_took(watch.elapsed());
        if let Some(Code(code)) = response.extensions().get() {
            app.metrics.login(code);
        }
    }
    // What is asked before every request of others, and answered as ever, would fill the log.
    if QUIET.contains(&route) && status < 400 {
        tracing::debug!(request.id = id, http.route = route, http.status = status, "request");
    } else {
        tracing::info!(
            request.id = id, http.method = %method, http.route = route, http.status = status,
            http.milliseconds = watch.elapsed_ms(), "request"
        );
    }
    response
}

/// Does the query say who the caller is? Queries stand in logs and histories (RFC 6750 §2.3, RFC 9700 §4.3.2).
fn names_token(uri: &Uri) -> bool {
    let query = uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token")
}

fn token_in_query(is_scim: bool) -> Response {
    let detail = "send the token as Authorization: Bearer, never in the URL: who reads logs knows it now, so rotate it";
    if is_scim {
        return scim::reply::Failure::from(ScimError::plain(400, detail)).into_response();
    }
    Problem::bad_request("token_in_query", detail).into_response()
}

/// Is it a proxy whose word on who asks is believed?
#[must_use]
pub fn is_trusted(app: &App, peer: Peer) -> bool {
    matches!(peer, Peer::Network(address) if trusts(app, address))
}

fn trusts(app: &App, address: IpAddr) -> bool {
    app.settings.trusted_proxies.iter().any(|proxy| proxy.contains(address))
}

/// A proxy that the settings trust says something of the client that cannot be read.
struct Unreadable;

/// The client's address: the peer's, or, behind proxies that the settings trust, the last one in
/// `X-Forwarded-For` that is not such a proxy. What anybody else writes there is not looked at.
fn client(app: &App, request: &Request, peer: IpAddr) -> Result<IpAddr, Unreadable> {
    let trusted = |address: IpAddr| trusts(app, address);
    if !trusted(peer) {
        return Ok(peer);
    }
    let values: Result<Vec<&str>, _> =
        request.headers().get_all("x-forwarded-for").iter().map(|value| value.to_str()).collect();
    let values = values.map_err(|_| Unreadable)?;
    let mut client = peer;
    for (hops, hop) in values.iter().rev().flat_map(|value| value.rsplit(',')).enumerate() {
        client = address(hop).filter(|_| hops < HOPS_MAX).ok_or(Unreadable)?;
        if !trusted(client) {
            break;
        }
    }
    Ok(client)
}

/// An address; some proxies add the port.
fn address(hop: &str) -> Option<IpAddr> {
    let hop = hop.trim();
    hop.parse().ok().or_else(|| hop.parse::<SocketAddrV4>().ok().map(|address| (*address.ip()).into()))
}
