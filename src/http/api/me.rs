//! Self-service: what a user may see and change of their own.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::id::{FactorId, SessionId};
use crate::base::secret::Secret;
use crate::http::api::session::session_view;
use crate::http::api::users::view;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, Segment};
use crate::http::state::App;
use crate::store::credentials;

/// The old password and the new one.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    current_password: Secret,
    password: Secret,
}

/// A code of the factor in question.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    code: Secret,
}

/// The password, as proof of who asks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Password {
    current_password: Secret,
}

/// The user.
pub async fn show(State(app): State<App>, caller: Caller) -> Result<Json<Value>, Problem> {
    view::user(&app, &caller.user()?.0).map(Json)
}

/// Changes the password; the old one is the proof, and a wrong one counts as a failed login.
pub async fn password(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<PasswordChange>,
) -> Result<StatusCode, Problem> {
    let (user, _) = caller.user()?;
    app.auth.prove_password(user, &body.current_password, &caller.origin).await?;
    app.auth.set_password(caller.author(), user, &body.password, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The second factors.
pub async fn factors(State(app): State<App>, caller: Caller) -> Result<Json<Value>, Problem> {
    let (user, _) = caller.user()?;
    let factors = credentials::factors(&app.store.view(), user.id)?;
    let shown = factors.iter().filter(|factor| factor.confirmed);
    let shown = shown
        .map(|factor| json!({"id": factor.id, "kind": "totp", "name": factor.name, "created_at": factor.created_at}));
    Ok(Json(json!({"items": shown.collect::<Vec<_>>()})))
}

/// Begins to enrol a TOTP factor; it counts once a code has confirmed it.
pub async fn enrol(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<Password>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let (user, _) = caller.user()?;
    app.auth.prove_password(user, &body.current_password, &caller.origin).await?;
    let enrolment = app.auth.enrol_factor(user.id).await?;
    let answer = json!({"id": enrolment.factor, "secret": enrolment.secret.expose(), "uri": enrolment.uri.expose()});
    Ok((StatusCode::CREATED, Json(answer)))
}

/// Confirms a factor by its first code.
pub async fn confirm(
    State(app): State<App>,
    caller: Caller,
    Segment(factor): Segment<FactorId>,
    Body(body): Body<Proof>,
) -> Result<StatusCode, Problem> {
    let (user, _) = caller.user()?;
    app.auth.confirm_factor(caller.author(), user.id, factor, body.code.expose()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a factor, after a fresh code of it; refused where policy wants one.
pub async fn remove_factor(
    State(app): State<App>,
    caller: Caller,
    Segment(factor): Segment<FactorId>,
    Body(body): Body<Proof>,
) -> Result<StatusCode, Problem> {
    let (user, _) = caller.user()?;
    app.auth.remove_factor(caller.author(), user.id, factor, body.code.expose()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The sessions.
pub async fn sessions(State(app): State<App>, caller: Caller) -> Result<Json<Value>, Problem> {
    let (user, current) = caller.user()?;
    let sessions = app.auth.sessions_of(user)?.into_iter().map(|session| {
        let mut shown = session_view(&session);
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("current".to_owned(), (session.id == current.id).into());
        }
        shown
    });
    Ok(Json(json!({"items": sessions.collect::<Vec<_>>()})))
}

/// Ends one of the sessions.
pub async fn end_session(
    State(app): State<App>,
    caller: Caller,
    Segment(session): Segment<SessionId>,
) -> Result<StatusCode, Problem> {
    let (user, _) = caller.user()?.clone();
    if app.auth.end_session(caller.author(), user, session).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("session"))
    }
}
