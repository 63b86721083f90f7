//! What is answered: each kind of thing once, with an example. Tests hold them against the daemon's real answers.

use serde_json::json;

use super::shape::{Shape, anything, count, list, maybe, object, one_of, text, with};

pub(super) mod login;
pub(super) mod many;
pub(super) mod people;
pub(super) mod running;
pub(super) mod trail;

/// A failure.
pub(super) fn problem() -> Shape {
    let fault = object(vec![
        with("field", text("email").says("The field or parameter that is wrong.")),
        with("code", text("taken").says("Stable, for programs.")),
        with("message", text("is already taken").says("What is wrong and what to do, for people.")),
    ]);
    let members = vec![
        with("type", text("urn:musterd:problem:email_taken")),
        with("title", text("Conflict")),
        with("status", count(409)),
        with("code", text("email_taken").says("Stable, for programs.")),
        with("detail", text("the email is already taken").says("What is wrong and what to do, for people.")),
        maybe("errors", list(fault)),
        maybe("report", many::report().says("With invalid_rows: what is wrong with which row.")),
        maybe("methods", list(text("totp")).says("With proof_required: what may be proved with.")),
    ];
    object(members)
}

/// Who did something.
pub(super) fn actor() -> Shape {
    let members = vec![
        with("kind", one_of(["user", "token", "socket", "source", "system", "anonymous"])),
        maybe("id", text("01931e3c-7d00-7000-8000-5f2c4a9b1e07").says("Of a user, a token or a source.")),
        maybe("run", text("01931e3c-7d00-7000-8000-5f2c4a9b1e07").says("Of a source: in which run.")),
        maybe("uid", count(0).says("At the admin socket: the user of the machine.")),
        maybe("part", text("sweep").says("Of the daemon itself: which part.")),
    ];
    object(members).such_as(json!({"kind": "user", "id": "01931e3c-7d00-7000-8000-5f2c4a9b1e07"})).named("Actor")
}

/// What cannot be described better than by itself.
pub(super) fn opaque() -> Shape {
    anything(json!({}))
}
