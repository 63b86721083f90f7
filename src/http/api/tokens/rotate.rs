//! A new text for a token that stays what it is; the text before works on for a while.
//!
//! Whoever carries a token sees it and rotates it themselves, by the text that it has now: one from before gives nobody
//! a newer one. Of others it rotates what it made, and a user their own, so that whatever anybody comes to know ends with
//! them. A provider's token is rotated by who may make one.

use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;

use super::asker::{Asker, must_be_in};
use super::{new_text, view};
use crate::base::clock::plus;
use crate::base::secret::{TokenKind, hash_token};
use crate::directory::token::{ApiToken, Text};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, Segment};
use crate::http::middleware::access::bearer;
use crate::http::openapi::bodies::UpTo;
use crate::http::reply::Tagged;
use crate::http::state::App;
use crate::store::tokens;
use crate::store::tx::Tx;
use crate::tasks::schedule::parse_duration;

/// How long the text before works unless told.
const OVERLAP: Duration = Duration::from_secs(24 * 3_600);
/// The longest that may be told.
const OVERLAP_MOST: Duration = Duration::from_secs(7 * 24 * 3_600);

/// How to rotate.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// How long the text before works, such as `24h`; `0s`: it ends at once.
    #[serde(default)]
    #[schemars(with = "Option<UpTo<{ OVERLAP_MOST.as_secs() }>>")]
    overlap: Option<String>,
}

/// Rotates a token.
pub async fn rotate(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    headers: HeaderMap,
    Body(wish): Body<Wish>,
) -> Result<Response, Problem> {
    let asker = Asker::managing(&app, &caller, &headers)?;
    let token = asker.find(&app, &name)?;
    if asker.token.as_ref().is_some_and(|own| own.id == token.id) {
        return renew_own(&app, &asker, &headers, &wish).await;
    }
    asker.must_outlast(&app, &token)?;
    renew(&app, &asker, token, &wish).await
}

/// The token that is carried, without its text.
pub async fn own(State(app): State<App>, headers: HeaderMap) -> Result<Response, Problem> {
    let (token, _) = carried(&app, &headers)?;
    view::answer(&app, &token)
}

/// Rotates the token that is carried.
pub async fn rotate_own(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Body(wish): Body<Wish>,
) -> Result<Response, Problem> {
    renew_own(&app, &Asker::now(&app, &caller, &headers)?, &headers, &wish).await
}

async fn renew_own(app: &App, asker: &Asker, headers: &HeaderMap, wish: &Wish) -> Result<Response, Problem> {
    let (token, text) = carried(app, headers)?;
    if text == Text::Previous {
        let detail = "the token has a newer text than yours, and only that one rotates it: ask an administrator";
        return Err(Problem::new(StatusCode::CONFLICT, "already_rotated", detail));
    }
    renew(app, asker, token, wish).await
}

/// What the header shows, as the guard of the route saw it.
fn carried(app: &App, headers: &HeaderMap) -> Result<(ApiToken, Text), Problem> {
    let hash = bearer(headers).and_then(|text| hash_token(TokenKind::Api, text));
    let hash = hash.ok_or_else(Problem::unauthenticated)?;
    let (token, text) = tokens::carried(&app.store, hash)?.ok_or_else(Problem::unauthenticated)?;
    Ok((ApiToken::clone(&token), text))
}

async fn renew(app: &App, asker: &Asker, token: ApiToken, wish: &Wish) -> Result<Response, Problem> {
    let now = app.store.clock().now();
    if !token.is_live(now) {
        let detail = "the token has ended: give it another end first";
        return Err(Problem::new(StatusCode::CONFLICT, "wrong_state", detail));
    }
    let until = plus(now, overlap(wish)?);
    let (text, kept) = new_text(app)?;
    let (author, right) = (asker.caller.author(), asker.right());
    // What was looked at is what is rotated: else it might open more by then.
    let expected = (token.id, token.revision);
    let write = move |tx: &mut Tx<'_>| {
        must_be_in(tx, &right)?;
        tokens::rotate(tx, &author, expected, kept.clone(), until).map_err(Problem::from)
    };
    let rotated = app.store.write(write).await?;
    let mut answer = view::token(app, &rotated)?;
    view::add_text(&mut answer, &text);
    Ok(Tagged(rotated.revision, answer).into())
}

fn overlap(wish: &Wish) -> Result<Duration, Problem> {
    let Some(text) = &wish.overlap else { return Ok(OVERLAP) };
    let overlap = parse_duration(text).map_err(|why| Problem::field("overlap", "malformed", &why))?;
    if overlap > OVERLAP_MOST {
        return Err(Problem::field("overlap", "out_of_range", "must be a week (7d) at most"));
    }
    Ok(overlap)
}
