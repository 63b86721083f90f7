//! What a login, or a step of one, comes to: in, asked for more, or refused.

use std::time::Duration;

use jiff::Timestamp;

use super::factors::MethodError;
use super::flow::Refusal;
use super::hasher::HashError;
use crate::base::id::SourceId;
use crate::base::secret::Secret;
use crate::directory::factor::Method;
use crate::directory::field::FieldError;
use crate::directory::login::Stage;
use crate::directory::session::Session;
use crate::directory::user::User;
use crate::store::StoreError;
use crate::store::credentials::Factor;
use crate::store::users::WriteError;

/// What a login has come to.
pub enum Outcome {
    /// In.
    Granted {
        /// Who.
        user: Box<User>,
        /// The session's token, shown once.
        token: Secret,
        /// The session.
        session: Box<Session>,
        /// The token of a device that is trusted from now on, shown once, and until when.
        device: Option<(Secret, Timestamp)>,
    },
    /// Something is asked first.
    Asked {
        /// The token of the login under way.
        transaction: Secret,
        /// What is asked.
        stage: Stage,
        /// Until when.
        expires_at: Timestamp,
        /// Who, so that the question can be put in the right words.
        user: Box<User>,
        /// What they can prove themselves with, where that is asked.
        factors: Vec<Factor>,
    },
}

/// Why a login, or a step of one, was refused.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Wrong name, password or code; nobody is told which.
    #[error("the name, password or code is wrong")]
    InvalidCredentials,
    /// The right password, but not now.
    #[error("the account may not come in")]
    Refused(Refusal),
    /// The right password, which must be changed first where it is kept: in this source.
    #[error("the password has run out or must be changed first: change it in the directory that keeps it ({0})")]
    ChangeAtSource(SourceId),
    /// The settings take no logins from that network.
    #[error("logins are not taken from this network")]
    NetworkNotAllowed,
    /// Too many tries.
    #[error("too many tries")]
    TooManyAttempts(Duration),
    /// Too many logins at once.
    #[error("too many passwords wait to be checked")]
    Busy,
    /// The backend that must know does not answer.
    #[error("the directory that keeps this password does not answer")]
    BackendUnavailable,
    /// No such login, or it ended.
    #[error("there is no such login under way")]
    NoSuchTransaction,
    /// Not what the login waits for.
    #[error("the login waits for something else")]
    WrongStep(Stage),
    /// A new password that breaks rules.
    #[error("the new password breaks rules")]
    Password(Vec<FieldError>),
    /// The user has no factor of this kind that can be asked for, or cannot have one.
    #[error("that method is not offered here")]
    NotOffered,
    /// A change of one's own that wants a fresh proof, by one of these methods.
    #[error("prove first who you are")]
    ProofRequired(Vec<Method>),
    /// A second factor could not be asked for or looked at.
    #[error(transparent)]
    Method(MethodError),
    /// The store's fault.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A record could not be written.
    #[error(transparent)]
    Write(WriteError),
}

impl From<WriteError> for LoginError {
    fn from(error: WriteError) -> Self {
        match error {
            WriteError::Store(error) => Self::Store(error),
            other => Self::Write(other),
        }
    }
}

impl From<MethodError> for LoginError {
    fn from(error: MethodError) -> Self {
        match error {
            MethodError::Write(error) => error.into(),
            other => Self::Method(other),
        }
    }
}

impl From<HashError> for LoginError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Busy => Self::Busy,
            HashError::Unusable => Self::Store(StoreError::Stopped),
        }
    }
}
