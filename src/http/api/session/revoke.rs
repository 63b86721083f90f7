//! Ends the session of a token (RFC 7009).

use axum::extract::{Request, State};
use axum::http::StatusCode;

use super::form;
use crate::directory::session::Session;
use crate::directory::user::User;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::state::App;

/// Ends the session of a token, or of what was signed for it. A token that opens nothing is ended already (§2.2).
pub async fn revoke(State(app): State<App>, caller: Caller, request: Request) -> Result<StatusCode, Problem> {
    let token = form::token(request, &app).await?;
    let found = match app.auth.session(token.expose())? {
        Some(found) => Some(found),
        None => match app.jwt.check(token.expose())? {
            Some(claims) => app.auth.session_of(claims.sub, claims.sid)?,
            None => None,
        },
    };
    if let Some(found) = found {
        let (user, session) = &*found;
        must_be_theirs(&caller, user, session)?;
        app.auth.end_session(caller.author(), user.clone(), session.id).await?;
    }
    Ok(StatusCode::OK)
}

/// A user ends their own sessions, an application those that it began, or that nobody's token began (§2.1).
fn must_be_theirs(caller: &Caller, user: &User, session: &Session) -> Result<(), Problem> {
    let is_theirs = match &caller.session {
        Some(own) => own.0.id == user.id,
        None => session.client.is_none() || session.client == caller.origin.client,
    };
    if is_theirs { Ok(()) } else { Err(Problem::forbidden("another application began this session")) }
}
