//! Operations on a whole list: append, replace, remove all or those named (RFC 7644 §3.5.2).
//!
//! Owns when two values of a list are the same one, and that at most one is primary. Refuses value filters.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::super::Resource;
use super::super::error::ScimError;
use super::super::schema::{Attribute, AttributeType};
use super::super::value::{check_one_primary, folded, identity, is_added_whole, is_empty, is_primary, single};
use super::single::merge;
use super::{Action, Edit};

/// Applies the edit to `holder`.
pub(super) fn apply(edit: &Edit<'_>, holder: &mut Resource, value: Option<Value>) -> Result<(), ScimError> {
    let attribute = edit.location.attribute;
    let present = take(holder, attribute);
    let kept = match (edit.action, value) {
        (Action::Remove, None | Some(Value::Null)) => {
            edit.check_removable()?;
            Vec::new()
        }
        (Action::Remove, Some(named)) => without(attribute, present, &named),
        (Action::Add, value) => add(attribute, present, read(attribute, value)?)?,
        (Action::Replace, value) => replace(edit, read(attribute, value)?)?,
    };
    put(holder, attribute, kept);
    Ok(())
}

/// Takes the list out of `holder`.
pub(super) fn take(holder: &mut Resource, attribute: &Attribute) -> Vec<Value> {
    match holder.remove(attribute.name) {
        Some(Value::Array(items)) => items,
        Some(Value::Null) | None => Vec::new(),
        Some(one) => vec![one],
    }
}

/// Puts a list back; empty elements go, and an empty list is no value (RFC 7643 §2.5).
pub(super) fn put(holder: &mut Resource, attribute: &Attribute, mut items: Vec<Value>) {
    items.retain(|item| !is_empty(item));
    if !items.is_empty() {
        holder.insert(attribute.name.to_owned(), Value::Array(items));
    }
}

/// When a written value is primary, the others no longer are (RFC 7644 §3.5.2).
pub(super) fn settle_primary(
    attribute: &Attribute,
    items: &mut [Value],
    written: &HashSet<usize>,
) -> Result<(), ScimError> {
    let fresh: Vec<Value> = items
        .iter()
        .enumerate()
        .filter(|(position, item)| written.contains(position) && is_primary(item))
        .map(|(_, item)| item.clone())
        .collect();
    check_one_primary(attribute, &fresh)?;
    if fresh.is_empty() {
        return Ok(());
    }
    for (position, item) in items.iter_mut().enumerate() {
        if let Some(members) = item.as_object_mut()
            && !written.contains(&position)
            && members.get("primary") == Some(&Value::Bool(true))
        {
            members.insert("primary".to_owned(), Value::Bool(false));
        }
    }
    Ok(())
}

/// Appends; a value that is there already is merged, so that adding it again changes nothing (RFC 7644 §3.5.2.1).
pub(super) fn add(attribute: &Attribute, mut items: Vec<Value>, new: Vec<Value>) -> Result<Vec<Value>, ScimError> {
    let wanted: HashSet<u64> = new.iter().map(fingerprint).collect();
    let mut positions: HashMap<String, usize> = HashMap::with_capacity(new.len());
    for (position, item) in items.iter().enumerate().filter(|(_, item)| wanted.contains(&fingerprint(item))) {
        positions.entry(identity(attribute, item)).or_insert(position);
    }
    let mut written = HashSet::new();
    for item in new {
        let key = identity(attribute, &item);
        let position = match positions.get(&key) {
            Some(position) => *position,
            None => {
                positions.insert(key, items.len());
                written.insert(items.len());
                items.push(item);
                continue;
            }
        };
        if let (Some(Value::Object(present)), Value::Object(members)) = (items.get_mut(position), item)
            && !is_added_whole(attribute)
        {
            merge(attribute, present, members)?;
            written.insert(position);
        }
    }
    settle_primary(attribute, &mut items, &written)?;
    Ok(items)
}

fn replace(edit: &Edit<'_>, new: Vec<Value>) -> Result<Vec<Value>, ScimError> {
    let attribute = edit.location.attribute;
    if new.is_empty() && attribute.required {
        return Err(ScimError::invalid_value(format!("{} is required and must not be empty", attribute.name)));
    }
    check_one_primary(attribute, &new)?;
    Ok(new)
}

/// Only those named go, whoever else is in the list (Entra: `Remove` on `members` with a value array).
fn without(attribute: &Attribute, items: Vec<Value>, named: &Value) -> Vec<Value> {
    let named = match named {
        Value::Array(named) => named.as_slice(),
        one => std::slice::from_ref(one),
    };
    let named: HashSet<String> = named.iter().filter_map(|item| value_of(attribute, item)).collect();
    let is_named = |item: &Value| value_of(attribute, item).is_some_and(|value| named.contains(&value));
    items.into_iter().filter(|item| !is_named(item)).collect()
}

/// The new values in canonical form. One value may stand without an array.
fn read(attribute: &Attribute, value: Option<Value>) -> Result<Vec<Value>, ScimError> {
    let items = match value {
        Some(Value::Array(items)) => items,
        Some(one) => vec![one],
        None => Vec::new(),
    };
    let mut seen = HashSet::with_capacity(items.len());
    let mut kept = Vec::with_capacity(items.len());
    for item in items {
        if let Some(item) = single(attribute, None, item)?
            && seen.insert(item.to_string())
        {
            kept.push(item);
        }
    }
    Ok(kept)
}

/// Equal for equal identities, and cheap: a thousand small adds must not print a long list a thousand times.
fn fingerprint(item: &Value) -> u64 {
    match item {
        Value::Object(members) => match members.get("value") {
            Some(value) => mix(0, value),
            None => members.values().fold(0, mix),
        },
        other => mix(0, other),
    }
}

/// FNV-1a over the folded text; other values add nothing.
fn mix(start: u64, value: &Value) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte) ^ 0xcbf2_9ce4_8422_2325).wrapping_mul(0x0100_0000_01b3);
    match value.as_str() {
        Some(text) if text.is_ascii() => text.bytes().map(|byte| byte.to_ascii_lowercase()).fold(start, step),
        Some(text) => text.to_lowercase().bytes().fold(start, step),
        None => start,
    }
}

/// What a remove names an element by: its value, or all of it when it has none.
fn value_of(attribute: &Attribute, item: &Value) -> Option<String> {
    match item {
        Value::Null => None,
        Value::String(_) if attribute.kind == AttributeType::Complex => Some(folded(attribute, "value", item)),
        Value::Object(members) => match members.get("value") {
            Some(value) => Some(folded(attribute, "value", value)),
            None => Some(item.to_string()),
        },
        other => Some(other.to_string()),
    }
}
