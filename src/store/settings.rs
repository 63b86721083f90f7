//! Settings that were changed at run time: by key, the value, and who set it when. What a value means is the business of
//! whoever reads settings; here it is JSON.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::directory::audit::{Actor, Author, Change, Target};
use crate::store::StoreError;
use crate::store::audit::{self, Entry};
use crate::store::engine::{KeyRange, Order};
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx, get_record, get_records};
use crate::store::users::WriteError;

/// Most rows that are read: whoever writes them knows every key by name.
const MOST: usize = 10_000;

/// One stored setting.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// The dotted key: `login.deadline`.
    pub key: String,
    /// Its value, as the file would have it.
    pub value: Value,
    /// When it was set.
    pub at: Timestamp,
    /// Who set it.
    pub by: Actor,
}

fn key(name: &str) -> Vec<u8> {
    Space::Setting.key(&[name.as_bytes()])
}

fn revision_key() -> Vec<u8> {
    Space::Meta.key(&[b"settings"])
}

/// All of them, by key.
///
/// # Errors
/// When the store cannot read.
pub fn list(reads: &dyn Reads) -> Result<Vec<Setting>, StoreError> {
    let rows = reads.scan(&KeyRange::prefix(&Space::Setting.key(&[])), Order::Ascending, MOST)?;
    let keys: Vec<_> = rows.into_iter().map(|(key, _)| key).collect();
    get_records(reads, &keys)
}

/// How often they were changed.
///
/// # Errors
/// When the store cannot read.
pub fn revision(reads: &dyn Reads) -> Result<u64, StoreError> {
    Ok(get_record(reads, &revision_key())?.unwrap_or_default())
}

/// Sets and takes back (`None`) values, and tells the trail what became of what takes effect. Gives the new revision.
///
/// # Errors
/// [`WriteError::Stale`] when they were changed since `seen`.
pub fn change(
    tx: &mut Tx<'_>,
    author: &Author,
    seen: u64,
    wishes: &BTreeMap<String, Option<Value>>,
    changes: Vec<Change>,
) -> Result<u64, WriteError> {
    let found = revision(tx)?;
    if found != seen {
        return Err(WriteError::Stale { found });
    }
    let (at, by) = (tx.now(), &author.actor);
    for (name, value) in wishes {
        match value {
            Some(value) => {
                let setting = Setting { key: name.clone(), value: value.clone(), at, by: by.clone() };
                tx.put_record(key(name), &setting)?;
            }
            None => tx.remove(key(name)),
        }
    }
    audit::append(tx, author, Entry { changes, ..Entry::new("settings.changed", Target::Directory) })?;
    Ok(raise(tx)?)
}

/// Tells the trail that the file was read again: what takes effect, and what waits for a restart. Gives the revision,
/// which is a new one where something does.
///
/// # Errors
/// When the store cannot read.
pub fn reloaded(
    tx: &mut Tx<'_>,
    author: &Author,
    changes: Vec<Change>,
    needs_restart: &[String],
) -> Result<u64, StoreError> {
    let is_new = !changes.is_empty();
    let mut entry = Entry { changes, ..Entry::new("settings.reloaded", Target::Directory) };
    if !needs_restart.is_empty() {
        entry.details.insert("needs_restart".to_owned(), needs_restart.into());
    }
    audit::append(tx, author, entry)?;
    if is_new { raise(tx) } else { revision(tx) }
}

fn raise(tx: &mut Tx<'_>) -> Result<u64, StoreError> {
    let next = revision(tx)?.saturating_add(1);
    tx.put_record(revision_key(), &next)?;
    Ok(next)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::clock::Clock;
    use crate::base::rng::Rng;
    use crate::store::{Store, export, verify};

    #[tokio::test]
    async fn what_was_set_is_there_until_it_is_taken_back_and_who_comes_late_is_told() {
        let store = Store::in_memory(Clock::manual(Timestamp::UNIX_EPOCH), Rng::seeded(1)).unwrap();
        let change = async |seen, wishes: Value| {
            let wishes: BTreeMap<String, Option<Value>> = serde_json::from_value(wishes).unwrap();
            let rule = move |tx: &mut Tx<'_>| super::change(tx, &Author::system("test"), seen, &wishes, Vec::new());
            store.write(rule).await
        };
        assert_eq!(change(0, json!({"login.deadline": "3s", "mfa.policy": "all"})).await.unwrap(), 1);
        assert!(matches!(change(0, json!({"mfa.policy": "off"})).await, Err(WriteError::Stale { found: 1 })));
        assert_eq!(change(1, json!({"login.deadline": null})).await.unwrap(), 2);
        let left = list(&store.view()).unwrap();
        assert_eq!((left.len(), left[0].key.as_str(), &left[0].value), (1, "mfa.policy", &json!("all")));
        assert!(verify::verify(&store.view()).unwrap().differences.is_empty());
        let mut exported = String::new();
        let write = |line: &str| {
            exported.push_str(line);
            Ok::<_, StoreError>(())
        };
        export::export(&store.view(), write).unwrap();
        assert!(exported.contains(r#""space":"setting""#) && exported.contains(r#""record":2"#), "{exported}");
    }

    #[test]
    fn what_is_stored_of_a_setting_is_read_for_ever() {
        let stored = r#"{"key":"mfa.policy","value":"all","at":"2026-01-01T00:00:00Z","by":{"kind":"socket","uid":0}}"#;
        let setting: Setting = serde_json::from_str(stored).unwrap();
        assert_eq!(serde_json::to_string(&setting).unwrap(), stored);
    }
}
