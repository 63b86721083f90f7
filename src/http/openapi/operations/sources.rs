//! Sources: their passes, plans and conflicts; and sweeps, which make plans too.

use axum::http::StatusCode;
use serde_json::json;

use super::super::answers::many::{begun, entry, report as done};
use super::super::answers::people::changed_user;
use super::super::answers::running::{
    conflict, item, plan, preview, report, run, source, sweep_preview, sweeps, under_way, undo, upcoming,
};
use super::super::answers::trail::{exchange, line};
use super::super::bodies::Slug;
use super::super::operation::{Operation, get, post, query};
use super::super::shape::{between, count, id, list, map, maybe, object, one_of, page, text, typed, whole, with};
use super::{limit, paged, switch};
use crate::directory::plan::Fate;
use crate::http::api::{conflicts, plans, runs, sources, sweep};

/// How what is done to a source fails.
const READ: &[&str] = &["not_pulled", "source_failed", "already_running", "storage_full"];
/// How a decision on a conflict fails.
const DECIDED: &[&str] = &[
    "conflict_undecidable",
    "username_taken",
    "email_taken",
    "external_id_taken",
    "wrong_state",
    "last_administrator",
    "storage_full",
];

pub(super) fn operations() -> Vec<Operation> {
    [of_sources(), of_runs(), of_plans(), of_conflicts(), of_sweeps()].into_iter().flatten().collect()
}

fn of_sources() -> Vec<Operation> {
    let event = object(vec![
        with("event", one_of(["progress", "end"])),
        with("data", text("null").says("How far it is, and at the end the run, as JSON.")),
    ]);
    let other = json!({"urls": ["ldaps://dc2.example.org"]});
    vec![
        get("/api/v1/sources", "listSources", "The sources in their order, each with its last run.")
            .shows("All of them.", whole(source())),
        post(
            "/api/v1/sources/{source}/test",
            "testSource",
            "Tries a source, as it is configured or with other settings.",
        )
        .body::<sources::Wish>(other)
        .shows("How it went, step by step.", report())
        .fails(READ),
        post(
            "/api/v1/sources/{source}/doctor",
            "examineSource",
            "Looks at everything that may be wrong with a source.",
        )
        .shows("What was found.", report())
        .fails(READ),
        get(
            "/api/v1/sources/{source}/progress",
            "followSource",
            "How far the pass under way is, as server-sent events.",
        )
        .gives_as(StatusCode::OK, "Events `progress`, then `end`.", "text/event-stream", event)
        .fails(READ),
        get("/api/v1/sources/{source}/journal", "listExchanges", "What an identity provider has sent, newest first.")
            .takes(paged())
            .takes([switch("failed", "Only what was refused.")])
            .shows("The page.", page(exchange())),
        post("/api/v1/sources/{source}/plan", "previewSource", "Reads a source and tells what a pass would change.")
            .takes([switch("full", "Read everything, not only what changed."), limit()])
            .shows("What it would change.", preview())
            .fails(READ),
        post("/api/v1/sources/{source}/sync", "syncSource", "Runs a pass now.")
            .takes([switch("full", "Read everything, not only what changed.")])
            .shows("The run.", run())
            .gives(StatusCode::ACCEPTED, "It takes longer than the request, and goes on.", under_way())
            .fails(READ),
    ]
}

fn of_runs() -> Vec<Operation> {
    vec![
        get("/api/v1/runs", "listRuns", "The last runs, newest first.")
            .takes(paged())
            .takes([query(
                "source",
                typed::<Slug>("corp").says("Those of one source, or those of sweep, bulk or import."),
            )])
            .shows("The page.", page(run()))
            .fails(&["not_found"]),
        get("/api/v1/runs/{run}", "getRun", "One run.").shows("The run.", run()).tagged(),
        get("/api/v1/runs/{run}/items", "listRunItems", "What became of each user or row of a bulk change or import.")
            .says("It is kept for 30 days, of the last 100 such runs.")
            .takes(paged())
            .takes([query("outcome", one_of(Fate::DONE).says("Those that came to it."))])
            .shows("The page.", page(entry())),
        get("/api/v1/runs/{run}/changes", "listRunChanges", "What a run changed, oldest first.")
            .takes(paged())
            .shows("The page.", page(line()))
            .fails(&["trail_dropped"]),
        post("/api/v1/runs/{run}/undo", "undoRun", "Takes a run back, or tells what that would change.")
            .body::<runs::UndoWish>(json!({"dry_run": true}))
            .shows("The run that took it back; with dry_run what it would change.", undo().or(run()).or(done()))
            .gives(
                StatusCode::ACCEPTED,
                "It takes longer than the request, and goes on.",
                under_way().or(begun()).or(done()),
            )
            .fails(READ)
            .fails(&["nothing_to_undo", "already_undone", "trail_dropped"]),
    ]
}

fn of_plans() -> Vec<Operation> {
    let shown =
        object(vec![with("plan", plan()), with("items", list(item())), with("next_cursor", text("2").or_null())]);
    let applied = object(vec![
        with("written", count(40)),
        with("refused", list(map("label", text("ada")))),
        maybe("run", id().says("Of a bulk change or import.")),
        maybe("items", text("/api/v1/runs/01931e3c-7d00-7000-8000-5f2c4a9b1e07/items").says("Where all of them are.")),
    ]);
    vec![
        get("/api/v1/plans", "listPlans", "The plans that were held, newest first.")
            .takes(paged())
            .shows("The page.", page(plan())),
        get("/api/v1/plans/{plan}", "getPlan", "One plan with a page of its items.")
            .takes(paged())
            .shows("The plan.", shown)
            .tagged(),
        post("/api/v1/plans/{plan}/approve", "approvePlan", "Applies exactly this plan.")
            .body::<plans::Seen>(json!({"digest": "9f86d081884c7d65"}))
            .shows("How many changes were written, and which could not be.", applied)
            .gives(StatusCode::ACCEPTED, "It takes longer than the request, and goes on.", begun())
            .fails(&["plan_decided", "plan_stale", "storage_full"]),
        post("/api/v1/plans/{plan}/reject", "rejectPlan", "Says no to this plan.")
            .shows("Which one.", object(vec![with("rejected", id())]))
            .fails(&["plan_decided", "plan_stale", "storage_full"]),
    ]
}

fn of_conflicts() -> Vec<Operation> {
    vec![
        get("/api/v1/conflicts", "listConflicts", "The clashes that wait for a person.")
            .takes(paged())
            .takes([
                query("source", typed::<Slug>("corp").says("Those of one source.")),
                switch("all", "Those that are decided too."),
            ])
            .shows("The page.", page(conflict()))
            .fails(&["not_found"]),
        post(
            "/api/v1/conflicts/{source}/{entry}/link",
            "linkConflict",
            "The entry takes over the user who holds its name.",
        )
        .shows("The user.", changed_user())
        .header("ETag", "The revision.")
        .fails(DECIDED),
        post("/api/v1/conflicts/{source}/{entry}/rename", "renameConflict", "The entry gets another username here.")
            .body::<conflicts::Rename>(json!({"username": "ada.l"}))
            .done("It gets it with the next pass.")
            .fails(DECIDED),
        post("/api/v1/conflicts/{source}/{entry}/ignore", "ignoreConflict", "The entry stays out.")
            .done("It does.")
            .fails(DECIDED),
        post("/api/v1/conflicts/{source}/{entry}/reopen", "reopenConflict", "The entry waits for a decision again.")
            .done("It does.")
            .fails(DECIDED),
    ]
}

fn of_sweeps() -> Vec<Operation> {
    vec![
        post("/api/v1/sweep", "sweep", "Disables who is expired or has gone quiet; or tells whom.")
            .body::<sweep::Wish>(json!({"dry_run": true}))
            .shows("The run; with dry_run what it would do.", sweep_preview().or(run()))
            .fails(&["clock_in_doubt", "busy", "storage_full"]),
        get("/api/v1/sweep", "getSweep", "How sweeps stand.").shows("When one is next, and what waits.", sweeps()),
        get("/api/v1/sweep/upcoming", "listUpcoming", "What lies ahead: who is told, and who is disabled.")
            .takes([query("days", between(1, sweep::AHEAD_MAX, sweep::AHEAD).says("So many days ahead."))])
            .shows("What lies ahead.", upcoming())
            .fails(&["busy"]),
    ]
}
