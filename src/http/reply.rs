//! Answers that many handlers give: a resource with its entity tag, and one that was made.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::extract::etag;

/// A resource at a revision.
pub struct Tagged(pub u64, pub Value);

/// A resource that was made, and where it lies.
pub struct Created(pub String, pub Tagged);

impl From<Tagged> for Response {
    fn from(Tagged(revision, resource): Tagged) -> Self {
        with(Json(resource).into_response(), header::ETAG, &etag(revision))
    }
}

impl From<Created> for Response {
    fn from(Created(location, resource): Created) -> Self {
        let mut response = with(resource.into(), header::LOCATION, &location);
        *response.status_mut() = StatusCode::CREATED;
        response
    }
}

fn with(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}
