//! Making a user from one that exists: everything but name, username, email, password and factors, or chosen parts.
//!
//! What belongs to the person and not to the place stays behind in any case: what a source or an identity provider
//! says of them, sessions, devices, links, and every time that was noted.

use std::collections::BTreeSet;

use axum::extract::State;
use axum::response::Response;
use schemars::JsonSchema;
use serde::Deserialize;

use super::create::{self, WayIn};
use super::rights::own_groups;
use super::{find_to_change, sees};
use crate::auth::accounts::AccountChange;
use crate::directory::permission::Permission;
use crate::directory::role;
use crate::directory::user::{MfaPolicy, User, UserChange};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, Segment};
use crate::http::openapi::bodies::to_make;
use crate::http::openapi::cases::Clause::Without;
use crate::http::openapi::cases::{Cases, one_holds};
use crate::http::state::App;

/// What comes along is named, or what does not.
const ONE_LIST: Cases = &[&[Without("copy")], &[Without("without")]];

/// A user to make, and what of the original comes along.
#[derive(Deserialize, JsonSchema)]
#[schemars(transform = to_make(&["username", "name", "email"]), transform = one_holds(ONE_LIST))]
pub struct Wish {
    /// These parts and no others; all of them where nothing is said.
    #[serde(default)]
    #[schemars(with = "Option<Vec<Part>>")]
    copy: Option<BTreeSet<Part>>,
    /// All parts but these.
    #[serde(default)]
    #[schemars(with = "Option<Vec<Part>>")]
    without: Option<BTreeSet<Part>>,
    #[serde(flatten)]
    user: create::Wish,
}

/// A part of a user that another may have too.
#[derive(Deserialize, JsonSchema, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
enum Part {
    Phone,
    Description,
    ExpiresAt,
    Roles,
    Organizations,
    ManagedBy,
    Groups,
    Mfa,
    MustChangePassword,
}

impl Wish {
    /// Which parts come along.
    fn parts(&self) -> Result<impl Fn(Part) -> bool + use<>, Problem> {
        if self.copy.is_some() && self.without.is_some() {
            return Err(Problem::field(
                "without",
                "one_of",
                "goes without copy: name what comes along, or what does not",
            ));
        }
        let (copy, without) = (self.copy.clone(), self.without.clone().unwrap_or_default());
        Ok(move |part| copy.as_ref().map_or(!without.contains(&part), |copy| copy.contains(&part)))
    }
}

/// Makes a user with what another has.
pub async fn duplicate(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    Body(wish): Body<Wish>,
) -> Result<Response, Problem> {
    let original = find_to_change(&app, &caller, &name, Permission::UsersCreate)?;
    if !sees(&app, &caller, &original)? {
        return Err(Problem::forbidden(
            "a copy shows the original: this needs the permission users.view, which you lack",
        ));
    }
    let comes_along = wish.parts()?;
    let way = WayIn::of(&wish.user)?;
    let own = create::required(wish.user)?.read(&app, &caller)?;
    let groups = match own.groups {
        None if comes_along(Part::Groups) => Some(own_groups(&app, &original)?).filter(|groups| !groups.is_empty()),
        own => own,
    };
    let user = copied(&original, own.user, app.store.clock().now(), comes_along);
    create::make(&app, caller, AccountChange { user, groups }, way).await
}

/// What the new one does not say is taken from the original, where it comes along. What comes to the plain role, no
/// organisation and no policy of one's own is not given: it is the default.
fn copied(original: &User, own: UserChange, now: jiff::Timestamp, comes_along: impl Fn(Part) -> bool) -> UserChange {
    let has_roles = comes_along(Part::Roles) && !is_plain(original);
    let has_places = comes_along(Part::Organizations) && !original.organizations.is_empty();
    // An expiry that has passed would make a user who can never come in.
    let has_expiry = comes_along(Part::ExpiresAt) && !original.is_expired(now);
    let has_policy = comes_along(Part::Mfa) && original.mfa != MfaPolicy::default();
    let must_change = comes_along(Part::MustChangePassword) && original.must_change_password;
    UserChange {
        phone: own.phone.or_else(|| comes_along(Part::Phone).then(|| original.phone.clone())),
        description: own.description.or_else(|| comes_along(Part::Description).then(|| original.description.clone())),
        expires_at: own.expires_at.or(has_expiry.then_some(original.expires_at)),
        roles: own.roles.or_else(|| has_roles.then(|| original.roles.clone())),
        organizations: own.organizations.or_else(|| has_places.then(|| original.organizations.clone())),
        managed_by: own.managed_by.or(original.managed_by.filter(|_| comes_along(Part::ManagedBy)).map(Some)),
        mfa: own.mfa.or(has_policy.then_some(original.mfa)),
        must_change_password: own.must_change_password.or(must_change.then_some(true)),
        ..own
    }
}

fn is_plain(original: &User) -> bool {
    original.roles.iter().all(|held| held.as_str() == role::USER)
}
