//! `musterd user import`: a file of users, row by row.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use serde_json::json;

use super::bulk::{ended, told};
use crate::cli::client::{Client, encode};
use crate::cli::exit::{Exit, Failure};
use crate::exchange::Format;

/// Which file, and how it is taken.
#[derive(Args)]
pub(in crate::cli) struct Import {
    /// The file: CSV, XLSX or LDIF
    #[arg(required_unless_present = "follow")]
    file: Option<PathBuf>,
    /// csv, xlsx or ldif [default: as the file's name ends]
    #[arg(long)]
    format: Option<String>,
    /// Only tell what would become of each row
    #[arg(long)]
    dry_run: bool,
    /// Take the good rows though others are bad; without it, one bad row keeps all out
    #[arg(long)]
    apply_good: bool,
    /// By what a row names its user: username, or id, which also renames
    #[arg(long, default_value = "username")]
    by: String,
    /// What becomes of users that are not there yet: create or refuse
    #[arg(long, default_value = "create")]
    on_missing: String,
    /// What becomes of users that are there: update or refuse
    #[arg(long, default_value = "update")]
    on_existing: String,
    /// For the audit trail
    #[arg(long)]
    reason: Option<String>,
    /// How many rows are meant; with any other number nothing is written
    #[arg(long, value_name = "NUMBER")]
    expect: Option<u64>,
    /// The digest that a dry run showed; where the plan is another by now, nothing is written
    #[arg(long)]
    digest: Option<String>,
    /// Do not wait for the end
    #[arg(long)]
    no_wait: bool,
    /// Wait for the end of an import that is under way, by the id of its run
    #[arg(long, value_name = "RUN", conflicts_with = "file")]
    follow: Option<String>,
}

/// Imports a file, or waits for one.
pub(super) async fn run(wish: Import, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let Some(file) = &wish.file else {
        let run = wish.follow.unwrap_or_default();
        let answer = ended(client, json!({"status": "running", "run": run})).await?;
        return told(&answer, json);
    };
    let format = match &wish.format {
        Some(name) => Format::by_name(name),
        None => file.extension().and_then(|end| Format::by_name(&end.to_string_lossy())),
    };
    let Some(format) = format else {
        return Err(Failure::new(Exit::Usage, "the format must be csv, xlsx or ldif: say --format").into());
    };
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    // The command waits by itself: so it can say how far it is.
    let wait = wish.dry_run;
    let mode = if wish.apply_good { "good" } else { "all" };
    let mut path = format!(
        "/api/v1/users/import?format={}&mode={mode}&by={}&on_missing={}&on_existing={}&dry_run={}&wait={wait}",
        format.name(),
        encode(&wish.by),
        encode(&wish.on_missing),
        encode(&wish.on_existing),
        wish.dry_run,
    );
    path.extend(wish.reason.map(|reason| format!("&reason={}", encode(&reason))));
    path.extend(wish.expect.map(|expect| format!("&expect={expect}")));
    path.extend(wish.digest.map(|digest| format!("&digest={}", encode(&digest))));
    let answer = match client.post_file(&path, bytes).await? {
        Ok(answer) if wish.no_wait => answer,
        Ok(answer) => ended(client, answer).await?,
        Err(report) => report,
    };
    told(&answer, json)
}
