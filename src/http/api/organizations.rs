//! Organisations and their members. `{organization}` is the id or the name.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::id::OrganizationId;
use crate::directory::authority::Reach;
use crate::directory::field::{Description, DisplayName, FieldError};
use crate::directory::organization::Organization;
use crate::directory::permission::Permission;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, IfMatch, Parameters, Segment};
use crate::http::reply::{Created, Tagged};
use crate::http::state::App;
use crate::store::organizations;
use crate::store::tx::Tx;

pub mod members;

/// An organisation to make.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    #[schemars(with = "DisplayName")]
    name: String,
    #[serde(default)]
    #[schemars(with = "Description")]
    description: String,
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
}

/// A page of the organisations that the caller sees, by name.
pub async fn list(State(app): State<App>, caller: Caller, parameters: Parameters) -> Result<Json<Value>, Problem> {
    let (view, limit, after) = (app.store.view(), parameters.limit()?, parameters.get("cursor"));
    let mut items = match caller.authority.reach(Permission::OrganizationsView) {
        Reach::Everywhere => organizations::page(&view, after, limit.saturating_add(1))?,
        Reach::Organizations(reached) => {
            let found = reached.into_iter().map(|id| organizations::get(&view, id)).collect::<Result<Vec<_>, _>>()?;
            let mut found: Vec<Organization> = found.into_iter().flatten().collect();
            found.retain(|one| after.is_none_or(|after| one.name.folded().as_str() > after));
            found.sort_by_key(|one| one.name.folded());
            found
        }
    };
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| more).map(|last| last.name.folded());
    Ok(Json(json!({"items": items.iter().map(view_of).collect::<Vec<_>>(), "next_cursor": next})))
}

fn view_of(organization: &Organization) -> Value {
    json!({
        "id": organization.id,
        "name": organization.name,
        "description": organization.description,
        "created_at": organization.created_at,
        "modified_at": organization.modified_at.unwrap_or(organization.created_at),
        "revision": organization.revision,
    })
}

/// The organisation of this id or name.
///
/// # Errors
/// When the store cannot read.
pub fn find_organization(app: &App, name: &str) -> Result<Option<Organization>, Problem> {
    let view = app.store.view();
    Ok(match name.parse::<OrganizationId>() {
        Ok(id) => organizations::get(&view, id)?,
        Err(_) => organizations::by_name(&view, name)?,
    })
}

/// The organisation, if a permission of the caller holds in it. For anybody else there is none.
///
/// # Errors
/// 404; 403 where it is seen, but no more.
pub fn reached(app: &App, caller: &Caller, name: &str, permission: Permission) -> Result<Organization, Problem> {
    let found = find_organization(app, name)?.ok_or_else(|| Problem::not_found("organisation"))?;
    match caller.must_in(permission, Some(found.id)) {
        Ok(()) => Ok(found),
        Err(refused) => {
            let hidden = |_| Problem::not_found("organisation");
            caller.must_in(Permission::OrganizationsView, Some(found.id)).map_err(hidden)?;
            Err(refused)
        }
    }
}

/// One organisation.
pub async fn show(State(app): State<App>, caller: Caller, Segment(name): Segment<String>) -> Result<Response, Problem> {
    let organization = reached(&app, &caller, &name, Permission::OrganizationsView)?;
    Ok(Tagged(organization.revision, view_of(&organization)).into())
}

/// Makes an organisation.
pub async fn create(State(app): State<App>, caller: Caller, Body(wish): Body<Wish>) -> Result<Response, Problem> {
    let now = app.store.clock().now();
    let mut faults = Vec::new();
    let name = take(&mut faults, DisplayName::parse(&wish.name));
    let description = take(&mut faults, Description::parse(&wish.description));
    let (Some(name), Some(description)) = (name, description) else { return Err(Problem::fields(faults)) };
    let id = OrganizationId::new(now, app.store.rng());
    let organization = Organization { id, name, description, created_at: now, modified_at: Some(now), revision: 1 };
    let author = caller.author();
    let made = app.store.write(move |tx: &mut Tx<'_>| organizations::create(tx, &author, organization.clone())).await?;
    Ok(Created(format!("/api/v1/organizations/{id}"), Tagged(made.revision, view_of(&made))).into())
}

fn take<T>(faults: &mut Vec<FieldError>, parsed: Result<T, FieldError>) -> Option<T> {
    parsed.map_err(|fault| faults.push(fault)).ok()
}

/// Renames an organisation or changes its description.
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    IfMatch(revision): IfMatch,
    Body(wish): Body<Change>,
) -> Result<Response, Problem> {
    let id = reached(&app, &caller, &name, Permission::OrganizationsManage)?.id;
    let mut faults = Vec::new();
    let name = wish.name.and_then(|name| take(&mut faults, DisplayName::parse(&name)));
    let description = wish.description.and_then(|text| take(&mut faults, Description::parse(&text)));
    if !faults.is_empty() {
        return Err(Problem::fields(faults));
    }
    let author = caller.author();
    let write = move |tx: &mut Tx<'_>| {
        let (name, description) = (name.clone(), description.clone());
        organizations::update(tx, &author, id, revision, |old| Organization {
            name: name.unwrap_or(old.name),
            description: description.unwrap_or(old.description),
            ..old
        })
    };
    let changed = app.store.write(write).await?;
    Ok(Tagged(changed.revision, view_of(&changed)).into())
}

/// Removes an organisation that is empty.
pub async fn remove(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    IfMatch(revision): IfMatch,
) -> Result<StatusCode, Problem> {
    let id = reached(&app, &caller, &name, Permission::OrganizationsManage)?.id;
    let granted: BTreeSet<OrganizationId> =
        app.auth.grants.iter().filter_map(|grant| grant.rule.organization()).collect();
    if granted.contains(&id) {
        let detail = "the settings give places in this organisation (group_grants): take them away there first";
        return Err(Problem::new(StatusCode::CONFLICT, "in_use", detail));
    }
    let author = caller.author();
    app.store.write(move |tx: &mut Tx<'_>| organizations::remove(tx, &author, id, revision)).await?;
    Ok(StatusCode::NO_CONTENT)
}
