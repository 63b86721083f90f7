//! The public keys of signed tokens (RFC 7517 §5), for whoever checks them.

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;

use crate::base::secret::sha256;
use crate::http::error::Problem;
use crate::http::state::App;

/// They may be kept for so long: much shorter than a key is told before it signs.
const KEPT: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// The keys that sign, will sign next, or have signed what may still be valid.
pub async fn keys(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let body = app.jwt.published()?.to_string();
    let tag = format!("\"{}\"", HEXLOWER.encode(sha256(body.as_bytes()).first_chunk::<16>().unwrap_or(&[0; 16])));
    let has = headers.get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok()).unwrap_or_default();
    let is_known = has.split(',').any(|one| one.trim().trim_start_matches("W/") == tag || one.trim() == "*");
    let mut response = if is_known { StatusCode::NOT_MODIFIED.into_response() } else { body.into_response() };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, KEPT);
    headers.extend(HeaderValue::try_from(tag).ok().map(|tag| (header::ETAG, tag)));
    if !is_known {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json"));
    }
    Ok(response)
}
