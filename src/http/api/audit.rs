//! The audit trail, newest first.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::http::api::users::find;
use crate::http::error::Problem;
use crate::http::extract::Parameters;
use crate::http::state::App;
use crate::store::audit;

/// Lines of all or of one user (`user`), before a line (`cursor`).
pub async fn list(State(app): State<App>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    let user = parameters.get("user").map(|name| find(&app, name)).transpose()?.map(|user| user.id);
    let before = parameters.get("cursor").map(str::parse).transpose();
    let before =
        before.map_err(|_| Problem::field("cursor", "malformed", "must be the next_cursor of an earlier page"))?;
    let limit = parameters.limit()?;
    let query = audit::Query { user, ..audit::Query::default() };
    let found = audit::list(&app.store.view(), &query, before, limit)?;
    Ok(Json(json!({"items": found.lines, "next_cursor": found.before.map(|seq| seq.to_string())})))
}
