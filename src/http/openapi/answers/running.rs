//! Sources, runs, plans, conflicts, sweeps, tokens, tasks and settings.

use serde_json::json;

use super::many::progress;
use super::people::{counts, permission_name};
use super::{actor, opaque};
use crate::directory::token::{Kind, Profile};
use crate::http::openapi::shape::{
    Member, Shape, count, flag, free, id, list, maybe, object, one_of, open, text, time, with,
};

fn token_members() -> Vec<Member> {
    let refused = free(json!({"network": "192.0.2.0/24", "at": "2027-01-31T09:00:00Z"}));
    vec![
        with("id", id()),
        with("name", text("wiki")),
        with("kind", one_of(Kind::ALL.iter().map(|(name, _)| *name))),
        with("state", one_of(["active", "expired", "owner_out"]).says("Whether it opens anything, and if not, why.")),
        with("prefix", text("mst_a_k3Yx9f").says("To recognise the token by.")),
        with("scopes", list(permission_name()).or_null().says("What it may do; null for that of a SCIM source.")),
        with("source", text("okta").or_null().says("The SCIM source whose provider carries it.")),
        with("profile", one_of(Profile::ALL.map(|(name, _)| name)).or_null()),
        with("networks", list(text("192.0.2.0/24")).says("Where it may be used from; none: from everywhere.")),
        with("owner", id().or_null().says("The user with whose right it acts.")),
        with("made_by", id().or_null().says("The token that made it.")),
        with("created_at", time()),
        with("expires_at", time().or_null()),
        with("expired", flag(false)),
        with("last_used_at", time().or_null()),
        with("rotated_at", time().or_null()),
        with("previous_prefix", text("mst_a_8dWq2c").or_null()),
        with("previous_until", time().or_null()),
        with("previous_last_used_at", time().or_null()),
        with("refused", list(refused).says("Networks from which it was refused of late.")),
    ]
}

/// An API token, without its text.
pub(in crate::http::openapi) fn token() -> Shape {
    object(token_members()).named("Token")
}

/// A token that was just made, with its text.
pub(in crate::http::openapi) fn new_token() -> Shape {
    let field = object(vec![with("field", text("Tenant URL")), with("value", text("https://id.example.org/scim/v2"))]);
    let mut members = token_members();
    members.push(with("token", text("mst_a_k3Yx9f…").says("Shown this once.")));
    members.push(maybe("setup", list(field).says("What to enter at the provider.")));
    members.push(maybe("base_url", text("https://id.example.org/scim/v2")));
    object(members).named("NewToken")
}

/// A token under a new text.
pub(in crate::http::openapi) fn rotated_token() -> Shape {
    let mut members = token_members();
    members.push(with("token", text("mst_a_k3Yx9f…").says("Shown this once.")));
    object(members).named("RotatedToken")
}

/// A source.
pub(in crate::http::openapi) fn source() -> Shape {
    let down = object(vec![with("why", text("it does not answer")), with("seconds", count(30))]).or_null();
    let server = object(vec![with("url", text("ldaps://dc1.example.org")), with("down", down)]);
    object(vec![
        with("id", text("corp")),
        with("kind", one_of(["local", "ldap", "scim", "scim-pull"])),
        with("enabled", flag(true)),
        with("login", flag(true)),
        with("keeps_passwords", flag(false)),
        with("servers", list(server)),
        with("complete_at", time().or_null().says("When all of it was read last.")),
        with(
            "waits_because_of_undone",
            id().or_null().says("The run that was taken back: a person says when to go on."),
        ),
        with("last_run", run().or_null()),
    ])
    .named("Source")
}

/// How a trial of a source went.
pub(in crate::http::openapi) fn report() -> Shape {
    let step = object(vec![
        with("step", text("connect")),
        with("passed", flag(true)),
        with("text", text("TLS 1.3")),
        with("milliseconds", count(12)),
        with("setting", text("urls")),
    ]);
    object(vec![with("passed", flag(true)), with("steps", list(step)), with("samples", list(at_source()))])
        .named("SourceReport")
}

fn at_source() -> Shape {
    object(vec![
        with("external_id", text("S-1-5-21-1-2-3-1104")),
        with("entry", text("cn=Ada,dc=example,dc=org")),
        with("username", text("ada")),
        with("name", text("Ada Lovelace")),
        with("email", text("ada@example.org").or_null()),
        with("phone", text("+41446681800").or_null()),
        with("active", flag(true)),
        with("disabled", text("source").or_null()),
        with("passing", text("locked").or_null().says("What keeps the user out for now, and ends by itself.")),
        with("expires_at", time().or_null()),
    ])
}

fn cause() -> Shape {
    object(vec![
        with("kind", one_of(["source", "sweep", "bulk", "import", "undo"])),
        maybe("id", text("corp")),
        maybe("run", id().says("Of an undo: the run that was taken back.")),
    ])
    .such_as(json!({"kind": "source", "id": "corp"}))
    .named("Cause")
}

fn skipped() -> Shape {
    list(object(vec![with("label", text("cn=nobody")), with("problem", text("it has no username"))]))
}

/// One change of a plan.
pub(in crate::http::openapi) fn item() -> Shape {
    let step =
        open(vec![with("do", text("disable"))]).such_as(json!({"do": "disable", "reason": "absent_from_source"}));
    let along = object(vec![
        maybe("join", list(id())),
        maybe("leave", list(id())),
        maybe("password", flag(true)),
        maybe("expires", flag(true).says("The user is out by an expiry: it counts as a loss.")),
    ]);
    object(vec![
        with("label", text("ada")),
        maybe("user", id()),
        maybe("group", id()),
        maybe("external_id", text("S-1-5-21-1-2-3-1104")),
        maybe("revision", count(3)),
        maybe("quiet_since", time()),
        with("step", step.says("What is done, with its particulars.")),
        maybe("along", along.says("What is done together with it.")),
        with("reason", text("is not in the source any more")),
    ])
    .named("PlanItem")
}

/// One pass of a source, one sweep, one bulk change or import.
pub(in crate::http::openapi) fn run() -> Shape {
    let outcome = object(vec![
        with("is", one_of(["running", "applied", "held", "failed"])),
        maybe("plan", id()),
        maybe("why", text("it would disable 40 of 100 users")),
    ]);
    object(vec![
        with("id", id()),
        with("cause", cause()),
        with("started_at", time()),
        with("ended_at", time()),
        with("outcome", outcome.such_as(json!({"is": "applied"}))),
        with("counts", counts()),
        maybe("how", text("everything was read")),
        maybe(
            "trail",
            list(count(42)).says("Between which lines of the audit trail its changes are.").such_as(json!([40, 42])),
        ),
        maybe("by", actor().says("Who began it, where it is a bulk change or an import.")),
        maybe("undone_by", id()),
        maybe("progress", progress().says("While a run of many users is under way.")),
        with("skipped", skipped()),
        with("conflicts", list(item())),
    ])
    .named("Run")
}

/// How far a pass is that takes longer than the request.
pub(in crate::http::openapi) fn under_way() -> Shape {
    let progress = free(json!({"phase": "reading", "read": 1200}));
    object(vec![with("running", progress.or_null()), with("source", text("corp"))])
}

/// What a pass would change.
pub(in crate::http::openapi) fn preview() -> Shape {
    object(vec![
        with("counts", counts()),
        with("how", text("everything was read")),
        with("would_be_held", text("it would disable 40 of 100 users").or_null()),
        with("items", list(item())),
        with("skipped", skipped()),
    ])
}

/// What taking a run back would change.
pub(in crate::http::openapi) fn undo() -> Shape {
    object(vec![with("counts", counts()), with("items", list(item())), with("skipped", skipped())])
}

/// A plan that was held.
pub(in crate::http::openapi) fn plan() -> Shape {
    let status = object(vec![
        with("is", one_of(["held", "applying", "approved", "rejected", "superseded"])),
        maybe("at", time()),
        maybe("by", actor()),
    ]);
    object(vec![
        with("id", id()),
        with("run", id()),
        with("cause", cause()),
        maybe("wished_by", actor().says("Who asked for it, where a person did.")),
        with("created_at", time()),
        with("counts", counts()),
        with("digest", text("9f86d081884c7d65").says("Of all items: approve sends it back.")),
        with("held_because", text("it would disable 40 of 100 users")),
        maybe("then", free(json!({}))),
        with("status", status.such_as(json!({"is": "held"}))),
    ])
    .named("Plan")
}

/// A clash that waits for a person.
pub(in crate::http::openapi) fn conflict() -> Shape {
    let decision = free(json!({"is": "ignored"}));
    object(vec![
        with("source", text("corp")),
        with("external_id", text("S-1-5-21-1-2-3-1104")),
        with("entry", text("cn=Ada,dc=example,dc=org")),
        with("username", text("ada")),
        with("name", text("Ada Lovelace")),
        maybe("email", text("ada@example.org")),
        with("field", text("username").says("What is taken.")),
        with("holder", id().says("Who has it.")),
        with("holder_source", text("local")),
        with("holder_username", text("ada").or_null()),
        maybe("user", id()),
        maybe("link_proposed", flag(true)),
        with("since", time()),
        maybe("run", id()),
        maybe("unnamed", flag(true)),
        maybe("decision", decision),
    ])
    .named("Conflict")
}

fn paused() -> Shape {
    free(json!({"why": "the clock went back by a day"})).or_null().says("Why nothing that depends on time is done.")
}

/// How sweeps stand.
pub(in crate::http::openapi) fn sweeps() -> Shape {
    object(vec![
        with("paused", paused()),
        with("schedule", text("every day at 03:00")),
        with("last_run", time().or_null()),
        with("next_run", time().or_null()),
        with("held", plan().or_null()),
        with("notices", flag(true)),
    ])
}

/// What a sweep would do.
pub(in crate::http::openapi) fn sweep_preview() -> Shape {
    object(vec![
        with("at", time()),
        with("items", list(item())),
        with("more", count(0)),
        with("counts", counts()),
        with("would_be_held", text("it would disable 40 of 100 users").or_null()),
        with("paused", paused()),
    ])
}

/// What lies ahead.
pub(in crate::http::openapi) fn upcoming() -> Shape {
    let notice = object(vec![
        with("at", time()),
        with("about", opaque()),
        with("user", id()),
        with("label", text("ada")),
        with("happens_at", time()),
        with("sent", flag(true)),
    ]);
    let sweep = object(vec![
        with("at", time()),
        with("items", list(item())),
        with("would_be_held", text("it would disable 40 of 100 users").or_null()),
    ]);
    object(vec![
        with("from", time()),
        with("until", time()),
        with("paused", paused()),
        with("notices", list(notice)),
        with("copies_to", list(text("admin@example.org"))),
        with("sweeps", list(sweep)),
        with("more", count(0)),
        with("cut", flag(false)),
    ])
}

/// A background task.
pub(in crate::http::openapi) fn task() -> Shape {
    object(vec![
        with("schedule", text("every day at 03:00")),
        with("running_since", time().or_null()),
        with("last_run", time().or_null()),
        with("last_result", free(json!({"Ok": "nobody was disabled"})).or_null()),
    ])
    .named("Task")
}

/// The settings.
pub(in crate::http::openapi) fn settings() -> Shape {
    object(vec![
        with("items", list(setting())),
        with("revision", count(3).says("How often they were changed at run time.")),
        with("doubts", list(text("nobody is told of alarms")).says("What a person should put right.")),
        with("needs_restart", list(text("server.listen")).says("What was changed in the file and waits.")),
    ])
}

/// What came of a change of settings.
pub(in crate::http::openapi) fn settled() -> Shape {
    let changed = object(vec![
        with("key", text("login.deadline")),
        with("old", text("10s").or_null()),
        with("new", text("5s").or_null()),
    ]);
    object(vec![
        with("changes", list(changed)),
        with("needs_restart", list(text("server.listen"))),
        with("doubts", list(text("nobody is told of alarms"))),
        with("revision", count(4)),
    ])
}

/// An effective setting.
pub(in crate::http::openapi) fn setting() -> Shape {
    free(json!({"key": "server.listen", "value": "127.0.0.1:8750", "origin": "default"})).named("Setting")
}
