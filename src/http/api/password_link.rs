//! Forgotten passwords, and the links by which one is set.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::forgotten::Typed;
use crate::base::secret::Secret;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::Body;
use crate::http::middleware::access::bearer;
use crate::http::openapi::bodies::{NameOrAddress, NewPassword};
use crate::http::state::App;

/// Whose password was forgotten.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forgotten {
    /// A username or an address, as at a login.
    #[schemars(with = "NameOrAddress")]
    username: String,
    /// The address of the client, from an application that asks on their behalf.
    #[serde(default)]
    client_ip: Option<IpAddr>,
}

/// A password link's token, and the password that it sets.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LinkUse {
    token: Secret,
    #[schemars(with = "NewPassword")]
    password: Secret,
}

/// Mails a link to whom that name or address belongs. The answer tells nothing of accounts.
pub async fn forgotten(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<Forgotten>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let origin = caller.on_behalf_of(body.client_ip)?;
    if !app.auth.settings.forgotten_password {
        let detail = "forgotten passwords are not mailed here: ask an administrator for a link";
        return Err(Problem::new(StatusCode::CONFLICT, "not_offered", detail));
    }
    let typed = Typed::parse(&body.username).map_err(|fault| Problem::fields(vec![fault]))?;
    // No word to the outbox: that somebody is mailed must not show in how busy the daemon is.
    app.auth.forgotten(&typed, &origin, &app.settings.public_url).await?;
    let said = "if there is such an account, a mail is on its way to its address";
    Ok((StatusCode::ACCEPTED, Json(json!({"detail": said}))))
}

/// Whose password a link sets, until when, and by which rules. Nothing happens to the link.
pub async fn show(State(app): State<App>, headers: HeaderMap) -> Result<Json<Value>, Problem> {
    let token = bearer(&headers).ok_or_else(Problem::unauthenticated)?;
    let (user, link) = app.auth.link(token)?;
    let rules = app.auth.rules_for(&user)?;
    Ok(Json(json!({"username": user.username, "name": user.name, "expires_at": link.expires_at, "rules": rules})))
}

/// Sets a password by a link. Signs nobody in.
pub async fn use_it(State(app): State<App>, caller: Caller, Body(body): Body<LinkUse>) -> Result<StatusCode, Problem> {
    app.auth.use_link(body.token.expose(), &body.password, &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}
