//! Could this user come in now, how, and if not, why?

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::find_account;
use crate::auth::factors::recovery;
use crate::auth::throttle::Key;
use crate::directory::audit::AuditLine;
use crate::directory::factor::Method;
use crate::directory::permission::Permission;
use crate::directory::policy::FactorRule;
use crate::directory::user::User;
use crate::http::api::me::factors::factor_view;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::Segment;
use crate::http::state::App;
use crate::store::tx::Reads;
use crate::store::{audit, credentials};

/// Tries to log in that are shown.
const ATTEMPTS: usize = 10;

/// Everything that decides whether a user comes in.
pub async fn explain(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
) -> Result<Json<Value>, Problem> {
    let user = find_account(&app, &caller, &name, Permission::UsersView)?;
    let now = app.store.clock().now();
    let at_source = at_source(&app, &user).await;
    let gates = gates(&app, &user);
    let reads = app.store.view();
    let (rule, cause) = app.auth.factor_rule(&user)?;
    let factor = match rule {
        FactorRule::NotAsked => "not_asked",
        FactorRule::IfEnrolled => "if_enrolled",
        FactorRule::Required => "required",
    };
    let all = credentials::factors(&reads, user.id)?;
    let factors: Vec<_> = all.iter().filter(|factor| factor.confirmed && factor.method() != Method::Recovery).collect();
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
        "factors_enrolled": factors.len(),
        "factors": factors.iter().map(|factor| factor_view(factor, &user)).collect::<Vec<_>>(),
        "recovery_codes_left": recovery::left(&reads, user.id)?,
        "devices_trusted": app.auth.devices_of(&user)?.len(),
        "sessions": app.auth.sessions_of(&user)?.len(),
        "waits_until": app.auth.throttle.waits_until(Key::Password(user.id), now),
        "waiting": app.auth.waiting(user.id, now),
        "only_from_source": app.auth.settings.only_from_source,
        "at_source": at_source,
        "quiet_since": user.quiet_since(),
        "login": {
            "backends": backends(&app, &user)?,
            "attempts": attempts(&reads, &user)?,
        },
    })))
}

/// What the user's own source says of them now.
async fn at_source(app: &App, user: &User) -> Option<Value> {
    let source = app.source(&user.source)?;
    let (follower, id) = source.pulled.as_ref().zip(user.external_id.as_ref())?;
    Some(match follower.source.look_up(id).await {
        Ok(Some(found)) => crate::http::api::sources::at_source(&found),
        Ok(None) => json!({"absent": true}),
        Err(why) => json!({"unknown": why.to_string()}),
    })
}

/// What would refuse the user, though the password were right.
fn gates(app: &App, user: &User) -> Vec<&'static str> {
    let allowed = app.source(&user.source).is_some_and(|source| source.enabled && source.login);
    let gates = [
        ("account_disabled", !user.is_active()),
        ("account_expired", user.is_expired(app.store.clock().now())),
        ("source_not_allowed", !allowed),
    ];
    gates.into_iter().filter(|(_, refuses)| *refuses).map(|(gate, _)| gate).collect()
}

/// Every backend in the order in which a login goes, and whether this one would be asked.
fn backends(app: &App, user: &User) -> Result<Vec<Value>, Problem> {
    let asked = app.auth.would_ask(user)?;
    let shown = asked.into_iter().map(|one| {
        json!({
            "id": one.backend.id,
            "asked": one.asked,
            "because": one.because,
            "health": if one.backend.breaker.is_open() { "resting" } else { "up" },
        })
    });
    Ok(shown.collect())
}

fn attempts(reads: &dyn Reads, user: &User) -> Result<Vec<Value>, Problem> {
    let query = audit::Query { user: Some(user.id), action: Some("login.*".to_owned()), ..audit::Query::default() };
    let lines = audit::list(reads, &query, None, ATTEMPTS)?.lines;
    Ok(lines.iter().map(attempt).collect())
}

fn attempt(line: &AuditLine) -> Value {
    let detail = |name: &str| line.details.get(name).cloned();
    json!({
        "at": line.at,
        "outcome": line.action.strip_prefix("login.").unwrap_or(&line.action),
        "reason": line.reason,
        "address": line.address,
        "methods": detail("methods"),
        "backends": detail("backends"),
    })
}
