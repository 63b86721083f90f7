//! For whatever watches the daemon.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::http::error::Problem;
use crate::http::state::App;

/// The process runs.
pub async fn alive() -> Json<Value> {
    Json(json!({"status": "alive"}))
}

/// The store reads and writes.
pub async fn ready(State(app): State<App>) -> Result<Json<Value>, Problem> {
    match app.store.check().await {
        Ok(()) => Ok(Json(json!({"status": "ready"}))),
        Err(fault) => {
            tracing::error!("not ready: {fault}");
            Err(Problem::not_ready(fault))
        }
    }
}
