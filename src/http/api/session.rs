//! Who is this bearer: for the bearer, for applications (RFC 7662) and for reverse proxies.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::directory::factor;
use crate::directory::group::Group;
use crate::directory::session::Session;
use crate::directory::user::User;
use crate::http::api::users::view;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::read_body;
use crate::http::state::App;
use crate::store::groups;

/// Bytes of a header's value that are percent-encoded: everything outside visible ASCII, and the percent sign.
const HEADER: &AsciiSet = &CONTROLS.add(b'%');

/// The same inside a list that is separated by commas.
const LISTED: &AsciiSet = &HEADER.add(b',');

/// The bearer's user and session.
pub async fn show(State(app): State<App>, caller: Caller) -> Result<Json<Value>, Problem> {
    let (user, session) = caller.user()?;
    Ok(Json(json!({"user": view::user(&app, user)?, "session": session_view(session)})))
}

/// Ends the bearer's session.
pub async fn end(State(app): State<App>, caller: Caller) -> Result<StatusCode, Problem> {
    let (user, session) = caller.user()?.clone();
    app.auth.end_session(caller.author(), user, session.id).await?;
    Ok(StatusCode::NO_CONTENT)
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

/// The form of RFC 7662 §2.1.
#[derive(Deserialize)]
pub struct Introspection {
    token: String,
}

/// Is this session valid? RFC 7662: whatever is not gets `{"active": false}` and nothing else (§2.2).
pub async fn introspect(State(app): State<App>, request: axum::extract::Request) -> Result<Json<Value>, Problem> {
    let is_form = request
        .headers()
        .get(axum::http::header::CONTENT_TYPE)
        .is_none_or(|kind| !kind.to_str().unwrap_or_default().contains("json"));
    let bytes = read_body(request, &app).await?;
    let form: Option<Introspection> = if is_form {
        let pairs = form_urlencoded::parse(&bytes).find(|(name, _)| name == "token");
        pairs.map(|(_, token)| Introspection { token: token.into_owned() })
    } else {
        serde_json::from_slice(&bytes).ok()
    };
    let form = form.ok_or_else(|| Problem::field("token", "missing", "must be sent, as a form or as JSON"))?;
    let Some((user, session)) = app.auth.session(&form.token)? else { return Ok(Json(json!({"active": false}))) };
    let groups: Vec<String> = group_names(&app, &user)?;
    Ok(Json(json!({
        "active": true,
        "sub": user.id,
        "username": user.username,
        "name": user.name,
        "email": user.email,
        "groups": groups,
        "iat": session.created_at.as_second(),
        "exp": session.expires_at.as_second(),
        "auth_time": session.authenticated_at.as_second(),
        "amr": factor::amr(&session.methods),
        "acr": factor::acr(&session.methods),
        "token_type": "Bearer",
    })))
}

/// For `auth_request` of nginx, `ForwardAuth` of Traefik and `forward_auth` of Caddy: 200 with who it is.
pub async fn forward_auth(State(app): State<App>, caller: Caller) -> Result<(StatusCode, HeaderMap), Problem> {
    let (user, _) = caller.user()?;
    let email = user.email.as_ref().map(|email| email.as_str().to_owned()).unwrap_or_default();
    let groups = group_names(&app, user)?;
    let groups: Vec<String> = groups.iter().map(|name| utf8_percent_encode(name, LISTED).to_string()).collect();
    let values = [
        ("remote-user", user.username.as_str().to_owned()),
        ("remote-id", user.id.to_string()),
        ("remote-name", user.name.as_str().to_owned()),
        ("remote-email", email),
    ];
    let encoded = values.map(|(name, value)| (name, utf8_percent_encode(&value, HEADER).to_string()));
    let mut headers = HeaderMap::new();
    for (name, value) in encoded.into_iter().chain([("remote-groups", groups.join(","))]) {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(name, value);
        }
    }
    Ok((StatusCode::OK, headers))
}

/// The names of the user's groups; those of a source with the source in front, so that none passes for a local one.
fn group_names(app: &App, user: &User) -> Result<Vec<String>, Problem> {
    let groups = groups::groups_of(&app.store.view(), user.id)?;
    let name = |group: Group| match group.source.is_local() {
        true => group.name.as_str().to_owned(),
        false => format!("{}:{}", group.source, group.name),
    };
    Ok(groups.into_iter().map(|(group, _)| name(group)).collect())
}
