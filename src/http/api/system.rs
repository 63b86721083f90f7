//! What the daemon is made of: background tasks, keys.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::Body;
use crate::http::state::App;
use crate::store::tx::Reads;
use crate::store::{StoreError, rotate};

/// The background tasks, each with what came of its last run.
pub async fn tasks(State(app): State<App>) -> Json<Value> {
    Json(json!({"items": app.driver.status()}))
}

/// Seals every stored secret with a new key. Goes on when the caller does not wait for it.
pub async fn rotate_key(State(app): State<App>, caller: Caller) -> Result<Json<Value>, Problem> {
    let (store, author) = (app.store.clone(), caller.author());
    let rotation = tokio::spawn(async move { rotate::rotate(&store, &author).await });
    let rotated = rotation.await.map_err(|_| StoreError::Stopped)??;
    let fingerprint = app.store.view().sealer().fingerprint();
    Ok(Json(json!({"values": rotated.values, "old_key_file": rotated.old_key, "fingerprint": fingerprint})))
}

/// How fast.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Haste {
    /// Drop every other key at once: one of them is known to somebody.
    #[serde(default)]
    at_once: bool,
}

/// Lets another key sign tokens.
pub async fn rotate_signing(
    State(app): State<App>,
    caller: Caller,
    Body(haste): Body<Haste>,
) -> Result<Json<Value>, Problem> {
    let signs_from = app.jwt.rotate(caller.author(), haste.at_once).await?;
    Ok(Json(json!({"signs_from": signs_from})))
}
