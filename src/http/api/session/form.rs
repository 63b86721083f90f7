//! What RFC 7662 §2.1 and RFC 7009 §2.1 send: a token in a form; or the same as JSON.

use axum::extract::Request;
use axum::http::header;
use serde_json::Value;

use crate::base::secret::Secret;
use crate::http::error::Problem;
use crate::http::extract::read_body;
use crate::http::state::App;

/// What says who the caller is stands in the header, and nowhere else (RFC 6750 §2, RFC 6749 §2.3.1).
const ELSEWHERE: &[&str] = &["access_token", "client_secret", "client_assertion"];

/// The token that a request is about.
///
/// # Errors
/// 400 where there is none, or two; or where the body says who the caller is.
pub(super) async fn token(request: Request, app: &App) -> Result<Secret, Problem> {
    let kind = request.headers().get(header::CONTENT_TYPE).map(|kind| kind.to_str().unwrap_or_default().to_owned());
    let bytes = read_body(request, app).await?;
    let pairs: Vec<(String, Option<String>)> = if kind.is_some_and(|kind| kind.contains("json")) {
        let body: serde_json::Map<String, Value> = serde_json::from_slice(&bytes).map_err(|_| missing())?;
        body.into_iter().map(|(name, value)| (name, value.as_str().map(str::to_owned))).collect()
    } else {
        form_urlencoded::parse(&bytes).map(|(name, value)| (name.into_owned(), Some(value.into_owned()))).collect()
    };
    if let Some((name, _)) = pairs.iter().find(|(name, _)| ELSEWHERE.contains(&name.as_str())) {
        return Err(Problem::field(name, "misplaced", "say who you are in the header Authorization only"));
    }
    let mut tokens = pairs.into_iter().filter(|(name, _)| name == "token").map(|(_, value)| value);
    match (tokens.next(), tokens.next()) {
        (Some(Some(token)), None) => Ok(Secret::new(token)),
        (_, Some(_)) => Err(Problem::field("token", "repeated", "must be sent once (RFC 6749 §3.2)")),
        _ => Err(missing()),
    }
}

fn missing() -> Problem {
    Problem::field("token", "missing", "must be sent, as a form or as JSON")
}
