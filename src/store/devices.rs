//! Trusted devices, under the hashes of their tokens.

use crate::base::id::UserId;
use crate::base::secret::TokenHash;
use crate::directory::device::Device;
use crate::store::engine::{KeyRange, Order};
use crate::store::keys::Space;
use crate::store::sessions::remember_end;
use crate::store::tx::{Reads, Tx, get_record};
use crate::store::{StoreError, codec, index};

/// Most devices of one user; the oldest make room.
const DEVICES_MAX: usize = 20;

fn key(hash: TokenHash) -> Vec<u8> {
    Space::Device.key(&[&hash.0])
}

/// The device under this token, trusted or not any more.
///
/// # Errors
/// When the store cannot read.
pub fn get(reads: &dyn Reads, hash: TokenHash) -> Result<Option<Device>, StoreError> {
    get_record(reads, &key(hash))
}

/// Begins to trust a device.
///
/// # Errors
/// When the store cannot read.
pub fn create(tx: &mut Tx<'_>, hash: TokenHash, device: &Device) -> Result<(), StoreError> {
    let rows = tx.scan(&by_user(device.user), Order::Ascending, DEVICES_MAX)?;
    if rows.len() >= DEVICES_MAX
        && let Some((_, oldest)) = rows.first()
    {
        index::drop_record(tx, Space::Device.key(&[oldest]))?;
    }
    remember_end(tx, device.expires_at, &key(hash));
    index::put(tx, key(hash), None, device)
}

/// Writes what changed of a device.
///
/// # Errors
/// When the record cannot be encoded.
pub fn put(tx: &mut Tx<'_>, hash: TokenHash, device: &Device) -> Result<(), StoreError> {
    tx.put_record(key(hash), device)
}

/// A user's devices with the hashes of their tokens, oldest first, trusted or not any more.
///
/// # Errors
/// When the store cannot read.
pub fn list(reads: &dyn Reads, user: UserId) -> Result<Vec<(TokenHash, Device)>, StoreError> {
    let rows = reads.scan(&by_user(user), Order::Ascending, DEVICES_MAX)?;
    let hashes: Vec<TokenHash> =
        rows.iter().filter_map(|(_, hash)| hash.as_slice().try_into().ok().map(TokenHash)).collect();
    let keys: Vec<_> = hashes.iter().map(|hash| key(*hash)).collect();
    let found = reads.get_many(&keys)?;
    let pairs = hashes.into_iter().zip(found).filter_map(|(hash, bytes)| Some((hash, bytes?)));
    pairs.map(|(hash, bytes)| Ok((hash, codec::decode(&bytes)?))).collect()
}

/// Trusts a device no more.
///
/// # Errors
/// When the store cannot read.
pub fn remove(tx: &mut Tx<'_>, hash: TokenHash, device: &Device) -> Result<(), StoreError> {
    index::remove(tx, key(hash), device)
}

fn by_user(user: UserId) -> KeyRange {
    KeyRange::prefix(&Space::DeviceByUser.key(&[user.as_bytes()]))
}
