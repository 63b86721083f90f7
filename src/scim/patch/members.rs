//! Membership changes of a PATCH, taken out so that a huge group is never materialised.
//!
//! Owns every form in which clients write members (RFC 7644 §3.5.2 and dialects). Refuses to know who is a
//! member: adding one who is and removing one who is not are the caller's no-ops.

use serde_json::{Map, Value};

use super::super::error::ScimError;
use super::super::path::Path;
use super::super::schemas::GROUP_URN;
use super::{Action, Operation};
use crate::directory::query::{Filter, Literal, Operator};

/// What a member is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberKind {
    /// A user.
    User,
    /// A group in the group.
    Group,
}

/// One member as a client named it (RFC 7643 §4.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The id.
    pub value: String,
    /// From `type`, else from `$ref`.
    pub kind: Option<MemberKind>,
    /// The client's display name.
    pub display: Option<String>,
}

/// One change of the member list; changes apply in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberChange {
    /// These join.
    Add(Vec<Member>),
    /// These leave, if they are there.
    Remove(Vec<String>),
    /// All leave.
    RemoveAll,
    /// The list becomes this one.
    Replace(Vec<Member>),
}

/// Takes the membership changes out of `operations`; the second part is what is left for [`super::apply`].
///
/// # Errors
/// 400 `invalidValue` for a member without id or of an unknown type, `mutability` for a change of a part of a
/// member, `invalidFilter` for a selection other than `value eq "id"` (joined by `or`).
pub fn split_members(operations: &[Operation]) -> Result<(Vec<MemberChange>, Vec<Operation>), ScimError> {
    let mut changes = Vec::new();
    let mut rest = Vec::new();
    for operation in operations {
        match &operation.path {
            Some(path) if is_members(path) => {
                change_at(operation.action, path, operation.value.as_ref(), &mut changes)?;
            }
            Some(path) if !is_group(path) => rest.push(operation.clone()),
            _ => {
                if let Some(left) = split_pathless(operation, &mut changes)? {
                    rest.push(left);
                }
            }
        }
    }
    Ok((changes, rest))
}

/// Reads the `members` of a create or replace body that [`super::super::resource::accept`] has taken.
///
/// # Errors
/// 400 `invalidValue` as in [`split_members`].
pub fn read_members(members: Option<&Value>) -> Result<Vec<Member>, ScimError> {
    match members {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items.iter().map(read_member).collect(),
        Some(one) => Ok(vec![read_member(one)?]),
    }
}

fn change_at(
    action: Action,
    path: &Path,
    value: Option<&Value>,
    changes: &mut Vec<MemberChange>,
) -> Result<(), ScimError> {
    if path.sub.is_some() {
        return Err(ScimError::mutability("the parts of a member are immutable; remove the member and add another"));
    }
    let Some(filter) = &path.filter else {
        changes.extend(change_of_list(action, value)?);
        return Ok(());
    };
    let selected = selected_ids(filter)?;
    if action != Action::Add {
        changes.push(MemberChange::Remove(selected.clone()));
    }
    if action != Action::Remove {
        let given = match value {
            Some(value) if !matches!(value, Value::Null) && value != "" => read_members(Some(value))?,
            _ => Vec::new(),
        };
        let named = |value| Member { value, kind: None, display: None };
        let joining =
            if given.is_empty() && action == Action::Add { selected.into_iter().map(named).collect() } else { given };
        changes.push(MemberChange::Add(joining));
    }
    Ok(())
}

fn change_of_list(action: Action, value: Option<&Value>) -> Result<Option<MemberChange>, ScimError> {
    let value = value.filter(|value| !value.is_null());
    // An empty text clears on replace; on remove it names nobody, and nobody must not come to mean everybody.
    let value = if action == Action::Remove { value } else { value.filter(|value| *value != "") };
    Ok(match (action, value) {
        (Action::Remove, None) => Some(MemberChange::RemoveAll),
        (Action::Remove, Some(_)) => {
            let leaving = read_members(value)?;
            Some(MemberChange::Remove(leaving.into_iter().map(|member| member.value).collect()))
        }
        (Action::Add, None) => None,
        (Action::Add, Some(_)) => Some(MemberChange::Add(read_members(value)?)),
        (Action::Replace, value) => Some(MemberChange::Replace(read_members(value)?)),
    })
}

/// A body without path: its members about membership become changes, the others stay.
fn split_pathless(operation: &Operation, changes: &mut Vec<MemberChange>) -> Result<Option<Operation>, ScimError> {
    let Some(Value::Object(members)) = &operation.value else {
        return Ok(Some(operation.clone()));
    };
    let left = split_object(operation.action, members, changes)?;
    if left.is_empty() && !members.is_empty() {
        return Ok(None);
    }
    Ok(Some(Operation { value: Some(Value::Object(left)), ..operation.clone() }))
}

fn split_object(
    action: Action,
    members: &Map<String, Value>,
    changes: &mut Vec<MemberChange>,
) -> Result<Map<String, Value>, ScimError> {
    let mut left = Map::new();
    for (name, value) in members {
        if let Value::Object(nested) = value
            && name.eq_ignore_ascii_case(GROUP_URN)
        {
            left.extend(split_nested(action, nested, changes)?);
            continue;
        }
        match Path::parse(name) {
            Ok(path) if is_members(&path) => change_at(action, &path, Some(value), changes)?,
            _ => {
                left.insert(name.clone(), value.clone());
            }
        }
    }
    Ok(left)
}

/// The core attributes nested under the core URN; the nesting goes one level deep only.
fn split_nested(
    action: Action,
    nested: &Map<String, Value>,
    changes: &mut Vec<MemberChange>,
) -> Result<Map<String, Value>, ScimError> {
    let mut left = Map::new();
    for (name, value) in nested {
        match Path::parse(name) {
            Ok(path) if is_members(&path) => change_at(action, &path, Some(value), changes)?,
            _ => {
                left.insert(name.clone(), value.clone());
            }
        }
    }
    Ok(left)
}

/// The ids a filter names; anything but equalities of `value` would need the whole list.
fn selected_ids(filter: &Filter) -> Result<Vec<String>, ScimError> {
    let terms = match filter {
        Filter::Or(terms) => terms.as_slice(),
        one => std::slice::from_ref(one),
    };
    let id_of = |term: &Filter| match term {
        Filter::Compare { path, operator: Operator::Equal, value: Literal::String(id) } if path.is("value", None) => {
            Some(id.clone())
        }
        _ => None,
    };
    let ids: Option<Vec<String>> = terms.iter().map(id_of).collect();
    ids.ok_or_else(|| ScimError::invalid_filter("members are selected by value only: members[value eq \"id\"]"))
}

fn read_member(item: &Value) -> Result<Member, ScimError> {
    let members = match item {
        Value::String(id) if !id.is_empty() => {
            return Ok(Member { value: id.clone(), kind: None, display: None });
        }
        Value::Object(members) => members,
        _ => return Err(ScimError::invalid_value("members takes objects with a value, the id of the member")),
    };
    let text = |wanted: &str| {
        let mut found = members.iter().filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        found.find_map(|(_, value)| value.as_str()).filter(|text| !text.is_empty())
    };
    let Some(id) = text("value") else {
        return Err(ScimError::invalid_value("members.value is required: the id of the member"));
    };
    let kind = match text("type") {
        Some(word) if word.eq_ignore_ascii_case("user") => Some(MemberKind::User),
        Some(word) if word.eq_ignore_ascii_case("group") => Some(MemberKind::Group),
        Some(_) => return Err(ScimError::invalid_value("members.type is User or Group")),
        None => text("$ref").and_then(kind_of_reference),
    };
    Ok(Member { value: id.to_owned(), kind, display: text("display").map(str::to_owned) })
}

fn kind_of_reference(reference: &str) -> Option<MemberKind> {
    let (front, _) = reference.trim_end_matches('/').rsplit_once('/')?;
    match front.rsplit('/').next() {
        Some("Users") => Some(MemberKind::User),
        Some("Groups") => Some(MemberKind::Group),
        _ => None,
    }
}

fn is_members(path: &Path) -> bool {
    let urn_fits = path.attribute.urn.as_deref().is_none_or(|urn| urn.eq_ignore_ascii_case(GROUP_URN));
    urn_fits && path.attribute.name.eq_ignore_ascii_case("members")
}

/// The path is the Group schema's own URN, which means the whole resource.
fn is_group(path: &Path) -> bool {
    path.filter.is_none() && path.plain().to_string().eq_ignore_ascii_case(GROUP_URN)
}

#[cfg(test)]
mod tests;
