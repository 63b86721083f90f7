//! `backup` and `export`: what the running daemon's store holds, in one file. What comes of a backup is checked to its
//! last byte before it gets the name that was asked for.

use std::process::ExitCode;

use anyhow::anyhow;
use serde_json::json;

use super::client::Client;
use super::download::{Target, Wanted, count_lines, take};
use super::output;
use crate::store::upkeep::reader::Reader;

/// Takes a backup.
pub(super) async fn run(target: Target, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    let wanted = Wanted {
        path: "/api/v1/backup".to_owned(),
        what: "the backup",
        is_text: false,
        read: |input: &mut dyn std::io::Read| {
            let checked = Reader::open(input).and_then(Reader::check);
            checked.map_err(|fault| anyhow!("what the daemon sent {fault}"))
        },
    };
    let checked = take(client, &target, wanted).await?;
    let summary = &checked.summary;
    let told = json!({
        "file": target.file,
        "rows": summary.rows,
        "bytes": summary.bytes,
        "created_at": checked.header.created_at,
        "schema": checked.header.schema,
    });
    tell(&target, json.then_some(told), Some(("rows", summary.rows)), summary.bytes);
    Ok(ExitCode::SUCCESS)
}

/// Takes everything as JSON lines.
pub(super) async fn export(target: Target, client: &Client, json: bool) -> anyhow::Result<ExitCode> {
    lines(target, client, "/api/v1/export".to_owned(), json).await
}

/// Takes JSON lines from this path.
pub(super) async fn lines(target: Target, client: &Client, path: String, json: bool) -> anyhow::Result<ExitCode> {
    counted(target, client, Wanted { path, what: "the export", is_text: true, read: count_lines }, json).await
}

/// Takes what is counted in lines and bytes; what has no lines tells none.
pub(super) async fn counted(
    target: Target,
    client: &Client,
    wanted: Wanted<impl FnOnce(&mut dyn std::io::Read) -> anyhow::Result<(u64, u64)> + Send + 'static>,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let is_text = wanted.is_text;
    let (lines, bytes) = take(client, &target, wanted).await?;
    let told = json!({"file": target.file, "lines": is_text.then_some(lines), "bytes": bytes});
    tell(&target, json.then_some(told), is_text.then_some(("lines", lines)), bytes);
    Ok(ExitCode::SUCCESS)
}

/// Tells what came, beside it.
fn tell(target: &Target, for_programs: Option<serde_json::Value>, number: Option<(&str, u64)>, bytes: u64) {
    let file = if target.is_output() { "the output".to_owned() } else { target.file.display().to_string() };
    let number = number.map(|(unit, number)| format!("{} {unit}, ", output::number(number))).unwrap_or_default();
    let told = format!("{number}{} in {file}", output::size(bytes));
    match for_programs {
        _ if target.is_output() => output::complain(&told),
        Some(value) => output::json(&value),
        None => output::line(&told),
    }
}
