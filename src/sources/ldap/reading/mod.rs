//! Readings: everything, or what changed since a bookmark.
//!
//! A complete reading first takes a mark of where the server is, then reads page by page, so that what changes meanwhile
//! is read again with the next one. A reading of changes takes only explicit words of the server: where it says more
//! vaguely what is there and what not (the present phase of RFC 4533, a refused cookie, another domain controller), the
//! reading becomes a complete one.
//!
//! * `full`: everything · `syncrepl`, `dirsync`, `usn`, `stamps`: a mark, and which entries changed since one
//! * `again`: the changed entries, read by their identifiers; one that is not found is gone

use std::collections::HashSet;

use ldap3::{ResultEntry, Scope};

use super::bookmark::{Bookmark, Mark};
use super::entry::Entry;
use super::filter::Filter;
use super::kind::RootDse;
use super::mapping::Mapping;
use super::pages::{PageFault, Pages, before_reading, below, incomplete};
use super::settings::{Settings, Strategy};
use super::wire::error::explain_code;
use super::wire::link::{Link, Search};
use super::{Inner, Known, know};
use crate::base::id::ExternalId;
use crate::sources::{Extent, MemberName, Output, Piece, PullError, PulledUser, Read};

mod again;
mod dirsync;
mod full;
mod stamps;
mod syncrepl;
mod usn;

pub(super) use syncrepl::wait;

/// With more changes than this, a complete reading is cheaper, and nothing has to be kept in memory.
const CHANGES_MAX: usize = 20_000;

/// One reading under way.
pub(super) struct Reader<'a> {
    link: Link,
    settings: &'a Settings,
    known: &'a Known,
    output: Output,
}

/// What changed since a bookmark: entries that are there, read anew, and identifiers of those that are gone.
#[derive(Default)]
struct Changes {
    pieces: Vec<Piece>,
    next: Option<Mark>,
}

/// Why changes cannot be read.
enum Stop {
    /// The reading failed.
    Fault(PageFault),
    /// Only a complete reading tells, for this reason.
    Complete(String),
}

impl<T: Into<PageFault>> From<T> for Stop {
    fn from(fault: T) -> Self {
        Self::Fault(fault.into())
    }
}

/// Reads everything, or what changed since a bookmark.
pub(super) async fn read(
    inner: &Inner,
    since: Option<crate::sources::Bookmark>,
    output: Output,
) -> Result<Read, PullError> {
    let settings = &inner.settings;
    let mut link = inner.servers.for_reading(settings).await.map_err(before_reading)?;
    let known = know(inner, &mut link).await.map_err(before_reading)?;
    let mut reader = Reader { link, settings, known: &known, output };
    let scope = Bookmark::scope(settings, &known.mapping.profile);
    let why = match since.map(|since| Bookmark::parse(&since.0, &scope)) {
        None => "a complete reading".to_owned(),
        Some(Err(why)) => format!("a complete reading: {why}"),
        Some(Ok(mark)) => match reader.changes(&mark).await {
            Ok(changes) => return reader.put_changes(changes, &mark, &scope).await,
            Err(Stop::Complete(why)) => format!("a complete reading: {why}"),
            Err(Stop::Fault(fault)) => return Err(incomplete(fault, reader.output.count())),
        },
    };
    let (next, strategy) = reader.everything().await.map_err(|fault| incomplete(fault, reader.output.count()))?;
    let next = next.map(|mark| Bookmark { scope, mark }.write());
    Ok(Read { extent: Extent::Everything, next, how: format!("{why}; {strategy}") })
}

/// How changes would be read after a complete reading; nothing is read.
pub(super) async fn changes_by(link: Link, settings: &Settings, known: &Known) -> (Link, Result<String, PageFault>) {
    let output = Output::new(tokio::sync::mpsc::channel(1).0, std::sync::Arc::default());
    let mut reader = Reader { link, settings, known, output };
    let how = reader.mark().await.map(|(_, how)| how);
    (reader.link, how)
}

impl Reader<'_> {
    fn mapping(&self) -> &Mapping {
        &self.known.mapping
    }

    fn root(&self) -> &RootDse {
        &self.known.root
    }

    /// What changed since a mark.
    async fn changes(&mut self, since: &Mark) -> Result<Changes, Stop> {
        match since {
            Mark::Syncrepl { users, groups } => self.changes_by_syncrepl(users, groups.as_deref()).await,
            Mark::DirSync { cookie } => self.changes_by_dirsync(cookie).await,
            Mark::Usn { service, invocation, usn } => self.changes_by_usn(service, invocation, *usn).await,
            Mark::Timestamps { server, since } => self.changes_by_timestamp(server, since).await,
        }
    }

    /// Puts out what changed; all of it is known by now.
    async fn put_changes(mut self, changes: Changes, since: &Mark, scope: &str) -> Result<Read, PullError> {
        let unwanted = |_| PullError::Incomplete { read: 0, why: "reading was given up".to_owned() };
        for piece in changes.pieces {
            self.output.put(piece).await.map_err(unwanted)?;
        }
        self.output.flush().await.map_err(unwanted)?;
        let next = changes.next.unwrap_or_else(|| since.clone());
        let next = Some(Bookmark { scope: scope.to_owned(), mark: next }.write());
        Ok(Read { extent: Extent::Changes, next, how: format!("changes by {}", since.strategy().name()) })
    }

    /// The mark from which the next reading may go on, by the first strategy that the server agrees to.
    async fn mark(&mut self) -> Result<(Option<Mark>, String), PageFault> {
        let mut refused = Vec::new();
        for (strategy, why) in self.known.strategies(self.settings) {
            let mark = match strategy {
                Strategy::Full => return Ok((None, format!("no changes: {why}{}", told(&refused)))),
                Strategy::Syncrepl => self.mark_by_syncrepl().await?,
                Strategy::DirSync => self.mark_by_dirsync().await?,
                Strategy::Usn => self.mark_by_usn().await?,
                Strategy::Timestamps => self.mark_by_timestamp().await?,
            };
            match mark {
                Ok(mark) => {
                    let deletions = match strategy {
                        Strategy::DirSync | Strategy::Usn => self.deletions().await?,
                        _ => "",
                    };
                    let how = format!("changes by {}: {why}{deletions}{}", strategy.name(), told(&refused));
                    return Ok((Some(mark), how));
                }
                Err(problem) => refused.push(format!("{}: {problem}", strategy.name())),
            }
        }
        Ok((None, format!("no changes: the server refuses every way to read them{}", told(&refused))))
    }

    /// The identifiers of the users, among those that a filter finds, whom the administrator's own rule disables.
    async fn disabled(&mut self, among: Option<&Filter>) -> Result<HashSet<ExternalId>, PageFault> {
        let mut ids = HashSet::new();
        let profile = &self.known.mapping.profile;
        let Some(disabled) = &profile.disabled else { return Ok(ids) };
        let both = [profile.users.clone(), disabled.clone()];
        let filter = Filter::all(&both.into_iter().chain(among.cloned()).collect::<Vec<_>>());
        let wanted = self.known.mapping.wanted_id();
        let search = below(self.settings, &self.settings.base_dn, &filter, wanted.clone());
        let mut pages = Pages::new(search, self.settings.page_size);
        while let Some(entry) = pages.next(&mut self.link).await? {
            ids.extend(self.known.mapping.external_id(&Entry::read(entry.0, &wanted)?));
            if ids.len() > self.settings.max_entries {
                return Err(super::pages::too_many(self.settings.max_entries));
            }
        }
        Ok(ids)
    }

    /// An entry that is a user, or why it is none.
    fn user(&self, entry: ResultEntry, wanted: &[String], disabled: &HashSet<ExternalId>) -> Result<Piece, PageFault> {
        let entry = Entry::read(entry.0, wanted)?;
        Ok(match self.mapping().user(&entry) {
            Ok(user) => Piece::User(Box::new(with_rule(user, disabled))),
            Err(skipped) => Piece::Skipped(skipped),
        })
    }

    /// The rest of a group's members, range by range ([MS-ADTS] 3.1.1.3.1.3.3). A group is never taken without some of
    /// its members.
    async fn complete(&mut self, mut mapped: super::group::Mapped) -> Result<Piece, PageFault> {
        let endless = |label: &str| PageFault::Untrusted(format!("the members of {label} do not come to an end"));
        while let Some((attribute, first)) = mapped.rest.pop() {
            let asked = format!("{attribute};range={first}-*");
            let filter = Filter::present("objectClass");
            let search = Search {
                base: &mapped.group.label,
                scope: Scope::Base,
                filter: &filter,
                attributes: vec![asked.clone()],
                size_limit: 1,
                timeout: self.settings.idle_timeout,
            };
            let (entries, result) = self.link.search_entries(&search, Vec::new(), 1).await?;
            if result.rc != 0 {
                return Err(PageFault::Refused(result.rc, result.text));
            }
            let entry = entries.into_iter().next().ok_or_else(|| {
                PageFault::Untrusted(format!("the members of {} cannot be read any more", mapped.group.label))
            })?;
            let wanted = [asked.clone()];
            let entry = Entry::read_group(entry.0, &wanted, &wanted)?;
            let next = entry.next_value(&asked);
            let before = mapped.group.members.len();
            self.name_members(&mut mapped.group.members, &entry, (&attribute, &asked))?;
            let count = mapped.group.members.len();
            if count == before || count > self.settings.max_entries || next.is_some_and(|next| next <= first) {
                return Err(endless(&mapped.group.label));
            }
            mapped.rest.extend(next.map(|next| (attribute, next)));
        }
        Ok(Piece::Group(Box::new(mapped.group)))
    }
}

impl Reader<'_> {
    /// The members in one range of an attribute.
    fn name_members(
        &self,
        members: &mut Vec<MemberName>,
        entry: &Entry,
        (attribute, asked): (&String, &str),
    ) -> Result<(), PageFault> {
        let groups = self.mapping().profile.groups.as_ref();
        let are_logins = groups.is_some_and(|groups| groups.logins.contains(attribute));
        let names = super::group::named(entry, asked).map_err(PageFault::Untrusted)?;
        members.extend(names.map(|name| match are_logins {
            true => MemberName::Login(name.to_owned()),
            false => MemberName::Entry(super::group::without_uid(name).to_owned()),
        }));
        Ok(())
    }
}

/// The administrator's rule disables beside what the entry says of itself.
fn with_rule(mut user: PulledUser, disabled: &HashSet<ExternalId>) -> PulledUser {
    if user.disabled.is_none() && disabled.contains(&user.external_id) {
        user.disabled = Some("the rule disabled_when".to_owned());
    }
    user
}

fn told(refused: &[String]) -> String {
    if refused.is_empty() { String::new() } else { format!(" (refused: {})", refused.join("; ")) }
}

/// What the server says when it refuses a way to read changes.
fn refusal(code: u32, text: &str) -> String {
    match code {
        12 => "the server does not offer it for this base (unavailableCriticalExtension, result code 12)".to_owned(),
        _ => explain_code(code, text),
    }
}
