//! What a value looks like: a JSON schema, made together with an example of it, so that no example can miss the schema
//! it stands beside. What has a name becomes a component of the document.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde_json::{Map, Value, json};

use super::bodies;

/// A schema, an example, and the named schemas that it refers to.
#[derive(Clone)]
pub(super) struct Shape {
    pub(super) schema: Value,
    pub(super) example: Value,
    pub(super) components: BTreeMap<&'static str, Value>,
}

/// A member of an object.
pub(super) struct Member {
    name: &'static str,
    shape: Shape,
    required: bool,
}

/// A member that is always there.
pub(super) fn with(name: &'static str, shape: Shape) -> Member {
    Member { name, shape, required: true }
}

/// A member that may be left out.
pub(super) fn maybe(name: &'static str, shape: Shape) -> Member {
    Member { name, shape, required: false }
}

/// An object of these members; more may come with later versions.
pub(super) fn object(members: Vec<Member>) -> Shape {
    let (mut properties, mut example, mut required) = (Map::new(), Map::new(), Vec::new());
    let mut components = BTreeMap::new();
    for Member { name, shape, required: is_required } in members {
        properties.insert(name.to_owned(), shape.schema);
        example.insert(name.to_owned(), shape.example);
        components.extend(shape.components);
        required.extend(is_required.then_some(name));
    }
    let mut schema = json!({"type": "object", "properties": properties});
    if !required.is_empty() {
        set(&mut schema, "required", json!(required));
    }
    Shape { schema, example: Value::Object(example), components }
}

/// An object with these members and others, which differ from kind to kind.
pub(super) fn open(members: Vec<Member>) -> Shape {
    let mut shape = object(members);
    set(&mut shape.schema, "additionalProperties", json!(true));
    shape
}

/// A list.
pub(super) fn list(item: Shape) -> Shape {
    let schema = json!({"type": "array", "items": item.schema});
    Shape { schema, example: json!([item.example]), components: item.components }
}

/// An object whose members have names of their own.
pub(super) fn map(name: &str, value: Shape) -> Shape {
    let schema = json!({"type": "object", "additionalProperties": value.schema});
    Shape { schema, example: json!({name: value.example}), components: value.components }
}

/// Any JSON object, such as this one.
pub(super) fn free(example: Value) -> Shape {
    Shape::new(json!({"type": "object"}), example)
}

/// Any JSON value, such as this one.
pub(super) fn anything(example: Value) -> Shape {
    Shape::new(json!({}), example)
}

/// A text, such as this one.
pub(super) fn text(example: &str) -> Shape {
    Shape::new(json!({"type": "string"}), json!(example))
}

/// A text of a kind that bodies have too, such as this one.
pub(super) fn typed<T: JsonSchema>(example: &str) -> Shape {
    Shape::new(bodies::schema::<T>(), json!(example))
}

/// A text like a pattern, such as this one.
pub(super) fn like(pattern: &str, example: &str) -> Shape {
    Shape::new(json!({"type": "string", "pattern": pattern}), json!(example))
}

/// One of some words.
pub(super) fn one_of<'a>(words: impl IntoIterator<Item = &'a str>) -> Shape {
    let words: Vec<&str> = words.into_iter().collect();
    Shape::new(json!({"type": "string", "enum": words}), json!(words.first()))
}

/// A whole number from 0.
pub(super) fn count(example: u64) -> Shape {
    Shape::new(json!({"type": "integer", "minimum": 0}), json!(example))
}

/// A whole number from one to another.
pub(super) fn between(least: u64, most: u64, example: u64) -> Shape {
    Shape::new(json!({"type": "integer", "minimum": least, "maximum": most}), json!(example))
}

/// Yes or no.
pub(super) fn flag(example: bool) -> Shape {
    Shape::new(json!({"type": "boolean"}), json!(example))
}

/// A time in UTC.
pub(super) fn time() -> Shape {
    Shape::new(json!({"type": "string", "format": "date-time"}), json!("2027-01-31T09:00:00Z"))
}

/// An id that musterd made (UUIDv7).
pub(super) fn id() -> Shape {
    Shape::new(json!({"type": "string", "format": "uuid"}), json!("01931e3c-7d00-7000-8000-5f2c4a9b1e07"))
}

/// A page of a list.
pub(super) fn page(item: Shape) -> Shape {
    let cursor =
        text("WzAsImFkYSJd").or_null().says("Where the next page begins: send it as cursor. Null on the last page.");
    object(vec![with("items", list(item)), with("next_cursor", cursor)])
}

/// A list that is short by its nature, whole.
pub(super) fn whole(item: Shape) -> Shape {
    object(vec![with("items", list(item))])
}

impl Shape {
    fn new(schema: Value, example: Value) -> Self {
        Self { schema, example, components: BTreeMap::new() }
    }

    /// The same, or null.
    pub(super) fn or_null(mut self) -> Self {
        let plain = self.schema.get("type").and_then(Value::as_str).map(str::to_owned);
        match plain {
            Some(plain) => {
                set(&mut self.schema, "type", json!([plain, "null"]));
                if let Some(Value::Array(words)) = self.schema.get_mut("enum") {
                    words.push(Value::Null);
                }
            }
            None => self.schema = json!({"anyOf": [self.schema, {"type": "null"}]}),
        }
        self
    }

    /// The same, with what it means.
    pub(super) fn says(mut self, description: &str) -> Self {
        set(&mut self.schema, "description", json!(description));
        self
    }

    /// The same, with another example.
    pub(super) fn such_as(mut self, example: Value) -> Self {
        self.example = example;
        self
    }

    /// The same, as a component of the document.
    pub(super) fn named(mut self, name: &'static str) -> Self {
        set(&mut self.schema, "examples", json!([self.example]));
        let schema = std::mem::replace(&mut self.schema, reference(name));
        self.components.insert(name, schema);
        self
    }

    /// One of several.
    pub(super) fn or(mut self, other: Self) -> Self {
        self.components.extend(other.components);
        match self.schema.get_mut("anyOf") {
            Some(Value::Array(all)) => all.push(other.schema),
            _ => self.schema = json!({"anyOf": [self.schema, other.schema]}),
        }
        self
    }
}

/// Where a component is.
pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// Sets a member of an object.
pub(super) fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(members) = object.as_object_mut() {
        members.insert(name.to_owned(), value);
    }
}
