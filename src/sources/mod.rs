//! Where users come from besides musterd itself: the seam that every remote source implements.
//!
//! A source reads and verifies; it never writes to the store and never decides what becomes of a user.
//! What it read goes through `sync` (plan, guard, apply); what it verified goes through `auth`.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::base::id::{ExternalId, SourceId};
use crate::base::secret::Secret;

pub mod ldap;
pub mod scim_pull;

/// The future that a [`Source`] gives back; boxed, so that sources can be kept in one list.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One configured remote source.
pub trait Source: Send + Sync {
    /// The configured name.
    fn id(&self) -> &SourceId;

    /// Reads what changed since a bookmark, or everything, and puts it out piece by piece: people before groups.
    ///
    /// `Ok` is a promise that the reading came to its end: nothing was cut, nothing failed. A source that cannot go on
    /// from the bookmark reads everything, and says so.
    fn read(&self, since: Option<Bookmark>, output: Output) -> Answer<'_, Result<Read, PullError>>;

    /// The person of this identity as the source has them now; `None`: it has not, or not among its users.
    fn look_up<'a>(&'a self, id: &'a ExternalId) -> Answer<'a, Result<Option<PulledUser>, PullError>>;

    /// Waits until something may have changed since a bookmark; for ever, where the source does not tell.
    fn changed(&self, since: Option<Bookmark>) -> Answer<'_, Result<(), PullError>> {
        let _ = since;
        Box::pin(std::future::pending())
    }

    /// Is this password right for this person, according to this source?
    ///
    /// Ends within the source's own deadline; every failure that says nothing about the password is
    /// [`Verdict::Unavailable`].
    fn verify<'a>(&'a self, person: Person<'a>, password: &'a Secret) -> Answer<'a, Verdict>;

    /// Tries each step from the connection to some mapped samples, and tells how each went.
    fn test(&self, trial: Trial) -> Answer<'_, TestReport>;

    /// The servers behind it, each with whether it answered lately.
    fn health(&self) -> Vec<ServerHealth> {
        Vec::new()
    }
}

/// Where a reading ended, in the source's own words: the next one goes on from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bookmark(pub String);

/// What a reading proved when it came to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// What was read.
    pub extent: Extent,
    /// Where the next reading may go on; none: it cannot.
    pub next: Option<Bookmark>,
    /// How it was read and why so, for people.
    pub how: String,
}

/// What a reading says of who is not in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// They are not there.
    Everything,
    /// Nothing.
    Changes,
}

/// One piece of a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// A user.
    User(Box<PulledUser>),
    /// A group.
    Group(Box<PulledGroup>),
    /// An entry that could not be read as either; it counts as present.
    Skipped(SkippedEntry),
    /// An entry that the source says is gone.
    Gone(ExternalId),
}

/// Pieces that are handed over at a time.
const PIECES: usize = 256;

/// Where a reading puts its pieces. It waits while whoever takes them is busy.
pub struct Output {
    pieces: Vec<Piece>,
    to: mpsc::Sender<Vec<Piece>>,
    read: Arc<AtomicUsize>,
}

/// Nobody takes the pieces any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reading was given up")]
pub struct Unwanted;

impl Output {
    /// An output into a channel; `read` follows how many entries were put out.
    #[must_use]
    pub fn new(to: mpsc::Sender<Vec<Piece>>, read: Arc<AtomicUsize>) -> Self {
        Self { pieces: Vec::with_capacity(PIECES), to, read }
    }

    /// Puts out one piece.
    ///
    /// # Errors
    /// When nobody takes it any more.
    pub async fn put(&mut self, piece: Piece) -> Result<(), Unwanted> {
        self.read.fetch_add(1, Ordering::Relaxed);
        self.pieces.push(piece);
        if self.pieces.len() >= PIECES { self.flush().await } else { Ok(()) }
    }

    /// Hands over what was put out so far.
    ///
    /// # Errors
    /// When nobody takes it any more.
    pub async fn flush(&mut self) -> Result<(), Unwanted> {
        if self.pieces.is_empty() {
            return Ok(());
        }
        let pieces = std::mem::replace(&mut self.pieces, Vec::with_capacity(PIECES));
        self.to.send(pieces).await.map_err(|_| Unwanted)
    }

    /// What follows how many entries were put out.
    #[must_use]
    pub fn counter(&self) -> Arc<AtomicUsize> {
        self.read.clone()
    }

    /// How many entries were put out.
    #[must_use]
    pub fn count(&self) -> usize {
        self.read.load(Ordering::Relaxed)
    }
}

/// Whom a source is asked to verify.
#[derive(Clone, Copy)]
pub enum Person<'a> {
    /// A user of this source, by the identifier that the source gave.
    Known {
        /// The identifier.
        id: &'a ExternalId,
        /// The entry's name at the last reading, to look there first; it may be stale.
        entry: Option<&'a str>,
    },
    /// Somebody whom this source may know by this username or email.
    Named(&'a str),
}

/// What a source says of a password.
pub enum Verdict {
    /// It is right. The entry as the source has it now, where the person was found by name.
    Accepted(Option<Box<PulledUser>>),
    /// It is wrong, or the source does not know the person.
    Wrong,
    /// The source could not tell: down, slow, misconfigured, overloaded. The text is for the log.
    Unavailable(String),
    /// The source itself keeps the person out, whatever the password.
    Refused(Refusal),
}

/// Why a source keeps somebody out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The reason.
    pub reason: RefusalReason,
    /// Whether the source has checked the password and found it right: only then may the person be told.
    pub proved: bool,
    /// In words, for the log.
    pub text: String,
}

/// Why a source keeps somebody out, as far as it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalReason {
    /// The account is disabled there.
    Disabled,
    /// The account has expired there.
    Expired,
    /// The account is locked there for a while.
    Locked,
    /// The password has expired there, or must be changed there first.
    MustChangePassword,
    /// Not at this time or from here; the entry is none that can be taken; or the source does not say why.
    NotPermitted,
}

impl RefusalReason {
    /// The reason as the audit trail has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Locked => "locked",
            Self::MustChangePassword => "must_change_password",
            Self::NotPermitted => "not_permitted",
        }
    }
}

/// What an entry says of an attribute: `None` that nobody asked for it, `Some(None)` that it has none.
pub type Said<T> = Option<Option<T>>;

/// One user as a source has it: texts as read, not yet parsed into the directory's types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PulledUser {
    /// The identifier that stays when everything else changes.
    pub external_id: ExternalId,
    /// How people find the entry at the source: a DN, a URL. It may change.
    pub label: String,
    /// The login name.
    pub username: String,
    /// The name to show.
    pub name: String,
    /// The email address.
    pub email: Said<String>,
    /// The phone number.
    pub phone: Said<String>,
    /// A description.
    pub description: Said<String>,
    /// Why the source itself keeps the user out for good, in words; none: it does not.
    pub disabled: Option<String>,
    /// When the source lets the account end.
    pub expires_at: Said<Timestamp>,
    /// What the entry calls its primary group.
    pub primary_group: Option<String>,
    /// What keeps the user out at the source for now, in words: a lock, a password that must be changed. It passes
    /// without a change of the entry, and is shown only.
    pub passing: Option<String>,
}

/// One group as a source has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PulledGroup {
    /// The identifier that stays when everything else changes.
    pub external_id: ExternalId,
    /// How people find the entry at the source.
    pub label: String,
    /// The name to show.
    pub name: String,
    /// A description.
    pub description: Said<String>,
    /// The members as the entry names them.
    pub members: Vec<MemberName>,
    /// The number by which users name it as their primary group.
    pub primary_key: Option<String>,
}

/// A member as a group's entry names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberName {
    /// By the name of its entry.
    Entry(String),
    /// By its login name (RFC 2307 `memberUid`).
    Login(String),
}

/// An entry that could not be taken, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkippedEntry {
    /// The identifier, where at least that could be read: the user is then present, not absent.
    pub external_id: Option<ExternalId>,
    /// How people find the entry at the source.
    pub label: String,
    /// What is wrong with it.
    pub problem: String,
}

/// Why a source could not be read to its end. Nobody may be removed on the strength of any of these.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The source could not be reached or refused us.
    #[error("{0}")]
    Unavailable(String),
    /// Reading began and did not come to its end.
    #[error("cut short after {read} entries: {why}")]
    Incomplete {
        /// Entries read before the end.
        read: usize,
        /// What ended the pass.
        why: String,
    },
    /// The settings cannot work with this server.
    #[error("{0}")]
    Misconfigured(String),
}

/// How a source is tried.
pub struct Trial {
    /// Everything that a doctor looks at, instead of what a test needs.
    pub thorough: bool,
    /// The longest time for all of it; the report then has what was found out until then.
    pub limit: Duration,
    /// Settings to try in place of the configured ones.
    pub instead: Instead,
}

impl Default for Trial {
    fn default() -> Self {
        Self { thorough: false, limit: Duration::from_secs(60), instead: Instead::default() }
    }
}

/// Settings to try in place of the configured ones; nothing of it is kept.
#[derive(Default)]
pub struct Instead {
    /// Other servers.
    pub urls: Option<Vec<String>>,
    /// Another reader.
    pub bind_dn: Option<String>,
    /// The reader's password. It must be given again where the servers or the reader are others: the configured one
    /// goes nowhere else.
    pub bind_password: Option<Secret>,
    /// Another base.
    pub base_dn: Option<String>,
    /// Another filter for users.
    pub user_filter: Option<String>,
}

impl Instead {
    /// Is there anything to try?
    #[must_use]
    pub fn is_some(&self) -> bool {
        let Self { urls, bind_dn, bind_password, base_dn, user_filter } = self;
        urls.is_some() || bind_dn.is_some() || bind_password.is_some() || base_dn.is_some() || user_filter.is_some()
    }
}

/// How a test of a source went, step by step.
#[derive(Debug, Default)]
pub struct TestReport {
    /// The steps in the order in which they were tried; the first failed one is the last.
    pub steps: Vec<TestStep>,
    /// A few users as they would be read.
    pub samples: Vec<PulledUser>,
}

/// One step of a test.
#[derive(Debug)]
pub struct TestStep {
    /// What was tried.
    pub name: &'static str,
    /// What came of it; an error names the setting to look at.
    pub outcome: Result<String, String>,
    /// How long it took.
    pub took: Duration,
    /// The setting that governs it.
    pub setting: &'static str,
}

/// One server of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerHealth {
    /// Where it is.
    pub url: String,
    /// Why it is passed by for now, and for how long it has been; none: it answers, as far as is known.
    pub down: Option<(String, Duration)>,
}

impl TestReport {
    /// Did every step succeed?
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.steps.is_empty() && self.steps.iter().all(|step| step.outcome.is_ok())
    }
}
