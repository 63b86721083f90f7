//! Plans that were held: look, approve, reject.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::users::gate::CallersRights;
use super::users::many;
use crate::base::id::PlanId;
use crate::directory::permission::Permission;
use crate::directory::plan::{Plan, PlanItem};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, Parameters, Segment, cut};
use crate::http::reply::Digested;
use crate::http::state::App;
use crate::store::runs;
use crate::sync::bulk::Report;
use crate::sync::decide;

/// Longest cursor of a plan's items: a number or an id, in hexadecimal digits.
const PLACE_MAX: usize = 32;

/// A page of the plans, newest first, before one of them (`cursor`).
pub async fn list(State(app): State<App>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    let (before, limit) = (parameters.cursor()?, parameters.limit()?);
    let mut items = runs::plans_before(&app.store.view(), before, limit.saturating_add(1))?;
    let next = cut(&mut items, limit, |plan| plan.id);
    Ok(Json(json!({"items": items, "next_cursor": next})))
}

/// One plan with a page of its items, after one of them (`cursor`). They say of users what a look at these does, and want
/// the same permission.
pub async fn show(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment<PlanId>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    caller.must(Permission::UsersView)?;
    let view = app.store.view();
    let plan = runs::get_plan(&view, id)?.ok_or_else(|| Problem::not_found("plan"))?;
    let (after, limit) = (parameters.get("cursor").map(place).transpose()?, parameters.limit()?);
    let mut found = runs::items_after(&view, id, after.as_deref(), limit.saturating_add(1))?;
    let next = cut(&mut found, limit, |(place, _)| HEXLOWER.encode(place));
    let items: Vec<PlanItem> = found.into_iter().map(|(_, item)| item).collect();
    let shown = json!({"plan": plan, "items": items, "next_cursor": next});
    Ok(Digested(shown).into())
}

/// Where a page of items goes on.
fn place(cursor: &str) -> Result<Vec<u8>, Problem> {
    let place = if cursor.len() <= PLACE_MAX { HEXLOWER.decode(cursor.as_bytes()).ok() } else { None };
    place.ok_or_else(|| Problem::field("cursor", "malformed", "must be the next_cursor of an earlier page"))
}

/// What an administrator has seen of a plan.
#[derive(Default, Deserialize, JsonSchema)]
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
) -> Result<Response, Problem> {
    let plan = runs::get_plan(&app.store.view(), id)?.ok_or_else(|| Problem::not_found("plan"))?;
    if plan.cause.is_by_hand() {
        return approve_by_hand(app, caller, plan, seen.digest).await;
    }
    let (store, author, defaults) = (app.store.clone(), caller.author(), app.users.clone());
    let work = async move {
        let applied = decide::approve_as_seen(&store, &author, id, &defaults, seen.digest).await?;
        Ok(Json(json!({"written": applied.written.changes(), "refused": applied.refused})).into_response())
    };
    many::answer(&app, plan.run, true, work).await
}

/// Applies exactly this plan of a bulk change or import. Whom the caller may not change is left alone.
async fn approve_by_hand(app: App, caller: Caller, plan: Plan, digest: Option<String>) -> Result<Response, Problem> {
    let (bulk, author, run) = (app.bulk.clone(), caller.author(), plan.run);
    let rights = Arc::new(CallersRights { app: app.clone(), caller });
    let own = app.clone();
    let work = async move {
        let Report { run, .. } = bulk.approve(&author, plan, digest, rights).await?;
        many::forgive(&own, &run).await?;
        let items = format!("/api/v1/runs/{}/items", run.id);
        let answer = json!({"written": run.counts.changes(), "refused": run.skipped, "run": run.id, "items": items});
        Ok(Json(answer).into_response())
    };
    many::answer(&app, run, true, work).await
}

/// Says no to this plan.
pub async fn reject(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment<PlanId>,
) -> Result<Json<Value>, Problem> {
    decide::reject(&app.store, &caller.author(), id).await?;
    app.bulk.drop_pages(id).await?;
    Ok(Json(json!({"rejected": id})))
}
