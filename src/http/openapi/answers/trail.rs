//! The audit trail, what identity providers sent, and messages on their way.

use serde_json::json;

use super::{actor, opaque};
use crate::http::openapi::shape::{Shape, count, flag, free, id, list, maybe, object, one_of, text, time, with};

/// A line of the audit trail.
pub(in crate::http::openapi) fn line() -> Shape {
    object(vec![
        with("seq", count(42)),
        with("at", time()),
        with("action", text("user.disabled")),
        with("actor", actor()),
        with("target", target()),
        maybe("address", text("192.0.2.7")),
        maybe("request", text("6f1c2d3e4a5b")),
        maybe("reason", text("left the company")),
        maybe("run", id().says("The bulk change or import that it is a part of.")),
        maybe("changes", list(change())),
        maybe("details", free(json!({"source": "corp"}))),
        maybe("hash", text("9f86d081884c7d65").says("Covers the line before: the trail is a chain.")),
    ])
    .named("AuditLine")
}

fn change() -> Shape {
    let was = || opaque().such_as(json!("Ada"));
    object(vec![with("attribute", text("name")), maybe("old", was()), maybe("new", was())])
}

fn target() -> Shape {
    object(vec![
        with(
            "kind",
            one_of(["user", "group", "organization", "role", "token", "source", "resource", "unknown", "directory"]),
        ),
        maybe("id", text("01931e3c-7d00-7000-8000-5f2c4a9b1e07")),
        maybe("username", text("ada")),
        maybe("name", text("Engineering")),
        maybe("type", text("Device")),
    ])
    .such_as(json!({"kind": "user", "id": "01931e3c-7d00-7000-8000-5f2c4a9b1e07", "username": "ada"}))
    .named("Target")
}

/// A request of an identity provider.
pub(in crate::http::openapi) fn exchange() -> Shape {
    let changed = object(vec![
        with("action", text("user.changed")),
        with("target", target()),
        with("changes", list(change())),
        with("seq", count(42)),
    ]);
    object(vec![
        with("at", time()),
        with("request", text("6f1c2d3e4a5b")),
        with("token", id()),
        with("method", text("PATCH")),
        with("path", text("/scim/v2/Users/01931e3c-7d00-7000-8000-5f2c4a9b1e07")),
        maybe("body", opaque()),
        with("size", count(312)),
        with("status", count(200)),
        maybe("scim_type", text("uniqueness")),
        maybe("detail", text("the userName is taken")),
        with("microseconds", count(1_830)),
        with("changed", list(changed)),
    ])
    .named("Exchange")
}

/// A message that waits or was given up.
pub(in crate::http::openapi) fn message() -> Shape {
    object(vec![
        with("id", text("72057594037927937")),
        with("kind", text("set_password").or_null().says("Null where the message does not open.")),
        with("last_error", text("the server refused it").or_null()),
        maybe("via", one_of(["mail", "sms", "face", "webhook"])),
        maybe("user", id().or_null()),
        maybe("to", text("a…@example.org")),
        maybe("created_at", time()),
        maybe("expires_at", time()),
        maybe("attempts", count(1)),
        maybe("next_try", time()),
        maybe("failed_at", time()),
        maybe("outcome", text("refused")),
    ])
    .named("Message")
}

/// What needs a person.
pub(in crate::http::openapi) fn alarm() -> Shape {
    object(vec![
        with("cause", text("run_failed:corp")),
        with("kind", text("run_failed")),
        with("of", text("corp")),
        with("since", time()),
        with("detail", text("the source corp could not be read")),
        with("mailed_at", time().or_null()),
    ])
    .named("Alarm")
}

/// A webhook, and how it stands.
pub(in crate::http::openapi) fn webhook() -> Shape {
    let answered = object(vec![with("at", time()), with("accepted", flag(true)), with("said", text("it answers 204"))]);
    object(vec![
        with("name", text("siem")),
        with("url", text("https://siem.example.org/hook")),
        with("events", list(text("user.*"))),
        with("state", one_of(["working", "failing", "stopped"])),
        with("position", count(42)),
        with("waiting", count(0)),
        with("delivered", count(42)),
        with("expired", count(0)),
        with("missed", count(0)),
        with("failing_since", time().or_null()),
        with("not_before", time().or_null()),
        with("last_answer", answered.or_null()),
    ])
    .named("Webhook")
}

/// What came of a trial of mail or of a webhook.
pub(in crate::http::openapi) fn trial() -> Shape {
    object(vec![
        with("accepted", flag(true)),
        with("said", text("250 2.0.0 Ok: queued")),
        with("took_ms", count(120)),
        maybe("tls", text("STARTTLS, the certificate was verified")),
    ])
    .named("Trial")
}

/// What one provider said to a trial of texts.
pub(in crate::http::openapi) fn tried_provider() -> Shape {
    object(vec![
        with("provider", text("main")),
        with("kind", text("twilio")),
        with("outcome", one_of(["accepted", "refused", "busy", "unsure", "not_asked"])),
        with("detail", text("SM0123456789")),
        with("took_ms", count(310)),
    ])
}
