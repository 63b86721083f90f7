//! Organisations: listed and made.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::id::OrganizationId;
use crate::directory::field::{Description, DisplayName};
use crate::directory::organization::Organization;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::Body;
use crate::http::state::App;
use crate::store::organizations;
use crate::store::tx::Tx;

/// An organisation to make.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    name: String,
    #[serde(default)]
    description: String,
}

/// All organisations by name.
pub async fn list(State(app): State<App>) -> Result<Json<Value>, Problem> {
    Ok(Json(json!({"items": organizations::list(&app.store.view())?})))
}

/// Makes an organisation.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(wish): Body<Wish>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let now = app.store.clock().now();
    let organization = Organization {
        id: OrganizationId::new(now, app.store.rng()),
        name: DisplayName::parse(&wish.name).map_err(|fault| Problem::fields(vec![fault]))?,
        description: Description::parse(&wish.description).map_err(|fault| Problem::fields(vec![fault]))?,
        created_at: now,
        revision: 1,
    };
    let author = caller.author();
    let made = app.store.write(move |tx: &mut Tx<'_>| organizations::create(tx, &author, organization.clone())).await?;
    Ok((StatusCode::CREATED, Json(json!(made))))
}
