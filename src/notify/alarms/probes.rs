//! Who looks for what needs a person. Each look reads a bounded number of rows, and writes nothing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::finding::{Finding, Kind};
use crate::base::certificates::SeenCertificates;
use crate::base::clock::plus;
use crate::base::id::{PlanId, RunId, SourceId};
use crate::directory::message::Body;
use crate::directory::plan::{Cause, Outcome, Plan, PlanStatus};
use crate::directory::policy::days;
use crate::notify::templates::one_line;
use crate::store::tx::Reads;
use crate::store::{Store, StoreError, alarms, runs, webhooks};
use crate::tasks::Status;
use crate::web::tls::ends_of;

/// An endpoint that takes nothing for longer is told.
const WEBHOOK_WAITS: Duration = Duration::from_secs(10 * 60);
/// So long before its end a certificate is told of,
const CERTIFICATE_FIRST: Duration = days(21);
/// once more so long before, and from then on daily.
const CERTIFICATE_DAILY: Duration = days(7);
/// Most runs that are looked through for the last one of each source.
const RUNS: usize = 1_000;

/// Somebody who looks.
pub trait Probe: Send + Sync {
    /// What it may find. Where it cannot look, alarms of these kinds stay as they are.
    fn kinds(&self) -> &[Kind];

    /// Does it know of this one whether it is over?
    fn can_tell(&self, _of: &str, _now: Timestamp) -> bool {
        true
    }

    /// What needs a person now.
    ///
    /// # Errors
    /// When the store cannot read.
    fn look(&self, store: &Store, now: Timestamp) -> Result<Vec<Finding>, StoreError>;
}

/// What tells of background work.
pub type Tasks = Arc<dyn Fn() -> BTreeMap<String, Status> + Send + Sync>;

/// Plans that wait.
pub struct HeldRuns;

impl Probe for HeldRuns {
    fn kinds(&self) -> &[Kind] {
        &[Kind::RunHeld]
    }

    fn look(&self, store: &Store, _: Timestamp) -> Result<Vec<Finding>, StoreError> {
        let view = store.view();
        let plans = runs::list_plans(&view)?;
        // Of several that wait for one source the newest is told.
        let mut held: BTreeMap<&str, &Plan> = BTreeMap::new();
        for plan in plans.iter().filter(|plan| plan.status == PlanStatus::Held) {
            held.entry(plan.cause.name()).or_insert(plan);
        }
        let finding = |(of, plan): (&str, &Plan)| {
            let (id, why) = (plan.id, plan.held_because.clone());
            let before = alarms::get(&view, Kind::RunHeld.name(), of)?.map(|alarm| alarm.about).unwrap_or_default();
            let detail = format!("a run of {of} is held: {}. musterd plan show {id}", one_line(&why));
            let body = Body::RunHeld { of: of.to_owned(), plan: id, why };
            let (about, is_news) = (id.to_string(), is_settled(&before, id, &plans));
            Ok(Finding { body, about, is_news, ..Finding::new(Kind::RunHeld, of, detail) })
        };
        held.into_iter().map(finding).collect()
    }
}

/// Was the plan of which was told before decided? One that the next reading put another in place of still waits in that.
fn is_settled(before: &str, now: PlanId, plans: &[Plan]) -> bool {
    let is_replaced = |plan: &Plan| matches!(plan.status, PlanStatus::Superseded { .. });
    let is_open = || plans.iter().any(|plan| plan.id.to_string() == before && is_replaced(plan));
    !before.is_empty() && before != now.to_string() && !is_open()
}

/// Sources whose last run failed.
pub struct FailedRuns {
    /// The sources that are read.
    sources: Vec<SourceId>,
    /// Tells whether a later run found nothing to do: such a one leaves no record.
    tasks: Tasks,
    /// The newest run that was looked at, and the last one of each source: most looks find no newer one.
    last: Mutex<(Option<RunId>, BTreeMap<SourceId, Last>)>,
}

/// The last run of a source.
#[derive(Clone)]
struct Last {
    started_at: Timestamp,
    /// Why it failed, if it did.
    failed: Option<String>,
}

impl FailedRuns {
    /// Looks at the runs of these sources.
    #[must_use]
    pub fn new(sources: Vec<SourceId>, tasks: Tasks) -> Self {
        Self { sources, tasks, last: Mutex::default() }
    }

    fn last_runs(&self, reads: &dyn Reads) -> Result<BTreeMap<SourceId, Last>, StoreError> {
        let newest = runs::list_runs(reads, None, 1)?.pop().map(|run| run.id);
        let mut kept = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.0 != newest {
            let mut last = BTreeMap::new();
            for run in runs::list_runs(reads, None, RUNS)? {
                let Cause::Source { id } = run.cause else { continue };
                let failed = if let Outcome::Failed { why } = run.outcome { Some(why) } else { None };
                last.entry(id).or_insert(Last { started_at: run.started_at, failed });
            }
            *kept = (newest, last);
        }
        Ok(kept.1.clone())
    }
}

impl Probe for FailedRuns {
    fn kinds(&self) -> &[Kind] {
        &[Kind::RunFailed]
    }

    fn look(&self, store: &Store, _: Timestamp) -> Result<Vec<Finding>, StoreError> {
        let tasks = (self.tasks)();
        let last = self.last_runs(&store.view())?;
        let finding = |source: &SourceId| {
            let run = last.get(source)?;
            let why = run.failed.as_ref()?;
            let task = tasks.get(&format!("sync:{source}"));
            let is_over = task.is_some_and(|task| {
                task.last_result.as_ref().is_some_and(Result::is_ok) && task.last_run > Some(run.started_at)
            });
            let detail = format!(
                "the last run of {source} failed: {}. Nobody was disabled by it. musterd source test {source}",
                one_line(why)
            );
            let body = Body::RunFailed { of: source.to_string(), why: why.clone() };
            (!is_over).then(|| Finding { body, ..Finding::new(Kind::RunFailed, source.as_str(), detail) })
        };
        Ok(self.sources.iter().filter_map(finding).collect())
    }
}

/// Background work, but for the passes of sources, that failed.
pub struct FailedTasks(
    /// Tells of it.
    pub Tasks,
);

impl Probe for FailedTasks {
    fn kinds(&self) -> &[Kind] {
        &[Kind::TaskFailed]
    }

    fn look(&self, store: &Store, _: Timestamp) -> Result<Vec<Finding>, StoreError> {
        // One cause is enough where everything fails by it.
        if store.fault().is_some() {
            return Ok(Vec::new());
        }
        let finding = |(name, status): (String, Status)| {
            let why = status.last_result?.err().filter(|_| !name.starts_with("sync:"))?;
            let detail = format!("the background task {name} failed: {}. musterd tasks", one_line(&why));
            Some(Finding::new(Kind::TaskFailed, &name, detail))
        };
        Ok((self.0)().into_iter().filter_map(finding).collect())
    }
}

/// A store that cannot write, or soon cannot.
pub struct Storage {
    /// Where it lies.
    pub folder: PathBuf,
    /// With less free on the disk nothing is written.
    pub reserve: u64,
}

impl Probe for Storage {
    fn kinds(&self) -> &[Kind] {
        &[Kind::Storage]
    }

    fn look(&self, store: &Store, _: Timestamp) -> Result<Vec<Finding>, StoreError> {
        let fault = store.fault().or_else(|| store.view().get(b"").err());
        let little = || {
            let free = crate::store::free_bytes(&self.folder)?;
            let wanted = self.reserve.max(1 << 20).saturating_mul(4);
            let (folder, mib) = (self.folder.display(), free >> 20);
            let detail = format!(
                "only {mib} MiB are free for {folder}; with less than {} MiB nothing is written: free some",
                self.reserve.max(1 << 20) >> 20
            );
            (free < wanted).then_some(detail)
        };
        let fault =
            fault.map(|fault| Finding::new(Kind::Storage, "", one_line(&format!("nothing can be written: {fault}"))));
        // A cause of its own: who was told today that little is free must hear that nothing is.
        let little = little().map(|detail| Finding::new(Kind::Storage, "room", one_line(&detail)));
        Ok(fault.into_iter().chain(little).collect())
    }
}

/// A file with certificates.
#[derive(Clone, Debug)]
pub enum CertificateFile {
    /// Those of authorities. One that is replaced stays in the file beside the next for a while: the last to end counts.
    Authorities(PathBuf),
    /// Our own, and then those of whoever signed it: the first counts.
    Own(PathBuf),
}

impl CertificateFile {
    /// Until when it serves; `None` where it cannot be read.
    fn end(&self) -> Option<Timestamp> {
        match self {
            Self::Authorities(path) => ends_of(path).into_iter().max(),
            Self::Own(path) => ends_of(path).into_iter().next(),
        }
    }
}

/// Certificates that end soon: those that servers showed, and those that the settings name.
pub struct Certificates {
    /// What servers showed.
    pub seen: SeenCertificates,
    /// Files with certificates, by the key of the settings.
    pub files: Vec<(String, CertificateFile)>,
    /// When the daemon began to look.
    pub began: Timestamp,
}

impl Probe for Certificates {
    fn kinds(&self) -> &[Kind] {
        &[Kind::Certificate]
    }

    /// After a start nobody knows what a server shows before it was connected to. One that is not for a day is no more.
    fn can_tell(&self, of: &str, now: Timestamp) -> bool {
        let is_seen = self.seen.list().iter().any(|(place, _)| place == of);
        is_seen || self.files.iter().any(|(key, _)| key == of) || plus(self.began, days(1)) <= now
    }

    fn look(&self, _: &Store, now: Timestamp) -> Result<Vec<Finding>, StoreError> {
        let shown = self.seen.list().into_iter().filter_map(|(place, end)| {
            ends_soon(&place, end, now, &format!("the certificate that {place} shows"), "renew it there")
        });
        let files = self.files.iter().filter_map(|(key, file)| {
            ends_soon(key, file.end()?, now, &format!("the certificate in {key}"), "put the next one into the file")
        });
        Ok(shown.chain(files).collect())
    }
}

fn ends_soon(of: &str, end: Timestamp, now: Timestamp, what: &str, remedy: &str) -> Option<Finding> {
    if end > plus(now, CERTIFICATE_FIRST) {
        return None;
    }
    let (verb, then) = if end <= now { ("ended", " and nothing can be read or sent there") } else { ("ends", "") };
    let detail = format!("{what} {verb} at {}{then}: {remedy}", end.strftime("%Y-%m-%d %H:%M UTC"));
    let again = if end <= plus(now, CERTIFICATE_DAILY) { days(1) } else { days(14) };
    Some(Finding { again, ..Finding::new(Kind::Certificate, of, detail) })
}

/// Endpoints that take no events.
pub struct StuckWebhooks(
    /// The names of the webhooks.
    pub Vec<String>,
);

impl Probe for StuckWebhooks {
    fn kinds(&self) -> &[Kind] {
        &[Kind::Webhook]
    }

    fn look(&self, store: &Store, now: Timestamp) -> Result<Vec<Finding>, StoreError> {
        let mut found = Vec::new();
        for name in &self.0 {
            let Some(standing) = webhooks::get(&store.view(), name)? else { continue };
            let said = standing.last_answer.as_ref().map(|answer| one_line(&answer.said)).unwrap_or_default();
            let test = format!("musterd webhook test {name}");
            if standing.gone.is_some() {
                let detail = format!("the webhook {name} is stopped: {said}. Take it out of the settings, or: {test}");
                found.push(Finding::new(Kind::Webhook, name, detail));
            } else if let Some(since) = standing.failing_since.filter(|since| plus(*since, WEBHOOK_WAITS) <= now) {
                let since = since.strftime("%Y-%m-%d %H:%M UTC");
                let detail = format!("the webhook {name} has taken no events since {since}: {said}. {test}");
                found.push(Finding::new(Kind::Webhook, name, detail));
            }
        }
        Ok(found)
    }
}

/// Looks by a function, which says what is wrong in words.
pub struct By<F> {
    /// What it may find.
    pub kind: Kind,
    /// Looks.
    pub look: F,
}

impl<F> Probe for By<F>
where
    F: Fn(&dyn Reads) -> Result<Option<String>, StoreError> + Send + Sync,
{
    fn kinds(&self) -> &[Kind] {
        std::slice::from_ref(&self.kind)
    }

    fn look(&self, store: &Store, _: Timestamp) -> Result<Vec<Finding>, StoreError> {
        let found = (self.look)(&store.view())?;
        Ok(found.map(|detail| Finding::new(self.kind, "", one_line(&detail))).into_iter().collect())
    }
}
