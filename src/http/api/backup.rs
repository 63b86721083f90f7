//! Everything that is stored, as a stream that is made while it is read: as a backup of rows, or exported as lines.

use std::io::Write;

use axum::extract::State;
use axum::response::Response;
use tokio::task::spawn_blocking;

use super::stream::{LINES, stream};
use crate::directory::audit::{Author, Target};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::state::App;
use crate::store::audit::{self, Entry};
use crate::store::tx::Tx;
use crate::store::upkeep::backup::{Backup, BackupError};
use crate::store::{StoreError, export as lines};

/// Everything that is stored at this moment. It is noted in the audit trail first, whatever becomes of it.
pub async fn backup(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    note(&app, caller.author(), "store.backed_up").await?;
    let store = app.store.clone();
    let backup = spawn_blocking(move || Backup::begin(&store)).await.unwrap_or(Err(StoreError::Stopped))?;
    Ok(stream("application/octet-stream", "a backup", |output| backup.write(output).map(|summary| summary.rows)))
}

/// Everything that is stored at this moment, in the form that no engine and no version changes. It is noted in the
/// audit trail before a byte of it is out, and is not in it itself: an export of what was imported is the same.
pub async fn export(State(app): State<App>, caller: Caller) -> Result<Response, Problem> {
    let store = app.store.clone();
    let snapshot = spawn_blocking(move || store.snapshot()).await.unwrap_or(Err(StoreError::Stopped))?;
    note(&app, caller.author(), "store.exported").await?;
    Ok(stream(LINES, "an export", move |output| {
        lines::export(&snapshot, |line| writeln!(output, "{line}").map_err(BackupError::from))
    }))
}

async fn note(app: &App, author: Author, action: &'static str) -> Result<(), StoreError> {
    let note = move |tx: &mut Tx<'_>| audit::append(tx, &author, Entry::new(action, Target::Directory));
    app.store.write::<_, StoreError>(note).await
}
