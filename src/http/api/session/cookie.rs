//! The cookie by which browsers show a session to a reverse proxy. The forward-auth endpoint looks at it and nothing
//! else does: what changes something wants the token in the header.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse};

use crate::base::secret::Secret;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::middleware::access::bearer;
use crate::http::state::App;

/// Bytes of cookie headers that are looked at.
const COOKIES_MAX: usize = 16 << 10;

/// Hands the bearer's session to their browser.
pub async fn set(State(app): State<App>, caller: Caller, headers: HeaderMap) -> Result<impl IntoResponse, Problem> {
    let (_, session) = caller.user()?;
    let token = bearer(&headers).ok_or_else(Problem::unauthenticated)?;
    let life = session.expires_at.duration_since(app.store.clock().now()).as_secs().max(0);
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(header::SET_COOKIE, cookie(&app, token, life)?)])))
}

/// Lets the browser forget it. The session stays: its bearer ends it with `DELETE /api/v1/session`.
pub async fn clear(State(app): State<App>) -> Result<impl IntoResponse, Problem> {
    Ok((StatusCode::NO_CONTENT, AppendHeaders([(header::SET_COOKIE, cleared(&app)?)])))
}

/// The header that makes a browser forget the cookie.
///
/// # Errors
/// When the name of the settings is none that a header takes.
pub(super) fn cleared(app: &App) -> Result<HeaderValue, Problem> {
    cookie(app, "", 0)
}

/// Tied to the host that sets it, never sent in the clear, out of reach of scripts and of other sites' forms
/// (RFC 6265bis §4.1).
fn cookie(app: &App, token: &str, life: i64) -> Result<HeaderValue, Problem> {
    let name = &app.settings.forward_auth.cookie;
    let text = format!("{name}={token}; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age={life}");
    let mut value = HeaderValue::from_str(&text)
        .map_err(|_| Problem::bad_request("no_cookie", "the session's token does not fit into a cookie"))?;
    value.set_sensitive(true);
    Ok(value)
}

/// The token in the cookie of this name; `None` where there is none, or more than one: nobody knows which is meant.
pub(crate) fn token(headers: &HeaderMap, name: &str) -> Option<Secret> {
    let values = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut left = COOKIES_MAX;
    let values = values.take_while(|value| {
        let fits = value.len() <= left;
        left = left.saturating_sub(value.len());
        fits
    });
    let pairs = values.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut found = pairs.filter(|(key, _)| *key == name).map(|(_, token)| token);
    match (found.next(), found.next()) {
        (Some(token), None) => Some(Secret::new(token)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_counts_when_it_is_there_once() {
        let read = |values: &[&str]| {
            let pairs = values.iter().map(|value| (header::COOKIE, HeaderValue::from_str(value).unwrap()));
            token(&pairs.collect(), "__Host-m").map(|token| token.expose().to_owned())
        };
        assert_eq!(read(&["a=b; __Host-m=x; c=d"]).as_deref(), Some("x"));
        assert_eq!(read(&["a=b", "__Host-m=x"]).as_deref(), Some("x"));
        assert_eq!(read(&["__Host-m=x; __Host-m=y"]), None);
        assert_eq!(read(&["__Host-m=x", "__Host-m=x"]), None);
        assert_eq!(read(&["x__Host-m=x; __host-m=y; __Host-m"]), None);
        assert_eq!(read(&[&"a".repeat(20_000), "__Host-m=x"]), None);
    }
}
