//! Finding lines: by whom they are about, who did it, what happened and when.

use std::ops::Bound;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::each_page;
use super::page::{self, Mark, Page};
use crate::base::id::UserId;
use crate::directory::audit::{Actor, AuditLine, Target};
use crate::store::StoreError;
use crate::store::engine::{KeyRange, Order};
use crate::store::keys::Space;
use crate::store::tx::Reads;

/// Pages that are read at a time.
const CHUNK: usize = 64;
/// Pages that one search looks at; then it says from where to go on.
const PAGES_MAX: usize = 20_000;

/// Which lines are wanted; what is `None` does not matter.
#[derive(Clone, Debug, Default)]
pub struct Query {
    /// About this user.
    pub user: Option<UserId>,
    /// By this author.
    pub actor: Option<Wanted>,
    /// What happened: `user.disabled`, or a family of actions such as `user.*`.
    pub action: Option<String>,
    /// Not before this time.
    pub since: Option<Timestamp>,
    /// Before this time.
    pub until: Option<Timestamp>,
}

/// An author that is looked for, by kind and name.
#[derive(Clone, Debug)]
pub struct Wanted(String);

impl Wanted {
    /// The lines of exactly this author; of a source, whatever its run.
    #[must_use]
    pub fn actor(actor: &Actor) -> Self {
        Self(actor.who())
    }
}

impl Query {
    fn marks(&self) -> Vec<Mark> {
        let action = self.action.as_deref().map(|action| match action.strip_suffix(".*") {
            Some(family) => Mark::of("family", family),
            None => Mark::of("action", action),
        });
        let user = self.user.map(|id| Mark::of("target", &id.to_string()));
        let actor = self.actor.as_ref().map(|Wanted(who)| Mark::of("actor", who));
        [action, user, actor].into_iter().flatten().collect()
    }

    fn may_lie_in(&self, page: &Page<'_>, marks: &[Mark]) -> bool {
        self.since.is_none_or(|since| page.to >= since)
            && self.until.is_none_or(|until| page.from < until)
            && page.may_hold(marks)
    }

    fn wants(&self, line: &AuditLine) -> bool {
        let user = self.user.is_none_or(|user| matches!(line.target, Target::User { id, .. } if id == user));
        let actor = self.actor.as_ref().is_none_or(|Wanted(who)| Wanted::actor(&line.actor).0 == *who);
        let action = self.action.as_deref().is_none_or(|action| match action.strip_suffix(".*") {
            Some(family) => line.action.split_once('.').is_some_and(|(own, _)| own == family),
            None => line.action == action,
        });
        let time = self.since.is_none_or(|since| line.at >= since) && self.until.is_none_or(|until| line.at < until);
        user && actor && action && time
    }
}

/// Found lines, and the number before which a search may go on, if there may be more.
#[derive(Debug)]
pub struct Found {
    /// The lines, newest first.
    pub lines: Vec<AuditLine>,
    /// Where to go on.
    pub before: Option<u64>,
}

/// The last lines that a query wants, newest first, before a number.
///
/// # Errors
/// When the store cannot read.
pub fn list(reads: &dyn Reads, query: &Query, before: Option<u64>, limit: usize) -> Result<Found, StoreError> {
    let marks = query.marks();
    let mut found = Found { lines: Vec::new(), before: None };
    let mut end = before.unwrap_or(u64::MAX);
    for _ in 0..PAGES_MAX / CHUNK {
        let range = KeyRange::prefix_before(&Space::Audit.key(&[]), page::key(end));
        let rows = reads.scan(&range, Order::Descending, CHUNK)?;
        if rows.is_empty() {
            return Ok(found);
        }
        for row in &rows {
            let page = Page::read(row)?;
            end = page.first;
            if !query.may_lie_in(&page, &marks) {
                continue;
            }
            for line in page.lines()?.into_iter().rev() {
                let line: AuditLine = parse(line)?;
                if before.is_some_and(|before| line.seq >= before) || !query.wants(&line) {
                    continue;
                }
                if found.lines.len() == limit {
                    found.before = found.lines.last().map(|line| line.seq);
                    return Ok(found);
                }
                found.lines.push(line);
            }
        }
    }
    found.before = Some(end);
    Ok(found)
}

/// Shows the lines that a query wants, oldest first, as they are stored, until `visit` says no more.
///
/// # Errors
/// When the store cannot read; those of `visit`.
pub fn each<E: From<StoreError>>(
    reads: &dyn Reads,
    query: &Query,
    mut visit: impl FnMut(Value) -> Result<bool, E>,
) -> Result<(), E> {
    let marks = query.marks();
    each_page(reads, |row| {
        let page = Page::read(row)?;
        if query.may_lie_in(&page, &marks) {
            for line in page.lines()? {
                if query.wants(&parse(line.clone())?) && !visit(line)? {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    })
}

/// Shows the lines after one number and up to another, oldest first, until `visit` says no more.
///
/// # Errors
/// When the store cannot read; those of `visit`.
pub fn between<E: From<StoreError>>(
    reads: &dyn Reads,
    after: u64,
    upto: u64,
    mut visit: impl FnMut(AuditLine) -> Result<bool, E>,
) -> Result<(), E> {
    let prefix = Space::Audit.key(&[]);
    // The page that may hold the first of them begins at it or before.
    let before = KeyRange::prefix_before(&prefix, page::key(after.saturating_add(2)));
    let start = reads.scan(&before, Order::Descending, 1)?.into_iter().next();
    let mut range = match &start {
        Some((key, _)) => KeyRange { start: Bound::Included(key.clone()), ..KeyRange::prefix(&prefix) },
        None => KeyRange::prefix(&prefix),
    };
    loop {
        let rows = reads.scan(&range, Order::Ascending, CHUNK)?;
        let Some((last, _)) = rows.last() else { return Ok(()) };
        range = KeyRange::prefix_after(&prefix, last.clone());
        for row in &rows {
            for line in Page::read(row)?.lines()? {
                let line: AuditLine = parse(line)?;
                if line.seq > upto {
                    return Ok(());
                }
                if line.seq > after && !visit(line)? {
                    return Ok(());
                }
            }
        }
    }
}

fn parse<T: DeserializeOwned>(line: Value) -> Result<T, StoreError> {
    serde_json::from_value(line).map_err(|error| StoreError::Record(format!("an audit line: {error}")))
}
