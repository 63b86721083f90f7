//! `/Users` (RFC 7644 §3.2 to §3.6).

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use super::body::Body;
use super::call::{Call, Named};
use super::convert::Wish;
use super::index::Kind;
use super::reply::{self, Failure, Reply};
use super::shelf::Shelf;
use super::{list as lists, user_writes};
use crate::directory::user::User;
use crate::http::extract::etag;
use crate::http::state::App;
use crate::scim::list::ListRequest;
use crate::scim::{patch as patches, resource, schemas};

/// `GET /Users`.
pub(super) async fn list(State(app): State<App>, call: Call) -> Result<Reply, Failure> {
    let request = call.list_request()?;
    lists::answer(app, call, &[Kind::Users], request).await
}

/// `POST /Users/.search`.
pub(super) async fn search(State(app): State<App>, call: Call, Body(body): Body) -> Result<Reply, Failure> {
    lists::answer(app, call, &[Kind::Users], ListRequest::from_search(body)?).await
}

/// `POST /Users`.
pub(super) async fn create(State(app): State<App>, call: Call, Body(body): Body) -> Result<Response, Failure> {
    let wish = Wish::read(resource::accept(schemas::user(), body)?)?;
    let user = user_writes::create(&app, &call, wish).await?;
    answer(&app, &call, StatusCode::CREATED, user)
}

/// `GET /Users/{id}`.
pub(super) async fn get(State(app): State<App>, call: Call, Named(id): Named) -> Result<Response, Failure> {
    let user = user_writes::owned(&app.store.view(), &call.source, &id)?;
    if call.if_none_match.as_ref().is_some_and(|tags| tags.hold(user.revision)) {
        return Ok(reply::not_modified(&etag(user.revision)));
    }
    answer(&app, &call, StatusCode::OK, user)
}

/// `PUT /Users/{id}`.
pub(super) async fn replace(
    State(app): State<App>,
    call: Call,
    Named(id): Named,
    Body(body): Body,
) -> Result<Response, Failure> {
    user_writes::owned(&app.store.view(), &call.source, &id)?;
    let wish = Wish::read(resource::accept(schemas::user(), body)?)?;
    let user = user_writes::replace(&app, &call, id, wish).await?;
    answer(&app, &call, StatusCode::OK, user)
}

/// `PATCH /Users/{id}`.
pub(super) async fn patch(
    State(app): State<App>,
    call: Call,
    Named(id): Named,
    Body(body): Body,
) -> Result<Response, Failure> {
    let user = user_writes::patch(&app, &call, id, patches::parse(body)?).await?;
    answer(&app, &call, StatusCode::OK, user)
}

/// `DELETE /Users/{id}`.
pub(super) async fn remove(State(app): State<App>, call: Call, Named(id): Named) -> Result<StatusCode, Failure> {
    user_writes::remove(&app, &call, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn answer(app: &App, call: &Call, status: StatusCode, user: User) -> Result<Response, Failure> {
    let projection = call.projection(schemas::user())?;
    let view = app.store.view();
    let shelf = Shelf { reads: &view, source: &call.source, base: &call.base };
    let resource = shelf.answer_user(user, &projection)?;
    Ok(reply::one(status, resource, &projection))
}
