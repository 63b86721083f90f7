//! Changes of resources of the types that the settings add, by their source.

use serde_json::Value;

use super::call::{Call, expect};
use super::convert::{external_id_of, show_other};
use super::reply::Failure;
use super::writes::Written;
use crate::base::id::{ExternalId, ResourceId};
use crate::base::text::fold;
use crate::directory::resource::Resource as Stored;
use crate::http::state::App;
use crate::scim::patch::Operation;
use crate::scim::schema::{ResourceType, Uniqueness};
use crate::scim::{Resource, ScimError, resource};
use crate::store::resources;
use crate::store::tx::Tx;

/// Longest value that is kept unique, in bytes.
const UNIQUE_MAX: usize = 512;

/// What the source says of a resource.
struct Said {
    external_id: Option<ExternalId>,
    attributes: Resource,
    unique: Vec<String>,
}

impl Said {
    fn read(resource_type: &ResourceType, mut resource: Resource) -> Result<Self, ScimError> {
        let external_id = external_id_of(&resource)?;
        resource.retain(|name, _| !["externalId", "schemas", "id", "meta"].contains(&name.as_str()));
        let unique = unique(resource_type, &resource)?;
        Ok(Self { external_id, attributes: resource, unique })
    }

    fn apply(self, stored: Stored) -> Stored {
        let Self { external_id, attributes, unique } = self;
        Stored { external_id, attributes, unique, ..stored }
    }
}

/// The values that must be unique, each with its attribute in front: as the attribute compares them.
fn unique(resource_type: &ResourceType, resource: &Resource) -> Result<Vec<String>, ScimError> {
    let base = resource_type.base.attributes.iter().map(|attribute| (None, attribute));
    let extensions = resource_type.extensions.iter().map(|extension| &extension.schema);
    let extended = extensions.flat_map(|schema| schema.attributes.iter().map(move |one| (Some(schema.id), one)));
    let mut found = Vec::new();
    for (urn, attribute) in base.chain(extended).filter(|(_, one)| one.uniqueness != Uniqueness::None) {
        let holder = urn.map_or(Some(resource), |urn| resource.get(urn).and_then(Value::as_object));
        let Some(text) = holder.and_then(|holder| holder.get(attribute.name)).and_then(Value::as_str) else { continue };
        if text.len() > UNIQUE_MAX || text.contains('\0') {
            let detail = format!("{} must be unique, so it has at most {UNIQUE_MAX} bytes", attribute.name);
            return Err(ScimError::invalid_value(detail));
        }
        let value = if attribute.case_exact { text.to_owned() } else { fold(text) };
        found.push(format!("{}{}={value}", urn.map(|urn| format!("{urn}:")).unwrap_or_default(), attribute.name));
    }
    Ok(found)
}

/// Makes a resource.
pub(super) async fn create(
    app: &App,
    call: &Call,
    resource_type: &'static ResourceType,
    resource: Resource,
) -> Result<Written, Failure> {
    let Said { external_id, attributes, unique } = Said::read(resource_type, resource)?;
    let (author, source) = (call.author.clone(), call.source.clone());
    let write = move |tx: &mut Tx<'_>| {
        let now = tx.now();
        let stored = Stored {
            id: ResourceId::new(now, tx.rng()),
            source: source.clone(),
            kind: resource_type.name.to_owned(),
            external_id: external_id.clone(),
            attributes: attributes.clone(),
            unique: unique.clone(),
            created_at: now,
            modified_at: now,
            revision: 1,
        };
        let stored = resources::create(tx, &author, stored)?;
        Ok::<_, Failure>(Written::Other(resource_type, Box::new(stored)))
    };
    app.store.write(write).await
}

/// Makes a resource what the body says.
pub(super) async fn replace(
    app: &App,
    call: &Call,
    resource_type: &'static ResourceType,
    id: String,
    wanted: Resource,
) -> Result<Written, Failure> {
    let change = move |before: &Resource| {
        resource::check_immutable(resource_type, before, &wanted)?;
        Ok(Some(wanted.clone()))
    };
    rewrite(app, call, resource_type, id, change).await
}

/// Applies a PATCH, all of it or nothing (RFC 7644 §3.5.2).
pub(super) async fn patch(
    app: &App,
    call: &Call,
    resource_type: &'static ResourceType,
    id: String,
    operations: Vec<Operation>,
) -> Result<Written, Failure> {
    let apply = call.applies();
    let change = move |before: &Resource| {
        let mut resource = before.clone();
        Ok(apply(resource_type, &mut resource, &operations)?.then_some(resource))
    };
    rewrite(app, call, resource_type, id, change).await
}

async fn rewrite(
    app: &App,
    call: &Call,
    resource_type: &'static ResourceType,
    id: String,
    change: impl Fn(&Resource) -> Result<Option<Resource>, ScimError> + Send + 'static,
) -> Result<Written, Failure> {
    let call = call.clone();
    let write = move |tx: &mut Tx<'_>| {
        let stored = call.shelf(tx).other(resource_type, &id)?;
        expect(call.if_match.as_ref(), stored.revision)?;
        let shown = show_other(resource_type, stored.clone(), &call.base);
        let stored = match change(&shown)? {
            Some(wanted) => {
                let new = Said::read(resource_type, wanted)?.apply(stored.clone());
                resources::update(tx, &call.author, &stored, new)?
            }
            None => stored,
        };
        Ok::<_, Failure>(Written::Other(resource_type, Box::new(stored)))
    };
    app.store.write(write).await
}

/// Removes a resource.
pub(super) async fn remove(
    app: &App,
    call: &Call,
    resource_type: &'static ResourceType,
    id: String,
) -> Result<(), Failure> {
    let call = call.clone();
    let write = move |tx: &mut Tx<'_>| {
        let stored = call.shelf(tx).other(resource_type, &id)?;
        expect(call.if_match.as_ref(), stored.revision)?;
        Ok::<_, Failure>(resources::remove(tx, &call.author, &stored)?)
    };
    app.store.write(write).await
}
