//! What the service answers, as far as it is looked at: a page of a list, and what it says it can do.

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use serde_json::{Map, Value};

use super::path::{boolean, member, text};
use crate::scim::Resource;
use crate::web::Bytes;

/// One page of a list (RFC 7644 §3.4.2, RFC 9865 §2).
#[derive(Debug, Default)]
pub(super) struct Page {
    /// How many there are in all, as the server says.
    pub(super) total: Option<usize>,
    pub(super) resources: Vec<Resource>,
    /// Where the next page is; `None`: there is none.
    pub(super) next_cursor: Option<String>,
}

impl Page {
    /// Reads a page. The library takes no deeper nesting than 128.
    ///
    /// # Errors
    /// It is none; the wording stands alone.
    pub(super) fn read(body: &Bytes) -> Result<Self, String> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|_| "the answer cannot be read as JSON: is url the SCIM base URL?".to_owned())?;
        let Value::Object(mut list) = value else { return Err("the answer is no SCIM list".to_owned()) };
        let total = match member(&list, "totalResults") {
            None | Some(Value::Null) => None,
            Some(total) => Some(count(total).ok_or("totalResults is no number")?),
        };
        let next_cursor = text(&list, "nextCursor").filter(|cursor| !cursor.is_empty()).map(str::to_owned);
        let name = list.keys().find(|name| name.eq_ignore_ascii_case("Resources")).cloned();
        let resources = match name.and_then(|name| list.remove(&name)) {
            None | Some(Value::Null) if total.is_none() => return Err("the answer is no SCIM list".to_owned()),
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => return Err("Resources is no array".to_owned()),
        };
        let objects = resources.into_iter().map(|resource| match resource {
            Value::Object(resource) => Ok(resource),
            _ => Err("Resources holds something that is no object".to_owned()),
        });
        Ok(Self { total, resources: objects.collect::<Result<_, _>>()?, next_cursor })
    }
}

fn count(value: &Value) -> Option<usize> {
    let number = match value {
        Value::Number(number) => number.as_u64()?,
        Value::String(text) => text.parse().ok()?,
        _ => return None,
    };
    usize::try_from(number).ok()
}

/// What the service says it can do (RFC 7643 §5, RFC 9865 §4). A service that says nothing is taken to filter, and to
/// page by index: what comes of it shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Features {
    pub(super) filter: bool,
    /// Most resources of one page.
    pub(super) page_max: Option<usize>,
    /// Does it offer cursors?
    pub(super) cursor: bool,
    /// Did it say anything?
    pub(super) told: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self { filter: true, page_max: None, cursor: false, told: false }
    }
}

impl Features {
    /// Reads a service provider's configuration.
    pub(super) fn read(body: &Bytes) -> Self {
        let Ok(Value::Object(config)) = serde_json::from_slice(body) else { return Self::default() };
        let part = |name: &str| member(&config, name).and_then(Value::as_object);
        let flag = |part: Option<&Map<String, Value>>, name: &str| part.and_then(|part| boolean(member(part, name)?));
        let number = |part: Option<&Map<String, Value>>, name: &str| part.and_then(|part| count(member(part, name)?));
        let (filter, paging) = (part("filter"), part("pagination"));
        let most = [number(filter, "maxResults"), number(paging, "maxPageSize")];
        Self {
            filter: flag(filter, "supported").unwrap_or(true),
            // A page of one cannot be proved to follow another: such a number is no limit that is meant.
            page_max: most.into_iter().flatten().filter(|most| *most >= 2).min(),
            cursor: flag(paging, "cursor").unwrap_or(false),
            told: true,
        }
    }
}

/// An xsd:dateTime (RFC 7643 §2.3.5); without an offset it counts as UTC.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let local: civil::DateTime = text.parse().ok()?;
    Some(local.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(text: &str) -> Result<Page, String> {
        Page::read(&Bytes::from(text.to_owned()))
    }

    #[test]
    fn a_page_is_read_as_services_write_it_and_nothing_else_is_one() {
        let full = page(r#"{"totalResults": 2, "Resources": [{"id": "1"}], "nextCursor": "c"}"#).unwrap();
        assert_eq!((full.total, full.resources.len(), full.next_cursor.as_deref()), (Some(2), 1, Some("c")));
        let odd = page(r#"{"totalresults": "0", "nextCursor": ""}"#).unwrap();
        assert_eq!((odd.total, odd.resources.len(), odd.next_cursor), (Some(0), 0, None));
        assert!(page(r#"{"Resources": []}"#).unwrap().total.is_none());
        let deep = format!("{{\"totalResults\": 1, \"Resources\": [{}]}}", "[".repeat(100_000));
        for bad in
            ["", "<html>", "[]", "{}", r#"{"totalResults": -1}"#, r#"{"totalResults": 1, "Resources": {}}"#, &deep]
        {
            assert!(page(bad).is_err(), "{}", &bad[..bad.len().min(40)]);
        }
    }

    #[test]
    fn a_service_is_believed_where_it_speaks() {
        let read = |text: &str| Features::read(&Bytes::from(text.to_owned()));
        assert_eq!(read("nothing"), Features::default());
        let told = read(r#"{"filter": {"supported": false, "maxResults": 50}, "pagination": {"cursor": true}}"#);
        assert_eq!(told, Features { filter: false, page_max: Some(50), cursor: true, told: true });
        assert_eq!(time("2027-01-01T00:00:00").unwrap(), time("2027-01-01T01:00:00+01:00").unwrap());
    }
}
