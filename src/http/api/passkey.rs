//! `POST /api/v1/authenticate/passkey` and its `/verify`: a login by a passkey alone.

use std::net::IpAddr;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::login::answer;
use crate::base::secret::Secret;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::Body;
use crate::http::state::App;

/// Nothing: whoever has a passkey is asked.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Anybody {}

/// The answer of a browser.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Shown {
    transaction: Secret,
    /// What `navigator.credentials.get()` gave, by its `toJSON()`.
    credential: Value,
    /// The address of the client, from an application that logs users in on their behalf.
    #[serde(default)]
    client_ip: Option<IpAddr>,
}

/// Begins a login: what to ask the browser.
pub async fn begin(
    State(app): State<App>,
    caller: Caller,
    Body(Anybody {}): Body<Anybody>,
) -> Result<Json<Value>, Problem> {
    let waiting = app.auth.begin_passkey(&caller.origin)?;
    Ok(Json(json!({
        "transaction": waiting.transaction.expose(),
        "options": waiting.options,
        "expires_at": waiting.expires_at,
    })))
}

/// Logs in whose passkey answered; answers as `POST /api/v1/authenticate` does.
pub async fn verify(State(app): State<App>, caller: Caller, Body(body): Body<Shown>) -> Result<Json<Value>, Problem> {
    let origin = caller.on_behalf_of(body.client_ip)?;
    let outcome = app.auth.finish_passkey(&body.transaction, &body.credential, &origin).await?;
    answer(&app, outcome).map(Json)
}
