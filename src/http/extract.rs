//! Bodies and headers, parsed once: strict JSON, entity tags, page parameters.

use std::collections::BTreeSet;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::str::FromStr;
use std::task::Poll;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use serde::de::DeserializeOwned;

use super::error::Problem;
use super::middleware::access;
use super::state::App;
use crate::base::suggest::nearest;

/// How many items a page has unless told.
pub const PAGE: u64 = 100;
/// How many it has at most.
pub const PAGE_MAX: u64 = 1_000;

/// A JSON body with nothing unknown in it.
pub struct Body<T>(pub T);

impl<T: DeserializeOwned> FromRequest<App> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &App) -> Result<Self, Problem> {
        let is_json = request.headers().get(header::CONTENT_TYPE).is_none_or(|kind| {
            let kind =
                kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
            kind == "application/json" || kind.ends_with("+json")
        });
        if !is_json {
            let detail = "send the body as application/json";
            return Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail));
        }
        let bytes = read_body(request, app).await?;
        parse(&bytes).map(Self)
    }
}

/// Reads a body within the limit that the server sets, of a caller who is what they were when it began.
///
/// # Errors
/// 413 for one that is too large; of one that came late, what is wrong with its sender by now.
pub async fn read_body(request: Request, app: &App) -> Result<Bytes, Problem> {
    let limit = app.settings.body_limit;
    read(request, app, limit).await?.ok_or_else(|| too_large("the body is larger than this server takes".to_owned()))
}

/// Reads a body that is a file, within a limit of its own, of a caller who is what they were when it began.
///
/// # Errors
/// As [`read_body`].
pub async fn read_file(request: Request, app: &App) -> Result<Bytes, Problem> {
    let limit = app.settings.import_limit;
    let detail = || format!("the file is larger than the {limit} bytes that this server takes: split it");
    read(request, app, limit).await?.ok_or_else(|| too_large(detail()))
}

/// Reads a body; none where it is larger than the limit. Who has it waited for is looked at again when it is there: they
/// may be out by then.
async fn read(request: Request, app: &App, limit: usize) -> Result<Option<Bytes>, Problem> {
    let (parts, body) = request.into_parts();
    let mut reading = pin!(Limited::new(body, limit).collect());
    let at_once = poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await;
    let read = match at_once {
        Poll::Ready(read) => read,
        Poll::Pending => {
            let read = reading.await;
            access::look_again(app, &parts)?;
            read
        }
    };
    match read {
        Ok(body) => Ok(Some(body.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Ok(None),
        Err(_) => Err(Problem::bad_request("unreadable_body", "the body could not be read to its end")),
    }
}

fn too_large(detail: String) -> Problem {
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail)
}

/// Parses JSON; an empty body counts as an empty object.
///
/// # Errors
/// What is wrong, and where.
pub fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    if bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
        return Err(Problem::bad_request("wrong_type", "the body must be an object"));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        // serde's texts name members and types of the request, never values of secrets: those have no Debug.
        let text = error.to_string();
        let code = match error.classify() {
            serde_json::error::Category::Data if text.starts_with("unknown field") => "unknown_field",
            serde_json::error::Category::Data if text.starts_with("missing field") => "missing_field",
            serde_json::error::Category::Data => "wrong_type",
            _ => "malformed_json",
        };
        Problem::bad_request(code, without_values(&text))
    })
}

/// Cuts the value out of "invalid type: string "…", expected …": it may be a secret.
fn without_values(text: &str) -> String {
    match text.split_once(": ") {
        Some((what, rest)) if what.starts_with("invalid") => match rest.rsplit_once(", expected ") {
            Some((_, expected)) => format!("{what}: expected {expected}"),
            None => what.to_owned(),
        },
        _ => text.to_owned(),
    }
}

/// The one thing in a path that varies; what cannot be one is not found.
pub struct Segment<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segment<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        path.map(|path| Self(path.0)).map_err(|_| Problem::not_found("resource"))
    }
}

/// The revision that a caller expects, from `If-Match`; `*` and an absent header expect none.
pub struct IfMatch(pub Option<u64>);

impl<S: Send + Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(tag) = parts.headers.get(header::IF_MATCH) else { return Ok(Self(None)) };
        let tag = tag.to_str().unwrap_or_default().trim();
        if tag == "*" {
            return Ok(Self(None));
        }
        let number = tag.trim_start_matches("W/").trim_matches('"').parse();
        let detail = "If-Match must be the ETag of an earlier answer";
        number
            .map(|number| Self(Some(number)))
            .map_err(|_| Problem::new(StatusCode::PRECONDITION_FAILED, "stale", detail))
    }
}

/// An entity tag of a revision. Weak: the bytes of two answers of one revision may differ (RFC 9110 §8.8.1).
#[must_use]
pub fn etag(revision: u64) -> String {
    format!("W/\"{revision}\"")
}

/// Cuts off what is more than a page, and gives what the next page begins after.
pub fn cut<T, C>(items: &mut Vec<T>, limit: usize, place: impl Fn(&T) -> C) -> Option<C> {
    let more = items.len() > limit;
    items.truncate(limit);
    items.last().filter(|_| more).map(place)
}

/// The parameters of a query string, percent-decoded; each stands there once.
pub struct Parameters(pub Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let malformed = |detail: String| Problem::bad_request("malformed_query", detail);
        let axum::extract::Query(pairs) =
            query.map_err(|_| malformed("the query string is not percent-encoded UTF-8".to_owned()))?;
        let mut seen = BTreeSet::new();
        match pairs.iter().find(|(name, _)| !seen.insert(name.as_str())) {
            Some((name, _)) => Err(malformed(format!("{name:?} stands in the query string more than once"))),
            None => Ok(Self(pairs)),
        }
    }
}

impl Parameters {
    /// The first value of a parameter.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Refuses parameters of other names: one that is misspelt must not have something done that was not meant.
    ///
    /// # Errors
    /// 400 naming the first of them, and what may be meant.
    pub fn only(&self, names: &[&str]) -> Result<(), Problem> {
        let Some((other, _)) = self.0.iter().find(|(name, _)| !names.contains(&name.as_str())) else { return Ok(()) };
        let meant = nearest(other, names.iter().copied());
        let meant = meant.map(|meant| format!(": {meant} may be meant")).unwrap_or_default();
        Err(Problem::field(other, "unknown_parameter", &format!("is no parameter here{meant}")))
    }

    /// Whether a parameter is `true`; it is not where it is left out.
    ///
    /// # Errors
    /// When it is neither `true` nor `false`.
    pub fn flag(&self, name: &str) -> Result<bool, Problem> {
        match self.get(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Problem::field(name, "malformed", "must be true or false")),
        }
    }

    /// Where a page goes on: after (or before) this one.
    ///
    /// # Errors
    /// When it is no place of such a list.
    pub fn cursor<T: FromStr>(&self) -> Result<Option<T>, Problem> {
        let cursor = self.get("cursor").map(str::parse).transpose();
        cursor.map_err(|_| Problem::field("cursor", "malformed", "must be the next_cursor of an earlier page"))
    }

    /// How many items a page may have: `limit`.
    ///
    /// # Errors
    /// When it is no such number.
    pub fn limit(&self) -> Result<usize, Problem> {
        let number = self.get("limit").map_or(Some(PAGE), |text| text.parse().ok());
        let number = number.filter(|number| (1..=PAGE_MAX).contains(number));
        let number = number.and_then(|number| usize::try_from(number).ok());
        number.ok_or_else(|| Problem::field("limit", "out_of_range", &format!("must be a number from 1 to {PAGE_MAX}")))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize, Debug)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only parsed")]
    struct Login {
        username: String,
        password: String,
    }

    #[test]
    fn each_fault_of_a_body_has_its_code_and_shows_no_value() {
        let code = |text: &str| parse::<Login>(text.as_bytes()).unwrap_err();
        assert_eq!(code("{").code, "malformed_json");
        assert_eq!(code("").code, "missing_field");
        assert_eq!(code(r#"{"username":"a","password":"b","x":1}"#).code, "unknown_field");
        let wrong = parse::<Login>(br#"{"username":"a","password":12345678}"#).unwrap_err();
        assert_eq!(wrong.code, "wrong_type");
        assert!(!wrong.detail.contains("12345678"), "{}", wrong.detail);
    }
}
