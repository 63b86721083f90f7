//! Writes a plan page by page, one commit each, some at a time on their way. Each user or row is done whole or not at all.

use std::collections::VecDeque;
use std::sync::Arc;

use super::planner::fault_of_rule;
use super::{Bulk, Listed, Progress, Report, record};
use crate::base::id::{RunId, SourceId, UserId};
use crate::directory::audit::Author;
use crate::directory::group::Member;
use crate::directory::plan::{Counts, Fate, Fault, Outcome, Plan, PlanItem, PlanStatus, Run};
use crate::store::pages::{self, Done, Page};
use crate::store::passwords::NewPassword;
use crate::store::tx::Tx;
use crate::store::users::{self, Prepared, WriteError};
use crate::store::{Pending, StoreError, audit, groups, runs};
use crate::sync::apply::{Ground, apply_item, create, prepare};

/// Pages that are queued at a time: one is made while another is on its way to the disk.
const UNDER_WAY: usize = 3;

/// What all of them came to.
#[derive(Default)]
struct Applied {
    counts: Counts,
    listed: Listed,
}

impl Applied {
    async fn take(&mut self, page: Pending<Done, StoreError>, progress: &Progress) -> Result<(), StoreError> {
        let done = page.done().await?;
        progress.written(done.written.changes());
        self.add(done);
        Ok(())
    }

    fn add(&mut self, done: Done) {
        let Done { entries, written } = done;
        self.counts = self.counts.plus(written);
        for entry in &entries {
            self.counts.read = self.counts.read.saturating_add(1);
            entry.count(&mut self.counts);
            self.listed.note(entry);
        }
    }
}

impl Bulk {
    /// Writes a plan that was laid down, to its end, and the record of its run. Safe to repeat.
    pub(super) async fn write(
        &self,
        plan: &Plan,
        run: Run,
        author: &Author,
        progress: &Progress,
    ) -> Result<Report, StoreError> {
        let applied = self.write_pages(plan, author, progress).await?;
        let before = run.trail.map_or(0, |(from, _)| from);
        let was_held = !plan.held_because.is_empty();
        let outcome = if was_held { run.outcome.clone() } else { Outcome::Applied };
        let run = Run { outcome, counts: applied.counts, skipped: applied.listed.skipped(), ..run };
        let (plan, author) = (plan.clone(), author.clone());
        let end = move |tx: &mut Tx<'_>| {
            let run = Run { ended_at: tx.now(), trail: Some((before, audit::last(tx)?)), ..run.clone() };
            if was_held {
                let status = PlanStatus::Approved { at: tx.now(), by: author.actor.clone() };
                runs::put_plan(tx, &Plan { status, ..plan.clone() })?;
            } else {
                // Nobody had to say yes: the run tells everything.
                runs::remove_plan(tx, plan.id);
            }
            // That it was held, and that somebody said yes, is told already.
            record::put(tx, &run, Some(&author).filter(|_| !was_held))?;
            Ok::<_, StoreError>(run)
        };
        let run = self.store.write(end).await?;
        crate::sync::record::log(&run, false);
        Ok(Report { run, listed: applied.listed })
    }

    /// What the pages came to that were written before an end of the daemon.
    fn written_before(&self, run: RunId) -> Result<Applied, StoreError> {
        let (view, mut applied, mut number) = (self.store.view(), Applied::default(), 0);
        while let Some((found, done)) = pages::done(&view, run, number)? {
            number = found.saturating_add(1);
            applied.add(done);
        }
        Ok(applied)
    }

    async fn write_pages(&self, plan: &Plan, author: &Author, progress: &Progress) -> Result<Applied, StoreError> {
        let ground = self.ground(author);
        let mut applied = self.written_before(plan.run)?;
        progress.written(applied.counts.changes());
        let mut under_way = VecDeque::new();
        let sent = self.send_pages(plan, &ground, &mut applied, &mut under_way, progress).await;
        // Also after a fault: whoever goes on with it finds none of its pages still on their way.
        let mut taken = Ok(());
        for page in under_way {
            taken = taken.and(applied.take(page, progress).await);
        }
        sent.and(taken).map(|()| applied)
    }

    async fn send_pages(
        &self,
        plan: &Plan,
        ground: &Arc<Ground>,
        applied: &mut Applied,
        under_way: &mut VecDeque<Pending<Done, StoreError>>,
        progress: &Progress,
    ) -> Result<(), StoreError> {
        let mut number = 0;
        while let Some((found, page)) = pages::next(&self.store.view(), plan.id, number)? {
            number = found.saturating_add(1);
            if under_way.len() >= UNDER_WAY
                && let Some(page) = under_way.pop_front()
            {
                applied.take(page, progress).await?;
            }
            under_way.push_back(self.send(plan, ground, found, page).await?);
        }
        Ok(())
    }

    pub(super) fn ground(&self, author: &Author) -> Arc<Ground> {
        Arc::new(Ground {
            store: self.store.clone(),
            author: author.clone(),
            source: SourceId::local(),
            defaults: self.rules.users.clone(),
            live: None,
        })
    }

    /// Puts a page on its way. One that was written before is nothing any more.
    pub(super) async fn send(
        &self,
        plan: &Plan,
        ground: &Arc<Ground>,
        number: u64,
        page: Page,
    ) -> Result<Pending<Done, StoreError>, StoreError> {
        let (plan, run, ground) = (plan.id, plan.run, ground.clone());
        let job = move |tx: &mut Tx<'_>| {
            if !pages::is_there(tx, plan, number)? {
                return Ok(Done::default());
            }
            let done = write_page(tx, &ground, &page)?;
            pages::settle(tx, plan, run, number, &done)?;
            Ok(done)
        };
        self.store.queue_bulk(job).await
    }
}

fn write_page(tx: &mut Tx<'_>, ground: &Ground, page: &Page) -> Result<Done, StoreError> {
    let mut done = Done { entries: Vec::with_capacity(page.entries.len()), written: Counts::default() };
    // All that needs no reading comes first: the readings wait for the commit that is under way.
    let mut prepared = Vec::with_capacity(page.entries.len());
    for entry in &page.entries {
        prepared.push(match &entry.fate {
            Fate::Planned { item } => {
                let author = ground.author.clone().because(item.reason.clone());
                let new = prepare(tx, ground, &author, item)?;
                Some((item, author, new))
            }
            _ => None,
        });
    }
    for (place, (entry, prepared)) in page.entries.iter().zip(prepared).enumerate() {
        let Some((item, author, new)) = prepared else {
            done.entries.push(entry.clone());
            continue;
        };
        let password = page.passwords.get(&place);
        match tx.attempt(|tx| write_one(tx, ground, &author, item, new, password)) {
            Ok(user) => {
                entry.count(&mut done.written);
                done.entries.push(entry.clone().written(user));
            }
            Err(WriteError::Store(error)) => return Err(error),
            Err(error) => done.entries.push(entry.clone().refused(vec![fault_of(&error)])),
        }
    }
    Ok(done)
}

/// Writes one user or row; gives whom it was.
fn write_one(
    tx: &mut Tx<'_>,
    ground: &Ground,
    author: &Author,
    item: &PlanItem,
    new: Option<Prepared>,
    password: Option<&NewPassword>,
) -> Result<Option<UserId>, WriteError> {
    let before = item.user.map(|id| users::get(tx, id)).transpose()?.flatten();
    let user = match new {
        Some(new) => Some(create(tx, ground, author, item, new)?.id),
        None => {
            apply_item(tx, ground, author, item)?;
            item.user
        }
    };
    let (Some(user), Some(along)) = (user, &item.along) else { return Ok(user) };
    for group in &along.join {
        groups::change_members(tx, author, *group, &[Member::User(user)], &[])?;
    }
    for group in &along.leave {
        groups::change_members(tx, author, *group, &[], &[Member::User(user)])?;
    }
    if let Some((must_change, password)) = along.password.zip(password) {
        password.set_telling(tx, author, user, must_change, before.as_ref())?;
    }
    Ok(Some(user))
}

/// A refusal of the store with the code that the API has for it.
fn fault_of(error: &WriteError) -> Fault {
    let message = error.to_string();
    match error {
        WriteError::Store(_) => Fault::new("internal", message),
        WriteError::Rule(error) => fault_of_rule(error),
        WriteError::NotFound(_) => Fault::new("not_found", message),
        WriteError::InUse { .. } => Fault::new("in_use", message),
        WriteError::Stale { .. } => Fault::new("stale", message),
        WriteError::Taken { field } => Fault::at(field, &format!("{field}_taken"), message),
    }
}
