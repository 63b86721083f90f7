//! What passes, sweeps, bulk changes and imports came to: looking at it, user by user, and taking it back.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::sources::{finished, pulled};
use super::users::gate::CallersRights;
use super::users::many;
use crate::base::id::{RunId, SourceId};
use crate::directory::permission::Permission;
use crate::directory::plan::{Cause, Entry, Fate, Run};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, Parameters, Segment, cut};
use crate::http::reply::Digested;
use crate::http::state::App;
use crate::store::{StoreError, pages, runs};
use crate::sync::undo::{self, Undo, UndoError};

/// A page of the runs, newest first, of one source (`source`) or of all, before one of them (`cursor`).
pub async fn list(State(app): State<App>, caller: Caller, parameters: Parameters) -> Result<Json<Value>, Problem> {
    let cause = match parameters.get("source") {
        Some("sweep") => Some(Cause::Sweep),
        Some("bulk") => Some(Cause::Bulk),
        Some("import") => Some(Cause::Import),
        Some(id) => Some(Cause::Source { id: SourceId::parse(id).map_err(|_| Problem::not_found("source"))? }),
        None => None,
    };
    let (before, limit) = (parameters.cursor()?, parameters.limit()?);
    let mut items = runs::runs_before(&app.store.view(), cause.as_ref(), before, limit.saturating_add(1))?;
    let next = cut(&mut items, limit, |run| run.id);
    let items: Vec<Run> = items.into_iter().map(|run| as_seen(&caller, run)).collect();
    Ok(Json(json!({"items": items, "next_cursor": next})))
}

/// A run without what it tells of users, where the caller may not see them.
fn as_seen(caller: &Caller, run: Run) -> Run {
    match caller.must(Permission::UsersView) {
        Ok(()) => run,
        Err(_) => Run { skipped: Vec::new(), conflicts: Vec::new(), ..run },
    }
}

/// The run, for whoever holds a permission or began it themselves. Others do not learn whether there is one.
fn followed(app: &App, caller: &Caller, id: RunId, permission: Permission) -> Result<Run, Problem> {
    let run = runs::get_run(&app.store.view(), id)?;
    if run.as_ref().is_none_or(|run| run.by.as_ref() != Some(&caller.actor)) {
        caller.must(permission)?;
    }
    run.ok_or_else(|| Problem::not_found("run"))
}

/// One run; with how far it is, while one of many users is under way.
pub async fn show(State(app): State<App>, caller: Caller, Segment(id): Segment<RunId>) -> Result<Response, Problem> {
    let run = followed(&app, &caller, id, Permission::SourcesView)?;
    let mut shown = json!(as_seen(&caller, run));
    if let (Some(shown), Some(progress)) = (shown.as_object_mut(), app.bulk.progress(id)) {
        shown.insert("progress".to_owned(), json!(progress));
    }
    Ok(Digested(shown).into())
}

/// What became of the users or rows of a bulk change or import, a page after a place (`cursor`); with `outcome`, those
/// that came to it: `created`, `changed`, `unchanged`, `refused`.
pub async fn items(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment<RunId>,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    followed(&app, &caller, id, Permission::UsersView)?;
    let from = parameters.get("cursor").map(place).transpose()?.unwrap_or_default();
    let limit = parameters.limit()?;
    let outcome = parameters.get("outcome").map(str::to_owned);
    if outcome.as_deref().is_some_and(|outcome| !Fate::DONE.contains(&outcome)) {
        let message = format!("must be one of {}", Fate::DONE.join(", "));
        return Err(Problem::field("outcome", "malformed", &message));
    }
    let read = move || {
        let keep = |entry: &Entry| outcome.as_deref().is_none_or(|outcome| entry.fate.name() == outcome);
        pages::results(&app.store.view(), id, from, limit.saturating_add(1), keep)
    };
    let mut found = tokio::task::spawn_blocking(read).await.map_err(|_| StoreError::Stopped)??;
    let next = found.get(limit).map(|((page, place), _)| format!("{page}.{place}"));
    found.truncate(limit);
    let items: Vec<_> = found.into_iter().map(|(_, entry)| entry).collect();
    Ok(Json(json!({"items": items, "next_cursor": next})))
}

/// A place among the items of a run, from a cursor.
fn place(cursor: &str) -> Result<pages::Place, Problem> {
    let parts = cursor.split_once('.').and_then(|(page, place)| Some((page.parse().ok()?, place.parse().ok()?)));
    parts.ok_or_else(|| Problem::field("cursor", "malformed", "must be the next_cursor of an earlier page"))
}

/// What a run changed: its audit lines, oldest first, a page after a line (`cursor`).
pub async fn changes(
    State(app): State<App>,
    Segment(id): Segment<RunId>,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    let (limit, after) = (parameters.limit()?, parameters.cursor()?.unwrap_or_default());
    let run = runs::get_run(&app.store.view(), id)?.ok_or_else(|| Problem::not_found("run"))?;
    let read = move || undo::lines_of(&app.store.view(), &run, after, limit.saturating_add(1));
    let mut lines = tokio::task::spawn_blocking(read).await.map_err(|_| StoreError::Stopped)??;
    let next = cut(&mut lines, limit, |line| line.seq.to_string());
    Ok(Json(json!({"items": lines, "next_cursor": next})))
}

/// How to take a run back.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UndoWish {
    /// Only tell what would change.
    #[serde(default)]
    dry_run: bool,
}

/// Takes a run back, given by its id or that of its plan; from then on the source waits for a person.
pub async fn undo(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment<String>,
    Body(wish): Body<UndoWish>,
) -> Result<Response, Problem> {
    // What is answered tells of users.
    caller.must(Permission::UsersView)?;
    let run = find_run(&app, &id)?;
    if wish.dry_run {
        let rights = CallersRights { app: app.clone(), caller };
        let plan = tokio::task::spawn_blocking(move || match run.cause.is_by_hand() {
            true => app.bulk.preview_undo(run.id, &rights),
            false => undo::plan(&app.store.view(), run.id),
        });
        let Undo { items, counts, skipped } = plan.await.map_err(|_| StoreError::Stopped)??;
        let items: Vec<_> = items.into_iter().take(1_000).collect();
        return Ok(Json(json!({"counts": counts, "items": items, "skipped": skipped})).into_response());
    }
    if run.cause.is_by_hand() {
        return undo_by_hand(app, caller, run.id).await;
    }
    let source = run.cause.source().ok_or(UndoError::Nothing)?.clone();
    let follower = pulled(&app, &source)?;
    let live = follower.pass.live.clone();
    finished(&app, &source, async move { Ok(follower.undo(run.id, caller.author()).await?) }, &live).await
}

/// Takes a bulk change or an import back.
async fn undo_by_hand(app: App, caller: Caller, id: RunId) -> Result<Response, Problem> {
    let begun = app.bulk.begin_undo(id, &caller.author()).await?;
    let rights = Arc::new(CallersRights { app: app.clone(), caller });
    let (own, bulk) = (begun.id, app.bulk.clone());
    let work = async move { Ok(many::report(bulk.undo(begun, id, rights).await?)) };
    many::answer(&app, own, true, work).await
}

fn find_run(app: &App, id: &str) -> Result<Run, Problem> {
    let view = app.store.view();
    let run = id.parse().ok().map(|id| runs::get_run(&view, id)).transpose()?.flatten();
    let of_plan = match (&run, id.parse().ok()) {
        (None, Some(plan)) => {
            runs::get_plan(&view, plan)?.map(|plan| runs::get_run(&view, plan.run)).transpose()?.flatten()
        }
        _ => None,
    };
    run.or(of_plan).ok_or_else(|| Problem::not_found("run"))
}
