//! One's own name, address, number, and whether a second factor is asked for.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Proving, me};
use crate::base::secret::Secret;
use crate::directory::field::{DisplayName, Email, Phone};
use crate::directory::policy::FactorRule;
use crate::directory::user::{MfaPolicy, double_option};
use crate::http::api::users::answer;
use crate::http::api::users::change::owned;
use crate::http::api::users::fields::Fields;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, IfMatch};
use crate::http::openapi::bodies::OwnPolicy;
use crate::http::state::App;

/// What may be changed. Address, number and policy want a proof.
#[derive(Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Profile {
    #[serde(with = "double_option")]
    #[schemars(with = "DisplayName")]
    name: Option<Option<String>>,
    #[serde(with = "double_option")]
    #[schemars(with = "Option<Email>")]
    email: Option<Option<String>>,
    #[serde(with = "double_option")]
    #[schemars(with = "Option<Phone>")]
    phone: Option<Option<String>>,
    #[schemars(with = "Option<OwnPolicy>")]
    mfa: Option<MfaPolicy>,
    current_password: Option<Secret>,
    proof: Option<Proving>,
}

/// Changes the profile.
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    IfMatch(revision): IfMatch,
    Body(profile): Body<Profile>,
) -> Result<Response, Problem> {
    let me = me(&caller)?;
    if let Some(wish) = profile.mfa {
        may_choose(&app, &me.user, wish)?;
    }
    let Profile { name, email, phone, mfa, current_password, proof } = profile;
    let wants_proof = email.is_some() || phone.is_some() || mfa.is_some();
    let fields = Fields { name, email, phone, mfa: mfa.map(Some), ..Fields::default() };
    owned(&app, &me.user, &fields)?;
    let change = fields.read(&app, &caller)?.user;
    let proof = with_password(proof, current_password).proof()?;
    let user = app.auth.change_own(&me, revision, change, wants_proof.then_some(&proof)).await?;
    answer(&app, &user)
}

/// A proof with the password that stands beside it.
pub(super) fn with_password(proof: Option<Proving>, password: Option<Secret>) -> Proving {
    let proof = proof.unwrap_or_default();
    Proving { current_password: proof.current_password.or(password), ..proof }
}

/// Nobody switches off what others ask of them, and nobody forces themselves: that is an administrator's word.
fn may_choose(app: &App, user: &crate::directory::user::User, wish: MfaPolicy) -> Result<(), Problem> {
    if wish == MfaPolicy::Forced {
        return Err(Problem::field("mfa", "not_yours", "must be enabled or disabled: an administrator forces it"));
    }
    let (rule, cause) = app.auth.factor_rule(user)?;
    if rule == FactorRule::Required {
        let detail = format!("a second factor is asked of you by {}: you cannot change that", cause.describe());
        return Err(Problem::new(StatusCode::FORBIDDEN, "mfa_enforced", detail));
    }
    Ok(())
}
