//! Who may use a route: finds the caller from the socket or the bearer token, and refuses before the handler runs.

use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use data_encoding::BASE64;
use jiff::SignedDuration;
use percent_encoding::percent_decode_str;
use zeroize::Zeroizing;

use crate::auth::login::Origin;
use crate::auth::sessions::seen;
use crate::base::id::UserId;
use crate::base::network::Network;
use crate::base::secret::{Secret, TokenKind, hash_token};
use crate::directory::audit::Actor;
use crate::directory::authority::Authority;
use crate::directory::permission::{Permission, Permissions};
use crate::directory::token::{ApiToken, Grant};
use crate::directory::user::User;
use crate::http::api::session::cookie;
use crate::http::caller::{Caller, Peer, Provider};
use crate::http::error::Problem;
use crate::http::state::App;
use crate::scim::error::ScimError;
use crate::store::tx::Tx;
use crate::store::{StoreError, tokens, users};

/// What the caller of a route must be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Anybody: login, health and the set-up link only.
    Anonymous,
    /// A user with a session, for what is their own.
    Session,
    /// A program with an API token, for that token itself.
    Token,
    /// Whoever holds this permission.
    Holder(Permission),
    /// Whoever holds this permission, in the whole directory or inside an organisation. The handler looks how far it
    /// reaches.
    Within(Permission),
    /// Whoever holds this permission; others for what they began themselves. The handler looks.
    Own(Permission),
    /// The same as the holder, where an application may also show its token as RFC 6749 §2.3.1 has it: HTTP Basic, with the token's id
    /// as the name.
    Client(Permission),
    /// The same, or a user with a session.
    SessionOrClient(Permission),
    /// Anybody: a user by the header or the cookie, or nobody. The handler refuses.
    Visitor,
    /// The identity provider of a SCIM source.
    Scim,
    /// The same, or nobody at all: who shows a token must show a good one (RFC 7643 §5).
    ScimDiscovery,
    /// The same, or a user with a session (RFC 7644 §3.11).
    ScimMe,
}

impl Access {
    /// Does the route speak SCIM?
    #[must_use]
    pub fn is_scim(self) -> bool {
        matches!(self, Self::Scim | Self::ScimDiscovery | Self::ScimMe)
    }

    /// May an application show its token by HTTP Basic?
    fn takes_basic(self) -> bool {
        matches!(self, Self::Client(_) | Self::SessionOrClient(_))
    }
}

/// A token's use is noted this often.
const NOTE_EVERY: SignedDuration = SignedDuration::from_hours(1);

/// Lets a request through to its handler, with its [`Caller`].
pub async fn guard(State((app, access)): State<(App, Access)>, mut request: Request, next: Next) -> Response {
    let origin = request.extensions().get::<Origin>().cloned().unwrap_or_default();
    let caller = match identify(&app, access, request.extensions(), request.headers(), origin) {
        Ok(caller) => caller,
        Err(problem) => return refuse(access, problem),
    };
    let shows_nothing = access == Access::ScimDiscovery && !request.headers().contains_key(header::AUTHORIZATION);
    if !shows_nothing && let Err(problem) = check(access, &caller) {
        return refuse(access, problem);
    }
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(access);
    next.run(request).await
}

fn check(access: Access, caller: &Caller) -> Result<(), Problem> {
    let allowed = match access {
        Access::Anonymous | Access::Visitor => true,
        Access::Session => caller.session.is_some(),
        Access::Token => matches!(caller.actor, Actor::Token { .. }),
        Access::SessionOrClient(_) if caller.session.is_some() => true,
        Access::Holder(permission) | Access::Client(permission) | Access::SessionOrClient(permission)
            if !caller.is_anonymous() =>
        {
            return caller.must(permission);
        }
        Access::Within(permission) if !caller.is_anonymous() => return caller.must_somewhere(permission),
        Access::Own(permission) if caller.scim.is_some() => return caller.must(permission),
        Access::Own(_) => !caller.is_anonymous(),
        Access::Holder(_) | Access::Within(_) | Access::Client(_) | Access::SessionOrClient(_) => false,
        Access::Scim | Access::ScimDiscovery | Access::ScimMe if caller.scim.is_some() => true,
        Access::ScimMe if caller.session.is_some() => true,
        Access::Scim | Access::ScimDiscovery | Access::ScimMe if !caller.is_anonymous() => {
            return Err(Problem::forbidden("this needs the token of a SCIM source"));
        }
        Access::Scim | Access::ScimDiscovery | Access::ScimMe => false,
    };
    if allowed { Ok(()) } else { Err(Problem::unauthenticated()) }
}

/// A refusal in the words of the endpoint: SCIM has an error format of its own (RFC 7644 §3.12).
fn refuse(access: Access, problem: Problem) -> Response {
    let unauthenticated = problem.status == StatusCode::UNAUTHORIZED;
    if !access.is_scim() {
        let mut response = problem.into_response();
        if unauthenticated && access.takes_basic() {
            let basic = HeaderValue::from_static("Basic realm=\"musterd\"");
            response.headers_mut().append(header::WWW_AUTHENTICATE, basic);
        }
        return response;
    }
    let mut response =
        crate::http::scim::reply::Failure::from(ScimError::plain(problem.status.as_u16(), problem.detail))
            .into_response();
    if unauthenticated {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"scim\""));
    }
    response
}

/// Who is calling. A token that opens nothing is as good as none.
fn identify(
    app: &App,
    access: Access,
    extensions: &Extensions,
    headers: &HeaderMap,
    origin: Origin,
) -> Result<Caller, Problem> {
    if let Some(Peer::Socket { uid }) = extensions.get::<Peer>() {
        let authority = Authority::everywhere(Permissions::all());
        return Ok(Caller { actor: Actor::Socket { uid: *uid }, authority, ..Caller::anonymous(origin) });
    }
    if access == Access::Visitor {
        return visitor(app, headers, origin);
    }
    if access.takes_basic()
        && let Some((id, secret)) = basic(headers)
    {
        let caller = api_token(app, secret.expose(), &origin)?;
        let named = caller.filter(|caller| matches!(&caller.actor, Actor::Token { id: own } if own.to_string() == id));
        return Ok(named.unwrap_or_else(|| Caller::anonymous(origin)));
    }
    carrier(app, headers, origin)
}

/// Refuses a request whose body came long after it was let in, where its caller is not by now who they were then.
///
/// # Errors
/// 401 when they are out by now, 403 when they may do something else, or when the store cannot read.
pub(in crate::http) fn look_again(app: &App, request: &Parts) -> Result<(), Problem> {
    let (Some(caller), Some(access)) = (request.extensions.get::<Caller>(), request.extensions.get::<Access>()) else {
        return Ok(());
    };
    let now = identify(app, *access, &request.extensions, &request.headers, caller.origin.clone())?;
    if now.actor != caller.actor || now.owner != caller.owner || now.scim.is_none() != caller.scim.is_none() {
        return Err(Problem::unauthenticated());
    }
    if now.authority == caller.authority {
        Ok(())
    } else {
        Err(Problem::forbidden("what you may do has changed while the body was on its way: send it again"))
    }
}

/// The caller as they are by now: a body may come long after its request was let in.
///
/// # Errors
/// 401 when they are out by now, or when the store cannot read.
pub(in crate::http) fn still(app: &App, caller: &Caller, headers: &HeaderMap) -> Result<Caller, Problem> {
    if matches!(caller.actor, Actor::Socket { .. }) {
        return Ok(caller.clone());
    }
    let now = carrier(app, headers, caller.origin.clone())?;
    if now.actor == caller.actor { Ok(now) } else { Err(Problem::unauthenticated()) }
}

/// Who carries the token of the header.
fn carrier(app: &App, headers: &HeaderMap, origin: Origin) -> Result<Caller, Problem> {
    let Some(token) = bearer(headers) else { return Ok(Caller::anonymous(origin)) };
    if let Some(session) = app.auth.session(token)? {
        let user = &session.0;
        let authority = app.auth.authority_of(user)?;
        let actor = Actor::User { id: user.id };
        let owner = Some((user.id, user.session_epoch));
        return Ok(Caller { actor, authority, owner, session: Some(session), ..Caller::anonymous(origin) });
    }
    Ok(api_token(app, token, &origin)?.unwrap_or_else(|| Caller::anonymous(origin)))
}

/// The token of an `Authorization: Bearer` header (RFC 6750 §2.1). Tokens in URLs or bodies are not looked for.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// The name and secret of an `Authorization: Basic` header (RFC 7617), both form-encoded (RFC 6749 §2.3.1).
fn basic(headers: &HeaderMap) -> Option<(String, Secret)> {
    let (scheme, text) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let text = scheme.eq_ignore_ascii_case("basic").then(|| BASE64.decode(text.trim().as_bytes()).ok())??;
    let text = Zeroizing::new(String::from_utf8(text).ok()?);
    let (id, secret) = text.split_once(':')?;
    let decoded = |text: &str| percent_decode_str(text).decode_utf8().ok().map(String::from);
    Some((decoded(id)?, Secret::new(decoded(secret)?)))
}

/// The user whom a request through a reverse proxy is from: by the header, or by the cookie. What they may do here is
/// not asked.
fn visitor(app: &App, headers: &HeaderMap, origin: Origin) -> Result<Caller, Problem> {
    let mut found = match bearer(headers) {
        Some(token) => app.auth.session(token)?,
        None => None,
    };
    if found.is_none()
        && let Some(token) = cookie::token(headers, &app.settings.forward_auth.cookie)
    {
        found = app.auth.session(token.expose())?;
    }
    let Some(session) = found else { return Ok(Caller::anonymous(origin)) };
    let actor = Actor::User { id: session.0.id };
    Ok(Caller { actor, session: Some(session), ..Caller::anonymous(origin) })
}

fn api_token(app: &App, text: &str, origin: &Origin) -> Result<Option<Caller>, StoreError> {
    let Some(hash) = hash_token(TokenKind::Api, text) else { return Ok(None) };
    let now = app.store.clock().now();
    let carried = tokens::carried(&app.store, hash)?;
    let Some((token, text)) = carried.filter(|(token, text)| token.opens_by(*text, now)) else { return Ok(None) };
    let owner = match token.owner {
        Some(id) => match current_owner(app, id, token.owner_epoch)? {
            Some(owner) => Some(owner),
            None => return Ok(None),
        },
        None => None,
    };
    if !token.is_for(origin.address) {
        note_refusal(app, &token, origin);
        return Ok(None);
    }
    if token.last_use_of(text).is_none_or(|last| now.duration_since(last) >= NOTE_EVERY) {
        let owner = owner.as_ref().map(|owner| owner.id);
        app.store.note(move |tx: &mut Tx<'_>| {
            tokens::touch(tx, hash, tx.now())?;
            owner.map_or(Ok(()), |owner| seen(tx, owner))
        });
    }
    let made_by = owner.as_ref().map(|owner| (owner.id, owner.session_epoch));
    let origin = Origin { client: Some(token.id), ..origin.clone() };
    let mut caller = Caller { actor: Actor::Token { id: token.id }, owner: made_by, ..Caller::anonymous(origin) };
    match &token.grant {
        Grant::Scim(source) => {
            let is_on = app.source(source).is_some_and(|source| source.enabled);
            let provider = || Provider { source: source.clone(), token: token.id, profile: token.profile };
            caller.scim = is_on.then(provider);
        }
        Grant::Scopes(scopes) => {
            caller.authority = match &owner {
                Some(owner) => app.auth.authority_of(owner)?.limited_to(*scopes),
                None => Authority::everywhere(*scopes),
            };
        }
    }
    Ok(Some(caller))
}

/// A good token was used from a network that it is not for: its administrators want to know.
fn note_refusal(app: &App, token: &ApiToken, origin: &Origin) {
    let Some(network) = origin.address.map(Network::around) else { return };
    if token.refused_at(network, app.store.clock().now()).is_some() {
        let (id, author) = (token.id, origin.author(Actor::Anonymous));
        app.store.note(move |tx: &mut Tx<'_>| tokens::note_refusal(tx, &author, id, network));
    }
}

/// A token's owner, where they are still in; else the token is out with them.
///
/// # Errors
/// When the store cannot read.
pub(in crate::http) fn current_owner(app: &App, id: UserId, epoch: u64) -> Result<Option<User>, StoreError> {
    let now = app.store.clock().now();
    let owner = users::get(&app.store.view(), id)?;
    let allowed = |owner: &User| app.source(&owner.source).is_some_and(|source| source.login);
    Ok(owner.filter(|owner| owner.is_valid(now) && owner.session_epoch == epoch && allowed(owner)))
}
