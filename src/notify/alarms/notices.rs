//! What is told once and needs nobody: the first complete reading of a source is done.

use jiff::Timestamp;

use super::rules::{Alarms, Step};
use crate::base::clock::plus;
use crate::base::id::SourceId;
use crate::directory::message::Body;
use crate::directory::plan::{Cause, Outcome};
use crate::directory::policy::days;
use crate::store::alarms::{self, Alarm};
use crate::store::{Store, StoreError, readings, runs};

/// The kind under which it is remembered that it was told.
const KIND: &str = "import_done";
/// Runs of one source that are looked through for its first.
const RUNS: usize = 100;

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
        Ok(steps)
    }
}
