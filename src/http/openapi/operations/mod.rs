//! Every operation, one file an area.

use axum::http::Method;
use serde_json::json;

use super::bodies;
use super::operation::{Operation, Parameter, query};
use super::shape::{Shape, count, flag, id, text};

mod groups;
mod login;
mod own;
mod running;
mod sources;
mod users;

/// What belongs together.
pub(super) struct Area {
    pub(super) name: &'static str,
    pub(super) description: &'static str,
    pub(super) operations: Vec<Operation>,
}

/// The areas, in the order in which the document shows them.
pub(super) fn areas() -> Vec<Area> {
    let area = |name, description, operations| Area { name, description, operations };
    vec![
        area("login", "Who comes in, step by step, and who is in.", login::operations()),
        area("me", "Self-service: what is one's own.", own::operations()),
        area("users", "Users as administrators work with them. {user} is an id or a username.", users::operations()),
        area("groups", "Groups, organisations and roles.", groups::operations()),
        area("sources", "Where users come from: passes, plans, conflicts.", sources::operations()),
        area("running", "The daemon itself: tokens, the audit trail, messages, keys.", running::operations()),
    ]
}

/// What may stand in a place of a path.
pub(super) fn segment(name: &str) -> Shape {
    match name {
        "user" => text("ada").says("The id or the username."),
        "group" => text("Engineering").says("The id, or the name of one of musterd's own."),
        "organization" => text("Analytical Engines").says("The id or the name."),
        "role" => text("help-desk"),
        "source" => text("corp"),
        "entry" => text("S-1-5-21-1-2-3-1104").says("What the source calls the entry."),
        "key" => text("login.deadline"),
        "message" => text("72057594037927937"),
        "webhook" => text("siem"),
        "token" => text("mst_a_k3Yx9f").says("The id, or how the text begins."),
        "transaction" => text("mst_t_9fQ2…").says("From the answer before."),
        "run" => text("01931e3c-7d00-7000-8000-5f2c4a9b1e07").says("The id; to undo it, that of its plan too."),
        _ => id(),
    }
}

/// How many items a page has.
fn limit() -> Parameter {
    let mut limit = count(100).says("How many items a page has at most; 100 unless told.");
    super::shape::set(&mut limit.schema, "minimum", json!(1));
    super::shape::set(&mut limit.schema, "maximum", json!(1_000));
    query("limit", limit)
}

/// A page of a list.
fn paged() -> [Parameter; 2] {
    [limit(), query("cursor", text("WzAsImFkYSJd").says("The next_cursor of the page before."))]
}

/// A parameter that is true or false.
fn switch(name: &'static str, says: &str) -> Parameter {
    query(name, flag(true).says(says))
}

/// A whole number from 0 that JSON can carry.
fn number(name: &'static str, says: &str) -> Parameter {
    let mut number = count(40).says(says);
    super::shape::set(&mut number.schema, "maximum", json!(bodies::INTEGER_MAX));
    query(name, number)
}

/// The name of a method as the document has it.
pub(super) fn lower(method: &Method) -> &'static str {
    match *method {
        Method::POST => "post",
        Method::PUT => "put",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "get",
    }
}
