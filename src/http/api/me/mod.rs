//! Self-service: what a user may see and change of their own.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::own::{Me, Proof, Renewed};
use crate::auth::prove::Chosen;
use crate::base::id::{DeviceId, FactorId, SessionId};
use crate::base::secret::Secret;
use crate::http::api::login::{method_of, response_of};
use crate::http::api::session::session_view;
use crate::http::api::users::{answer, view};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, Segment};
use crate::http::openapi::bodies::{FactorName, NewPassword};
use crate::http::openapi::cases::Clause::{Given, Is, Without};
use crate::http::openapi::cases::{Cases, one_holds};
use crate::http::state::App;

pub mod factors;
pub mod profile;

/// The old password and the new one.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PasswordChange {
    current_password: Secret,
    #[schemars(with = "NewPassword")]
    password: Secret,
    /// Of the second factor, where there is one.
    #[serde(default)]
    proof: Option<Proving>,
}

/// Where a factor is named, its answer stands there; a face needs none.
const ANSWERED: Cases =
    &[&[Given("code")], &[Given("credential")], &[Is("method", &["face"])], &[Without("method"), Without("factor")]];

/// A fresh proof of who asks: the password, or where there is a second factor, that.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
#[schemars(transform = one_holds(ANSWERED))]
pub struct Proving {
    /// The password.
    pub current_password: Option<Secret>,
    /// Which second factor, by its method.
    #[schemars(with = "Option<FactorName>")]
    pub method: Option<String>,
    /// Which of several.
    pub factor: Option<FactorId>,
    /// The code that was typed.
    pub code: Option<Secret>,
    /// What an authenticator made of a challenge.
    pub credential: Option<Value>,
}

impl Proving {
    /// Parses it.
    ///
    /// # Errors
    /// 400 for an unknown method, or a method without an answer.
    pub fn proof(self) -> Result<Proof, Problem> {
        let method = self.method.as_deref().map(method_of).transpose()?;
        let chosen = Chosen { method, factor: self.factor };
        let response = match chosen == Chosen::default() && self.code.is_none() && self.credential.is_none() {
            true => crate::auth::factors::Response::default(),
            false => response_of(chosen, self.code, self.credential)?,
        };
        Ok(Proof { password: self.current_password, chosen, response })
    }
}

/// The caller, who has a session.
fn me(caller: &Caller) -> Result<Me, Problem> {
    let (user, session) = caller.user()?.clone();
    Ok(Me { user, session, origin: caller.origin.clone() })
}

/// The session that goes on, with its new token.
fn renewed(renewed: &Renewed) -> Value {
    json!({"session": {"token": renewed.token.expose(), "expires_at": renewed.session.expires_at}})
}

/// The user.
pub async fn show(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    answer(&app, &caller.user()?.0)
}

/// Changes the password; the old one is the proof, and of who has a second factor that too. A wrong one counts as a
/// failed login.
pub async fn password(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<PasswordChange>,
) -> Result<StatusCode, Problem> {
    let proof = body.proof.unwrap_or_default().proof()?;
    app.auth.change_own_password(&me(&caller)?, &body.current_password, &body.password, &proof).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What the user's password must be.
pub async fn password_rules(State(app): State<App>, caller: Caller) -> Result<Json<Value>, Problem> {
    Ok(Json(app.auth.rules_for(&caller.user()?.0)?))
}

/// The sessions.
pub async fn sessions(State(app): State<App>, caller: Caller) -> Result<Json<Value>, Problem> {
    let (user, current) = caller.user()?;
    let sessions = app.auth.sessions_of(user)?.into_iter().map(|session| {
        let mut shown = session_view(&session);
        if let Some(shown) = shown.as_object_mut() {
            shown.insert("current".to_owned(), (session.id == current.id).into());
        }
        shown
    });
    Ok(Json(json!({"items": sessions.collect::<Vec<_>>()})))
}

/// Ends one of the sessions.
pub async fn end_session(
    State(app): State<App>,
    caller: Caller,
    Segment(session): Segment<SessionId>,
) -> Result<StatusCode, Problem> {
    let (user, _) = caller.user()?.clone();
    if app.auth.end_session(caller.author(), user, session).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Problem::not_found("session"))
    }
}

/// Ends all sessions but this one.
pub async fn end_other_sessions(State(app): State<App>, caller: Caller) -> Result<Json<Value>, Problem> {
    let (user, current) = caller.user()?.clone();
    let mut ended = 0_usize;
    for session in app.auth.sessions_of(&user)?.into_iter().filter(|session| session.id != current.id) {
        let gone = app.auth.end_session(caller.author(), user.clone(), session.id).await?;
        ended = ended.saturating_add(usize::from(gone));
    }
    Ok(Json(json!({"ended": ended})))
}

/// The devices that are trusted.
pub async fn devices(State(app): State<App>, caller: Caller) -> Result<Json<Value>, Problem> {
    let devices = app.auth.devices_of(&caller.user()?.0)?;
    Ok(Json(json!({"items": devices.iter().map(view::device).collect::<Vec<_>>()})))
}

/// Trusts a device no more.
pub async fn forget_device(
    State(app): State<App>,
    caller: Caller,
    Segment(device): Segment<DeviceId>,
) -> Result<StatusCode, Problem> {
    match app.auth.forget_devices(caller.author(), &caller.user()?.0, Some(device)).await? {
        0 => Err(Problem::not_found("device")),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

/// Trusts no device any more.
pub async fn forget_devices(State(app): State<App>, caller: Caller) -> Result<Json<Value>, Problem> {
    let forgotten = app.auth.forget_devices(caller.author(), &caller.user()?.0, None).await?;
    Ok(Json(json!({"forgotten": forgotten})))
}
