//! Which attributes an answer carries (RFC 7644 §3.4.2.5, RFC 7643 §7 `returned`).
//!
//! Owns `attributes` and `excludedAttributes`, and that a never-returned attribute is in no answer.
//! Refuses values: they leave as they are stored. Members no schema knows are left out.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::Resource;
use super::resource::set_schemas;
use super::schema::{Attribute, Location, ResourceType, Returned, Schema, Target};
use super::value::is_empty;
use crate::directory::query::AttrPath;

/// The choice of attributes of one request, bound to a resource type.
#[derive(Debug, Clone)]
pub struct Projection<'s> {
    resource_type: &'s ResourceType,
    named: Option<Choice>,
    excluded: Choice,
}

/// Names by holder: the extension URN, or `""` for the resource itself.
#[derive(Debug, Clone, Default)]
struct Choice {
    whole: HashSet<(&'static str, &'static str)>,
    parts: HashMap<(&'static str, &'static str), HashSet<&'static str>>,
    extensions: HashSet<&'static str>,
}

type Key = (&'static str, &'static str);

impl<'s> Projection<'s> {
    /// Reads both lists; entries may themselves be comma lists. Unknown names choose nothing.
    /// If a client sends both, what is named is shown without what is excluded.
    #[must_use]
    pub fn new(resource_type: &'s ResourceType, attributes: &[String], excluded: &[String]) -> Self {
        let named = Choice::read(resource_type, attributes);
        let asked = attributes.iter().any(|names| !names.trim().is_empty());
        Self { resource_type, named: asked.then_some(named), excluded: Choice::read(resource_type, excluded) }
    }

    /// Everything that is returned by default.
    #[must_use]
    pub fn everything(resource_type: &'s ResourceType) -> Self {
        Self::new(resource_type, &[], &[])
    }

    /// Whether answers carry the attribute, so that the caller need not load what nobody asked for (`members`).
    #[must_use]
    pub fn wants(&self, name: &str) -> bool {
        match self.resource_type.resolve(&AttrPath::named(name)) {
            Some(Target::Attribute(location)) => self.shows(key(&location), location.attribute),
            _ => false,
        }
    }

    /// The resource as this request sees it; `schemas` names the extensions that are left (RFC 7643 §3).
    #[must_use]
    pub fn apply(&self, resource: Resource) -> Resource {
        let mut shown = Map::new();
        for (name, value) in resource {
            if let Some(schema) = self.resource_type.extension(&name) {
                if let Value::Object(contents) = value {
                    let contents = self.extension(schema, contents);
                    if !contents.is_empty() {
                        shown.insert(name, Value::Object(contents));
                    }
                }
            } else if let Some(attribute) = self.resource_type.own_attribute(&name)
                && let Some(value) = self.attribute("", attribute, value)
            {
                shown.insert(name, value);
            }
        }
        set_schemas(self.resource_type, &mut shown);
        shown
    }

    fn extension(&self, schema: &Schema, contents: Map<String, Value>) -> Map<String, Value> {
        let mut shown = Map::new();
        for (name, value) in contents {
            if let Some(attribute) = schema.attribute(&name)
                && let Some(value) = self.attribute(schema.id, attribute, value)
            {
                shown.insert(name, value);
            }
        }
        shown
    }

    fn attribute(&self, holder: &'static str, attribute: &Attribute, value: Value) -> Option<Value> {
        let key = (holder, attribute.name);
        if !self.shows(key, attribute) {
            return None;
        }
        if attribute.sub_attributes.is_empty() {
            return Some(value);
        }
        let value = match value {
            Value::Array(items) => {
                let items = items.into_iter().map(|item| self.parts(key, attribute, item));
                Value::Array(items.filter(|item| !is_empty(item)).collect())
            }
            one => self.parts(key, attribute, one),
        };
        (!is_empty(&value)).then_some(value)
    }

    fn parts(&self, key: Key, attribute: &Attribute, element: Value) -> Value {
        let Value::Object(mut members) = element else { return element };
        members.retain(|name, _| {
            let sub = attribute.sub_attribute(name);
            sub.is_some_and(|sub| self.shows_part(key, attribute, sub))
        });
        Value::Object(members)
    }

    fn shows(&self, key: Key, attribute: &Attribute) -> bool {
        match attribute.returned {
            Returned::Always => true,
            Returned::Never => false,
            Returned::Request => self.is_named(key) && !self.is_excluded(key),
            Returned::Default => (self.named.is_none() || self.is_named(key)) && !self.is_excluded(key),
        }
    }

    fn shows_part(&self, key: Key, attribute: &Attribute, sub: &Attribute) -> bool {
        let named = self.named.as_ref().and_then(|named| named.parts.get(&key));
        let by_name = named.is_some_and(|parts| parts.contains(sub.name));
        let excluded = self.excluded.parts.get(&key).is_some_and(|parts| parts.contains(sub.name));
        let whole = attribute.returned == Returned::Always
            || self.named.as_ref().is_none_or(|named| named.whole.contains(&key) || named.extensions.contains(key.0));
        match sub.returned {
            Returned::Always => true,
            Returned::Never => false,
            Returned::Request => by_name && !excluded,
            Returned::Default => (whole || by_name) && !excluded,
        }
    }

    fn is_named(&self, key: Key) -> bool {
        self.named.as_ref().is_some_and(|named| named.has(key) || named.parts.contains_key(&key))
    }

    fn is_excluded(&self, key: Key) -> bool {
        self.excluded.has(key)
    }
}

impl Choice {
    fn read(resource_type: &ResourceType, lists: &[String]) -> Self {
        let mut choice = Self::default();
        for name in lists.iter().flat_map(|list| list.split(',')) {
            let target = AttrPath::parse(name.trim()).and_then(|path| resource_type.resolve(&path));
            match target {
                Some(Target::Attribute(location)) => choice.add(&location),
                Some(Target::Extension(schema)) => {
                    choice.extensions.insert(schema.id);
                }
                Some(Target::Base) => {
                    let names = resource_type.base.attributes.iter().map(|attribute| ("", attribute.name));
                    choice.whole.extend(names);
                }
                None => {}
            }
        }
        choice
    }

    fn add(&mut self, location: &Location<'_>) {
        match location.sub {
            Some(sub) => {
                self.parts.entry(key(location)).or_default().insert(sub.name);
            }
            None => {
                self.whole.insert(key(location));
            }
        }
    }

    fn has(&self, key: Key) -> bool {
        self.whole.contains(&key) || self.extensions.contains(key.0)
    }
}

fn key(location: &Location<'_>) -> Key {
    (location.extension.map_or("", |schema| schema.id), location.attribute.name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scim::schemas::{self, ENTERPRISE_URN, USER_URN};

    fn shown(attributes: &[&str], excluded: &[&str]) -> Value {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let resource = json!({
            "id": "1", "userName": "a", "password": "secret", "stray": 1,
            "schemas": [USER_URN, ENTERPRISE_URN],
            "emails": [{"value": "a@x", "type": "work"}],
            "name": {"givenName": "A", "familyName": "B"},
            ENTERPRISE_URN: {"department": "d", "manager": {"value": "2", "displayName": "M"}},
        });
        let projection = Projection::new(schemas::user(), &owned(attributes), &owned(excluded));
        Value::Object(projection.apply(resource.as_object().unwrap().clone()))
    }

    #[test]
    fn attributes_and_exclusions_follow_returned() {
        let manager = format!("{ENTERPRISE_URN}:manager.value");
        let upper = ENTERPRISE_URN.to_uppercase();
        let with = |extra: Value, extension: bool| {
            let mut base = json!({"id": "1", "schemas": [USER_URN]});
            if extension {
                base["schemas"] = json!([USER_URN, ENTERPRISE_URN]);
            }
            base.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            base
        };
        let cases = [
            (vec!["userName"], vec![], with(json!({"userName": "a"}), false)),
            (
                vec!["USERNAME,emails.value"],
                vec![],
                with(json!({"userName": "a", "emails": [{"value": "a@x"}]}), false),
            ),
            (vec!["password"], vec![], with(json!({}), false)),
            (vec!["nonsense", "a b"], vec![], with(json!({}), false)),
            (vec!["name"], vec!["name.givenName", "id", "schemas"], with(json!({"name": {"familyName": "B"}}), false)),
            (vec![manager.as_str()], vec![], with(json!({ENTERPRISE_URN: {"manager": {"value": "2"}}}), true)),
            (vec!["department"], vec![], with(json!({ENTERPRISE_URN: {"department": "d"}}), true)),
            (vec![upper.as_str()], vec!["manager"], with(json!({ENTERPRISE_URN: {"department": "d"}}), true)),
            (
                vec![],
                vec!["emails", "name.familyName", ENTERPRISE_URN],
                with(json!({"userName": "a", "name": {"givenName": "A"}}), false),
            ),
        ];
        for (attributes, excluded, expected) in cases {
            assert_eq!(shown(&attributes, &excluded), expected, "{attributes:?} without {excluded:?}");
        }
    }

    #[test]
    fn without_a_choice_all_but_the_password_and_strays_are_shown() {
        let all = shown(&[], &[]);
        let mut names: Vec<&str> = all.as_object().unwrap().keys().map(String::as_str).collect();
        names.sort_unstable();
        assert_eq!(names, ["emails", "id", "name", "schemas", ENTERPRISE_URN, "userName"]);
    }

    #[test]
    fn members_are_only_wanted_when_shown() {
        let wants = |attributes: &str, excluded: &str| {
            Projection::new(schemas::group(), &[attributes.to_owned()], &[excluded.to_owned()]).wants("members")
        };
        assert!(wants("", "") && wants("members.value", "") && wants("", "members.display"));
        assert!(!wants("", "members") && !wants("displayName", "") && !wants("", "Members,displayName"));
    }
}
