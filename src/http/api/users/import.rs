//! A file of users: read, looked at row by row, and only then written; to its end though its caller hangs up.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use serde_json::json;
use tokio::sync::OwnedMutexGuard;

use self::options::{Mode, Options};
use self::row::Rows;
use super::gate::CallersRights;
use super::many::{self, Watched};
use crate::directory::field::FieldError;
use crate::directory::plan::{Cause, Fault};
use crate::exchange::{self, FileError, Format, Limits};
use crate::http::caller::Caller;
use crate::http::error::Problem;
use crate::http::extract::{Parameters, read_file};
use crate::http::state::App;
use crate::store::StoreError;
use crate::sync::bulk::{Begun, Draft, Planner, Progress};

mod options;
mod password;
mod row;

/// Creates and changes users as a file says.
pub async fn import(
    State(app): State<App>,
    caller: Caller,
    parameters: Parameters,
    request: Request,
) -> Result<Response, Problem> {
    let options = Options::parse(&parameters)?;
    let format = format_of(&parameters, &request)?;
    let place = app.bulk.receiving_turn().ok_or_else(|| many::busy("other files come in: try again"))?;
    let file = read_file(request, &app).await?;
    drop(place);
    // Only now: who sends slowly keeps nobody else out.
    let turn = app.bulk.turn().ok_or_else(|| many::busy("another file is being read: try again when it is done"))?;
    let author = caller.author().because(options.reason.clone());
    let rights = Arc::new(CallersRights { app: app.clone(), caller });
    let import = Import { rights, options: Arc::new(options), format, file, turn: Arc::new(turn) };
    if import.options.dry_run {
        let planned = import.plan(Arc::default()).await?;
        return preview(&app, &import.options, planned);
    }
    let begun = app.bulk.begin(Cause::Import, &author).await?;
    let (run, wait) = (begun.id, import.options.wait);
    many::answer(&app, run, wait, async move { import.carry_out(begun).await }).await
}

/// The format that is named, or that of the body's type.
fn format_of(parameters: &Parameters, request: &Request) -> Result<Format, Problem> {
    if let Some(name) = parameters.get("format") {
        return Format::by_name(name)
            .ok_or_else(|| Problem::field("format", "unknown_format", "is no format of files"));
    }
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    kind.and_then(Format::by_media_type).ok_or_else(|| {
        let detail = "say which format the file has, by format or by its Content-Type";
        Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
    })
}

fn preview(app: &App, options: &Options, planned: Result<Draft, FileError>) -> Result<Response, Problem> {
    let draft = planned.map_err(|error| unreadable(&error))?;
    options.seen.check(&draft)?;
    Ok(many::preview(app.bulk.preview(Cause::Import, draft)?))
}

fn unreadable(error: &FileError) -> Problem {
    Problem::bad_request(error.code(), error.to_string())
}

/// A file on its way.
struct Import {
    rights: Arc<CallersRights>,
    options: Arc<Options>,
    format: Format,
    file: Bytes,
    /// Held until the end, also by the thread that reads: no other file is read meanwhile.
    turn: Arc<OwnedMutexGuard<()>>,
}

impl Import {
    async fn carry_out(self, begun: Begun) -> Result<Response, Problem> {
        let bulk = self.rights.app.bulk.clone();
        let planned = match self.plan(begun.progress.clone()).await {
            Ok(planned) => planned.map_err(|error| unreadable(&error)),
            Err(error) => Err(error.into()),
        };
        let seen = |draft: Draft| self.options.seen.check(&draft).map(|()| draft);
        let draft = match planned.and_then(seen) {
            Ok(draft) => draft,
            Err(problem) => {
                bulk.fail(begun, problem.detail.clone()).await?;
                return Err(problem);
            }
        };
        let faulty = draft.counts.skipped;
        if faulty == 0 || self.options.mode == Mode::Good {
            let sets_passwords = draft.sets_passwords;
            let settled = bulk.settle(begun, draft).await;
            drop(self.turn);
            let report = settled?;
            if sets_passwords {
                many::forgive(&self.rights.app, &report.run).await?;
            }
            return Ok(many::report(report));
        }
        let why = format!("{faulty} of {} rows cannot be taken: nothing was written", draft.counts.read);
        let report = bulk.refuse(begun, draft, why.clone()).await?;
        let told = many::told(&report.run, report.listed.into_items());
        Err(Problem { more: Some(("report", json!(told))), ..Problem::bad_request("invalid_rows", why) })
    }

    /// Reads the file and looks at every row. Writes nothing.
    async fn plan(&self, progress: Arc<Progress>) -> Result<Result<Draft, FileError>, StoreError> {
        let (rights, options) = (self.rights.clone(), self.options.clone());
        let (format, file) = (self.format, self.file.clone());
        let runtime = tokio::runtime::Handle::current();
        let look = move |watched: &Watched| plan(&rights, &options, (format, &file), watched, &runtime);
        many::plan(self.turn.clone(), progress, look).await
    }
}

/// A fault of a line; one that is about no column names none.
fn of_row(fault: FieldError) -> Fault {
    match fault.field.as_str() {
        "row" => Fault::new(fault.code, fault.message),
        _ => fault.into(),
    }
}

fn plan(
    rights: &CallersRights,
    options: &Options,
    (format, file): (Format, &[u8]),
    watched: &Watched,
    runtime: &tokio::runtime::Handle,
) -> Result<Result<Draft, FileError>, StoreError> {
    let table = match exchange::read(format, file, &Limits::default()) {
        Ok(table) => table,
        Err(error) => return Ok(Err(error)),
    };
    watched.progress()?.expects(table.rows.len());
    let app = &rights.app;
    let reads = app.store.snapshot()?;
    let reason = options.reason.clone();
    let mut planner = Planner::new(&reads, rights, &app.users, reason, app.store.clock().now())?;
    let mut rows = Rows::new(rights, options, &reads, runtime);
    for row in table.rows {
        watched.progress()?.validated();
        match row {
            Ok(row) => rows.plan(row, &mut planner)?,
            Err(error) => {
                let faults = error.faults.into_iter().map(of_row).collect();
                planner.refuse(Some(error.line), "", None, faults)?;
            }
        }
    }
    planner.finish().map(Ok)
}
