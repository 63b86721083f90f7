//! What can need a person. PURE.

use std::time::Duration;

use crate::directory::message::Body;
use crate::store::alarms;

/// The kinds of alarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A plan waits for a person.
    RunHeld,
    /// A run did not come to its end.
    RunFailed,
    /// Other background work failed.
    TaskFailed,
    /// The clock jumped, and what depends on it waits.
    SweepPaused,
    /// Mail does not leave.
    Mail,
    /// The store cannot write, or soon cannot.
    Storage,
    /// A certificate ends soon.
    Certificate,
    /// A webhook's endpoint takes no events.
    Webhook,
    /// A token that is in use ends soon.
    Token,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::RunHeld,
        Self::RunFailed,
        Self::TaskFailed,
        Self::SweepPaused,
        Self::Mail,
        Self::Storage,
        Self::Certificate,
        Self::Webhook,
        Self::Token,
    ];

    /// A stable name for lists, figures and the store.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RunHeld => "run_held",
            Self::RunFailed => "run_failed",
            Self::TaskFailed => "task_failed",
            Self::SweepPaused => "sweep_paused",
            Self::Mail => "mail",
            Self::Storage => "storage",
            Self::Certificate => "certificate",
            Self::Webhook => "webhook",
            Self::Token => "token",
        }
    }
}

/// Something that needs a person now.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// Of what kind.
    pub kind: Kind,
    /// Of what; empty where there is only one.
    pub of: String,
    /// What is wrong, where, and what to do: one line without secrets and without anybody's address.
    pub detail: String,
    /// What it is about among several that come one after the other, such as a plan; empty where there is one.
    pub about: String,
    /// It is mailed at once, whatever was mailed before: that was about something else, which is settled.
    pub is_news: bool,
    /// What is mailed.
    pub body: Body,
    /// It is mailed again after this time.
    pub again: Duration,
}

impl Finding {
    /// Mailed in the words of its detail, once a day.
    #[must_use]
    pub fn new(kind: Kind, of: &str, detail: String) -> Self {
        let body = Body::Alarm { cause: alarms::cause(kind.name(), of), detail: detail.clone() };
        Self { kind, of: of.to_owned(), detail, about: String::new(), is_news: false, body, again: DAY }
    }

    /// Its cause.
    #[must_use]
    pub fn cause(&self) -> String {
        alarms::cause(self.kind.name(), &self.of)
    }
}

/// A cause is mailed at most once in this time.
pub(super) const DAY: Duration = Duration::from_secs(24 * 3_600);
