//! Users as administrators work with them. `{user}` is the id or the username.

use axum::extract::State;
use axum::response::Response;
use serde_json::json;

use crate::base::id::UserId;
use crate::directory::authority::Reach;
use crate::directory::permission::Permission;
use crate::directory::user::User;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::Segment;
use crate::http::reply::Tagged;
use crate::http::state::App;
use crate::store::tx::Reads;
use crate::store::{StoreError, grants, users};

pub mod access;
pub mod bulk;
pub mod change;
pub mod create;
pub mod duplicate;
pub mod explain;
pub mod export;
pub mod fields;
pub mod filter;
pub mod gate;
pub mod import;
pub mod list;
pub mod many;
pub mod rights;
pub mod state;
pub mod view;

/// The user of this id (tombstones too) or username.
///
/// # Errors
/// 404.
pub fn find(app: &App, name: &str) -> Result<User, Problem> {
    let view = app.store.view();
    let found = match name.parse::<UserId>() {
        Ok(id) => users::get(&view, id)?,
        Err(_) => users::by_username(&view, name)?,
    };
    found.ok_or_else(|| Problem::not_found("user"))
}

/// The user, if this caller may see them. For who does not know of them there is none.
///
/// # Errors
/// 404; 403 for a guest of the caller's organisation.
pub fn find_to_see(app: &App, caller: &Caller, name: &str) -> Result<User, Problem> {
    let user = find(app, name)?;
    if sees(app, caller, &user)? { Ok(user) } else { Err(out_of_reach(caller, &user, Permission::UsersView)) }
}

/// May the caller see this user's record: anywhere, or as an account that an organisation manages, or that groups of its
/// source put into one? Whoever was merely invited shows no more than what a list of members says: else an invitation
/// would open anybody's record.
///
/// # Errors
/// When the store cannot read.
pub fn sees(app: &App, caller: &Caller, user: &User) -> Result<bool, StoreError> {
    sees_in(&app.store.view(), app, caller, user)
}

/// The same, by the groups of a moment: those that a snapshot holds.
///
/// # Errors
/// When the store cannot read.
pub fn sees_in(reads: &dyn Reads, app: &App, caller: &Caller, user: &User) -> Result<bool, StoreError> {
    let reach = caller.authority.reach(Permission::UsersView);
    if reach == Reach::Everywhere || user.managed_by.is_some_and(|home| reach.has(home)) {
        return Ok(true);
    }
    let granted = grants::of(reads, &app.auth.grants, user)?;
    Ok(reach.has_any(granted.organizations.keys()))
}

/// Does the caller know of this user: as somebody whom they see, or as a guest of their organisation?
///
/// # Errors
/// When the store cannot read.
pub fn knows(app: &App, caller: &Caller, user: &User) -> Result<bool, StoreError> {
    Ok(is_guest(caller, user) || sees(app, caller, user)?)
}

fn is_guest(caller: &Caller, user: &User) -> bool {
    caller.authority.reach(Permission::UsersView).has_any(user.organizations.keys())
}

/// What is answered where a permission does not reach an account.
fn out_of_reach(caller: &Caller, user: &User, permission: Permission) -> Problem {
    match is_guest(caller, user) {
        true => managed_elsewhere(permission),
        false => Problem::not_found("user"),
    }
}

/// The user, if a permission of this caller reaches the account.
///
/// # Errors
/// 404 for whoever may not see them, else 403.
pub fn find_account(app: &App, caller: &Caller, name: &str, permission: Permission) -> Result<User, Problem> {
    let user = find(app, name)?;
    reaches(app, caller, &user, permission)?;
    Ok(user)
}

fn reaches(app: &App, caller: &Caller, user: &User, permission: Permission) -> Result<(), Problem> {
    match () {
        () if caller.authority.reaches_account(permission, user) => Ok(()),
        () if sees(app, caller, user)? => Err(managed_elsewhere(permission)),
        () => Err(out_of_reach(caller, user, permission)),
    }
}

fn managed_elsewhere(permission: Permission) -> Problem {
    Problem::forbidden(format!(
        "the permission {} that you hold does not reach this account: your organisation does not manage it",
        permission.name()
    ))
}

/// The user, for a change by this caller: nobody changes who holds more than they do.
///
/// # Errors
/// 404, or 403.
pub fn find_to_change(app: &App, caller: &Caller, name: &str, permission: Permission) -> Result<User, Problem> {
    let user = find(app, name)?;
    may_change(app, caller, &user, permission)?;
    Ok(user)
}

/// Refuses a change of a user whom a permission of the caller does not reach, or who holds more.
///
/// # Errors
/// 404, or 403.
pub fn may_change(app: &App, caller: &Caller, user: &User, permission: Permission) -> Result<(), Problem> {
    reaches(app, caller, user, permission)?;
    if caller.authority.covers(&app.auth.authority_of(user)?) {
        Ok(())
    } else {
        Err(Problem::forbidden("this user holds permissions that you do not"))
    }
}

/// The revision that a change is about: the one that the caller names, else the one at which their rights were asked, so
/// that nobody who was given more meanwhile is changed by who may not.
#[must_use]
pub fn looked_at(named: Option<u64>, user: &User) -> Option<u64> {
    named.or(Some(user.revision))
}

/// Refuses what nobody does to themselves.
///
/// # Errors
/// 403.
pub fn not_oneself(caller: &Caller, user: &User) -> Result<(), Problem> {
    // A token that somebody made with their session is theirs too.
    match caller.owner {
        Some((id, _)) if id == user.id => {
            Err(Problem::forbidden("nobody does this to themselves: use /api/v1/me, or ask another administrator"))
        }
        _ => Ok(()),
    }
}

/// A user as an answer, with the ETag.
///
/// # Errors
/// When the store cannot read.
pub fn answer(app: &App, user: &User) -> Result<Response, Problem> {
    Ok(Tagged(user.revision, view::user(app, user)?).into())
}

/// The same after a change. Who may not see the user learns the revision, and nothing else.
///
/// # Errors
/// When the store cannot read.
pub fn answer_to(app: &App, caller: &Caller, user: &User) -> Result<Response, Problem> {
    match sees(app, caller, user)? {
        true => answer(app, user),
        false => Ok(Tagged(user.revision, json!({"id": user.id, "revision": user.revision})).into()),
    }
}

/// One user.
pub async fn show(State(app): State<App>, caller: Caller, Segment(name): Segment<String>) -> Result<Response, Problem> {
    answer(&app, &find_to_see(&app, &caller, &name)?)
}
