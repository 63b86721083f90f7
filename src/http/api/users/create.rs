//! Making users: anew, or from one that exists.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::fields::{Fields, authorize};
use super::{find, view};
use crate::auth::accounts::{Account, AccountChange, NewAccount};
use crate::base::id::{SourceId, UserId};
use crate::base::secret::Secret;
use crate::directory::field::FieldError;
use crate::directory::group::Member;
use crate::directory::permission::Permission;
use crate::directory::role;
use crate::directory::user::{MfaPolicy, NewUser, User, UserChange};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, Segment, etag};
use crate::http::state::App;
use crate::store::groups;

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
    let way = WayIn::of(&caller, &wish)?;
    let fields = read_fields(wish.fields)?;
    require(&fields)?;
    let change = fields.parse(&app, &caller)?;
    make(&app, caller, change, way).await
}

/// Makes a user with everything of another but name, username, email, password and factors.
pub async fn duplicate(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    Body(wish): Body<Wish>,
) -> Result<Response, Problem> {
    let original = find(&app, &name)?;
    if !role::may_manage(&caller.permissions, &app.auth.roles_of(&original)?) {
        return Err(Problem::forbidden("this user holds permissions that you do not: they are not yours to give"));
    }
    let way = WayIn::of(&caller, &wish)?;
    let fields = read_fields(wish.fields)?;
    require(&fields)?;
    let own = fields.parse(&app, &caller)?;
    let groups = own.groups.or(Some(own_groups(&app, &original)?)).filter(|groups| !groups.is_empty());
    let change = AccountChange { user: copied(&original, own.user, app.store.clock().now()), groups };
    authorize(&caller, &change)?;
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
        mfa: own.mfa.or(Some(original.mfa)).filter(|policy| *policy != MfaPolicy::default()),
        must_change_password: own.must_change_password.or(original.must_change_password.then_some(true)),
        ..own
    }
}

fn is_plain(original: &User) -> bool {
    original.roles.iter().all(|held| held.as_str() == role::USER)
}

/// The original's direct groups, as far as they are musterd's own.
fn own_groups(app: &App, original: &User) -> Result<Vec<crate::base::id::GroupId>, Problem> {
    let reads = app.store.view();
    let mut own = Vec::new();
    for id in groups::direct_groups(&reads, Member::User(original.id))? {
        if groups::get(&reads, id)?.is_some_and(|group| group.source.is_local()) {
            own.push(id);
        }
    }
    Ok(own)
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
    /// One of them at most, from somebody who may give it.
    fn of(caller: &Caller, wish: &Wish) -> Result<Self, Problem> {
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
        if password.is_some() || password_hash.is_some() || *link {
            caller.must(Permission::UsersPassword)?;
        }
        Ok(Self { password: password.clone(), password_hash: password_hash.clone(), link: *link })
    }
}

async fn make(app: &App, caller: Caller, change: AccountChange, way: WayIn) -> Result<Response, Problem> {
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
