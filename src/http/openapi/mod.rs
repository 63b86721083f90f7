//! The OpenAPI 3.1 document, made from the table of routes, the structs that parse bodies and the list of problems. What a
//! route takes and answers stands in `operations`, one file an area; a test holds it against the table.
//!
//! SCIM is not in it: the endpoint describes itself (`/scim/v2/Schemas`, RFC 7644 §4). Nor are the pages for people.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use super::reply::tag_of;
use super::routes;
use operation::Operation;

mod answers;
pub(super) mod bodies;
pub(super) mod cases;
mod operation;
mod operations;
mod pattern;
mod shape;
#[cfg(test)]
mod tests;

/// Made once, of the first request: the text, and its entity tag.
static DOCUMENT: LazyLock<(String, String)> = LazyLock::new(|| {
    let text = document().to_string();
    let tag = tag_of(&text);
    (text, tag)
});

/// The document, by its tag.
pub(super) async fn show() -> Response {
    let (text, tag) = &*DOCUMENT;
    let headers = [(header::CONTENT_TYPE, "application/json"), (header::ETAG, tag)];
    (headers, text.as_str()).into_response()
}

/// The document itself.
fn document() -> Value {
    let areas = operations::areas();
    let tags: Vec<Value> =
        areas.iter().map(|area| json!({"name": area.name, "description": area.description})).collect();
    let operations: BTreeMap<(&str, &str), (&str, &Operation)> = areas
        .iter()
        .flat_map(|area| area.operations.iter().map(|operation| (area.name, operation)))
        .map(|(tag, operation)| ((operation.path, operations::lower(&operation.method)), (tag, operation)))
        .collect();
    let (mut paths, mut responses) = (Map::new(), Map::new());
    let mut schemas = Map::from_iter([("Problem".to_owned(), answers::problem().schema)]);
    for route in routes::table() {
        let method = operations::lower(&route.method);
        let Some((tag, operation)) = operations.get(&(route.path, method)) else { continue };
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        shape::set(path, method, operation.shown(tag, route.access));
        schemas.extend(operation.components().map(|(name, schema)| (name.to_owned(), schema)));
        responses.extend(operation.failures(route.access).iter().map(|failure| (failure.name(), failure.shown())));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "musterd",
            "version": env!("CARGO_PKG_VERSION"),
            "description": ABOUT,
            "license": {"name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE")},
        },
        "servers": [{"url": "/"}],
        "tags": tags,
        "paths": paths,
        "components": {"schemas": schemas, "responses": responses, "securitySchemes": security_schemes()},
    })
}

const ABOUT: &str = "One endpoint that knows who may come in. Failures are problem documents (RFC 9457) with a stable \
    `code`; bodies with a field that is not known are refused; lists come in pages (`limit`, `cursor`, `next_cursor`); \
    PATCH is a JSON merge patch (RFC 7396). More may be added to answers: do not refuse what you do not know.";

fn security_schemes() -> Value {
    json!({
        "session": {
            "type": "http",
            "scheme": "bearer",
            "description": "The token of a session, from a login.",
        },
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API token that holds the permission in x-permission.",
        },
        "client": {
            "type": "http",
            "scheme": "basic",
            "description": "The same, as OAuth clients show it: its id as the name, the token as the password.",
        },
        "cookie": {
            "type": "apiKey",
            "in": "cookie",
            "name": "__Host-musterd",
            "description": "The cookie of http.forward_auth.cookie, which only forward-auth looks at.",
        },
    })
}
