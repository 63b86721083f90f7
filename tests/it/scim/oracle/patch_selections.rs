//! Classes of PATCH about paths with a value filter: whom it selects, and what happens where it selects nobody.

use musterd::directory::query::{AttrPath, Filter, Literal, Operator};
use serde_json::{Value, json};

use super::patch::Step;
use super::put::{Spot, is, mapped, text, with};

pub(super) fn absent_compares(step: Step<'_>) -> Option<Vec<Value>> {
    let spot = Spot::of(step)?;
    let filter = spot.path.filter.as_ref()?;
    let none = |path: &AttrPath| Filter::Not(Box::new(Filter::Present(path.clone())));
    if filter.to_string().contains("not (") && filter.to_string().contains(" ne ") {
        return None;
    }
    let put = mapped(filter, &|term| match term {
        Filter::Compare { path, operator: Operator::NotEqual, .. } => Some(Filter::Or(vec![term.clone(), none(path)])),
        _ => None,
    });
    (put != *filter).then(|| vec![with(step.2, json!({"path": spot.text(false, Some(&put))}))])
}

pub(super) fn compares_without_case(step: Step<'_>) -> Option<Vec<Value>> {
    let spot = Spot::of(step)?;
    let filter = spot.path.filter.as_ref()?;
    let put = mapped(filter, &|term| {
        let Filter::Compare { path, operator, value } = term else { return None };
        let sub = spot.location.attribute.sub_attribute(&path.name).filter(|sub| !sub.case_exact)?;
        let wanted = text(value)?.to_lowercase();
        let accepted = |found: &str| match operator {
            Operator::Equal | Operator::NotEqual => found.to_lowercase() == wanted,
            Operator::Contains => found.to_lowercase().contains(&wanted),
            Operator::StartsWith => found.to_lowercase().starts_with(&wanted),
            _ => false,
        };
        let found = spot.elements(step.1).iter().filter_map(|element| element.get(sub.name)?.as_str());
        let mut found: Vec<&str> = found.filter(|found| accepted(found)).collect();
        found.sort_unstable();
        found.dedup();
        let operator = if *operator == Operator::NotEqual { Operator::NotEqual } else { Operator::Equal };
        let spelled = found.into_iter().map(|found| Filter::Compare {
            path: path.clone(),
            operator,
            value: Literal::String(found.to_owned()),
        });
        let spelled: Vec<Filter> = spelled.collect();
        let said = filter.to_string();
        if spelled.is_empty() || spelled.iter().all(|term| said.contains(&term.to_string())) {
            return None;
        }
        Some(if operator == Operator::NotEqual { Filter::all(spelled) } else { Filter::any(spelled) })
    });
    (put != *filter).then(|| vec![with(step.2, json!({"path": spot.text(false, Some(&put))}))])
}

pub(super) fn backslash_in_a_filter(step: Step<'_>) -> Option<Vec<Value>> {
    selected_by_the_end(step, '\\')
}

pub(super) fn colon_in_a_filter(step: Step<'_>) -> Option<Vec<Value>> {
    selected_by_the_end(step, ':')
}

/// The same values, selected by what follows a character that the oracle cannot read.
fn selected_by_the_end(step: Step<'_>, unreadable: char) -> Option<Vec<Value>> {
    let spot = Spot::of(step)?;
    let filter = spot.path.filter.as_ref()?;
    let put = mapped(filter, &|term| {
        let Filter::Compare { path, value, .. } = term else { return None };
        let (_, end) = text(value)?.rsplit_once(unreadable)?;
        let value = Literal::String(end.to_owned());
        Some(Filter::Compare { path: path.clone(), operator: Operator::EndsWith, value })
    });
    (put != *filter).then(|| vec![with(step.2, json!({"path": spot.text(false, Some(&put))}))])
}

pub(super) fn described_is_made(step: Step<'_>) -> Option<Vec<Value>> {
    let spot = Spot::of(step)?;
    let mut made = spot.described()?;
    if is(step.2, "remove") || spot.selects_any(step.1) {
        return None;
    }
    match (spot.location.sub, &step.2["value"]) {
        (Some(part), value) => {
            made.insert(part.name.to_owned(), value.clone());
        }
        (None, Value::Object(members)) => made.extend(members.clone()),
        _ => return None,
    }
    Some(vec![json!({"op": "add", "path": spot.location.attribute.name, "value": [made]})])
}

pub(super) fn selected_is_replaced(step: Step<'_>) -> Option<Vec<Value>> {
    let spot = Spot::of(step)?;
    let new = step.2["value"].as_object()?;
    let replaces = is(step.2, "replace") && spot.location.sub.is_none() && spot.path.filter.is_some();
    if !replaces || new.keys().all(|name| name == "value") {
        return None;
    }
    let mut made = spot.described().unwrap_or_default();
    made.extend(new.clone());
    let made = Value::Object(made);
    let list = spot.elements(step.1).iter();
    let list: Value = list.map(|item| if spot.selects(item) { made.clone() } else { item.clone() }).collect();
    Some(vec![json!({"op": "replace", "path": spot.location.attribute.name, "value": list})])
}

pub(super) fn nobody_leaves(step: Step<'_>) -> Option<Vec<Value>> {
    let spot = Spot::of(step)?;
    let gone = spot.path.filter.is_some() && !spot.selects_any(step.1);
    (is(step.2, "remove") && gone).then(Vec::new)
}
