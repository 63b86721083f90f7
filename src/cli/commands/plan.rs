//! `musterd plan …`

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::{Value, json};

use super::source::{counts, run_summary};
use super::{done, items, show};
use crate::cli::client::{Client, encode};
use crate::cli::output;

#[derive(Subcommand)]
pub(in crate::cli) enum Plan {
    /// List plans
    List,
    /// Show what a plan would change
    Show { plan: String },
    /// Apply exactly this plan
    Approve {
        plan: String,
        /// Its digest when you looked at it, by "plan show": a plan of what a provider pushes grows while it waits
        #[arg(long)]
        digest: Option<String>,
    },
    /// Say no to this plan
    Reject { plan: String },
    /// Take back what a run, or the run of a plan, has changed; the source then waits until a plan is approved
    Undo {
        /// The id of the run, or of its plan
        run: String,
        /// Only tell what would change
        #[arg(long)]
        dry_run: bool,
    },
}

const ITEMS: &[(&str, &str)] = &[("WHO", "label"), ("TO DO", "step.do"), ("BECAUSE", "reason")];

pub(super) async fn run(plan: Plan, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let path = |plan: &str, what: &str| format!("/api/v1/plans/{}{what}", encode(plan));
    match plan {
        Plan::List => {
            let answer = client.all("/api/v1/plans?").await?;
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
                shown_items(items(answer));
                if answer.get("next_cursor").is_some_and(|next| !next.is_null()) {
                    output::line("and more: GET /api/v1/plans/{plan} has all of it, page by page");
                }
            })
        }
        Plan::Approve { plan, digest } => {
            let answer = client.post(&path(&plan, "/approve"), json!({"digest": digest})).await?;
            if output::text_at(&answer, "status") == "running" {
                let answer = super::bulk::approved(client, &plan, &output::text_at(&answer, "run")).await?;
                return super::bulk::told(&answer, json);
            }
            show(&answer, json, |answer| {
                let columns = [("LEFT OUT", "label"), ("BECAUSE", "problem")];
                if let Some(refused) = answer.get("refused").filter(|refused| refused != &&json!([])) {
                    output::table(refused, &columns);
                    output::line("");
                }
                output::line(&format!("{} changes are written", output::text_at(answer, "written")));
            })
        }
        Plan::Reject { plan } => {
            let answer = client.post(&path(&plan, "/reject"), json!({})).await?;
            done(&answer, json, "nothing of it will be applied")
        }
        Plan::Undo { run, dry_run } => {
            let path = format!("/api/v1/runs/{}/undo", encode(&run));
            let mut answer = client.post(&path, json!({"dry_run": dry_run})).await?;
            if answer.get("status").is_some() {
                answer = super::bulk::ended(client, answer).await?;
                return super::bulk::told(&answer, json);
            }
            if let Some(running) = answer.get("running") {
                let (source, own) = (output::text_at(&answer, "source"), output::text_at(running, "run"));
                answer = super::source::ended(client, &source, &own, false).await?;
            }
            show(&answer, json, |answer| undone(answer, dry_run))
        }
    }
}

fn undone(answer: &Value, dry_run: bool) {
    if dry_run {
        shown_items(items(answer));
        counts(answer);
        let columns = [("STAYS", "label"), ("BECAUSE", "problem")];
        if answer.get("skipped").and_then(Value::as_array).is_some_and(|skipped| !skipped.is_empty()) {
            output::table(answer.get("skipped").unwrap_or(&Value::Null), &columns);
        }
        return;
    }
    run_summary(answer);
    output::line("The source waits: its next plan is held, and once it is approved the source goes on by itself.");
}

/// The items of a plan; below each what changes, attribute by attribute.
pub(super) fn shown_items(items: &Value) {
    let Some(list) = items.as_array().filter(|list| !list.is_empty()) else { return };
    output::table(items, ITEMS);
    let changed = list.iter().filter(|item| item.pointer("/step/shows").is_some_and(|shows| shows != &json!([])));
    for item in changed {
        output::line("");
        output::line(&output::text_at(item, "label"));
        for change in item.pointer("/step/shows").and_then(Value::as_array).into_iter().flatten() {
            let (old, new) = (output::text_at(change, "old"), output::text_at(change, "new"));
            output::line(&format!("    {}: {old} -> {new}", output::text_at(change, "attribute")));
        }
    }
}
