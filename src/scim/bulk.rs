//! Bulk requests (RFC 7644 §3.7): reading the message, its references from operation to operation, the answer.
//!
//! Owns the form of the message, and in which order operations can run when one names what another makes. Refuses to
//! run them: the caller does, one by one.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::error::ScimError;
use super::resource::{check_message, fold_names};

/// The schema URN of a bulk request.
pub const REQUEST_URN: &str = "urn:ietf:params:scim:api:messages:2.0:BulkRequest";
/// The schema URN of a bulk answer.
pub const RESPONSE_URN: &str = "urn:ietf:params:scim:api:messages:2.0:BulkResponse";
/// What begins a reference (RFC 7644 §3.7.2).
const REFERENCE: &str = "bulkId:";

/// A bulk request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// After so many failures nothing more is done; `None`: everything is tried.
    pub fail_on_errors: Option<u64>,
    /// The operations, each as far as it could be read.
    pub operations: Vec<Operation>,
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Create.
    Post,
    /// Replace.
    Put,
    /// Modify.
    Patch,
    /// Remove.
    Delete,
}

impl Method {
    const ALL: [(&'static str, Self); 4] =
        [("POST", Self::Post), ("PUT", Self::Put), ("PATCH", Self::Patch), ("DELETE", Self::Delete)];

    /// Its name in HTTP.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, method)| *method == self).map_or("", |(name, _)| name)
    }
}

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Operation {
    /// The client's own name of what it makes.
    pub bulk_id: Option<String>,
    /// The method as it was sent, for the answer.
    pub method: String,
    /// What is to be done, or why that cannot be.
    pub wish: Result<Wish, ScimError>,
}

/// What an operation wants.
#[derive(Debug, Clone, PartialEq)]
pub struct Wish {
    /// What it does.
    pub method: Method,
    /// The endpoint, without slashes: `Users`.
    pub endpoint: String,
    /// The resource; none for a POST.
    pub id: Option<String>,
    /// The version that the client saw, as in `If-Match`.
    pub version: Option<String>,
    /// The body; null for a DELETE.
    pub data: Value,
}

/// Reads a bulk request with at most `most` operations.
///
/// # Errors
/// 400 `invalidSyntax` for a message of the wrong form, 413 for too many operations (RFC 7644 §3.7.4). What is wrong
/// with one operation is that operation's.
pub fn parse(body: Value, most: usize) -> Result<Request, ScimError> {
    let Value::Object(members) = body else {
        return Err(ScimError::invalid_syntax("the body is not a JSON object; send a BulkRequest"));
    };
    let mut members = fold_names(members);
    check_message(members.get("schemas"), REQUEST_URN)?;
    let fail_on_errors = match members.get("failonerrors") {
        None | Some(Value::Null) => None,
        Some(number) => {
            let number = number.as_u64().filter(|number| *number > 0);
            Some(number.ok_or_else(|| ScimError::invalid_value("failOnErrors is a whole number from 1"))?)
        }
    };
    let Some(Value::Array(operations)) = members.remove("operations") else {
        return Err(ScimError::invalid_syntax("Operations is missing or not an array"));
    };
    if operations.is_empty() {
        return Err(ScimError::invalid_syntax("Operations is empty; send at least one operation"));
    }
    if operations.len() > most {
        let detail = format!("{} operations; maxOperations is {most}: send them in parts", operations.len());
        return Err(ScimError::plain(413, detail));
    }
    let mut operations: Vec<Operation> = operations.into_iter().map(read_operation).collect();
    let mut seen = BTreeSet::new();
    for operation in &mut operations {
        let is_post = operation.wish.as_ref().is_ok_and(|wish| wish.method == Method::Post);
        if let Some(id) = operation.bulk_id.clone().filter(|_| is_post)
            && !seen.insert(id)
        {
            operation.wish = Err(ScimError::invalid_value("another operation has this bulkId already"));
        }
    }
    Ok(Request { fail_on_errors, operations })
}

fn read_operation(operation: Value) -> Operation {
    let Value::Object(members) = operation else {
        let wish = Err(ScimError::invalid_syntax("an operation is not an object"));
        return Operation { bulk_id: None, method: String::new(), wish };
    };
    let mut members = fold_names(members);
    let text = |name: &str| members.get(name).and_then(Value::as_str).map(str::to_owned);
    let (bulk_id, method, path, version) = (text("bulkid"), text("method"), text("path"), text("version"));
    let mut data = members.remove("data").unwrap_or(Value::Null);
    if let Some(data) = data.as_object_mut() {
        // The service's own, whatever a client says there; some repeat the bulkId.
        data.retain(|name, _| !["id", "meta"].iter().any(|own| name.eq_ignore_ascii_case(own)));
    }
    let wish = read_wish(method.as_deref(), path.as_deref(), bulk_id.as_deref(), data);
    let wish = wish.map(|wish| Wish { version, ..wish });
    Operation { bulk_id, method: method.unwrap_or_default(), wish }
}

fn read_wish(method: Option<&str>, path: Option<&str>, bulk_id: Option<&str>, data: Value) -> Result<Wish, ScimError> {
    let known = method.and_then(|method| Method::ALL.iter().find(|(name, _)| name.eq_ignore_ascii_case(method)));
    let Some((_, method)) = known.copied() else {
        return Err(ScimError::invalid_syntax("method is POST, PUT, PATCH or DELETE"));
    };
    let path = path.ok_or_else(|| ScimError::invalid_syntax("path is missing"))?;
    let mut parts = path.trim_matches('/').split('/');
    let (endpoint, id) = (parts.next().unwrap_or_default(), parts.next());
    if endpoint.is_empty() || parts.next().is_some() || id.is_some_and(str::is_empty) {
        return Err(ScimError::invalid_value("path is an endpoint such as /Users, or a resource such as /Users/{id}"));
    }
    match (method, id) {
        (Method::Post, Some(_)) => {
            return Err(ScimError::invalid_value("the path of a POST is an endpoint, without an id"));
        }
        (Method::Post, None) if bulk_id.is_none_or(str::is_empty) => {
            return Err(ScimError::invalid_value("a POST needs a bulkId"));
        }
        (Method::Put | Method::Patch | Method::Delete, None) => {
            return Err(ScimError::invalid_value("path must end in the id of a resource"));
        }
        _ => {}
    }
    if method != Method::Delete && data.is_null() {
        return Err(ScimError::invalid_value("data is missing"));
    }
    Ok(Wish { method, endpoint: endpoint.to_owned(), id: id.map(str::to_owned), version: None, data })
}

/// What a reference stands for: the ids of what was made.
pub type Made = BTreeMap<String, String>;

impl Wish {
    /// The bulkIds that it names in its path and data (RFC 7644 §3.7.2).
    #[must_use]
    pub fn references(&self) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        found.extend(self.id.as_deref().and_then(reference).map(str::to_owned));
        walk(&self.data, &mut |text| found.extend(reference(text).map(str::to_owned)));
        found
    }

    /// Itself with the ids in place of the references; what names something else stays.
    #[must_use]
    pub fn resolved(mut self, made: &Made) -> Self {
        self.id = self.id.map(|id| resolve_text(&id, made).unwrap_or(id));
        resolve(&mut self.data, made);
        self
    }

    /// Itself without whatever names one of these: what can be made of it before they are.
    #[must_use]
    pub fn without(mut self, open: &BTreeSet<String>) -> Self {
        strip(&mut self.data, open);
        self
    }
}

/// The bulkId of `bulkId:x`, alone or as the last part of a reference.
fn reference(text: &str) -> Option<&str> {
    let last = text.rsplit('/').next().unwrap_or(text);
    last.strip_prefix(REFERENCE).filter(|id| !id.is_empty())
}

fn resolve_text(text: &str, made: &Made) -> Option<String> {
    let name = reference(text)?;
    let front = text.strip_suffix(name)?.strip_suffix(REFERENCE)?;
    made.get(name).map(|id| format!("{front}{id}"))
}

/// Every text of a value. Bodies are bounded in depth when they are parsed.
fn walk(value: &Value, visit: &mut impl FnMut(&str)) {
    match value {
        Value::String(text) => visit(text),
        Value::Array(items) => items.iter().for_each(|item| walk(item, visit)),
        Value::Object(members) => members.values().for_each(|item| walk(item, visit)),
        _ => {}
    }
}

fn resolve(value: &mut Value, made: &Made) {
    match value {
        Value::String(text) => {
            if let Some(resolved) = resolve_text(text, made) {
                *text = resolved;
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| resolve(item, made)),
        Value::Object(members) => members.values_mut().for_each(|item| resolve(item, made)),
        _ => {}
    }
}

fn strip(value: &mut Value, open: &BTreeSet<String>) {
    let names_open = |value: &Value| {
        let own = |text: &str| reference(text).is_some_and(|name| open.contains(name));
        match value {
            Value::String(text) => own(text),
            Value::Object(members) => members.values().filter_map(Value::as_str).any(own),
            _ => false,
        }
    };
    match value {
        Value::Array(items) => {
            items.retain(|item| !names_open(item));
            items.iter_mut().for_each(|item| strip(item, open));
        }
        Value::Object(members) => {
            members.retain(|_, item| !names_open(item));
            members.values_mut().for_each(|item| strip(item, open));
        }
        _ => {}
    }
}

/// What became of one operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// The HTTP status.
    pub status: u16,
    /// Where the resource is; not for a POST that failed.
    pub location: Option<String>,
    /// The version that it has now.
    pub version: Option<String>,
    /// The body of the answer; an error's is always told (RFC 7644 §3.7).
    pub response: Option<Value>,
}

/// The answer to one operation.
#[must_use]
pub fn show(operation: &Operation, outcome: Outcome) -> Value {
    let mut shown = Map::new();
    let method = operation.wish.as_ref().map_or(operation.method.as_str(), |wish| wish.method.as_str());
    let texts = [
        ("bulkId", operation.bulk_id.clone()),
        ("method", Some(method.to_owned())),
        ("location", outcome.location),
        ("version", outcome.version),
        ("status", Some(outcome.status.to_string())),
    ];
    let texts = texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::from(text?))));
    shown.extend(texts);
    shown.extend(outcome.response.map(|response| ("response".to_owned(), response)));
    Value::Object(shown)
}

/// The answer to a request: the processed operations in their order.
#[must_use]
pub fn respond(operations: Vec<Value>) -> Value {
    json!({"schemas": [RESPONSE_URN], "Operations": operations})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scim::ScimType;

    fn message(operations: Value) -> Value {
        json!({"schemas": [REQUEST_URN], "Operations": operations})
    }

    fn wish(data: Value) -> Wish {
        Wish { method: Method::Post, endpoint: "Groups".to_owned(), id: None, version: None, data }
    }

    #[test]
    fn a_request_is_read_in_any_case_and_faults_stay_with_their_operation() {
        let operations = json!([
            {"method": "post", "path": "/Users", "bulkId": "a", "data": {"userName": "x", "id": "bulkId:a"}},
            {"Method": "PUT", "Path": "Users/1/", "version": "W/\"3\"", "data": {}},
            {"method": "DELETE", "path": "/Users/bulkId:a"},
            {"method": "POST", "path": "/Users", "data": {}},
            {"method": "POST", "path": "/Users", "bulkId": "a", "data": {}},
            {"method": "POST", "path": "/Users/1", "bulkId": "b", "data": {}},
            {"method": "GET", "path": "/Users"},
            {"method": "PATCH", "path": "/Users", "data": {}},
            {"method": "PUT", "path": "/Users/1"},
            {"method": "PUT", "path": "/a/b/c", "data": {}},
            {"method": "PUT", "data": {}},
            7,
        ]);
        let request = parse(message(operations), 12).unwrap();
        let kinds: Vec<_> = request.operations.iter().map(|one| one.wish.as_ref().map(|wish| wish.method)).collect();
        assert_eq!(
            kinds.iter().filter_map(|kind| kind.as_ref().ok()).copied().collect::<Vec<_>>(),
            [Method::Post, Method::Put, Method::Delete]
        );
        assert!(kinds.iter().skip(3).all(|kind| kind.as_ref().is_err_and(|error| error.status == 400)));
        let second = request.operations[1].wish.as_ref().unwrap();
        assert_eq!((second.endpoint.as_str(), second.id.as_deref()), ("Users", Some("1")));
        assert_eq!(second.version.as_deref(), Some("W/\"3\""));
    }

    #[test]
    fn a_message_of_the_wrong_form_or_size_is_refused_whole() {
        let one = json!({"method": "DELETE", "path": "/Users/1"});
        let many = parse(message(json!([one, one, one])), 2).unwrap_err();
        assert_eq!((many.status, many.detail.contains("maxOperations is 2")), (413, true));
        for wrong in [json!([]), json!({}), message(json!([])), message(json!({})), json!({"Operations": [one]})] {
            assert_eq!(parse(wrong, 2).unwrap_err().scim_type, Some(ScimType::InvalidSyntax));
        }
        for wrong in [json!(0), json!(-1), json!("1"), json!(1.5)] {
            let mut message = message(json!([one]));
            message["failOnErrors"] = wrong;
            assert_eq!(parse(message, 2).unwrap_err().scim_type, Some(ScimType::InvalidValue));
        }
    }

    #[test]
    fn references_are_found_resolved_and_left_out() {
        let urn = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
        let whole = wish(json!({
            "displayName": "bulkId is a word", "members": [{"value": "bulkId:a"}, {"value": "bulkId:b"}, {"value": "7"}],
            urn: {"manager": {"value": "bulkId:a", "$ref": "../Users/bulkId:a"}},
        }));
        assert_eq!(whole.references(), BTreeSet::from(["a".to_owned(), "b".to_owned()]));
        let made = Made::from([("a".to_owned(), "1".to_owned())]);
        let resolved = whole.clone().resolved(&made).data;
        assert_eq!(resolved["members"], json!([{"value": "1"}, {"value": "bulkId:b"}, {"value": "7"}]));
        assert_eq!(resolved[urn]["manager"], json!({"value": "1", "$ref": "../Users/1"}));
        let stripped = whole.without(&BTreeSet::from(["a".to_owned()])).data;
        assert_eq!(stripped["members"], json!([{"value": "bulkId:b"}, {"value": "7"}]));
        assert_eq!(stripped[urn], json!({}));
        let path = Wish { id: Some("bulkId:a".to_owned()), ..wish(Value::Null) };
        assert_eq!(path.resolved(&made).id.as_deref(), Some("1"));
    }

    #[test]
    fn an_answer_says_what_became_of_each() {
        let request = parse(message(json!([{"method": "POST", "path": "/Users", "bulkId": "a", "data": {}}])), 1);
        let outcome = Outcome { status: 201, location: Some("https://x/1".to_owned()), version: None, response: None };
        let shown = show(&request.unwrap().operations[0], outcome);
        assert_eq!(shown, json!({"bulkId": "a", "method": "POST", "location": "https://x/1", "status": "201"}));
        assert_eq!(respond(vec![shown])["schemas"], json!([RESPONSE_URN]));
    }
}
