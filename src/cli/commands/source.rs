//! `musterd source …`

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use clap::{Args, Subcommand};
use http_body_util::BodyExt;
use serde_json::{Value, json};

use super::user::read_password;
use super::{items, show, unless_held};
use crate::cli::client::{Client, encode};
use crate::cli::exit::Exit;
use crate::cli::output;
use crate::cli::table::escaped;

#[derive(Subcommand)]
pub(in crate::cli) enum Source {
    /// List the sources in their order, each with its last run
    List,
    /// Try a source step by step, as it is configured or with other settings
    Test {
        source: String,
        #[command(flatten)]
        instead: Instead,
    },
    /// Look at everything that may be wrong with a source
    Doctor { source: String },
    /// Tell what a pass would change, without writing anything
    Plan {
        source: String,
        /// Read everything, not only what changed
        #[arg(long)]
        full: bool,
    },
    /// Run a pass now
    Sync {
        source: String,
        /// Read everything, not only what changed
        #[arg(long)]
        full: bool,
    },
    /// Show what the identity provider of a SCIM source has sent, and what came of it
    Journal {
        source: String,
        /// Only what was refused
        #[arg(long)]
        failed: bool,
        /// Most requests that are shown
        #[arg(long, default_value_t = 20)]
        limit: usize,
    },
    /// List the last runs
    Runs { source: Option<String> },
    /// Show a run and what it changed
    Run {
        run: String,
        /// Most changes that are shown
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
}

/// Settings to try; nothing of it is kept.
#[derive(Args)]
pub(in crate::cli) struct Instead {
    /// Another server; several are tried in order
    #[arg(long = "url", value_name = "URL")]
    urls: Vec<String>,
    /// Another reader
    #[arg(long, value_name = "DN")]
    bind_dn: Option<String>,
    /// Read the reader's password from standard input; needed with another server or reader
    #[arg(long)]
    bind_password_stdin: bool,
    /// Another base
    #[arg(long, value_name = "DN")]
    base_dn: Option<String>,
    /// Another filter for users
    #[arg(long, value_name = "FILTER")]
    user_filter: Option<String>,
}

impl Instead {
    fn body(self) -> anyhow::Result<Value> {
        let password = self.bind_password_stdin.then(read_password).transpose()?;
        let mut body = serde_json::Map::new();
        let texts = [("bind_dn", self.bind_dn), ("base_dn", self.base_dn), ("user_filter", self.user_filter)];
        body.extend(texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))));
        if !self.urls.is_empty() {
            body.insert("urls".to_owned(), self.urls.into());
        }
        if let Some(password) = password {
            body.insert("bind_password".to_owned(), password.expose().into());
        }
        Ok(Value::Object(body))
    }
}

/// Requests, oldest first, as a conversation is read.
fn exchanges(list: &Value) {
    for exchange in list.as_array().into_iter().flatten().rev() {
        let text = |name: &str| output::text_at(exchange, name);
        output::line(&format!("{}  {} {} -> {}", text("at"), text("method"), text("path"), text("status")));
        if exchange.get("detail").is_some() {
            let kind = exchange.get("scim_type").map(|_| format!("{}: ", text("scim_type"))).unwrap_or_default();
            output::line(&format!("    {kind}{}", text("detail")));
        }
        if let Some(body) = exchange.get("body") {
            output::line(&format!("    sent: {}", escaped(&body.to_string())));
        }
        for changed in exchange.get("changed").and_then(Value::as_array).into_iter().flatten() {
            let target = changed.get("target").unwrap_or(&Value::Null);
            let name = ["username", "name", "id"].iter().find_map(|name| target.get(*name)?.as_str());
            output::line(&format!("    {} {}", output::text_at(changed, "action"), name.unwrap_or_default()));
            for change in changed.get("changes").and_then(Value::as_array).into_iter().flatten() {
                let part = |name: &str| output::text_at(change, name);
                output::line(&format!("        {}: {} -> {}", part("attribute"), part("old"), part("new")));
            }
        }
    }
}

const RUNS: &[(&str, &str)] = &[
    ("ID", "id"),
    ("WHEN", "started_at"),
    ("OF", "cause"),
    ("CAME TO", "outcome"),
    ("READ", "counts.read"),
    ("MADE", "counts.create"),
    ("CHANGED", "counts.update"),
    ("DISABLED", "counts.disable"),
    ("ENABLED", "counts.enable"),
    ("JOINED", "counts.join"),
    ("LEFT", "counts.leave"),
    ("CONFLICTS", "counts.conflict"),
    ("SKIPPED", "counts.skipped"),
    ("WHY", "outcome.why"),
];

pub(super) async fn run(source: Source, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let path = |source: &str, what: &str| format!("/api/v1/sources/{}/{what}", encode(source));
    let report = |answer: Value| {
        show(&answer, json, test_report)?;
        let passed = answer.get("passed").and_then(Value::as_bool) == Some(true);
        Ok(Exit::fine_if(passed).into())
    };
    match source {
        Source::List => list(client, json).await,
        Source::Test { source, instead } => report(client.post(&path(&source, "test"), instead.body()?).await?),
        Source::Journal { source, failed, limit } => {
            let answer = client.pages(&path(&source, &format!("journal?failed={failed}")), limit, None).await?;
            show(&answer, json, |answer| exchanges(items(answer)))
        }
        Source::Doctor { source } => report(client.post(&path(&source, "doctor"), json!({})).await?),
        Source::Plan { source, full } => {
            let answer = client.post(&path(&source, &format!("plan?limit=1000&full={full}")), json!({})).await?;
            show(&answer, json, preview)
        }
        Source::Sync { source, full } => {
            let answer = sync(client, &source, full).await?;
            show(&answer, json, run_summary)?;
            let outcome = output::text_at(&answer, "outcome.is");
            Ok(if outcome == "failed" { Exit::Failed } else { unless_held(&answer) }.into())
        }
        Source::Runs { source } => {
            let query = source.map(|source| format!("?source={}", encode(&source))).unwrap_or_default();
            let answer = client.get(&format!("/api/v1/runs{query}")).await?;
            show(&answer, json, |answer| output::table(items(answer), RUNS))
        }
        Source::Run { run, limit } => {
            let mut answer = client.get(&format!("/api/v1/runs/{}", encode(&run))).await?;
            let changes = client.pages(&format!("/api/v1/runs/{}/changes", encode(&run)), limit, None).await?;
            if let Some(answer) = answer.as_object_mut() {
                answer.insert("changes".to_owned(), items(&changes).clone());
            }
            show(&answer, json, shown_run)
        }
    }
}

async fn list(client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let answer = client.get("/api/v1/sources").await?;
    let columns = [
        ("ID", "id"),
        ("KIND", "kind"),
        ("ENABLED", "enabled"),
        ("LOGIN", "login"),
        ("LAST RUN", "last_run.started_at"),
        ("CAME TO", "last_run.outcome.is"),
        ("COMPLETE", "complete_at"),
        ("WHY", "last_run.outcome.why"),
    ];
    show(&answer, json, |answer| {
        output::table(items(answer), &columns);
        for source in items(answer).as_array().into_iter().flatten() {
            for server in source.get("servers").and_then(Value::as_array).into_iter().flatten() {
                if server.get("down").is_some_and(|down| !down.is_null()) {
                    let (url, why) = (output::text_at(server, "url"), output::text_at(server, "down.why"));
                    output::line(&format!("{}: {url} is passed by: {why}", output::text_at(source, "id")));
                }
            }
        }
    })
}

/// Runs a pass and waits for its end, however long it takes; on a terminal it says how far it is.
async fn sync(client: &Client, source: &str, full: bool) -> anyhow::Result<Value> {
    let run = format!("/api/v1/sources/{}/sync?full={full}", encode(source));
    let is_watched = std::io::stderr().is_terminal();
    let running = client.post(&run, json!({}));
    tokio::pin!(running);
    let answer = loop {
        tokio::select! {
            answer = &mut running => break answer?,
            // The first look must not come before the pass has begun.
            followed = follow(client, source, is_watched), if is_watched => drop(followed),
        }
        tokio::time::sleep(std::time::Duration::from_millis(200)).await;
    };
    if is_watched {
        clear();
    }
    match answer.get("running") {
        None => Ok(answer),
        Some(running) => {
            let run = output::text_at(running, "run");
            ended(client, source, &run, is_watched).await
        }
    }
}

/// Waits for the end of a run of a source, and gives its record.
pub(super) async fn ended(client: &Client, source: &str, run: &str, is_watched: bool) -> anyhow::Result<Value> {
    let last = loop {
        if let Some(last) = follow(client, source, is_watched).await? {
            break last;
        }
    };
    if is_watched {
        clear();
    }
    // Another one may have begun and ended since.
    if output::text_at(&last, "id") == run {
        Ok(last)
    } else {
        client.get(&format!("/api/v1/runs/{}", encode(run))).await
    }
}

/// Follows the pass under way to its end, and gives its record; nothing where the daemon wants to be asked again.
async fn follow(client: &Client, source: &str, is_watched: bool) -> anyhow::Result<Option<Value>> {
    let mut body = client.stream(&format!("/api/v1/sources/{}/progress", encode(source))).await?;
    let mut text = String::new();
    while let Some(frame) = body.frame().await {
        let Ok(piece) = frame?.into_data() else { continue };
        text.push_str(&String::from_utf8_lossy(&piece));
        while let Some((event, rest)) = text.split_once("\n\n") {
            let data = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or_default();
            let data: Value = serde_json::from_str(data)?;
            if event.starts_with("event: end") {
                return Ok(Some(data));
            }
            if is_watched {
                tell(&data);
            }
            text = rest.to_owned();
        }
    }
    Ok(None)
}

/// One line that is written over by the next.
fn tell(progress: &Value) {
    let number = |name: &str| output::number(progress.get(name).and_then(Value::as_u64).unwrap_or_default());
    let expected = match progress.get("expected").and_then(Value::as_u64) {
        Some(expected) => format!(" of about {}", output::number(expected)),
        None => String::new(),
    };
    let left = match progress.get("left_milliseconds").and_then(Value::as_u64) {
        Some(left) => format!(", about {} s left", left / 1_000),
        None => String::new(),
    };
    let (read, planned, written, rate) = (number("read"), number("planned"), number("written"), number("rate"));
    let line = format!("{read}{expected} read ({rate}/s), {planned} changes planned, {written} written{left}");
    drop(write!(std::io::stderr().lock(), "\r\x1b[K{line}"));
}

fn clear() {
    drop(write!(std::io::stderr().lock(), "\r\x1b[K"));
}

fn shown_run(answer: &Value) {
    let mut run = answer.clone();
    if let Some(run) = run.as_object_mut() {
        for list in ["changes", "skipped", "conflicts", "counts"] {
            run.remove(list);
        }
    }
    output::card(&run);
    output::line("");
    run_summary(answer);
    for line in answer.get("changes").and_then(Value::as_array).into_iter().flatten() {
        let target = ["target.username", "target.name"].map(|path| output::text_at(line, path));
        let target = target.iter().find(|name| *name != "-").cloned().unwrap_or_default();
        output::line(&format!("{target}: {} ({})", output::text_at(line, "action"), output::text_at(line, "reason")));
        for change in line.get("changes").and_then(Value::as_array).into_iter().flatten() {
            let (old, new) = (output::text_at(change, "old"), output::text_at(change, "new"));
            output::line(&format!("    {}: {old} -> {new}", output::text_at(change, "attribute")));
        }
    }
}

fn test_report(answer: &Value) {
    let columns =
        [("STEP", "step"), ("PASSED", "passed"), ("MS", "milliseconds"), ("SETTING", "setting"), ("", "text")];
    output::table(answer.get("steps").unwrap_or(&Value::Null), &columns);
    output::line("");
    let columns = [
        ("SAMPLE", "username"),
        ("NAME", "name"),
        ("EMAIL", "email"),
        ("ACTIVE", "active"),
        ("FOR NOW", "passing"),
        ("ENTRY", "entry"),
    ];
    output::table(answer.get("samples").unwrap_or(&Value::Null), &columns);
}

fn preview(answer: &Value) {
    super::plan::shown_items(items(answer));
    output::line(&output::text_at(answer, "how"));
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

/// How many of what.
pub(super) fn counts(answer: &Value) {
    let count = |name: &str| output::text_at(answer, &format!("counts.{name}"));
    output::line(&format!(
        "{} read: {} new, {} changed, {} enabled, {} disabled, {} removed, {} unchanged, {} conflicts, {} skipped",
        count("read"),
        count("create"),
        count("update"),
        count("enable"),
        count("disable"),
        count("remove"),
        count("unchanged"),
        count("conflict"),
        count("skipped"),
    ));
    if !["0", "-"].contains(&count("expire").as_str()) {
        output::line(&format!("{} of the changed expire within a day", count("expire")));
    }
    let of_groups = ["create_groups", "update_groups", "remove_groups", "join", "leave"].map(count);
    if of_groups.iter().any(|count| count != "0" && count != "-") {
        let [new, changed, removed, join, leave] = of_groups;
        output::line(&format!(
            "groups: {new} new, {changed} changed, {removed} removed; {join} memberships begin, {leave} end"
        ));
    }
}
