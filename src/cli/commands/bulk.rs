//! `musterd user bulk …`: one wish about many users; and how the end of such a run is awaited and shown.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::client::{Client, encode};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;

/// How often it is asked how far a run is.
const PAUSE: Duration = Duration::from_millis(300);

/// Whom, and what.
#[derive(Args)]
pub(in crate::cli) struct Bulk {
    /// Whom: a SCIM filter, such as 'source eq "local" and last_login lt "2026-01-01T00:00:00Z"'
    #[arg(long, conflicts_with_all = ["user", "everybody"])]
    filter: Option<String>,
    /// Or these, by id or username; may be given several times
    #[arg(long, conflicts_with = "everybody")]
    user: Vec<String>,
    /// Or everybody
    #[arg(long)]
    everybody: bool,
    /// For the audit trail
    #[arg(long, global = true)]
    reason: Option<String>,
    /// Only tell what would become of each
    #[arg(long, global = true)]
    dry_run: bool,
    /// How many users are meant; with any other number nothing is changed
    #[arg(long, global = true, value_name = "NUMBER")]
    expect: Option<u64>,
    /// The digest that a dry run showed; where the plan is another by now, nothing is changed
    #[arg(long, global = true)]
    digest: Option<String>,
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Let disabled users in again
    Enable,
    /// Keep users out; everything they hold ends at once
    Disable,
    /// Remove users to tombstones
    Delete,
    /// Change expiry, policy, roles, groups or organisations
    Set(Change),
}

#[derive(Args)]
struct Change {
    /// The end of the accounts, such as 2027-12-31T23:59:59Z; "" is none
    #[arg(long)]
    expires_at: Option<String>,
    /// disabled, enabled or forced
    #[arg(long)]
    mfa: Option<String>,
    /// System role to give; each of these may be given several times
    #[arg(long, value_name = "ROLE")]
    add_role: Vec<String>,
    /// System role to take
    #[arg(long, value_name = "ROLE")]
    remove_role: Vec<String>,
    /// Group to join, by id or name
    #[arg(long, value_name = "GROUP")]
    join: Vec<String>,
    /// Group to leave
    #[arg(long, value_name = "GROUP")]
    leave: Vec<String>,
    /// Organisation to join, by id or name
    #[arg(long, value_name = "ORGANIZATION")]
    add_organization: Vec<String>,
    /// Organisation to leave
    #[arg(long, value_name = "ORGANIZATION")]
    remove_organization: Vec<String>,
}

impl Change {
    fn body(self) -> Value {
        let mut change = Map::new();
        if let Some(end) = self.expires_at {
            let end = if end.is_empty() { Value::Null } else { end.into() };
            change.insert("expires_at".to_owned(), end);
        }
        change.extend(self.mfa.map(|mfa| ("mfa".to_owned(), mfa.into())));
        change.insert("roles".to_owned(), json!({"add": self.add_role, "remove": self.remove_role}));
        change.insert("groups".to_owned(), json!({"add": self.join, "remove": self.leave}));
        let places: Vec<_> = self.add_organization.into_iter().map(|id| json!({"id": id})).collect();
        change.insert("organizations".to_owned(), json!({"add": places, "remove": self.remove_organization}));
        Value::Object(change)
    }
}

/// Changes many users.
pub(super) async fn run(wish: Bulk, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let Bulk { filter, user, everybody, reason, dry_run, expect, digest, action } = wish;
    if filter.is_none() && user.is_empty() && !everybody {
        return Err(Failure::new(Exit::Usage, "say whom: --filter, --user or --everybody").into());
    }
    let (action, change) = match action {
        Action::Enable => ("enable", None),
        Action::Disable => ("disable", None),
        Action::Delete => ("delete", None),
        Action::Set(change) => ("change", Some(change.body())),
    };
    let users = (!user.is_empty()).then_some(user);
    let body = json!({
        "filter": filter, "users": users, "everybody": everybody, "action": action, "change": change,
        "reason": reason, "dry_run": dry_run, "expect": expect, "digest": digest,
    });
    let answer = client.post("/api/v1/users/bulk", body).await?;
    let answer = ended(client, answer).await?;
    told(&answer, json)
}

/// Shows what came of it, and ends with what it means.
pub(super) fn told(answer: &Value, json: bool) -> anyhow::Result<ExitCode> {
    super::show(answer, json, shown)?;
    Ok(match output::text_at(answer, "status").as_str() {
        "held" => Exit::Held.into(),
        "refused" => Exit::Refused.into(),
        _ => ExitCode::SUCCESS,
    })
}

/// Waits for the end of a run that is still under way; on a terminal it says how far it is.
pub(super) async fn ended(client: &Client, answer: Value) -> anyhow::Result<Value> {
    if output::text_at(&answer, "status") != "running" {
        return Ok(answer);
    }
    let run = output::text_at(&answer, "run");
    let shown = watched(client, &run, |shown| output::text_at(shown, "outcome.is") != "running").await?;
    with_refused(client, &run, &shown).await
}

/// Waits for the end of an approval that is still under way, also by a daemon that ends meanwhile and starts again.
pub(super) async fn approved(client: &Client, plan: &str, run: &str) -> anyhow::Result<Value> {
    loop {
        let mut shown = watched(client, run, |shown| shown.get("progress").is_none()).await?;
        let plan = client.get(&format!("/api/v1/plans/{}?limit=1", encode(plan))).await?;
        match output::text_at(&plan, "plan.status.is").as_str() {
            "applying" => tokio::time::sleep(PAUSE).await,
            "approved" => {
                // The record says for ever that it was held.
                let applied = json!({"is": "applied"});
                shown.as_object_mut().and_then(|shown| shown.insert("outcome".to_owned(), applied));
                return with_refused(client, run, &shown).await;
            }
            _ => {
                let words = "it could not be applied, and waits still: its users have moved on, or the log says why";
                return Err(Failure::new(Exit::Changed, words).into());
            }
        }
    }
}

async fn with_refused(client: &Client, run: &str, shown: &Value) -> anyhow::Result<Value> {
    let items = client.get(&format!("/api/v1/runs/{}/items?outcome=refused&limit=1000", encode(run))).await?;
    Ok(as_answer(run, shown, &items))
}

/// The record of a run once it is over; on a terminal it says how far it is.
pub(super) async fn watched(client: &Client, run: &str, is_over: impl Fn(&Value) -> bool) -> anyhow::Result<Value> {
    let is_watched = std::io::stderr().is_terminal();
    loop {
        let shown = client.get(&format!("/api/v1/runs/{}", encode(run))).await?;
        if is_over(&shown) {
            if is_watched {
                drop(write!(std::io::stderr().lock(), "\r\x1b[K"));
            }
            return Ok(shown);
        }
        if is_watched && let Some(progress) = shown.get("progress") {
            tell(progress);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// The record of a run that has ended in the words of an answer.
fn as_answer(run: &str, shown: &Value, items: &Value) -> Value {
    let outcome = shown.get("outcome").cloned().unwrap_or_default();
    let status = match output::text_at(&outcome, "is").as_str() {
        "failed" => "refused".to_owned(),
        other => other.to_owned(),
    };
    json!({
        "run": run,
        "status": status,
        "plan": outcome.get("plan"),
        "detail": outcome.get("why"),
        "counts": shown.get("counts"),
        "items": items.get("items"),
    })
}

/// One line that is written over by the next.
fn tell(progress: &Value) {
    let number = |name: &str| output::number(progress.get(name).and_then(Value::as_u64).unwrap_or_default());
    let line = match progress.get("phase").and_then(Value::as_str) {
        Some("writing") => format!("{} of {} users are written", number("written"), number("to_write")),
        _ => format!("{} of {} rows are looked at", number("validated"), number("of")),
    };
    drop(write!(std::io::stderr().lock(), "\r\x1b[K{line}"));
}

/// What became, or would become, of many users: who was refused and why, then the counts.
pub(super) fn shown(answer: &Value) {
    let items = answer.get("items").and_then(Value::as_array).into_iter().flatten();
    let refused = items.filter(|item| item.get("outcome").is_some_and(|outcome| outcome == "refused"));
    let rows: Vec<Value> = refused.flat_map(faults).collect();
    if !rows.is_empty() {
        let columns = [("LINE", "line"), ("USER", "user"), ("COLUMN", "column"), ("REFUSED BECAUSE", "message")];
        output::table(&Value::Array(rows), &columns);
        output::line("");
    }
    let count = |name: &str| {
        output::number(answer.pointer(&format!("/counts/{name}")).and_then(Value::as_u64).unwrap_or_default())
    };
    output::line(&format!(
        "{} looked at: {} to create, {} to change, {} to enable, {} to disable, {} to remove, {} unchanged, {} refused",
        count("read"),
        count("create"),
        count("update"),
        count("enable"),
        count("disable"),
        count("remove"),
        count("unchanged"),
        count("skipped"),
    ));
    let text = |name: &str| output::text_at(answer, name);
    match text("status").as_str() {
        "held" => {
            output::line(&format!("held: {}", text("detail")));
            output::line(&format!("musterd plan show {0}; musterd plan approve {0}", text("plan")));
        }
        "preview" => {
            output::line(&format!("nothing is written; --digest {}", text("digest")));
            if answer.get("would_be_held").is_some_and(|held| !held.is_null()) {
                output::line(&format!("it would be held: {}", text("would_be_held")));
            }
        }
        "applied" => output::line(&format!("written; musterd plan undo {} takes it back", text("run"))),
        "running" => output::line(&format!("it goes on: musterd user import --follow {}", text("run"))),
        _ => output::line(&text("detail")),
    }
}

/// A line of the table for each fault of a user or row.
fn faults(item: &Value) -> Vec<Value> {
    let line = |fault: &Value| {
        json!({
            "line": item.get("line"), "user": item.get("label"),
            "column": fault.get("column"), "message": fault.get("message"),
        })
    };
    item.get("faults").and_then(Value::as_array).into_iter().flatten().map(line).collect()
}
