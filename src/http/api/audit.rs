//! The audit trail: looked through newest first, or exported oldest first as it is stored.

use std::io::Write;

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::spawn_blocking;

use super::stream::{LINES, stream};
use crate::base::id::{SourceId, UserId, is_slug_char};
use crate::directory::audit::Actor;
use crate::http::error::Problem;
use crate::http::extract::Parameters;
use crate::http::state::App;
use crate::store::audit::{self, Query, Wanted};
use crate::store::upkeep::backup::BackupError;
use crate::store::{StoreError, users};

/// Longest name of an action, and of a part of musterd.
pub(in crate::http) const NAME_MAX: usize = 64;

/// A page of lines before a line (`cursor`), of those that are asked for. Read off the runtime's threads: it may scan.
pub async fn list(State(app): State<App>, parameters: Parameters) -> Result<Json<Value>, Problem> {
    let (before, limit) = (parameters.cursor()?, parameters.limit()?);
    let query = query(&app, &parameters)?;
    let read = spawn_blocking(move || audit::list(&app.store.view(), &query, before, limit)).await;
    let found = read.unwrap_or(Err(StoreError::Stopped))?;
    Ok(Json(json!({"items": found.lines, "next_cursor": found.before.map(|seq| seq.to_string())})))
}

/// All lines that are asked for, oldest first, each as it is stored: the chain of hashes can be computed again from
/// all of them.
pub async fn export(State(app): State<App>, parameters: Parameters) -> Result<Response, Problem> {
    let query = query(&app, &parameters)?;
    let store = app.store.clone();
    let snapshot = spawn_blocking(move || store.snapshot()).await.unwrap_or(Err(StoreError::Stopped))?;
    Ok(stream(LINES, "an export of the audit trail", move |output| {
        let mut lines = 0_u64;
        audit::each(&snapshot, &query, |line| {
            writeln!(output, "{line}")?;
            lines = lines.saturating_add(1);
            Ok::<_, BackupError>(true)
        })?;
        Ok::<_, BackupError>(lines)
    }))
}

/// What the parameters ask for: `user`, `actor`, `action`, `since`, `until`; none of them asks for everything.
fn query(app: &App, parameters: &Parameters) -> Result<Query, Problem> {
    let time = |name: &str| {
        let time = parameters.get(name).map(str::parse::<Timestamp>).transpose();
        time.map_err(|_| Problem::field(name, "malformed", "must be a time such as 2027-01-31T09:00:00Z"))
    };
    Ok(Query {
        user: parameters
            .get("user")
            .map(|name| user(app, name)?.ok_or_else(|| Problem::not_found("user")))
            .transpose()?,
        actor: parameters.get("actor").map(|text| actor(app, text)).transpose()?,
        action: parameters.get("action").map(action).transpose()?,
        since: time("since")?,
        until: time("until")?,
    })
}

/// The id of a user. By id, the lines of those who are gone can be found too.
fn user(app: &App, name: &str) -> Result<Option<UserId>, StoreError> {
    match name.parse() {
        Ok(id) => Ok(Some(id)),
        Err(_) => Ok(users::by_username(&app.store.view(), name)?.map(|user| user.id)),
    }
}

/// Somebody who did it: `user:NAME` (or the name alone), `token:ID`, `source:ID`, `socket:UID`, `system:PART`,
/// `anonymous`.
fn actor(app: &App, text: &str) -> Result<Wanted, Problem> {
    let known = match text.split_once(':') {
        None if text == "anonymous" => Some(Actor::Anonymous),
        None => Some(known_user(app, text)?),
        Some(("user", name)) => Some(known_user(app, name)?),
        Some(("token", id)) => id.parse().ok().map(|id| Actor::Token { id }),
        Some(("source", id)) => SourceId::parse(id).ok().map(|id| Actor::Source { id, run: None }),
        Some(("socket", uid)) => uid.parse().ok().map(|uid| Actor::Socket { uid }),
        Some(("system", part)) => is_name(part).then(|| Actor::System { part: part.to_owned() }),
        Some(_) => None,
    };
    let message = "must be user:NAME, token:ID, source:ID, socket:UID, system:PART or anonymous";
    known.map(|actor| Wanted::actor(&actor)).ok_or_else(|| Problem::field("actor", "malformed", message))
}

fn known_user(app: &App, name: &str) -> Result<Actor, Problem> {
    let unknown = || Problem::field("actor", "unknown_user", "names nobody: of a user who is gone, give the id");
    user(app, name)?.map(|id| Actor::User { id }).ok_or_else(unknown)
}

/// `user.disabled`, or a family such as `user.*`.
fn action(text: &str) -> Result<String, Problem> {
    let good = text.split_once('.').is_some_and(|(family, rest)| is_name(family) && (rest == "*" || is_name(rest)));
    let message = "must be an action such as user.disabled, or a family of them such as user.*";
    good.then(|| text.to_owned()).ok_or_else(|| Problem::field("action", "malformed", message))
}

fn is_name(text: &str) -> bool {
    (1..=NAME_MAX).contains(&text.len()) && text.chars().all(is_slug_char)
}
