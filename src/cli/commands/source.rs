//! `musterd source …` and `musterd plan …`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{done, items, show};
use crate::cli::client::{Client, encode};
use crate::cli::output;

#[derive(Subcommand)]
pub(in crate::cli) enum Source {
    /// List the sources in their order, each with its last run
    List,
    /// Try a source step by step
    Test { source: String },
    /// Tell what a pass would change, without writing anything
    Plan { source: String },
    /// Run a pass now
    Sync { source: String },
    /// List the last runs
    Runs { source: Option<String> },
}

#[derive(Subcommand)]
pub(in crate::cli) enum Plan {
    /// List plans
    List,
    /// Show what a plan would change
    Show { plan: String },
    /// Apply exactly this plan
    Approve { plan: String },
    /// Say no to this plan
    Reject { plan: String },
}

const ITEMS: &[(&str, &str)] = &[("USER", "label"), ("TO DO", "step.do"), ("BECAUSE", "reason")];
const RUNS: &[(&str, &str)] = &[
    ("WHEN", "started_at"),
    ("OF", "cause"),
    ("CAME TO", "outcome"),
    ("READ", "counts.read"),
    ("MADE", "counts.create"),
    ("CHANGED", "counts.update"),
    ("DISABLED", "counts.disable"),
    ("ENABLED", "counts.enable"),
    ("CONFLICTS", "counts.conflict"),
    ("SKIPPED", "counts.skipped"),
    ("WHY", "outcome.why"),
];

pub(super) async fn run(source: Source, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let path = |source: &str, what: &str| format!("/api/v1/sources/{}/{what}", encode(source));
    match source {
        Source::List => {
            let answer = client.get("/api/v1/sources").await?;
            let columns = [
                ("ID", "id"),
                ("KIND", "kind"),
                ("ENABLED", "enabled"),
                ("LOGIN", "login"),
                ("LAST RUN", "last_run.started_at"),
                ("CAME TO", "last_run.outcome.is"),
                ("WHY", "last_run.outcome.why"),
            ];
            show(&answer, json, |answer| output::table(items(answer), &columns))
        }
        Source::Test { source } => {
            let answer = client.post(&path(&source, "test"), json!({})).await?;
            show(&answer, json, test_report)?;
            let passed = answer.get("passed").and_then(Value::as_bool) == Some(true);
            Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Source::Plan { source } => {
            let answer = client.post(&path(&source, "plan?limit=1000"), json!({})).await?;
            show(&answer, json, preview)
        }
        Source::Sync { source } => {
            let answer = client.post(&path(&source, "sync"), json!({})).await?;
            show(&answer, json, run_summary)?;
            let applied = output::text_at(&answer, "outcome.is") == "applied";
            Ok(if applied { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        Source::Runs { source } => {
            let query = source.map(|source| format!("?source={}", encode(&source))).unwrap_or_default();
            let answer = client.get(&format!("/api/v1/runs{query}")).await?;
            show(&answer, json, |answer| output::table(items(answer), RUNS))
        }
    }
}

pub(super) async fn run_plan(plan: Plan, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let path = |plan: &str, what: &str| format!("/api/v1/plans/{}{what}", encode(plan));
    match plan {
        Plan::List => {
            let answer = client.get("/api/v1/plans").await?;
            let columns = [
                ("ID", "id"),
                ("WHEN", "created_at"),
                ("OF", "cause"),
                ("STATUS", "status.is"),
                ("DISABLES", "counts.disable"),
                ("HELD BECAUSE", "held_because"),
            ];
            show(&answer, json, |answer| output::table(items(answer), &columns))
        }
        Plan::Show { plan } => {
            let answer = client.get(&path(&plan, "?limit=1000")).await?;
            show(&answer, json, |answer| {
                output::card(answer.get("plan").unwrap_or(&Value::Null));
                output::line("");
                output::table(items(answer), ITEMS);
            })
        }
        Plan::Approve { plan } => {
            let answer = client.post(&path(&plan, "/approve"), json!({})).await?;
            done(&answer, json, &format!("{} changes are written", output::text_at(&answer, "written")))
        }
        Plan::Reject { plan } => {
            let answer = client.post(&path(&plan, "/reject"), json!({})).await?;
            done(&answer, json, "nothing of it will be applied")
        }
    }
}

fn test_report(answer: &Value) {
    let columns = [("STEP", "step"), ("PASSED", "passed"), ("MS", "milliseconds"), ("", "text")];
    output::table(answer.get("steps").unwrap_or(&Value::Null), &columns);
    output::line("");
    let columns = [("SAMPLE", "username"), ("NAME", "name"), ("EMAIL", "email"), ("ENTRY", "entry")];
    output::table(answer.get("samples").unwrap_or(&Value::Null), &columns);
}

fn preview(answer: &Value) {
    table_if_any(items(answer), ITEMS);
    table_if_any(answer.get("skipped").unwrap_or(&Value::Null), &[("SKIPPED", "label"), ("BECAUSE", "problem")]);
    counts(answer);
    if let Some(why) = answer.get("would_be_held").and_then(Value::as_str) {
        output::line(&format!("This pass would be held: {why}"));
    }
}

/// What a run came to, in a few lines.
pub(super) fn run_summary(answer: &Value) {
    counts(answer);
    match output::text_at(answer, "outcome.is").as_str() {
        "held" => {
            output::line(&format!("Held, nothing was changed: {}", output::text_at(answer, "outcome.why")));
            output::line(&format!(
                "`musterd plan show {0}` shows it, `musterd plan approve {0}` applies it.",
                output::text_at(answer, "outcome.plan")
            ));
        }
        "failed" => output::line(&format!("Failed, nothing was changed: {}", output::text_at(answer, "outcome.why"))),
        _ => {}
    }
    for (title, list) in [("SKIPPED", "skipped"), ("CONFLICT", "conflicts")] {
        let why = if list == "skipped" { "problem" } else { "reason" };
        table_if_any(answer.get(list).unwrap_or(&Value::Null), &[(title, "label"), ("BECAUSE", why)]);
    }
}

fn table_if_any(rows: &Value, columns: &[(&str, &str)]) {
    if rows.as_array().is_some_and(|rows| !rows.is_empty()) {
        output::table(rows, columns);
    }
}

fn counts(answer: &Value) {
    let count = |name: &str| output::text_at(answer, &format!("counts.{name}"));
    output::line(&format!(
        "{} read: {} new, {} changed, {} enabled, {} disabled, {} unchanged, {} conflicts, {} skipped",
        count("read"),
        count("create"),
        count("update"),
        count("enable"),
        count("disable"),
        count("unchanged"),
        count("conflict"),
        count("skipped"),
    ));
}
