//! Answers in SCIM's own forms: `application/scim+json`, and errors with `scimType` (RFC 7644 §3.12).

use std::time::Duration;

use axum::http::header::HeaderName;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;

use super::journal::Remark;
use crate::auth::login::LoginError;
use crate::http::error::Problem;
use crate::scim::error::ScimError;
use crate::scim::project::Projection;
use crate::scim::{Resource, ScimType};
use crate::store::StoreError;
use crate::store::users::WriteError;
use crate::sync::push::Held;

/// The media type of every answer; sent without a charset (RFC 7644 §8.1).
const SCIM_JSON: HeaderValue = HeaderValue::from_static("application/scim+json");

/// A body of SCIM.
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The body.
    pub body: Value,
}

impl Reply {
    /// 200.
    #[must_use]
    pub fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body }
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let bytes = serde_json::to_vec(&self.body).unwrap_or_default();
        let mut response = (self.status, bytes).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, SCIM_JSON);
        response
    }
}

/// One resource with its `ETag` and its place, which stand in `meta` whether it is shown or not.
#[must_use]
pub fn one(status: StatusCode, resource: Resource, projection: &Projection<'_>) -> Response {
    let about =
        |name: &str| resource.get("meta").and_then(|meta| meta.get(name)).and_then(Value::as_str).map(str::to_owned);
    let (version, location) = (about("version"), about("location"));
    let mut response = Reply { status, body: Value::Object(projection.apply(resource)) }.into_response();
    put(&mut response, header::ETAG, version.as_deref());
    put(&mut response, header::LOCATION, location.as_deref());
    put(&mut response, header::CONTENT_LOCATION, location.as_deref());
    response
}

/// 304 for a reader who has this version already (RFC 7644 §3.14).
#[must_use]
pub fn not_modified(version: &str) -> Response {
    let mut response = StatusCode::NOT_MODIFIED.into_response();
    put(&mut response, header::ETAG, Some(version));
    response
}

/// 204 with the version that the resource has now.
#[must_use]
pub fn no_content(version: &str) -> Response {
    let mut response = StatusCode::NO_CONTENT.into_response();
    put(&mut response, header::ETAG, Some(version));
    response
}

fn put(response: &mut Response, name: HeaderName, value: Option<&str>) {
    if let Some(Ok(value)) = value.map(HeaderValue::from_str) {
        response.headers_mut().insert(name, value);
    }
}

/// A failure in SCIM's form.
#[derive(Debug)]
pub struct Failure {
    /// What is answered.
    pub error: ScimError,
    /// When to try again.
    pub retry_after: Option<Duration>,
    /// The resource that it is about, for the answer to an operation of a bulk request.
    pub location: Option<String>,
    /// What waits for a person instead.
    pub held: Option<Box<Held>>,
}

/// A provider whose change waits for a person is told to come back so late.
const HELD_FOR: Duration = Duration::from_secs(900);

impl Failure {
    /// 429: more than the source may take away by itself.
    #[must_use]
    pub fn held(held: Held) -> Self {
        let error = ScimError::plain(429, format!("{}; nothing was changed", held.why));
        Self { error, retry_after: Some(HELD_FOR), location: None, held: Some(Box::new(held)) }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.error.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut response = Reply { status, body: self.error.to_json() }.into_response();
        let remark = Remark { scim_type: self.error.scim_type.map(ScimType::as_str), detail: self.error.detail };
        response.extensions_mut().insert(remark);
        if let Some(after) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after.as_secs().max(1)));
        }
        response
    }
}

impl From<ScimError> for Failure {
    fn from(error: ScimError) -> Self {
        Self { error, retry_after: None, location: None, held: None }
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let error = match problem.code {
            "invalid_fields" | "password_rejected" => ScimError::typed(ScimType::InvalidValue, problem.detail),
            _ => ScimError::plain(problem.status.as_u16(), problem.detail),
        };
        Self { error, retry_after: problem.retry_after, location: None, held: None }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Problem::from(error).into()
    }
}

impl From<LoginError> for Failure {
    fn from(error: LoginError) -> Self {
        Problem::from(error).into()
    }
}

impl From<WriteError> for Failure {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Taken { field } => {
                let attribute = match field {
                    "username" => "userName",
                    "email" => "emails.value",
                    "external_id" => "externalId",
                    "value" => "a value that must be unique",
                    _ => "displayName",
                };
                ScimError::uniqueness(format!("{attribute} is already taken")).into()
            }
            WriteError::NotFound(what) => ScimError::plain(404, format!("there is no such {what}")).into(),
            other => Problem::from(other).into(),
        }
    }
}

/// Is the answer in SCIM's form already?
#[must_use]
pub fn is_scim(response: &Response) -> bool {
    response.headers().get(header::CONTENT_TYPE) == Some(&SCIM_JSON)
}

/// A failure that came from elsewhere, in SCIM's form.
#[must_use]
pub fn in_other_words(status: StatusCode) -> Failure {
    let detail = match status {
        StatusCode::SERVICE_UNAVAILABLE => "this took too long; try again",
        StatusCode::BAD_REQUEST => {
            "the proxy's X-Forwarded-For holds something else than addresses, or too many of them"
        }
        _ => "an internal fault; the daemon's log says more",
    };
    ScimError::plain(status.as_u16(), detail).into()
}

/// 404 for a path that is none.
#[must_use]
pub fn no_such_endpoint() -> Failure {
    ScimError::plain(404, "there is no such endpoint: see /scim/v2/ResourceTypes").into()
}

/// 405.
#[must_use]
pub fn method_not_allowed() -> Failure {
    ScimError::plain(405, "this endpoint does not take that method").into()
}
