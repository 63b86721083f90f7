//! `restore`, `import` and `compact`: they work on a store that no daemon runs on.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::output;
use crate::config::Loaded;
use crate::store::upkeep;

#[derive(Args)]
pub(super) struct Restore {
    /// The backup or export
    file: PathBuf,
    /// The seal key of the file's time, where the folder does not have it: it is copied there
    #[arg(long, value_name = "FILE")]
    seal_key: Option<PathBuf>,
}

pub(super) fn restore(loaded: &Loaded, wish: &Restore, json: bool) -> anyhow::Result<ExitCode> {
    let settings = &loaded.settings.store;
    let restored = upkeep::restore::restore(settings, &wish.file, wish.seal_key.as_deref())?;
    let (header, summary) = (&restored.header, &restored.summary);
    if json {
        output::json(&json!({
            "folder": settings.folder,
            "rows": summary.rows,
            "bytes": summary.content,
            "created_at": header.created_at,
            "schema": header.schema,
        }));
    } else {
        output::line(&format!(
            "{} rows, {} as of {} are in {}",
            output::number(summary.rows),
            output::size(summary.content),
            header.created_at,
            settings.folder.display()
        ));
        output::line("Next: `musterd verify`, then `musterd serve`. What was changed after the backup is not there.");
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn import(loaded: &Loaded, wish: &Restore, json: bool) -> anyhow::Result<ExitCode> {
    let settings = &loaded.settings.store;
    let imported = upkeep::import::import(settings, &wish.file, wish.seal_key.as_deref())?;
    let report = &imported.report;
    if json {
        output::json(&json!({
            "folder": settings.folder,
            "lines": imported.lines,
            "users": report.users,
            "records": report.records,
            "members": report.members,
            "audit_lines": report.audit_lines,
        }));
    } else {
        output::line(&format!(
            "{} lines are in {}: {} users, {} records, {} memberships and {} audit lines, which all hold together",
            output::number(imported.lines),
            settings.folder.display(),
            report.users,
            report.records,
            report.members,
            report.audit_lines
        ));
        output::line("Next: `musterd serve`.");
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn compact(loaded: &Loaded, json: bool) -> anyhow::Result<ExitCode> {
    let done = upkeep::compact::compact(&loaded.settings.store)?;
    if json {
        output::json(&done);
    } else {
        let (rows, before) = (output::number(done.rows), output::size(done.bytes_before));
        if done.bytes_after < done.bytes_before {
            output::line(&format!("{rows} rows took {before} on disk and take {} now", output::size(done.bytes_after)));
        } else {
            output::line(&format!(
                "{rows} rows take {before} on disk; a fresh copy takes no less: nothing was changed"
            ));
        }
    }
    Ok(ExitCode::SUCCESS)
}
