//! The inbox of conflicts: who waits, and what a person decides.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::users::{answer_to, find_to_change, not_oneself};
use crate::base::id::{ExternalId, SourceId};
use crate::directory::conflict::Conflict;
use crate::directory::field::Username;
use crate::directory::permission::Permission;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, Parameters, Segment, cut};
use crate::http::state::App;
use crate::store::{conflicts, users};
use crate::sync::inbox;
use crate::sync::task::Follower;

/// A page of the conflicts of one source (`source`) or of all, after one of them (`cursor`): those that wait, or all of
/// them with `?all=true`. They tell of users.
pub async fn list(State(app): State<App>, caller: Caller, parameters: Parameters) -> Result<Json<Value>, Problem> {
    caller.must(Permission::UsersView)?;
    let source = parameters.get("source").map(SourceId::parse).transpose();
    let source = source.map_err(|_| Problem::not_found("source"))?;
    let all = parameters.flag("all")?;
    let after = parameters.get("cursor").map(place).transpose()?;
    let (view, limit) = (app.store.view(), parameters.limit()?);
    let wanted = |conflict: &Conflict| all || conflict.is_open();
    let mut found = conflicts::page(&view, source.as_ref(), after.as_ref(), limit.saturating_add(1), wanted)?;
    let next = cut(&mut found, limit, |last| format!("{}/{}", last.source, last.external_id));
    let mut items = Vec::new();
    for conflict in &found {
        let holder = users::get(&view, conflict.holder)?.map(|holder| holder.username);
        let mut item = json!(conflict);
        if let Some(members) = item.as_object_mut() {
            members.insert("holder_username".to_owned(), json!(holder));
        }
        items.push(item);
    }
    Ok(Json(json!({"items": items, "next_cursor": next})))
}

/// Where a page goes on.
fn place(cursor: &str) -> Result<(SourceId, ExternalId), Problem> {
    let place = cursor
        .split_once('/')
        .and_then(|(source, id)| Some((SourceId::parse(source).ok()?, ExternalId::parse(id).ok()?)));
    place.ok_or_else(|| Problem::field("cursor", "malformed", "must be the next_cursor of an earlier page"))
}

/// A conflict's place: the source and the identity of the entry there.
type Place = (SourceId, String);

fn identity(text: &str) -> Result<ExternalId, Problem> {
    ExternalId::parse(text).map_err(|_| Problem::not_found("conflict"))
}

fn find(app: &App, source: &SourceId, id: &ExternalId) -> Result<Conflict, Problem> {
    conflicts::get(&app.store.view(), source, id)?.ok_or_else(|| Problem::not_found("conflict"))
}

/// The entry looks at the source again soon, so that the decision takes effect.
fn poke(app: &App, source: &SourceId) {
    app.driver.poke(&Follower::task_name(source));
}

/// The entry takes over the user who holds its name. Nobody gives away a user who holds more than they do.
pub async fn link(
    State(app): State<App>,
    caller: Caller,
    Segment((source, id)): Segment<Place>,
) -> Result<axum::response::Response, Problem> {
    let id = identity(&id)?;
    let conflict = find(&app, &source, &id)?;
    let holder = find_to_change(&app, &caller, &conflict.holder.to_string(), Permission::ConflictsResolve)?;
    not_oneself(&caller, &holder)?;
    let user = inbox::link(&app.store, &caller.author(), &source, &id, (holder.id, holder.revision)).await?;
    poke(&app, &source);
    answer_to(&app, &caller, &user)
}

/// What the entry shall be called.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rename {
    #[schemars(with = "Username")]
    username: String,
}

/// The entry gets another username here.
pub async fn rename(
    State(app): State<App>,
    caller: Caller,
    Segment((source, id)): Segment<Place>,
    Body(wish): Body<Rename>,
) -> Result<StatusCode, Problem> {
    let id = identity(&id)?;
    let conflict = find(&app, &source, &id)?;
    if let Some(user) = conflict.user {
        find_to_change(&app, &caller, &user.to_string(), Permission::ConflictsResolve)?;
    }
    let username = Username::parse(&wish.username).map_err(|fault| Problem::fields(vec![fault]))?;
    inbox::rename(&app.store, &caller.author(), &source, &id, username).await?;
    poke(&app, &source);
    Ok(StatusCode::NO_CONTENT)
}

/// The entry stays out.
pub async fn ignore(
    State(app): State<App>,
    caller: Caller,
    Segment((source, id)): Segment<Place>,
) -> Result<StatusCode, Problem> {
    inbox::ignore(&app.store, &caller.author(), &source, &identity(&id)?, false).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The entry waits for a decision again.
pub async fn reopen(
    State(app): State<App>,
    caller: Caller,
    Segment((source, id)): Segment<Place>,
) -> Result<StatusCode, Problem> {
    inbox::ignore(&app.store, &caller.author(), &source, &identity(&id)?, true).await?;
    poke(&app, &source);
    Ok(StatusCode::NO_CONTENT)
}
