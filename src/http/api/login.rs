//! `POST /api/v1/authenticate` and its next steps, and the password link.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::login::Outcome;
use crate::base::secret::Secret;
use crate::directory::factor;
use crate::directory::login::{PasswordReason, Stage};
use crate::directory::permission::Permission;
use crate::http::api::users::view;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, Segment};
use crate::http::state::App;

/// A name and a password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    username: String,
    password: Secret,
    /// The address of the client, from an application that logs users in on their behalf.
    #[serde(default)]
    client_ip: Option<std::net::IpAddr>,
}

/// A code of a second factor.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Code {
    #[serde(default = "totp")]
    method: String,
    code: Secret,
}

fn totp() -> String {
    "totp".to_owned()
}

/// A new password.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    password: Secret,
}

/// The kind of factor to enrol.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Method {
    #[serde(default = "totp")]
    method: String,
}

/// A password link's token, and the password that it sets.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LinkUse {
    token: Secret,
    password: Secret,
}

/// Begins a login.
pub async fn authenticate(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<Credentials>,
) -> Result<Json<Value>, Problem> {
    let mut origin = caller.origin.clone();
    if let Some(address) = body.client_ip {
        caller.must(Permission::LoginAuthenticate)?;
        origin.address = Some(address);
    }
    let outcome = app.auth.authenticate(&body.username, &body.password, &origin).await?;
    answer(&app, outcome).map(Json)
}

/// Tells what a login waits for; sends a code where the method needs one to be sent.
pub async fn challenge(
    State(app): State<App>,
    Segment(transaction): Segment<Secret>,
    Body(body): Body<Method>,
) -> Result<Json<Value>, Problem> {
    only_totp(&body.method)?;
    let (login, _) = app.auth.challenge(&transaction)?;
    Ok(Json(json!({"status": "mfa_required", "method": "totp", "expires_at": login.expires_at})))
}

/// Proves a second factor.
pub async fn verify(
    State(app): State<App>,
    Segment(transaction): Segment<Secret>,
    caller: Caller,
    Body(body): Body<Code>,
) -> Result<Json<Value>, Problem> {
    only_totp(&body.method)?;
    let outcome = app.auth.verify_code(&transaction, body.code.expose(), &caller.origin).await?;
    answer(&app, outcome).map(Json)
}

/// Sets the new password that a login asks for.
pub async fn password(
    State(app): State<App>,
    Segment(transaction): Segment<Secret>,
    caller: Caller,
    Body(body): Body<NewPassword>,
) -> Result<Json<Value>, Problem> {
    let outcome = app.auth.change_password(&transaction, &body.password, &caller.origin).await?;
    answer(&app, outcome).map(Json)
}

/// Begins to enrol a second factor in a login that asks for one.
pub async fn enrol(
    State(app): State<App>,
    Segment(transaction): Segment<Secret>,
    Body(body): Body<Method>,
) -> Result<Json<Value>, Problem> {
    only_totp(&body.method)?;
    let enrolment = app.auth.enrol(&transaction).await?;
    Ok(Json(json!({
        "method": "totp",
        "factor": enrolment.factor,
        "secret": enrolment.secret.expose(),
        "uri": enrolment.uri.expose(),
    })))
}

/// Sets a password by a link. Signs nobody in.
pub async fn use_link(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<LinkUse>,
) -> Result<StatusCode, Problem> {
    app.auth.use_link(body.token.expose(), &body.password, &caller.origin).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn only_totp(method: &str) -> Result<(), Problem> {
    if method == "totp" { Ok(()) } else { Err(Problem::field("method", "unknown_method", "must be totp")) }
}

/// What a login has come to, in the contract's words.
fn answer(app: &App, outcome: Outcome) -> Result<Value, Problem> {
    let (transaction, stage, expires_at, user) = match outcome {
        Outcome::Granted { user, token, session } => {
            return Ok(json!({
                "status": "authenticated",
                "user": view::user(app, &user)?,
                "session": {"token": token.expose(), "expires_at": session.expires_at},
                "authenticated_by": session.authenticated_by,
                "factors": session.methods,
                "amr": factor::amr(&session.methods),
                "acr": factor::acr(&session.methods),
            }));
        }
        Outcome::Asked { transaction, stage, expires_at, user } => (transaction, stage, expires_at, user),
    };
    let mut answer = json!({"transaction": transaction.expose(), "expires_at": expires_at});
    let more = match stage {
        Stage::Factor => json!({"status": "mfa_required", "methods": ["totp"]}),
        Stage::Enrolment => json!({"status": "mfa_enrolment_required", "methods": ["totp"]}),
        Stage::PasswordChange(reason) => {
            let reason = match reason {
                PasswordReason::MustChange => "must_change",
                PasswordReason::TooWeak => "too_weak",
            };
            let rules = app.auth.rules_for(&user)?;
            json!({"status": "password_change_required", "reason": reason, "rules": rules})
        }
    };
    if let (Some(answer), Value::Object(more)) = (answer.as_object_mut(), more) {
        answer.extend(more);
    }
    Ok(answer)
}
