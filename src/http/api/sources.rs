//! Sources: what they are, testing them, planning and running a pass now.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::events::{Event, events};
use crate::base::id::SourceId;
use crate::base::secret::Secret;
use crate::directory::permission::Permission;
use crate::directory::plan::{Cause, Run};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, Parameters, Segment};
use crate::http::state::App;
use crate::sources::{Instead, PulledUser, TestReport, Trial};
use crate::store::{StoreError, readings, runs};
use crate::sync::live::Live;
use crate::sync::pass::Wanted;
use crate::sync::task::Follower;

/// All sources in their order, each with its last run.
pub async fn list(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let view = app.store.view();
    let mut items = Vec::new();
    for source in &app.sources {
        // A reading of changes that found none leaves no record: the last one is newer than that then.
        let seen = source.pulled.as_ref().and_then(|pulled| pulled.pass.live.last());
        let kept = runs::list_runs(&view, Some(&Cause::Source { id: source.id.clone() }), 1)?.pop();
        let last = [seen, kept].into_iter().flatten().max_by_key(|run| run.started_at);
        let servers = source.pulled.as_ref().map(|pulled| pulled.source.health()).unwrap_or_default();
        let servers = servers.iter().map(|server| {
            let down = server.down.as_ref().map(|(why, since)| json!({"why": why, "seconds": since.as_secs()}));
            json!({"url": server.url, "down": down})
        });
        let reading = readings::get(&view, &source.id)?;
        items.push(json!({
            "servers": servers.collect::<Vec<_>>(),
            "complete_at": reading.complete_at,
            "waits_because_of_undone": reading.undone,
            "id": source.id,
            "kind": source.kind,
            "enabled": source.enabled,
            "login": source.login,
            "keeps_passwords": app.auth.keeps_password(&source.id),
            "last_run": last,
        }));
    }
    Ok(Json(json!({"items": items})))
}

pub(super) fn pulled(app: &App, id: &SourceId) -> Result<Follower, Problem> {
    let source = app.source(id).ok_or_else(|| Problem::not_found("source"))?;
    source.pulled.clone().ok_or_else(|| {
        Problem::new(
            StatusCode::CONFLICT,
            "not_pulled",
            format!("nothing is read from {id}: it is no enabled source of the kind ldap or scim-pull"),
        )
    })
}

/// What to try instead of what is configured.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Wish {
    urls: Option<Vec<String>>,
    bind_dn: Option<String>,
    bind_password: Option<Secret>,
    base_dn: Option<String>,
    user_filter: Option<String>,
}

impl From<Wish> for Instead {
    fn from(wish: Wish) -> Self {
        let Wish { urls, bind_dn, bind_password, base_dn, user_filter } = wish;
        Self { urls, bind_dn, bind_password, base_dn, user_filter }
    }
}

/// Tries the source step by step, as it is configured or with other settings, which are not kept.
pub async fn test(
    State(app): State<App>,
    Segment(id): Segment<SourceId>,
    Body(wish): Body<Wish>,
) -> Result<Json<Value>, Problem> {
    let trial = Trial { thorough: false, limit: patience(&app), instead: wish.into() };
    Ok(report(pulled(&app, &id)?.source.test(trial).await))
}

/// Looks at everything that may be wrong with the source.
pub async fn doctor(State(app): State<App>, Segment(id): Segment<SourceId>) -> Result<Json<Value>, Problem> {
    let trial = Trial { thorough: true, limit: patience(&app), ..Trial::default() };
    Ok(report(pulled(&app, &id)?.source.test(trial).await))
}

/// A little less than a request may take: what was found out until then is answered.
fn patience(app: &App) -> Duration {
    app.settings.request_timeout.mul_f64(0.9)
}

fn report(report: TestReport) -> Json<Value> {
    let steps = report.steps.iter().map(|step| {
        let (passed, text) = match &step.outcome {
            Ok(text) => (true, text),
            Err(text) => (false, text),
        };
        let milliseconds = step.took.as_millis();
        json!({"step": step.name, "passed": passed, "text": text, "milliseconds": milliseconds, "setting": step.setting})
    });
    let steps: Vec<_> = steps.collect();
    let samples: Vec<_> = report.samples.iter().map(at_source).collect();
    Json(json!({"passed": report.passed(), "steps": steps, "samples": samples}))
}

/// A user as the source has them.
pub(super) fn at_source(user: &PulledUser) -> Value {
    json!({
        "external_id": user.external_id,
        "entry": user.label,
        "username": user.username,
        "name": user.name,
        "email": user.email.clone().flatten(),
        "phone": user.phone.clone().flatten(),
        "active": user.disabled.is_none(),
        "disabled": user.disabled,
        "passing": user.passing,
        "expires_at": user.expires_at.flatten(),
    })
}

/// Everything is wanted with `?full=true`.
fn wanted(parameters: &Parameters) -> Result<Wanted, Problem> {
    Ok(if parameters.flag("full")? { Wanted::Everything } else { Wanted::Due })
}

/// Reads the source and tells what a pass would change. Writes nothing. It tells of users.
pub async fn plan(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment<SourceId>,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    caller.must(Permission::UsersView)?;
    let pulled = pulled(&app, &id)?;
    let preview = pulled.pass.preview(&*pulled.source, wanted(&parameters)?).await;
    let preview = preview.map_err(|why| Problem::new(StatusCode::BAD_GATEWAY, "source_failed", why))?;
    let items: Vec<_> = preview.draft.items.iter().take(parameters.limit()?).collect();
    Ok(Json(json!({
        "counts": preview.draft.counts,
        "how": preview.how,
        "would_be_held": preview.held,
        "items": items,
        "skipped": preview.draft.skipped,
    })))
}

/// Runs a pass now. One that takes longer than a request may goes on, and is told as `202`.
pub async fn sync(
    State(app): State<App>,
    Segment(id): Segment<SourceId>,
    parameters: Parameters,
    caller: Caller,
) -> Result<Response, Problem> {
    let pulled = pulled(&app, &id)?;
    let (wanted, live) = (wanted(&parameters)?, pulled.pass.live.clone());
    let busy = format!("a pass of {id} is running already");
    let pass = async move {
        let run = pulled.run(wanted, caller.author()).await?;
        run.ok_or_else(|| Problem::new(StatusCode::CONFLICT, "already_running", busy))
    };
    finished(&app, &id, pass, &live).await
}

/// The record of what was begun, or `202` with how far it is where it takes longer than a request may. It goes on in a
/// task of its own: a caller who hangs up does not cut it in half.
pub(super) async fn finished(
    app: &App,
    source: &SourceId,
    work: impl Future<Output = Result<Run, Problem>> + Send + 'static,
    live: &Live,
) -> Result<Response, Problem> {
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        if let Err(Err(problem)) = tell.send(work.await) {
            tracing::error!(error.code = problem.code, "what nobody waits for any more failed: {}", problem.detail);
        }
    });
    match tokio::time::timeout(app.settings.request_timeout / 2, told).await {
        Err(_) => {
            Ok((StatusCode::ACCEPTED, Json(json!({"running": live.progress(), "source": source}))).into_response())
        }
        Ok(run) => Ok(Json(json!(run.map_err(|_| StoreError::Stopped)??)).into_response()),
    }
}

/// How far the pass under way is, as server-sent events: `progress` while it runs, then `end` with its record. Where
/// none runs, `end` comes at once, with the last one.
pub async fn progress(State(app): State<App>, Segment(id): Segment<SourceId>) -> Result<Response, Problem> {
    let live = pulled(&app, &id)?.pass.live;
    let next = move || match live.progress() {
        Some(progress) => Event { name: "progress", data: json!(progress), last: false },
        None => Event { name: "end", data: json!(live.last()), last: true },
    };
    Ok(events(next))
}
