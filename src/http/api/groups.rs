//! Groups of musterd's own, and what is to be seen of those of the sources.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::id::{GroupId, SourceId};
use crate::directory::field::{Description, DisplayName, FieldError};
use crate::directory::group::{Group, Member};
use crate::http::api::users::find;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, Parameters, Segment};
use crate::http::state::App;
use crate::store::groups;
use crate::store::tx::Tx;

/// A group to make.
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

/// Members to add and to remove: users by id or username, groups by id or name.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Members {
    #[serde(default)]
    add_users: Vec<String>,
    #[serde(default)]
    remove_users: Vec<String>,
    #[serde(default)]
    add_groups: Vec<String>,
    #[serde(default)]
    remove_groups: Vec<String>,
}

/// All groups, or those of one source (`source`).
pub async fn list(State(app): State<App>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    let source = parameters.get("source").map(SourceId::parse).transpose();
    let source = source.map_err(|_| Problem::not_found("source"))?;
    Ok(Json(json!({"items": groups::list(&app.store.view(), source.as_ref())?})))
}

/// The group of this id, or the local one of this name.
pub fn find_group(app: &App, name: &str) -> Result<Group, Problem> {
    let view = app.store.view();
    let found = match name.parse::<GroupId>() {
        Ok(id) => groups::get(&view, id)?,
        Err(_) => groups::by_name(&view, &SourceId::local(), name)?,
    };
    found.ok_or_else(|| Problem::not_found("group"))
}

/// A group of musterd's own: those of a source are the source's to change.
fn own(app: &App, name: &str) -> Result<Group, Problem> {
    let group = find_group(app, name)?;
    if group.source.is_local() {
        return Ok(group);
    }
    let detail = format!("the group belongs to the source {}: change it there", group.source);
    Err(Problem::new(StatusCode::CONFLICT, "owned_by_source", detail))
}

/// One group.
pub async fn show(State(app): State<App>, Segment(name): Segment<String>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!(find_group(&app, &name)?)))
}

/// Makes a group.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(wish): Body<Wish>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let now = app.store.clock().now();
    let (id, name) = (GroupId::new(now, app.store.rng()), parsed(DisplayName::parse(&wish.name))?);
    let description = parsed(Description::parse(&wish.description))?;
    let group = Group { description, ..Group::new(id, name, SourceId::local(), now) };
    let author = caller.author();
    let made = app.store.write(move |tx: &mut Tx<'_>| groups::create(tx, &author, group.clone())).await?;
    Ok((StatusCode::CREATED, Json(json!(made))))
}

fn parsed<T>(field: Result<T, FieldError>) -> Result<T, Problem> {
    field.map_err(|fault| Problem::fields(vec![fault]))
}

/// Renames a group or changes its description.
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    Body(wish): Body<Change>,
) -> Result<Json<Value>, Problem> {
    let id = own(&app, &name)?.id;
    let name = wish.name.as_deref().map(DisplayName::parse).transpose();
    let description = wish.description.as_deref().map(Description::parse).transpose();
    let (name, description) = (parsed(name)?, parsed(description)?);
    let author = caller.author();
    let write = move |tx: &mut Tx<'_>| {
        let (name, description) = (name.clone(), description.clone());
        groups::update(tx, &author, id, |group| Group {
            name: name.unwrap_or(group.name),
            description: description.unwrap_or(group.description),
            ..group
        })
    };
    Ok(Json(json!(app.store.write(write).await?)))
}

/// Removes a group with its memberships.
pub async fn remove(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
) -> Result<StatusCode, Problem> {
    let id = own(&app, &name)?.id;
    let author = caller.author();
    app.store.write(move |tx: &mut Tx<'_>| groups::remove(tx, &author, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A page of the direct members.
pub async fn members(
    State(app): State<App>,
    Segment(name): Segment<String>,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    let group = find_group(&app, &name)?;
    let after = parameters.get("cursor").map(parse_member).transpose()?;
    let limit = parameters.limit()?;
    let members = groups::members(&app.store.view(), group.id, after, limit)?;
    let next = members.last().filter(|_| members.len() == limit).map(|member| member_text(*member));
    let items = members.iter().map(|member| match member {
        Member::User(id) => json!({"kind": "user", "id": id}),
        Member::Group(id) => json!({"kind": "group", "id": id}),
    });
    Ok(Json(json!({"items": items.collect::<Vec<_>>(), "next_cursor": next})))
}

fn member_text(member: Member) -> String {
    match member {
        Member::User(id) => format!("user:{id}"),
        Member::Group(id) => format!("group:{id}"),
    }
}

fn parse_member(text: &str) -> Result<Member, Problem> {
    let member = match text.split_once(':') {
        Some(("user", id)) => id.parse().ok().map(Member::User),
        Some(("group", id)) => id.parse().ok().map(Member::Group),
        _ => None,
    };
    member.ok_or_else(|| Problem::field("cursor", "malformed", "must be the next_cursor of an earlier page"))
}

/// Adds and removes members.
pub async fn change_members(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    Body(wish): Body<Members>,
) -> Result<Json<Value>, Problem> {
    let id = own(&app, &name)?.id;
    let resolve = |users: &[String], groups: &[String]| -> Result<Vec<Member>, Problem> {
        let users = users.iter().map(|name| Ok(Member::User(find(&app, name)?.id)));
        users.chain(groups.iter().map(|name| Ok(Member::Group(find_group(&app, name)?.id)))).collect()
    };
    let add = resolve(&wish.add_users, &wish.add_groups)?;
    let remove = resolve(&wish.remove_users, &wish.remove_groups)?;
    let author = caller.author();
    let changed =
        app.store.write(move |tx: &mut Tx<'_>| groups::change_members(tx, &author, id, &add, &remove)).await?;
    Ok(Json(json!({"changed": changed})))
}
