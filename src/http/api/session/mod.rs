//! Who is this bearer: for the bearer, for applications (RFC 7662), for reverse proxies, and as a signed token.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{AppendHeaders, IntoResponse};
use serde_json::{Value, json};

use crate::directory::session::Session;
use crate::http::api::users::view;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::state::App;

pub mod cookie;
mod form;
pub mod forward_auth;
pub mod introspect;
mod original;
pub mod revoke;
pub mod token;

/// Most groups that are told of one user.
const GROUPS_MAX: usize = 1_000;

/// What a browser is to forget at the end of a session (W3C Clear Site Data §3.1).
const FORGOTTEN: &str = "\"cookies\", \"storage\"";

/// The bearer's user and session.
pub async fn show(State(app): State<App>, caller: Caller) -> Result<Json<Value>, Problem> {
    let (user, session) = caller.user()?;
    Ok(Json(json!({"user": view::user(&app, user)?, "session": session_view(session)})))
}

/// Ends the bearer's session, and lets a browser forget what it holds of it.
pub async fn end(State(app): State<App>, caller: Caller) -> Result<impl IntoResponse, Problem> {
    let (user, session) = caller.user()?.clone();
    app.auth.end_session(caller.author(), user, session.id).await?;
    let forget = (HeaderName::from_static("clear-site-data"), HeaderValue::from_static(FORGOTTEN));
    Ok((StatusCode::NO_CONTENT, AppendHeaders([forget, (header::SET_COOKIE, cookie::cleared(&app)?)])))
}

/// A session as lists show it.
#[must_use]
pub fn session_view(session: &Session) -> Value {
    json!({
        "id": session.id,
        "created_at": session.created_at,
        "last_used_at": session.last_used_at,
        "expires_at": session.expires_at,
        "authenticated_by": session.authenticated_by,
        "factors": session.methods,
        "client": session.client,
        "agent": session.agent,
        "address": session.address,
    })
}

/// The names of a user's groups that are told, so many at most.
fn told(names: &[String]) -> &[String] {
    names.get(..GROUPS_MAX).unwrap_or(names)
}
