//! Of what people were told ahead, and when: written in the commit of the message, so that each is told once, and
//! whoever is disabled for inactivity had the time that was promised.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::id::UserId;
use crate::directory::message::Ending;
use crate::directory::notice::{About, Told};
use crate::store::engine::{KeyRange, Order};
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx, get_record};
use crate::store::{StoreError, codec};

/// Most accounts that administrators are told by name in one message.
pub const NAMED: usize = 50;

/// The byte of a kind in keys: for ever.
fn byte(about: About) -> u8 {
    match about {
        About::Account => 1,
        About::Password => 2,
        About::Inactivity => 3,
    }
}

fn key(user: UserId, about: About) -> Vec<u8> {
    Space::Notice.key(&[user.as_bytes(), &[byte(about)]])
}

/// The last notice of this kind to a user.
///
/// # Errors
/// When the store cannot read.
pub fn get(reads: &dyn Reads, user: UserId, about: About) -> Result<Option<Told>, StoreError> {
    get_record(reads, &key(user, about))
}

/// The same of many users, in their order.
///
/// # Errors
/// When the store cannot read.
pub fn get_many(reads: &dyn Reads, users: &[UserId], about: About) -> Result<Vec<Option<Told>>, StoreError> {
    let keys: Vec<_> = users.iter().map(|user| key(*user, about)).collect();
    reads.get_many(&keys)?.into_iter().map(|row| row.map(|bytes| codec::decode(&bytes)).transpose()).collect()
}

/// Notes a notice.
///
/// # Errors
/// When the record cannot be encoded.
pub fn put(tx: &mut Tx<'_>, user: UserId, about: About, told: &Told) -> Result<(), StoreError> {
    tx.put_record(key(user, about), told)
}

/// Takes the last notice of this kind back, where it names this time and no other: its message never left.
///
/// # Errors
/// When the store cannot read.
pub fn take_back(tx: &mut Tx<'_>, user: UserId, about: About, due: Timestamp) -> Result<(), StoreError> {
    match get(tx, user, about) {
        Ok(Some(told)) if told.due == due => tx.remove(key(user, about)),
        // One that cannot be read is not worth that the message stays for ever.
        Ok(_) | Err(StoreError::Record(_)) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Forgets all notices to a user.
///
/// # Errors
/// When the store cannot read.
pub fn forget(tx: &mut Tx<'_>, user: UserId) -> Result<(), StoreError> {
    let rows = tx.scan(&KeyRange::prefix(&Space::Notice.key(&[user.as_bytes()])), Order::Ascending, 100)?;
    rows.into_iter().for_each(|(key, _)| tx.remove(key));
    Ok(())
}

/// Accounts that end, of which administrators are told when the run is through.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Gathered {
    /// The first to end.
    pub accounts: Vec<Ending>,
    /// How many there are besides.
    pub more: usize,
}

impl Gathered {
    /// Adds an account; those that end first stay by name.
    pub fn add(&mut self, account: Ending) {
        let place = self.accounts.partition_point(|one| (one.at, &one.username) <= (account.at, &account.username));
        self.accounts.insert(place, account);
        if self.accounts.len() > NAMED {
            self.accounts.truncate(NAMED);
            self.more = self.more.saturating_add(1);
        }
    }

    /// Is nobody in it?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty()
    }
}

fn gathered_key() -> Vec<u8> {
    Space::TaskState.key(&[b"notices gathered"])
}

/// What was gathered and not told yet: by a run that is under way, or was cut short.
///
/// # Errors
/// When the store cannot read.
pub fn gathered(reads: &dyn Reads) -> Result<Gathered, StoreError> {
    Ok(get_record(reads, &gathered_key())?.unwrap_or_default())
}

/// Keeps what is gathered; nothing where nobody is in it.
///
/// # Errors
/// When the record cannot be encoded.
pub fn put_gathered(tx: &mut Tx<'_>, gathered: &Gathered) -> Result<(), StoreError> {
    if gathered.is_empty() {
        tx.remove(gathered_key());
        return Ok(());
    }
    tx.put_record(gathered_key(), gathered)
}
