//! What an identity provider has sent: the journal of its SCIM requests, each with what it changed.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use crate::base::id::SourceId;
use crate::directory::audit::{Actor, AuditLine};
use crate::directory::journal::Exchange;
use crate::http::error::Problem;
use crate::http::extract::{Parameters, Segment, cut};
use crate::http::state::{App, SourceKind};
use crate::store::audit::{self, Query, Wanted};
use crate::store::{StoreError, journal};

/// Most lines of the audit trail that are looked through for what a page of requests changed.
const LINES_MAX: usize = 10_000;
/// A request is answered at most so long after its first change.
const LONGEST: SignedDuration = SignedDuration::from_hours(1);

/// A page of requests, newest first, before a time (`cursor`): all of them, or with `?failed=true` those that were
/// refused.
pub async fn list(
    State(app): State<App>,
    Segment(source): Segment<SourceId>,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    let known = app.source(&source).filter(|source| source.kind == SourceKind::Scim);
    known.ok_or_else(|| Problem::not_found("SCIM source"))?;
    let (before, limit, failed) = (parameters.cursor()?, parameters.limit()?, parameters.flag("failed")?);
    app.journal.flush(&app.store).await;
    let read = spawn_blocking(move || page(&app, &source, before, limit, failed)).await;
    Ok(Json(read.unwrap_or(Err(StoreError::Stopped))?))
}

fn page(
    app: &App,
    source: &SourceId,
    before: Option<Timestamp>,
    limit: usize,
    failed: bool,
) -> Result<Value, StoreError> {
    let view = app.store.view();
    let wanted = |exchange: &Exchange| !failed || exchange.is_refused();
    let mut found = journal::list(&view, source, before, limit.saturating_add(1), wanted)?;
    let next = cut(&mut found, limit, |last| last.at);
    let mut changes = changes(app, source, &found)?;
    let mut items = Vec::with_capacity(found.len());
    for exchange in found {
        let changed = changes.remove(&exchange.request).unwrap_or_default();
        let mut item = json!(exchange);
        if let Some(item) = item.as_object_mut() {
            let body = item.get("body").and_then(Value::as_str).and_then(|text| serde_json::from_str(text).ok());
            item.extend(body.map(|body: Value| ("body".to_owned(), body)));
            item.insert("changed".to_owned(), changed.into());
        }
        items.push(item);
    }
    Ok(json!({"items": items, "next_cursor": next}))
}

/// What the audit trail has of these requests.
fn changes(app: &App, source: &SourceId, of: &[Exchange]) -> Result<BTreeMap<String, Vec<Value>>, StoreError> {
    let (Some(newest), Some(oldest)) = (of.first(), of.last()) else { return Ok(BTreeMap::new()) };
    let query = Query {
        actor: Some(Wanted::actor(&Actor::Source { id: source.clone(), run: None })),
        since: oldest.at.checked_sub(LONGEST).ok(),
        until: newest.at.checked_add(SignedDuration::from_secs(1)).ok(),
        ..Query::default()
    };
    let mut found: BTreeMap<String, Vec<Value>> = of.iter().map(|one| (one.request.clone(), Vec::new())).collect();
    for line in audit::list(&app.store.view(), &query, None, LINES_MAX)?.lines.into_iter().rev() {
        let AuditLine { request: Some(request), .. } = &line else { continue };
        if let Some(lines) = found.get_mut(request) {
            lines.push(json!({"action": line.action, "target": line.target, "changes": line.changes, "seq": line.seq}));
        }
    }
    Ok(found)
}
