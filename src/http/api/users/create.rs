//! Making users: anew, or from one that exists.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::fields::Fields;
use super::rights::{authorize, own_groups, settle_new};
use super::{find_to_change, view};
use crate::auth::accounts::{Account, AccountChange, NewAccount};
use crate::base::id::{SourceId, UserId};
use crate::base::secret::Secret;
use crate::directory::field::FieldError;
use crate::directory::permission::Permission;
use crate::directory::role;
use crate::directory::user::{MfaPolicy, NewUser, User, UserChange};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, Segment, etag};
use crate::http::state::App;

/// A user to make. It has a password, or a link for one, or can come in when one is set.
#[derive(Deserialize)]
pub struct Wish {
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    password: Option<Secret>,
    /// The hash of the password, from where the user comes from.
    #[serde(default)]
    password_hash: Option<Secret>,
    /// Make a link by which the user sets the password, and mail it.
    #[serde(default)]
    password_link: bool,
    #[serde(flatten)]
    fields: serde_json::Map<String, serde_json::Value>,
}

/// Makes a user.
pub async fn create(State(app): State<App>, caller: Caller, Body(wish): Body<Wish>) -> Result<Response, Problem> {
    check_source(&app, wish.source.as_deref())?;
    let way = WayIn::of(&wish)?;
    let fields = read_fields(wish.fields)?;
    require(&fields)?;
    let change = fields.read(&app)?;
    make(&app, caller, change, way).await
}

/// Makes a user with everything of another but name, username, email, password and factors.
pub async fn duplicate(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    Body(wish): Body<Wish>,
) -> Result<Response, Problem> {
    let original = find_to_change(&app, &caller, &name, Permission::UsersCreate)?;
    let way = WayIn::of(&wish)?;
    let fields = read_fields(wish.fields)?;
    require(&fields)?;
    let own = fields.read(&app)?;
    let groups = own.groups.or(Some(own_groups(&app, &original)?)).filter(|groups| !groups.is_empty());
    let change = AccountChange { user: copied(&original, own.user, app.store.clock().now()), groups };
    make(&app, caller, change, way).await
}

/// What the new one does not say is taken from the original.
fn copied(original: &User, own: UserChange, now: jiff::Timestamp) -> UserChange {
    UserChange {
        phone: own.phone.or(Some(original.phone.clone())),
        description: own.description.or(Some(original.description.clone())),
        // An expiry that has passed would make a user who can never come in.
        expires_at: own.expires_at.or_else(|| (!original.is_expired(now)).then_some(original.expires_at)),
        // What the plain role, no organisation and no policy of one's own come to is not given: it is the default.
        roles: own.roles.or_else(|| (!is_plain(original)).then(|| original.roles.clone())),
        organizations: own.organizations.or(Some(original.organizations.clone())).filter(|those| !those.is_empty()),
        managed_by: own.managed_by.or(original.managed_by.map(Some)),
        mfa: own.mfa.or(Some(original.mfa)).filter(|policy| *policy != MfaPolicy::default()),
        must_change_password: own.must_change_password.or(original.must_change_password.then_some(true)),
        ..own
    }
}

fn is_plain(original: &User) -> bool {
    original.roles.iter().all(|held| held.as_str() == role::USER)
}

fn read_fields(fields: serde_json::Map<String, serde_json::Value>) -> Result<Fields, Problem> {
    crate::http::extract::parse(serde_json::Value::Object(fields).to_string().as_bytes())
}

/// Only local users are made here: those of a source come from it.
fn check_source(app: &App, source: Option<&str>) -> Result<(), Problem> {
    let Some(source) = source else { return Ok(()) };
    match SourceId::parse(source).ok().and_then(|id| app.source(&id)) {
        None => Err(Problem::field("source", "unknown_source", "is no source of the settings")),
        Some(known) if known.id.is_local() => Ok(()),
        Some(_) => {
            Err(Problem::field("source", "not_creatable", "makes its users itself; only local users are made here"))
        }
    }
}

fn require(fields: &Fields) -> Result<(), Problem> {
    let given = [
        ("username", matches!(fields.username, Some(Some(_)))),
        ("name", matches!(fields.name, Some(Some(_)))),
        ("email", matches!(fields.email, Some(Some(_)))),
    ];
    let missing = given.into_iter().filter(|(_, given)| !given);
    let faults: Vec<_> = missing.map(|(field, _)| FieldError::new(field, "missing", "must be given")).collect();
    if faults.is_empty() { Ok(()) } else { Err(Problem::fields(faults)) }
}

/// What lets the new user in.
struct WayIn {
    password: Option<Secret>,
    password_hash: Option<Secret>,
    link: bool,
}

impl WayIn {
    /// One of them at most.
    fn of(wish: &Wish) -> Result<Self, Problem> {
        let Wish { password, password_hash, password_link: link, .. } = wish;
        if password.is_some() && *link {
            return Err(Problem::field(
                "password_link",
                "one_of",
                "goes without password: the user sets it by the link",
            ));
        }
        if password_hash.is_some() && (password.is_some() || *link) {
            return Err(Problem::field("password_hash", "one_of", "goes without password and without password_link"));
        }
        Ok(Self { password: password.clone(), password_hash: password_hash.clone(), link: *link })
    }

    /// Can the user come in by it?
    fn is_given(&self) -> bool {
        self.password.is_some() || self.password_hash.is_some() || self.link
    }
}

async fn make(app: &App, caller: Caller, mut change: AccountChange, way: WayIn) -> Result<Response, Problem> {
    settle_new(&caller, &mut change.user)?;
    authorize(app, &caller, None, &change)?;
    if way.is_given() {
        caller.must_in(Permission::UsersPassword, change.user.managed_by.flatten())?;
    }
    let AccountChange { user: mut rest, groups } = change;
    let (Some(username), Some(name)) = (rest.username.take(), rest.name.take()) else {
        return Err(Problem::field("username", "missing", "must be given"));
    };
    if way.password.is_some() {
        // Whoever gave it knows it.
        rest.must_change_password.get_or_insert(true);
    }
    let id = UserId::new(app.store.clock().now(), app.store.rng());
    let user = NewUser { id, username, name, source: SourceId::local(), rest, disabled: None };
    let WayIn { password, password_hash, link } = way;
    let account = NewAccount { user, groups: groups.unwrap_or_default(), password, password_hash, link };
    let made = app.auth.create_account(caller.author(), account, app.users.lifetime, &app.settings.public_url).await?;
    created(app, &made)
}

fn created(app: &App, made: &Account) -> Result<Response, Problem> {
    let mut shown = view::user(app, &made.user)?;
    if let Some(shown) = shown.as_object_mut() {
        shown.insert("password_link".to_owned(), json!(made.link.as_ref().map(Secret::expose)));
    }
    let mut response = (StatusCode::CREATED, Json(shown)).into_response();
    let location = format!("/api/v1/users/{}", made.user.id);
    for (name, value) in [(header::LOCATION, location), (header::ETAG, etag(made.user.revision))] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}
