//! One pass of one source: read, plan, guard, apply; and the record of it.
//!
//! Reading and planning overlap: the reading waits while the planner is busy. Nothing is written before the guard has
//! seen the whole plan, but for one case: where the directory has nobody of the source there is nothing to lose, and a
//! first reading is written while it is read.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot};

use super::apply::{self, Applied, Applier, Ground};
use super::directory::Directory;
use super::live::Live;
use super::plan::{Draft, Planner};
use super::record::Ended;
use super::rules::Rules;
use crate::base::clock::plus;
use crate::base::id::{ExternalId, RunId, SourceId};
use crate::directory::audit::{Actor, Author};
use crate::directory::conflict::Decision;
use crate::directory::plan::{Cause, Outcome, PlanItem, PlanStatus, Run, Step, Then};
use crate::directory::user::User;
use crate::sources::{Bookmark, Extent, Output, Piece, PullError, PulledUser, Read, Source};
use crate::store::audit;
use crate::store::tx::Tx;
use crate::store::{Store, StoreError, conflicts, readings, runs, users};

/// Batches of pieces that wait for the planner.
const PIECES_WAITING: usize = 8;
/// Batches of changes that wait to be written in a first reading.
const CHANGES_WAITING: usize = 8;
/// Entries of the inbox that are looked up again in a reading of changes.
const INBOX_LOOKED_UP: usize = 50;

/// What a pass needs besides the source.
#[derive(Clone)]
pub struct Pass {
    /// The store.
    pub store: Arc<Store>,
    /// What an administrator decided for it.
    pub rules: Arc<Rules>,
    /// Who watches.
    pub live: Arc<Live>,
}

/// A pass that was planned and not applied.
#[derive(Debug)]
pub struct Preview {
    /// The plan.
    pub draft: Draft,
    /// How the source was read.
    pub how: String,
    /// Why it would be held, if it would.
    pub held: Option<String>,
}

/// What a plan came from.
pub struct Planned {
    /// The plan; what was written while it was read is counted and not in it any more.
    pub draft: Draft,
    /// Conflicts of the inbox that are none any more.
    pub resolved: Vec<ExternalId>,
    /// What the reading proved, or why it did not come to its end.
    pub read: Result<Read, PullError>,
    /// What was written while the source was read.
    pub applied: Option<Applied>,
}

impl Planned {
    /// A plan that comes from no source.
    #[must_use]
    pub fn of(draft: Draft) -> Self {
        let read = Read { extent: Extent::Changes, next: None, how: String::new() };
        Self { draft, resolved: Vec::new(), read: Ok(read), applied: None }
    }
}

/// Where a plan goes on while it is made.
type Sink = mpsc::Sender<Vec<PlanItem>>;

/// How much of the source is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// What is due.
    Due,
    /// Everything.
    Everything,
}

impl Pass {
    /// A pass over a source by these rules.
    #[must_use]
    pub fn new(store: Arc<Store>, rules: Rules) -> Self {
        Self { store, rules: Arc::new(rules), live: Arc::default() }
    }

    /// Where the next reading goes on, and why it does not where it must be a complete one.
    fn since(&self, source: &SourceId, wanted: Wanted, now: Timestamp) -> Result<Option<Bookmark>, StoreError> {
        let reading = readings::get(&self.store.view(), source)?;
        let is_due = reading.complete_at.is_none_or(|at| plus(at, self.rules.complete_every) <= now || at > now);
        if wanted == Wanted::Everything || is_due || reading.needs_complete.is_some() {
            return Ok(None);
        }
        Ok(reading.bookmark.map(Bookmark))
    }

    /// Reads the source and plans, without writing anything.
    ///
    /// # Errors
    /// In words, when the source or the store could not be read.
    pub async fn preview(&self, source: &dyn Source, wanted: Wanted) -> Result<Preview, String> {
        let words = |error: StoreError| error.to_string();
        let began = self.store.clock().now();
        let since = self.since(source.id(), wanted, began).map_err(words)?;
        let planned = self.plan(source, since, began, None).await.map_err(words)?;
        let read = planned.read.map_err(|error| error.to_string())?;
        let cause = Cause::Source { id: source.id().clone() };
        let held = self.must_be_held(&cause, &planned.draft, Some(read.extent)).map_err(words)?;
        Ok(Preview { draft: planned.draft, how: read.how, held })
    }

    /// Reads the source, plans, and applies or holds the plan. Keeps the run.
    ///
    /// # Errors
    /// When the store fails; a source that cannot be read is an [`Outcome`], not an error.
    pub async fn run(&self, source: &dyn Source, wanted: Wanted, by: Author) -> Result<Run, StoreError> {
        let started_at = self.store.clock().now();
        let id = RunId::new(started_at, self.store.rng());
        let runs = runs::list_runs(&self.store.view(), Some(&Cause::Source { id: source.id().clone() }), 20)?;
        self.live.begin(id, runs.iter().map(|run| run.counts.read).max().filter(|read| *read > 0));
        let run = self.follow(id, source, wanted, started_at, by).await;
        self.live.end(run.as_ref().ok());
        run
    }

    async fn follow(
        &self,
        id: RunId,
        source: &dyn Source,
        wanted: Wanted,
        started_at: Timestamp,
        by: Author,
    ) -> Result<Run, StoreError> {
        let cause = Cause::Source { id: source.id().clone() };
        let author = Author { actor: Actor::Source { id: source.id().clone(), run: Some(id) }, ..by.clone() };
        let since = self.since(source.id(), wanted, started_at)?;
        let (trail, sink) = (audit::last(&self.store.view())?, self.may_overlap(source.id())?.then_some(&author));
        let planned = self.plan(source, since, started_at, sink).await?;
        let ended = match &planned.read {
            Ok(read) => {
                let complete_at = (read.extent == Extent::Everything).then_some(started_at);
                let bookmark = read.next.as_ref().map(|bookmark| bookmark.0.clone());
                let then = Then { bookmark, complete_at };
                let how = read.how.clone();
                let extent = Some(read.extent);
                let ended = self.finish(id, &cause, planned, extent, Some(then), &author).await?;
                Ended { how, ..ended }
            }
            Err(error) => {
                let outcome = Outcome::Failed { why: error.to_string() };
                let written = planned.applied.map(|applied| applied.written).unwrap_or_default();
                let counts = planned.draft.counts.with_changes_of(written);
                Ended { outcome, counts, skipped: planned.draft.skipped, ..Ended::default() }
            }
        };
        self.keep(id, cause, started_at, Ended { trail: Some(trail), ..ended }, by).await
    }

    /// Nothing can be lost where the directory has nobody of the source, and no reading was taken back.
    fn may_overlap(&self, source: &SourceId) -> Result<bool, StoreError> {
        let view = self.store.view();
        let nobody = Directory { reads: &view, source }.is_empty()?;
        Ok(self.rules.unique_ids && nobody && readings::get(&view, source)?.undone.is_none())
    }

    /// Reads and plans at once; with an author also writes what is certain.
    async fn plan(
        &self,
        source: &dyn Source,
        since: Option<Bookmark>,
        began: Timestamp,
        author: Option<&Author>,
    ) -> Result<Planned, StoreError> {
        let (output, pieces) = mpsc::channel(PIECES_WAITING);
        let (verdict, ended) = oneshot::channel();
        let (sink, changes) = mpsc::channel(CHANGES_WAITING);
        let inbox = since.is_some();
        let planning = {
            let (pass, id) = (self.clone(), source.id().clone());
            let sink = author.is_some().then_some(sink);
            tokio::task::spawn_blocking(move || pass.take(&id, began, pieces, ended, sink))
        };
        let reading = async {
            let mut read = source.read(since, Output::new(output.clone(), self.live.read.clone())).await;
            if inbox && read.as_ref().is_ok_and(|read| read.extent == Extent::Changes) {
                let looked_up = self.look_into_inbox(source, &output).await;
                read = looked_up.and(read);
            }
            drop(output);
            // A planner that has ended already says why itself.
            let _ = verdict.send(read.as_ref().ok().map(|read| read.extent));
            read
        };
        let writing = async {
            match author {
                Some(author) => self.write_along(source.id(), author, changes).await.map(Some),
                None => Ok(None),
            }
        };
        let (read, written) = tokio::join!(reading, writing);
        let (draft, resolved) = planning.await.map_err(|_| StoreError::Stopped)??;
        Ok(Planned { draft, resolved, read, applied: written? })
    }

    /// Takes a reading piece by piece. Runs on a thread of its own: it reads the directory.
    fn take(
        &self,
        source: &SourceId,
        began: Timestamp,
        mut pieces: mpsc::Receiver<Vec<Piece>>,
        ended: oneshot::Receiver<Option<Extent>>,
        sink: Option<Sink>,
    ) -> Result<(Draft, Vec<ExternalId>), StoreError> {
        let view = self.store.view();
        let mut planner = Planner::new(Directory { reads: &view, source }, &self.rules, began)?;
        while let Some(batch) = pieces.blocking_recv() {
            planner.take(batch)?;
            if let Some(sink) = &sink {
                let changes = planner.drain();
                self.live.planned.fetch_add(changes.len(), Ordering::Relaxed);
                if !changes.is_empty() && sink.blocking_send(changes).is_err() {
                    return Err(StoreError::Stopped);
                }
            }
        }
        match ended.blocking_recv().ok().flatten() {
            Some(extent) => planner.finish(extent),
            None => Ok((planner.give_up(), Vec::new())),
        }
    }

    /// Writes a first reading while it is read. The last items wait for its end.
    async fn write_along(
        &self,
        source: &SourceId,
        author: &Author,
        mut changes: mpsc::Receiver<Vec<PlanItem>>,
    ) -> Result<Applied, StoreError> {
        let mut applier = Applier::new(self.ground(source, author));
        while let Some(items) = changes.recv().await {
            applier.add(items).await?;
        }
        applier.finish(None).await
    }

    fn ground(&self, source: &SourceId, author: &Author) -> Ground {
        Ground {
            store: self.store.clone(),
            author: author.clone(),
            source: source.clone(),
            defaults: self.rules.users.clone(),
            live: Some(self.live.clone()),
        }
    }

    /// A reading of changes does not see that somebody else gave up what an entry waits for.
    async fn look_into_inbox(&self, source: &dyn Source, output: &mpsc::Sender<Vec<Piece>>) -> Result<(), PullError> {
        let store = |error: StoreError| PullError::Unavailable(error.to_string());
        let inbox = conflicts::list(&self.store.view(), Some(source.id())).map_err(store)?;
        for conflict in inbox
            .iter()
            .filter(|conflict| !matches!(conflict.decision, Some(Decision::Ignored { .. })))
            .take(INBOX_LOOKED_UP)
        {
            let piece = match source.look_up(&conflict.external_id).await {
                Ok(Some(user)) => Piece::User(Box::new(user)),
                Ok(None) => Piece::Gone(conflict.external_id.clone()),
                // One entry that cannot be read now goes on waiting; what was read of the others stands.
                Err(PullError::Misconfigured(_)) => continue,
                Err(_) => break,
            };
            if output.send(vec![piece]).await.is_err() {
                break;
            }
        }
        Ok(())
    }

    /// Takes one person from the source: at the first login of somebody whom the directory does not know.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn take_one(&self, source: &SourceId, entry: PulledUser) -> Result<Option<User>, StoreError> {
        let (pass, id, began) = (self.clone(), source.clone(), self.store.clock().now());
        let external_id = entry.external_id.clone();
        let plan = move || {
            let view = pass.store.view();
            let mut planner = Planner::new(Directory { reads: &view, source: &id }, &pass.rules, began)?;
            planner.take(vec![Piece::User(Box::new(entry))])?;
            planner.finish(Extent::Changes)
        };
        let (draft, _) = tokio::task::spawn_blocking(plan).await.map_err(|_| StoreError::Stopped)??;
        let creates = draft.items.into_iter().filter(|item| matches!(item.step, Step::Create { .. })).collect();
        let author = Author::of(Actor::Source { id: source.clone(), run: None });
        apply::apply(self.ground(source, &author), creates, None).await?;
        users::by_external_id(&self.store.view(), source, &external_id)
    }

    /// Lets the guard look at a plan, then applies or holds it.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finish(
        &self,
        run: RunId,
        cause: &Cause,
        planned: Planned,
        extent: Option<Extent>,
        then: Option<Then>,
        author: &Author,
    ) -> Result<Ended, StoreError> {
        let Planned { draft, resolved, applied: before, .. } = planned;
        let held = self.must_be_held(cause, &draft, extent)?;
        let counts = draft.counts;
        let (conflicts, changes): (Vec<_>, Vec<_>) =
            draft.items.into_iter().partition(|item| matches!(item.step, Step::Conflict { .. }));
        let skipped = draft.skipped;
        let mut ended = Ended { counts, skipped, conflicts, resolved, extent, ..Ended::default() };
        if let Some(why) = held {
            let plan = self.hold(run, cause, ended.counts, changes, why.clone(), then).await?;
            ended.outcome = Outcome::Held { plan, why };
            return Ok(ended);
        }
        self.live.planned.fetch_add(changes.len(), Ordering::Relaxed);
        self.live.writes();
        let source = cause.source().cloned().unwrap_or_else(SourceId::local);
        let is_source = matches!(cause, Cause::Source { .. });
        let then = then.filter(|then| is_source && self.is_news(&source, then, changes.is_empty()));
        let mut applied = apply::apply(self.ground(&source, author), changes, then).await?;
        if let Some(before) = before {
            applied.written = applied.written.plus(before.written);
            applied.refused_count = applied.refused_count.saturating_add(before.refused_count);
            applied.refused.extend(before.refused);
        }
        ended.counts = ended.counts.with_changes_of(applied.written);
        ended.counts.skipped = ended.counts.skipped.saturating_add(applied.refused_count);
        ended.skipped.extend(applied.refused);
        self.supersede(cause).await?;
        Ok(ended)
    }

    /// Is it worth a commit? A bookmark of a reading that found nothing changes nothing.
    fn is_news(&self, source: &SourceId, then: &Then, quiet: bool) -> bool {
        if !quiet || then.complete_at.is_some() {
            return true;
        }
        let reading = readings::get(&self.store.view(), source).unwrap_or_default();
        reading.bookmark != then.bookmark
    }

    /// What is true now is written: an earlier plan that still waits is of a world that is gone.
    async fn supersede(&self, cause: &Cause) -> Result<(), StoreError> {
        let plans = runs::list_plans(&self.store.view())?;
        if !plans.iter().any(|plan| plan.cause == *cause && plan.status == PlanStatus::Held) {
            return Ok(());
        }
        let (held, now) = (cause.clone(), self.store.clock().now());
        self.store.write(move |tx: &mut Tx<'_>| runs::supersede(tx, &held, now)).await
    }
}
