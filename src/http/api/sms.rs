//! Texts to phones: send one to see that it works.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::text;
use crate::directory::audit::{Author, Target};
use crate::directory::field::Phone;
use crate::directory::quota::Quota;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::Body;
use crate::http::state::App;
use crate::store::StoreError;
use crate::store::audit::{self, Entry};
use crate::store::quotas::{self, Full};
use crate::store::tx::Tx;

/// Where to send a text.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    /// The number.
    #[schemars(with = "Phone")]
    to: String,
    /// Only by this provider.
    #[serde(default)]
    provider: Option<String>,
}

/// Sends one text, and tells what each provider said. It counts against the same limits as codes.
pub async fn test(State(app): State<App>, caller: Caller, Body(wish): Body<Wish>) -> Result<Json<Value>, Problem> {
    let to = Phone::parse(&wish.to).map_err(|fault| Problem::fields(vec![fault]))?.as_str().to_owned();
    let missing = || Problem::new(StatusCode::CONFLICT, "no_provider", "no [[sms.providers]] is configured");
    let texts = app.texts.clone().ok_or_else(missing)?;
    let providers = texts.providers();
    if wish.provider.as_ref().is_some_and(|name| !providers.contains(name)) {
        return Err(Problem::field("provider", "unknown", &format!("is none of {}", providers.join(", "))));
    }
    let policy = texts.policy();
    if !policy.admits(&to) {
        let why = "begins with nothing that sms.calling_codes names: no text may go there";
        return Err(Problem::field("to", "not_admitted", why));
    }
    let (author, daily, number) = (caller.author(), policy.daily_limit, to.clone());
    let counted = app.store.write(move |tx: &mut Tx<'_>| count(tx, &author, &number, daily)).await?;
    counted.map_err(full)?;
    // A task of its own: a caller who hangs up does not cut it in half.
    let trying = tokio::spawn(async move { texts.test(to, wish.provider).await });
    let items = trying.await.map_err(|_| StoreError::Stopped)?;
    Ok(Json(json!({"items": items})))
}

fn count(tx: &mut Tx<'_>, author: &Author, to: &str, daily: u32) -> Result<Result<(), Full>, StoreError> {
    let taken = quotas::take(tx, &[Quota::Number(to), Quota::All(daily)])?;
    if taken.is_ok() {
        let mut entry = Entry::new("sms.tested", Target::Directory);
        entry.details.insert("to".to_owned(), text::masked(to).into());
        audit::append(tx, author, entry)?;
    }
    Ok(taken)
}

fn full(full: Full) -> Problem {
    let what = if full.quota == "all" { "the texts of a day (sms.daily_limit)" } else { "texts to this number" };
    let wait = full.wait.max(Duration::from_secs(1));
    let detail = format!("the limit of {what} is reached: try again in {} s", wait.as_secs());
    Problem { retry_after: Some(wait), ..Problem::new(StatusCode::TOO_MANY_REQUESTS, "too_many_messages", detail) }
}
