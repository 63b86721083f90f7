//! What is told once and needs nobody: the first complete reading of a source is done, or the import of a file.

use jiff::Timestamp;

use super::rules::{Alarms, Step};
use crate::base::clock::plus;
use crate::base::id::SourceId;
use crate::directory::message::Body;
use crate::directory::plan::{Cause, Outcome, Run};
use crate::directory::policy::days;
use crate::store::alarms::{self, Alarm};
use crate::store::{Store, StoreError, readings, runs};

/// The kind under which it is remembered that it was told.
const KIND: &str = "import_done";
/// Runs of one source that are looked through for its first.
const RUNS: usize = 100;
/// The last runs, of whatever, among which an import that was not told yet is looked for.
const LAST: usize = 50;

/// The first complete reading of each of these sources.
pub struct FirstReadings(
    /// The sources that are read.
    pub Vec<SourceId>,
);

impl FirstReadings {
    /// What is to be told of now, and to be remembered. A first reading of long ago is only remembered, and so is any
    /// where nobody is told by mail.
    ///
    /// # Errors
    /// When the store cannot read.
    pub(super) fn look(
        &self,
        store: &Store,
        known: &Alarms,
        mails: bool,
        now: Timestamp,
    ) -> Result<Vec<Step>, StoreError> {
        let mut steps = Vec::new();
        for source in &self.0 {
            let view = store.view();
            let is_told = known.contains_key(&alarms::cause(KIND, source.as_str()));
            if is_told || readings::get(&view, source)?.complete_at.is_none() {
                continue;
            }
            let runs = runs::list_runs(&view, Some(&Cause::Source { id: source.clone() }), RUNS)?;
            let first = runs.iter().rev().find(|run| run.outcome == Outcome::Applied);
            let fresh = first.filter(|run| mails && runs.len() < RUNS && plus(run.ended_at, days(1)) > now);
            let mail = fresh.map(|run| Body::ImportDone {
                of: source.to_string(),
                created: run.counts.create,
                changed: run.counts.update.saturating_add(run.counts.enable),
                skipped: run.counts.skipped.saturating_add(run.counts.conflict),
            });
            let detail = format!("the first complete reading of {source} is done");
            let mailed_at = mail.is_some().then_some(now);
            let (kind, of) = (KIND.to_owned(), source.to_string());
            let alarm = Alarm { kind, of, detail, about: String::new(), since: now, ended_at: Some(now), mailed_at };
            steps.push(Step { alarm, remove: false, mail, turn: None });
        }
        steps.extend(imports(store, known, mails, now)?);
        Ok(steps)
    }
}

/// Imports of files that are done and were not told yet. The row remembers the last one that was.
fn imports(store: &Store, known: &Alarms, mails: bool, now: Timestamp) -> Result<Vec<Step>, StoreError> {
    let of = Cause::Import.name();
    let told = known.get(&alarms::cause(KIND, of)).map(|alarm| alarm.about.as_str()).unwrap_or_default();
    let runs = runs::list_runs(&store.view(), None, LAST)?;
    let is_done = |run: &&Run| run.cause == Cause::Import && run.outcome == Outcome::Applied && !run.counts.is_quiet();
    let news = runs.iter().rev().filter(is_done).filter(|run| *run.id.to_string() > *told);
    let step = |run: &Run| {
        let is_fresh = mails && plus(run.ended_at, days(1)) > now;
        let mail = is_fresh.then(|| Body::ImportDone {
            of: of.to_owned(),
            created: run.counts.create,
            changed: run.counts.changes().saturating_sub(run.counts.create),
            skipped: run.counts.skipped,
        });
        let alarm = Alarm {
            kind: KIND.to_owned(),
            of: of.to_owned(),
            detail: "the import of a file is done".to_owned(),
            about: run.id.to_string(),
            since: now,
            ended_at: Some(now),
            mailed_at: is_fresh.then_some(now),
        };
        Step { alarm, remove: false, mail, turn: None }
    };
    Ok(news.map(step).collect())
}
