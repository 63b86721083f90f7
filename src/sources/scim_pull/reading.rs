//! Readings: everything, or what changed since a bookmark.
//!
//! Changes are found by `meta.lastModified`, in the service's own times. The next reading begins where the latest change
//! of this one stood, minus the time that this one took: what changed under it is read again. Nobody is gone for not being
//! among changes. Where the service does not filter as it says, the reading becomes a complete one, and that is remembered
//! for a day; lists that came with an ETag, each on one page, are then asked for by it first: 304 proves that
//! nothing is new, and nothing else.

use std::sync::PoisonError;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::Inner;
use super::answer::Features;
use super::bookmark::{Bookmark, Etags, Mark};
use super::groups;
use super::mapping::{GROUPS, USERS};
use super::session::{Fault, Session, last_modified};
use super::settings::Paging;
use super::sweep::{List, Sweep, key};
use crate::base::clock::{minus, plus};
use crate::scim::Resource;
use crate::sources::{Extent, Output, Piece, PullError, Read};

/// A change may become visible so long after the time that it carries.
const OVERLAP: Duration = Duration::from_secs(60);
/// With more changes than this, a complete reading is cheaper, and nothing has to be kept in memory.
const CHANGES_MAX: usize = 20_000;
/// A service that did not filter is tried again after so long.
const TRY_AGAIN: Duration = Duration::from_secs(24 * 60 * 60);
/// How often in a row the latest change may not be found by its time.
const MISSES_MAX: u8 = 2;

/// Why changes cannot be read.
enum Stop {
    Fault(Fault),
    /// Only a complete reading tells, for this reason.
    Complete {
        why: String,
        /// Does the service not filter?
        deaf: bool,
        misses: u8,
    },
}

impl From<Fault> for Stop {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// The latest change among resources.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Latest {
    at: Option<Timestamp>,
    /// Some resource does not say when it changed.
    untold: bool,
}

impl Latest {
    fn note(&mut self, resource: &Resource) {
        match last_modified(resource) {
            None => self.untold = true,
            at => self.at = self.at.max(at),
        }
    }
}

/// Reads everything, or what changed since a bookmark.
pub(super) async fn read(
    inner: &Inner,
    since: Option<crate::sources::Bookmark>,
    output: Output,
) -> Result<Read, PullError> {
    let session = Session::new(inner, inner.settings.pass_timeout).await.map_err(|fault| fault.into_pull(0))?;
    let counter = output.counter();
    let mut reader = Reader { inner, session, output, features: Features::default() };
    let outcome = reader.read(since).await;
    outcome.map_err(|fault| fault.into_pull(counter.load(std::sync::atomic::Ordering::Relaxed)))
}

/// What the service says it can do: asked once for a complete reading, else as it is known.
pub(super) async fn features(inner: &Inner, session: &mut Session<'_>, anew: bool) -> Result<Features, Fault> {
    let known = inner.features.lock().unwrap_or_else(PoisonError::into_inner).clone();
    if let Some(known) = known.filter(|_| !anew) {
        return Ok(known);
    }
    let features = match session.get("/ServiceProviderConfig", None).await {
        Ok(answer) => Features::read(&answer.body),
        // Not every service has it, and not every token may read it. What is wrong with more than this shows soon.
        Err(fault) if fault.status().is_some_and(|status| !matches!(status, 429 | 503)) => Features::default(),
        Err(fault) => return Err(fault),
    };
    *inner.features.lock().unwrap_or_else(PoisonError::into_inner) = Some(features.clone());
    Ok(features)
}

/// The list of users or groups, as the settings and the service have it.
pub(super) fn list(inner: &Inner, features: &Features, kind: &'static str, since: Option<Timestamp>) -> List {
    let settings = &inner.settings;
    let own = settings.user_filter.as_deref().filter(|_| kind == USERS);
    let since = since.map(|since| format!("meta.lastModified ge \"{}\"", since.strftime("%Y-%m-%dT%H:%M:%SZ")));
    let filter = match (own, &since) {
        (Some(own), Some(since)) => Some(format!("({own}) and {since}")),
        (own, since) => own.map(str::to_owned).or_else(|| since.clone()),
    };
    let by_itself = if features.cursor { Paging::Cursor } else { Paging::Index };
    List {
        kind,
        filter,
        count: settings.page_size.min(features.page_max.unwrap_or(usize::MAX)),
        paging: settings.paging.unwrap_or(by_itself),
        proof: since.is_none(),
        max: settings.max_entries,
    }
}

/// One reading under way.
struct Reader<'a> {
    inner: &'a Inner,
    session: Session<'a>,
    output: Output,
    features: Features,
}

impl Reader<'_> {
    async fn read(&mut self, since: Option<crate::sources::Bookmark>) -> Result<Read, Fault> {
        let scope = Bookmark::scope(&self.inner.settings);
        let mark = since.map(|since| Bookmark::parse(&since.0, &scope));
        self.features = features(self.inner, &mut self.session, !matches!(mark, Some(Ok(_)))).await?;
        let (why, then) = match mark {
            None => ("a complete reading".to_owned(), Then::default()),
            Some(Err(why)) => (format!("a complete reading: {why}"), Then::default()),
            Some(Ok(Mark::Whole { why, again_at, etags })) => {
                let is_due = again_at <= self.inner.clock.now();
                if let Some(etags) = etags.as_ref().filter(|_| !is_due)
                    && self.is_unchanged(etags).await?
                {
                    let next =
                        Some(Bookmark { scope, mark: Mark::Whole { why, again_at, etags: Some(etags.clone()) } });
                    let how = "nothing changed: the server says so (ETag)".to_owned();
                    return Ok(Read { extent: Extent::Changes, next: next.map(|next| next.write()), how });
                }
                let deaf = (!is_due).then_some((why, again_at));
                ("a complete reading".to_owned(), Then { deaf, misses: 0 })
            }
            Some(Ok(Mark::LastModified { users, groups, distinct, misses })) => {
                match self.changes(users, groups, distinct, misses).await {
                    Ok((pieces, next)) => return self.put_changes(pieces, next, users, scope).await,
                    Err(Stop::Fault(fault)) => return Err(fault),
                    Err(Stop::Complete { why, deaf, misses }) => {
                        let deaf = deaf.then(|| (why.clone(), plus(self.inner.clock.now(), TRY_AGAIN)));
                        (format!("a complete reading: {why}"), Then { deaf, misses })
                    }
                }
            }
        };
        let mark = self.everything(then).await?;
        let how = match &mark {
            Mark::LastModified { .. } => format!("{why}; then changes by meta.lastModified"),
            Mark::Whole { why: because, .. } => format!("{why}; no changes: {because}"),
        };
        Ok(Read { extent: Extent::Everything, next: Some(Bookmark { scope, mark }.write()), how })
    }

    /// Does the service say that its lists are what they were?
    async fn is_unchanged(&mut self, etags: &Etags) -> Result<bool, Fault> {
        let lists = [(USERS, Some(&etags.users)), (GROUPS, etags.groups.as_ref())];
        let read = if self.inner.settings.groups { 2 } else { 1 };
        for (kind, etag) in lists.into_iter().take(read) {
            let Some(etag) = etag else { return Ok(false) };
            let first = list(self.inner, &self.features, kind, None).first();
            if self.session.get(&first, Some(etag)).await?.status != 304 {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// What changed since these times; all of it is known before anything is put out.
    async fn changes(
        &mut self,
        users: Timestamp,
        groups: Option<Timestamp>,
        distinct: bool,
        misses: u8,
    ) -> Result<(Vec<Piece>, Mark), Stop> {
        let (changed, latest_user) = self.changed(USERS, users, misses).await?;
        let mut pieces: Vec<Piece> = changed.iter().map(|user| self.user(user)).collect();
        let (mut mapped, mut latest_group) = (Vec::new(), None);
        if self.inner.settings.groups {
            let found;
            (found, latest_group) = match groups {
                Some(since) => self.changed(GROUPS, since, misses).await?,
                None => {
                    let (found, latest, _) = self.all_groups().await?;
                    (found, latest.at)
                }
            };
            mapped = groups::map(&mut self.session, found).await?;
        }
        let ambiguous = |_: &str| !distinct;
        pieces.extend(mapped.into_iter().map(|mapped| groups::settled(mapped, &ambiguous)));
        let moved = |since: Timestamp, latest: Option<Timestamp>| {
            latest.map(|latest| self.not_ahead(latest)).filter(|latest| *latest > since).unwrap_or(since)
        };
        let next_groups =
            groups.map(|since| moved(since, latest_group)).or_else(|| latest_group.map(|at| self.not_ahead(at)));
        let next = Mark::LastModified { users: moved(users, latest_user), groups: next_groups, distinct, misses: 0 };
        Ok((pieces, next))
    }

    /// The resources that changed since a time; the latest change among them.
    async fn changed(
        &mut self,
        kind: &'static str,
        since: Timestamp,
        misses: u8,
    ) -> Result<(Vec<Resource>, Option<Timestamp>), Stop> {
        let from = minus(since, OVERLAP);
        let deaf = |why: String| Stop::Complete { why, deaf: true, misses: 0 };
        let mut sweep = Sweep::new(list(self.inner, &self.features, kind, Some(from)));
        let (mut latest, mut found) = (Latest::default(), Vec::new());
        loop {
            let resources = match sweep.next(&mut self.session).await {
                Ok(None) => break,
                Ok(Some(resources)) => resources,
                Err(fault) if fault.status().is_some_and(|status| matches!(status, 400 | 403 | 501)) => {
                    return Err(deaf(format!("the server does not filter by meta.lastModified: {fault}")));
                }
                Err(fault) => return Err(fault.into()),
            };
            if found.len().saturating_add(resources.len()) > CHANGES_MAX {
                return Err(Stop::Complete { why: "very much has changed".to_owned(), deaf: false, misses: 0 });
            }
            for resource in resources {
                latest.note(&resource);
                // The filter has whole seconds.
                let is_older = last_modified(&resource).is_none_or(|at| plus(at, Duration::from_secs(1)) < from);
                if is_older {
                    return Err(deaf("the server ignores filters by meta.lastModified".to_owned()));
                }
                found.push(resource);
            }
        }
        if found.is_empty() {
            // It was there. Either it is gone, or the filter does not find it.
            let misses = misses.saturating_add(1);
            let why = format!("what changed last among /{kind} is not found by its time any more");
            return Err(Stop::Complete { why, deaf: misses >= MISSES_MAX, misses });
        }
        Ok((found, latest.at))
    }

    async fn put_changes(
        &mut self,
        pieces: Vec<Piece>,
        mark: Mark,
        since: Timestamp,
        scope: String,
    ) -> Result<Read, Fault> {
        for piece in pieces {
            self.output.put(piece).await?;
        }
        self.output.flush().await?;
        let how = format!("changes by meta.lastModified since {}", minus(since, OVERLAP));
        Ok(Read { extent: Extent::Changes, next: Some(Bookmark { scope, mark }.write()), how })
    }

    /// Puts out everything. Gives how the next reading may go on.
    async fn everything(&mut self, then: Then) -> Result<Mark, Fault> {
        let (mut of_users, mut of_groups) = (Latest::default(), Latest::default());
        let mut sweep = Sweep::new(list(self.inner, &self.features, USERS, None));
        while let Some(resources) = sweep.next(&mut self.session).await? {
            for resource in resources {
                of_users.note(&resource);
                let piece = self.user(&resource);
                self.output.put(piece).await?;
            }
        }
        let (users, users_etag) = (sweep.given, sweep.etag);
        let (mut distinct, mut groups_etag) = (true, None);
        if self.inner.settings.groups {
            let found;
            (found, of_groups, groups_etag) = self.all_groups().await?;
            let mapped = groups::map(&mut self.session, found).await?;
            distinct = groups::is_distinct(&users, &mapped);
            let is_user = |id: &str| !distinct || users.contains(&key(id));
            for mapped in mapped {
                self.output.put(groups::settled(mapped, &is_user)).await?;
            }
        }
        self.output.flush().await?;
        let etags = users_etag.map(|users| Etags { users, groups: groups_etag });
        let etags = etags.filter(|etags| etags.groups.is_some() || !self.inner.settings.groups);
        Ok(self.mark(then, (of_users, of_groups), distinct, etags))
    }

    /// All groups, the latest change among them, and the validator of the list.
    async fn all_groups(&mut self) -> Result<(Vec<Resource>, Latest, Option<String>), Fault> {
        let (mut latest, mut found) = (Latest::default(), Vec::new());
        let mut sweep = Sweep::new(list(self.inner, &self.features, GROUPS, None));
        while let Some(resources) = sweep.next(&mut self.session).await.map_err(no_groups)? {
            for resource in resources {
                latest.note(&resource);
                found.push(resource);
            }
        }
        Ok((found, latest, sweep.etag))
    }

    fn user(&self, resource: &Resource) -> Piece {
        match self.inner.mapping.user(resource) {
            Ok(user) => Piece::User(Box::new(user)),
            Err(skipped) => Piece::Skipped(skipped),
        }
    }

    /// How the next reading may go on, after a complete one.
    fn mark(&self, then: Then, latest: (Latest, Latest), distinct: bool, etags: Option<Etags>) -> Mark {
        let (users, groups) = latest;
        let tomorrow = plus(self.inner.clock.now(), TRY_AGAIN);
        let whole = |why: &str| Mark::Whole { why: why.to_owned(), again_at: tomorrow, etags: etags.clone() };
        let read_groups = self.inner.settings.groups;
        match (then.deaf, users.at) {
            _ if !self.inner.settings.changes => whole("the settings say so (strategy)"),
            (Some((why, again_at)), _) => Mark::Whole { why, again_at, etags },
            _ if !self.features.filter => whole("the server says that it does not filter"),
            _ if users.untold || (read_groups && groups.untold) => whole("the server tells no meta.lastModified"),
            (None, None) => whole("there are no users"),
            (None, Some(at)) => Mark::LastModified {
                users: self.not_ahead(at),
                groups: groups.at.map(|at| self.not_ahead(at)),
                distinct,
                misses: then.misses,
            },
        }
    }

    /// A time from which everything is read that changed under this reading. One entry that is dated in the future must
    /// not hide what changes until then; an earlier mark only reads more.
    fn not_ahead(&self, latest: Timestamp) -> Timestamp {
        // Whole seconds, so that a quiet service gives the same mark each time.
        let took = Duration::from_secs(self.session.elapsed().as_secs().saturating_add(1));
        let began = self.session.began.unwrap_or_else(|| minus(self.inner.clock.now(), took));
        let mark = minus(latest, took).min(began);
        mark.round(jiff::Unit::Second).map_or(mark, |rounded| if rounded > mark { back(rounded) } else { rounded })
    }
}

/// What comes after a complete reading, as far as it is known before.
#[derive(Default)]
struct Then {
    /// The service does not filter: why, and until when that is believed.
    deaf: Option<(String, Timestamp)>,
    misses: u8,
}

/// Not every service has groups.
fn no_groups(fault: Fault) -> Fault {
    match fault {
        Fault::Refused { status: status @ (404 | 405 | 501), kind, text } => Fault::Refused {
            status,
            kind,
            text: format!("{text}; where the service has no groups, set groups = false"),
        },
        other => other,
    }
}

fn back(at: Timestamp) -> Timestamp {
    at.checked_sub(SignedDuration::from_secs(1)).unwrap_or(at)
}
