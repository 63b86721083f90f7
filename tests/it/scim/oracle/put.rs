//! What the classes of PATCH need to put an operation otherwise: its place, its value, filters spelled as the schema has it.

use musterd::directory::query::{AttrPath, Filter, Literal, Operator};
use musterd::scim::path::Path;
use musterd::scim::schema::{Attribute, Location, Target};
use serde_json::{Map, Value, json};

use super::Kind;
use super::patch::Step;

/// Where an operation works.
pub(super) struct Spot {
    pub(super) path: Path,
    pub(super) location: Location<'static>,
}

impl Spot {
    pub(super) fn of((kind, _, operation): Step<'_>) -> Option<Self> {
        let path = Path::parse(operation["path"].as_str()?).ok()?;
        match kind.resource_type().resolve(&path.plain())? {
            Target::Attribute(location) => Some(Self { path, location }),
            _ => None,
        }
    }

    /// What is written: the attribute or its part.
    pub(super) fn leaf(&self) -> &'static Attribute {
        self.location.sub.unwrap_or(self.location.attribute)
    }

    pub(super) fn is_list(&self) -> bool {
        self.location.attribute.multi_valued
    }

    /// The whole list, and no values of it.
    pub(super) fn is_whole_list(&self) -> bool {
        self.is_list() && self.path.filter.is_none() && self.location.sub.is_none()
    }

    /// The path in the schema's spelling, with this filter.
    pub(super) fn text(&self, with_urn: bool, filter: Option<&Filter>) -> String {
        let urn = match (self.location.extension, &self.path.attribute.urn) {
            (Some(schema), _) if with_urn => format!("{}:", schema.id),
            (_, Some(urn)) => format!("{urn}:"),
            _ => String::new(),
        };
        let filter = filter.map(|filter| format!("[{filter}]")).unwrap_or_default();
        let sub = self.location.sub.map(|sub| format!(".{}", sub.name)).unwrap_or_default();
        format!("{urn}{}{filter}{sub}", self.location.attribute.name)
    }

    /// What is there now.
    pub(super) fn present<'v>(&self, state: &'v Value) -> &'v Value {
        let holder = self.location.extension.map_or(state, |schema| &state[schema.id]);
        &holder[self.location.attribute.name]
    }

    pub(super) fn present_mut<'v>(&self, state: &'v mut Value) -> Option<&'v mut Value> {
        let holder = match self.location.extension {
            Some(schema) => state.get_mut(schema.id)?,
            None => state,
        };
        holder.get_mut(self.location.attribute.name)
    }

    pub(super) fn elements<'v>(&self, state: &'v Value) -> &'v [Value] {
        self.present(state).as_array().map(Vec::as_slice).unwrap_or_default()
    }

    /// Whether the path's filter accepts a value that is there.
    pub(super) fn selects_any(&self, state: &Value) -> bool {
        self.elements(state).iter().any(|element| self.selects(element))
    }

    /// Whether the path's filter, if there is one, accepts this value.
    pub(super) fn selects(&self, element: &Value) -> bool {
        let Some(filter) = &self.path.filter else { return true };
        let name = self.location.attribute.name;
        let filter = Filter::Element { path: AttrPath::named(name), filter: Box::new(filter.clone()) };
        let kind = if name == "members" { Kind::Group } else { Kind::User };
        let only = Map::from_iter([(name.to_owned(), json!([element]))]);
        musterd::scim::evaluate::matches(&filter, &only, kind.resource_type()).unwrap_or(false)
    }

    /// The value that the filter describes, if it is made of equalities.
    pub(super) fn described(&self) -> Option<Map<String, Value>> {
        let terms = match self.path.filter.as_ref()? {
            Filter::And(terms) => terms.as_slice(),
            one => std::slice::from_ref(one),
        };
        let described = terms.iter().map(|term| match term {
            Filter::Compare { path, operator: Operator::Equal, value } => {
                let sub = self.location.attribute.sub_attribute(&path.name)?;
                Some((sub.name.to_owned(), serde_json::from_str(&value.to_string()).unwrap()))
            }
            _ => None,
        });
        described.collect()
    }
}

/// The operation with other members.
pub(super) fn with(operation: &Value, members: Value) -> Value {
    let mut changed = operation.clone();
    for (name, value) in members.as_object().unwrap() {
        changed[name] = value.clone();
    }
    changed
}

pub(super) fn without(operation: &Value, name: &str) -> Value {
    let mut changed = operation.clone();
    changed.as_object_mut().map(|members| members.remove(name));
    changed
}

/// Is it this operation, in any letters?
pub(super) fn is(operation: &Value, op: &str) -> bool {
    operation["op"].as_str().is_some_and(|text| text.eq_ignore_ascii_case(op))
}

pub(super) fn has_path(operation: &Value) -> bool {
    operation["path"].as_str().is_some_and(|path| !path.is_empty())
}

/// Means "no value".
pub(super) fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.values().all(is_hollow),
        other => is_hollow(other),
    }
}

pub(super) fn is_hollow(value: &Value) -> bool {
    value.is_null() || *value == json!("") || *value == json!([]) || *value == json!({})
}

/// The filter with each comparison put otherwise.
pub(super) fn mapped(filter: &Filter, put: &dyn Fn(&Filter) -> Option<Filter>) -> Filter {
    match filter {
        Filter::And(terms) => Filter::And(terms.iter().map(|term| mapped(term, put)).collect()),
        Filter::Or(terms) => Filter::Or(terms.iter().map(|term| mapped(term, put)).collect()),
        Filter::Not(inner) => Filter::Not(Box::new(mapped(inner, put))),
        other => put(other).unwrap_or_else(|| other.clone()),
    }
}

/// The filter in the schema's spelling.
pub(super) fn respelled(filter: &Filter, attribute: &Attribute) -> Filter {
    let named = |path: &AttrPath| attribute.sub_attribute(&path.name).map(|sub| AttrPath::named(sub.name));
    mapped(filter, &|term| match term {
        Filter::Compare { path, operator, value } => {
            Some(Filter::Compare { path: named(path)?, operator: *operator, value: value.clone() })
        }
        Filter::Present(path) => Some(Filter::Present(named(path)?)),
        _ => None,
    })
}

pub(super) fn text(literal: &Literal) -> Option<&str> {
    match literal {
        Literal::String(text) => Some(text),
        _ => None,
    }
}
