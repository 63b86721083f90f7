//! Answers in SCIM's own forms: `application/scim+json`, and errors with `scimType` (RFC 7644 §3.12).

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use crate::http::error::Problem;
use crate::scim::error::ScimError;
use crate::store::StoreError;
use crate::store::users::WriteError;

/// The media type of every answer; sent without a charset (RFC 7644 §8.1).
const SCIM_JSON: HeaderValue = HeaderValue::from_static("application/scim+json");

/// A body of SCIM.
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Value,
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = (self.status, self.body.to_string()).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, SCIM_JSON);
        response
    }
}

/// A failure in SCIM's form.
#[derive(Debug)]
pub struct Failure(pub ScimError);

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        Reply { status, body: self.0.to_json() }.into_response()
    }
}

impl From<ScimError> for Failure {
    fn from(error: ScimError) -> Self {
        Self(error)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self(ScimError::plain(problem.status.as_u16(), problem.detail))
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Problem::from(error).into()
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Taken { field } => Self(ScimError::uniqueness(format!("the {field} is already taken"))),
            WriteError::NotFound(what) => Self(ScimError::plain(404, format!("there is no such {what}"))),
            other => Problem::from(other).into(),
        }
    }
}

/// 404 for a path that is none.
#[must_use]
pub fn no_such_endpoint() -> Failure {
    Failure(ScimError::plain(404, "there is no such endpoint: see /scim/v2/ResourceTypes"))
}

/// 405.
#[must_use]
pub fn method_not_allowed() -> Failure {
    Failure(ScimError::plain(405, "this endpoint does not take that method"))
}
