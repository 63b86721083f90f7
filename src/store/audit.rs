//! The audit trail: append-only, hash-chained, written in the commit of the change it tells of.

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::base::id::UserId;
use crate::base::secret::sha256;
use crate::directory::audit::{AuditLine, Author, Change, Target};
use crate::store::StoreError;
use crate::store::engine::{KeyRange, Order};
use crate::store::keys::Space;
use crate::store::tx::{Reads, Tx, get_record, get_records};

#[derive(Default, Serialize, Deserialize)]
struct Head {
    seq: u64,
    hash: String,
}

/// What a line says besides author and time.
pub struct Entry {
    /// What happened: `user.created`.
    pub action: &'static str,
    /// To what.
    pub target: Target,
    /// Attribute by attribute.
    pub changes: Vec<Change>,
    /// More facts.
    pub details: Map<String, Value>,
}

impl Entry {
    /// A line without changes or details.
    #[must_use]
    pub fn new(action: &'static str, target: Target) -> Self {
        Self { action, target, changes: Vec::new(), details: Map::new() }
    }
}

fn head_key() -> Vec<u8> {
    Space::Meta.key(&[b"audit"])
}

/// Appends a line to the trail.
///
/// # Errors
/// When the store cannot read or encode.
pub fn append(tx: &mut Tx<'_>, author: &Author, entry: Entry) -> Result<(), StoreError> {
    let head: Head = get_record(tx, &head_key())?.unwrap_or_default();
    let mut line = AuditLine {
        seq: head.seq.saturating_add(1),
        at: tx.now(),
        action: entry.action.to_owned(),
        actor: author.actor.clone(),
        target: entry.target,
        address: author.address,
        request: author.request.clone(),
        reason: author.reason.clone(),
        changes: entry.changes,
        details: entry.details,
        hash: String::new(),
    };
    line.hash = chain(&head.hash, &to_value(&line)?);
    if let Target::User { id, .. } = &line.target {
        tx.put(Space::AuditByUser.key(&[id.as_bytes(), &line.seq.to_be_bytes()]), Vec::new());
    }
    tx.put_record(Space::Audit.key(&[&line.seq.to_be_bytes()]), &line)?;
    tx.put_record(head_key(), &Head { seq: line.seq, hash: line.hash })
}

/// The hash of a line: SHA-256 over the previous line's hash and the members of this line, in the order of their
/// names, without its own hash. Computed from the stored form, so that a member added later leaves old lines whole.
fn chain(previous: &str, line: &Value) -> String {
    let mut members = line.as_object().cloned().unwrap_or_default();
    members.remove("hash");
    HEXLOWER.encode(&sha256(format!("{previous}{}", Value::Object(members)).as_bytes()))
}

fn to_value(line: &AuditLine) -> Result<Value, StoreError> {
    serde_json::to_value(line).map_err(|error| StoreError::Record(error.to_string()))
}

/// The attributes in which two forms of a record differ. Members named in `quiet` do not count.
#[must_use]
pub fn differences(old: &Value, new: &Value, quiet: &[&str]) -> Vec<Change> {
    let empty = Map::new();
    let old = old.as_object().unwrap_or(&empty);
    let new = new.as_object().unwrap_or(&empty);
    let names: std::collections::BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    names
        .into_iter()
        .filter(|name| !quiet.contains(&name.as_str()))
        .filter(|name| old.get(*name) != new.get(*name))
        .map(|name| Change {
            attribute: name.clone(),
            old: old.get(name).cloned().unwrap_or_default(),
            new: new.get(name).cloned().unwrap_or_default(),
        })
        .collect()
}

/// The last lines, newest first: of one user or of all, before a number.
///
/// # Errors
/// When the store cannot read.
pub fn list(
    reads: &dyn Reads,
    user: Option<UserId>,
    before: Option<u64>,
    limit: usize,
) -> Result<Vec<AuditLine>, StoreError> {
    let prefix = match user {
        Some(user) => Space::AuditByUser.key(&[user.as_bytes()]),
        None => Space::Audit.key(&[]),
    };
    let range = match before {
        Some(before) => KeyRange::prefix_before(&prefix, [&prefix[..], &before.to_be_bytes()].concat()),
        None => KeyRange::prefix(&prefix),
    };
    let rows = reads.scan(&range, Order::Descending, limit)?;
    let seqs = rows.iter().filter_map(|(key, _)| key.last_chunk::<8>());
    let keys: Vec<_> = seqs.map(|seq| Space::Audit.key(&[seq])).collect();
    get_records(reads, &keys)
}

/// Recomputes the chain from the first line on; gives the number of lines.
///
/// # Errors
/// [`StoreError::Record`] naming the first line that was changed, removed or cut off.
pub fn verify(reads: &dyn Reads) -> Result<u64, StoreError> {
    let prefix = Space::Audit.key(&[]);
    let head: Head = get_record(reads, &head_key())?.unwrap_or_default();
    let (mut seq, mut hash, mut range) = (0_u64, String::new(), KeyRange::prefix(&prefix));
    loop {
        let rows = reads.scan(&range, Order::Ascending, 1_000)?;
        let Some((last, _)) = rows.last() else { break };
        range = KeyRange::prefix_after(&prefix, last.clone());
        for (_, bytes) in rows {
            let line: Value = super::codec::decode(&bytes)?;
            let claimed = line.get("hash").and_then(Value::as_str).unwrap_or_default().to_owned();
            seq = seq.saturating_add(1);
            if line.get("seq").and_then(Value::as_u64) != Some(seq) || chain(&hash, &line) != claimed {
                return Err(StoreError::Record(format!("the audit trail does not hold together at line {seq}")));
            }
            hash = claimed;
        }
    }
    if head.seq == seq && head.hash == hash {
        Ok(seq)
    } else {
        Err(StoreError::Record(format!("the audit trail ends at line {seq}, its head says {}", head.seq)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock::Clock;
    use crate::base::rng::Rng;
    use crate::store::{Store, codec};

    async fn three_lines() -> Store {
        let store = Store::in_memory(Clock::system(), Rng::system()).unwrap();
        for _ in 0..3 {
            let write = store.write(|tx: &mut Tx<'_>| {
                append(tx, &Author::system("test"), Entry::new("test.happened", Target::Directory))
            });
            write.await.unwrap();
        }
        store
    }

    #[tokio::test]
    async fn the_trail_counts_up_and_lists_newest_first() {
        let store = three_lines().await;
        let lines = list(&store.view(), None, None, 2).unwrap();
        assert_eq!(lines.iter().map(|line| line.seq).collect::<Vec<_>>(), [3, 2]);
        assert_eq!(list(&store.view(), None, Some(2), 9).unwrap().len(), 1);
        assert_eq!(verify(&store.view()), Ok(3));
    }

    #[tokio::test]
    async fn a_changed_removed_or_cut_line_is_found() {
        let key = |seq: u64| Space::Audit.key(&[&seq.to_be_bytes()]);
        for damage in 0..3 {
            let store = three_lines().await;
            let write = store.write(move |tx: &mut Tx<'_>| {
                let mut line: AuditLine = get_record(tx, &key(2))?.unwrap();
                line.action = "nothing.happened".to_owned();
                match damage {
                    0 => tx.put(key(2), codec::encode(&line)?),
                    1 => tx.remove(key(2)),
                    _ => tx.remove(key(3)),
                }
                Ok::<_, StoreError>(())
            });
            write.await.unwrap();
            assert!(verify(&store.view()).is_err(), "damage {damage}");
        }
    }

    #[test]
    fn only_what_differs_is_a_change() {
        let old = serde_json::json!({"a": 1, "b": 2, "r": 1});
        let new = serde_json::json!({"a": 1, "c": 3, "r": 2});
        let changes = differences(&old, &new, &["r"]);
        assert_eq!(changes.iter().map(|c| c.attribute.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    }
}
