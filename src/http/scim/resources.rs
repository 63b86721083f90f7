//! One resource of any kind: made, read, replaced, changed, removed (RFC 7644 §3.2 to §3.6).

use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::body::Body;
use super::call::{Call, Place};
use super::reply::{self, Failure};
use super::writes;
use crate::http::extract::etag;
use crate::http::state::App;

/// `POST /Users` and the like.
pub(super) async fn create(
    State(app): State<App>,
    call: Call,
    place: Place,
    Body(body): Body,
) -> Result<Response, Failure> {
    let written = writes::create(&app, &call, place.kind, body).await?;
    writes::answer(&app, &call, StatusCode::CREATED, written).await
}

/// `GET /Users/{id}`.
pub(super) async fn get(State(app): State<App>, call: Call, place: Place) -> Result<Response, Failure> {
    let found = writes::find(&app, &call, &place)?;
    if call.if_none_match.as_ref().is_some_and(|tags| tags.hold(found.revision())) {
        return Ok(reply::not_modified(&etag(found.revision())));
    }
    writes::answer(&app, &call, StatusCode::OK, found).await
}

/// `PUT /Users/{id}`.
pub(super) async fn replace(
    State(app): State<App>,
    call: Call,
    place: Place,
    Body(body): Body,
) -> Result<Response, Failure> {
    let written = writes::replace(&app, &call, place, body).await?;
    writes::answer(&app, &call, StatusCode::OK, written).await
}

/// `PATCH /Users/{id}`; who names attributes wants to see them (RFC 7644 §3.5.2).
pub(super) async fn patch(
    State(app): State<App>,
    call: Call,
    place: Place,
    Body(body): Body,
) -> Result<Response, Failure> {
    let written = writes::patch(&app, &call, place, body).await?;
    if !call.profile.shows_patched() && !call.chooses_attributes() {
        return Ok(reply::no_content(&etag(written.revision())));
    }
    writes::answer(&app, &call, StatusCode::OK, written).await
}

/// A method that an endpoint, or a resource of it, does not take; what is no endpoint is said first.
pub(super) async fn refuse(_: Call, place: Place) -> Response {
    let allowed = if place.id.is_empty() { "GET, HEAD, POST" } else { "GET, HEAD, PUT, PATCH, DELETE" };
    let mut response = reply::method_not_allowed().into_response();
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

/// `DELETE /Users/{id}`.
pub(super) async fn remove(State(app): State<App>, call: Call, place: Place) -> Result<Response, Failure> {
    writes::remove(&app, &call, place).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
