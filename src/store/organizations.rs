//! Organisation records.

use crate::base::id::OrganizationId;
use crate::directory::audit::{Author, Target};
use crate::directory::organization::Organization;
use crate::store::audit::{self, Entry};
use crate::store::engine::{KeyRange, Order};
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx, get_record, get_records};
use crate::store::users::WriteError;
use crate::store::{StoreError, index};

fn key(id: OrganizationId) -> Vec<u8> {
    Space::Organization.key(&[id.as_bytes()])
}

/// The organisation of this id.
///
/// # Errors
/// When the store cannot read.
pub fn get(reads: &dyn Reads, id: OrganizationId) -> Result<Option<Organization>, StoreError> {
    get_record(reads, &key(id))
}

/// All organisations by name.
///
/// # Errors
/// When the store cannot read.
pub fn list(reads: &dyn Reads) -> Result<Vec<Organization>, StoreError> {
    let rows = reads.scan(&KeyRange::prefix(&Space::OrganizationByName.key(&[])), Order::Ascending, usize::MAX)?;
    let ids = rows.iter().filter_map(|(_, value)| super::keys::trailing_id(value));
    let keys: Vec<_> = ids.map(|id| key(OrganizationId::from_bytes(id))).collect();
    get_records(reads, &keys)
}

/// Makes an organisation.
///
/// # Errors
/// When its name is taken.
pub fn create(tx: &mut Tx<'_>, author: &Author, organization: Organization) -> Result<Organization, WriteError> {
    index::write(tx, key(organization.id), None, &organization)?;
    let target = Target::Organization { id: organization.id, name: organization.name.as_str().to_owned() };
    audit::append(tx, author, Entry::new("organization.created", target))?;
    Ok(organization)
}
