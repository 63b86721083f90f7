//! Exit codes: one for each kind of failure, so that a script knows what to do next. They are a contract.

use std::fmt;
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Exit {
    /// It did what was asked.
    Fine,
    /// A failure of no other kind.
    Failed,
    /// The arguments make no sense.
    Usage,
    /// What was named is not there.
    NotFound,
    /// The daemon said no: rights, a rule, a value.
    Refused,
    /// No daemon answers, or it cannot now.
    Unreachable,
    /// It waits for a person.
    Held,
    /// Something changed meanwhile.
    Changed,
    /// The settings cannot be used.
    Settings,
}

impl Exit {
    /// Every way to end, with its code and what it means.
    const ALL: [(Self, u8, &str); 9] = [
        (Self::Fine, 0, "it is done"),
        (Self::Failed, 1, "it failed in another way: a run, a test, a file, the daemon itself"),
        (Self::Usage, 2, "the arguments make no sense"),
        (Self::NotFound, 3, "what was named is not there"),
        (Self::Refused, 4, "the daemon refuses it: rights, a rule, a value"),
        (Self::Unreachable, 5, "no daemon answers, or it is too busy: try again"),
        (Self::Held, 6, "nothing was changed: it is held, and waits for a person"),
        (Self::Changed, 7, "something changed meanwhile, or runs already: look, and try again"),
        (Self::Settings, 8, "the settings cannot be used"),
    ];

    /// Its code.
    pub(super) fn code(self) -> u8 {
        Self::ALL.iter().find(|(exit, ..)| *exit == self).map_or(1, |(_, code, _)| *code)
    }

    /// What a problem document of the daemon means, by its status and code.
    pub(super) fn of_problem(status: u16, code: &str) -> Self {
        match (status, code) {
            (_, "clock_in_doubt") => Self::Held,
            (412, _) | (_, "plan_stale" | "plan_decided" | "unexpected_number" | "message_over") => Self::Changed,
            (_, "already_running" | "already_rotated" | "already_undone") => Self::Changed,
            (404, _) => Self::NotFound,
            (429 | 503, _) => Self::Unreachable,
            (400..=499, _) => Self::Refused,
            _ => Self::Failed,
        }
    }

    /// Fine, or a failure.
    pub(super) fn fine_if(is_fine: bool) -> Self {
        if is_fine { Self::Fine } else { Self::Failed }
    }

    /// The table for the help.
    pub(super) fn help() -> String {
        let lines = Self::ALL.iter().map(|(_, code, what)| format!("  {code}  {what}\n"));
        format!("Exit codes:\n{}", lines.collect::<String>())
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// A failure whose kind is known.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    words: String,
}

impl Failure {
    /// A failure of this kind, in words.
    pub(super) fn new(exit: Exit, words: impl Into<String>) -> Self {
        Self { exit, words: words.into() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for Failure {}

/// Of what kind an error is.
pub(super) fn of(error: &anyhow::Error) -> Exit {
    error.chain().find_map(|cause| cause.downcast_ref::<Failure>()).map_or(Exit::Failed, |failure| failure.exit)
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn each_kind_of_failure_has_its_code_for_ever() {
        let codes = Exit::ALL.map(|(exit, code, _)| (code, exit.code()));
        assert_eq!(codes.map(|(code, _)| code), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert!(codes.iter().all(|(listed, own)| listed == own));
    }

    #[test]
    fn a_problem_ends_the_command_by_its_kind() {
        for (status, code, exit) in [
            (400, "invalid_fields", Exit::Refused),
            (403, "forbidden", Exit::Refused),
            (404, "not_found", Exit::NotFound),
            (409, "username_taken", Exit::Refused),
            (409, "last_administrator", Exit::Refused),
            (409, "plan_stale", Exit::Changed),
            (409, "already_running", Exit::Changed),
            (412, "stale", Exit::Changed),
            (409, "clock_in_doubt", Exit::Held),
            (429, "busy", Exit::Unreachable),
            (503, "storage_full", Exit::Unreachable),
            (500, "internal", Exit::Failed),
            (502, "source_failed", Exit::Failed),
        ] {
            assert_eq!(Exit::of_problem(status, code), exit, "{status} {code}");
        }
    }

    #[test]
    fn the_kind_of_an_error_is_found_behind_what_was_said_about_it() {
        let failure = Err::<(), _>(Failure::new(Exit::NotFound, "there is no such user"));
        let error = failure.context("the backup cannot be taken").unwrap_err();
        assert_eq!(of(&error), Exit::NotFound);
        assert_eq!(of(&anyhow::anyhow!("a file")), Exit::Failed);
    }
}
