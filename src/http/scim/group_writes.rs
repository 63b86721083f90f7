//! Changes of groups by their source: attributes and members in one transaction.

use serde_json::Value;

use super::call::{Call, expect};
use super::convert::{invalid, show_group};
use super::members::Delta;
use super::reply::Failure;
use super::shelf::Shelf;
use crate::base::id::{ExternalId, GroupId, SourceId};
use crate::directory::audit::Author;
use crate::directory::field::DisplayName;
use crate::directory::group::Group;
use crate::http::state::App;
use crate::scim::patch::{self, MemberChange, Operation, read_members, split_members};
use crate::scim::{Resource, ScimError, schemas};
use crate::store::groups;
use crate::store::tx::{Reads, Tx};

/// The attributes of a group; others that clients send have no place here.
#[derive(Clone)]
struct Attributes {
    name: DisplayName,
    external_id: Option<ExternalId>,
}

impl Attributes {
    fn read(resource: &Resource) -> Result<Self, ScimError> {
        let text = |name: &str| resource.get(name).and_then(Value::as_str);
        let name = DisplayName::parse(text("displayName").unwrap_or_default());
        let external_id = text("externalId").map(ExternalId::parse).transpose();
        Ok(Self {
            name: name.map_err(|fault| invalid("displayName", &fault))?,
            external_id: external_id.map_err(|fault| ScimError::invalid_value(format!("externalId: {fault}")))?,
        })
    }
}

/// The group of this id, for the caller's source.
pub(super) fn owned(reads: &dyn Reads, source: &SourceId, id: &str) -> Result<Group, Failure> {
    Shelf { reads, source, base: "" }.group(id)
}

/// Makes a group with its members.
pub(super) async fn create(app: &App, call: &Call, resource: Resource) -> Result<Group, Failure> {
    let attributes = Attributes::read(&resource)?;
    let changes = [MemberChange::Add(read_members(resource.get("members"))?)];
    let (author, source) = (call.author.clone(), call.source.clone());
    let write = move |tx: &mut Tx<'_>| {
        let (id, Attributes { name, external_id }) = (GroupId::new(tx.now(), tx.rng()), attributes.clone());
        let group = Group { external_id, ..Group::new(id, name, source.clone(), tx.now()) };
        groups::create(tx, &author, group)?;
        change_members(tx, &author, &source, id, &changes)
    };
    app.store.write(write).await
}

/// Makes the group what the resource says, members too.
pub(super) async fn replace(app: &App, call: &Call, id: String, resource: Resource) -> Result<Group, Failure> {
    let attributes = Attributes::read(&resource)?;
    let changes = [MemberChange::Replace(read_members(resource.get("members"))?)];
    change(app, call, id, move |_| Ok(Some(attributes.clone())), changes.into()).await
}

/// Applies a PATCH, all of it or nothing (RFC 7644 §3.5.2); its members are never materialised.
pub(super) async fn patch(app: &App, call: &Call, id: String, operations: &[Operation]) -> Result<Group, Failure> {
    let (changes, rest) = split_members(operations)?;
    let attributes = move |group: &Group| {
        let mut resource = show_group(group, Vec::new(), "");
        let changed = patch::apply(schemas::group(), &mut resource, &rest)?;
        if changed { Attributes::read(&resource).map(Some) } else { Ok(None) }
    };
    change(app, call, id, attributes, changes).await
}

async fn change(
    app: &App,
    call: &Call,
    id: String,
    attributes: impl Fn(&Group) -> Result<Option<Attributes>, ScimError> + Send + 'static,
    members: Vec<MemberChange>,
) -> Result<Group, Failure> {
    let (author, source, if_match) = (call.author.clone(), call.source.clone(), call.if_match.clone());
    let write = move |tx: &mut Tx<'_>| {
        let group = owned(tx, &source, &id)?;
        expect(if_match.as_ref(), group.revision)?;
        if let Some(Attributes { name, external_id }) = attributes(&group)? {
            groups::update(tx, &author, group.id, |group| Group { name, external_id, ..group })?;
        }
        change_members(tx, &author, &source, group.id, &members)
    };
    app.store.write(write).await
}

fn change_members(
    tx: &mut Tx<'_>,
    author: &Author,
    source: &SourceId,
    id: GroupId,
    changes: &[MemberChange],
) -> Result<Group, Failure> {
    let Delta { add, remove } = Delta::of(tx, source, id, changes)?;
    let (add, remove): (Vec<_>, Vec<_>) = (add.into_iter().collect(), remove.into_iter().collect());
    groups::change_members(tx, author, id, &add, &remove)?;
    owned(tx, source, &id.to_string())
}

/// Removes the group with its memberships.
pub(super) async fn remove(app: &App, call: &Call, id: String) -> Result<(), Failure> {
    let (author, source, if_match) = (call.author.clone(), call.source.clone(), call.if_match.clone());
    let write = move |tx: &mut Tx<'_>| {
        let group = owned(tx, &source, &id)?;
        expect(if_match.as_ref(), group.revision)?;
        groups::remove(tx, &author, group.id)?;
        Ok(())
    };
    app.store.write(write).await
}
