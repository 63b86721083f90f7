//! PATCH (RFC 7644 §3.5.2): reading the message and applying it, all or nothing.
//!
//! Owns the operations and their order. The parts are in `patch/`: one file each for a single value, for
//! lists, for bodies without a path and for members of huge groups. Refuses storage and uniqueness.

mod element;
mod list;
mod members;
mod pathless;
mod single;

use serde_json::Value;

use super::Resource;
use super::error::{ScimError, excerpt};
use super::path::Path;
use super::resource::{check_message, fold_names, set_schemas};
use super::schema::{Attribute, Location, Mutability, ResourceType, Target};
use super::value::{distinct, is_added_whole, label};

pub use members::{Member, MemberChange, MemberKind, read_members, split_members};

/// The schema URN of a PATCH message (RFC 7644 §3.5.2).
pub const PATCH_URN: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
/// The most operations [`parse`] takes.
pub const MOST_OPERATIONS: usize = 1_000;

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// RFC 7644 §3.5.2.1
    Add,
    /// RFC 7644 §3.5.2.2
    Remove,
    /// RFC 7644 §3.5.2.3
    Replace,
}

/// One operation of a PATCH message (RFC 7644 §3.5.2).
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// What it does.
    pub action: Action,
    /// Where; `None` means the whole resource.
    pub path: Option<Path>,
    /// With what. Add and replace always have one.
    pub value: Option<Value>,
}

/// Reads a PATCH message with at most [`MOST_OPERATIONS`] operations.
///
/// # Errors
/// As [`parse_at_most`].
pub fn parse(body: Value) -> Result<Vec<Operation>, ScimError> {
    parse_at_most(body, MOST_OPERATIONS)
}

/// Reads a PATCH message (RFC 7644 §3.5.2). `op` and member names are taken in any case: Entra sends `Add`.
///
/// # Errors
/// 400 `invalidSyntax` for a message of the wrong form, `invalidPath` for a broken path, `noTarget` for a
/// remove without path, `invalidValue` for add or replace without value; 413 for too many operations.
pub fn parse_at_most(body: Value, most: usize) -> Result<Vec<Operation>, ScimError> {
    let Value::Object(members) = body else {
        return Err(ScimError::invalid_syntax("the body is not a JSON object; send a PatchOp message"));
    };
    let mut members = fold_names(members);
    check_message(members.get("schemas"), PATCH_URN)?;
    let Some(Value::Array(operations)) = members.remove("operations") else {
        return Err(ScimError::invalid_syntax("Operations is missing or not an array"));
    };
    if operations.is_empty() {
        return Err(ScimError::invalid_syntax("Operations is empty; send at least one operation"));
    }
    if operations.len() > most {
        let detail = format!("{} operations; at most {most} are taken in one PATCH", operations.len());
        return Err(ScimError::plain(413, detail));
    }
    operations.into_iter().map(parse_operation).collect()
}

/// Applies the operations in order to a copy, and keeps it only if all succeed (RFC 7644 §3.5.2).
///
/// Returns whether anything changed; if not, `resource` is left as it was. A `password` that was
/// set is a member of `resource` afterwards: take it out.
///
/// # Errors
/// 400 `mutability`, `invalidPath`, `invalidFilter`, `noTarget` or `invalidValue`; `resource` is then unchanged.
pub fn apply(
    resource_type: &ResourceType,
    resource: &mut Resource,
    operations: &[Operation],
) -> Result<bool, ScimError> {
    apply_each(resource_type, resource, operations, false)
}

/// [`apply`] for clients that keep to the letter: a replace whose value filter finds nothing fails, instead of making
/// what it names (RFC 7644 §3.5.2.3).
///
/// # Errors
/// As [`apply`].
pub fn apply_strictly(
    resource_type: &ResourceType,
    resource: &mut Resource,
    operations: &[Operation],
) -> Result<bool, ScimError> {
    apply_each(resource_type, resource, operations, true)
}

fn apply_each(
    resource_type: &ResourceType,
    resource: &mut Resource,
    operations: &[Operation],
    strict: bool,
) -> Result<bool, ScimError> {
    let mut draft = resource.clone();
    for operation in operations {
        if strict && operation.action == Action::Replace {
            element::check_target(resource_type, &draft, operation)?;
        }
        match &operation.path {
            None => pathless::apply(resource_type, &mut draft, operation.action, operation.value.as_ref())?,
            Some(path) => apply_at(resource_type, &mut draft, operation.action, path, operation.value.clone())?,
        }
    }
    drop_repeats(resource_type, &mut draft);
    if same_contents(resource, &draft) {
        return Ok(false);
    }
    set_schemas(resource_type, &mut draft);
    *resource = draft;
    Ok(true)
}

/// Edits of parts can make two values of a list the same; one of them stays (RFC 7643 §2.4).
fn drop_repeats(resource_type: &ResourceType, draft: &mut Resource) {
    let lists = resource_type.base.attributes.iter().filter(|attribute| attribute.multi_valued);
    for attribute in lists.filter(|attribute| !is_added_whole(attribute)) {
        if let Some(Value::Array(items)) = draft.get_mut(attribute.name) {
            *items = distinct(attribute, std::mem::take(items));
        }
    }
}

/// Equal but for `schemas`, which follows from the rest.
fn same_contents(before: &Resource, after: &Resource) -> bool {
    let before = before.iter().filter(|(name, _)| *name != "schemas");
    before.eq(after.iter().filter(|(name, _)| *name != "schemas"))
}

/// One operation on one attribute.
struct Edit<'e> {
    action: Action,
    location: Location<'e>,
    path: &'e Path,
}

impl Edit<'_> {
    /// The attribute or part that is written.
    fn leaf(&self) -> &Attribute {
        self.location.sub.unwrap_or(self.location.attribute)
    }

    fn label(&self) -> String {
        match self.location.sub {
            Some(sub) => label(sub, Some(self.location.attribute)),
            None => label(self.location.attribute, None),
        }
    }

    /// RFC 7644 §3.5.2.2: a required attribute cannot be removed.
    fn check_removable(&self) -> Result<(), ScimError> {
        if self.leaf().required {
            let detail = format!("{} is required and cannot be removed; replace it", self.label());
            return Err(ScimError::mutability(detail));
        }
        Ok(())
    }

    /// An immutable attribute keeps the value it has (RFC 7643 §7).
    fn check_free(&self, before: Option<&Value>, after: Option<&Value>) -> Result<(), ScimError> {
        let fixed = [Some(self.location.attribute), self.location.sub].into_iter().flatten();
        let fixed = fixed.into_iter().any(|attribute| attribute.mutability == Mutability::Immutable);
        if fixed && before.is_some() && before != after {
            return Err(ScimError::mutability(format!("{} is immutable and already set", self.label())));
        }
        Ok(())
    }
}

/// Applies one action at a path.
fn apply_at(
    resource_type: &ResourceType,
    draft: &mut Resource,
    action: Action,
    path: &Path,
    value: Option<Value>,
) -> Result<(), ScimError> {
    match resource_type.resolve(&path.plain()) {
        None => Err(ScimError::invalid_path(format!(
            "{} has no attribute \"{}\"",
            resource_type.name,
            excerpt(&path.plain().to_string())
        ))),
        Some(Target::Base | Target::Extension(_)) if path.filter.is_some() => {
            Err(ScimError::invalid_path("a schema has no values to select from"))
        }
        Some(Target::Base) if action == Action::Remove => {
            Err(ScimError::no_target("a remove needs the path of an attribute; to remove the resource use DELETE"))
        }
        Some(Target::Base) => pathless::apply(resource_type, draft, action, value.as_ref()),
        Some(Target::Extension(schema)) => {
            pathless::apply_extension(resource_type, draft, action, schema, value.as_ref())
        }
        Some(Target::Attribute(location)) => {
            if location.attribute.name == "schemas" && location.extension.is_none() {
                return check_schemas_edit(resource_type, action, value.as_ref());
            }
            let edit = Edit { action, location, path };
            if [Some(location.attribute), location.sub]
                .into_iter()
                .flatten()
                .any(|attribute| attribute.mutability == Mutability::ReadOnly)
            {
                return Err(ScimError::mutability(format!("{} is readOnly; leave it out", edit.label())));
            }
            apply_edit(&edit, draft, value)
        }
    }
}

fn apply_edit(edit: &Edit<'_>, draft: &mut Resource, value: Option<Value>) -> Result<(), ScimError> {
    let Some(schema) = edit.location.extension else {
        return edit_within(edit, draft, value);
    };
    let mut contents = match draft.remove(schema.id) {
        Some(Value::Object(contents)) => contents,
        _ => Resource::new(),
    };
    edit_within(edit, &mut contents, value)?;
    if !contents.is_empty() {
        draft.insert(schema.id.to_owned(), Value::Object(contents));
    }
    Ok(())
}

fn edit_within(edit: &Edit<'_>, holder: &mut Resource, value: Option<Value>) -> Result<(), ScimError> {
    if !edit.location.attribute.multi_valued {
        return single::apply(edit, holder, value);
    }
    if edit.path.filter.is_none() && edit.location.sub.is_none() {
        return list::apply(edit, holder, value);
    }
    element::apply(edit, holder, value)
}

/// `schemas` follows from the contents; naming schemas this type has is accepted and changes nothing.
fn check_schemas_edit(resource_type: &ResourceType, action: Action, value: Option<&Value>) -> Result<(), ScimError> {
    let urns = match value {
        Some(Value::Array(items)) => items.as_slice(),
        Some(one) => std::slice::from_ref(one),
        None => &[],
    };
    let known = urns.iter().all(|urn| urn.as_str().is_some_and(|urn| resource_type.has_schema(urn)));
    if action == Action::Remove || !known {
        return Err(ScimError::mutability("schemas follows from the attributes present; leave it out"));
    }
    Ok(())
}

fn parse_operation(operation: Value) -> Result<Operation, ScimError> {
    let Value::Object(members) = operation else {
        return Err(ScimError::invalid_syntax("an operation is not an object"));
    };
    let mut members = fold_names(members);
    let action = match members.get("op").and_then(Value::as_str) {
        Some(op) if op.eq_ignore_ascii_case("add") => Action::Add,
        Some(op) if op.eq_ignore_ascii_case("remove") => Action::Remove,
        Some(op) if op.eq_ignore_ascii_case("replace") => Action::Replace,
        _ => return Err(ScimError::invalid_syntax("op is missing or unknown; use add, remove or replace")),
    };
    let path = match members.get("path") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.trim().is_empty() => None,
        Some(Value::String(text)) => Some(Path::parse(text)?),
        Some(_) => return Err(ScimError::invalid_path("path is not a string")),
    };
    let value = members.remove("value");
    if action == Action::Remove && path.is_none() {
        return Err(ScimError::no_target("a remove needs a path"));
    }
    if action != Action::Remove && value.is_none() {
        return Err(ScimError::invalid_value("add and replace need a value"));
    }
    Ok(Operation { action, path, value })
}

#[cfg(test)]
mod tests;
