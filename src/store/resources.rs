//! Resources of the types that the settings add, each with the rows that keep its unique values unique.

use serde_json::Value;

use crate::base::id::{ResourceId, SourceId};
use crate::directory::audit::{Author, Target};
use crate::directory::resource::Resource;
use crate::store::audit::{self, Entry};
use crate::store::engine::{Bytes, KeyRange, Order};
use crate::store::keys::{END, Space, trailing_id};
use crate::store::tx::{Reads, Tx, get_record};
use crate::store::users::WriteError;
use crate::store::{StoreError, index};

fn key(id: ResourceId) -> Bytes {
    Space::Resource.key(&[id.as_bytes()])
}

/// The resource of this id.
///
/// # Errors
/// When the store cannot read.
pub fn get(reads: &dyn Reads, id: ResourceId) -> Result<Option<Resource>, StoreError> {
    get_record(reads, &key(id))
}

/// The ids of a source's resources of a type, oldest first. Reads no record.
///
/// # Errors
/// When the store cannot read.
pub fn ids(reads: &dyn Reads, source: &SourceId, kind: &str) -> Result<Vec<ResourceId>, StoreError> {
    let prefix = Space::ResourceByType.key(&[source.as_str().as_bytes(), END, kind.as_bytes(), END]);
    let rows = reads.scan(&KeyRange::prefix(&prefix), Order::Ascending, usize::MAX)?;
    Ok(rows.iter().filter_map(|(key, _)| trailing_id(key)).map(ResourceId::from_bytes).collect())
}

/// Makes a resource.
///
/// # Errors
/// When a value that must be unique is another's.
pub fn create(tx: &mut Tx<'_>, author: &Author, resource: Resource) -> Result<Resource, WriteError> {
    index::write(tx, key(resource.id), None, &resource)?;
    note(tx, author, "resource.created", &resource, &[])?;
    Ok(resource)
}

/// Makes a resource what it is to be; one that stays as it is writes nothing.
///
/// # Errors
/// When a value that must be unique is another's.
pub fn update(tx: &mut Tx<'_>, author: &Author, old: &Resource, new: Resource) -> Result<Resource, WriteError> {
    if new == *old {
        return Ok(new);
    }
    let new = Resource { revision: old.revision.saturating_add(1), modified_at: tx.now(), ..new };
    index::write(tx, key(old.id), Some(old), &new)?;
    let differences =
        audit::differences(&Value::Object(old.attributes.clone()), &Value::Object(new.attributes.clone()), &[]);
    note(tx, author, "resource.changed", &new, &differences)?;
    Ok(new)
}

/// Removes a resource.
///
/// # Errors
/// When the store cannot write.
pub fn remove(tx: &mut Tx<'_>, author: &Author, resource: &Resource) -> Result<(), WriteError> {
    index::remove(tx, key(resource.id), resource)?;
    Ok(note(tx, author, "resource.removed", resource, &[])?)
}

fn note(
    tx: &mut Tx<'_>,
    author: &Author,
    action: &'static str,
    resource: &Resource,
    changes: &[crate::directory::audit::Change],
) -> Result<(), StoreError> {
    let mut entry = Entry::new(action, Target::Resource { id: resource.id, type_name: resource.kind.clone() });
    entry.changes = changes.to_vec();
    audit::append(tx, author, entry)
}
