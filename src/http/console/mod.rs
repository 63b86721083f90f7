//! Pages for people: the one behind password links, and the one that asks for such a link.

use axum::http::Method;
use axum::http::header;
use axum::response::{Html, IntoResponse, Response};

use super::middleware::access::Access;
use super::routes::{Route, route};

/// The page, which sends the link's token, out of the address's fragment, together with the new password.
const SET_PASSWORD: &str = include_str!("set_password.html");
/// The page that asks for a link.
const FORGOTTEN: &str = include_str!("forgotten_password.html");
/// Only what the page itself brings may run.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The routes of the pages.
#[must_use]
pub fn routes() -> Vec<Route> {
    vec![
        route(Method::GET, "/set-password", Access::Anonymous, set_password),
        route(Method::GET, "/set-password.js", Access::Anonymous, script),
        route(Method::GET, "/set-password.css", Access::Anonymous, style),
        route(Method::GET, "/forgotten-password", Access::Anonymous, forgotten),
        route(Method::GET, "/forgotten-password.js", Access::Anonymous, forgotten_script),
    ]
}

async fn set_password() -> Response {
    page(SET_PASSWORD)
}

async fn forgotten() -> Response {
    page(FORGOTTEN)
}

async fn script() -> Response {
    javascript(include_str!("set_password.js"))
}

async fn forgotten_script() -> Response {
    javascript(include_str!("forgotten_password.js"))
}

fn page(text: &'static str) -> Response {
    ([(header::CONTENT_SECURITY_POLICY, POLICY)], Html(text)).into_response()
}

fn javascript(text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], text).into_response()
}

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], include_str!("set_password.css")).into_response()
}
