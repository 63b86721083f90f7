//! Which value of a resource a setting means: a SCIM path (`userName`, `emails[type eq "work"].value`, an attribute of
//! an extension by its URN), and the first text that it leads to.
//!
//! It takes what services send: names in any letter case, extensions inside or beside the core, no schema at hand.

use serde_json::{Map, Value};

use crate::directory::query::{Filter, Literal, Operator};
use crate::scim::Resource;
use crate::scim::path::Path;

/// A path of the settings.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AttributePath(Path);

impl AttributePath {
    /// Reads a path.
    ///
    /// # Errors
    /// What is wrong with it; the wording stands alone.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let path = Path::parse(text).map_err(|error| error.detail)?;
        match path.filter.as_ref().is_none_or(can_evaluate) {
            true => Ok(Self(path)),
            false => Err(format!("`{text}`: only eq, ne, pr, and, or and not can choose a value")),
        }
    }

    /// The text that the path leads to: of several values that of the primary one, else the first that is not blank.
    pub(super) fn text(&self, resource: &Resource) -> Option<String> {
        let attribute = &self.0.attribute;
        let here = match &attribute.urn {
            Some(urn) => match member(resource, urn).and_then(Value::as_object) {
                Some(extension) => extension,
                // A URN of the core schema names the resource itself.
                None if urn.contains(":core:") => resource,
                None => return None,
            },
            None => resource,
        };
        let value = member(here, &attribute.name)?;
        let values: Vec<&Value> = match value {
            Value::Array(items) => items.iter().collect(),
            one => vec![one],
        };
        let chosen: Vec<&Value> =
            values.into_iter().filter(|item| self.0.filter.as_ref().is_none_or(|filter| holds(filter, item))).collect();
        let sub = self.0.sub.as_deref();
        let primary = chosen.iter().filter(|item| is_primary(item)).find_map(|item| text_in(item, sub));
        primary.or_else(|| chosen.iter().find_map(|item| text_in(item, sub)))
    }
}

/// A member by its name, in any letter case (RFC 7643 §2.1).
pub(super) fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let found = object.get(name);
    found.or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
}

/// A text of an object.
pub(super) fn text<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    member(object, name).and_then(Value::as_str)
}

/// A boolean, or the word for one in any case, which some services send.
pub(super) fn boolean(value: &Value) -> Option<bool> {
    match value {
        Value::Bool(flag) => Some(*flag),
        Value::String(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Value::String(text) if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn is_primary(item: &Value) -> bool {
    let primary = item.as_object().and_then(|item| member(item, "primary"));
    primary.and_then(boolean).unwrap_or(false)
}

/// The text of a value, or of a part of it; of a complex one without a part, its `value`.
fn text_in(item: &Value, sub: Option<&str>) -> Option<String> {
    let value = match item {
        Value::Object(object) => member(object, sub.unwrap_or("value"))?,
        plain if sub.is_none() => plain,
        _ => return None,
    };
    let text = match value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        _ => return None,
    };
    Some(text).filter(|text| !text.trim().is_empty())
}

fn can_evaluate(filter: &Filter) -> bool {
    match filter {
        Filter::And(terms) | Filter::Or(terms) => terms.iter().all(can_evaluate),
        Filter::Not(term) => can_evaluate(term),
        Filter::Present(_) => true,
        Filter::Compare { operator, .. } => matches!(operator, Operator::Equal | Operator::NotEqual),
        Filter::Element { .. } => false,
    }
}

fn holds(filter: &Filter, item: &Value) -> bool {
    let part = |name: &str| match item {
        Value::Object(object) => member(object, name),
        plain if name.eq_ignore_ascii_case("value") => Some(plain),
        _ => None,
    };
    match filter {
        Filter::And(terms) => terms.iter().all(|term| holds(term, item)),
        Filter::Or(terms) => terms.iter().any(|term| holds(term, item)),
        Filter::Not(term) => !holds(term, item),
        Filter::Present(path) => part(&path.name).is_some_and(|value| !value.is_null()),
        Filter::Compare { path, operator, value } => {
            let is_equal = equals(part(&path.name), value);
            if *operator == Operator::NotEqual { !is_equal } else { is_equal }
        }
        Filter::Element { .. } => false,
    }
}

fn equals(value: Option<&Value>, wanted: &Literal) -> bool {
    match wanted {
        Literal::Null => value.is_none_or(Value::is_null),
        // A missing boolean is false (RFC 7643 §2.4).
        Literal::Bool(flag) => value.and_then(boolean).unwrap_or(false) == *flag,
        Literal::Number(number) => value.is_some_and(|value| *value == Value::Number(number.clone())),
        Literal::String(text) => {
            value.and_then(Value::as_str).is_some_and(|value| value.to_lowercase() == text.to_lowercase())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_lead_to_the_value_that_is_meant() {
        let resource = json!({
            "userName": "ada", "NAME": {"familyName": "Lovelace"}, "title": " ", "nick": 7,
            "emails": [
                {"value": "home@x.org", "type": "home"},
                {"value": "work@x.org", "type": "Work", "primary": "True"},
            ],
            "ims": ["a", "b"],
            "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "Engines"},
        });
        let resource = resource.as_object().unwrap();
        for (path, expected) in [
            ("userName", Some("ada")),
            ("username", Some("ada")),
            ("name.familyName", Some("Lovelace")),
            ("title", None),
            ("nick", Some("7")),
            ("emails", Some("work@x.org")),
            ("emails.value", Some("work@x.org")),
            ("emails[type eq \"home\"].value", Some("home@x.org")),
            ("emails[primary eq false].value", Some("home@x.org")),
            ("emails[type ne \"work\" and value pr]", Some("home@x.org")),
            ("emails[type eq \"other\"].value", None),
            ("ims", Some("a")),
            ("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", Some("Engines")),
            ("urn:ietf:params:scim:schemas:core:2.0:User:userName", Some("ada")),
            ("urn:ietf:params:scim:schemas:extension:other:2.0:User:department", None),
        ] {
            let parsed = AttributePath::parse(path).unwrap();
            assert_eq!(parsed.text(resource).as_deref(), expected, "{path}");
        }
        for bad in ["", "emails[", "emails[value co \"x\"].value", "a b"] {
            assert!(AttributePath::parse(bad).is_err(), "{bad}");
        }
    }
}
