//! Logins under way: what has been proved so far, under the hash of the transaction's token.

use crate::base::secret::TokenHash;
use crate::directory::login::Login;
use crate::store::StoreError;
use crate::store::keys::Space;
use crate::store::sessions::remember_end;
use crate::store::tx::{Reads, Tx, get_record};

fn key(hash: TokenHash) -> Vec<u8> {
    Space::Login.key(&[&hash.0])
}

/// The login under this token.
///
/// # Errors
/// When the store cannot read.
pub fn get(reads: &dyn Reads, hash: TokenHash) -> Result<Option<Login>, StoreError> {
    get_record(reads, &key(hash))
}

/// Writes the state of a login.
///
/// # Errors
/// When the record cannot be encoded.
pub fn put(tx: &mut Tx<'_>, hash: TokenHash, login: &Login) -> Result<(), StoreError> {
    remember_end(tx, login.expires_at, &key(hash));
    tx.put_record(key(hash), login)
}

/// Ends a login: its token opens nothing any more.
pub fn remove(tx: &mut Tx<'_>, hash: TokenHash) {
    tx.remove(key(hash));
}
