//! Organisations and their members. `{organization}` is the id or the name.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::id::OrganizationId;
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
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    name: String,
    #[serde(default)]
    description: String,
}

/// What to change.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    description: Option<String>,
}

/// A page of the organisations that the caller sees, by name.
pub async fn list(State(app): State<App>, caller: Caller, parameters: Parameters) -> Result<Json<Value>, Problem> {
    let (view, limit) = (app.store.view(), parameters.limit()?);
    let reach = caller.authority.reach(Permission::OrganizationsView);
    let (mut items, mut after) = (Vec::new(), parameters.get("cursor").map(str::to_owned));
    loop {
        let page = organizations::page(&view, after.as_deref(), limit)?;
        let Some(last) = page.last() else { break };
        after = Some(last.name.folded());
        items.extend(page.into_iter().filter(|one| reach.has(one.id)));
        if items.len() > limit {
            break;
        }
    }
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
