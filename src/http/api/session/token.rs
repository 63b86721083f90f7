//! Signed tokens of a session (RFC 9068), for applications that check them by themselves.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::told;
use crate::auth::jwt::Wish;
use crate::base::secret::Secret;
use crate::directory::session::Session;
use crate::directory::user::User;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::Body;
use crate::http::state::App;
use crate::store::groups;

/// For whom the token is, and of which session: the caller's own, or one whose token an application holds.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Order {
    audience: String,
    #[serde(default)]
    session: Option<Secret>,
}

/// Signs a token for one audience of the settings.
pub async fn issue(State(app): State<App>, caller: Caller, Body(order): Body<Order>) -> Result<Json<Value>, Problem> {
    let held = bearer(&app, &caller, order.session.as_ref())?;
    let (user, session) = &*held;
    let names = groups::names_of(&app.store, user.id)?;
    let groups = app.jwt.settings.groups.then(|| told(&names).to_vec());
    let client = session.client.or(caller.origin.client);
    let signed = app.jwt.issue(&Wish { user, session, audience: &order.audience, client, groups })?;
    Ok(Json(json!({
        "access_token": signed.token.expose(),
        "token_type": "Bearer",
        "expires_in": signed.lifetime.as_secs(),
    })))
}

fn bearer(app: &App, caller: &Caller, shown: Option<&Secret>) -> Result<Arc<(User, Session)>, Problem> {
    match (&caller.session, shown) {
        (Some(own), None) => Ok(own.clone()),
        (Some(_), Some(_)) => {
            Err(Problem::field("session", "misplaced", "is for applications: yours is in the header"))
        }
        (None, None) => Err(Problem::field("session", "missing", "must be the token of the user's session")),
        (None, Some(token)) => {
            let found = app.auth.session(token.expose())?;
            found.ok_or_else(|| Problem::field("session", "ended", "is the token of no session that is valid"))
        }
    }
}
