//! Sort keys (RFC 7644 §3.4.2.3).
//!
//! Owns which value of a resource decides its place and how two such values compare. Refuses to sort:
//! the caller holds the list.

use std::cmp::Ordering;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value};

use super::compare::compare_numbers;
use super::error::ScimError;
use super::evaluate::Place;
use super::schema::{Attribute, AttributeType, ResourceType, Returned, Target};
use super::value::{as_boolean, is_empty, is_primary, parse_date_time};
use crate::directory::query::{Sort, SortOrder};

/// What decides the place of one resource. Ordered ascending, missing last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SortKey {
    /// A boolean; false first.
    Boolean(bool),
    /// A number.
    Number(Number),
    /// An instant.
    Time(Timestamp),
    /// A text, folded unless the attribute is caseExact.
    Text(String),
    /// No value.
    Missing,
}

/// A sort bound to a resource type.
#[derive(Debug, Clone)]
pub struct Sorter {
    place: Option<Place>,
    whole: Option<Place>,
    kind: AttributeType,
    case_exact: bool,
    order: SortOrder,
}

impl Sorter {
    /// Binds `sort`. An unknown attribute has no value anywhere, so it leaves the order as it is.
    ///
    /// # Errors
    /// 403 `sensitive` for an attribute that is never returned: its order would tell its content.
    pub fn new(sort: &Sort, resource_type: &ResourceType) -> Result<Self, ScimError> {
        let mut sorter =
            Self { place: None, whole: None, kind: AttributeType::String, case_exact: true, order: sort.order };
        let Some(Target::Attribute(mut location)) = resource_type.resolve(&sort.by) else {
            return Ok(sorter);
        };
        if location.attribute.returned == Returned::Never {
            let detail = format!("{} is never shown and cannot be sorted by", location.attribute.name);
            return Err(ScimError::sensitive(detail));
        }
        if location.sub.is_none() {
            location.sub = location.attribute.sub_attribute("value");
        }
        let decides: &Attribute = location.sub.unwrap_or(location.attribute);
        sorter.kind = decides.kind;
        sorter.case_exact = decides.case_exact;
        sorter.place = Some(Place::of(location));
        if location.attribute.multi_valued && location.sub.is_some() {
            location.sub = None;
            sorter.whole = Some(Place::of(location));
        }
        Ok(sorter)
    }

    /// The key of a resource: of a list its primary value, else its first (RFC 7644 §3.4.2.3).
    #[must_use]
    pub fn key(&self, resource: &Map<String, Value>) -> SortKey {
        let Some(place) = self.place else { return SortKey::Missing };
        if let Some(whole) = self.whole
            && let Some(primary) = whole.values(resource).find(|element| is_primary(element))
            && let Some(value) = place.part_of(primary)
        {
            return self.read(value);
        }
        place.values(resource).next().map_or(SortKey::Missing, |value| self.read(value))
    }

    /// The order of two keys in the wanted direction: missing last ascending, first descending.
    #[must_use]
    pub fn compare(&self, left: &SortKey, right: &SortKey) -> Ordering {
        let order = ascending(left, right);
        match self.order {
            SortOrder::Ascending => order,
            SortOrder::Descending => order.reverse(),
        }
    }

    fn read(&self, value: &Value) -> SortKey {
        let key = match (self.kind, value) {
            (AttributeType::Boolean, value) => as_boolean(value).map(SortKey::Boolean),
            (AttributeType::DateTime, Value::String(text)) => parse_date_time(text).map(SortKey::Time),
            (_, Value::Number(number)) => Some(SortKey::Number(number.clone())),
            (_, Value::String(text)) if self.case_exact => Some(SortKey::Text(text.clone())),
            (_, Value::String(text)) => Some(SortKey::Text(text.to_lowercase())),
            _ => None,
        };
        key.unwrap_or(SortKey::Missing)
    }
}

impl Place {
    fn part_of<'v>(&self, element: &'v Value) -> Option<&'v Value> {
        element.get(self.sub_name()?).filter(|value| !is_empty(value))
    }
}

fn ascending(left: &SortKey, right: &SortKey) -> Ordering {
    match (left, right) {
        (SortKey::Boolean(left), SortKey::Boolean(right)) => left.cmp(right),
        (SortKey::Number(left), SortKey::Number(right)) => compare_numbers(left, right),
        (SortKey::Time(left), SortKey::Time(right)) => left.cmp(right),
        (SortKey::Text(left), SortKey::Text(right)) => left.cmp(right),
        _ => rank(left).cmp(&rank(right)),
    }
}

fn rank(key: &SortKey) -> u8 {
    match key {
        SortKey::Boolean(_) => 0,
        SortKey::Number(_) => 1,
        SortKey::Time(_) => 2,
        SortKey::Text(_) => 3,
        SortKey::Missing => 4,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::directory::query::AttrPath;
    use crate::scim::schemas;

    fn sorted(by: &str, order: SortOrder, resources: &[Value]) -> Vec<String> {
        let sort = Sort { by: AttrPath::parse(by).unwrap(), order };
        let sorter = Sorter::new(&sort, schemas::user()).unwrap();
        let mut keyed: Vec<_> = resources
            .iter()
            .map(|resource| (sorter.key(resource.as_object().unwrap()), resource["id"].as_str().unwrap().to_owned()))
            .collect();
        keyed.sort_by(|left, right| sorter.compare(&left.0, &right.0));
        keyed.into_iter().map(|(_, id)| id).collect()
    }

    #[test]
    fn sorting_knows_types_case_primary_and_missing_values() {
        let people = [
            json!({"id": "1", "userName": "bob", "active": true, "meta": {"created": "2020-01-01T12:00:00+02:00"},
                "emails": [{"value": "a@x"}, {"value": "z@x", "primary": true}], "externalId": "b"}),
            json!({"id": "2", "userName": "Alice", "active": false, "meta": {"created": "2020-01-01T11:00:00Z"},
                "emails": [{"value": "M@x"}], "externalId": "C"}),
            json!({"id": "3", "userName": "carol", "meta": {"created": "2020-01-01T10:30:00Z"}}),
        ];
        let cases = [
            ("userName", ["2", "1", "3"]),
            ("externalId", ["2", "1", "3"]),
            ("emails", ["2", "1", "3"]),
            ("emails.value", ["2", "1", "3"]),
            ("active", ["2", "1", "3"]),
            ("meta.created", ["1", "3", "2"]),
            ("unknown", ["1", "2", "3"]),
        ];
        for (by, expected) in cases {
            assert_eq!(sorted(by, SortOrder::Ascending, &people), expected, "{by}");
        }
        assert_eq!(sorted("emails", SortOrder::Descending, &people), ["3", "1", "2"]);
    }

    #[test]
    fn the_password_cannot_be_sorted_by() {
        let sort = Sort { by: AttrPath::named("password"), order: SortOrder::Ascending };
        assert_eq!(Sorter::new(&sort, schemas::user()).unwrap_err().status, 403);
    }
}
