//! Sweeps: run one now, or see what one would do.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::Body;
use crate::http::state::App;
use crate::store::StoreError;

/// What to sweep.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// Only tell.
    #[serde(default)]
    dry_run: bool,
    /// As if it were then; only with `dry_run`.
    #[serde(default)]
    at: Option<Timestamp>,
}

/// Sweeps, or tells what a sweep would do.
pub async fn sweep(State(app): State<App>, caller: Caller, Body(wish): Body<Wish>) -> Result<Json<Value>, Problem> {
    if wish.dry_run {
        let at = wish.at.unwrap_or_else(|| app.store.clock().now());
        let sweep = app.sweep.clone();
        let preview = tokio::task::spawn_blocking(move || sweep.preview(at));
        let preview = preview.await.map_err(|_| StoreError::Stopped)??;
        return Ok(Json(
            json!({"at": at, "items": preview.items, "counts": preview.counts, "would_be_held": preview.held}),
        ));
    }
    if wish.at.is_some() {
        return Err(Problem::field("at", "only_with_dry_run", "is for a dry run; a sweep is always of now"));
    }
    // A task of its own: a caller who hangs up does not cut it in half.
    let sweep = app.sweep.clone();
    let sweeping = tokio::spawn(async move { sweep.sweep(caller.author()).await });
    let run = sweeping.await.map_err(|_| StoreError::Stopped)??;
    Ok(Json(json!(run)))
}
