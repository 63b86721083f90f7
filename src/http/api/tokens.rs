//! API tokens: made, listed, revoked. The text of one is shown once.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::base::id::{SourceId, TokenId};
use crate::base::secret::{TokenKind, hash_token, new_token};
use crate::base::text;
use crate::directory::audit::Actor;
use crate::directory::field::FieldError;
use crate::directory::permission::{Permission, Permissions};
use crate::directory::token::{ApiToken, Grant, Profile};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, Segment};
use crate::http::scim::guide;
use crate::http::state::{App, SourceKind};
use crate::store::tx::Tx;
use crate::store::{StoreError, tokens};

/// Characters of a token that are kept to recognise it by.
const PREFIX: usize = 12;

/// What an identity provider does by its token: nobody gives what they do not hold.
const PROVIDER: &[Permission] = &[
    Permission::UsersCreate,
    Permission::UsersUpdate,
    Permission::UsersState,
    Permission::UsersDelete,
    Permission::UsersPassword,
    Permission::GroupsManage,
];

/// A token to make.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    name: String,
    /// Permissions by name.
    #[serde(default)]
    scopes: Vec<String>,
    /// Or the SCIM source whose identity provider carries it.
    #[serde(default)]
    source: Option<String>,
    /// How that provider speaks.
    #[serde(default)]
    profile: Option<String>,
    #[serde(default)]
    expires_at: Option<Timestamp>,
}

/// All tokens, without their texts.
pub async fn list(State(app): State<App>) -> Result<Json<Value>, Problem> {
    let now = app.store.clock().now();
    let tokens = tokens::list(&app.store.view())?;
    Ok(Json(json!({"items": tokens.iter().map(|token| view(token, now)).collect::<Vec<_>>()})))
}

fn view(token: &ApiToken, now: Timestamp) -> Value {
    let (scopes, source) = match &token.grant {
        Grant::Scopes(scopes) => (Some(scopes), None),
        Grant::Scim(source) => (None, Some(source)),
    };
    json!({
        "id": token.id,
        "name": token.name,
        "prefix": token.prefix,
        "scopes": scopes.map(|scopes| scopes.names()),
        "source": source,
        "profile": source.map(|_| token.profile.name()),
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "expired": !token.is_live(now),
        "last_used_at": token.last_used_at,
    })
}

/// Makes a token; the answer is the only place where its text ever stands.
pub async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(wish): Body<Wish>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let now = app.store.clock().now();
    let text = new_token(TokenKind::Api, app.store.rng());
    let hash = hash_token(TokenKind::Api, text.expose()).ok_or(StoreError::Stopped)?;
    let name = text::line(&wish.name, 128).map_err(|fault| Problem::field("name", fault.code(), &fault.to_string()))?;
    if wish.expires_at.is_some_and(|end| end <= now) {
        return Err(Problem::field("expires_at", "in_the_past", "must lie in the future"));
    }
    let grant = grant(&app, &caller, &wish)?;
    let profile = profile(&wish)?;
    // A provider's token belongs to its source, whoever made it; every other one dies with its maker's right.
    let owner = caller.owner.filter(|_| matches!(grant, Grant::Scopes(_)));
    let token = ApiToken {
        id: TokenId::new(now, app.store.rng()),
        name,
        prefix: text.expose().chars().take(PREFIX).collect(),
        grant,
        profile,
        created_at: now,
        owner: owner.map(|(id, _)| id),
        owner_epoch: owner.map(|(_, epoch)| epoch).unwrap_or_default(),
        expires_at: end(&app, &caller, wish.expires_at)?,
        last_used_at: None,
    };
    let shown = view(&token, now);
    let author = caller.author();
    app.store.write::<_, StoreError>(move |tx: &mut Tx<'_>| tokens::create(tx, &author, hash, &token)).await?;
    let mut answer = shown;
    if let Some(answer) = answer.as_object_mut() {
        answer.insert("token".to_owned(), text.expose().into());
        if wish.source.is_some() {
            let base = format!("{}/scim/v2", app.settings.public_url);
            let fields = guide::fields(profile, &base);
            let fields = fields.into_iter().map(|(field, value)| json!({"field": field, "value": value}));
            answer.insert("setup".to_owned(), fields.collect());
            answer.insert("base_url".to_owned(), base.into());
        }
    }
    Ok((StatusCode::CREATED, Json(answer)))
}

/// When the new token ends: what a token makes does not outlive it.
fn end(app: &App, caller: &Caller, wish: Option<Timestamp>) -> Result<Option<Timestamp>, StoreError> {
    let Actor::Token { id } = &caller.actor else { return Ok(wish) };
    let all = tokens::list(&app.store.view())?;
    let own = all.iter().find(|token| token.id == *id).and_then(|token| token.expires_at);
    Ok(match (wish, own) {
        (Some(wish), Some(own)) => Some(wish.min(own)),
        (wish, own) => wish.or(own),
    })
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
            for permission in PROVIDER {
                caller.must(*permission)?;
            }
            let known = SourceId::parse(source)
                .ok()
                .and_then(|id| app.source(&id))
                .filter(|known| known.kind == SourceKind::Scim);
            let known =
                known.ok_or_else(|| Problem::field("source", "unknown_source", "is no SCIM source of the settings"))?;
            Ok(Grant::Scim(known.id.clone()))
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
            _ if name == "admin" => scopes = scopes.or(caller.authority.everywhere),
            Some(permission) if caller.authority.everywhere.contains(permission) => {
                scopes.insert(permission);
            }
            Some(_) => faults.push(FieldError::new("scopes", "not_held", format!("{name} is not yours to give"))),
            None => faults.push(FieldError::new("scopes", "unknown_permission", format!("{name:?} is no permission"))),
        }
    }
    if faults.is_empty() { Ok(scopes) } else { Err(Problem::fields(faults)) }
}

/// Ends a token at once.
pub async fn revoke(
    State(app): State<App>,
    caller: Caller,
    Segment(id): Segment<TokenId>,
) -> Result<StatusCode, Problem> {
    let author = caller.author();
    app.store.write(move |tx: &mut Tx<'_>| tokens::revoke(tx, &author, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
