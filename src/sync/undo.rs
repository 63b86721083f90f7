//! Takes a whole run back, by what the audit trail says it changed: newest first, each attribute that still has the
//! value which the run gave it. Whoever the run made becomes a tombstone. The run that takes it back can be taken back
//! itself; and from then on every run of the source waits for a person until one is approved, so that the next pass
//! does not do it all again.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::apply::{self, Ground};
use super::pass::Pass;
use super::record::Ended;
use crate::base::id::{GroupId, RunId, SourceId, UserId};
use crate::directory::audit::{Actor, AuditLine, Author, Change, Target};
use crate::directory::plan::{Cause, Counts, PlanItem, Run, Skipped, Step};
use crate::directory::user::{State, User, UserChange};
use crate::store::audit::{self, Entry};
use crate::store::readings::{self, Reading};
use crate::store::tx::{Reads, Tx};
use crate::store::{Store, StoreError, runs, users};

mod before;

use before::{again, group_change, members, old_state, parse, set};

/// What the audit trail calls the making of a user.
const CREATED: &str = "user.created";

/// And the setting of a password.
const PASSWORD_SET: &str = "password.set";

/// Why a run cannot be taken back.
#[derive(Debug, thiserror::Error)]
pub enum UndoError {
    /// There is no such run.
    #[error("there is no such run")]
    NotFound,
    /// It changed nothing, or it is none of a source.
    #[error("the run changed nothing that could be taken back")]
    Nothing,
    /// It was taken back already.
    #[error("the run was taken back already, by the run {0}")]
    Done(RunId),
    /// A pass, or another one, is under way.
    #[error("a pass of the source is running: wait for its end")]
    Busy,
    /// The audit lines of its changes are not kept any more.
    #[error(
        "the audit lines of the run were dropped because their time was over: what it changed is not known any more"
    )]
    Forgotten,
    /// The store's fault.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What taking a run back would change.
#[derive(Debug, Default)]
pub struct Undo {
    /// The changes, in the order in which they are made.
    pub items: Vec<PlanItem>,
    /// How many of what.
    pub counts: Counts,
    /// What cannot be taken back, and why.
    pub skipped: Vec<Skipped>,
}

/// Plans to take a run back. Writes nothing.
///
/// # Errors
/// Why it cannot be taken back.
pub fn plan(reads: &dyn Reads, id: RunId) -> Result<Undo, UndoError> {
    let (run, lines) = changes_of(reads, id)?;
    let is_by_hand = run.cause.is_by_hand();
    let is_made = |line: &AuditLine| match line.target {
        Target::User { id, .. } if line.action == CREATED => Some(id),
        _ => None,
    };
    let made: HashSet<UserId> = lines.iter().filter_map(is_made).collect();
    let mut stays = HashSet::new();
    for id in made.iter().filter(|_| is_by_hand) {
        stays.extend(users::get(reads, *id)?.filter(|user| user.modified_at > run.ended_at).map(|user| user.id));
    }
    let mut planner = Planner { reads, is_by_hand, made, stays, undo: Undo::default(), users: HashMap::new() };
    for line in lines.into_iter().rev() {
        planner.line(&line)?;
    }
    let mut undo = planner.undo;
    undo.items.iter().for_each(|item| undo.counts.note(&item.step));
    undo.counts.skipped = undo.skipped.len();
    if !undo.items.is_empty() || !undo.skipped.is_empty() {
        return Ok(undo);
    }
    // One that was cut short at its very end has only its record left to write.
    let source = run.cause.source().ok_or(UndoError::Nothing)?;
    let is_begun = readings::get(reads, source)?.undone == Some(id);
    if is_begun { Ok(undo) } else { Err(UndoError::Nothing) }
}

/// The audit lines of the changes that a run of a source made, oldest first.
///
/// # Errors
/// When there is no such run, or its lines are not kept any more.
pub fn changes_of(reads: &dyn Reads, id: RunId) -> Result<(Run, Vec<AuditLine>), UndoError> {
    let run = runs::get_run(reads, id)?.ok_or(UndoError::NotFound)?;
    if let Some(by) = run.undone_by {
        return Err(UndoError::Done(by));
    }
    let lines = lines_of(reads, &run, 0, usize::MAX)?;
    Ok((run, lines))
}

/// So many audit lines of a run's changes at most, those after the line `after`, oldest first.
///
/// # Errors
/// When they are not kept any more.
pub fn lines_of(reads: &dyn Reads, run: &Run, after: u64, most: usize) -> Result<Vec<AuditLine>, UndoError> {
    let Some((before, upto)) = run.trail else { return Ok(Vec::new()) };
    if upto > before && audit::dropped(reads)? > before {
        return Err(UndoError::Forgotten);
    }
    let mut lines = Vec::new();
    audit::between::<StoreError>(reads, before.max(after), upto, |line| {
        let of_source = matches!(&line.actor, Actor::Source { run: Some(by), .. } if *by == run.id);
        if of_source || line.run == Some(run.id) {
            lines.push(line);
        }
        Ok(lines.len() < most)
    })?;
    Ok(lines)
}

/// The users whose password a run set.
///
/// # Errors
/// When the store cannot read.
pub fn given_passwords(reads: &dyn Reads, run: &Run) -> Result<Vec<UserId>, StoreError> {
    let Some((before, upto)) = run.trail else { return Ok(Vec::new()) };
    let mut given = Vec::new();
    audit::between::<StoreError>(reads, before, upto, |line| {
        if let Target::User { id, .. } = line.target
            && line.run == Some(run.id)
            && line.action == PASSWORD_SET
        {
            given.push(id);
        }
        Ok(true)
    })?;
    Ok(given)
}

struct Planner<'a> {
    reads: &'a dyn Reads,
    /// Whoever moves on meanwhile is left alone then. A source's users move one another: names go from hand to hand.
    is_by_hand: bool,
    /// Whom it made.
    made: HashSet<UserId>,
    /// Those of them who were changed since: they stay, with all that they were given.
    stays: HashSet<UserId>,
    undo: Undo,
    /// Users as they will be when what is planned so far is done.
    users: HashMap<UserId, User>,
}

impl Planner<'_> {
    fn line(&mut self, line: &AuditLine) -> Result<(), StoreError> {
        match &line.target {
            Target::User { id, username } => {
                let known = match self.users.remove(id) {
                    Some(user) => Some(user),
                    None => users::get(self.reads, *id)?,
                };
                match known {
                    Some(user) => self.user(line, user),
                    None => self.skip(username, "the user is gone"),
                }
            }
            Target::Group { id, name } => self.group(line, *id, name),
            _ => {}
        }
        Ok(())
    }

    fn skip(&mut self, label: &str, problem: &str) {
        self.undo.skipped.push(Skipped { label: label.to_owned(), problem: problem.to_owned() });
    }

    fn user(&mut self, line: &AuditLine, user: User) {
        let (id, revision, planned) = (user.id, user.revision, self.undo.items.len());
        let after = match line.action.as_str() {
            CREATED => {
                if !user.is_removed() && self.stays.contains(&id) {
                    self.skip(user.username.as_str(), "was changed since; the user stays");
                } else if !user.is_removed() {
                    self.push(&user, Step::Remove, line);
                }
                user
            }
            PASSWORD_SET => {
                // Of whom the run made nothing stays.
                if !self.made.contains(&id) {
                    self.skip(user.username.as_str(), "the password that was set stays");
                }
                user
            }
            _ => self.revert(line, user),
        };
        let moves_on = u64::from(self.undo.items.len() > planned);
        self.users.insert(id, User { revision: revision.saturating_add(moves_on), ..after });
    }

    /// Sets back what still is as the line left it.
    fn revert(&mut self, line: &AuditLine, user: User) -> User {
        let mut change = UserChange::default();
        let mut shows = Vec::new();
        let record = serde_json::to_value(&user).unwrap_or_default();
        for one in &line.changes {
            if one.attribute == "state" {
                continue;
            }
            if record.get(&one.attribute).cloned().unwrap_or_default() != one.new {
                self.skip(user.username.as_str(), &format!("{} was changed since; it stays", one.attribute));
            } else if set(&mut change, one) {
                let Change { attribute, old, new } = one.clone();
                shows.push(Change { attribute, old: new, new: old });
            }
        }
        let state = line.changes.iter().find(|one| one.attribute == "state");
        let after = change.clone().apply(user.clone());
        let step = state.and_then(|state| self.state_step(&user, state, &change));
        let becomes = step.as_ref().and_then(|_| old_state(state)).unwrap_or_else(|| user.state.clone());
        match step {
            Some(step) => self.push(&user, step, line),
            None if change != UserChange::default() => {
                self.push(&user, Step::Update { change: Box::new(change), shows }, line);
            }
            None => {}
        }
        User { state: becomes, ..after }
    }

    /// How the user gets back into the state of before.
    fn state_step(&mut self, user: &User, state: &Change, change: &UserChange) -> Option<Step> {
        let record = serde_json::to_value(&user.state).unwrap_or_default();
        if record != state.new {
            self.skip(user.username.as_str(), "the state was changed since; it stays");
            return None;
        }
        match (&user.state, parse::<State>(&state.old)?) {
            (State::Disabled(_), State::Active) => {
                Some(Step::Enable { change: Box::new(change.clone()), restore: false })
            }
            (State::Active, State::Disabled(disabled)) => {
                Some(Step::Disable { reason: disabled.reason, change: Box::new(change.clone()) })
            }
            (State::Active, State::Removed { .. }) => Some(Step::Remove),
            (State::Removed { .. }, State::Active | State::Disabled(_)) => Some(Step::Restore),
            _ => None,
        }
    }

    fn push(&mut self, user: &User, step: Step, line: &AuditLine) {
        let revision = self.is_by_hand.then_some(user.revision);
        self.undo.items.push(PlanItem { revision, ..PlanItem::of_user(user, step, taken_back(line)) });
    }

    fn group(&mut self, line: &AuditLine, id: GroupId, name: &str) {
        let step = match line.action.as_str() {
            "group.created" => Some(Step::RemoveGroup),
            "group.changed" => group_change(&line.changes)
                .map(|change| Step::UpdateGroup { change: Box::new(change), shows: Vec::new() }),
            "group.members_changed" => match members(&line.changes, |user| self.stays.contains(&user)) {
                // All of them stay.
                Step::Members { add, remove } if add.is_empty() && remove.is_empty() => return,
                step => Some(step),
            },
            "group.removed" => again(&line.changes, id),
            _ => None,
        };
        let Some(step) = step else {
            self.skip(&format!("group {name}"), "what it was before is not known");
            return;
        };
        self.undo.items.push(PlanItem {
            label: format!("group {name}"),
            user: None,
            group: Some(id),
            external_id: None,
            revision: None,
            quiet_since: None,
            step,
            along: None,
            reason: taken_back(line),
        });
    }
}

fn taken_back(line: &AuditLine) -> String {
    format!("taken back: {}", line.reason.as_deref().unwrap_or(&line.action))
}

/// Takes a run back. One that is cut short can be done again: what was set back already stays so.
///
/// # Errors
/// Why it cannot be taken back.
pub async fn undo(pass: &Pass, source: &SourceId, id: RunId, by: Author) -> Result<Run, UndoError> {
    let own = RunId::new(pass.store.clock().now(), pass.store.rng());
    pass.live.begin(own, None);
    let run = take_back(pass, source, id, own, by).await;
    pass.live.end(run.as_ref().ok());
    run
}

async fn take_back(pass: &Pass, source: &SourceId, id: RunId, own: RunId, by: Author) -> Result<Run, UndoError> {
    let started_at = pass.store.clock().now();
    let (store, reading) = (pass.store.clone(), move |store: Arc<Store>| plan(&store.view(), id));
    let Undo { items, counts, skipped } =
        tokio::task::spawn_blocking(move || reading(store)).await.map_err(|_| StoreError::Stopped)??;
    let before = audit::last(&pass.store.view())?;
    // First of all: no pass does it again meanwhile.
    hold_back(&pass.store, source, id, own, &by).await?;
    let ground = Ground {
        store: pass.store.clone(),
        author: Author { actor: Actor::Source { id: source.clone(), run: Some(own) }, ..by.clone() },
        source: source.clone(),
        defaults: pass.rules.users.clone(),
        live: Some(pass.live.clone()),
    };
    pass.live.planned.store(items.len(), Ordering::Relaxed);
    pass.live.writes();
    let applied = apply::apply(ground, items, None).await?;
    let mut skipped = skipped;
    skipped.extend(applied.refused);
    let counts = Counts { skipped: counts.skipped.saturating_add(applied.refused_count), ..counts };
    let counts = counts.with_changes_of(applied.written);
    let cause = Cause::Undo { id: Some(source.clone()), run: id };
    let ended = Ended { counts, skipped, trail: Some(before), ..Ended::default() };
    Ok(pass.keep(own, cause, started_at, ended, by).await?)
}

/// Holds every later plan of the source until a person approves one.
pub(super) async fn hold_back(
    store: &Arc<Store>,
    source: &SourceId,
    run: RunId,
    own: RunId,
    by: &Author,
) -> Result<(), StoreError> {
    let (source, by) = (source.clone(), by.clone());
    let write = move |tx: &mut Tx<'_>| {
        let reading = readings::get(tx, &source)?;
        let needs_complete = Some("a run was taken back".to_owned());
        readings::put(tx, &source, &Reading { undone: Some(run), needs_complete, ..reading })?;
        runs::supersede(tx, &Cause::Source { id: source.clone() }, tx.now())?;
        let mut entry = Entry::new("run.undone", Target::Source { id: source.clone() });
        entry.details.insert("run".to_owned(), run.to_string().into());
        entry.details.insert("by_run".to_owned(), own.to_string().into());
        audit::append(tx, &by, entry)
    };
    store.write::<_, StoreError>(write).await
}
