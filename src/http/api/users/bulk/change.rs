//! What a bulk change changes of each user.

use axum::http::StatusCode;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::auth::accounts::AccountChange;
use crate::directory::permission::Permission;
use crate::directory::role;
use crate::directory::user::{MfaPolicy, double_option};
use crate::http::api::users::fields::{Fields, Membership};
use crate::http::api::users::rights::member_of;
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::openapi::bodies::{Reference, Slug};
use crate::http::openapi::cases::Clause::{Given, Items, There, Within};
use crate::http::openapi::cases::{Cases, one_holds};
use crate::http::state::App;
use crate::store::groups;
use crate::sync::bulk::BulkChange;

/// Something is said to change.
const SOMETHING: Cases = &[
    &[There("expires_at")],
    &[Given("mfa")],
    &[Within("roles", &[&[Given("set")], &[Items("add")], &[Items("remove")]])],
    &[Within("groups", &[&[Items("add")], &[Items("remove")]])],
    &[Within("organizations", &[&[Items("add")], &[Items("remove")]])],
];

/// What changes of each.
#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(transform = one_holds(SOMETHING))]
pub(super) struct ChangeWish {
    #[serde(with = "double_option")]
    #[schemars(with = "Option<Timestamp>")]
    expires_at: Option<Option<String>>,
    mfa: Option<MfaPolicy>,
    roles: Roles,
    groups: Groups,
    organizations: Organizations,
}

#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Roles {
    #[schemars(with = "Option<Vec<Slug>>")]
    set: Option<Vec<String>>,
    #[schemars(with = "Vec<Slug>")]
    add: Vec<String>,
    #[schemars(with = "Vec<Slug>")]
    remove: Vec<String>,
}

#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Groups {
    #[schemars(with = "Vec<Reference>")]
    add: Vec<String>,
    #[schemars(with = "Vec<Reference>")]
    remove: Vec<String>,
}

#[derive(Deserialize, Default, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Organizations {
    add: Vec<Membership>,
    #[schemars(with = "Vec<Reference>")]
    remove: Vec<String>,
}

impl ChangeWish {
    /// Parses it by the rules of one user's fields; every fault of every part at once.
    pub(super) fn parse(self, app: &App, caller: &Caller) -> Result<BulkChange, Problem> {
        let (mut faults, mut refused) = (Vec::new(), None);
        let mut read = |fields: Fields| match fields.read(app, caller) {
            Ok(change) => Ok(change),
            Err(problem) if !problem.errors.is_empty() => {
                faults.extend(problem.errors);
                Ok(AccountChange::default())
            }
            Err(problem) if problem.status == StatusCode::FORBIDDEN => {
                refused = Some(problem);
                Ok(AccountChange::default())
            }
            Err(problem) => Err(problem),
        };
        let Self { expires_at, mfa, roles, groups, organizations } = self;
        let of_roles = |names: Vec<String>| Fields { roles: Some(Some(names)), ..Fields::default() };
        let of_groups = |names: Vec<String>| Fields { groups: Some(Some(names)), ..Fields::default() };
        let expiry = read(Fields { expires_at, ..Fields::default() })?.user.expires_at;
        let set_roles = roles.set.map(|set| read(of_roles(set))).transpose()?.and_then(|change| change.user.roles);
        let add_roles = read(of_roles(roles.add))?.user.roles.unwrap_or_default();
        let remove_roles = read(of_roles(roles.remove))?.user.roles.unwrap_or_default();
        let join = read(of_groups(groups.add))?.groups.unwrap_or_default();
        let leave = read(of_groups(groups.remove))?.groups.unwrap_or_default();
        let places = |places: Vec<Membership>| Fields { organizations: Some(Some(places)), ..Fields::default() };
        let (plain, named): (Vec<_>, Vec<_>) = organizations.add.into_iter().partition(|place| place.roles.is_empty());
        let mut add_organizations = read(places(named))?.user.organizations.unwrap_or_default();
        for id in read(places(plain))?.user.organizations.unwrap_or_default().into_keys() {
            add_organizations.entry(id).or_default();
        }
        let left = organizations.remove.into_iter().map(|id| Membership { id, roles: Vec::new() }).collect();
        let left = read(places(left))?.user.organizations.unwrap_or_default();
        let remove_organizations = left.into_keys().collect();
        let change = BulkChange {
            expires_at: expiry,
            mfa,
            set_roles,
            add_roles,
            remove_roles,
            add_organizations,
            remove_organizations,
            join,
            leave,
        };
        if !faults.is_empty() {
            return Err(Problem::fields(faults));
        }
        refused.map_or(Ok(()), Err)?;
        if change == BulkChange::default() {
            return Err(Problem::field("change", "empty", "changes nothing"));
        }
        may_ever_give(app, caller, &change)?;
        Ok(change)
    }
}

/// Refuses at once what the caller could do to nobody. Whether they may do it to each is asked of each.
fn may_ever_give(app: &App, caller: &Caller, change: &BulkChange) -> Result<(), Problem> {
    let BulkChange { set_roles, add_roles, remove_roles, add_organizations, remove_organizations, .. } = change;
    let mut roles = set_roles.iter().flatten().chain(add_roles).chain(remove_roles);
    if roles.any(|role| !role::is_plain(role)) {
        caller.must(Permission::UsersRoles)?;
    }
    let mut touched = add_organizations.keys().chain(remove_organizations);
    touched.try_for_each(|id| member_of(caller, *id))?;
    let view = app.store.view();
    for id in change.join.iter().chain(&change.leave) {
        let organization = groups::get(&view, *id)?.and_then(|group| group.organization);
        caller.must_in(Permission::GroupsManage, organization)?;
    }
    Ok(())
}
