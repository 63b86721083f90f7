//! One's own second factors: enrolled, named, removed after a fresh proof, and the codes for the day they are lost.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::profile::with_password;
use super::{Proving, me, renewed};
use crate::auth::factors::{Shown, recovery};
use crate::auth::prove;
use crate::base::id::FactorId;
use crate::base::secret::Secret;
use crate::base::text;
use crate::directory::factor::Method;
use crate::directory::field::DisplayName;
use crate::directory::user::User;
use crate::http::api::login::{Choice, method_of, response_of};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, Segment};
use crate::http::openapi::bodies::FactorName;
use crate::http::reply::Located;
use crate::http::state::App;
use crate::store::credentials::{self, Factor};

/// What to enrol, and the proof of who asks.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Wish {
    /// The method; a one-time password unless told.
    #[schemars(with = "Option<FactorName>")]
    method: Option<String>,
    /// The person agrees to what the method keeps of them.
    consent: bool,
    current_password: Option<Secret>,
    proof: Option<Proving>,
}

/// The first answer of a factor that is being enrolled.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub struct First {
    code: Option<Secret>,
    credential: Option<Value>,
}

/// A new name.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Name {
    #[schemars(with = "DisplayName")]
    name: String,
}

/// A factor as its owner and administrators see it.
#[must_use]
pub fn factor_view(factor: &Factor, user: &User) -> Value {
    json!({
        "id": factor.id,
        "kind": factor.method().name(),
        "name": factor.name,
        "created_at": factor.created_at,
        "used_at": factor.used_at,
        "sent_to": factor.destination().map(text::masked),
        "usable": factor.stands_for(user),
        "consented_at": factor.consented_at(),
    })
}

/// A user's second factors, and what stands in for one.
///
/// # Errors
/// When the store cannot read.
pub fn factors_view(app: &App, user: &User) -> Result<Shown, Problem> {
    let view = app.store.view();
    let factors = credentials::factors(&view, user.id)?;
    let shown = factors.iter().filter(|factor| factor.confirmed && factor.method() != Method::Recovery);
    let items: Vec<Value> = shown.map(|factor| factor_view(factor, user)).collect();
    let left = recovery::left(&view, user.id)?;
    Ok(Shown::default().with("items", items).with("recovery_codes_left", json!(left)))
}

/// The second factors.
pub async fn list(State(app): State<App>, caller: Caller) -> Result<Json<Value>, Problem> {
    let can: Vec<&str> = app.auth.factors.to_enrol().into_iter().map(Method::name).collect();
    let shown = factors_view(&app, &caller.user()?.0)?.with("can_enrol", can);
    Ok(Json(Value::Object(shown.0)))
}

/// Begins to enrol a factor; it counts once its first answer has confirmed it.
pub async fn enrol(State(app): State<App>, caller: Caller, Body(wish): Body<Wish>) -> Result<Response, Problem> {
    let wanted = prove::Wish { method: wish.method.as_deref().map(method_of).transpose()?, consent: wish.consent };
    let proof = with_password(wish.proof, wish.current_password).proof()?;
    let (method, enrolment) = app.auth.enrol_factor(&me(&caller)?, wanted, &proof).await?;
    app.send_soon();
    let shown = enrolment.shown.with("id", json!(enrolment.factor)).with("method", method.name());
    Ok(Located(format!("/api/v1/me/factors/{}", enrolment.factor), Value::Object(shown.0)).into())
}

/// Has the factor that is being enrolled asked for again: another code, another challenge.
pub async fn challenge_enrolment(
    State(app): State<App>,
    caller: Caller,
    Segment(factor): Segment<FactorId>,
) -> Result<Json<Value>, Problem> {
    let (method, shown) = app.auth.challenge_enrolment(&me(&caller)?, factor).await?;
    app.send_soon();
    Ok(Json(Value::Object(shown.with("method", method.name()).0)))
}

/// Has a second factor asked for, to prove who asks for a change.
pub async fn challenge(
    State(app): State<App>,
    caller: Caller,
    Body(choice): Body<Choice>,
) -> Result<Json<Value>, Problem> {
    let (method, shown) = app.auth.challenge_own(&me(&caller)?, choice.named()?).await?;
    app.send_soon();
    Ok(Json(Value::Object(shown.with("method", method.name()).0)))
}

/// Confirms a factor by its first answer. Every session ends; this one goes on under the token in the answer.
pub async fn confirm(
    State(app): State<App>,
    caller: Caller,
    Segment(factor): Segment<FactorId>,
    Body(first): Body<First>,
) -> Result<Json<Value>, Problem> {
    let me = me(&caller)?;
    let method = credentials::factor(&app.store.view(), me.user.id, factor)?.map(|factor| factor.method());
    let chosen = prove::Chosen { method, factor: Some(factor) };
    let response = response_of(chosen, first.code, first.credential)?;
    app.auth.confirm_factor(&me, factor, response).await.map(|session| Json(renewed(&session))).map_err(Into::into)
}

/// Gives a factor another name.
pub async fn rename(
    State(app): State<App>,
    caller: Caller,
    Segment(factor): Segment<FactorId>,
    Body(body): Body<Name>,
) -> Result<StatusCode, Problem> {
    let name = DisplayName::parse(&body.name).map_err(|fault| Problem::fields(vec![fault]))?;
    app.auth.rename_factor(&me(&caller)?, factor, name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Removes a factor after a fresh proof; refused where policy wants it. Every session ends; this one goes on under the
/// token in the answer.
pub async fn remove(
    State(app): State<App>,
    caller: Caller,
    Segment(factor): Segment<FactorId>,
    Body(proving): Body<Proving>,
) -> Result<Json<Value>, Problem> {
    let session = app.auth.remove_factor(&me(&caller)?, factor, &proving.proof()?).await?;
    Ok(Json(renewed(&session)))
}

/// How many recovery codes are left.
pub async fn recovery_codes(State(app): State<App>, caller: Caller) -> Result<Json<Value>, Problem> {
    let left = recovery::left(&app.store.view(), caller.user()?.0.id)?;
    Ok(Json(json!({"left": left.unwrap_or(0)})))
}

/// Makes new recovery codes, shown once; the old ones are over.
pub async fn new_recovery_codes(
    State(app): State<App>,
    caller: Caller,
    Body(proving): Body<Proving>,
) -> Result<Response, Problem> {
    let made = app.auth.new_recovery_codes(&me(&caller)?, &proving.proof()?).await?;
    Ok(Located("/api/v1/me/recovery-codes".to_owned(), Value::Object(made.shown.0)).into())
}
