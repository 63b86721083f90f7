//! Where users come from besides musterd itself: the seam that every remote source implements.
//!
//! A source reads and verifies; it never writes to the store and never decides what becomes of a user.
//! What it read goes through `sync` (plan, guard, apply); what it verified goes through `auth`.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;

use crate::base::id::{ExternalId, SourceId};
use crate::base::secret::Secret;

pub mod ldap;

/// The future that a [`Source`] gives back; boxed, so that sources can be kept in one list.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// One configured remote source.
pub trait Source: Send + Sync {
    /// The configured name.
    fn id(&self) -> &SourceId;

    /// Reads all users once. `Ok` is a promise that the pass was complete: nothing was cut, nothing failed.
    fn pull(&self) -> Answer<'_, Result<Pulled, PullError>>;

    /// Is this password right for this person, according to this source?
    ///
    /// Ends within the source's own deadline; every failure that says nothing about the password is
    /// [`Verdict::Unavailable`].
    fn verify<'a>(&'a self, person: Person<'a>, password: &'a Secret) -> Answer<'a, Verdict>;

    /// Tries each step from the connection to three mapped samples, and tells how each went.
    fn test(&self) -> Answer<'_, TestReport>;
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

/// One complete reading of a source.
#[derive(Debug, Default)]
pub struct Pulled {
    /// Everyone whom the source holds, in its order.
    pub users: Vec<PulledUser>,
    /// Entries that could not be read as a user, each with the reason; they count as present.
    pub skipped: Vec<SkippedEntry>,
}

/// One user as a source has it: texts as read, not yet parsed into the directory's types.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PulledUser {
    /// The identifier that stays when everything else changes.
    pub external_id: ExternalId,
    /// How people find the entry at the source (a DN, a URL); for messages only.
    pub label: String,
    /// The login name.
    pub username: String,
    /// The name to show.
    pub name: String,
    /// The email address, where there is one.
    pub email: Option<String>,
    /// The phone number, where there is one.
    pub phone: Option<String>,
    /// A description, where there is one.
    pub description: Option<String>,
    /// `false` when the source itself has disabled the user.
    pub active: bool,
    /// When the source lets the account end.
    pub expires_at: Option<Timestamp>,
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
}

impl TestReport {
    /// Did every step succeed?
    #[must_use]
    pub fn passed(&self) -> bool {
        !self.steps.is_empty() && self.steps.iter().all(|step| step.outcome.is_ok())
    }
}
