//! Sources: what they are, testing them, planning and running a pass now, and what came of earlier runs.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::base::id::{RunId, SourceId};
use crate::directory::plan::Cause;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Parameters, Segment};
use crate::http::state::App;
use crate::sources::PulledUser;
use crate::store::runs;
use crate::sync::task::Follower;

/// All sources in their order, each with its last run.
pub async fn list(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let view = app.store.view();
    let mut items = Vec::new();
    for source in &app.sources {
        let last = runs::list_runs(&view, Some(&Cause::Source { id: source.id.clone() }), 1)?;
        items.push(json!({
            "id": source.id,
            "kind": source.kind,
            "enabled": source.enabled,
            "login": source.login,
            "keeps_passwords": app.auth.keeps_password(&source.id),
            "last_run": last.first(),
        }));
    }
    Ok(Json(json!({"items": items})))
}

fn pulled(app: &App, id: &SourceId) -> Result<Follower, Problem> {
    let source = app.source(id).ok_or_else(|| Problem::not_found("source"))?;
    source.pulled.clone().ok_or_else(|| {
        Problem::new(
            StatusCode::CONFLICT,
            "not_pulled",
            format!("nothing is read from {id}: it is not an enabled LDAP source"),
        )
    })
}

/// Tries the source step by step.
pub async fn test(State(app): State<App>, Segment(id): Segment<SourceId>) -> Result<Json<Value>, Problem> {
    let report = pulled(&app, &id)?.source.test().await;
    let steps = report.steps.iter().map(|step| {
        let (passed, text) = match &step.outcome {
            Ok(text) => (true, text),
            Err(text) => (false, text),
        };
        json!({"step": step.name, "passed": passed, "text": text, "milliseconds": step.took.as_millis()})
    });
    let steps: Vec<_> = steps.collect();
    let samples: Vec<_> = report.samples.iter().map(sample).collect();
    Ok(Json(json!({"passed": report.passed(), "steps": steps, "samples": samples})))
}

fn sample(user: &PulledUser) -> Value {
    json!({
        "external_id": user.external_id,
        "entry": user.label,
        "username": user.username,
        "name": user.name,
        "email": user.email,
        "phone": user.phone,
        "active": user.active,
    })
}

/// Reads the source and tells what a pass would change. Writes nothing.
pub async fn plan(
    State(app): State<App>,
    Segment(id): Segment<SourceId>,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    let pulled = pulled(&app, &id)?;
    let preview = pulled.pass.preview(&*pulled.source).await;
    let preview = preview.map_err(|why| Problem::new(StatusCode::BAD_GATEWAY, "source_failed", why))?;
    let items: Vec<_> = preview.draft.items.iter().take(parameters.limit()?).collect();
    Ok(Json(json!({
        "counts": preview.draft.counts,
        "would_be_held": preview.held,
        "items": items,
        "skipped": preview.draft.skipped.iter().take(1_000).collect::<Vec<_>>(),
    })))
}

/// Runs a pass now.
pub async fn sync(
    State(app): State<App>,
    Segment(id): Segment<SourceId>,
    caller: Caller,
) -> Result<Json<Value>, Problem> {
    let pulled = pulled(&app, &id)?;
    // A task of its own: a caller who hangs up does not cut a pass in half.
    let pass = tokio::spawn(async move { pulled.run(caller.author()).await });
    match pass.await {
        Ok(run) => match run? {
            Some(run) => Ok(Json(json!(run))),
            None => {
                Err(Problem::new(StatusCode::CONFLICT, "already_running", format!("a pass of {id} is running already")))
            }
        },
        Err(error) => {
            tracing::error!(source.id = %id, error = %error, "a pass ended in a fault of its own");
            Err(Problem::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "an internal fault; the daemon's log says more",
            ))
        }
    }
}

/// The last runs, of one source (`source`) or of all.
pub async fn runs(State(app): State<App>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    let cause = match parameters.get("source") {
        Some("sweep") => Some(Cause::Sweep),
        Some(id) => Some(Cause::Source { id: SourceId::parse(id).map_err(|_| Problem::not_found("source"))? }),
        None => None,
    };
    let runs = runs::list_runs(&app.store.view(), cause.as_ref(), parameters.limit()?)?;
    Ok(Json(json!({"items": runs})))
}

/// One run.
pub async fn show_run(State(app): State<App>, Segment(id): Segment<RunId>) -> Result<Json<Value>, Problem> {
    let run = runs::get_run(&app.store.view(), id)?.ok_or_else(|| Problem::not_found("run"))?;
    Ok(Json(json!(run)))
}
