//! The daemon itself.

use axum::http::StatusCode;
use serde_json::json;

use super::super::answers::running::{new_token, rotated_token, setting, settings, settled, task, token};
use super::super::answers::trail::{alarm, line, message, trial, tried_provider, webhook};
use super::super::bodies::{Patch, Slug};
use super::super::operation::{Operation, Parameter, delete, get, patch, post, query};
use super::super::pattern;
use super::super::shape::{count, like, list, map, object, one_of, page, text, time, typed, whole, with};
use super::{paged, switch};
use crate::directory::token::Kind;
use crate::http::api::{messages, sms, system, tokens};

pub(super) fn operations() -> Vec<Operation> {
    [of_tokens(), of_trail(), of_messages(), of_watching(), of_settings(), of_keys()].into_iter().flatten().collect()
}

fn of_tokens() -> Vec<Operation> {
    let rotation = || json!({"overlap": "24h"});
    let kinds = [
        query("owner", text("ada").says("Those of one user.")),
        query("source", typed::<Slug>("okta").says("That of one SCIM source.")),
        query("kind", one_of(Kind::ALL.iter().map(|(name, _)| *name))),
    ];
    vec![
        get("/api/v1/tokens", "listTokens", "A page of the API tokens, without their texts.")
            .takes(paged())
            .takes(kinds)
            .shows("The page.", page(token()))
            .fails(&["not_found"]),
        post("/api/v1/tokens", "createToken", "Makes a token; its text is in the answer, and nowhere else.")
            .body::<tokens::Wish>(json!({"name": "wiki", "scopes": ["login.introspect"]}))
            .creates("The token.", new_token())
            .fails(&["too_many_tokens", "storage_full"]),
        get("/api/v1/tokens/{token}", "getToken", "One token, without its text.")
            .shows("The token.", token())
            .tagged()
            .fails(&["ambiguous"]),
        patch("/api/v1/tokens/{token}", "updateToken", "Changes a token's name, permissions, networks or end.")
            .body::<tokens::change::Change>(json!({"networks": ["192.0.2.0/24"]}))
            .shows("The token as it is now.", token())
            .tagged()
            .fails(&["ambiguous", "storage_full"]),
        delete("/api/v1/tokens/{token}", "revokeToken", "Ends a token at once.")
            .done("It is over.")
            .fails(&["ambiguous", "storage_full"]),
        post(
            "/api/v1/tokens/{token}/rotate",
            "rotateToken",
            "Gives a token a new text; the one before works on for a while.",
        )
        .body::<tokens::rotate::Wish>(rotation())
        .shows("The token, with its new text.", rotated_token())
        .header("ETag", "The revision.")
        .fails(&["ambiguous", "already_rotated", "wrong_state", "storage_full"]),
        get("/api/v1/token", "getOwnToken", "The token that is carried, without its text.")
            .shows("The token.", token())
            .tagged(),
        post("/api/v1/token/rotate", "rotateOwnToken", "Gives the token that is carried a new text.")
            .body::<tokens::rotate::Wish>(rotation())
            .shows("The token, with its new text.", rotated_token())
            .header("ETag", "The revision.")
            .fails(&["already_rotated", "wrong_state", "storage_full"]),
    ]
}

/// What is asked of the audit trail.
fn wanted() -> [Parameter; 5] {
    [
        query("user", text("ada").says("About this user.")),
        query("actor", like(&pattern::ACTOR, "user:admin").says("Done by them.")),
        query("action", like(&pattern::ACTION, "user.*").says("An action, or a family of them.")),
        query("since", time()),
        query("until", time()),
    ]
}

fn of_trail() -> Vec<Operation> {
    let bytes = || text("…");
    vec![
        get("/api/v1/audit", "listAudit", "The audit trail, newest first.")
            .takes(paged())
            .takes(wanted())
            .shows("The page.", page(line()))
            .fails(&["not_found"]),
        get("/api/v1/audit/export", "exportAudit", "The audit trail, oldest first, as it is stored.")
            .takes(wanted())
            .gives_as(StatusCode::OK, "A line of JSON each.", "application/x-ndjson", bytes())
            .fails(&["not_found"]),
        get("/api/v1/backup", "backUp", "Everything that is stored, to be restored.")
            .gives_as(StatusCode::OK, "The backup.", "application/octet-stream", bytes())
            .fails(&["storage_full"]),
        get("/api/v1/export", "exportStore", "Everything that is stored, as lines that no version changes.")
            .gives_as(StatusCode::OK, "A line of JSON each.", "application/x-ndjson", bytes())
            .fails(&["storage_full"]),
    ]
}

fn of_messages() -> Vec<Operation> {
    let state = one_of(["waiting", "failed"]).says("Those that wait (unless told), or those that were given up.");
    vec![
        get("/api/v1/messages", "listMessages", "The messages that wait or were given up.")
            .takes(paged())
            .takes([query("state", state)])
            .shows("The page.", page(message())),
        post("/api/v1/messages/{message}/retry", "retryMessage", "Tries a message again as soon as possible.")
            .nothing(StatusCode::ACCEPTED, "It is tried soon.")
            .fails(&["message_over", "storage_full"]),
        delete("/api/v1/messages/{message}", "dropMessage", "Sends a message no more.")
            .done("It is dropped.")
            .fails(&["message_over", "storage_full"]),
        post("/api/v1/mail/test", "testMail", "Sends one mail at once, and tells what the server said.")
            .body::<messages::Wish>(json!({"to": "ada@example.org"}))
            .shows("What it said.", trial())
            .fails(&["no_mail", "storage_full"]),
        post("/api/v1/sms/test", "testSms", "Sends one text, and tells what each provider said.")
            .body::<sms::Wish>(json!({"to": "+41446681800"}))
            .shows("What they said.", whole(tried_provider()))
            .fails(&["no_provider", "too_many_messages", "storage_full"]),
    ]
}

fn of_watching() -> Vec<Operation> {
    let webhooks = object(vec![
        with("items", list(webhook())),
        with("trail", count(42).says("The last line of the audit trail.")),
    ]);
    vec![
        get("/api/v1/alarms", "listAlarms", "What needs a person now.").shows("All of it.", whole(alarm())),
        get("/api/v1/webhooks", "listWebhooks", "The webhooks of the settings, each with how it stands.")
            .shows("All of them.", webhooks),
        post("/api/v1/webhooks/{webhook}/test", "testWebhook", "Sends one event that tells of nothing.")
            .shows("What the endpoint answered.", trial())
            .fails(&["storage_full"]),
        get("/metrics", "getMetrics", "The figures, for Prometheus.").gives_as(
            StatusCode::OK,
            "OpenMetrics text.",
            "application/openmetrics-text",
            text("# EOF\n"),
        ),
        get("/api/v1/tasks", "listTasks", "The background tasks, each with what came of its last run.")
            .shows("By name.", object(vec![with("items", map("sweep", task()))])),
    ]
}

fn of_settings() -> Vec<Operation> {
    let change = json!({"login": {"deadline": "5s"}, "passwords.min_length": 16, "sessions.idle": null});
    vec![
        get(
            "/api/v1/settings",
            "listSettings",
            "The effective settings, each with where it came from; secrets masked.",
        )
        .shows("All of them.", settings())
        .tagged(),
        patch("/api/v1/settings", "updateSettings", "Changes policy while the daemon runs: all of it, or nothing.")
            .says("By dotted keys or by sections; null takes a change back.")
            .takes([switch("dry_run", "Only tell what would change.")])
            .body::<Patch>(change)
            .shows("What takes effect.", settled())
            .tagged()
            .fails(&["invalid_settings", "pinned", "storage_full"]),
        post("/api/v1/settings/reload", "reloadSettings", "Has the file read again.")
            .shows("What takes effect.", settled())
            .header("ETag", "The revision.")
            .fails(&["invalid_settings", "pinned", "storage_full"]),
        get("/api/v1/settings/{key}", "getSetting", "One of the settings.").shows("The setting.", setting()).tagged(),
    ]
}

fn of_keys() -> Vec<Operation> {
    let rotated = object(vec![
        with("values", count(12)),
        with("old_key_file", text("secret.key.old").or_null()),
        with("fingerprint", text("9f86d081")),
    ]);
    vec![
        post("/api/v1/key/rotate", "rotateKey", "Seals every stored secret with a new key.")
            .shows("How many, and where the old key is.", rotated)
            .fails(&["storage_full"]),
        post("/api/v1/key/rotate-signing", "rotateSigningKey", "Lets another key sign tokens.")
            .body::<system::Haste>(json!({"at_once": false}))
            .shows("From when on.", object(vec![with("signs_from", time())]))
            .fails(&["jwt_disabled", "storage_full"]),
    ]
}
