//! What lets a user in: password, factors, throttle, sessions; and why they cannot.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{find_account, find_to_change, looked_at, not_oneself, view};
use crate::base::id::SessionId;
use crate::base::secret::Secret;
use crate::directory::permission::Permission;
use crate::directory::user::User;
use crate::http::api::me::factors::factors_view;
use crate::http::api::session::session_view;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, Segment};
use crate::http::openapi::bodies::NewPassword;
use crate::http::state::App;

/// A password that an administrator sets.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    #[schemars(with = "NewPassword")]
    password: Secret,
    /// The user sets another at the next login: whoever set this one knows it.
    #[serde(default = "preset")]
    must_change: bool,
}

fn preset() -> bool {
    true
}

/// Sets a password; every session of the user ends.
pub async fn set_password(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    Body(wish): Body<Wish>,
) -> Result<StatusCode, Problem> {
    let user = find_to_change(&app, &caller, &name, Permission::UsersPassword)?;
    not_oneself(&caller, &user)?;
    app.auth.set_password(caller.author(), &user, &wish.password, wish.must_change).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Makes a link by which the user sets a password, and mails it.
pub async fn send_link(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let user = find_to_change(&app, &caller, &name, Permission::UsersPassword)?;
    not_oneself(&caller, &user)?;
    let link = app.auth.send_link(caller.author(), &user, &app.settings.public_url).await?;
    Ok((StatusCode::CREATED, Json(json!({"password_link": link.expose()}))))
}

/// The second factors, and what asks for one.
pub async fn factors(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
) -> Result<Json<Value>, Problem> {
    let user = find_account(&app, &caller, &name, Permission::UsersView)?;
    let (_, cause) = app.auth.factor_rule(&user)?;
    let shown = factors_view(&app, &user)?.with("policy", json!(user.mfa)).with("asked_by", cause.describe());
    Ok(Json(Value::Object(shown.0)))
}

/// The devices that stand in for a user's second factor.
pub async fn devices(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
) -> Result<Json<Value>, Problem> {
    let devices = app.auth.devices_of(&find_account(&app, &caller, &name, Permission::UsersSessions)?)?;
    Ok(Json(json!({"items": devices.iter().map(view::device).collect::<Vec<_>>()})))
}

/// Trusts none of a user's devices any more.
pub async fn forget_devices(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
) -> Result<Json<Value>, Problem> {
    let user = find_to_change(&app, &caller, &name, Permission::UsersSessions)?;
    let forgotten = app.auth.forget_devices(caller.author(), &user, None).await?;
    Ok(Json(json!({"forgotten": forgotten})))
}

/// Removes all second factors.
pub async fn reset_factors(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
) -> Result<Json<Value>, Problem> {
    let user = find_to_change(&app, &caller, &name, Permission::UsersMfa)?;
    not_oneself(&caller, &user)?;
    let removed = app.auth.reset_factors(caller.author(), &user).await?;
    Ok(Json(json!({"removed": removed})))
}

/// Forgets the failed tries of a user.
pub async fn unlock(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
) -> Result<StatusCode, Problem> {
    let user = find_to_change(&app, &caller, &name, Permission::UsersState)?;
    app.auth.unlock(caller.author(), &user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The valid sessions of a user.
pub async fn sessions(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
) -> Result<Json<Value>, Problem> {
    let sessions = app.auth.sessions_of(&find_account(&app, &caller, &name, Permission::UsersSessions)?)?;
    Ok(Json(json!({"items": sessions.iter().map(session_view).collect::<Vec<_>>()})))
}

/// Ends everything that a user holds.
pub async fn end_sessions(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
) -> Result<StatusCode, Problem> {
    let user = find_to_change(&app, &caller, &name, Permission::UsersSessions)?;
    app.auth
        .move_account(caller.author(), user.id, looked_at(None, &user), "sessions.ended", |user, _| {
            Ok(User::end_sessions(user))
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends one session of a user.
pub async fn end_session(
    State(app): State<App>,
    caller: Caller,
    Segment((name, session)): Segment<(String, SessionId)>,
) -> Result<StatusCode, Problem> {
    let user = find_to_change(&app, &caller, &name, Permission::UsersSessions)?;
    if app.auth.end_session(caller.author(), user, session).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("session"))
    }
}
