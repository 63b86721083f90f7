//! How webhooks stand, and a trial of one.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::directory::audit::{Author, Target};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::Segment;
use crate::http::state::{App, WebhookInfo};
use crate::store::audit::{self, Entry};
use crate::store::tx::{Reads, Tx};
use crate::store::webhooks;
use crate::store::{Store, StoreError};

/// The webhooks of the settings, each with how it stands.
pub async fn list(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let view = app.store.view();
    let last = audit::last(&view)?;
    let items = app.webhooks.iter().map(|webhook| shown(&view, webhook)).collect::<Result<Vec<_>, StoreError>>()?;
    Ok(Json(json!({"items": items, "trail": last})))
}

fn shown(reads: &dyn Reads, webhook: &WebhookInfo) -> Result<Value, StoreError> {
    let standing = webhooks::get(reads, &webhook.name)?.unwrap_or_default();
    let waiting = webhooks::waiting(reads, &webhook.name, webhooks::WINDOW)?.len();
    Ok(json!({
        "name": webhook.name,
        "url": webhook.url,
        "events": webhook.events,
        "state": match (&standing.gone, standing.failing_since) {
            (Some(_), _) => "stopped",
            (None, Some(_)) => "failing",
            (None, None) => "working",
        },
        "position": standing.position,
        "waiting": waiting,
        "delivered": standing.delivered,
        "expired": standing.expired,
        "missed": standing.missed,
        "failing_since": standing.failing_since,
        "not_before": standing.not_before,
        "last_answer": standing.last_answer,
    }))
}

/// Sends one event that tells of nothing, and tells what the endpoint answered.
pub async fn test(
    State(app): State<App>,
    Segment(name): Segment<String>,
    caller: Caller,
) -> Result<Json<Value>, Problem> {
    let found = app.webhooks.iter().find(|webhook| webhook.name == name);
    let trial = found.ok_or_else(|| Problem::not_found("webhook"))?.trial.clone();
    note(&app.store, caller.author(), name).await?;
    // A task of its own: a caller who hangs up does not cut it in half.
    let tried = tokio::spawn(async move { trial.run().await });
    let tried = tried.await.map_err(|_| StoreError::Stopped)??;
    Ok(Json(json!(tried)))
}

async fn note(store: &Store, author: Author, name: String) -> Result<(), StoreError> {
    let write = move |tx: &mut Tx<'_>| {
        let mut entry = Entry::new("webhook.tested", Target::Directory);
        entry.details.insert("webhook".to_owned(), name.clone().into());
        audit::append(tx, &author, entry)
    };
    store.write(write).await
}
