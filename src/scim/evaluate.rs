//! Deciding whether a resource satisfies a filter (RFC 7644 §3.4.2.2).
//!
//! Owns the binding of a filter to a resource type, done once, and its evaluation, which cannot fail.
//! Refuses indexes and storage. The admin API uses it with its own attribute descriptions.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::compare::Test;
use super::error::ScimError;
use super::filter::DEEPEST_NESTING;
use super::schema::{Attribute, AttributeType, Location, ResourceType, Returned, Target};
use super::value::{is_empty, label, parse_date_time};
use crate::directory::query::{AttrPath, Filter, Literal, Operator};

static FALSE: Value = Value::Bool(false);

/// A filter bound to a resource type: checked, with names found and texts folded.
#[derive(Debug, Clone)]
pub struct Matcher {
    root: Node,
}

#[derive(Debug, Clone)]
enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Leaf(Option<Place>, Test),
    Element(Option<Place>, Box<Node>),
}

/// Where values sit inside a resource or an element.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    extension: Option<&'static str>,
    name: &'static str,
    sub: Option<&'static str>,
    missing_is_false: bool,
}

#[derive(Clone, Copy)]
enum Scope<'s> {
    Resource(&'s ResourceType),
    Element(&'s Attribute),
}

impl Matcher {
    /// Binds `filter` to `resource_type`. Unknown attributes are not an error: they have no value (RFC 7644 §3.4.2.1).
    ///
    /// # Errors
    /// 400 `invalidFilter` for a comparison the type does not allow; 403 `sensitive` for an attribute that is never returned.
    pub fn new(filter: &Filter, resource_type: &ResourceType) -> Result<Self, ScimError> {
        let root = bind(filter, Scope::Resource(resource_type), 0)?;
        Ok(Self { root })
    }

    /// Binds a value filter to the elements of `attribute`.
    pub(super) fn for_elements(filter: &Filter, attribute: &Attribute) -> Result<Self, ScimError> {
        let root = bind(filter, Scope::Element(attribute), 0)?;
        Ok(Self { root })
    }

    /// Whether the resource, in canonical form and as its reader would see it, satisfies the filter.
    #[must_use]
    pub fn matches(&self, resource: &Map<String, Value>) -> bool {
        self.root.matches(resource)
    }
}

/// Binds and evaluates in one step, for a single resource.
///
/// # Errors
/// As [`Matcher::new`].
pub fn matches(
    filter: &Filter,
    resource: &Map<String, Value>,
    resource_type: &ResourceType,
) -> Result<bool, ScimError> {
    Ok(Matcher::new(filter, resource_type)?.matches(resource))
}

/// The earliest that a time can be in anything that satisfies the filter, where the filter requires one: an index
/// can begin there.
#[must_use]
pub fn earliest(filter: &Filter, is_the_time: impl Fn(&AttrPath) -> bool) -> Option<Timestamp> {
    let bounds = filter.required().filter_map(|(path, operator, literal)| match (operator, literal) {
        (Operator::Equal | Operator::Greater | Operator::GreaterOrEqual, Literal::String(text)) => {
            is_the_time(&path).then(|| parse_date_time(text)).flatten()
        }
        _ => None,
    });
    bounds.max()
}

impl Node {
    fn matches(&self, scope: &Map<String, Value>) -> bool {
        match self {
            Self::All(terms) => terms.iter().all(|term| term.matches(scope)),
            Self::Any(terms) => terms.iter().any(|term| term.matches(scope)),
            Self::Not(inner) => !inner.matches(scope),
            Self::Leaf(None, test) => test.accepts_nothing(),
            Self::Leaf(Some(place), test) => {
                let mut values = place.values(scope).peekable();
                if values.peek().is_none() { test.accepts_nothing() } else { values.any(|value| test.accepts(value)) }
            }
            Self::Element(None, _) => false,
            Self::Element(Some(place), inner) => {
                let mut elements = place.values(scope).filter_map(Value::as_object);
                elements.any(|element| inner.matches(element))
            }
        }
    }
}

impl Place {
    pub(super) fn of(location: Location<'_>) -> Self {
        let named = location.sub.unwrap_or(location.attribute);
        Self {
            extension: location.extension.map(|schema| schema.id),
            name: location.attribute.name,
            sub: location.sub.map(|sub| sub.name),
            missing_is_false: named.kind == AttributeType::Boolean && named.name == "primary",
        }
    }

    /// The part these values are, if they are parts.
    pub(super) fn sub_name(&self) -> Option<&'static str> {
        self.sub
    }

    /// The non-empty values there.
    pub(super) fn values<'v>(&self, scope: &'v Map<String, Value>) -> impl Iterator<Item = &'v Value> + use<'v> {
        let Self { extension, name, sub, missing_is_false } = *self;
        let holder = match extension {
            Some(urn) => scope.get(urn).and_then(Value::as_object),
            None => Some(scope),
        };
        let default = missing_is_false.then_some(&FALSE);
        let found = holder.and_then(|holder| holder.get(name));
        let found = if sub.is_none() { found.or(default) } else { found };
        let elements = match found {
            Some(Value::Array(items)) => items.as_slice(),
            Some(one) => std::slice::from_ref(one),
            None => &[],
        };
        let parts = elements.iter().filter_map(move |element| match sub {
            Some(sub) => element.get(sub).or(default),
            None => Some(element),
        });
        parts.filter(|value| !is_empty(value))
    }
}

fn bind(filter: &Filter, scope: Scope<'_>, depth: usize) -> Result<Node, ScimError> {
    // Alternation of and/or without brackets adds at most two levels to each bracket.
    if depth > 3 * DEEPEST_NESTING + 3 {
        return Err(ScimError::invalid_filter(format!("nested deeper than {DEEPEST_NESTING} levels")));
    }
    let bind_all =
        |terms: &[Filter]| terms.iter().map(|term| bind(term, scope, depth + 1)).collect::<Result<Vec<_>, _>>();
    match filter {
        Filter::And(terms) => Ok(Node::All(bind_all(terms)?)),
        Filter::Or(terms) => Ok(Node::Any(bind_all(terms)?)),
        Filter::Not(inner) => Ok(Node::Not(Box::new(bind(inner, scope, depth + 1)?))),
        Filter::Present(path) => {
            let place = find(path, scope, false)?.map(|(place, _)| place);
            Ok(Node::Leaf(place, Test::Present))
        }
        Filter::Compare { path, operator, value } => match find(path, scope, *value != Literal::Null)? {
            Some((place, Some(attribute))) => {
                let test = Test::new(attribute, *operator, value, &path.to_string())?;
                Ok(Node::Leaf(Some(place), test))
            }
            found => Ok(Node::Leaf(found.map(|(place, _)| place), unknown(path, *operator, value)?)),
        },
        Filter::Element { path, filter } => bind_element(path, filter, scope, depth),
    }
}

fn bind_element(path: &AttrPath, filter: &Filter, scope: Scope<'_>, depth: usize) -> Result<Node, ScimError> {
    let Some((place, attribute)) = find(path, scope, false)? else {
        return Ok(Node::Element(None, Box::new(Node::All(Vec::new()))));
    };
    match attribute {
        Some(attribute) if attribute.kind == AttributeType::Complex => {
            let inner = bind(filter, Scope::Element(attribute), depth + 1)?;
            Ok(Node::Element(Some(place), Box::new(inner)))
        }
        _ => Err(ScimError::invalid_filter(format!("{path} has no sub-attributes to select by"))),
    }
}

/// A comparison with something that has no attribute description still must be a legal one.
fn unknown(path: &AttrPath, operator: Operator, value: &Literal) -> Result<Test, ScimError> {
    let anything = Attribute::text("unknown", "");
    Test::new(&anything, operator, value, &path.to_string())
}

/// The place `path` names and what is there; with `by_value` a complex attribute means its `value` (RFC 7644 §3.4.2.2).
fn find<'s>(
    path: &AttrPath,
    scope: Scope<'s>,
    by_value: bool,
) -> Result<Option<(Place, Option<&'s Attribute>)>, ScimError> {
    let mut location = match scope {
        Scope::Resource(resource_type) => match resource_type.resolve(path) {
            Some(Target::Attribute(location)) => location,
            Some(Target::Extension(schema)) => {
                let place = Place { extension: None, name: schema.id, sub: None, missing_is_false: false };
                return Ok(Some((place, None)));
            }
            Some(Target::Base) | None => return Ok(None),
        },
        Scope::Element(parent) => match parent.sub_attribute(&path.name) {
            Some(attribute) => Location { extension: None, attribute, sub: None },
            None => return Ok(None),
        },
    };
    let hidden = |attribute: &Attribute| attribute.returned == Returned::Never;
    if hidden(location.attribute) || location.sub.is_some_and(hidden) {
        let name = label(location.attribute, None);
        return Err(ScimError::sensitive(format!("{name} is never shown and cannot be searched; leave it out")));
    }
    if by_value && location.sub.is_none() {
        location.sub = location.attribute.sub_attribute("value");
    }
    Ok(Some((Place::of(location), Some(location.sub.unwrap_or(location.attribute)))))
}

#[cfg(test)]
mod tests;
