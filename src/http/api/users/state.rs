//! Disabling, enabling, removing and restoring users.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;

use super::bulk::{REASON_MAX, parsed_reason};
use super::{answer_to, find_to_change, looked_at, not_oneself};
use crate::directory::permission::Permission;
use crate::directory::user::{DisabledReason, User};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, IfMatch, Segment};
use crate::http::openapi::bodies::Line;
use crate::http::state::App;

/// Why, for the audit trail.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub struct Why {
    #[serde(default)]
    #[schemars(with = "Option<Line<REASON_MAX>>")]
    reason: Option<String>,
}

struct Move {
    user: User,
    author: crate::directory::audit::Author,
}

fn prepare(app: &App, caller: &Caller, name: &str, why: Why, permission: Permission) -> Result<Move, Problem> {
    let user = find_to_change(app, caller, name, permission)?;
    not_oneself(caller, &user)?;
    let mut author = caller.author();
    if let Some(reason) = parsed_reason(why.reason.as_deref())? {
        author = author.because(reason);
    }
    Ok(Move { user, author })
}

/// Disables a user; everything they hold dies in the same commit.
pub async fn disable(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    IfMatch(revision): IfMatch,
    Body(why): Body<Why>,
) -> Result<Response, Problem> {
    let Move { user, author } = prepare(&app, &caller, &name, why, Permission::UsersState)?;
    let by = author.actor.clone();
    let rule = move |user: User, now| user.disable(DisabledReason::Admin, by.clone(), now);
    let moved = app.auth.move_account(author, user.id, looked_at(revision, &user), "user.disabled", rule).await?;
    answer_to(&app, &caller, &moved)
}

/// Enables a user; the time of inactivity begins anew.
pub async fn enable(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    IfMatch(revision): IfMatch,
    Body(why): Body<Why>,
) -> Result<Response, Problem> {
    let Move { user, author } = prepare(&app, &caller, &name, why, Permission::UsersState)?;
    let moved =
        app.auth.move_account(author, user.id, looked_at(revision, &user), "user.enabled", User::enable).await?;
    answer_to(&app, &caller, &moved)
}

/// Removes a user to a tombstone.
pub async fn remove(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    IfMatch(revision): IfMatch,
) -> Result<StatusCode, Problem> {
    let Move { user, author } = prepare(&app, &caller, &name, Why::default(), Permission::UsersDelete)?;
    let (by, retention) = (author.actor.clone(), app.users.retention);
    let rule = move |user: User, now| Ok(user.remove(by.clone(), now, retention));
    app.auth.move_account(author, user.id, looked_at(revision, &user), "user.removed", rule).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a tombstone back, by its id.
pub async fn restore(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    IfMatch(revision): IfMatch,
) -> Result<Response, Problem> {
    let Move { user, author } = prepare(&app, &caller, &name, Why::default(), Permission::UsersDelete)?;
    let moved =
        app.auth.move_account(author, user.id, looked_at(revision, &user), "user.restored", User::restore).await?;
    answer_to(&app, &caller, &moved)
}
