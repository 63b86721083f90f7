//! What lets a user in: password, factors, throttle, sessions; and why they cannot.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{find, find_to_change, not_oneself};
use crate::auth::throttle::Key;
use crate::base::secret::Secret;
use crate::directory::policy::FactorRule;
use crate::directory::user::User;
use crate::http::api::session::session_view;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, Segment};
use crate::http::state::App;
use crate::store::credentials;

/// A password that an administrator sets.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    password: Secret,
    /// The user sets another at the next login.
    #[serde(default)]
    must_change: bool,
}

/// Sets a password; every session of the user ends.
pub async fn set_password(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    Body(wish): Body<Wish>,
) -> Result<StatusCode, Problem> {
    let user = find_to_change(&app, &caller, &name)?;
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
    let user = find_to_change(&app, &caller, &name)?;
    not_oneself(&caller, &user)?;
    let link = app.auth.send_link(caller.author(), &user, &app.settings.public_url).await?;
    Ok((StatusCode::CREATED, Json(json!({"password_link": link.expose()}))))
}

/// Removes all second factors.
pub async fn reset_factors(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
) -> Result<Json<Value>, Problem> {
    let user = find_to_change(&app, &caller, &name)?;
    not_oneself(&caller, &user)?;
    let removed = app.auth.reset_factors(caller.author(), user.id).await?;
    Ok(Json(json!({"removed": removed})))
}

/// Forgets the failed tries of a user.
pub async fn unlock(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
) -> Result<StatusCode, Problem> {
    let user = find_to_change(&app, &caller, &name)?;
    app.auth.throttle.clear(Key::Password(user.id));
    app.auth.throttle.clear(Key::Code(user.id));
    app.auth.throttle.clear(Key::Face(user.id));
    app.auth.note_unlock(caller.author(), &user).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The valid sessions of a user.
pub async fn sessions(State(app): State<App>, Segment(name): Segment<String>) -> Result<Json<Value>, Problem> {
    let sessions = app.auth.sessions_of(&find(&app, &name)?)?;
    Ok(Json(json!({"items": sessions.iter().map(session_view).collect::<Vec<_>>()})))
}

/// Ends everything that a user holds.
pub async fn end_sessions(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
) -> Result<StatusCode, Problem> {
    let user = find_to_change(&app, &caller, &name)?;
    app.auth
        .move_account(caller.author(), user.id, None, "sessions.ended", |user, _| Ok(User::end_sessions(user)))
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Could this user come in now, and if not, why?
pub async fn explain(State(app): State<App>, Segment(name): Segment<String>) -> Result<Json<Value>, Problem> {
    let user = find(&app, &name)?;
    let now = app.store.clock().now();
    let source = app.source(&user.source);
    let at_source = match (source.and_then(|source| source.pulled.as_ref()), &user.external_id) {
        (Some(follower), Some(id)) => Some(match follower.source.look_up(id).await {
            Ok(Some(found)) => crate::http::api::sources::at_source(&found),
            Ok(None) => json!({"absent": true}),
            Err(why) => json!({"unknown": why.to_string()}),
        }),
        _ => None,
    };
    let reads = app.store.view();
    let mut gates = Vec::new();
    if !user.is_active() {
        gates.push("account_disabled");
    }
    if user.is_expired(now) {
        gates.push("account_expired");
    }
    if !source.is_some_and(|source| source.enabled && source.login) {
        gates.push("source_not_allowed");
    }
    let backends = app.auth.backends.iter().filter(|backend| backend.verifier.is_some());
    let backends = backends.map(|backend| json!({"id": backend.id, "resting": backend.breaker.is_open()}));
    let (rule, cause) = app.auth.factor_rule(&user)?;
    let factor = match rule {
        FactorRule::NotAsked => "not_asked",
        FactorRule::IfEnrolled => "if_enrolled",
        FactorRule::Required => "required",
    };
    Ok(Json(json!({
        "username": user.username,
        "state": user.state,
        "expires_at": user.expires_at,
        "source": user.source,
        "may_come_in": gates.is_empty(),
        "refused_by": gates,
        "password_kept_here": credentials::get(&reads, user.id)?.is_some(),
        "must_change_password": user.must_change_password,
        "second_factor": factor,
        "second_factor_by": cause.describe(),
        "factors_enrolled": credentials::factors(&reads, user.id)?.iter().filter(|factor| factor.confirmed).count(),
        "waits_until": app.auth.throttle.waits_until(Key::Password(user.id), now),
        "remote_backends": backends.collect::<Vec<_>>(),
        "only_from_source": app.auth.settings.only_from_source,
        "at_source": at_source,
        "quiet_since": user.quiet_since(),
    })))
}
