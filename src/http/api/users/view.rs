//! A user as the API shows it. Secrets are not in it; whether there is a password is.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use crate::directory::device::Device;
use crate::directory::user::{State, User};
use crate::http::error::Problem;
use crate::http::state::App;
use crate::store::{credentials, grants, groups};

/// A user with everything: groups, and whether there is a password and a factor, beside the record.
///
/// # Errors
/// When the store cannot read.
pub fn user(app: &App, user: &User) -> Result<Value, Problem> {
    Ok(users(app, std::slice::from_ref(user))?.pop().unwrap_or_default())
}

/// Several users with everything; a group that many are in is read once.
///
/// # Errors
/// When the store cannot read.
pub fn users(app: &App, users: &[User]) -> Result<Vec<Value>, Problem> {
    let (view, now) = (app.store.view(), app.store.clock().now());
    let mut memberships = groups::Memberships::new(&view);
    let ids: Vec<_> = users.iter().map(|user| user.id).collect();
    let passwords = credentials::exist(&view, &ids)?;
    let show = |(user, has_password): (&User, bool)| {
        let mut shown = attributes(user, now);
        let groups = memberships.of(user.id)?.into_iter().map(
            |(group, direct)| json!({"id": group.id, "name": group.name, "source": group.source, "direct": direct}),
        );
        shown.insert("groups".to_owned(), groups.collect());
        let granted = grants::of(&view, &app.auth.grants, user)?;
        shown.insert("roles_by_groups".to_owned(), json!(granted.roles));
        let places = granted.organizations.iter().map(|(id, roles)| json!({"id": id, "roles": roles}));
        shown.insert("organizations_by_groups".to_owned(), places.collect());
        shown.insert("has_password".to_owned(), has_password.into());
        let factors = credentials::factors(&view, user.id)?;
        shown.insert("has_factor".to_owned(), factors.iter().any(|factor| factor.confirmed).into());
        Ok(Value::Object(shown))
    };
    users.iter().zip(passwords).map(show).collect()
}

/// What the record itself says; also what `?filter=` looks at.
#[must_use]
pub fn attributes(user: &User, now: Timestamp) -> Map<String, Value> {
    let organizations = user.organizations.iter().map(|(id, roles)| json!({"id": id, "roles": roles}));
    let shown = json!({
        "id": user.id,
        "username": user.username,
        "name": user.name,
        "email": user.email,
        "phone": user.phone,
        "description": user.description,
        "source": user.source,
        "external_id": user.external_id,
        "entry": user.at_source.as_ref().map(|at| &at.entry),
        "kept": user.kept,
        "state": user.state_name(),
        "active": user.is_valid(now),
        "expired": user.is_expired(now),
        "expires_at": user.expires_at,
        "roles": user.roles,
        "organizations": organizations.collect::<Vec<_>>(),
        "managed_by": user.managed_by,
        "mfa": user.mfa,
        "must_change_password": user.must_change_password,
        "created_at": user.created_at,
        "modified_at": user.modified_at,
        "last_login": user.last_login,
        "last_seen": user.last_seen,
        "revision": user.revision,
    });
    let Value::Object(mut shown) = shown else { return Map::new() };
    match &user.state {
        State::Active => {}
        State::Disabled(disabled) => {
            shown.insert("disabled".to_owned(), json!(disabled));
        }
        State::Removed { at, by, purge_after, .. } => {
            shown.insert("removed".to_owned(), json!({"at": at, "by": by, "purge_after": purge_after}));
        }
    }
    if !user.scim.is_empty() {
        shown.insert("scim".to_owned(), Value::Object(user.scim.clone()));
    }
    shown
}

/// A trusted device as lists show it.
#[must_use]
pub fn device(device: &Device) -> Value {
    json!({
        "id": device.id,
        "created_at": device.created_at,
        "last_used_at": device.last_used_at,
        "expires_at": device.expires_at,
        "address": device.address,
        "agent": device.agent,
    })
}
