//! Members of an organisation: who they are, invited, given roles inside, and taken out. Nobody is deleted from here.

use std::collections::{BTreeMap, BTreeSet};

use axum::Json;
use axum::extract::State;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::reached;
use crate::base::id::{OrganizationId, RoleId, UserId};
use crate::directory::audit::Author;
use crate::directory::field::FieldError;
use crate::directory::permission::Permission;
use crate::directory::role::{self, Scope};
use crate::directory::user::User;
use crate::http::api::users::not_oneself;
use crate::http::api::users::rights::{self, membership};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Body, Parameters, Segment};
use crate::http::openapi::bodies::{Reference, Slug};
use crate::http::state::App;
use crate::store::tx::Tx;
use crate::store::users::WriteError;
use crate::store::{organizations, roles, users};

/// Most members that one call changes.
const MOST: usize = 1_000;

/// Whom to invite, or to give other roles inside, and whom to take out: users by id, username or address.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Wish {
    #[serde(default)]
    #[schemars(length(max = MOST))]
    add: Vec<Invited>,
    #[serde(default)]
    #[schemars(with = "Vec<Reference>", length(max = MOST))]
    remove: Vec<String>,
}

/// Somebody to invite.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Invited {
    #[schemars(with = "Reference")]
    user: String,
    /// Roles inside; none stands for the plain one.
    #[serde(default)]
    #[schemars(with = "Vec<Slug>")]
    roles: Vec<String>,
}

/// A page of the members, in the order in which they were made. Who belongs to it by a group of a source is not here.
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    parameters: Parameters,
) -> Result<Json<Value>, Problem> {
    let organization = reached(&app, &caller, &name, Permission::UsersView)?;
    let malformed = || Problem::field("cursor", "malformed", "must be the next_cursor of an earlier page");
    let after = parameters.get("cursor").map(str::parse::<UserId>).transpose().map_err(|_| malformed())?;
    let (view, limit) = (app.store.view(), parameters.limit()?);
    let ids = organizations::members(&view, organization.id, after, limit)?;
    let next = ids.last().filter(|_| ids.len() == limit);
    let items = users::get_many(&view, &ids)?.into_iter().map(|user| member(&user, organization.id));
    Ok(Json(json!({"items": items.collect::<Vec<_>>(), "next_cursor": next})))
}

fn member(user: &User, organization: OrganizationId) -> Value {
    json!({
        "id": user.id,
        "username": user.username,
        "name": user.name,
        "email": user.email,
        "state": user.state_name(),
        "roles": user.organizations.get(&organization),
        "managed_here": user.managed_by == Some(organization),
    })
}

/// One member as they shall be; no roles: out. Rights were asked of the user at this revision.
struct Place {
    user: UserId,
    revision: u64,
    roles: Option<BTreeSet<RoleId>>,
}

/// Invites, gives other roles and takes out, all together or nothing.
pub async fn change(
    State(app): State<App>,
    caller: Caller,
    Segment(name): Segment<String>,
    Body(wish): Body<Wish>,
) -> Result<Json<Value>, Problem> {
    let organization = reached(&app, &caller, &name, Permission::MembersManage)?.id;
    if wish.add.len().saturating_add(wish.remove.len()) > MOST {
        let text = format!("may hold {MOST} members at most, with remove");
        return Err(Problem::field("add", "too_many", &text));
    }
    let places = places(&app, &caller, organization, &wish)?;
    let author = caller.author();
    let write = move |tx: &mut Tx<'_>| {
        places.iter().map(|place| settle(tx, &author, organization, place)).collect::<Result<Vec<_>, WriteError>>()
    };
    Ok(Json(json!({"items": app.store.write(write).await?})))
}

/// Everybody who is meant, with what becomes of them; whatever is wrong is told at once.
fn places(app: &App, caller: &Caller, organization: OrganizationId, wish: &Wish) -> Result<Vec<Place>, Problem> {
    let (mut faults, mut places) = (Vec::new(), BTreeMap::new());
    let adds = wish.add.iter().map(|one| ("add", one.user.as_str(), Some(one.roles.as_slice())));
    for (field, name, names) in adds.chain(wish.remove.iter().map(|name| ("remove", name.as_str(), None))) {
        let Some(user) = invitable(app, name)? else {
            faults.push(FieldError::new(field, "unknown_user", format!("{name:?} is no user")));
            continue;
        };
        let had = user.organizations.get(&organization);
        if names.is_none() && had.is_none() {
            faults.push(FieldError::new(field, "unknown_user", format!("{name:?} is no member")));
            continue;
        }
        not_oneself(caller, &user)?;
        let roles = names.map(|names| roles_of(app, field, names, &mut faults)).transpose()?;
        let is_home = user.managed_by == Some(organization);
        let place = rights::Place { user: Some(user.id), organization, is_home, had, has: roles.as_ref() };
        membership(app, caller, &place)?;
        if places.insert(user.id, Place { user: user.id, revision: user.revision, roles }).is_some() {
            faults.push(FieldError::new(field, "twice", format!("{name:?} stands here twice")));
        }
    }
    if faults.is_empty() { Ok(places.into_values().collect()) } else { Err(Problem::fields(faults)) }
}

/// Who is named in full can be invited, whether or not the caller sees them otherwise.
fn invitable(app: &App, name: &str) -> Result<Option<User>, Problem> {
    let view = app.store.view();
    let found = match name.parse::<UserId>() {
        Ok(id) => users::get(&view, id)?,
        Err(_) => users::by_login(&view, name)?,
    };
    Ok(found.filter(|user| !user.is_removed()))
}

fn roles_of(
    app: &App,
    field: &'static str,
    names: &[String],
    faults: &mut Vec<FieldError>,
) -> Result<BTreeSet<RoleId>, Problem> {
    let view = app.store.view();
    let mut found = BTreeSet::new();
    let plain = [role::ORGANIZATION_USER.to_owned()];
    for name in if names.is_empty() { plain.as_slice() } else { names } {
        let id = RoleId::parse(name).ok();
        let role = id.map(|id| roles::find(&view, &id)).transpose()?.flatten();
        match role.filter(|role| role.scope == Scope::Organization) {
            Some(role) => drop(found.insert(role.id)),
            None => {
                faults.push(FieldError::new(field, "unknown_role", format!("{name:?} is no role of organisations")))
            }
        }
    }
    Ok(found)
}

/// Writes one member's place; says what came of it.
fn settle(tx: &mut Tx<'_>, author: &Author, organization: OrganizationId, place: &Place) -> Result<Value, WriteError> {
    users::expect_revision(tx, place.user, Some(place.revision))?;
    let had = users::get(tx, place.user)?.and_then(|user| user.organizations.get(&organization).cloned());
    let (action, outcome) = match (&had, &place.roles) {
        (None, Some(_)) => ("organization.member_added", "added"),
        (Some(_), None) => ("organization.member_removed", "removed"),
        (Some(had), Some(roles)) if had != roles => ("organization.member_changed", "changed"),
        _ => ("organization.member_changed", "unchanged"),
    };
    let user = users::update(tx, author, place.user, action, |mut user, _| {
        match &place.roles {
            Some(roles) => drop(user.organizations.insert(organization, roles.clone())),
            None => drop(user.organizations.remove(&organization)),
        }
        Ok(user)
    })?;
    Ok(json!({"id": user.id, "username": user.username, "outcome": outcome}))
}
