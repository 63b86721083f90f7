//! Sweeps: run one now, see what one would do, what lies ahead, and how it stands.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::directory::permission::Permission;
use crate::directory::plan::{Cause, PlanStatus};
use crate::directory::policy::days;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, Parameters};
use crate::http::openapi::bodies::Moment;
use crate::http::openapi::cases::Clause::{Off, On, Without};
use crate::http::openapi::cases::{Cases, one_holds};
use crate::http::state::App;
use crate::lifecycle::clock;
use crate::lifecycle::sweep::{Sweep, SweepError};
use crate::store::{StoreError, runs};

/// Days that are shown ahead where nothing is said, and at most.
pub(in crate::http) const AHEAD: u64 = 14;
pub(in crate::http) const AHEAD_MAX: u64 = 90;
/// Who finds somebody else looking ahead tries again after this.
const WAIT: Duration = Duration::from_secs(5);

/// What goes with a dry run, and what without one.
const DRY_OR_NOT: Cases = &[&[On("dry_run"), Off("clock_is_right")], &[Off("dry_run"), Without("at")]];

/// What to sweep.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = one_holds(DRY_OR_NOT))]
pub struct Wish {
    /// Only tell.
    #[serde(default)]
    dry_run: bool,
    /// As if it were then; only with `dry_run`. A date alone is its first moment in UTC.
    #[serde(default)]
    #[schemars(with = "Option<Moment>")]
    at: Option<String>,
    /// The caller has looked: the clock is right, whatever it did. Not with `dry_run`.
    #[serde(default)]
    clock_is_right: bool,
}

/// Sweeps, or tells what a sweep would do.
pub async fn sweep(State(app): State<App>, caller: Caller, Body(wish): Body<Wish>) -> Result<Json<Value>, Problem> {
    if wish.dry_run {
        // It tells of users.
        caller.must(Permission::UsersView)?;
        return preview(&app, &wish).await;
    }
    if wish.at.is_some() {
        return Err(Problem::field("at", "only_with_dry_run", "is for a dry run; a sweep is always of now"));
    }
    // A task of its own: a caller who hangs up does not cut it in half.
    let sweeping = tokio::spawn(async move {
        if wish.clock_is_right {
            clock::confirm(&app.store, &caller.author()).await?;
        }
        app.sweep.sweep(caller.author()).await
    });
    let run = sweeping.await.map_err(|_| StoreError::Stopped)??;
    Ok(Json(json!(run)))
}

async fn preview(app: &App, wish: &Wish) -> Result<Json<Value>, Problem> {
    if wish.clock_is_right {
        return Err(Problem::field("clock_is_right", "not_with_dry_run", "changes something; leave out dry_run"));
    }
    let at = wish.at.as_deref().map(moment).transpose()?.unwrap_or_else(|| app.store.clock().now());
    let preview = look_ahead(app, move |sweep| sweep.preview(at)).await?;
    Ok(Json(json!({
        "at": at,
        "items": preview.items,
        "more": preview.more,
        "counts": preview.counts,
        "would_be_held": preview.held,
        "paused": preview.paused,
    })))
}

/// A time, or the first moment of a date in UTC.
fn moment(text: &str) -> Result<Timestamp, Problem> {
    let of_date = || Some(text.parse::<Date>().ok()?.to_zoned(TimeZone::UTC).ok()?.timestamp());
    let dated = if text.len() == 10 { of_date() } else { None };
    let message = "must be a time such as 2027-01-01T00:00:00Z, or a date such as 2027-01-01";
    dated.or_else(|| text.parse().ok()).ok_or_else(|| Problem::field("at", "malformed", message))
}

/// How sweeps stand: whether they are paused, when one is next, what waits for a person.
pub async fn show(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let (view, now) = (app.store.view(), app.store.clock().now());
    let tasks = app.driver.status();
    let last = tasks.get("sweep").and_then(|task| task.last_run);
    let schedule = &app.sweep.settings().schedule;
    let plans = runs::list_plans(&view)?;
    let held = plans.into_iter().find(|plan| plan.cause == Cause::Sweep && plan.status == PlanStatus::Held);
    Ok(Json(json!({
        "paused": crate::store::clock::paused(&view)?,
        "schedule": schedule.as_str(),
        "last_run": last,
        "next_run": schedule.next(last, now),
        "held": held,
        "notices": app.sweep.settings().notices.are_on(),
    })))
}

/// What lies ahead: who is told, who is disabled, and whether that would be held.
pub async fn upcoming(State(app): State<App>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    let ahead = ahead(&parameters)?;
    let upcoming = look_ahead(&app, move |sweep| sweep.upcoming(ahead)).await?;
    Ok(Json(json!(upcoming)))
}

/// Looks ahead on a thread of its own, where nobody else does: a caller who hangs up does not end it.
async fn look_ahead<T: Send + 'static>(
    app: &App,
    look: impl FnOnce(&Sweep) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Problem> {
    let sweep = app.sweep.clone();
    let Some(turn) = sweep.turn() else {
        let problem = Problem::new(StatusCode::TOO_MANY_REQUESTS, "busy", "somebody else looks ahead: try again soon");
        return Err(Problem { retry_after: Some(WAIT), ..problem });
    };
    let looking = tokio::task::spawn_blocking(move || {
        let found = look(&sweep);
        drop(turn);
        found
    });
    Ok(looking.await.map_err(|_| StoreError::Stopped)??)
}

fn ahead(parameters: &Parameters) -> Result<Duration, Problem> {
    let Some(text) = parameters.get("days") else { return Ok(days(AHEAD)) };
    let number = text.parse().ok().filter(|number| (1..=AHEAD_MAX).contains(number));
    let message = format!("must be a number from 1 to {AHEAD_MAX}");
    number.map(days).ok_or_else(|| Problem::field("days", "out_of_range", &message))
}

impl From<SweepError> for Problem {
    fn from(error: SweepError) -> Self {
        match error {
            SweepError::Paused(_) => Self::new(StatusCode::CONFLICT, "clock_in_doubt", error.to_string()),
            SweepError::Store(error) => error.into(),
        }
    }
}
