//! Changes of groups by their source: attributes and members in one transaction.

use serde_json::{Map, Value};

use super::call::{Call, expect};
use super::convert::{external_id_of, invalid, show_group};
use super::members::Delta;
use super::reply::Failure;
use crate::base::id::{ExternalId, GroupId, SourceId};
use crate::directory::field::DisplayName;
use crate::directory::group::Group;
use crate::http::state::App;
use crate::scim::patch::{MemberChange, Operation, read_members, split_members};
use crate::scim::{Resource, ScimError, resource};
use crate::store::tx::{Reads, Tx};
use crate::store::{StoreError, groups};

/// Members that are kept elsewhere, or made anew for every answer.
const ELSEWHERE: [&str; 6] = ["displayName", "externalId", "members", "schemas", "id", "meta"];

/// The attributes of a group; `scim` is what has no field of its own, kept as it was sent.
#[derive(Clone)]
struct Attributes {
    name: DisplayName,
    external_id: Option<ExternalId>,
    scim: Map<String, Value>,
}

impl Attributes {
    fn read(mut resource: Resource) -> Result<Self, ScimError> {
        let name = resource.get("displayName").and_then(Value::as_str);
        let name = DisplayName::parse(name.unwrap_or_default()).map_err(|fault| invalid("displayName", &fault))?;
        let external_id = external_id_of(&resource)?;
        resource.retain(|name, _| !ELSEWHERE.contains(&name.as_str()));
        Ok(Self { name, external_id, scim: resource })
    }

    /// Where the source may have several groups of one name, the directory gives all but the first another one beside
    /// it, and the source sees the one that it sent.
    fn beside_others(
        mut self,
        reads: &dyn Reads,
        source: &SourceId,
        own: Option<&Group>,
        unique: bool,
    ) -> Result<Self, StoreError> {
        if unique {
            return Ok(self);
        }
        let sent = self.name.as_str().to_owned();
        if let Some(own) = own
            && own.scim.get("displayName").and_then(Value::as_str) == Some(&sent)
        {
            self.name = own.name.clone();
            self.scim.insert("displayName".to_owned(), sent.into());
            return Ok(self);
        }
        let mut number = 2_u32;
        while groups::by_name(reads, source, self.name.as_str())?
            .is_some_and(|one| Some(one.id) != own.map(|own| own.id))
        {
            let Ok(name) = DisplayName::parse(&format!("{sent} ({number})")) else { return Ok(self) };
            self.name = name;
            self.scim.insert("displayName".to_owned(), Value::from(sent.as_str()));
            number = number.saturating_add(1);
        }
        Ok(self)
    }

    fn apply(self, group: Group) -> Group {
        let Self { name, external_id, scim } = self;
        Group { name, external_id, scim, ..group }
    }
}

/// Makes a group with its members.
pub(super) async fn create(app: &App, call: &Call, resource: Resource) -> Result<Group, Failure> {
    let changes = [MemberChange::Add(read_members(resource.get("members"))?)];
    let (attributes, unique, call) = (Attributes::read(resource)?, has_unique_names(app, call), call.clone());
    let write = move |tx: &mut Tx<'_>| {
        let id = GroupId::new(tx.now(), tx.rng());
        let attributes = attributes.clone().beside_others(tx, &call.source, None, unique)?;
        let group = Group::new(id, attributes.name.clone(), call.source.clone(), tx.now());
        groups::create(tx, &call.author, attributes.apply(group))?;
        change_members(tx, &call, id, &changes)
    };
    app.store.write(write).await
}

/// Makes the group what the resource says, members too.
pub(super) async fn replace(app: &App, call: &Call, id: String, resource: Resource) -> Result<Group, Failure> {
    let changes = [MemberChange::Replace(read_members(resource.get("members"))?)];
    let attributes = Attributes::read(resource)?;
    let kind = call.registry.group();
    let checked = move |group: &Group| {
        resource::check_immutable(kind, &group.scim, &attributes.scim)?;
        Ok(Some(attributes.clone()))
    };
    change(app, call, id, checked, changes.into()).await
}

/// Applies a PATCH, all of it or nothing (RFC 7644 §3.5.2); its members are never materialised.
pub(super) async fn patch(app: &App, call: &Call, id: String, operations: &[Operation]) -> Result<Group, Failure> {
    let (changes, rest) = split_members(operations)?;
    let (kind, apply) = (call.registry.group(), call.applies());
    let attributes = move |group: &Group| {
        let mut resource = show_group(group, Vec::new(), "", kind);
        let changed = apply(kind, &mut resource, &rest)?;
        if changed { Attributes::read(resource).map(Some) } else { Ok(None) }
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
    let (unique, call) = (has_unique_names(app, call), call.clone());
    let write = move |tx: &mut Tx<'_>| {
        let group = call.shelf(tx).group(&id)?;
        expect(call.if_match.as_ref(), group.revision)?;
        if let Some(attributes) = attributes(&group)? {
            let attributes = attributes.beside_others(tx, &call.source, Some(&group), unique)?;
            groups::update(tx, &call.author, group.id, |group| attributes.apply(group))?;
        }
        change_members(tx, &call, group.id, &members)
    };
    app.store.write(write).await
}

/// May the source have one group of a name only?
fn has_unique_names(app: &App, call: &Call) -> bool {
    let push = app.source(&call.source).and_then(|source| source.push.as_ref());
    push.is_none_or(|push| push.unique_group_names)
}

fn change_members(tx: &mut Tx<'_>, call: &Call, id: GroupId, changes: &[MemberChange]) -> Result<Group, Failure> {
    let Delta { add, remove } = Delta::of(tx, &call.source, id, changes)?;
    let (add, remove): (Vec<_>, Vec<_>) = (add.into_iter().collect(), remove.into_iter().collect());
    groups::change_members(tx, &call.author, id, &add, &remove)?;
    call.shelf(tx).group(&id.to_string())
}

/// Removes the group with its memberships.
pub(super) async fn remove(app: &App, call: &Call, id: String) -> Result<(), Failure> {
    let call = call.clone();
    let write = move |tx: &mut Tx<'_>| {
        let group = call.shelf(tx).group(&id)?;
        expect(call.if_match.as_ref(), group.revision)?;
        groups::remove(tx, &call.author, group.id)?;
        Ok::<_, Failure>(())
    };
    app.store.write(write).await
}
