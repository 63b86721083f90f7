//! The settings in the words of the API and of the audit trail.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::config::{Difference, Effective, Fault, Faults, Loaded, NOT_SET, Origin, Stored, describe, policy};
use crate::directory::audit::Change;
use crate::directory::field::FieldError;
use crate::http::policies::{Changed, Outcome, PolicyError, Shown};

/// Settings as the API shows them; `stored` is what was set at run time, whether it takes effect or not.
pub(super) fn shown(loaded: &Loaded, stored: &Stored, revision: u64, needs_restart: Vec<String>) -> Shown {
    let Loaded { effective, doubts, left_out, .. } = loaded;
    Shown {
        items: effective.iter().map(|one| item(one, stored.get(&one.key))).collect(),
        revision,
        doubts: doubts.iter().chain(left_out).map(ToString::to_string).collect(),
        needs_restart,
    }
}

fn item(one: &Effective, stored: Option<&Value>) -> Value {
    let mut item = json!(one);
    if let Some(members) = item.as_object_mut() {
        members.insert("changeable".to_owned(), policy::is_policy(&one.key).into());
        members.insert("pinned".to_owned(), one.is_pinned().into());
        members.insert("description".to_owned(), describe(&one.key).into());
        if let Some(stored) = stored {
            members.insert("stored".to_owned(), stored.clone());
        }
    }
    item
}

/// What a wish changes of what is stored: `None` takes everything below a key back.
///
/// # Errors
/// Where the file or the environment sets what is wished for, or a key that is to be taken back is none.
pub(super) fn resolve(
    wish: BTreeMap<String, Option<Value>>,
    loaded: &Loaded,
    stored: &Stored,
) -> Result<BTreeMap<String, Option<Value>>, PolicyError> {
    let (mut wishes, mut pinned, mut unknown) = (BTreeMap::new(), Vec::new(), Vec::new());
    let is_left_out = |key: &str| loaded.left_out.iter().any(|fault| fault.key == key);
    for (key, value) in wish {
        let is_within =
            |other: &str| other.strip_prefix(&key).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let effective = find(loaded, &key);
        match (value, effective) {
            (Some(_), Some(one)) if one.is_pinned() => {
                pinned.push(FieldError::new(key, "pinned", format!("is set by {}: change it there", one.origin)));
            }
            // What is left out is set anew, and read anew, by the same value too.
            (Some(value), _) if stored.get(&key) != Some(&value) || is_left_out(&key) => {
                _ = wishes.insert(key, Some(value))
            }
            (Some(_), _) => {}
            (None, _) => {
                let known = loaded.effective.iter().map(|one| &one.key).chain(stored.keys());
                if !known.into_iter().any(|other| is_within(other)) {
                    unknown.push(FieldError::new(key, "unknown", "is no setting"));
                    continue;
                }
                wishes.extend(stored.keys().filter(|other| is_within(other)).map(|other| (other.clone(), None)));
            }
        }
    }
    match (pinned.is_empty(), unknown.is_empty()) {
        (false, _) => Err(PolicyError::Pinned(pinned)),
        (_, false) => Err(PolicyError::Faults(unknown)),
        _ => Ok(wishes),
    }
}

/// Refuses values for what is no policy. Those that no reader saw, because the file has a section or something else of
/// that name, have no fault of their own.
///
/// # Errors
/// With each of them.
pub(super) fn only_policy(wishes: &BTreeMap<String, Option<Value>>) -> Result<(), PolicyError> {
    let strange = wishes.iter().filter(|(key, value)| value.is_some() && !policy::is_policy(key));
    let told = |(key, _): (&String, _)| FieldError::new(key.clone(), "invalid", "is no setting that can be changed");
    let errors: Vec<FieldError> = strange.map(told).collect();
    if errors.is_empty() { Ok(()) } else { Err(PolicyError::Faults(errors)) }
}

/// Faults as the API tells them.
pub(super) fn faults(faults: Faults) -> PolicyError {
    let told = |Fault { key, origin, problem }: Fault| match origin {
        Origin::Default | Origin::Stored => FieldError::new(key, "invalid", problem),
        origin if key.is_empty() => FieldError::new(origin.to_string(), "invalid", problem),
        origin => FieldError::new(key, "invalid", format!("{problem} ({origin})")),
    };
    PolicyError::Faults(faults.0.into_iter().map(told).collect())
}

fn find<'a>(loaded: &'a Loaded, key: &str) -> Option<&'a Effective> {
    loaded.effective.iter().find(|one| one.key == key)
}

/// What takes effect under these keys, before and now.
pub(super) fn changed(keys: &[String], old: &Loaded, new: &Loaded) -> Vec<Changed> {
    let value = |loaded, key| find(loaded, key).map(|one| one.value.clone());
    keys.iter().map(|key| Changed { key: key.clone(), old: value(old, key), new: value(new, key) }).collect()
}

/// The same for the trail.
pub(super) fn audited(keys: &[String], old: &Loaded, new: &Loaded) -> Vec<Change> {
    let value = |loaded, key| find(loaded, key).map_or(Value::Null, json);
    keys.iter().map(|key| Change { attribute: key.clone(), old: value(old, key), new: value(new, key) }).collect()
}

/// A value as JSON, which what the file would have is but for its marks.
fn json(one: &Effective) -> Value {
    match one.value.as_str() {
        NOT_SET => Value::Null,
        text => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
    }
}

/// The keys of what waits for a restart; of what is new or gone as a whole, its name.
pub(super) fn shortened(waits: impl Iterator<Item = Difference>) -> Vec<String> {
    let name = |one: &Difference| match one.key.match_indices('.').nth(1) {
        Some((end, _)) if one.old.is_none() || one.new.is_none() => one.key.get(..end).unwrap_or_default().to_owned(),
        _ => one.key.clone(),
    };
    waits.map(|one| name(&one)).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Tells the log what came of a reading.
pub(super) fn tell(outcome: &Outcome) {
    let keys: Vec<&str> = outcome.changes.iter().map(|one| one.key.as_str()).collect();
    tracing::info!(settings.changed = keys.len(), "the settings were read again: {}", list(&keys, "nothing differs"));
    if !outcome.needs_restart.is_empty() {
        let keys: Vec<&str> = outcome.needs_restart.iter().map(String::as_str).collect();
        tracing::warn!(settings.waiting = keys.len(), "these wait for a restart: {}", list(&keys, ""));
    }
    outcome.doubts.iter().for_each(|doubt| tracing::warn!("{doubt}"));
}

fn list(keys: &[&str], none: &str) -> String {
    if keys.is_empty() { none.to_owned() } else { keys.join(", ") }
}
