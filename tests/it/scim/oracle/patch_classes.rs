//! Why musterd and the oracle leave a resource in different states. The order matters: each class finds the operation
//! as those before it have put it.

use musterd::directory::query::{AttrPath, Filter, Literal};
use musterd::scim::path::Path;
use musterd::scim::schema::{Attribute, AttributeType, Mutability, Target};
use serde_json::{Map, Value, json};

use super::patch::Step;
use super::patch_answers::{labels_of_nothing, once_in_a_list, one_is_primary, reference_of_another};
use super::patch_selections::{
    absent_compares, backslash_in_a_filter, colon_in_a_filter, compares_without_case, described_is_made, nobody_leaves,
    selected_is_replaced,
};
use super::put::{Spot, has_path, is, is_hollow, mapped, respelled, says_nothing, text, with, without};

/// A reason to differ, with what shows that it is the reason.
pub(super) struct Class {
    pub(super) name: &'static str,
    /// Who is right, and where it is written.
    pub(super) why: &'static str,
    pub(super) judge: Judge,
}

/// How a class is put right for the oracle.
pub(super) enum Judge {
    /// The operation, asked otherwise; several if it takes more than one.
    Asked(fn(Step<'_>) -> Option<Vec<Value>>),
    /// The answer, put right.
    Answered(fn(Step<'_>, Value) -> Value),
}

macro_rules! classes {
    ($($judge:ident $function:ident: $why:literal,)+) => {
        pub(super) const CLASSES: &[Class] =
            &[$(Class { name: stringify!($function), why: $why, judge: Judge::$judge($function) }),+];
    };
}

classes! {
    Asked op_in_capitals: "the oracle takes two spellings of an op; Entra's are taken in any letters (dialect; 7644 3.5.2 has lower case)",
    Asked core_urn_as_object: "attributes under the core URN are core attributes, not members of an object of that name (dialect; 7644 3.10)",
    Asked servers_and_unknown_members: "without path, the server's own and unknown members are passed over, as on create (7644 3.3, 3.5.2)",
    Asked members_as_paths: "without path, each member is an attribute with its own rules: merged, appended, selected (7644 3.5.2.1, 3.5.2.3)",
    Asked extension_urn_as_path: "an extension's URN names all of its attributes; the oracle takes the last word for an attribute (7643 3.3, 7644 3.10)",
    Asked other_letters: "names match in any letters and are kept as the schema spells them (7643 2.1)",
    Asked urn_left_out: "an extension's attribute is found without its URN (dialect of Entra; 7644 3.10)",
    Asked boolean_words: "the words true and false become booleans (dialect of Entra; 7643 2.3.2)",
    Asked wrapped_value: "a simple attribute takes [{\"value\": x}] as x (dialect of Entra's older PATCH)",
    Asked text_for_complex: "a text for a complex value is its `value`, and an array of one is the one (dialect of Entra for manager; 7643 2.4)",
    Asked parts_nobody_knows: "parts that are unknown or readOnly are passed over (7643 7, 7644 3.5.2)",
    Asked nothing_clears: "null, \"\", [] and an object of them are no value: they clear (7643 2.5; \"\" is a dialect)",
    Asked nothing_among_parts: "a part given as nothing is cleared, the others are written (7643 2.5)",
    Asked one_without_array: "one value for a list is a list of one (dialect; 7643 2.4)",
    Asked part_of_no_value: "a part of a list without values makes the first value, in a list (7644 3.5.2.3: treated as an add)",
    Asked named_are_removed: "a remove with values removes those of that `value`, whatever else is said of them (dialect of Entra)",
    Asked absent_compares: "what has no value is not equal to anything (7644 3.4.2.2, ne)",
    Asked described_is_made: "the value that a filter of equalities describes is made where there is none (dialect of Entra; 7644 3.5.2.3)",
    Asked selected_is_replaced: "a replace with a value filter replaces the value, it does not merge (7644 3.5.2.3)",
    Asked compares_without_case: "texts whose caseExact is false compare without case (7643 7, 7644 3.4.2.2)",
    Asked backslash_in_a_filter: "a value in a filter is a JSON string with JSON's escapes (7644 3.4.2.2, figure 1)",
    Asked colon_in_a_filter: "the URN of a path ends before its filter; the oracle looks for its end in the filter's texts (7644 3.5.2, figure 7)",
    Asked nobody_leaves: "removing who is no member, or clearing what is not there, changes nothing (dialect; 7644 3.5.2.2)",
    Answered once_in_a_list: "what is in a list already is not added again, in whatever case (7643 2.4, 7644 3.5.2.1)",
    Answered one_is_primary: "a value written as primary takes it from the others (7644 3.5.2)",
    Answered labels_of_nothing: "a value without its `value` but with labels is none (7643 2.4)",
    Answered reference_of_another: "with another value the old $ref is wrong and goes (7643 4.3)",
}

fn op_in_capitals((_, _, operation): Step<'_>) -> Option<Vec<Value>> {
    let lower = operation["op"].as_str()?.to_lowercase();
    (operation["op"] != lower).then(|| vec![with(operation, json!({"op": lower}))])
}

fn pathless<'v>((_, _, operation): Step<'v>) -> Option<&'v Map<String, Value>> {
    if has_path(operation) { None } else { operation["value"].as_object() }
}

fn core_urn_as_object(step: Step<'_>) -> Option<Vec<Value>> {
    let (members, core) = (pathless(step)?, step.0.resource_type().base.id);
    members.get(core)?.as_object()?;
    let part = |(name, value): (&String, &Value)| match value {
        Value::Object(_) if name == core => with(step.2, json!({"value": value})),
        _ => with(step.2, json!({"value": {name: value}})),
    };
    Some(members.iter().map(part).collect())
}

fn servers_and_unknown_members(step: Step<'_>) -> Option<Vec<Value>> {
    let members = pathless(step)?;
    let known = |name: &String| {
        let Ok(path) = Path::parse(name) else { return name.contains('[') };
        match step.0.resource_type().resolve(&path.plain()) {
            Some(Target::Attribute(location)) => !["id", "meta", "groups"].contains(&location.attribute.name),
            target => target.is_some(),
        }
    };
    let kept: Map<String, Value> = members.clone().into_iter().filter(|(name, _)| known(name)).collect();
    (kept.len() < members.len()).then(|| vec![with(step.2, json!({"value": kept}))])
}

fn members_as_paths(step: Step<'_>) -> Option<Vec<Value>> {
    let members = pathless(step)?;
    Some(members.iter().map(|(name, value)| with(step.2, json!({"path": name, "value": value}))).collect())
}

fn extension_urn_as_path((kind, state, operation): Step<'_>) -> Option<Vec<Value>> {
    let path = Path::parse(operation["path"].as_str()?).ok()?;
    let Some(Target::Extension(schema)) = kind.resource_type().resolve(&path.plain()) else { return None };
    let at = |name: &str| format!("{}:{name}", schema.id);
    if let Some(members) = operation["value"].as_object() {
        let known = members.iter().filter(|(name, _)| schema.attribute(name).is_some());
        return Some(known.map(|(name, value)| with(operation, json!({"path": at(name), "value": value}))).collect());
    }
    let present = state[schema.id].as_object().into_iter().flatten();
    Some(present.map(|(name, _)| json!({"op": "remove", "path": at(name)})).collect())
}

/// The members of an object in the schema's spelling.
fn spelled(attribute: &Attribute, value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| spelled(attribute, item)).collect(),
        Value::Object(members) => {
            let name = |name: String| attribute.sub_attribute(&name).map_or(name, |sub| sub.name.to_owned());
            Value::Object(members.clone().into_iter().map(|(text, value)| (name(text), value)).collect())
        }
        other => other.clone(),
    }
}

fn other_letters(step: Step<'_>) -> Option<Vec<Value>> {
    let spot = Spot::of(step)?;
    let filter = spot.path.filter.as_ref().map(|filter| respelled(filter, spot.location.attribute));
    let mut path = spot.text(false, filter.as_ref());
    for urn in [step.0.resource_type().base.id].into_iter().chain(spot.location.extension.map(|schema| schema.id)) {
        let same = path.get(..urn.len()).is_some_and(|front| front.eq_ignore_ascii_case(urn));
        if same {
            path.replace_range(..urn.len(), urn);
        }
    }
    let mut changed = with(step.2, json!({"path": path}));
    if step.2.get("value").is_some() {
        changed["value"] = spelled(spot.leaf(), &step.2["value"]);
    }
    (changed != *step.2).then(|| vec![changed])
}

fn urn_left_out(step: Step<'_>) -> Option<Vec<Value>> {
    let spot = Spot::of(step)?;
    let left_out = spot.location.extension.is_some() && spot.path.attribute.urn.is_none();
    left_out.then(|| vec![with(step.2, json!({"path": spot.text(true, spot.path.filter.as_ref())}))])
}

fn word(value: &Value) -> Option<bool> {
    match value.as_str()?.to_lowercase().as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}

/// The same with every word for a boolean as one.
fn without_words(attribute: &Attribute, value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(|item| without_words(attribute, item)).collect(),
        Value::Object(members) => {
            let part = |(name, value): (&String, &Value)| match attribute.sub_attribute(name) {
                Some(sub) => (name.clone(), without_words(sub, value)),
                None => (name.clone(), value.clone()),
            };
            Value::Object(members.iter().map(part).collect())
        }
        other if attribute.kind == AttributeType::Boolean => word(other).map_or_else(|| other.clone(), Value::Bool),
        other => other.clone(),
    }
}

fn boolean_words(step: Step<'_>) -> Option<Vec<Value>> {
    let spot = Spot::of(step)?;
    let mut changed = step.2.clone();
    if step.2.get("value").is_some() {
        changed["value"] = without_words(spot.leaf(), &step.2["value"]);
    }
    if let Some(filter) = &spot.path.filter {
        let parts = spot.location.attribute;
        let plain = mapped(filter, &|term| match term {
            Filter::Compare { path, operator, value }
                if parts.sub_attribute(&path.name).is_some_and(|sub| sub.kind == AttributeType::Boolean) =>
            {
                let value = Literal::Bool(word(&json!(text(value)?))?);
                Some(Filter::Compare { path: path.clone(), operator: *operator, value })
            }
            _ => None,
        });
        if plain != *filter {
            changed["path"] = json!(spot.text(false, Some(&plain)));
        }
    }
    (changed != *step.2).then(|| vec![changed])
}

fn wrapped_value(step: Step<'_>) -> Option<Vec<Value>> {
    let leaf = Spot::of(step)?.leaf();
    let [Value::Object(only)] = step.2["value"].as_array()?.as_slice() else { return None };
    let is_simple = leaf.kind != AttributeType::Complex && !leaf.multi_valued;
    (is_simple && only.contains_key("value")).then(|| vec![with(step.2, json!({"value": only["value"]}))])
}

fn text_for_complex(step: Step<'_>) -> Option<Vec<Value>> {
    let spot = Spot::of(step)?;
    let value = step.2.get("value")?;
    if spot.leaf().kind != AttributeType::Complex {
        return None;
    }
    let full = |value: &Value| match value {
        Value::String(text) if !text.is_empty() => json!({"value": text}),
        other => other.clone(),
    };
    let put = match value {
        Value::Array(items) if spot.is_whole_list() => items.iter().map(full).collect(),
        Value::Array(items) if items.len() == 1 => full(&items[0]),
        other => full(other),
    };
    (put != *value).then(|| vec![with(step.2, json!({"value": put}))])
}

fn parts_nobody_knows(step: Step<'_>) -> Option<Vec<Value>> {
    let spot = Spot::of(step)?;
    let value = step.2.get("value")?;
    let known = |name: &str| {
        let sub = spot.leaf().sub_attribute(name);
        sub.is_some_and(|sub| sub.mutability != Mutability::ReadOnly)
    };
    let keep = |value: &Value| match value {
        Value::Object(members) if spot.leaf().kind == AttributeType::Complex => {
            Value::Object(members.clone().into_iter().filter(|(name, _)| known(name)).collect())
        }
        other => other.clone(),
    };
    let put = match value {
        Value::Array(items) => items.iter().map(keep).collect(),
        other => keep(other),
    };
    (put != *value).then(|| vec![with(step.2, json!({"value": put}))])
}

fn nothing_clears(step: Step<'_>) -> Option<Vec<Value>> {
    let spot = Spot::of(step)?;
    let value = step.2.get("value")?;
    if is(step.2, "remove") || !says_nothing(value) {
        return None;
    }
    if spot.is_whole_list() && is(step.2, "add") || spot.is_list() && !spot.selects_any(step.1) {
        return Some(Vec::new());
    }
    let emptied = |name: &String| json!({"op": "remove", "path": format!("{}.{name}", spot.text(true, None))});
    match value {
        Value::Object(members) if spot.leaf().kind == AttributeType::Complex && !spot.is_list() => {
            Some(members.keys().map(emptied).collect())
        }
        _ => Some(vec![without(&with(step.2, json!({"op": "remove"})), "value")]),
    }
}

fn nothing_among_parts(step: Step<'_>) -> Option<Vec<Value>> {
    let spot = Spot::of(step)?;
    let value = step.2.get("value")?;
    if is(step.2, "remove") || spot.leaf().kind != AttributeType::Complex {
        return None;
    }
    if let Value::Object(members) = value
        && !spot.is_list()
    {
        let part = |(name, value): (&String, &Value)| {
            with(step.2, json!({"path": format!("{}.{name}", spot.text(true, None)), "value": value}))
        };
        return members.values().any(is_hollow).then(|| members.iter().map(part).collect());
    }
    let put = match value {
        Value::Array(items) => items.iter().map(said).filter(|item| !item.is_null()).collect(),
        other => said(other),
    };
    (put != *value).then(|| vec![with(step.2, json!({"value": put}))])
}

/// What is left of a list's value without its empty parts; null if that is nothing.
fn said(item: &Value) -> Value {
    let Some(members) = item.as_object() else {
        return if is_hollow(item) { Value::Null } else { item.clone() };
    };
    let kept: Map<String, Value> = members.clone().into_iter().filter(|(_, value)| !is_hollow(value)).collect();
    let lost = members.contains_key("value") && !kept.contains_key("value");
    if kept.is_empty() || lost && has_labels_only(&kept) { Value::Null } else { Value::Object(kept) }
}

pub(super) fn has_labels_only(members: &Map<String, Value>) -> bool {
    members.keys().all(|name| ["type", "primary", "display", "$ref"].contains(&name.as_str()))
}

fn one_without_array(step: Step<'_>) -> Option<Vec<Value>> {
    let spot = Spot::of(step)?;
    let one = step.2.get("value").filter(|value| value.is_object())?;
    spot.is_whole_list().then(|| vec![with(step.2, json!({"value": [one]}))])
}

fn part_of_no_value(step: Step<'_>) -> Option<Vec<Value>> {
    let spot = Spot::of(step)?;
    let part = spot.location.sub?;
    let makes = spot.is_list() && spot.path.filter.is_none() && spot.elements(step.1).is_empty();
    let made = json!({"op": "add", "path": spot.location.attribute.name, "value": [{part.name: step.2["value"]}]});
    (makes && !is(step.2, "remove")).then(|| vec![made])
}

fn named_are_removed(step: Step<'_>) -> Option<Vec<Value>> {
    let spot = Spot::of(step)?;
    let value = step.2.get("value").filter(|value| !value.is_null())?;
    if !is(step.2, "remove") || !spot.is_whole_list() {
        return None;
    }
    let named = match value {
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    let by_value = |item: &Value| {
        let value = item.get("value").or_else(|| item.is_string().then_some(item))?;
        let filter = Filter::equal(AttrPath::named("value"), Literal::String(value.as_str()?.to_owned()));
        Some(json!({"op": "remove", "path": spot.text(true, Some(&filter))}))
    };
    let removed = named.iter().filter_map(by_value);
    let selects = |operation: &Value| Spot::of((step.0, step.1, operation)).unwrap().selects_any(step.1);
    let whole = named.iter().filter(|item| item.is_object() && item.get("value").is_none());
    let whole = whole.filter(|item| spot.elements(step.1).contains(item));
    let whole = whole.map(|item| json!({"op": "remove", "path": step.2["path"], "value": item}));
    let rewritten: Vec<Value> = removed.filter(selects).chain(whole).collect();
    (rewritten.len() != 1 || rewritten[0] != *step.2).then_some(rewritten)
}
