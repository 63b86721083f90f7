//! What the daemon is made of: roles, settings, background tasks.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::directory::role;
use crate::http::state::App;

/// The roles.
pub async fn roles() -> Json<Value> {
    Json(json!({"items": role::built_in()}))
}

/// The effective settings, each with where it came from; secrets masked.
pub async fn settings(State(app): State<App>) -> Json<Value> {
    Json(json!({"items": app.effective}))
}

/// The background tasks, each with what came of its last run.
pub async fn tasks(State(app): State<App>) -> Json<Value> {
    Json(json!({"items": app.driver.status()}))
}
