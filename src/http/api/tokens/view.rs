//! Tokens as they are shown.

use axum::response::Response;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::base::secret::Secret;
use crate::directory::token::{ApiToken, Grant};
use crate::http::error::Problem;
use crate::http::middleware::access::current_owner;
use crate::http::reply::Tagged;
use crate::http::state::App;
use crate::store::StoreError;

/// Does it open anything by now, and if not, why?
fn state(app: &App, token: &ApiToken, now: Timestamp) -> Result<&'static str, StoreError> {
    let is_out = |owner| Ok::<_, StoreError>(current_owner(app, owner, token.owner_epoch)?.is_none());
    Ok(match token.owner {
        _ if !token.is_live(now) => "expired",
        Some(owner) if is_out(owner)? => "owner_out",
        _ => "active",
    })
}

/// A token, without its text.
///
/// # Errors
/// When the store cannot read.
pub(super) fn token(app: &App, token: &ApiToken) -> Result<Value, StoreError> {
    let now = app.store.clock().now();
    let source = match &token.grant {
        Grant::Scopes(_) => None,
        Grant::Scim(source) => Some(source),
    };
    let previous = token.previous.as_ref();
    Ok(json!({
        "id": token.id,
        "name": token.name,
        "kind": token.grant.kind(),
        "state": state(app, token, now)?,
        "prefix": token.prefix,
        "scopes": token.grant.scope_names(),
        "source": source,
        "profile": source.map(|_| token.profile.name()),
        "networks": token.networks,
        "owner": token.owner,
        "made_by": token.made_by,
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "expired": !token.is_live(now),
        "last_used_at": token.last_used_at,
        "rotated_at": token.rotated_at,
        "previous_prefix": previous.map(|previous| &previous.prefix),
        "previous_until": previous.map(|previous| previous.until),
        "previous_last_used_at": previous.and_then(|previous| previous.last_used_at),
        "refused": token.refused,
    }))
}

/// Adds the text, which is shown this once.
pub(super) fn add_text(shown: &mut Value, text: &Secret) {
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("token".to_owned(), text.expose().into());
    }
}

/// Adds what is typed into the provider's settings.
pub(super) fn add_setup(shown: &mut Value, fields: Vec<(&'static str, String)>, base_url: String) {
    if let Some(shown) = shown.as_object_mut() {
        let fields = fields.into_iter().map(|(field, value)| json!({"field": field, "value": value}));
        shown.insert("setup".to_owned(), fields.collect());
        shown.insert("base_url".to_owned(), base_url.into());
    }
}

/// A token as an answer, at its revision.
///
/// # Errors
/// When the store cannot read.
pub(super) fn answer(app: &App, token: &ApiToken) -> Result<Response, Problem> {
    Ok(Tagged(token.revision, self::token(app, token)?).into())
}
