//! For reverse proxies: may this request go on, and who is it? `auth_request` of nginx, `ForwardAuth` of Traefik and
//! `forward_auth` of Caddy; `config/proxies` has a configuration for each.
//!
//! What the browser asked for is believed from a proxy of `server.trusted_proxies` alone. No path is let through without
//! a session.

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use percent_encoding::{AsciiSet, CONTROLS, NON_ALPHANUMERIC, utf8_percent_encode};

use super::original::Original;
use super::told;
use crate::directory::factor;
use crate::directory::session::Session;
use crate::directory::user::User;
use crate::http::caller::{Caller, Peer};
use crate::http::error::Problem;
use crate::http::middleware::request::is_trusted;
use crate::http::settings::ForwardAuth;
use crate::http::state::App;
use crate::store::groups;

/// Bytes of a header's value that are percent-encoded: everything outside visible ASCII, and the percent sign.
const HEADER: &AsciiSet = &CONTROLS.add(b'%');

/// The same inside a list that is separated by commas.
const LISTED: &AsciiSet = &HEADER.add(b',');

/// Most bytes of the header with the groups: proxies take some kilobytes of headers, and fail beyond that.
const GROUPS_MAX: usize = 3_000;

/// 200 with who it is; or no.
pub async fn forward_auth(
    State(app): State<App>,
    Extension(peer): Extension<Peer>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if !is_trusted(&app, peer) {
        return Err(if caller.session.is_none() { Problem::unauthenticated() } else { not_a_proxy() });
    }
    let original = Original::read(&headers);
    let original = original.map_err(|what| Problem::bad_request("no_original_request", what))?;
    let settings = &app.settings.forward_auth;
    let Some((user, session)) = caller.session.as_deref() else {
        return Ok(to_the_login(settings, &original, &headers));
    };
    let groups = groups::names_of(&app.store, user.id)?;
    check(settings, &original, session, &groups)?;
    Ok((StatusCode::OK, identity(user, told(&groups))).into_response())
}

fn not_a_proxy() -> Problem {
    Problem::bad_request("not_a_trusted_proxy", "name the proxy that asks here in server.trusted_proxies")
}

/// Who it is, in headers.
fn identity(user: &User, groups: &[String]) -> HeaderMap {
    let mut listed = String::new();
    for name in groups.iter().map(|name| utf8_percent_encode(name, LISTED).to_string()) {
        let comma = if listed.is_empty() { "" } else { "," };
        if listed.len().saturating_add(name.len()) >= GROUPS_MAX {
            tracing::warn!(user.id = %user.id, "a user is in more groups than a header holds: some are left out");
            break;
        }
        listed.push_str(comma);
        listed.push_str(&name);
    }
    let plain = |value: &str| utf8_percent_encode(value, HEADER).to_string();
    let email = user.email.as_ref().map(|email| plain(email.as_str())).unwrap_or_default();
    let values = [
        ("remote-user", plain(user.username.as_str())),
        ("remote-id", user.id.to_string()),
        ("remote-name", plain(user.name.as_str())),
        ("remote-email", email),
        ("remote-groups", listed),
    ];
    let values = values.into_iter().filter_map(|(name, value)| Some((name, HeaderValue::try_from(value).ok()?)));
    values.map(|(name, value)| (header::HeaderName::from_static(name), value)).collect()
}

/// What the first rule for the host asks for besides a session.
fn check(settings: &ForwardAuth, original: &Original, session: &Session, groups: &[String]) -> Result<(), Problem> {
    let Some(rule) = settings.rules.iter().find(|rule| rule.host.matches(original.host())) else { return Ok(()) };
    if !rule.groups.is_empty() && !groups.iter().any(|name| rule.groups.contains(name)) {
        return Err(Problem::forbidden("this needs membership of a group that you are not in"));
    }
    if rule.mfa && !factor::amr(&session.methods).contains("mfa") {
        return Err(Problem::new(StatusCode::FORBIDDEN, "mfa_required", "log in again, with a second factor"));
    }
    Ok(())
}

/// A browser goes to where people log in, if it comes from where it may be sent back to; others are told in a status.
fn to_the_login(settings: &ForwardAuth, original: &Original, headers: &HeaderMap) -> Response {
    let may_return = settings.allowed_hosts.iter().any(|host| host.matches(original.host()));
    let login = settings.login_url.as_ref().filter(|_| may_return && original.is_of_a_browser(headers));
    let location = login.and_then(|login| {
        let join = if login.contains('?') { '&' } else { '?' };
        let rd = utf8_percent_encode(original.url.as_str(), NON_ALPHANUMERIC);
        HeaderValue::try_from(format!("{login}{join}rd={rd}")).ok()
    });
    let mut response = Problem::unauthenticated().into_response();
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
        if original.takes_redirects {
            *response.status_mut() = StatusCode::FOUND;
        }
    }
    response
}
