//! Making users, with what lets them in.

use axum::extract::State;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;

use super::fields::Fields;
use super::rights::{authorize, settle_new};
use super::view;
use crate::auth::accounts::{Account, AccountChange, NewAccount};
use crate::base::id::{SourceId, UserId};
use crate::base::secret::Secret;
use crate::directory::field::FieldError;
use crate::directory::permission::Permission;
use crate::directory::user::NewUser;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, parse};
use crate::http::openapi::bodies::{LocalSource, NewPassword, PasswordHash, to_make};
use crate::http::openapi::cases::Clause::{Off, Without};
use crate::http::openapi::cases::{Cases, one_holds};
use crate::http::reply::{Created, Tagged};
use crate::http::state::App;

/// What lets the user in is one thing at most.
const ONE_WAY_IN: Cases = &[
    &[Without("password"), Without("password_hash")],
    &[Without("password"), Off("password_link")],
    &[Without("password_hash"), Off("password_link")],
];

/// A user to make. It has a password, or a link for one, or can come in when one is set.
#[derive(Deserialize, JsonSchema)]
#[schemars(transform = to_make(&["username", "name", "email"]), transform = one_holds(ONE_WAY_IN))]
pub struct Wish {
    #[serde(default)]
    #[schemars(with = "Option<LocalSource>")]
    source: Option<String>,
    #[serde(default)]
    #[schemars(with = "Option<NewPassword>")]
    password: Option<Secret>,
    /// The hash of the password, from where the user comes from.
    #[serde(default)]
    #[schemars(with = "Option<PasswordHash>")]
    password_hash: Option<Secret>,
    /// Make a link by which the user sets the password, and mail it.
    #[serde(default)]
    password_link: bool,
    #[serde(flatten)]
    #[schemars(with = "Fields")]
    fields: serde_json::Map<String, serde_json::Value>,
}

/// Makes a user.
pub async fn create(State(app): State<App>, caller: Caller, Body(wish): Body<Wish>) -> Result<Response, Problem> {
    check_source(&app, wish.source.as_deref())?;
    let way = WayIn::of(&wish)?;
    let change = required(wish)?.read(&app, &caller)?;
    make(&app, caller, change, way).await
}

/// The fields of a wish, with all that a user must have.
///
/// # Errors
/// What is wrong with them, or missing.
pub(super) fn required(wish: Wish) -> Result<Fields, Problem> {
    let fields: Fields = parse(serde_json::Value::Object(wish.fields).to_string().as_bytes())?;
    require(&fields)?;
    Ok(fields)
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

/// Refuses a new user without what every user has.
pub(super) fn require(fields: &Fields) -> Result<(), Problem> {
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
pub(super) struct WayIn {
    password: Option<Secret>,
    password_hash: Option<Secret>,
    link: bool,
}

impl WayIn {
    /// One of them at most.
    pub(super) fn of(wish: &Wish) -> Result<Self, Problem> {
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

/// Makes the user, as far as the caller may.
///
/// # Errors
/// What a right, a rule, a password or a unique value refuses.
pub(super) async fn make(
    app: &App,
    caller: Caller,
    mut change: AccountChange,
    way: WayIn,
) -> Result<Response, Problem> {
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
    let location = format!("/api/v1/users/{}", made.user.id);
    Ok(Created(location, Tagged(made.user.revision, shown)).into())
}
