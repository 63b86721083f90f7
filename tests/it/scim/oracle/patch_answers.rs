//! Classes of PATCH that are put right in the oracle's answer: what a list must be after it was written.

use serde_json::{Value, json};

use super::patch::Step;
use super::patch_classes::has_labels_only;
use super::put::{Spot, is};

pub(super) fn once_in_a_list(step: Step<'_>, mut after: Value) -> Value {
    let Some(spot) = Spot::of(step) else { return after };
    let attribute = spot.location.attribute;
    let old = spot.elements(step.1).len();
    let joins = is(step.2, "add") && spot.is_whole_list() && step.2["value"].is_array();
    let identity: &[&str] = if attribute.name == "members" { &["value"] } else { &["value", "type"] };
    let Some(Value::Array(items)) = spot.present_mut(&mut after) else { return after };
    let folded = |item: &Value, name: &str| {
        let exact = attribute.sub_attribute(name).is_some_and(|sub| sub.case_exact);
        let text = item[name].as_str().unwrap_or_default();
        if exact { text.to_owned() } else { text.to_lowercase() }
    };
    if joins {
        // All of them in their order: the oracle has left out those that are there letter by letter.
        items.truncate(old);
        items.extend(step.2["value"].as_array().cloned().unwrap_or_default());
    }
    let mut kept: Vec<Value> = Vec::new();
    for (position, item) in std::mem::take(items).into_iter().enumerate() {
        let is_new = joins && position >= old && item["value"].is_string();
        let is_same = |kept: &&mut Value| {
            let has_value = item["value"].is_string() && (is_new || attribute.name != "members");
            **kept == item || has_value && identity.iter().all(|name| folded(kept, name) == folded(&item, name))
        };
        match kept.iter_mut().find(is_same) {
            Some(Value::Object(kept)) if attribute.name != "members" && is_new => {
                kept.extend(item.as_object().cloned().unwrap_or_default());
            }
            Some(Value::Object(kept)) if attribute.name != "members" => {
                // Two have become the same: the first stays, with what only the other has.
                for (name, part) in item.as_object().cloned().unwrap_or_default() {
                    if name == "primary" && part == true {
                        kept.insert(name, part);
                    } else {
                        kept.entry(name).or_insert(part);
                    }
                }
            }
            Some(_) => {}
            None => kept.push(item),
        }
    }
    *items = kept;
    after
}

pub(super) fn one_is_primary(step: Step<'_>, mut after: Value) -> Value {
    let Some(spot) = Spot::of(step) else { return after };
    let before = spot.elements(step.1);
    let Some(Value::Array(items)) = spot.present_mut(&mut after) else { return after };
    let is_primary = |item: &Value| item["primary"] == true;
    if items.iter().filter(|item| is_primary(item)).count() > 1 {
        for item in items.iter_mut().filter(|item| item["primary"] == true && before.contains(item)) {
            item["primary"] = json!(false);
        }
        // Without primary it may be the same as another.
        let mut seen: Vec<Value> = Vec::new();
        items.retain(|item| {
            let is_first = !seen.contains(item);
            seen.push(item.clone());
            is_first
        });
    }
    after
}

pub(super) fn labels_of_nothing(step: Step<'_>, mut after: Value) -> Value {
    let Some(spot) = Spot::of(step) else { return after };
    let lost = is(step.2, "remove") && spot.location.sub.is_some_and(|sub| sub.name == "value");
    let before = spot.elements(step.1);
    let hollow = |item: &Value| item.as_object().is_some_and(has_labels_only) && !before.contains(item);
    match spot.present_mut(&mut after) {
        Some(Value::Array(items)) if lost => items.retain(|item| !hollow(item)),
        Some(one) if lost && hollow(one) && *one != *spot.present(step.1) => *one = Value::Null,
        _ => {}
    }
    after
}

pub(super) fn reference_of_another(step: Step<'_>, mut after: Value) -> Value {
    let Some(spot) = Spot::of(step) else { return after };
    let before = spot.present(step.1).clone();
    let given = step.2["value"].get("$ref").is_some();
    let Some(Value::Object(members)) = spot.present_mut(&mut after) else { return after };
    let another = !is(step.2, "remove") && before.get("value") != members.get("value");
    if another && !given && before.get("$ref") == members.get("$ref") {
        members.remove("$ref");
    }
    after
}
