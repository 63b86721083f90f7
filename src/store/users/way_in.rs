//! Whether the sources leave administrators a way in (promise 12), when the settings open or close some.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::{WriteError, get_many, holders};
use crate::base::id::SourceId;
use crate::directory::role;
use crate::directory::user::{RuleError, User};
use crate::store::tx::{Reads, Tx};
use crate::store::{StoreError, ways_in};

/// Are there administrators, and do these sources let none of them in?
///
/// # Errors
/// When the store cannot read.
pub fn shut_out(reads: &dyn Reads, sources: &BTreeSet<SourceId>, now: Timestamp) -> Result<bool, StoreError> {
    let all = administrators(reads)?;
    let lets_in = |user: &User| user.is_valid(now) && sources.contains(&user.source);
    Ok(!all.is_empty() && !all.iter().any(lets_in))
}

/// Notes which sources let their users in from now on.
///
/// # Errors
/// [`RuleError::LastAdministrator`] when they would close the last way in, or the last one that no expiry takes away.
pub fn let_in(tx: &mut Tx<'_>, sources: &BTreeSet<SourceId>) -> Result<(), WriteError> {
    let before = come_in(tx)?;
    ways_in::put(tx, sources)?;
    let after = come_in(tx)?;
    let closes = |before: bool, after: bool| before && !after;
    if closes(before.0, after.0) || closes(before.1, after.1) {
        Err(RuleError::LastAdministrator.into())
    } else {
        Ok(())
    }
}

/// May an administrator come in, and one whom no expiry takes away?
fn come_in(tx: &Tx<'_>) -> Result<(bool, bool), StoreError> {
    let mut found = (false, false);
    for user in administrators(tx)? {
        if user.is_valid(tx.now()) && ways_in::lets_in(tx, &user.source)? {
            found = (true, found.1 || user.expires_at.is_none());
        }
    }
    Ok(found)
}

fn administrators(reads: &dyn Reads) -> Result<Vec<User>, StoreError> {
    get_many(reads, &holders(reads, role::SYSTEM_ADMIN, usize::MAX)?)
}
