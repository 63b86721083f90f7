//! `/Groups` (RFC 7644 §3.2 to §3.6).

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tokio::task::spawn_blocking;

use super::body::Body;
use super::call::{Call, Named};
use super::index::Kind;
use super::members::Wanted;
use super::reply::{self, Failure, Reply};
use super::shelf::Shelf;
use super::{group_writes, list as lists};
use crate::directory::group::Group;
use crate::http::extract::etag;
use crate::http::state::App;
use crate::scim::list::ListRequest;
use crate::scim::{patch as patches, resource, schemas};
use crate::store::StoreError;

/// `GET /Groups`.
pub(super) async fn list(State(app): State<App>, call: Call) -> Result<Reply, Failure> {
    let request = call.list_request()?;
    lists::answer(app, call, &[Kind::Groups], request).await
}

/// `POST /Groups/.search`.
pub(super) async fn search(State(app): State<App>, call: Call, Body(body): Body) -> Result<Reply, Failure> {
    lists::answer(app, call, &[Kind::Groups], ListRequest::from_search(body)?).await
}

/// `POST /Groups`.
pub(super) async fn create(State(app): State<App>, call: Call, Body(body): Body) -> Result<Response, Failure> {
    let resource = resource::accept(schemas::group(), body)?;
    let group = group_writes::create(&app, &call, resource).await?;
    answer(&app, &call, StatusCode::CREATED, group).await
}

/// `GET /Groups/{id}`.
pub(super) async fn get(State(app): State<App>, call: Call, Named(id): Named) -> Result<Response, Failure> {
    let group = group_writes::owned(&app.store.view(), &call.source, &id)?;
    if call.if_none_match.as_ref().is_some_and(|tags| tags.hold(group.revision)) {
        return Ok(reply::not_modified(&etag(group.revision)));
    }
    answer(&app, &call, StatusCode::OK, group).await
}

/// `PUT /Groups/{id}`.
pub(super) async fn replace(
    State(app): State<App>,
    call: Call,
    Named(id): Named,
    Body(body): Body,
) -> Result<Response, Failure> {
    group_writes::owned(&app.store.view(), &call.source, &id)?;
    let resource = resource::accept(schemas::group(), body)?;
    let group = group_writes::replace(&app, &call, id, resource).await?;
    answer(&app, &call, StatusCode::OK, group).await
}

/// `PATCH /Groups/{id}`.
pub(super) async fn patch(
    State(app): State<App>,
    call: Call,
    Named(id): Named,
    Body(body): Body,
) -> Result<Response, Failure> {
    let group = group_writes::patch(&app, &call, id, &patches::parse(body)?).await?;
    answer(&app, &call, StatusCode::OK, group).await
}

/// `DELETE /Groups/{id}`.
pub(super) async fn remove(State(app): State<App>, call: Call, Named(id): Named) -> Result<StatusCode, Failure> {
    group_writes::remove(&app, &call, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The group as the request wants to see it. Members are read off the runtime's threads, for they may be many; a client
/// that does not want them says `excludedAttributes=members`, and none is read.
async fn answer(app: &App, call: &Call, status: StatusCode, group: Group) -> Result<Response, Failure> {
    let projection = call.projection(schemas::group())?;
    let wanted = Wanted::all_if(projection.wants("members"));
    let (app, source, base) = (app.clone(), call.source.clone(), call.base.clone());
    let show = move |wanted: &Wanted| {
        let view = app.store.view();
        Shelf { reads: &view, source: &source, base: &base }.show_group(&group, wanted)
    };
    let resource = match wanted {
        Wanted::Nobody => show(&Wanted::Nobody)?,
        wanted => spawn_blocking(move || show(&wanted)).await.unwrap_or(Err(StoreError::Stopped))?,
    };
    Ok(reply::one(status, resource, &projection))
}
