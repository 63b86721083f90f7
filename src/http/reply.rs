//! Answers that many handlers give: a resource with its entity tag, and one that was made.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;
use serde_json::Value;

use super::extract::etag;
use crate::base::secret::sha256;

/// A resource at a revision.
pub struct Tagged(pub u64, pub Value);

/// A resource that was made, and where it lies.
pub struct Created(pub String, pub Tagged);

/// Something without a revision: its tag is of what it says.
pub struct Digested(pub Value);

/// The same that was made, and where it lies.
pub struct Located(pub String, pub Value);

/// The entity tag of a text.
#[must_use]
pub(super) fn tag_of(text: &str) -> String {
    let digest = sha256(text.as_bytes());
    format!("\"{}\"", HEXLOWER.encode(digest.first_chunk::<16>().unwrap_or(&[0; 16])))
}

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

impl From<Digested> for Response {
    fn from(Digested(shown): Digested) -> Self {
        let tag = tag_of(&shown.to_string());
        with(Json(shown).into_response(), header::ETAG, &tag)
    }
}

impl From<Located> for Response {
    fn from(Located(location, shown): Located) -> Self {
        with((StatusCode::CREATED, Json(shown)).into_response(), header::LOCATION, &location)
    }
}

fn with(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}
