//! Every route with what its caller must be. A route gets into the router through this table only.

use std::convert::Infallible;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::handler::Handler;
use axum::http::{Method, StatusCode};
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::{MethodFilter, MethodRouter, on};
use tower::util::MapRequest;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use super::error::Problem;
use super::middleware::access::{Access, guard};
use super::middleware::conditional::conditional;
use super::middleware::request::{Wrapping, wrap};
use super::state::App;
use super::{api, console, scim};

/// One method of one path.
pub struct Route {
    /// The method.
    pub method: Method,
    /// The path, with `{name}` for what varies.
    pub path: &'static str,
    /// What its caller must be.
    pub access: Access,
    handler: MethodRouter<App, Infallible>,
}

/// A route. There is none without an [`Access`].
pub fn route<H, T>(method: Method, path: &'static str, access: Access, handler: H) -> Route
where
    H: Handler<T, App>,
    T: 'static,
{
    // Only the five methods below are ever named; GET serves HEAD too.
    let filter = MethodFilter::try_from(method.clone()).unwrap_or(MethodFilter::GET);
    Route { method, path, access, handler: on(filter, handler) }
}

/// The table.
#[must_use]
pub fn table() -> Vec<Route> {
    [api::routes(), scim::routes(), console::routes()].into_iter().flatten().collect()
}

/// The router: the table, behind what happens to every request.
pub fn router(app: App) -> Router {
    let mut router: Router<App> = Router::new();
    for Route { path, access, handler, .. } in table() {
        let guard = middleware::from_fn_with_state((app.clone(), access), guard);
        let handler = if access.is_scim() {
            handler.route_layer(middleware::from_fn_with_state(app.clone(), scim::journal::keep))
        } else {
            handler
        };
        router = router.route(path, handler.route_layer(guard));
    }
    let timeout = TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, app.settings.request_timeout);
    let router = router
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        // One layer of five, from the outside in: each by itself would be a box around every route.
        .layer((
            middleware::from_fn_with_state(Wrapping::new(app.clone()), wrap),
            middleware::from_fn(conditional),
            CatchPanicLayer::custom(panicked),
            timeout,
            DefaultBodyLimit::max(app.settings.body_limit),
        ))
        .with_state(app);
    // Before anything looks at the path: a base URL that was typed with a final slash is as good as one without.
    Router::new().fallback_service(MapRequest::new(router, tidy))
}

/// SCIM clients join base URLs and paths by hand: slashes too many mean nothing there. Without a version the newest is
/// meant (RFC 7644 §3.13).
fn tidy(mut request: Request) -> Request {
    let path = request.uri().path();
    let is_tidy = path.starts_with("/scim/v2") && !path.contains("//") && (path.len() < 10 || !path.ends_with('/'));
    if is_tidy || path != "/scim" && !path.starts_with("/scim/") {
        return request;
    }
    let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let is_version = |part: &str| part.strip_prefix('v').is_some_and(|rest| rest.parse::<u32>().is_ok());
    if !parts.get(1).is_some_and(|part| is_version(part)) {
        parts.insert(1, "v2");
    }
    let query = request.uri().query().map(|query| format!("?{query}")).unwrap_or_default();
    if let Ok(uri) = format!("/{}{query}", parts.join("/")).parse() {
        *request.uri_mut() = uri;
    }
    request
}

async fn not_found(uri: axum::http::Uri) -> axum::response::Response {
    if uri.path().starts_with("/scim/") {
        return scim::reply::no_such_endpoint().into_response();
    }
    Problem::not_found("resource").into_response()
}

async fn method_not_allowed(uri: axum::http::Uri) -> axum::response::Response {
    if uri.path().starts_with("/scim/") {
        return scim::reply::method_not_allowed().into_response();
    }
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this resource does not take that method")
        .into_response()
}

/// A panic in one request is one 500; the daemon lives.
fn panicked(_: Box<dyn std::any::Any + Send>) -> axum::response::Response {
    tracing::error!("a request ended in a panic");
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "an internal fault; the daemon's log says more")
        .into_response()
}
