//! The public keys of signed tokens (RFC 7517 §5), for whoever checks them.

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::http::error::Problem;
use crate::http::reply::tag_of;
use crate::http::state::App;

/// They may be kept for so long: much shorter than a key is told before it signs.
const KEPT: &str = "public, max-age=300";

/// The keys that sign, will sign next, or have signed what may still be valid.
pub async fn keys(State(app): State<App>) -> Result<Response, Problem> {
    let body = app.jwt.published()?.to_string();
    let tag = tag_of(&body);
    let headers =
        [(header::CONTENT_TYPE, "application/jwk-set+json"), (header::CACHE_CONTROL, KEPT), (header::ETAG, &tag)];
    Ok((headers, body).into_response())
}
