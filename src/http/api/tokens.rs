//! API tokens: made, listed, changed, rotated, revoked. The text of one is shown once.
//!
//! Nobody makes, changes or rotates a token that opens more than they hold; what a token makes lies within it.
//! `{token}` is the id, or the first characters as lists show them.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use self::asker::{Asker, must_be_in};
use super::users;
use crate::base::id::{SourceId, TokenId};
use crate::base::network::Network;
use crate::base::secret::{Secret, TokenKind, hash_token, new_token};
use crate::base::text;
use crate::directory::field::FieldError;
use crate::directory::permission::{Permission, Permissions};
use crate::directory::token::{ApiToken, Grant, Kind, NETWORKS, Profile};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, Parameters, Segment};
use crate::http::openapi::bodies::{Line, NetworkText, ProfileName, Slug, TokenScope};
use crate::http::openapi::cases::Clause::{Given, Items, NoItems, Without};
use crate::http::openapi::cases::{Cases, one_holds};
use crate::http::reply::{Created, Tagged};
use crate::http::scim::guide;
use crate::http::state::{App, SourceKind};
use crate::store::tokens::NewText;
use crate::store::tx::Tx;
use crate::store::{StoreError, tokens};

mod asker;
pub mod change;
pub mod rotate;
mod view;

/// Characters of a token that are kept to recognise it by.
const PREFIX: usize = 12;
/// Longest name, in characters.
const NAME_MAX: usize = 128;
/// Among scopes: all permissions that the caller holds.
pub(in crate::http) const ALL_HELD: &str = "admin";
/// It opens the API or a source, of which the latter alone has a profile.
const ONE_USE: Cases =
    &[&[Items("scopes"), Without("source"), Without("profile")], &[NoItems("scopes"), Given("source")]];

/// A token to make.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(transform = one_holds(ONE_USE))]
pub struct Wish {
    #[schemars(with = "Line<NAME_MAX>")]
    name: String,
    /// Permissions by name.
    #[serde(default)]
    #[schemars(with = "Vec<TokenScope>")]
    scopes: Vec<String>,
    /// Or the SCIM source whose identity provider carries it.
    #[serde(default)]
    #[schemars(with = "Option<Slug>")]
    source: Option<String>,
    /// How that provider speaks.
    #[serde(default)]
    #[schemars(with = "Option<ProfileName>")]
    profile: Option<String>,
    #[serde(default)]
    expires_at: Option<Timestamp>,
    /// Where it may be used from; none: from everywhere.
    #[serde(default)]
    #[schemars(with = "Vec<NetworkText>", length(max = NETWORKS))]
    networks: Vec<String>,
}

/// A page of tokens, without their texts: of one owner (`owner`), source (`source`) or kind (`kind`).
pub async fn list(State(app): State<App>, caller: Caller, parameters: Parameters) -> Result<Json<Value>, Problem> {
    let limit = parameters.limit()?;
    let after: Option<Result<TokenId, _>> = parameters.get("cursor").map(str::parse);
    let bad_cursor = || Problem::field("cursor", "malformed", "must be the next_cursor of an earlier page");
    let after = after.transpose().map_err(|_| bad_cursor())?;
    let owner = parameters.get("owner").map(|name| users::find_to_see(&app, &caller, name)).transpose()?;
    let owner = owner.map(|owner| owner.id);
    let source = parameters.get("source").map(SourceId::parse).transpose();
    let source = source.map_err(|_| Problem::not_found("source"))?;
    let kind = parameters.get("kind").map(kind).transpose()?;
    let wanted = |token: &ApiToken| {
        let is_of = |source: &SourceId| matches!(&token.grant, Grant::Scim(own) if own == source);
        owner.is_none_or(|owner| token.owner == Some(owner))
            && source.as_ref().is_none_or(is_of)
            && kind.is_none_or(|kind| token.grant.kind() == kind)
    };
    let found = tokens::list(&app.store.view(), after, limit, wanted)?;
    let next = found.last().filter(|_| found.len() == limit).map(|token| token.id);
    let items: Result<Vec<Value>, StoreError> = found.iter().map(|token| view::token(&app, token)).collect();
    Ok(Json(json!({"items": items?, "next_cursor": next})))
}

fn kind(name: &str) -> Result<Kind, Problem> {
    let found = Kind::ALL.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind);
    let known = Kind::ALL.map(|(name, _)| name).join(", ");
    found.ok_or_else(|| Problem::field("kind", "unknown_kind", &format!("is not one of {known}")))
}

/// The token of this id, or the one whose text begins so.
fn find(app: &App, name: &str) -> Result<ApiToken, Problem> {
    let view = app.store.view();
    if let Ok(id) = name.parse() {
        return tokens::by_id(&view, id)?.ok_or_else(|| Problem::not_found("token"));
    }
    let begins_so = |token: &ApiToken| {
        token.prefix == name || token.previous.as_ref().is_some_and(|previous| previous.prefix == name)
    };
    let mut found = tokens::list(&view, None, 2, begins_so)?;
    match (found.pop(), found.is_empty()) {
        (Some(token), true) => Ok(token),
        (Some(_), false) => {
            Err(Problem::new(StatusCode::CONFLICT, "ambiguous", "several tokens begin so: name one by its id"))
        }
        (None, _) => Err(Problem::not_found("token")),
    }
}

/// One token, without its text.
pub async fn show(State(app): State<App>, Segment(name): Segment<String>) -> Result<Response, Problem> {
    view::answer(&app, &find(&app, &name)?)
}

/// Makes a token; the answer is the only place where its text ever stands.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    headers: HeaderMap,
    Body(wish): Body<Wish>,
) -> Result<Response, Problem> {
    let asker = Asker::managing(&app, &caller, &headers)?;
    let (caller, maker) = (&asker.caller, asker.token.as_ref());
    let now = app.store.clock().now();
    if tokens::is_full(&app.store.view())? {
        let detail = format!("there are {} tokens: revoke some that nobody uses", tokens::MOST);
        return Err(Problem::new(StatusCode::CONFLICT, "too_many_tokens", detail));
    }
    let name = name(&wish.name)?;
    let grant = grant(&app, caller, &wish)?;
    let (text, kept) = new_text(&app)?;
    // A provider's token belongs to its source, whoever made it; every other one dies with its maker's right.
    let owner = caller.owner.filter(|_| matches!(grant, Grant::Scopes(_)));
    let token = ApiToken {
        profile: profile(&wish)?,
        owner: owner.map(|(id, _)| id),
        owner_epoch: owner.map(|(_, epoch)| epoch).unwrap_or_default(),
        expires_at: end(maker, wish.expires_at, now)?,
        made_by: maker.map(|maker| maker.id),
        networks: networks(maker, &wish.networks)?,
        ..ApiToken::new(TokenId::new(now, app.store.rng()), name, kept.prefix, grant, now)
    };
    let mut shown = view::token(&app, &token)?;
    view::add_text(&mut shown, &text);
    if wish.source.is_some() {
        view::add_setup(&mut shown, guide::fields(token.profile, &base_url(&app)), base_url(&app));
    }
    let (place, author, right) = (format!("/api/v1/tokens/{}", token.id), caller.author(), asker.right());
    let keep = move |tx: &mut Tx<'_>| {
        must_be_in(tx, &right)?;
        Ok::<_, Problem>(tokens::create(tx, &author, kept.hash, &token)?)
    };
    app.store.write(keep).await?;
    Ok(Created(place, Tagged(0, shown)).into())
}

fn base_url(app: &App) -> String {
    format!("{}/scim/v2", app.settings.public_url)
}

/// A new text, and what is kept of it.
fn new_text(app: &App) -> Result<(Secret, NewText), StoreError> {
    let text = new_token(TokenKind::Api, app.store.rng());
    let hash = hash_token(TokenKind::Api, text.expose()).ok_or(StoreError::Stopped)?;
    let prefix = text.expose().chars().take(PREFIX).collect();
    Ok((text, NewText { hash, prefix }))
}

/// Refuses a caller who does not hold all that a token opens.
fn must_hold(caller: &Caller, grant: &Grant) -> Result<(), Problem> {
    grant.permissions().iter().try_for_each(|permission| caller.must(permission))
}

fn name(text: &str) -> Result<String, Problem> {
    text::line(text, NAME_MAX).map_err(|fault| Problem::field("name", fault.code(), &fault.to_string()))
}

/// When a token ends: what a token makes does not outlive it.
fn end(maker: Option<&ApiToken>, wish: Option<Timestamp>, now: Timestamp) -> Result<Option<Timestamp>, Problem> {
    if wish.is_some_and(|end| end <= now) {
        return Err(Problem::field("expires_at", "in_the_past", "must lie in the future"));
    }
    let own = maker.and_then(|maker| maker.expires_at);
    Ok(wish.into_iter().chain(own).min())
}

/// Where a token may be used from: what a token makes is used where that is.
fn networks(maker: Option<&ApiToken>, texts: &[String]) -> Result<Vec<Network>, Problem> {
    let own = maker.map(|maker| maker.networks.as_slice()).unwrap_or_default();
    if texts.is_empty() {
        return Ok(own.to_vec());
    }
    if texts.len() > NETWORKS {
        return Err(Problem::field("networks", "too_many", &format!("must be at most {NETWORKS}")));
    }
    let mut networks = Vec::new();
    let mut faults = Vec::new();
    for text in texts {
        match text.parse::<Network>() {
            Ok(network) if own.is_empty() || own.iter().any(|own| own.covers(&network)) => networks.push(network),
            Ok(network) => {
                faults.push(FieldError::new(
                    "networks",
                    "not_held",
                    format!("{network} is not where your token is for"),
                ));
            }
            Err(why) => faults.push(FieldError::new("networks", why.code(), format!("{text:?} {why}"))),
        }
    }
    if faults.is_empty() { Ok(networks) } else { Err(Problem::fields(faults)) }
}

fn profile(wish: &Wish) -> Result<Profile, Problem> {
    let Some(name) = &wish.profile else { return Ok(Profile::default()) };
    if wish.source.is_none() {
        return Err(Problem::field("profile", "no_source", "goes with a SCIM source only"));
    }
    let known = Profile::ALL.map(|(name, _)| name).join(", ");
    Profile::by_name(name)
        .ok_or_else(|| Problem::field("profile", "unknown_profile", &format!("is not one of {known}")))
}

fn grant(app: &App, caller: &Caller, wish: &Wish) -> Result<Grant, Problem> {
    match (&wish.source, wish.scopes.is_empty()) {
        (Some(source), true) => {
            let known = SourceId::parse(source)
                .ok()
                .and_then(|id| app.source(&id))
                .filter(|known| known.kind == SourceKind::Scim);
            let known =
                known.ok_or_else(|| Problem::field("source", "unknown_source", "is no SCIM source of the settings"))?;
            let grant = Grant::Scim(known.id.clone());
            must_hold(caller, &grant)?;
            Ok(grant)
        }
        (None, false) => scopes(caller, &wish.scopes).map(Grant::Scopes),
        _ => Err(Problem::field(
            "scopes",
            "one_of",
            "must hold permissions, or source must name a SCIM source; not both",
        )),
    }
}

/// Parses permissions; nobody grants what they do not hold. `admin` stands for all that the caller holds.
fn scopes(caller: &Caller, names: &[String]) -> Result<Permissions, Problem> {
    let mut scopes = Permissions::default();
    let mut faults = Vec::new();
    for name in names {
        match Permission::by_name(name) {
            _ if name == ALL_HELD => scopes = scopes.or(caller.authority.everywhere),
            Some(permission) if caller.authority.everywhere.contains(permission) => {
                scopes.insert(permission);
            }
            Some(_) => faults.push(FieldError::new("scopes", "not_held", format!("{name} is not yours to give"))),
            None => faults.push(FieldError::new("scopes", "unknown_permission", format!("{name:?} is no permission"))),
        }
    }
    if faults.is_empty() { Ok(scopes) } else { Err(Problem::fields(faults)) }
}

/// Ends a token at once, and every one that was made by it.
pub async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
) -> Result<StatusCode, Problem> {
    let (id, author) = (find(&app, &name)?.id, caller.author());
    app.store.write(move |tx: &mut Tx<'_>| tokens::revoke(tx, &author, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
