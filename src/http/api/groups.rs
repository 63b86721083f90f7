//! Groups of musterd's own, in the directory or of an organisation, and what is to be seen of those of the sources.
//! `{group}` is the id, or the name of one of the directory's own.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use data_encoding::BASE64URL_NOPAD;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::id::{GroupId, SourceId};
use crate::directory::authority::Reach;
use crate::directory::field::{Description, DisplayName, FieldError};
use crate::directory::group::{Group, Member};
use crate::directory::permission::Permission;
use crate::http::api::organizations::find_organization;
use crate::http::api::users::rights::{may_release, may_rename};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, IfMatch, Parameters, Segment, cut};
use crate::http::openapi::bodies::Reference;
use crate::http::reply::{Created, Tagged};
use crate::http::state::App;
use crate::scim::evaluate::Matcher;
use crate::scim::filter;
use crate::store::StoreError;
use crate::store::groups::{self, Which};
use crate::store::tx::Tx;

mod filterable;
pub mod members;

/// A group to make.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    #[schemars(with = "DisplayName")]
    name: String,
    #[serde(default)]
    #[schemars(with = "Description")]
    description: String,
    /// The organisation that it is of, by id or name; none: of the directory.
    #[serde(default)]
    #[schemars(with = "Option<Reference>")]
    organization: Option<String>,
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

/// A page of the groups that the caller sees, of one source (`source`) or organisation (`organization`), that fit a filter.
/// Read off the runtime's threads: it may scan.
pub async fn list(State(app): State<App>, caller: Caller, parameters: Parameters) -> Result<Json<Value>, Problem> {
    let read = tokio::task::spawn_blocking(move || read(&app, &caller, &parameters));
    read.await.map_err(|_| StoreError::Stopped)?
}

fn read(app: &App, caller: &Caller, parameters: &Parameters) -> Result<Json<Value>, Problem> {
    let filter = parameters.get("filter").map(filter::parse).transpose();
    let filter = filter.map_err(|error| Problem::field("filter", "malformed", &error.detail))?;
    let matcher = filter.as_ref().map(|filter| Matcher::new(filter, &filterable::FILTERABLE)).transpose();
    let matcher = matcher.map_err(|error| Problem::field("filter", "malformed", &error.detail))?;
    let malformed = |_| Problem::field("cursor", "malformed", "must be the next_cursor of an earlier page");
    let place = parameters.get("cursor").map(|text| BASE64URL_NOPAD.decode(text.as_bytes())).transpose();
    let (which, limit) = (which(app, caller, parameters)?, parameters.limit()?);
    let (mut found, mut place) = (Vec::new(), place.map_err(malformed)?);
    while found.len() <= limit {
        let page = groups::page(&app.store.view(), &which, place.as_deref(), limit.max(100))?;
        let Some((last, _)) = page.last() else { break };
        place = Some(last.clone());
        let fits = |group: &Group| {
            let shown = view(group);
            matcher.as_ref().is_none_or(|matcher| shown.as_object().is_some_and(|shown| matcher.matches(shown)))
        };
        found.extend(page.into_iter().filter(|(_, group)| fits(group)));
    }
    let next = cut(&mut found, limit, |(place, _)| BASE64URL_NOPAD.encode(place));
    Ok(Json(json!({"items": found.iter().map(|(_, group)| view(group)).collect::<Vec<_>>(), "next_cursor": next})))
}

/// Which groups are asked for, as far as the caller sees them.
fn which(app: &App, caller: &Caller, parameters: &Parameters) -> Result<Which, Problem> {
    let reach = caller.authority.reach(Permission::GroupsView);
    let source = parameters.get("source").map(SourceId::parse).transpose();
    let source = source.map_err(|_| Problem::not_found("source"))?;
    let organization = parameters.get("organization").map(|name| find_organization(app, name)).transpose()?;
    Ok(match (organization, source, reach) {
        (Some(found), source, reach) => {
            let found = found.filter(|one| reach.has(one.id)).ok_or_else(|| Problem::not_found("organisation"))?;
            // An organisation's groups are musterd's own.
            let is_any = source.is_none_or(|source| source.is_local());
            Which::OfOrganizations(if is_any { [found.id].into() } else { BTreeSet::new() })
        }
        (None, None, Reach::Everywhere) => Which::All,
        (None, Some(source), Reach::Everywhere) => Which::OfSource(source),
        (None, Some(_), Reach::Organizations(_)) => Which::OfOrganizations(BTreeSet::new()),
        (None, None, Reach::Organizations(reached)) => Which::OfOrganizations(reached),
    })
}

fn view(group: &Group) -> Value {
    json!({
        "id": group.id,
        "name": group.name,
        "description": group.description,
        "source": group.source,
        "organization": group.organization,
        "external_id": group.external_id,
        "entry": group.at_source.as_ref().map(|at| &at.entry),
        "scim": group.scim,
        "created_at": group.created_at,
        "modified_at": group.modified_at,
        "revision": group.revision,
    })
}

/// The group of this id, or the directory's own or an organisation's of this name (`organization/Acme:devs`).
pub fn find_group(app: &App, name: &str) -> Result<Group, Problem> {
    let view = app.store.view();
    let found = match name.parse::<GroupId>() {
        Ok(id) => groups::get(&view, id)?,
        Err(_) => groups::by_own_name(&view, name)?,
    };
    found.ok_or_else(|| Problem::not_found("group"))
}

/// The group, if a permission of the caller reaches it. For who may not see it there is none.
///
/// # Errors
/// 404; 403 where it is seen, but no more.
fn reached(app: &App, caller: &Caller, name: &str, permission: Permission) -> Result<Group, Problem> {
    let group = find_group(app, name)?;
    match caller.must_in(permission, group.organization) {
        Ok(()) => Ok(group),
        Err(refused) => {
            let hidden = |_| Problem::not_found("group");
            caller.must_in(Permission::GroupsView, group.organization).map_err(hidden)?;
            Err(refused)
        }
    }
}

/// A group of musterd's own, to change: those of a source are the source's to change.
fn own(app: &App, caller: &Caller, name: &str) -> Result<Group, Problem> {
    let group = reached(app, caller, name, Permission::GroupsManage)?;
    if group.source.is_local() {
        return Ok(group);
    }
    let detail = format!("the group belongs to the source {}: change it there", group.source);
    Err(Problem::new(StatusCode::CONFLICT, "owned_by_source", detail))
}

/// One group.
pub async fn show(State(app): State<App>, caller: Caller, Segment(name): Segment<String>) -> Result<Response, Problem> {
    let group = reached(&app, &caller, &name, Permission::GroupsView)?;
    Ok(Tagged(group.revision, view(&group)).into())
}

/// Makes a group.
pub async fn create(State(app): State<App>, caller: Caller, Body(wish): Body<Wish>) -> Result<Response, Problem> {
    let now = app.store.clock().now();
    let (id, name) = (GroupId::new(now, app.store.rng()), parsed(DisplayName::parse(&wish.name))?);
    let description = parsed(Description::parse(&wish.description))?;
    let organization = wish.organization.as_deref().map(|name| find_organization(&app, name)).transpose()?;
    let Some(organization) = organization.map_or(Some(None), |found| found.map(|found| Some(found.id))) else {
        // Whoever may not make groups everywhere does not learn which organisations there are.
        caller.must(Permission::GroupsManage)?;
        return Err(Problem::field("organization", "unknown_organization", "is no organisation"));
    };
    caller.must_in(Permission::GroupsManage, organization)?;
    let group = Group { description, organization, ..Group::new(id, name, SourceId::local(), now) };
    let author = caller.author();
    let made = app.store.write(move |tx: &mut Tx<'_>| groups::create(tx, &author, group.clone())).await?;
    Ok(Created(format!("/api/v1/groups/{id}"), Tagged(made.revision, view(&made))).into())
}

fn parsed<T>(field: Result<T, FieldError>) -> Result<T, Problem> {
    field.map_err(|fault| Problem::fields(vec![fault]))
}

/// Renames a group or changes its description.
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    IfMatch(revision): IfMatch,
    Body(wish): Body<Change>,
) -> Result<Response, Problem> {
    let group = own(&app, &caller, &name)?;
    let id = group.id;
    let name = wish.name.as_deref().map(DisplayName::parse).transpose();
    let description = wish.description.as_deref().map(Description::parse).transpose();
    let (name, description) = (parsed(name)?, parsed(description)?);
    if name.as_ref().is_some_and(|name| name.folded() != group.name.folded()) {
        may_rename(&app, &caller, &group)?;
    }
    let author = caller.author();
    let write = move |tx: &mut Tx<'_>| {
        groups::expect_revision(tx, id, revision)?;
        let (name, description) = (name.clone(), description.clone());
        groups::update(tx, &author, id, |group| Group {
            name: name.unwrap_or(group.name),
            description: description.unwrap_or(group.description),
            ..group
        })
    };
    let changed = app.store.write(write).await?;
    Ok(Tagged(changed.revision, view(&changed)).into())
}

/// Removes a group with its memberships.
pub async fn remove(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    IfMatch(revision): IfMatch,
) -> Result<StatusCode, Problem> {
    let group = own(&app, &caller, &name)?;
    let id = group.id;
    may_release(&app, &caller, &group, &[Member::Group(id)])?;
    let author = caller.author();
    let write = move |tx: &mut Tx<'_>| {
        groups::expect_revision(tx, id, revision)?;
        groups::remove(tx, &author, id)
    };
    app.store.write(write).await?;
    Ok(StatusCode::NO_CONTENT)
}
