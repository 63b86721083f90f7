//! Why musterd refuses an operation that the oracle carries out, or passes over.

use musterd::scim::path::Path;
use musterd::scim::schema::Target;
use musterd::scim::{ScimError, ScimType};

use super::patch::Step;
use super::put::{has_path, is};

pub(super) struct Refusal {
    pub(super) name: &'static str,
    pub(super) why: &'static str,
    pub(super) fits: fn(Step<'_>, &ScimError) -> bool,
}

macro_rules! refusals {
    ($($function:ident: $why:literal,)+) => {
        pub(super) const REFUSALS: &[Refusal] =
            &[$(Refusal { name: stringify!($function), why: $why, fits: $function }),+];
    };
}

refusals! {
    read_only: "the server's own attributes are changed by nobody (7644 3.5.2: 400 mutability)",
    required_stays: "a required attribute is neither removed nor emptied (7644 3.5.2.2; 7643 2.5)",
    member_parts: "the parts of a member are immutable (7643 4.2, 7644 3.5.2)",
    unknown_attribute: "a path names an attribute of the schema (7644 3.5.2: invalidPath)",
    filter_on_one_value: "a value filter selects among many values (7644 3.5.2: invalidPath)",
    filter_makes_no_sense: "booleans have no order (7644 3.4.2.2)",
    broken_path: "a path has the form of the grammar (7644 3.5.2, figure 7)",
    wrong_type: "a value has the type of its attribute (7643 2.3)",
    no_object: "without path the value is an object of attributes (7644 3.5.2.1)",
    two_are_primary: "one value is primary (7643 2.4)",
    nothing_selected: "a filter that selects nothing is noTarget (7644 3.5.2.3, 3.12 table 9)",
}

/// The paths an operation names: its own, or the members of its value.
fn paths(step: Step<'_>) -> Vec<String> {
    let (_, _, operation) = step;
    if has_path(operation) {
        return vec![operation["path"].as_str().unwrap().to_owned()];
    }
    operation["value"].as_object().into_iter().flatten().map(|(name, _)| name.clone()).collect()
}

fn names(step: Step<'_>, wanted: &[&str]) -> bool {
    paths(step).iter().any(|path| {
        let local = path.split('[').next().unwrap().rsplit(':').next().unwrap().to_lowercase();
        wanted.iter().any(|wanted| local == *wanted || local.starts_with(&format!("{wanted}.")))
    })
}

fn read_only(step: Step<'_>, error: &ScimError) -> bool {
    error.scim_type == Some(ScimType::Mutability) && names(step, &["id", "groups", "meta", "manager.displayname"])
}

fn required_stays(step: Step<'_>, error: &ScimError) -> bool {
    let expected = if is(step.2, "remove") { ScimType::Mutability } else { ScimType::InvalidValue };
    let required = if step.0.resource_type().name == "User" { "username" } else { "displayname" };
    error.scim_type == Some(expected) && names(step, &[required]) && error.detail.contains("is required")
}

fn member_parts(step: Step<'_>, error: &ScimError) -> bool {
    error.scim_type == Some(ScimType::Mutability) && names(step, &["members"])
}

fn unknown_attribute(step: Step<'_>, error: &ScimError) -> bool {
    let known = |path: &String| {
        let path = Path::parse(path).ok();
        path.is_none_or(|path| step.0.resource_type().resolve(&path.plain()).is_some())
    };
    error.scim_type == Some(ScimType::InvalidPath) && has_path(step.2) && !paths(step).iter().all(known)
}

fn filter_on_one_value(step: Step<'_>, error: &ScimError) -> bool {
    let single = |path: &String| match Path::parse(path) {
        Ok(path) if path.filter.is_some() => match step.0.resource_type().resolve(&path.plain()) {
            Some(Target::Attribute(location)) => !location.attribute.multi_valued,
            _ => false,
        },
        _ => false,
    };
    error.scim_type == Some(ScimType::InvalidPath) && paths(step).iter().any(single)
}

fn filter_makes_no_sense(step: Step<'_>, error: &ScimError) -> bool {
    error.scim_type == Some(ScimType::InvalidFilter)
        && paths(step).iter().any(|path| path.to_lowercase().contains("primary gt"))
}

fn broken_path(step: Step<'_>, error: &ScimError) -> bool {
    error.scim_type == Some(ScimType::InvalidPath) && paths(step).iter().any(|path| Path::parse(path).is_err())
}

fn wrong_type(step: Step<'_>, error: &ScimError) -> bool {
    let has_value = step.2.get("value").is_some_and(|value| !value.is_null());
    error.scim_type == Some(ScimType::InvalidValue) && has_value && error.detail.contains(" takes ")
}

fn no_object(step: Step<'_>, error: &ScimError) -> bool {
    let is_object = step.2["value"].is_object();
    error.scim_type == Some(ScimType::InvalidValue) && error.detail.contains("must be an object") && !is_object
}

fn two_are_primary(step: Step<'_>, error: &ScimError) -> bool {
    let text = step.2.to_string().to_lowercase();
    error.scim_type == Some(ScimType::InvalidValue) && error.detail.contains("primary") && text.contains("primary")
}

fn nothing_selected(step: Step<'_>, error: &ScimError) -> bool {
    error.scim_type == Some(ScimType::NoTarget) && paths(step).iter().any(|path| path.contains('['))
}
