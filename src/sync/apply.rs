//! Applies plans, item by item, in batches of one commit each. An item whose user has moved on since the plan was made
//! is left alone and said so. What is noted of the source goes into the commit of the last items.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::base::id::{GroupId, SourceId, UserId};
use crate::directory::audit::{Author, Target};
use crate::directory::group::{Group, Member};
use crate::directory::message::Body;
use crate::directory::plan::{Cause, Counts, MemberRef, PlanItem, Skipped, Step, Then};
use crate::directory::policy::UserDefaults;
use crate::directory::user::{DisabledReason, NewUser, RuleError, User, UserChange};
use crate::store::tx::Tx;
use crate::store::users::{self, WriteError};
use crate::store::{Pending, Store, StoreError, groups, outbox, readings};
use crate::sync::live::Live;

/// Items of one commit: readers wait for the length of a batch.
const BATCH: usize = 100;
/// Batches that are queued at a time: one is made while another is on its way to the disk.
const UNDER_WAY: usize = 3;
/// Most refused items that are kept, each with the reason.
const REFUSED_KEPT: usize = 1_000;

/// What applying came to.
#[derive(Debug, Default)]
pub struct Applied {
    /// What was written, of each kind.
    pub written: Counts,
    /// Items that were not, each with the reason; the first thousand.
    pub refused: Vec<Skipped>,
    /// How many those are.
    pub refused_count: usize,
    /// Somebody had moved on since the plan was made: only a complete reading sees whether something is left to do.
    pub stale: bool,
}

/// Who writes what for whom.
#[derive(Clone)]
pub struct Ground {
    /// The store.
    pub store: Arc<Store>,
    /// The author of the changes.
    pub author: Author,
    /// Whose users they are.
    pub source: SourceId,
    /// What new users and tombstones get.
    pub defaults: UserDefaults,
    /// Who watches.
    pub live: Option<Arc<Live>>,
}

/// A batch that is on its way.
type UnderWay = Pending<Batch, StoreError>;

/// What a batch came to.
struct Batch {
    written: Counts,
    refused: Vec<Skipped>,
    stale: bool,
    items: usize,
}

/// Applies items as they come.
pub struct Applier {
    ground: Ground,
    under_way: VecDeque<UnderWay>,
    /// The last items, which wait for what is noted with them.
    waiting: Vec<PlanItem>,
    applied: Applied,
}

impl Applier {
    /// Nothing is written yet.
    #[must_use]
    pub fn new(ground: Ground) -> Self {
        Self { ground, under_way: VecDeque::new(), waiting: Vec::new(), applied: Applied::default() }
    }

    /// Writes items; the last ones wait for the end.
    ///
    /// # Errors
    /// When the store fails; what was written before stays, and the next run takes it from there.
    pub async fn add(&mut self, items: Vec<PlanItem>) -> Result<(), StoreError> {
        for item in items {
            if self.waiting.len() >= BATCH {
                let batch = std::mem::take(&mut self.waiting);
                self.send(batch, None).await?;
            }
            self.waiting.push(item);
        }
        Ok(())
    }

    /// Writes the last items, in one commit with what is noted of the source from then on.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn finish(mut self, then: Option<Then>) -> Result<Applied, StoreError> {
        while let Some(batch) = self.under_way.pop_front() {
            self.take(batch).await?;
        }
        let items = std::mem::take(&mut self.waiting);
        if !items.is_empty() || then.is_some() {
            let stale = self.applied.stale;
            self.send(items, then.map(|then| (then, stale))).await?;
        }
        while let Some(batch) = self.under_way.pop_front() {
            self.take(batch).await?;
        }
        Ok(self.applied)
    }

    async fn send(&mut self, items: Vec<PlanItem>, then: Option<(Then, bool)>) -> Result<(), StoreError> {
        if self.under_way.len() >= UNDER_WAY
            && let Some(batch) = self.under_way.pop_front()
        {
            self.take(batch).await?;
        }
        let ground = self.ground.clone();
        let job = move |tx: &mut Tx<'_>| {
            let mut batch = Batch { written: Counts::default(), refused: Vec::new(), stale: false, items: items.len() };
            let authors: Vec<Author> =
                items.iter().map(|item| ground.author.clone().because(item.reason.clone())).collect();
            // All that needs no reading comes first: the readings wait for the commit that is under way.
            let mut prepared = Vec::with_capacity(items.len());
            for (item, author) in items.iter().zip(&authors) {
                prepared.push(prepare(tx, &ground, author, item)?);
            }
            for ((item, author), prepared) in items.iter().zip(&authors).zip(prepared) {
                let applied = tx.attempt(|tx| match prepared {
                    Some(new) => create(tx, &ground, author, item, new).map(drop),
                    None => apply_item(tx, &ground, author, item),
                });
                match applied {
                    Ok(()) => batch.written.note(&item.step),
                    Err(WriteError::Store(error)) => return Err(error),
                    Err(error) => {
                        batch.stale |= matches!(error, WriteError::Stale { .. } | WriteError::NotFound(_));
                        batch.refused.push(Skipped { label: item.label.clone(), problem: error.to_string() });
                    }
                }
            }
            if let Some((then, stale)) = &then {
                note(tx, &ground.source, then, *stale || batch.stale)?;
            }
            Ok(batch)
        };
        self.under_way.push_back(self.ground.store.queue_bulk(job).await?);
        Ok(())
    }

    /// Waits for a batch, and adds what it came to.
    async fn take(&mut self, batch: UnderWay) -> Result<(), StoreError> {
        let batch = batch.done().await?;
        if let Some(live) = &self.ground.live {
            live.written.fetch_add(batch.items, Ordering::Relaxed);
        }
        let applied = &mut self.applied;
        applied.written = applied.written.plus(batch.written);
        applied.refused_count = applied.refused_count.saturating_add(batch.refused.len());
        applied.stale |= batch.stale;
        let room = REFUSED_KEPT.saturating_sub(applied.refused.len());
        applied.refused.extend(batch.refused.into_iter().take(room));
        Ok(())
    }
}

/// Writes all items of a plan.
///
/// # Errors
/// When the store fails; what was written before stays, and the next run takes it from there.
pub async fn apply(ground: Ground, items: Vec<PlanItem>, then: Option<Then>) -> Result<Applied, StoreError> {
    let mut applier = Applier::new(ground);
    applier.add(items).await?;
    applier.finish(then).await
}

/// Notes how far the source was read. A reading of changes keeps what a complete one said.
fn note(tx: &mut Tx<'_>, source: &SourceId, then: &Then, stale: bool) -> Result<(), StoreError> {
    let mut reading = readings::get(tx, source)?;
    reading.bookmark.clone_from(&then.bookmark);
    if then.complete_at.is_some() {
        reading.complete_at = then.complete_at;
        reading.needs_complete = None;
    }
    if stale {
        reading.needs_complete = Some("somebody was changed here while the last plan was applied".to_owned());
    }
    readings::put(tx, source, &reading)
}

/// The user that an item makes.
pub(super) fn prepare(
    tx: &Tx<'_>,
    ground: &Ground,
    author: &Author,
    item: &PlanItem,
) -> Result<Option<users::Prepared>, StoreError> {
    let Step::Create { username, name, rest, disabled, .. } = &item.step else { return Ok(None) };
    let new = NewUser {
        id: UserId::new(tx.now(), tx.rng()),
        username: username.clone(),
        name: name.clone(),
        source: ground.source.clone(),
        rest: rest.as_ref().clone(),
        disabled: *disabled,
    };
    users::Prepared::new(author, new, tx.now(), ground.defaults.lifetime).map(Some)
}

pub(super) fn create(
    tx: &mut Tx<'_>,
    ground: &Ground,
    author: &Author,
    item: &PlanItem,
    new: users::Prepared,
) -> Result<User, WriteError> {
    if let Step::Create { rest, .. } = &item.step
        && let Some(at) = rest.at_source.as_ref().and_then(Option::as_ref)
    {
        users::release_entry(tx, author, &ground.source, &at.entry, None)?;
    }
    new.create(tx, author)
}

pub(super) fn apply_item(tx: &mut Tx<'_>, ground: &Ground, author: &Author, item: &PlanItem) -> Result<(), WriteError> {
    match &item.step {
        Step::CreateGroup { .. } | Step::UpdateGroup { .. } | Step::Members { .. } | Step::RemoveGroup => {
            apply_to_group(tx, ground, author, item)
        }
        Step::Conflict { .. } | Step::Create { .. } => Ok(()),
        _ => match item.user {
            Some(id) => apply_to_user(tx, ground, author, id, item),
            None => Ok(()),
        },
    }
}

fn apply_to_user(
    tx: &mut Tx<'_>,
    ground: &Ground,
    author: &Author,
    id: UserId,
    item: &PlanItem,
) -> Result<(), WriteError> {
    users::expect_revision(tx, id, item.revision)?;
    let seen = users::get(tx, id)?.map(|user| user.quiet_since());
    if item.quiet_since.is_some() && item.quiet_since != seen {
        let hint = "they were seen since the plan was made";
        return Err(RuleError::WrongState { state: "not quiet any more", hint }.into());
    }
    let release = |tx: &mut Tx<'_>, change: &UserChange| match change.at_source.as_ref().and_then(Option::as_ref) {
        Some(at) => users::release_entry(tx, author, &ground.source, &at.entry, Some(id)),
        None => Ok(()),
    };
    let actor = author.actor.clone();
    // What a source says of its own users, it says to them.
    let before = if ground.source.is_local() { users::get(tx, id)? } else { None };
    match item.step.clone() {
        Step::Update { change, .. } => {
            release(tx, &change)?;
            users::update(tx, author, id, "user.changed", |user, _| Ok(change.apply(user)))?;
        }
        Step::Enable { change, restore } => {
            release(tx, &change)?;
            users::update(tx, author, id, "user.enabled", |user, now| {
                let user = if restore { user.restore(now)? } else { user };
                change.apply(user).enable(now)
            })?;
        }
        Step::Disable { reason, change } => {
            let was_active = users::get(tx, id)?.is_some_and(|user| user.is_active());
            let rule = |user, now| change.apply(user).disable(reason, actor, now);
            let user = users::update(tx, author, id, "user.disabled", rule)?;
            if reason == DisabledReason::Inactivity && was_active {
                outbox::tell(tx, &user, Body::DisabledForInactivity)?;
            }
        }
        Step::Restore => {
            users::update(tx, author, id, "user.restored", |user, now| user.restore(now))?;
        }
        Step::Remove => {
            let retention = ground.defaults.retention;
            users::update(tx, author, id, "user.removed", |user, now| Ok(user.remove(actor, now, retention)))?;
        }
        _ => {}
    }
    if let Some(before) = before
        && let Some(after) = users::get(tx, id)?
    {
        outbox::tell_the_old_address(tx, &before, &after)?;
    }
    Ok(())
}

fn apply_to_group(tx: &mut Tx<'_>, ground: &Ground, author: &Author, item: &PlanItem) -> Result<(), WriteError> {
    if let Step::CreateGroup { external_id, name, rest, again } = &item.step {
        if let Some(at) = &rest.at_source {
            groups::release_entry(tx, author, &ground.source, &at.entry, None)?;
        }
        let id = again.unwrap_or_else(|| GroupId::new(tx.now(), tx.rng()));
        let group = Group {
            external_id: Some(external_id.clone()),
            ..Group::new(id, name.clone(), ground.source.clone(), tx.now())
        };
        groups::create(tx, author, rest.as_ref().clone().apply(group))?;
        return Ok(());
    }
    let Some(id) = group_of(tx, ground, item)? else { return Err(WriteError::NotFound("group")) };
    if let Some(revision) = item.revision {
        let found = groups::get(tx, id)?.map(|group| group.revision);
        if found.is_some_and(|found| found != revision) {
            return Err(WriteError::Stale { found: found.unwrap_or_default() });
        }
    }
    match item.step.clone() {
        Step::UpdateGroup { change, .. } => {
            if let Some(at) = &change.at_source {
                groups::release_entry(tx, author, &ground.source, &at.entry, Some(id))?;
            }
            groups::update(tx, author, id, |group| change.apply(group))?;
        }
        Step::Members { add, remove } => {
            let (add, remove) = (present(tx, ground, &add)?, present(tx, ground, &remove)?);
            groups::change_members(tx, author, id, &add, &remove)?;
        }
        Step::RemoveGroup => groups::remove(tx, author, id)?,
        _ => {}
    }
    Ok(())
}

/// The group that an item is about: there already, or made by an item before it.
fn group_of(tx: &Tx<'_>, ground: &Ground, item: &PlanItem) -> Result<Option<GroupId>, StoreError> {
    match (item.group, &item.external_id) {
        (Some(id), _) => Ok(Some(id)),
        (None, Some(external_id)) => Ok(groups::by_external_id(tx, &ground.source, external_id)?.map(|group| group.id)),
        (None, None) => Ok(None),
    }
}

/// The members as they are now; whoever was not made after all is left out.
fn present(tx: &Tx<'_>, ground: &Ground, members: &[MemberRef]) -> Result<Vec<Member>, StoreError> {
    let mut present = Vec::with_capacity(members.len());
    for member in members {
        let found = match member {
            MemberRef::User(id) => users::get(tx, *id)?.map(|_| Member::User(*id)),
            MemberRef::Group(id) => groups::get(tx, *id)?.map(|_| Member::Group(*id)),
            MemberRef::NewUser(id) => {
                let known = users::known(tx, &ground.source, &[id])?.into_iter().flatten().next();
                known.map(|known| Member::User(known.id))
            }
            MemberRef::NewGroup(id) => {
                groups::by_external_id(tx, &ground.source, id)?.map(|group| Member::Group(group.id))
            }
        };
        present.extend(found);
    }
    Ok(present)
}

/// How the audit trail names what wanted the changes.
#[must_use]
pub fn target(cause: &Cause) -> Target {
    match cause.source() {
        Some(id) => Target::Source { id: id.clone() },
        None => Target::Directory,
    }
}
