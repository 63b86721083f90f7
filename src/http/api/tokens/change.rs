//! Changing a token: a merge patch (RFC 7396) of what is written.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use super::asker::{Asker, must_be_in};
use super::{NAME_MAX, end, name, networks, scopes, view};
use crate::base::network::Network;
use crate::directory::token::{ApiToken, Grant, NETWORKS};
use crate::directory::user::double_option;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, IfMatch, Segment};
use crate::http::openapi::bodies::{Line, NetworkText, TokenScope};
use crate::http::state::App;
use crate::store::tokens;
use crate::store::tx::Tx;

/// What to change; an absent member is left alone.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// What people call it.
    #[serde(default)]
    #[schemars(with = "Option<Line<NAME_MAX>>")]
    name: Option<String>,
    /// Permissions by name, in place of those that it has.
    #[serde(default)]
    #[schemars(with = "Option<Vec<TokenScope>>", length(min = 1))]
    scopes: Option<Vec<String>>,
    /// Where it may be used from; null or none: from everywhere.
    #[serde(default, with = "double_option")]
    #[schemars(with = "Option<Vec<NetworkText>>", length(max = NETWORKS))]
    networks: Option<Option<Vec<String>>>,
    /// When it ends; null: never.
    #[serde(default, with = "double_option")]
    #[schemars(with = "Option<Timestamp>")]
    expires_at: Option<Option<Timestamp>>,
}

/// Changes a token.
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    IfMatch(revision): IfMatch,
    headers: HeaderMap,
    Body(wish): Body<Change>,
) -> Result<Response, Problem> {
    let asker = Asker::managing(&app, &caller, &headers)?;
    let token = asker.find(&app, &name)?;
    let wanted = parse(&app, &asker, &token, wish)?;
    let new = wanted.clone().of(token.clone());
    let opens_more = !new.grant.permissions().is_subset(token.grant.permissions());
    if opens_more || !new.lies_within(&token) {
        asker.must_outlast(&app, &token)?;
    }
    // What was looked at is what is changed: else it might open more by then.
    let expected = revision.or(Some(token.revision));
    let (author, right) = (asker.caller.author(), asker.right());
    let write = move |tx: &mut Tx<'_>| {
        must_be_in(tx, &right)?;
        let wanted = wanted.clone();
        let changed = tokens::change(tx, &author, token.id, expected, |token| wanted.of(token));
        changed.map_err(Problem::from)
    };
    view::answer(&app, &app.store.write(write).await?)
}

/// What is wanted, parsed.
#[derive(Clone)]
struct Wanted {
    name: Option<String>,
    grant: Option<Grant>,
    networks: Option<Vec<Network>>,
    expires_at: Option<Option<Timestamp>>,
}

impl Wanted {
    /// The token as it is wanted.
    fn of(self, token: ApiToken) -> ApiToken {
        ApiToken {
            name: self.name.unwrap_or(token.name),
            grant: self.grant.unwrap_or(token.grant),
            networks: self.networks.unwrap_or(token.networks),
            expires_at: self.expires_at.unwrap_or(token.expires_at),
            ..token
        }
    }
}

fn parse(app: &App, asker: &Asker, token: &ApiToken, wish: Change) -> Result<Wanted, Problem> {
    let (caller, own) = (&asker.caller, asker.token.as_ref());
    let now = app.store.clock().now();
    let grant = wish.scopes.map(|names| match &token.grant {
        Grant::Scim(_) => Err(Problem::field("scopes", "not_of_scopes", "the token is a provider's, and has none")),
        Grant::Scopes(_) if names.is_empty() => Err(Problem::field("scopes", "required", "must hold a permission")),
        Grant::Scopes(_) => scopes(caller, &names).map(Grant::Scopes),
    });
    let of_networks = |texts: Option<Vec<String>>| networks(own, &texts.unwrap_or_default());
    Ok(Wanted {
        name: wish.name.as_deref().map(name).transpose()?,
        grant: grant.transpose()?,
        networks: wish.networks.map(of_networks).transpose()?,
        expires_at: wish.expires_at.map(|wish| end(own, wish, now)).transpose()?,
    })
}
