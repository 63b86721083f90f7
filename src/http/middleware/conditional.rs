//! What a caller has already is not sent again: `If-None-Match` on whatever carries an ETag (RFC 9110 §13.1.2).

use axum::extract::Request;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Answers 304 where what would be answered is what the caller has.
pub async fn conditional(request: Request, next: Next) -> Response {
    let reads = matches!(*request.method(), Method::GET | Method::HEAD);
    let known = request.headers().get_all(header::IF_NONE_MATCH).iter().filter(|_| reads);
    let known: Vec<String> = known.filter_map(|tags| tags.to_str().ok()).map(str::to_owned).collect();
    let response = next.run(request).await;
    if known.is_empty() || response.status() != StatusCode::OK || !has(&known, response.headers()) {
        return response;
    }
    let mut headers = response.headers().clone();
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH] {
        headers.remove(name);
    }
    (StatusCode::NOT_MODIFIED, headers).into_response()
}

/// Does the caller have it? Tags are compared weakly, as the header wants it.
fn has(known: &[String], headers: &HeaderMap) -> bool {
    let Some(tag) = headers.get(header::ETAG).and_then(|tag| tag.to_str().ok()) else { return false };
    let plain = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    known.iter().flat_map(|tags| tags.split(',')).any(|one| one.trim() == "*" || plain(one) == plain(tag))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn tags_are_compared_weakly_and_only_where_there_is_one() {
        let headers = |tag: &'static str| HeaderMap::from_iter([(header::ETAG, HeaderValue::from_static(tag))]);
        let asks = |known: &str, headers: &HeaderMap| has(&[known.to_owned()], headers);
        assert!(asks("W/\"3\"", &headers("W/\"3\"")) && asks("\"1\", \"3\"", &headers("W/\"3\"")));
        assert!(asks("*", &headers("\"3\"")) && !asks("*", &HeaderMap::new()));
        assert!(!asks("\"33\"", &headers("\"3\"")) && !asks("3", &headers("\"3\"")));
    }
}
