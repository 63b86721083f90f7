//! Every index there is: which rows follow from which record. A record is written by [`write`] and removed by
//! [`remove`], which keep its rows in the same commit; `verify` computes them all again from the same functions.

use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::base::id::{RoleId, SourceId, UserId};
use crate::base::text;
use crate::directory::dn::{self, EntryKey};
use crate::directory::group::Group;
use crate::directory::role;
use crate::directory::user::{State, User};
use crate::store::engine::{Bytes, Row};
use crate::store::keys::{self, END, Space};
use crate::store::tally::{self, Counted, Tally};
use crate::store::tx::{Reads, Tx};
use crate::store::users::WriteError;
use crate::store::{StoreError, codec};

pub(super) mod kinds;

/// Longest address that is indexed, in bytes (RFC 5321 §4.5.3.1.3).
const ADDRESS_MAX: usize = 254;

/// A kind of record that is found by more than its key.
pub(super) trait Indexed: Serialize + DeserializeOwned {
    /// Where its records lie.
    const RECORDS: Space;
    /// Where its index rows lie; no other kind's do.
    const INDEXES: &'static [Space];

    /// Every index row of the record under this key.
    fn rows(&self, key: &[u8]) -> Vec<Row>;

    /// What the record counts in a tally.
    fn tally(&self) -> Counted {
        None
    }

    /// The key of the record that an index row leads to: by default the id that stands in its value, or ends its key.
    fn leads_to((key, value): &Row) -> Option<Bytes> {
        let id = keys::trailing_id(if value.is_empty() { key } else { value })?;
        Some(Self::RECORDS.key(&[&id]))
    }
}

/// An index row with nothing but its key.
fn row(space: Space, parts: &[&[u8]]) -> Row {
    (space.key(parts), Vec::new())
}

impl Indexed for User {
    const RECORDS: Space = Space::User;
    const INDEXES: &'static [Space] = &[
        Space::UserByUsername,
        Space::UserByEmail,
        Space::UserByOtherEmail,
        Space::UserByExternalId,
        Space::UserByEntry,
        Space::UserBySource,
        Space::UserByRole,
        Space::UserByOrganization,
        Space::UserByModified,
        Space::UserByState,
        Space::UserByExpiry,
        Space::UserBySourceQuiet,
        Space::UserByPurge,
    ];

    fn rows(&self, _: &[u8]) -> Vec<Row> {
        let id = self.id.as_bytes();
        let username = self.username.folded();
        let mut rows: Vec<Row> = Vec::new();
        if let Some(external_id) = &self.external_id {
            let value = [&self.fingerprint()[..], id].concat();
            rows.push((keys::user_by_external_id(&self.source, external_id), value));
        }
        if let State::Removed { purge_after, .. } = &self.state {
            rows.push(row(Space::UserByPurge, &[&keys::seconds(*purge_after), id]));
            return rows;
        }
        rows.push((Space::UserByUsername.key(&[username.as_bytes()]), id.to_vec()));
        let email = self.email.as_ref().map(|email| email.folded());
        rows.extend(email.iter().map(|email| (Space::UserByEmail.key(&[email.as_bytes()]), id.to_vec())));
        let others = other_emails(self).filter(|other| Some(other) != email.as_ref());
        rows.extend(others.map(|other| row(Space::UserByOtherEmail, &[other.as_bytes(), END, id])));
        if let Some(at) = &self.at_source {
            rows.push((by_entry(Space::UserByEntry, &self.source, &dn::key(&at.entry)), id.to_vec()));
        }
        rows.push(row(Space::UserBySource, &[self.source.as_str().as_bytes(), END, id]));
        // Everybody is a plain user: that role needs no index. The same role in two organisations is one row.
        let roles: BTreeSet<&RoleId> = self.roles.iter().chain(self.organizations.values().flatten()).collect();
        let roles = roles.into_iter().filter(|role| !role::is_plain(role));
        rows.extend(roles.map(|role| row(Space::UserByRole, &[role.as_str().as_bytes(), END, id])));
        let organizations = self.organizations.keys();
        rows.extend(organizations.map(|one| row(Space::UserByOrganization, &[one.as_bytes(), id])));
        rows.push(row(Space::UserByModified, &[&keys::millis(self.modified_at), id]));
        if self.is_active() {
            let quiet = keys::seconds(self.quiet_since());
            rows.push(row(Space::UserBySourceQuiet, &[self.source.as_str().as_bytes(), END, &quiet, id]));
            rows.extend(self.expires_at.map(|end| row(Space::UserByExpiry, &[&keys::seconds(end), id])));
        } else {
            // Most are active: only the others are worth a row.
            let state = self.state_name().as_bytes();
            rows.push((Space::UserByState.key(&[state, END, username.as_bytes()]), id.to_vec()));
        }
        rows
    }

    fn tally(&self) -> Counted {
        let is_removed = matches!(self.state, State::Removed { .. });
        (!is_removed)
            .then(|| (tally::key(&self.source), Tally { present: 1, active: u64::from(self.is_active()), shifts: 0 }))
    }
}

/// The key of a record by the name of its entry at the source.
pub(super) fn by_entry(space: Space, source: &SourceId, entry: &EntryKey) -> Bytes {
    space.key(&[source.as_str().as_bytes(), END, entry])
}

/// The addresses that a source sent, folded.
fn other_emails(user: &User) -> impl Iterator<Item = String> {
    let sent = user.scim.get("emails").and_then(Value::as_array).into_iter().flatten();
    sent.filter_map(|item| item.get("value").and_then(Value::as_str)).filter_map(indexed_email)
}

/// An address as it stands in keys; `None`: no index holds such a text.
pub(super) fn indexed_email(email: &str) -> Option<String> {
    (email.len() <= ADDRESS_MAX && !email.contains('\0')).then(|| text::fold_email(email))
}

impl Indexed for Group {
    const RECORDS: Space = Space::Group;
    const INDEXES: &'static [Space] =
        &[Space::GroupByName, Space::GroupByOrganization, Space::GroupByExternalId, Space::GroupByEntry];

    fn rows(&self, _: &[u8]) -> Vec<Row> {
        let (id, source) = (self.id.as_bytes().to_vec(), self.source.as_str().as_bytes());
        let folded = self.name.folded();
        let name = match self.organization {
            Some(organization) => Space::GroupByOrganization.key(&[organization.as_bytes(), folded.as_bytes()]),
            None => Space::GroupByName.key(&[source, END, folded.as_bytes()]),
        };
        let external = self.external_id.as_ref();
        let external =
            external.map(|external| Space::GroupByExternalId.key(&[source, END, external.as_str().as_bytes()]));
        let entry = self.at_source.as_ref();
        let entry = entry.map(|at| by_entry(Space::GroupByEntry, &self.source, &dn::key(&at.entry)));
        [Some(name), external, entry].into_iter().flatten().map(|key| (key, id.clone())).collect()
    }
}

/// The index rows of a record, by its key and its stored bytes.
type RowsOf = fn(&[u8], &[u8]) -> Result<Vec<Row>, StoreError>;

/// A kind of record, without its type: for what looks at all of them.
pub(super) struct Kind {
    /// Where its records lie.
    pub(super) records: Space,
    /// Where its index rows lie.
    pub(super) indexes: &'static [Space],
    /// The index rows of a record by its key and stored bytes.
    pub(super) rows: RowsOf,
    /// What a record counts, by its stored bytes.
    pub(super) tally: fn(&[u8]) -> Result<Counted, StoreError>,
    /// The key of the record that an index row leads to.
    pub(super) leads_to: fn(&Row) -> Option<Bytes>,
}

impl Kind {
    const fn of<T: Indexed>() -> Self {
        let rows = |key: &[u8], bytes: &[u8]| Ok(codec::decode::<T>(bytes)?.rows(key));
        let tally = |bytes: &[u8]| Ok(codec::decode::<T>(bytes)?.tally());
        Self { records: T::RECORDS, indexes: T::INDEXES, rows, tally, leads_to: T::leads_to }
    }
}

/// Every kind of record that has index rows.
pub(super) const KINDS: &[Kind] = &[
    Kind::of::<User>(),
    Kind::of::<Group>(),
    Kind::of::<kinds::Organization>(),
    Kind::of::<kinds::Resource>(),
    Kind::of::<kinds::ApiToken>(),
    Kind::of::<kinds::Session>(),
    Kind::of::<kinds::PasswordLink>(),
    Kind::of::<kinds::Device>(),
    Kind::of::<kinds::Factor>(),
    Kind::of::<kinds::Credential>(),
];

/// Writes a record with its index rows, if it may have them; `old` is what it was.
///
/// # Errors
/// [`WriteError::Taken`] when another record holds a value that must be unique.
pub(super) fn write<T: Indexed>(tx: &mut Tx<'_>, key: Bytes, old: Option<&T>, new: &T) -> Result<(), WriteError> {
    let had = rows_of(old, &key);
    let rows = new.rows(&key);
    check_free(tx, &had, &rows)?;
    match old {
        Some(old) => tally::moved(tx, old.tally(), new.tally())?,
        None => tally::made(tx, new.tally())?,
    }
    Ok(replace(tx, key, had, rows, new)?)
}

/// A new record with its index rows, as they will be written.
pub(super) struct Prepared {
    key: Bytes,
    rows: Vec<Row>,
    tally: Counted,
    record: Bytes,
}

impl Prepared {
    /// Computes and encodes. Reads nothing.
    ///
    /// # Errors
    /// When the record cannot be encoded.
    pub(super) fn new<T: Indexed>(key: Bytes, record: &T) -> Result<Self, StoreError> {
        let (rows, tally, record) = (record.rows(&key), record.tally(), codec::encode(record)?);
        Ok(Self { key, rows, tally, record })
    }

    /// Writes it, if it may have its rows.
    ///
    /// # Errors
    /// [`WriteError::Taken`] when another record holds a value that must be unique.
    pub(super) fn write(self, tx: &mut Tx<'_>) -> Result<(), WriteError> {
        check_free(tx, &[], &self.rows)?;
        tally::made(tx, self.tally)?;
        self.rows.into_iter().for_each(|(index, value)| tx.put(index, value));
        tx.put(self.key, self.record);
        Ok(())
    }
}

/// Refuses rows that must be unique and are another record's; `had` are the record's own before.
fn check_free(tx: &Tx<'_>, had: &[Row], rows: &[Row]) -> Result<(), WriteError> {
    for (index, value) in rows {
        if !has(had, index)
            && let Some(field) = unique_field(index)
            && (held_by_another(tx, index, value)? || held_as_login(tx, index, value)?)
        {
            return Err(WriteError::Taken { field });
        }
    }
    Ok(())
}

/// Writes a record of which nothing must be unique with its index rows; `old` is what it was.
///
/// # Errors
/// When the record cannot be encoded.
pub(super) fn put<T: Indexed>(tx: &mut Tx<'_>, key: Bytes, old: Option<&T>, new: &T) -> Result<(), StoreError> {
    let (had, rows) = (rows_of(old, &key), new.rows(&key));
    match old {
        Some(old) => tally::moved(tx, old.tally(), new.tally())?,
        None => tally::made(tx, new.tally())?,
    }
    replace(tx, key, had, rows, new)
}

fn replace<T: Serialize>(
    tx: &mut Tx<'_>,
    key: Bytes,
    had: Vec<Row>,
    rows: Vec<Row>,
    new: &T,
) -> Result<(), StoreError> {
    let gone = had.iter().filter(|(index, _)| !has(&rows, index));
    gone.for_each(|(index, _)| tx.remove(index.clone()));
    for (index, value) in rows {
        if !had.iter().any(|(key, before)| *key == index && *before == value) {
            tx.put(index, value);
        }
    }
    tx.put_record(key, new)
}

fn rows_of<T: Indexed>(record: Option<&T>, key: &[u8]) -> Vec<Row> {
    record.map(|record| record.rows(key)).unwrap_or_default()
}

/// Is this key among some rows? They are few: looking at each is the quickest.
fn has(rows: &[Row], key: &[u8]) -> bool {
    rows.iter().any(|(other, _)| other == key)
}

/// Removes a record with its index rows.
///
/// # Errors
/// When the store cannot read.
pub(super) fn remove<T: Indexed>(tx: &mut Tx<'_>, key: Bytes, old: &T) -> Result<(), StoreError> {
    tally::moved(tx, old.tally(), None)?;
    old.rows(&key).into_iter().for_each(|(index, _)| tx.remove(index));
    tx.remove(key);
    Ok(())
}

/// Removes a record that has ended; index rows that lead to another one by now stay.
///
/// # Errors
/// When the store cannot read.
pub(super) fn drop_record(tx: &mut Tx<'_>, key: Bytes) -> Result<(), StoreError> {
    let kind = KINDS.iter().find(|kind| key.first() == Some(&kind.records.tag()));
    if let Some(kind) = kind
        && let Some(bytes) = tx.get(&key)?
    {
        for (index, value) in (kind.rows)(&key, &bytes)? {
            if tx.get(&index)?.as_ref() == Some(&value) {
                tx.remove(index);
            }
        }
        tally::moved(tx, (kind.tally)(&bytes)?, None)?;
    }
    tx.remove(key);
    Ok(())
}

/// Which value that must be unique an index key stands for.
fn unique_field(key: &[u8]) -> Option<&'static str> {
    const UNIQUE: &[(Space, &str)] = &[
        (Space::UserByUsername, "username"),
        (Space::UserByEmail, "email"),
        (Space::UserByExternalId, "external_id"),
        (Space::UserByEntry, "entry"),
        (Space::GroupByEntry, "entry"),
        (Space::GroupByName, "name"),
        (Space::GroupByOrganization, "name"),
        (Space::GroupByExternalId, "external_id"),
        (Space::OrganizationByName, "name"),
        (Space::ResourceByValue, "value"),
        (Space::FactorByCredential, "credential"),
    ];
    let tag = *key.first()?;
    UNIQUE.iter().find_map(|(space, field)| (space.tag() == tag).then_some(*field))
}

fn held_by_another(tx: &Tx<'_>, key: &[u8], own: &[u8]) -> Result<bool, StoreError> {
    Ok(tx.get(key)?.is_some_and(|holder| keys::trailing_id(&holder) != keys::trailing_id(own)))
}

/// Would the same text log somebody else in another way? A username must not be somebody else's address.
fn held_as_login(tx: &Tx<'_>, key: &[u8], own: &[u8]) -> Result<bool, StoreError> {
    let text = key.get(1..).unwrap_or_default();
    match key.first() {
        // No address is without an at sign.
        Some(tag) if *tag == Space::UserByUsername.tag() && text.contains(&b'@') => {
            held_by_another(tx, &Space::UserByEmail.key(&[text]), own)
        }
        Some(tag) if *tag == Space::UserByEmail.tag() => held_by_another(tx, &Space::UserByUsername.key(&[text]), own),
        _ => Ok(false),
    }
}

/// The record key of a user.
pub(super) fn user_key(id: UserId) -> Bytes {
    Space::User.key(&[id.as_bytes()])
}
