//! For whatever watches the daemon.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::http::error::Problem;
use crate::http::state::App;
use crate::store::tasks;

/// The process runs.
pub async fn alive() -> Json<Value> {
    Json(json!({"status": "alive"}))
}

/// The store answers.
pub async fn ready(State(app): State<App>) -> Result<Json<Value>, Problem> {
    tasks::last_run(&app.store.view(), "sweep")?;
    if let Some(fault) = app.store.fault() {
        tracing::error!("not ready: {fault}");
        return Err(fault.into());
    }
    Ok(Json(json!({"status": "ready"})))
}
