//! Queries and their answers (RFC 7644 §3.4.2, §3.4.3).
//!
//! Owns the parameters of a list, from the query string or a SearchRequest, and the ListResponse. Refuses
//! to decide limits: the caller says what the largest page is.

use serde_json::{Value, json};

use super::error::{ScimError, ScimType, excerpt};
use super::filter;
use super::resource::{check_message, fold_names};
use crate::directory::query::{AttrPath, Filter, Sort, SortOrder};

/// The schema URN of a search message (RFC 7644 §3.4.3).
pub const SEARCH_URN: &str = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
/// The schema URN of a list answer (RFC 7644 §3.4.2).
pub const LIST_URN: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

/// What a client asks of a list (RFC 7644 §3.4.2).
#[derive(Debug, Clone, PartialEq)]
pub struct ListRequest {
    /// Which resources.
    pub filter: Option<Filter>,
    /// In which order.
    pub sort: Option<Sort>,
    /// The first result wanted, from 1.
    pub start_index: u64,
    /// Where a cursor says that the page begins; the empty one is the beginning (RFC 9865 §2). `None`: paging by index.
    pub cursor: Option<String>,
    /// The most results wanted; `None` when the client did not say.
    pub count: Option<u64>,
    /// Names for [`super::project::Projection`].
    pub attributes: Vec<String>,
    /// Names for [`super::project::Projection`].
    pub excluded_attributes: Vec<String>,
}

/// The parameters as sent, before they are read.
#[derive(Default)]
struct Given {
    filter: Option<String>,
    sort_by: Option<String>,
    sort_order: Option<String>,
    start_index: Option<String>,
    cursor: Option<String>,
    count: Option<String>,
    attributes: Vec<String>,
    excluded_attributes: Vec<String>,
}

impl ListRequest {
    /// Reads decoded query parameters. Unknown ones are ignored (Entra's `aadOptscim062020`).
    ///
    /// # Errors
    /// 400 `invalidFilter` for a broken or empty filter, 400 `invalidValue` for the others.
    pub fn from_query<'q>(parameters: impl IntoIterator<Item = (&'q str, &'q str)>) -> Result<Self, ScimError> {
        let mut given = Given::default();
        for (name, text) in parameters {
            given.take(name, &Value::from(text))?;
        }
        given.read()
    }

    /// Reads a SearchRequest body (RFC 7644 §3.4.3).
    ///
    /// # Errors
    /// As [`Self::from_query`], and 400 `invalidSyntax` when the body is no SearchRequest.
    pub fn from_search(body: Value) -> Result<Self, ScimError> {
        let Value::Object(members) = body else {
            return Err(ScimError::invalid_syntax("the body is not a JSON object; send a SearchRequest"));
        };
        check_message(fold_names(members.clone()).get("schemas"), SEARCH_URN)?;
        let mut given = Given::default();
        for (name, value) in &members {
            given.take(name, value)?;
        }
        given.read()
    }

    /// The page size: what the client wants, at most `largest`; without a wish `largest`.
    #[must_use]
    pub fn page_size(&self, largest: u64) -> u64 {
        self.count.unwrap_or(largest).min(largest)
    }

    /// How many results come before the page.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.start_index.saturating_sub(1)
    }
}

impl Given {
    fn take(&mut self, name: &str, value: &Value) -> Result<(), ScimError> {
        let slot = match name.to_ascii_lowercase().as_str() {
            "filter" => &mut self.filter,
            "sortby" => &mut self.sort_by,
            "sortorder" => &mut self.sort_order,
            "startindex" => &mut self.start_index,
            "cursor" => &mut self.cursor,
            "count" => &mut self.count,
            "attributes" => return take_names(&mut self.attributes, "attributes", value),
            "excludedattributes" => return take_names(&mut self.excluded_attributes, "excludedAttributes", value),
            _ => return Ok(()),
        };
        match value {
            Value::Null => {}
            Value::String(text) => *slot = Some(text.clone()),
            Value::Number(number) => *slot = Some(number.to_string()),
            _ => return Err(ScimError::invalid_value(format!("{} takes one value", excerpt(name)))),
        }
        Ok(())
    }

    fn read(self) -> Result<ListRequest, ScimError> {
        let filter = self.filter.as_deref().map(filter::parse).transpose()?;
        let order = read_order(self.sort_order.as_deref())?;
        let sort = match self.sort_by.as_deref().map(str::trim).filter(|by| !by.is_empty()) {
            None => None,
            Some(by) => {
                let unknown =
                    || ScimError::invalid_value(format!("sortBy \"{}\" is not an attribute name", excerpt(by)));
                Some(Sort { by: AttrPath::parse(by).ok_or_else(unknown)?, order })
            }
        };
        let start_index = match &self.start_index {
            Some(text) => read_integer("startIndex", text)?.max(1),
            None => 1,
        };
        let count = self.count.as_deref().map(|text| read_integer("count", text)).transpose();
        // RFC 9865 §2.1 has a word of its own for it.
        let count = count.map_err(|error| match &self.cursor {
            Some(_) => ScimError::typed(ScimType::InvalidCount, error.detail),
            None => error,
        })?;
        Ok(ListRequest {
            filter,
            sort,
            start_index,
            cursor: self.cursor,
            count,
            attributes: self.attributes,
            excluded_attributes: self.excluded_attributes,
        })
    }
}

/// Where a page lies among the results.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Position {
    /// Its first result has this number, from 1 (RFC 7644 §3.4.2.4).
    Index(u64),
    /// It was reached by a cursor; the next one, unless it is the last page (RFC 9865 §2).
    Cursor(Option<String>),
}

/// One page of results (RFC 7644 §3.4.2).
#[derive(Debug, Clone, PartialEq)]
pub struct ListResponse {
    /// How many resources match in all; a page by cursor may leave it out (RFC 9865 §2).
    pub total_results: Option<u64>,
    /// Where the page lies.
    pub position: Position,
    /// The page.
    pub resources: Vec<Value>,
}

impl ListResponse {
    /// The answer body. `Resources` is there even when empty: Entra reads it.
    #[must_use]
    pub fn into_json(self) -> Value {
        let items_per_page = self.resources.len();
        let mut answer = json!({"schemas": [LIST_URN], "itemsPerPage": items_per_page});
        // Moved, not copied: a page may hold a thousand resources.
        if let Some(answer) = answer.as_object_mut() {
            let (name, place) = match self.position {
                Position::Index(start) => ("startIndex", Some(Value::from(start))),
                Position::Cursor(next) => ("nextCursor", next.map(Value::from)),
            };
            answer.extend(place.map(|place| (name.to_owned(), place)));
            answer.extend(self.total_results.map(|total| ("totalResults".to_owned(), total.into())));
            answer.insert("Resources".to_owned(), Value::Array(self.resources));
        }
        answer
    }
}

fn take_names(slot: &mut Vec<String>, name: &str, value: &Value) -> Result<(), ScimError> {
    let items = match value {
        Value::Null => &[],
        Value::Array(items) => items.as_slice(),
        one => std::slice::from_ref(one),
    };
    for item in items {
        let Some(text) = item.as_str() else {
            return Err(ScimError::invalid_value(format!("{name} takes attribute names")));
        };
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        slot.extend(names.map(str::to_owned));
    }
    Ok(())
}

fn read_order(text: Option<&str>) -> Result<SortOrder, ScimError> {
    match text.map(str::trim) {
        None | Some("") => Ok(SortOrder::Ascending),
        Some(word) if word.eq_ignore_ascii_case("ascending") => Ok(SortOrder::Ascending),
        Some(word) if word.eq_ignore_ascii_case("descending") => Ok(SortOrder::Descending),
        Some(_) => Err(ScimError::invalid_value("sortOrder is ascending or descending")),
    }
}

/// An integer; negative ones are 0, those beyond 64 bits the largest (RFC 7644 §3.4.2.4).
fn read_integer(name: &str, text: &str) -> Result<u64, ScimError> {
    let text = text.trim();
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.chars().all(|c| c.is_ascii_digit()) {
        return Err(ScimError::invalid_value(format!("{name} takes an integer")));
    }
    if text.starts_with('-') { Ok(0) } else { Ok(digits.parse().unwrap_or(u64::MAX)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::ScimType;

    #[test]
    fn paging_numbers_are_bounded_not_refused() {
        let cases = [
            ("0", "-5", 1, 0),
            ("-3", "0", 1, 0),
            ("7", "10", 7, 10),
            ("99999999999999999999999", "99999999999999999999999", u64::MAX, u64::MAX),
        ];
        for (start, count, start_index, size) in cases {
            let request =
                ListRequest::from_query([("startIndex", start), ("count", count), ("aadOptscim062020", "")]).unwrap();
            assert_eq!((request.start_index, request.count), (start_index, Some(size)));
        }
        let request = ListRequest::from_query([]).unwrap();
        assert_eq!((request.page_size(100), request.offset(), request.filter), (100, 0, None));
        assert_eq!(ListRequest::from_query([("count", "500")]).unwrap().page_size(100), 100);
    }

    #[test]
    fn what_is_not_a_number_an_order_or_a_filter_is_refused() {
        let cases = [
            ("count", "ten", ScimType::InvalidValue),
            ("count", "1.5", ScimType::InvalidValue),
            ("startIndex", "", ScimType::InvalidValue),
            ("startIndex", "1e2", ScimType::InvalidValue),
            ("filter", "", ScimType::InvalidFilter),
            ("filter", "userName", ScimType::InvalidFilter),
        ];
        for (name, text, expected) in cases {
            assert_eq!(ListRequest::from_query([(name, text)]).unwrap_err().scim_type, Some(expected), "{name}={text}");
        }
        let order = ListRequest::from_query([("sortBy", "userName"), ("sortOrder", "sideways")]);
        assert_eq!(order.unwrap_err().scim_type, Some(ScimType::InvalidValue));
    }

    #[test]
    fn a_search_body_reads_like_a_query_string() {
        let body = json!({
            "schemas": [SEARCH_URN], "filter": "userName eq \"a\"", "sortBy": "name.familyName", "sortOrder": "DESCENDING",
            "startIndex": 2, "count": 3, "attributes": ["userName", "emails, name"], "excludedAttributes": "groups",
        });
        let query = [
            ("filter", "userName eq \"a\""),
            ("sortBy", "name.familyName"),
            ("sortOrder", "descending"),
            ("startIndex", "2"),
            ("count", "3"),
            ("attributes", "userName,emails,name"),
            ("excludedAttributes", "groups"),
        ];
        assert_eq!(ListRequest::from_search(body).unwrap(), ListRequest::from_query(query).unwrap());
        for wrong in [json!([]), json!({}), json!({"schemas": ["x"]})] {
            assert_eq!(ListRequest::from_search(wrong).unwrap_err().scim_type, Some(ScimType::InvalidSyntax));
        }
        let fraction = json!({"schemas": [SEARCH_URN], "count": 1.5});
        assert_eq!(ListRequest::from_search(fraction).unwrap_err().scim_type, Some(ScimType::InvalidValue));
    }

    #[test]
    fn an_empty_list_still_has_every_member() {
        let empty = ListResponse { total_results: Some(0), position: Position::Index(1), resources: Vec::new() };
        let body = empty.into_json();
        assert_eq!(
            body,
            json!({"schemas": [LIST_URN], "totalResults": 0, "startIndex": 1, "itemsPerPage": 0, "Resources": []})
        );
    }
}
