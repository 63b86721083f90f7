//! What becomes of a password that let nobody in: what is told, and what is counted.
//!
//! Nobody is told a reason but who has proved the password.

use super::counting::Counted;
use super::flow::Refusal;
use super::login::{Authenticator, LoginError, refusal_name};
use super::verify::Answer;
use crate::base::id::SourceId;
use crate::sources::{self, RefusalReason};

impl Authenticator {
    /// Why, for the audit trail, and what is told. A try that said nothing of the password, or proved it, is not
    /// counted as a wrong one.
    pub(super) fn refuse(&self, counted: &mut Counted, answer: Answer) -> (&'static str, LoginError) {
        match answer {
            Answer::Accepted(..) | Answer::Wrong => ("wrong", LoginError::InvalidCredentials),
            Answer::AcceptedOffline(_) | Answer::Unavailable => {
                self.uncount(counted);
                counted.begins.clear();
                ("unavailable", LoginError::BackendUnavailable)
            }
            Answer::Throttled(wait) => ("source_attempts", LoginError::TooManyAttempts(wait)),
            Answer::Refused(source, refusal) => {
                if refusal.proved {
                    self.forgive(counted);
                    counted.begins.clear();
                }
                let error = told(source, &refusal);
                let why = match &error {
                    LoginError::Refused(refusal) => refusal_name(*refusal),
                    LoginError::ChangeAtSource(_) => "password_change_at_source",
                    _ => "refused_by_source",
                };
                (why, error)
            }
        }
    }
}

/// What somebody is told whom their own source keeps out.
fn told(source: SourceId, refusal: &sources::Refusal) -> LoginError {
    match refusal.reason {
        _ if !refusal.proved => LoginError::InvalidCredentials,
        RefusalReason::Disabled => LoginError::Refused(Refusal::Disabled),
        RefusalReason::Expired => LoginError::Refused(Refusal::Expired),
        RefusalReason::MustChangePassword => LoginError::ChangeAtSource(source),
        RefusalReason::Locked | RefusalReason::NotPermitted => LoginError::InvalidCredentials,
    }
}
