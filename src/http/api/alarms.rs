//! What needs a person now.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::http::state::App;
use crate::store::alarms::Alarm;

/// The alarms that are on.
pub async fn list(State(app): State<App>) -> Json<Value> {
    let items: Vec<Value> = app.alarms.active().iter().map(shown).collect();
    Json(json!({"items": items}))
}

fn shown(alarm: &Alarm) -> Value {
    json!({
        "cause": alarm.cause(),
        "kind": alarm.kind,
        "of": alarm.of,
        "since": alarm.since,
        "detail": alarm.detail,
        "mailed_at": alarm.mailed_at,
    })
}
