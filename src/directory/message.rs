//! What leaves the daemon after a commit: messages written to the outbox in the commit that causes them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::id::UserId;

/// One message to one person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// When the cause was committed.
    pub created_at: Timestamp,
    /// When it is of no use any more: it is dropped then, never sent late.
    pub expires_at: Timestamp,
    /// Whom it concerns.
    pub user: UserId,
    /// The stored address that it goes to.
    pub to: String,
    /// The name to greet.
    pub name: String,
    /// What it says.
    pub body: Body,
    /// How often sending it has failed.
    #[serde(default)]
    pub attempts: u32,
    /// When to try it next.
    pub due_at: Timestamp,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Body {
    /// A link by which the reader sets a first password.
    SetPassword {
        /// The link's address.
        url: String,
    },
    /// A link by which the reader sets a new password.
    ResetPassword {
        /// The link's address.
        url: String,
    },
    /// The reader's password was changed.
    PasswordChanged,
    /// A second factor was added to the reader's account.
    FactorAdded,
    /// The second factors of the reader's account were removed.
    FactorsReset,
}

impl Body {
    /// A stable name for lists and logs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::SetPassword { .. } => "set_password",
            Self::ResetPassword { .. } => "reset_password",
            Self::PasswordChanged => "password_changed",
            Self::FactorAdded => "factor_added",
            Self::FactorsReset => "factors_reset",
        }
    }
}
