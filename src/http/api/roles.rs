//! Roles: those that are built in, and the directory's own. `{role}` is the id.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::id::{RoleId, SLUG_MAX};
use crate::directory::authority::Reach;
use crate::directory::field::{Description, DisplayName, FieldError};
use crate::directory::permission::{Permission, Permissions};
use crate::directory::role::{Role, Scope};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, IfMatch, Parameters, Segment};
use crate::http::openapi::bodies::{PermissionName, Slug};
use crate::http::openapi::cases::Clause::{Given, Like};
use crate::http::openapi::cases::{Cases, one_holds};
use crate::http::reply::{Created, Tagged};
use crate::http::state::App;
use crate::store::tx::Tx;
use crate::store::{grants, roles};

/// Where there is no id, the name makes one, which begins with a letter.
const IDENTIFIED: Cases = &[&[Given("id")], &[Like("name", "^[^0-9A-Za-z]*[A-Za-z]")]];

/// A role to make: of these permissions, or of those of another role.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = one_holds(IDENTIFIED))]
pub struct Wish {
    /// Its name in calls; made from the name where it is not given.
    #[serde(default)]
    #[schemars(with = "Option<Slug>")]
    id: Option<String>,
    #[schemars(with = "DisplayName")]
    name: String,
    #[serde(default)]
    #[schemars(with = "Description")]
    description: String,
    /// Where it holds: that of the role it is made from, else the whole directory.
    #[serde(default)]
    scope: Option<Scope>,
    /// Permissions by name.
    #[serde(default)]
    #[schemars(with = "Option<Vec<PermissionName>>")]
    permissions: Option<Vec<String>>,
    /// The role whose scope and permissions it starts with.
    #[serde(default)]
    #[schemars(with = "Option<Slug>")]
    clone: Option<String>,
}

/// What to change.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    #[serde(default)]
    #[schemars(with = "Option<DisplayName>")]
    name: Option<String>,
    #[serde(default)]
    #[schemars(with = "Option<Description>")]
    description: Option<String>,
    #[serde(default)]
    #[schemars(with = "Option<Vec<PermissionName>>")]
    permissions: Option<Vec<String>>,
}

/// What can be permitted.
pub async fn permissions() -> Json<Value> {
    let items = Permission::ALL.iter().map(|permission| {
        json!({
            "name": permission.name(),
            "description": permission.describe(),
            "inside_organizations": permission.is_held_inside(),
        })
    });
    Json(json!({"items": items.collect::<Vec<_>>()}))
}

/// Every role that the caller may see: whoever holds this inside organisations alone sees the roles that hold there.
pub async fn list(State(app): State<App>, caller: Caller, parameters: Parameters) -> Result<Json<Value>, Problem> {
    let scope = match parameters.get("scope") {
        None => None,
        Some("system") => Some(Scope::System),
        Some("organization") => Some(Scope::Organization),
        Some(_) => return Err(Problem::field("scope", "unknown_scope", "must be system or organization")),
    };
    let all = roles::list(&app.store.view())?.into_iter();
    let shown = all.filter(|role| sees(&caller, role) && scope.is_none_or(|scope| role.scope == scope));
    Ok(Json(json!({"items": shown.map(|role| view(&role)).collect::<Vec<_>>()})))
}

fn sees(caller: &Caller, role: &Role) -> bool {
    role.scope == Scope::Organization || caller.authority.reach(Permission::RolesView) == Reach::Everywhere
}

fn view(role: &Role) -> Value {
    let made = !role.is_built_in();
    json!({
        "id": role.id,
        "name": role.name,
        "description": role.description,
        "scope": role.scope,
        "built_in": role.is_built_in(),
        "permissions": role.permissions.names(),
        "created_at": made.then_some(role.created_at),
        "modified_at": made.then_some(role.modified_at),
        "revision": role.revision,
    })
}

fn find(app: &App, name: &str) -> Result<Role, Problem> {
    let id = RoleId::parse(name).ok();
    let found = id.map(|id| roles::find(&app.store.view(), &id)).transpose()?.flatten();
    found.ok_or_else(|| Problem::not_found("role"))
}

/// One role.
pub async fn show(State(app): State<App>, caller: Caller, Segment(name): Segment<String>) -> Result<Response, Problem> {
    let role = find(&app, &name).and_then(|role| match sees(&caller, &role) {
        true => Ok(role),
        false => Err(Problem::not_found("role")),
    })?;
    Ok(Tagged(role.revision, view(&role)).into())
}

/// Makes a role.
pub async fn create(State(app): State<App>, caller: Caller, Body(wish): Body<Wish>) -> Result<Response, Problem> {
    let role = parse(&app, wish)?;
    must_hold(&caller, role.permissions)?;
    let author = caller.author();
    let made = app.store.write(move |tx: &mut Tx<'_>| roles::create(tx, &author, role.clone())).await?;
    Ok(Created(format!("/api/v1/roles/{}", made.id), Tagged(made.revision, view(&made))).into())
}

fn parse(app: &App, wish: Wish) -> Result<Role, Problem> {
    let mut faults = Vec::new();
    let original = match wish.clone.as_deref().map(|name| find(app, name)) {
        Some(Err(_)) => {
            faults.push(FieldError::new("clone", "unknown_role", "is no role that there is"));
            None
        }
        found => found.transpose()?,
    };
    let id = wish.id.unwrap_or_else(|| slug(&wish.name));
    let id =
        RoleId::parse(&id).map_err(|error| faults.push(FieldError::new("id", "malformed", error.to_string()))).ok();
    let name = DisplayName::parse(&wish.name).map_err(|fault| faults.push(fault)).ok();
    let description = Description::parse(&wish.description).map_err(|fault| faults.push(fault)).ok();
    let scope = wish.scope.or(original.as_ref().map(|role| role.scope)).unwrap_or(Scope::System);
    let permissions = match wish.permissions {
        Some(names) => parse_permissions(&names, scope, &mut faults),
        // What does not hold there stays behind.
        None => original
            .map(|role| role.permissions.without(Role::out_of_place(scope, role.permissions)))
            .unwrap_or_default(),
    };
    let (Some(id), Some(name), Some(description), true) = (id, name, description, faults.is_empty()) else {
        return Err(Problem::fields(faults));
    };
    let now = app.store.clock().now();
    Ok(Role {
        id,
        name,
        description,
        scope,
        permissions,
        created_at: now,
        modified_at: now,
        revision: 1,
        removed_at: None,
    })
}

/// A name as an id: `Help Desk` becomes `help-desk`. Of a long name, what an id has room for.
fn slug(name: &str) -> String {
    let lower = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    let dashed: String = name.trim().chars().map(lower).collect();
    let whole = dashed.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-");
    whole.get(..SLUG_MAX).map_or(whole.as_str(), |begin| begin.trim_end_matches('-')).to_owned()
}

fn parse_permissions(names: &[String], scope: Scope, faults: &mut Vec<FieldError>) -> Permissions {
    let mut permissions = Permissions::default();
    for name in names {
        match Permission::by_name(name) {
            Some(permission) => permissions.insert(permission),
            None => {
                faults.push(FieldError::new("permissions", "unknown_permission", format!("{name:?} is no permission")))
            }
        }
    }
    for name in Role::out_of_place(scope, permissions).names() {
        let text = format!("{name} is held in the whole directory or not at all");
        faults.push(FieldError::new("permissions", "out_of_place", text));
    }
    permissions
}

/// Nobody grants what they do not hold.
fn must_hold(caller: &Caller, permissions: Permissions) -> Result<(), Problem> {
    let lacking = permissions.without(caller.authority.everywhere).names();
    if lacking.is_empty() {
        return Ok(());
    }
    let detail =
        format!("you do not hold these permissions, so they are not yours to give or take: {}", lacking.join(", "));
    Err(Problem::forbidden(detail))
}

/// A role that the caller may change: none that is built in, holds more than they do, or is their own.
fn find_to_change(app: &App, caller: &Caller, name: &str) -> Result<Role, Problem> {
    let role = find(app, name)?;
    if role.is_built_in() {
        let detail = "this role is built in: clone it, and change the clone";
        return Err(Problem::new(StatusCode::CONFLICT, "built_in", detail));
    }
    must_hold(caller, role.permissions)?;
    if let Some((id, _)) = caller.owner
        && let Some(user) = crate::store::users::get(&app.store.view(), id)?
    {
        let granted = grants::of(&app.store.view(), &app.auth.grants, &user)?;
        let organizations = user.organizations.values().chain(granted.organizations.values()).flatten();
        if user.roles.iter().chain(&granted.roles).chain(organizations).any(|own| *own == role.id) {
            return Err(Problem::forbidden("you hold this role: nobody changes what they may do themselves"));
        }
    }
    Ok(role)
}

/// Changes a role; whoever holds it may do other things from the next request on.
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    IfMatch(revision): IfMatch,
    Body(wish): Body<Change>,
) -> Result<Response, Problem> {
    let role = find_to_change(&app, &caller, &name)?;
    let mut faults = Vec::new();
    let name = wish.name.and_then(|name| DisplayName::parse(&name).map_err(|fault| faults.push(fault)).ok());
    let description = wish.description;
    let description = description.and_then(|text| Description::parse(&text).map_err(|fault| faults.push(fault)).ok());
    let permissions = wish.permissions.map(|names| parse_permissions(&names, role.scope, &mut faults));
    if !faults.is_empty() {
        return Err(Problem::fields(faults));
    }
    must_hold(&caller, permissions.unwrap_or_default())?;
    // What was looked at is what is changed: else a permission might slip in between.
    let (author, expected) = (caller.author(), revision.or(Some(role.revision)));
    let write = move |tx: &mut Tx<'_>| {
        let (name, description) = (name.clone(), description.clone());
        roles::update(tx, &author, &role.id, expected, |old| Role {
            name: name.unwrap_or(old.name),
            description: description.unwrap_or(old.description),
            permissions: permissions.unwrap_or(old.permissions),
            ..old
        })
    };
    let changed = app.store.write(write).await?;
    Ok(Tagged(changed.revision, view(&changed)).into())
}

/// Removes a role that nobody holds and that no setting gives.
pub async fn remove(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    IfMatch(revision): IfMatch,
) -> Result<StatusCode, Problem> {
    let role = find_to_change(&app, &caller, &name)?;
    if app.auth.grants.iter().any(|grant| grant.rule.role() == Some(&role.id)) {
        let detail = "the settings give this role to groups (group_grants): take it away there first";
        return Err(Problem::new(StatusCode::CONFLICT, "in_use", detail));
    }
    let (author, expected) = (caller.author(), revision.or(Some(role.revision)));
    app.store.write(move |tx: &mut Tx<'_>| roles::remove(tx, &author, &role.id, expected)).await?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_makes_an_id_however_long_it_is() {
        assert_eq!(slug("  Help -- Desk 2"), "help-desk-2");
        assert_eq!(slug("Für alle"), "f-r-alle");
        let long = format!("{} b c", "a".repeat(63));
        assert_eq!(slug(&long), "a".repeat(63));
        assert!(RoleId::parse(&slug(&"ab ".repeat(80))).is_ok());
        assert!(RoleId::parse(&slug("7 of 9")).is_err() && RoleId::parse(&slug("愛")).is_err());
    }
}
