//! Every operation, one file an area.

use axum::http::Method;

use super::bodies::{self, EntryId, Slug};
use super::operation::{Operation, Parameter, query};
use super::shape::{Shape, between, flag, id, like, text, typed};
use crate::http::extract::{PAGE, PAGE_MAX};

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
        "role" => typed::<Slug>("help-desk"),
        "source" => typed::<Slug>("corp"),
        "entry" => typed::<EntryId>("S-1-5-21-1-2-3-1104").says("What the source calls the entry."),
        "key" => text("login.deadline"),
        "message" => like("^\\+?[0-9]+$", "72057594037927937"),
        "webhook" => text("siem"),
        "token" => text("mst_a_k3Yx9f").says("The id, or how the text begins."),
        "transaction" => text("mst_t_9fQ2…").says("From the answer before."),
        "run" => id().says("The id; to undo it, that of its plan too."),
        _ => id(),
    }
}

/// How many items a page has.
fn limit() -> Parameter {
    let says = format!("How many items a page has at most; {PAGE} unless told.");
    query("limit", between(1, PAGE_MAX, PAGE).says(&says))
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
    query(name, between(0, bodies::INTEGER_MAX, 40).says(says))
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
