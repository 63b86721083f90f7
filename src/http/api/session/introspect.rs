//! Is this session, or the token that was signed for it, valid? RFC 7662.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::{form, told};
use crate::auth::jwt::Claims;
use crate::base::id::{SessionId, TokenId, UserId};
use crate::directory::factor;
use crate::directory::field::{DisplayName, Email, Username};
use crate::directory::session::Session;
use crate::directory::user::User;
use crate::http::error::Problem;
use crate::http::state::App;
use crate::store::groups;

/// What is told of whatever is not valid: this, and nothing else (RFC 7662 §2.2).
#[derive(Serialize)]
struct Inactive {
    active: bool,
}

/// What is told of a valid token: the members of RFC 7662 §2.2 and RFC 9068 §2.2, and what applications need besides.
#[derive(Serialize)]
struct Told<'a> {
    active: bool,
    iss: &'a str,
    sub: UserId,
    username: &'a Username,
    name: &'a DisplayName,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a Email>,
    groups: &'a [String],
    sid: SessionId,
    iat: i64,
    exp: i64,
    auth_time: i64,
    amr: BTreeSet<&'static str>,
    acr: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    token_type: &'static str,
}

/// Answers an application: the token is a session's, or was signed for one.
pub async fn introspect(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let token = form::token(request, &app).await?;
    if let Some(found) = app.auth.session(token.expose())? {
        return answer(&app, &found, None);
    }
    if let Some(claims) = app.jwt.check(token.expose())?
        && let Some(found) = app.auth.session_of(claims.sub, claims.sid)?
    {
        return answer(&app, &found, Some(claims));
    }
    Ok(Json(Inactive { active: false }).into_response())
}

fn answer(app: &App, (user, session): &(User, Session), claims: Option<Claims>) -> Result<Response, Problem> {
    let names = groups::names_of(&app.store, user.id)?;
    let mut answer = Told {
        active: true,
        iss: &app.settings.public_url,
        sub: user.id,
        username: &user.username,
        name: &user.name,
        email: user.email.as_ref(),
        groups: told(&names),
        sid: session.id,
        iat: session.created_at.as_second(),
        exp: session.expires_at.as_second(),
        auth_time: session.authenticated_at.as_second(),
        amr: factor::amr(&session.methods),
        acr: factor::acr(&session.methods),
        client_id: session.client.as_ref().map(TokenId::to_string),
        aud: None,
        jti: None,
        token_type: "Bearer",
    };
    if let Some(Claims { iat, exp, aud, jti, client_id, .. }) = claims {
        answer = Told { iat, exp, aud: Some(aud), jti: Some(jti), client_id, ..answer };
    }
    Ok(Json(answer).into_response())
}
