//! What is answered to a wish about many users: what would become of each, or what did; and the wait for it.

use std::sync::{Arc, Weak};
use std::time::Duration;

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::base::id::RunId;
use crate::directory::plan::{Entry, Outcome, Outline, Run};
use crate::http::error::Problem;
use crate::http::state::App;
use crate::store::StoreError;
use crate::sync::bulk::{Draft, Progress, Report};
use crate::sync::undo;

/// Who finds others under way tries again after this.
const WAIT: Duration = Duration::from_secs(5);

/// What the caller has seen of a preview, and wants to be so still.
#[derive(Clone, Default)]
pub struct Seen {
    /// The digest of it.
    pub digest: Option<String>,
    /// How many users it is about.
    pub expect: Option<usize>,
}

impl Seen {
    /// Refuses a plan that is another than the one that was seen.
    ///
    /// # Errors
    /// 409.
    pub fn check(&self, draft: &Draft) -> Result<(), Problem> {
        let conflict = |code, detail: String| Err(Problem::new(StatusCode::CONFLICT, code, detail));
        if let Some(expect) = self.expect.filter(|expect| *expect != draft.counts.read) {
            let detail = format!("it is about {} users, not about {expect}: nothing was changed", draft.counts.read);
            return conflict("unexpected_number", detail);
        }
        if self.digest.as_ref().is_some_and(|digest| *digest != draft.digest) {
            let detail = "the directory has changed since the preview: look again; nothing was changed";
            return conflict("plan_stale", detail.to_owned());
        }
        Ok(())
    }
}

/// The refusal where as many others are under way as may be.
pub fn busy(detail: &str) -> Problem {
    Problem { retry_after: Some(WAIT), ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "busy", detail) }
}

/// How far a plan is that somebody waits for.
pub struct Watched(Weak<Progress>);

impl Watched {
    /// The counters.
    ///
    /// # Errors
    /// Where nobody waits any more.
    pub fn progress(&self) -> Result<Arc<Progress>, StoreError> {
        self.0.upgrade().ok_or(StoreError::Stopped)
    }
}

/// Makes a plan on a thread of its own, which has the turn until it is done; once nobody waits for it any more, that is
/// when it next looks at its progress.
///
/// # Errors
/// Those of the work.
pub async fn plan<T: Send + 'static>(
    turn: impl Send + 'static,
    progress: Arc<Progress>,
    work: impl FnOnce(&Watched) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let watched = Watched(Arc::downgrade(&progress));
    let planning = tokio::task::spawn_blocking(move || {
        let planned = work(&watched);
        drop(turn);
        planned
    });
    let planned = planning.await.map_err(|_| StoreError::Stopped)?;
    // Held until here: where this waiting is given up, it goes with it.
    drop(progress);
    planned
}

/// What would be done.
#[must_use]
pub fn preview(outline: Outline) -> Response {
    let Outline { counts, digest, held, items, .. } = outline;
    let answer = json!({
        "status": "preview",
        "counts": counts,
        "digest": digest,
        "would_be_held": held,
        "detail": nobody(counts.read),
        "items": items,
    });
    Json(answer).into_response()
}

/// Whoever was given another password by a run is held back no more by what failed with the one of before.
///
/// # Errors
/// When the store cannot read.
pub async fn forgive(app: &App, run: &Run) -> Result<(), StoreError> {
    let (app, run) = (app.clone(), run.clone());
    let forgiving = tokio::task::spawn_blocking(move || {
        let given = undo::given_passwords(&app.store.view(), &run)?;
        given.into_iter().for_each(|user| app.auth.forgive_user(user));
        Ok(())
    });
    forgiving.await.map_err(|_| StoreError::Stopped)?
}

/// What was done, or waits for a person.
#[must_use]
pub fn report(report: Report) -> Response {
    let Report { run, listed } = report;
    match &run.outcome {
        Outcome::Held { .. } => (StatusCode::ACCEPTED, Json(told(&run, listed.into_items()))).into_response(),
        _ => Json(told(&run, listed.into_items())).into_response(),
    }
}

/// A run in the words of an answer.
pub fn told(run: &Run, items: Vec<Entry>) -> Value {
    let (status, plan, why) = match &run.outcome {
        Outcome::Running => ("running", None, None),
        Outcome::Applied => ("applied", None, None),
        Outcome::Held { plan, why } => ("held", Some(plan), Some(why)),
        Outcome::Failed { why } => ("refused", None, Some(why)),
    };
    let more = run.counts.read > items.len();
    let next = more.then(|| match plan {
        Some(plan) => format!("/api/v1/plans/{plan}?limit=1000"),
        None => format!("/api/v1/runs/{}/items", run.id),
    });
    let detail = why.cloned().or_else(|| nobody(run.counts.read).map(str::to_owned));
    json!({
        "run": run.id,
        "status": status,
        "plan": plan,
        "detail": detail,
        "counts": run.counts,
        "items": items,
        "next": next,
    })
}

fn nobody(read: usize) -> Option<&'static str> {
    (read == 0).then_some("nobody is selected: nobody is changed")
}

/// The answer of a run that goes to its end though its caller hangs up: at once where nobody waits, `202` with the run
/// where it takes longer than a request may.
///
/// # Errors
/// Those of the work.
pub async fn answer(
    app: &App,
    run: RunId,
    wait: bool,
    work: impl Future<Output = Result<Response, Problem>> + Send + 'static,
) -> Result<Response, Problem> {
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        if let Err(Err(problem)) = tell.send(work.await) {
            tracing::warn!(run.id = %run, error.code = problem.code, "a run came to nothing: {}", problem.detail);
        }
    });
    let limit = if wait { app.settings.request_timeout / 2 } else { Duration::ZERO };
    match tokio::time::timeout(limit, told).await {
        Ok(done) => done.map_err(|_| StoreError::Stopped)?,
        Err(_) => {
            let progress = app.bulk.progress(run);
            let at = format!("/api/v1/runs/{run}");
            let body = json!({"run": run, "status": "running", "progress": progress, "next": at});
            Ok((StatusCode::ACCEPTED, Json(body)).into_response())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use tokio::sync::Mutex;

    use super::*;

    #[tokio::test]
    async fn a_plan_that_nobody_waits_for_comes_to_its_end_and_only_then_gives_its_turn_back() {
        let one_at_a_time = Arc::new(Mutex::new(()));
        let turn = one_at_a_time.clone().try_lock_owned().unwrap();
        let (began, has_begun) = oneshot::channel();
        let (go_on, may_go_on) = mpsc::channel();
        let (tell, told) = oneshot::channel();
        let work = plan(turn, Arc::default(), move |watched| {
            began.send(watched.progress().is_ok()).unwrap();
            may_go_on.recv().unwrap();
            tell.send(watched.progress().is_err()).unwrap();
            Ok(())
        });
        let is_watched = tokio::select! {
            _ = work => panic!("it cannot be done"),
            is_watched = has_begun => is_watched.unwrap(),
        };
        assert!(is_watched && one_at_a_time.try_lock().is_err(), "it goes on, though nobody waits");
        go_on.send(()).unwrap();
        assert!(told.await.unwrap(), "it sees that nobody waits");
        drop(one_at_a_time.lock().await);
    }
}
