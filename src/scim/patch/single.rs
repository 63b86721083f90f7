//! Operations on a single-valued attribute or a part of one (RFC 7644 §3.5.2).
//!
//! Owns merge, set and clear of one value, and how a part of a complex value changes. Refuses lists.

use serde_json::{Map, Value};

use super::super::Resource;
use super::super::error::ScimError;
use super::super::schema::{Attribute, AttributeType, Mutability};
use super::super::value::{canonical, is_empty, is_hollow, label, single};
use super::{Action, Edit};

/// Applies the edit to `holder`.
pub(super) fn apply(edit: &Edit<'_>, holder: &mut Resource, value: Option<Value>) -> Result<(), ScimError> {
    let attribute = edit.location.attribute;
    if edit.path.filter.is_some() {
        let detail = format!("{} has one value; there is nothing to select by a filter", attribute.name);
        return Err(ScimError::invalid_path(detail));
    }
    let value = if edit.action == Action::Remove { None } else { value };
    match edit.location.sub {
        None => set_whole(edit, holder, value),
        Some(sub) => set_part(edit, holder, sub, value),
    }
}

fn set_whole(edit: &Edit<'_>, holder: &mut Resource, value: Option<Value>) -> Result<(), ScimError> {
    let attribute = edit.location.attribute;
    let value = value.map(|value| unwrap_value(attribute, value));
    let emptied = emptied_parts(attribute, value.as_ref());
    let Some(new) = read(attribute, None, value)? else {
        if let Some(parts) = emptied {
            return parts.into_iter().try_for_each(|part| clear_part(edit, holder, part));
        }
        check_clearable(edit)?;
        edit.check_free(holder.get(attribute.name), None)?;
        holder.remove(attribute.name);
        return Ok(());
    };
    check_not_blank(edit, &new)?;
    match (holder.get_mut(attribute.name), new) {
        (Some(Value::Object(present)), Value::Object(members)) => {
            let before = Value::Object(present.clone());
            merge(attribute, present, members)?;
            let after = Value::Object(present.clone());
            edit.check_free(Some(&before), Some(&after))?;
            let parts = emptied.unwrap_or_default();
            parts.into_iter().try_for_each(|part| clear_part(edit, holder, part))
        }
        (before, new) => {
            edit.check_free(before.as_deref(), Some(&new))?;
            holder.insert(attribute.name.to_owned(), new);
            Ok(())
        }
    }
}

/// The parts that an object names with no value; `None` for what is no object and speaks of the whole.
fn emptied_parts<'a>(attribute: &'a Attribute, value: Option<&Value>) -> Option<Vec<&'a Attribute>> {
    let one = match value? {
        Value::Array(items) => items.first()?,
        one => one,
    };
    let empty = one.as_object()?.iter().filter(|(_, part)| is_empty(part));
    let parts = empty.filter_map(|(name, _)| attribute.sub_attribute(name));
    Some(parts.filter(|part| part.mutability != Mutability::ReadOnly).collect())
}

/// Takes one part away; the others stay (RFC 7644 §3.5.2.3).
fn clear_part(edit: &Edit<'_>, holder: &mut Resource, part: &Attribute) -> Result<(), ScimError> {
    let attribute = edit.location.attribute;
    let Some(Value::Object(members)) = holder.get_mut(attribute.name) else { return Ok(()) };
    let fixed = [attribute, part].into_iter().any(|attribute| attribute.mutability == Mutability::Immutable);
    if members.contains_key(part.name) && (fixed || part.required) {
        return Err(ScimError::mutability(format!("{} cannot be taken away", label(part, Some(attribute)))));
    }
    put_part(attribute, members, part, None);
    if members.is_empty() {
        holder.remove(attribute.name);
    }
    Ok(())
}

fn set_part(edit: &Edit<'_>, holder: &mut Resource, sub: &Attribute, value: Option<Value>) -> Result<(), ScimError> {
    let attribute = edit.location.attribute;
    let value = value.map(|value| unwrap_value(sub, value));
    let new = read(sub, Some(attribute), value)?;
    if new.is_none() {
        check_clearable(edit)?;
    }
    let mut members = match holder.remove(attribute.name) {
        Some(Value::Object(members)) => members,
        _ => Map::new(),
    };
    edit.check_free(members.get(sub.name), new.as_ref())?;
    put_part(attribute, &mut members, sub, new);
    if !members.is_empty() {
        holder.insert(attribute.name.to_owned(), Value::Object(members));
    }
    Ok(())
}

/// Sets or clears one part; an element that lost its value and has only labels left becomes empty.
pub(super) fn put_part(attribute: &Attribute, members: &mut Map<String, Value>, sub: &Attribute, new: Option<Value>) {
    match new {
        Some(new) => {
            if sub.name == "value" {
                forget_derived(attribute, members, &new);
            }
            members.insert(sub.name.to_owned(), new);
        }
        None => {
            let had = members.remove(sub.name).is_some();
            if (had && sub.name == "value" && is_hollow(attribute, members))
                || only_labels_of_nothing(attribute, members)
            {
                members.clear();
            }
        }
    }
}

/// Merges `new` into a complex value: what is not named stays (RFC 7644 §3.5.2.3).
pub(super) fn merge(
    attribute: &Attribute,
    present: &mut Map<String, Value>,
    new: Map<String, Value>,
) -> Result<(), ScimError> {
    for (name, value) in &new {
        let fixed = attribute.sub_attribute(name).is_some_and(|sub| sub.mutability == Mutability::Immutable);
        let before = present.get(name);
        if fixed && before.is_some() && before != Some(value) {
            let detail = format!("{}.{name} is immutable; remove the value and add another", attribute.name);
            return Err(ScimError::mutability(detail));
        }
    }
    if let Some(value) = new.get("value") {
        forget_derived(attribute, present, value);
    }
    present.extend(new);
    Ok(())
}

/// `$ref` and readOnly parts describe the old `value`; with another value they are wrong (manager).
fn forget_derived(attribute: &Attribute, members: &mut Map<String, Value>, value: &Value) {
    if members.get("value") == Some(value) {
        return;
    }
    for sub in &attribute.sub_attributes {
        if sub.name == "$ref" || sub.mutability == Mutability::ReadOnly {
            members.remove(sub.name);
        }
    }
}

/// Parts only the server sets do not keep a value alive.
fn only_labels_of_nothing(attribute: &Attribute, members: &Map<String, Value>) -> bool {
    members.keys().all(|name| attribute.sub_attribute(name).is_some_and(|sub| sub.mutability == Mutability::ReadOnly))
}

/// The new value in canonical form; of a multi-valued attribute's part, too.
pub(super) fn read(
    attribute: &Attribute,
    parent: Option<&Attribute>,
    value: Option<Value>,
) -> Result<Option<Value>, ScimError> {
    match value {
        None => Ok(None),
        Some(value) if attribute.multi_valued => canonical(attribute, parent, value),
        Some(value) => single(attribute, parent, value),
    }
}

/// Entra's older form of a simple value: `[{"$ref": null, "value": "x"}]`.
pub(super) fn unwrap_value(attribute: &Attribute, value: Value) -> Value {
    if attribute.kind == AttributeType::Complex || attribute.multi_valued {
        return value;
    }
    let inner = |value: &Value| value.get("value").cloned();
    match &value {
        Value::Array(items) => match items.as_slice() {
            [one @ Value::Object(_)] => inner(one).unwrap_or(value),
            _ => value,
        },
        _ => value,
    }
}

/// Removing a required attribute is `mutability`; setting it to nothing is `invalidValue`.
fn check_clearable(edit: &Edit<'_>) -> Result<(), ScimError> {
    if edit.action == Action::Remove || !edit.leaf().required {
        return edit.check_removable();
    }
    Err(ScimError::invalid_value(format!("{} is required and must not be empty", edit.label())))
}

fn check_not_blank(edit: &Edit<'_>, new: &Value) -> Result<(), ScimError> {
    if edit.leaf().required && new.as_str().is_some_and(|text| text.trim().is_empty()) {
        return Err(ScimError::invalid_value(format!("{} is required and must not be blank", edit.label())));
    }
    Ok(())
}
