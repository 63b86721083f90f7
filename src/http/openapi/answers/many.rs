//! What becomes of many users: bulk changes and imports.

use super::people::counts;
use super::running::item;
use crate::http::openapi::shape::{Shape, count, id, list, maybe, object, one_of, text, with};

/// One user or row, and what becomes of it.
pub(in crate::http::openapi) fn entry() -> Shape {
    let fault = object(vec![
        maybe("column", text("email").says("Of a file: where.")),
        with("code", text("email_taken").says("Stable, for programs.")),
        with("message", text("is already taken").says("What is wrong, for people.")),
    ]);
    object(vec![
        maybe("line", count(2).says("Of a file.")),
        with("label", text("ada").says("The username, or what was written for it.")),
        maybe("user", id()),
        with("outcome", one_of(["planned", "created", "changed", "unchanged", "refused"])),
        maybe("item", item().says("With planned: what shall be done.")),
        maybe("faults", list(fault).says("With refused: everything that is wrong.")),
    ])
    .named("Entry")
}

/// How far a run of many users is.
pub(in crate::http::openapi) fn progress() -> Shape {
    object(vec![
        with("phase", one_of(["validating", "writing"])),
        with("validated", count(1_200).says("Users or rows that were looked at,")),
        with("of", count(5_000).says("of so many.")),
        with("written", count(0).says("Users that were written,")),
        with("to_write", count(0).says("of so many.")),
        with("milliseconds", count(40).says("Since it began.")),
    ])
    .named("Progress")
}

/// What would become of the users.
pub(in crate::http::openapi) fn preview() -> Shape {
    object(vec![
        with("status", one_of(["preview"])),
        with("counts", counts()),
        with("digest", text("9f86d081884c7d65").says("Send it with the wish, for exactly this to be done.")),
        with("would_be_held", text("it would disable 40 of 100 users").or_null()),
        with("detail", text("nobody is selected: nobody is changed").or_null()),
        with("items", list(entry()).says("The first of them.")),
    ])
    .named("BulkPreview")
}

/// What became of the users.
pub(in crate::http::openapi) fn report() -> Shape {
    object(vec![
        with("run", id()),
        with("status", one_of(["applied", "held", "refused", "running"])),
        with("plan", id().or_null().says("The plan that waits for a person.")),
        with("detail", text("it would disable 40 of 100 users").or_null()),
        with("counts", counts()),
        with("items", list(entry()).says("The first of them.")),
        with("next", text("/api/v1/runs/01931e3c-7d00-7000-8000-5f2c4a9b1e07/items").or_null().says("Where all are.")),
    ])
    .named("BulkReport")
}

/// A run that takes longer than the request, and goes on.
pub(in crate::http::openapi) fn begun() -> Shape {
    object(vec![
        with("run", id()),
        with("status", one_of(["running"])),
        with("progress", progress().or_null()),
        with("next", text("/api/v1/runs/01931e3c-7d00-7000-8000-5f2c4a9b1e07").says("Where to look.")),
    ])
    .named("BulkBegun")
}
