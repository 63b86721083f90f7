//! The index rows of a user: a function of the record, written and removed with it in the same commit.

use std::collections::BTreeSet;

use super::{WriteError, lookup};
use crate::base::id::{RoleId, UserId};
use crate::directory::user::{State, User};
use crate::store::StoreError;
use crate::store::engine::{Bytes, Row};
use crate::store::keys::{self, END, Space};
use crate::store::tx::{Reads, Tx};

/// Every index row of a user, as a function of the record.
pub(in crate::store) fn index_rows(user: &User) -> Vec<Row> {
    let id = user.id.as_bytes();
    let mut rows: Vec<Row> = Vec::new();
    if let Some(external_id) = &user.external_id {
        rows.push((keys::user_by_external_id(&user.source, external_id), id.to_vec()));
    }
    if let State::Removed { purge_after, .. } = &user.state {
        rows.push((Space::UserByPurge.key(&[&keys::seconds(*purge_after), id]), Vec::new()));
        return rows;
    }
    rows.push((Space::UserByUsername.key(&[user.username.folded().as_bytes()]), id.to_vec()));
    if let Some(email) = &user.email {
        rows.push((Space::UserByEmail.key(&[email.folded().as_bytes()]), id.to_vec()));
    }
    rows.extend(lookup::other_email_rows(user));
    rows.push((Space::UserBySource.key(&[user.source.as_str().as_bytes(), END, id]), Vec::new()));
    let by_role = |role: &RoleId| (Space::UserByRole.key(&[role.as_str().as_bytes(), END, id]), Vec::new());
    rows.extend(user.roles.iter().map(by_role));
    if user.is_active() {
        rows.push((Space::UserByQuiet.key(&[&keys::seconds(user.quiet_since()), id]), Vec::new()));
        if let Some(end) = user.expires_at {
            rows.push((Space::UserByExpiry.key(&[&keys::seconds(end), id]), Vec::new()));
        }
    }
    rows
}

/// Which unique value an index key stands for.
fn unique_field(key: &[u8]) -> Option<&'static str> {
    let tag = *key.first()?;
    [(Space::UserByUsername, "username"), (Space::UserByEmail, "email"), (Space::UserByExternalId, "external_id")]
        .into_iter()
        .find_map(|(space, field)| (space.tag() == tag).then_some(field))
}

fn held_by_another(tx: &Tx<'_>, key: &[u8], id: UserId) -> Result<bool, StoreError> {
    Ok(tx.get(key)?.is_some_and(|holder| holder != id.as_bytes()))
}

/// The key by which the same text would log in another way: a username must not be somebody else's address.
fn same_login(key: &[u8]) -> Bytes {
    let text = key.get(1..).unwrap_or_default();
    match key.first() {
        Some(tag) if *tag == Space::UserByUsername.tag() => Space::UserByEmail.key(&[text]),
        Some(tag) if *tag == Space::UserByEmail.tag() => Space::UserByUsername.key(&[text]),
        _ => key.to_vec(),
    }
}

/// Writes the rows that are new and removes those that are gone; refuses a unique value that another holds.
pub(super) fn write_index(tx: &mut Tx<'_>, id: UserId, old: Vec<Row>, new: Vec<Row>) -> Result<(), WriteError> {
    let kept: BTreeSet<Bytes> = new.iter().map(|(key, _)| key.clone()).collect();
    let had: BTreeSet<Bytes> = old.into_iter().map(|(key, _)| key).collect();
    for (key, value) in new {
        if had.contains(&key) {
            continue;
        }
        if let Some(field) = unique_field(&key)
            && (held_by_another(tx, &key, id)? || held_by_another(tx, &same_login(&key), id)?)
        {
            return Err(WriteError::Taken { field });
        }
        tx.put(key, value);
    }
    had.difference(&kept).for_each(|key| tx.remove(key.clone()));
    Ok(())
}
