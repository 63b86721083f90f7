//! What members of a body go together, as its schema says it. Each case names what it wants; one of them must hold.

use schemars::Schema;
use serde_json::{Map, Value, json};

/// One of these must hold, and all that each of them says.
pub(in crate::http) type Cases = &'static [&'static [Clause]];

/// What a case wants of a member.
#[derive(Clone, Copy)]
pub(in crate::http) enum Clause {
    /// It is there, null or not.
    There(&'static str),
    /// It is there, and not null.
    Given(&'static str),
    /// It is not, or null.
    Without(&'static str),
    /// A switch is on.
    On(&'static str),
    /// A switch is off, or not there.
    Off(&'static str),
    /// A list has items.
    Items(&'static str),
    /// A list is empty, or not there.
    NoItems(&'static str),
    /// A word is one of these.
    Is(&'static str, &'static [&'static str]),
    /// A text is like this pattern.
    Like(&'static str, &'static str),
    /// An object is there, and one of these cases holds in it.
    Within(&'static str, Cases),
}

impl Clause {
    /// The member, its schema, and whether it must be there.
    fn parts(self) -> (&'static str, Value, bool) {
        use Clause::*;
        match self {
            There(name) => (name, json!({}), true),
            Given(name) => (name, json!({"type": ["array", "boolean", "number", "object", "string"]}), true),
            Without(name) => (name, json!({"type": "null"}), false),
            On(name) => (name, json!({"const": true}), true),
            Off(name) => (name, json!({"const": false}), false),
            Items(name) => (name, json!({"type": "array", "minItems": 1}), true),
            NoItems(name) => (name, json!({"maxItems": 0}), false),
            Is(name, words) => (name, json!({"enum": words}), true),
            Like(name, pattern) => (name, json!({"type": "string", "pattern": pattern}), true),
            Within(name, cases) => (name, json!({"type": "object", "anyOf": any_of(cases)}), true),
        }
    }
}

fn any_of(cases: Cases) -> Vec<Value> {
    cases.iter().map(|clauses| case(clauses)).collect()
}

fn case(clauses: &[Clause]) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for (name, schema, is_required) in clauses.iter().map(|clause| clause.parts()) {
        properties.insert(name.to_owned(), schema);
        required.extend(is_required.then_some(name));
    }
    match required.is_empty() {
        true => json!({"properties": properties}),
        false => json!({"properties": properties, "required": required}),
    }
}

/// One of these cases holds.
pub(in crate::http) fn one_holds(cases: Cases) -> impl FnMut(&mut Schema) {
    move |schema| {
        let mut all = schema.remove("allOf").unwrap_or_else(|| json!([]));
        if let Some(all) = all.as_array_mut() {
            all.push(json!({"anyOf": any_of(cases)}));
        }
        schema.insert("allOf".to_owned(), all);
    }
}
