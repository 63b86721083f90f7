//! `POST /api/v1/authenticate` and its next steps.

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::factors::Response;
use crate::auth::login::{LoginError, Outcome};
use crate::auth::prove::{Chosen, Given, Wish};
use crate::base::id::FactorId;
use crate::base::secret::Secret;
use crate::base::text;
use crate::directory::factor::{self, Method};
use crate::directory::login::Stage;
use crate::http::api::users::view;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, Segment};
use crate::http::openapi::bodies::{self, FactorName};
use crate::http::openapi::cases::{Cases, Clause, one_holds};
use crate::http::state::App;
use crate::store::StoreError;
use crate::store::credentials::Factor;

/// A name and a password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    username: String,
    password: Secret,
    /// The address of the client, from an application that logs users in on their behalf.
    #[serde(default)]
    client_ip: Option<std::net::IpAddr>,
    /// The token of a device that was trusted before.
    #[serde(default)]
    device: Option<Secret>,
}

/// Which second factor is meant is said.
const NAMED: Cases = &[&[Clause::Given("method")], &[Clause::Given("factor")]];
/// An answer says something; a face needs no words.
const ANSWERED: Cases = &[&[Clause::Given("code")], &[Clause::Given("credential")], &[Clause::Is("method", &["face"])]];

/// Which second factor is meant: a method, or one factor of several.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
#[schemars(transform = one_holds(NAMED))]
pub struct Choice {
    #[schemars(with = "Option<FactorName>")]
    method: Option<String>,
    factor: Option<FactorId>,
}

/// Which second factor to enrol.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("required" = ["method"]))]
pub struct Enrolling {
    #[schemars(with = "FactorName")]
    method: Option<String>,
    /// The person agrees to what the method keeps of them.
    consent: bool,
}

/// The answer for a second factor.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
#[schemars(transform = one_holds(ANSWERED))]
pub struct Answer {
    #[schemars(with = "Option<FactorName>")]
    method: Option<String>,
    factor: Option<FactorId>,
    /// The code that was typed.
    code: Option<Secret>,
    /// What an authenticator made of a challenge.
    credential: Option<Value>,
    /// Trust this device from now on, where the settings allow it.
    trust_device: bool,
}

impl Choice {
    /// Parses it; one of both must be there, so that an empty body does nothing.
    ///
    /// # Errors
    /// 400 for an unknown method, or none.
    pub fn named(&self) -> Result<Chosen, Problem> {
        match self.chosen()? {
            chosen if chosen == Chosen::default() => Err(no_method()),
            chosen => Ok(chosen),
        }
    }

    /// Parses it.
    ///
    /// # Errors
    /// 400 for an unknown method.
    pub fn chosen(&self) -> Result<Chosen, Problem> {
        let method = self.method.as_deref().map(method_of).transpose()?;
        Ok(Chosen { method, factor: self.factor })
    }
}

impl Answer {
    fn parse(self) -> Result<(Chosen, Given), Problem> {
        let chosen = Choice { method: self.method, factor: self.factor }.chosen()?;
        let response = response_of(chosen, self.code, self.credential)?;
        Ok((chosen, Given { response, trust_device: self.trust_device }))
    }
}

/// What was given to prove a factor; a face alone needs nothing from here.
///
/// # Errors
/// 400 where nothing was given.
pub fn response_of(chosen: Chosen, code: Option<Secret>, credential: Option<Value>) -> Result<Response, Problem> {
    if code.is_none() && credential.is_none() && chosen.method != Some(Method::Face) {
        return Err(Problem::field("code", "missing", "must be sent: the code, or what the authenticator gave"));
    }
    Ok(Response { code, credential })
}

fn no_method() -> Problem {
    Problem::field("method", "missing", "must be sent: one of methods")
}

/// The second factor of that name.
///
/// # Errors
/// 400 for an unknown one.
pub fn method_of(name: &str) -> Result<Method, Problem> {
    let names = || Method::FACTORS.map(|(name, _)| name).join(", ");
    Method::by_name(name)
        .ok_or_else(|| Problem::field("method", "unknown_method", &format!("must be one of {}", names())))
}

/// A new password.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NewPassword {
    #[schemars(with = "bodies::NewPassword")]
    password: Secret,
}

/// Begins a login.
pub async fn authenticate(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<Credentials>,
) -> Result<Json<Value>, Problem> {
    let origin = caller.on_behalf_of(body.client_ip)?;
    let auth = app.auth.clone();
    let outcome =
        to_its_end(
            async move { auth.authenticate(&body.username, &body.password, body.device.as_ref(), &origin).await },
        )
        .await?;
    answer(&app, outcome).map(Json)
}

/// Has a second factor asked for: a code sent, a passkey's challenge made.
pub async fn challenge(
    State(app): State<App>,
    Segment(transaction): Segment<Secret>,
    caller: Caller,
    Body(choice): Body<Choice>,
) -> Result<Json<Value>, Problem> {
    let chosen = choice.named()?;
    let (method, shown, login) = app.auth.challenge(&transaction, chosen, &caller.origin).await?;
    app.send_soon();
    let status = match login.stage {
        Stage::Enrolment => "mfa_enrolment_required",
        Stage::Factor | Stage::PasswordChange(_) => "mfa_required",
    };
    let shown = shown.with("status", status).with("method", method.name()).with("expires_at", json!(login.expires_at));
    Ok(Json(Value::Object(shown.0)))
}

/// Proves a second factor.
pub async fn verify(
    State(app): State<App>,
    Segment(transaction): Segment<Secret>,
    caller: Caller,
    Body(answered): Body<Answer>,
) -> Result<Json<Value>, Problem> {
    let (chosen, given) = answered.parse()?;
    let (auth, origin) = (app.auth.clone(), caller.origin);
    let step = async move { auth.verify_factor(&transaction, chosen, given, &origin).await };
    let outcome = to_its_end(step).await?;
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
    caller: Caller,
    Body(wish): Body<Enrolling>,
) -> Result<Json<Value>, Problem> {
    let method = method_of(wish.method.as_deref().ok_or_else(no_method)?)?;
    let wish = Wish { method: Some(method), consent: wish.consent };
    let (method, enrolment) = app.auth.enrol(&transaction, wish, &caller.origin).await?;
    app.send_soon();
    let shown = enrolment.shown.with("method", method.name()).with("factor", json!(enrolment.factor));
    Ok(Json(Value::Object(shown.0)))
}

/// Runs to its end, though the caller hangs up: what was counted is settled, and a backend that did not answer is noted.
///
/// # Errors
/// Those of the work.
pub(super) async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, LoginError>> + Send + 'static,
) -> Result<T, Problem> {
    match tokio::spawn(work).await {
        Ok(outcome) => Ok(outcome?),
        Err(_) => Err(LoginError::Store(StoreError::Stopped).into()),
    }
}

/// What a login has come to, in the contract's words.
pub(super) fn answer(app: &App, outcome: Outcome) -> Result<Value, Problem> {
    app.metrics.login(match &outcome {
        Outcome::Granted { .. } => "authenticated",
        Outcome::Asked { stage: Stage::Factor, .. } => "mfa_required",
        Outcome::Asked { stage: Stage::Enrolment, .. } => "mfa_enrolment_required",
        Outcome::Asked { stage: Stage::PasswordChange(_), .. } => "password_change_required",
    });
    let (transaction, stage, expires_at, user, factors) = match outcome {
        Outcome::Granted { user, token, session, device } => {
            let mut answer = json!({
                "status": "authenticated",
                "user": view::user(app, &user)?,
                "session": {"token": token.expose(), "expires_at": session.expires_at},
                "authenticated_by": session.authenticated_by,
                "factors": session.methods,
                "amr": factor::amr(&session.methods),
                "acr": factor::acr(&session.methods),
            });
            if let (Some(answer), Some((token, expires_at))) = (answer.as_object_mut(), device) {
                let device = json!({"token": token.expose(), "expires_at": expires_at});
                answer.insert("device".to_owned(), device);
            }
            return Ok(answer);
        }
        Outcome::Asked { transaction, stage, expires_at, user, factors } => {
            (transaction, stage, expires_at, user, factors)
        }
    };
    let mut answer = json!({"transaction": transaction.expose(), "expires_at": expires_at});
    let more = match stage {
        Stage::Factor => json!({
            "status": "mfa_required",
            "methods": methods(&factors),
            "factors": factors.iter().map(asked_view).collect::<Vec<_>>(),
            "may_trust_device": app.auth.settings.mfa.trusted_device.is_some(),
        }),
        Stage::Enrolment => {
            let methods: Vec<&str> = app.auth.factors.to_enrol().into_iter().map(Method::name).collect();
            json!({"status": "mfa_enrolment_required", "methods": methods})
        }
        Stage::PasswordChange(reason) => {
            let rules = app.auth.rules_for(&user)?;
            json!({"status": "password_change_required", "reason": reason.name(), "rules": rules})
        }
    };
    if let (Some(answer), Value::Object(more)) = (answer.as_object_mut(), more) {
        answer.extend(more);
    }
    Ok(answer)
}

/// The names of the methods of some factors, each once, in their order.
fn methods(factors: &[Factor]) -> Vec<&'static str> {
    let mut names: Vec<_> = factors.iter().map(|factor| factor.method().name()).collect();
    names.dedup();
    names
}

/// A factor as it is shown to who has proved the password alone: enough to choose it by.
fn asked_view(factor: &Factor) -> Value {
    json!({
        "id": factor.id,
        "method": factor.method().name(),
        "name": factor.name,
        "sent_to": factor.destination().map(text::masked),
    })
}
