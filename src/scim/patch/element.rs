//! Operations on selected values of a list, or on one part of them (RFC 7644 §3.5.2).
//!
//! Owns value filters, and the element that add or replace creates when none matches, which Entra relies on.
//! Refuses whole lists.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::super::Resource;
use super::super::compare::plain;
use super::super::error::ScimError;
use super::super::evaluate::Matcher;
use super::super::schema::{Attribute, AttributeType, ResourceType, Target};
use super::super::value::{is_added_whole, is_empty, single};
use super::list::{add, put, settle_primary, take};
use super::single::{merge, put_part, read, unwrap_value};
use super::{Action, Edit, Operation};
use crate::directory::query::{Filter, Literal, Operator};

/// Applies the edit to `holder`.
pub(super) fn apply(edit: &Edit<'_>, holder: &mut Resource, value: Option<Value>) -> Result<(), ScimError> {
    let attribute = edit.location.attribute;
    if attribute.kind != AttributeType::Complex {
        let detail = format!("{} has plain values; there is no part to select by", attribute.name);
        return Err(ScimError::invalid_path(detail));
    }
    let mut items = take(holder, attribute);
    let matched = select(edit, &items)?;
    match edit.location.sub {
        None => edit_whole(edit, &mut items, &matched, value)?,
        Some(sub) => edit_part(edit, &mut items, &matched, sub, value)?,
    }
    put(holder, attribute, items);
    Ok(())
}

/// The positions of the values the path selects; without a filter all of them.
fn select(edit: &Edit<'_>, items: &[Value]) -> Result<HashSet<usize>, ScimError> {
    let Some(filter) = &edit.path.filter else {
        return Ok((0..items.len()).collect());
    };
    let matcher = Matcher::for_elements(filter, edit.location.attribute)?;
    let matching =
        items.iter().enumerate().filter(|(_, item)| item.as_object().is_some_and(|item| matcher.matches(item)));
    Ok(matching.map(|(position, _)| position).collect())
}

fn edit_whole(
    edit: &Edit<'_>,
    items: &mut Vec<Value>,
    matched: &HashSet<usize>,
    value: Option<Value>,
) -> Result<(), ScimError> {
    let attribute = edit.location.attribute;
    let clears = edit.action == Action::Remove || value.as_ref().is_none_or(is_empty);
    if clears {
        if matched.is_empty() && edit.action == Action::Remove && !is_added_whole(attribute) {
            return Err(nothing_there(edit));
        }
        return keep_unmatched(items, matched);
    }
    let Some(Value::Object(new)) = single(attribute, None, value.map_or(Value::Null, unwrap_one))? else {
        return keep_unmatched(items, matched);
    };
    let equalities = edit.path.filter.as_ref().and_then(|filter| equalities(attribute, filter));
    if matched.is_empty() {
        let Some(mut created) = equalities.filter(|_| edit.action == Action::Add) else {
            return Err(nothing_there(edit));
        };
        created.extend(new);
        return append(attribute, items, created);
    }
    for (_, item) in items.iter_mut().enumerate().filter(|(position, _)| matched.contains(position)) {
        let Some(present) = item.as_object_mut() else { continue };
        if edit.action == Action::Add || new.keys().all(|name| name == "value") {
            merge(attribute, present, new.clone())?;
        } else {
            *present = equalities.clone().unwrap_or_default();
            present.extend(new.clone());
        }
    }
    settle_primary(attribute, items, matched)
}

fn edit_part(
    edit: &Edit<'_>,
    items: &mut Vec<Value>,
    matched: &HashSet<usize>,
    sub: &Attribute,
    value: Option<Value>,
) -> Result<(), ScimError> {
    let attribute = edit.location.attribute;
    let value = if edit.action == Action::Remove { None } else { value };
    let new = read(sub, Some(attribute), value.map(|value| unwrap_value(sub, value)))?;
    if new.is_none() {
        edit.check_removable()?;
    }
    if matched.is_empty() {
        return match (new, edit.action) {
            (Some(new), _) => create_for_part(edit, items, sub, new),
            (None, Action::Remove) if edit.path.filter.is_some() => Err(nothing_there(edit)),
            (None, _) => Ok(()),
        };
    }
    for (_, item) in items.iter_mut().enumerate().filter(|(position, _)| matched.contains(position)) {
        let Some(present) = item.as_object_mut() else { continue };
        edit.check_free(present.get(sub.name), new.as_ref())?;
        put_part(attribute, present, sub, new.clone());
    }
    settle_primary(attribute, items, matched)
}

/// `emails[type eq "work"].value` where there is no work address makes one. A replace that selects by
/// `value` names an existing element, so there it is `noTarget` (RFC 7644 §3.5.2.3).
fn create_for_part(edit: &Edit<'_>, items: &mut Vec<Value>, sub: &Attribute, new: Value) -> Result<(), ScimError> {
    let attribute = edit.location.attribute;
    let seed = match &edit.path.filter {
        None => Some(Map::new()),
        Some(filter) => equalities(attribute, filter),
    };
    let seed = seed.filter(|seed| edit.action == Action::Add || !seed.contains_key("value"));
    let Some(mut created) = seed else { return Err(nothing_there(edit)) };
    created.insert(sub.name.to_owned(), new);
    append(attribute, items, created)
}

/// As an add to the list would: the same value is not there twice afterwards (RFC 7643 §2.4).
fn append(attribute: &Attribute, items: &mut Vec<Value>, created: Map<String, Value>) -> Result<(), ScimError> {
    *items = add(attribute, std::mem::take(items), vec![Value::Object(created)])?;
    Ok(())
}

/// The element that a filter made only of equalities describes.
fn equalities(attribute: &Attribute, filter: &Filter) -> Option<Map<String, Value>> {
    let terms = match filter {
        Filter::And(terms) => terms.as_slice(),
        one => std::slice::from_ref(one),
    };
    let mut element = Map::new();
    for term in terms {
        let Filter::Compare { path, operator: Operator::Equal, value } = term else { return None };
        if *value == Literal::Null {
            continue;
        }
        let sub = attribute.sub_attribute(&path.name)?;
        let value = single(sub, Some(attribute), plain(value)).ok()??;
        element.insert(sub.name.to_owned(), value);
    }
    Some(element)
}

fn keep_unmatched(items: &mut Vec<Value>, matched: &HashSet<usize>) -> Result<(), ScimError> {
    let mut position = 0;
    items.retain(|_| {
        let keep = !matched.contains(&position);
        position += 1;
        keep
    });
    Ok(())
}

/// One value for the selected elements may stand in an array.
fn unwrap_one(value: Value) -> Value {
    match value {
        Value::Array(mut items) if items.len() == 1 => items.pop().unwrap_or(Value::Null),
        other => other,
    }
}

fn nothing_there(edit: &Edit<'_>) -> ScimError {
    no_match(edit.location.attribute)
}

fn no_match(attribute: &Attribute) -> ScimError {
    ScimError::no_target(format!("no value of {} matches the filter of the path", attribute.name))
}

/// Does the value filter of an operation's path find anything?
///
/// # Errors
/// 400 `noTarget` where it does not.
pub(super) fn check_target(resource_type: &ResourceType, draft: &Resource, edit: &Operation) -> Result<(), ScimError> {
    let Some(path) = &edit.path else { return Ok(()) };
    let (Some(filter), Some(Target::Attribute(location))) = (&path.filter, resource_type.resolve(&path.plain())) else {
        return Ok(());
    };
    let attribute = location.attribute;
    let matcher = Matcher::for_elements(filter, attribute)?;
    let holder = match location.extension {
        Some(schema) => draft.get(schema.id).and_then(Value::as_object),
        None => Some(draft),
    };
    let items = holder.and_then(|holder| holder.get(attribute.name)).and_then(Value::as_array);
    let found = items.into_iter().flatten().filter_map(Value::as_object).any(|item| matcher.matches(item));
    if found { Ok(()) } else { Err(no_match(attribute)) }
}
