//! Is this session, or the token that was signed for it, valid? RFC 7662.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::{Request, State};
use serde::Serialize;

use super::{form, group_names};
use crate::auth::jwt::Claims;
use crate::base::id::{SessionId, TokenId, UserId};
use crate::directory::factor;
use crate::directory::field::{DisplayName, Email, Username};
use crate::directory::session::Session;
use crate::directory::user::User;
use crate::http::error::Problem;
use crate::http::state::App;

/// What is told of a token. Whatever is not valid gets `{"active": false}` and nothing else (RFC 7662 §2.2).
#[derive(Serialize, Default)]
pub struct Introspection {
    active: bool,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    told: Option<Box<Told>>,
}

/// The members of RFC 7662 §2.2 and RFC 9068 §2.2, and what applications need besides.
#[derive(Serialize)]
struct Told {
    iss: String,
    sub: UserId,
    username: Username,
    name: DisplayName,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<Email>,
    groups: Vec<String>,
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
pub async fn introspect(State(app): State<App>, request: Request) -> Result<Json<Introspection>, Problem> {
    let token = form::token(request, &app).await?;
    if let Some((user, session)) = app.auth.session(token.expose())? {
        return told(&app, user, &session, None).map(Json);
    }
    let signed = app.jwt.check(token.expose())?;
    let Some(claims) = signed else { return Ok(Json(Introspection::default())) };
    match app.auth.session_of(claims.sub, claims.sid)? {
        Some((user, session)) => told(&app, user, &session, Some(claims)).map(Json),
        None => Ok(Json(Introspection::default())),
    }
}

fn told(app: &App, user: User, session: &Session, claims: Option<Claims>) -> Result<Introspection, Problem> {
    let groups = group_names(app, &user)?;
    let mut told = Told {
        iss: app.settings.public_url.clone(),
        sub: user.id,
        username: user.username,
        name: user.name,
        email: user.email,
        groups,
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
        told = Told { iat, exp, aud: Some(aud), jti: Some(jti), client_id, ..told };
    }
    Ok(Introspection { active: true, told: Some(Box::new(told)) })
}
