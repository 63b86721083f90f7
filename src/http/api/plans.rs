//! Plans that were held: look, approve, reject.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::id::PlanId;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, Parameters, Segment};
use crate::http::state::App;
use crate::store::{StoreError, runs};
use crate::sync::decide;

/// All plans, newest first.
pub async fn list(State(app): State<App>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({"items": runs::list_plans(&app.store.view())?})))
}

/// One plan with its first items.
pub async fn show(
    State(app): State<App>,
    Segment(id): Segment<PlanId>,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    let view = app.store.view();
    let plan = runs::get_plan(&view, id)?.ok_or_else(|| Problem::not_found("plan"))?;
    let items = runs::items(&view, id, parameters.limit()?)?;
    Ok(Json(json!({"plan": plan, "items": items})))
}

/// What an administrator has seen of a plan.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// Its digest then; without it, the plan is taken as it is.
    #[serde(default)]
    digest: Option<String>,
}

/// Applies exactly this plan.
pub async fn approve(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment<PlanId>,
    Body(seen): Body<Seen>,
) -> Result<Json<Value>, Problem> {
    // A task of its own: a caller who hangs up does not cut it in half.
    let (store, author, defaults) = (app.store.clone(), caller.author(), app.users.clone());
    let applying =
        tokio::spawn(async move { decide::approve_as_seen(&store, &author, id, &defaults, seen.digest).await });
    let applied = applying.await.map_err(|_| StoreError::Stopped)??;
    Ok(Json(json!({"written": applied.written.changes(), "refused": applied.refused})))
}

/// Says no to this plan.
pub async fn reject(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment<PlanId>,
) -> Result<Json<Value>, Problem> {
    decide::reject(&app.store, &caller.author(), id).await?;
    Ok(Json(json!({"rejected": id})))
}
