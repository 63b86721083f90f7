//! What is done with one resource of any kind, for a request of its own and for an operation of a bulk request.

use axum::http::StatusCode;
use axum::response::Response;
use serde_json::Value;
use tokio::task::spawn_blocking;

use super::call::{Call, Place};
use super::convert::Wish;
use super::kind::Kind;
use super::members::Wanted;
use super::reply::{self, Failure};
use super::{group_writes, other_writes, user_writes};
use crate::directory::group::Group;
use crate::directory::resource::Resource as Stored;
use crate::directory::user::User;
use crate::http::extract::etag;
use crate::http::state::App;
use crate::scim::project::Projection;
use crate::scim::schema::ResourceType;
use crate::scim::{Resource, ScimError, patch as patches, resource, strict};
use crate::store::StoreError;

/// A resource as it is after what was done.
pub(super) enum Written {
    User(Box<User>),
    Group(Box<Group>),
    Other(&'static ResourceType, Box<Stored>),
}

impl Written {
    /// Raised with every change.
    pub(super) fn revision(&self) -> u64 {
        match self {
            Self::User(user) => user.revision,
            Self::Group(group) => group.revision,
            Self::Other(_, stored) => stored.revision,
        }
    }

    /// Its id on the wire.
    pub(super) fn id(&self) -> String {
        match self {
            Self::User(user) => user.id.to_string(),
            Self::Group(group) => group.id.to_string(),
            Self::Other(_, stored) => stored.id.to_string(),
        }
    }

    fn resource_type(&self, call: &Call) -> &'static ResourceType {
        match self {
            Self::User(_) => call.registry.user(),
            Self::Group(_) => call.registry.group(),
            Self::Other(resource_type, _) => resource_type,
        }
    }

    /// Where it is.
    pub(super) fn location(&self, call: &Call) -> String {
        format!("{}{}/{}", call.base, self.resource_type(call).endpoint, self.id())
    }

    /// Its entity tag.
    pub(super) fn version(&self) -> String {
        etag(self.revision())
    }
}

impl From<User> for Written {
    fn from(user: User) -> Self {
        Self::User(Box::new(user))
    }
}

impl From<Group> for Written {
    fn from(group: Group) -> Self {
        Self::Group(Box::new(group))
    }
}

/// Makes one (RFC 7644 §3.3).
pub(super) async fn create(app: &App, call: &Call, kind: Kind, body: Value) -> Result<Written, Failure> {
    let resource = accept(call, kind, body)?;
    match kind {
        Kind::Users(_) => Ok(user_writes::create(app, call, Wish::read(resource)?).await?.into()),
        Kind::Groups(_) => Ok(group_writes::create(app, call, resource).await?.into()),
        Kind::Other(resource_type) => other_writes::create(app, call, resource_type, resource).await,
    }
}

/// The one of a path, for the caller's source.
pub(super) fn find(app: &App, call: &Call, place: &Place) -> Result<Written, Failure> {
    let view = app.store.view();
    let shelf = call.shelf(&view);
    match place.kind {
        Kind::Users(_) => Ok(shelf.user(&place.id)?.into()),
        Kind::Groups(_) => Ok(shelf.group(&place.id)?.into()),
        Kind::Other(resource_type) => {
            Ok(Written::Other(resource_type, Box::new(shelf.other(resource_type, &place.id)?)))
        }
    }
}

/// Makes one what the body says (RFC 7644 §3.5.1). What is not there is told before what is wrong with the body.
pub(super) async fn replace(app: &App, call: &Call, place: Place, body: Value) -> Result<Written, Failure> {
    find(app, call, &place)?;
    let resource = accept(call, place.kind, body)?;
    match place.kind {
        Kind::Users(_) => Ok(user_writes::replace(app, call, place.id, Wish::read(resource)?).await?.into()),
        Kind::Groups(_) => Ok(group_writes::replace(app, call, place.id, resource).await?.into()),
        Kind::Other(resource_type) => other_writes::replace(app, call, resource_type, place.id, resource).await,
    }
}

/// Changes parts of one (RFC 7644 §3.5.2).
pub(super) async fn patch(app: &App, call: &Call, place: Place, body: Value) -> Result<Written, Failure> {
    if call.profile.is_strict() {
        strict::patch(place.kind.resource_type(), &body)?;
    }
    let operations = patches::parse(body)?;
    match place.kind {
        Kind::Users(_) => Ok(user_writes::patch(app, call, place.id, operations).await?.into()),
        Kind::Groups(_) => Ok(group_writes::patch(app, call, place.id, &operations).await?.into()),
        Kind::Other(resource_type) => other_writes::patch(app, call, resource_type, place.id, operations).await,
    }
}

/// Removes one (RFC 7644 §3.6).
pub(super) async fn remove(app: &App, call: &Call, place: Place) -> Result<(), Failure> {
    match place.kind {
        Kind::Users(_) => user_writes::remove(app, call, place.id).await,
        Kind::Groups(_) => group_writes::remove(app, call, place.id).await,
        Kind::Other(resource_type) => other_writes::remove(app, call, resource_type, place.id).await,
    }
}

fn accept(call: &Call, kind: Kind, body: Value) -> Result<Resource, ScimError> {
    if call.profile.is_strict() {
        strict::resource(kind.resource_type(), &body)?;
    }
    resource::accept(kind.resource_type(), body)
}

/// One resource as the request wants to see it.
pub(super) async fn answer(app: &App, call: &Call, status: StatusCode, written: Written) -> Result<Response, Failure> {
    let projection = call.projection(written.resource_type(call))?;
    let resource = show(app, call, written, &projection).await?;
    Ok(reply::one(status, resource, &projection))
}

/// Members are read off the runtime's threads, for they may be many; a client that does not want them says
/// `excludedAttributes=members`, and none is read.
async fn show(app: &App, call: &Call, written: Written, projection: &Projection<'_>) -> Result<Resource, StoreError> {
    match written {
        Written::User(user) => call.shelf(&app.store.view()).answer_user(*user, projection),
        Written::Other(resource_type, stored) => Ok(call.shelf(&app.store.view()).show_other(resource_type, *stored)),
        Written::Group(group) if !projection.wants("members") => {
            call.shelf(&app.store.view()).show_group(&group, &Wanted::Nobody)
        }
        Written::Group(group) => {
            let (app, call) = (app.clone(), call.clone());
            let show = move || call.shelf(&app.store.view()).show_group(&group, &Wanted::Everybody);
            spawn_blocking(show).await.unwrap_or(Err(StoreError::Stopped))
        }
    }
}
