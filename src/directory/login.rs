//! A login under way: one user, what has been proved so far, and what is asked next.

use std::collections::BTreeSet;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::base::id::{FactorId, SourceId, TokenId, UserId};
use crate::directory::factor::Method;
use crate::directory::password::Tries;
use crate::directory::user::User;

/// The stored state of a login that has begun and not ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Login {
    /// Whose it is; it never becomes another's.
    pub user: UserId,
    /// The user's session epoch when it began; it dies when the user's moves on.
    pub epoch: u64,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// Who verified the password.
    pub authenticated_by: SourceId,
    /// The network address that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The application whose login it is: nobody else takes its next steps. `None`: nobody's with a token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<TokenId>,
    /// What has been proved.
    pub methods: BTreeSet<Method>,
    /// What is wrong with the password that was proved, by the rules that held then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weakness: Option<PasswordReason>,
    /// New passwords that were tried in it.
    #[serde(default, skip_serializing_if = "Tries::are_none")]
    pub tried: Tries,
    /// The password was changed during this login.
    #[serde(default)]
    pub password_changed: bool,
    /// The factor that is being enrolled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolling: Option<FactorId>,
    /// What each source that was asked said of the password: for the audit line at the end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub asked: Vec<Value>,
    /// What is asked next.
    pub stage: Stage,
}

/// What a login waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// A new password.
    PasswordChange(PasswordReason),
    /// A second factor that is enrolled.
    Factor,
    /// The enrolment of a second factor.
    Enrolment,
}

/// Why a new password is asked for. Its names are stored and answered: they are for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PasswordReason {
    /// An administrator wants it.
    MustChange,
    /// It is older than passwords may become.
    Expired,
    /// It breaks the rules that hold now.
    TooWeak,
    /// It is one of those that everybody tries first.
    Blocklisted,
    /// It is known from a breach.
    Breached,
}

impl PasswordReason {
    /// Its stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MustChange => "must_change",
            Self::Expired => "expired",
            Self::TooWeak => "too_weak",
            Self::Blocklisted => "blocklisted",
            Self::Breached => "breached",
        }
    }
}

impl Login {
    /// May it go on?
    #[must_use]
    pub fn is_live(&self, user: &User, now: Timestamp) -> bool {
        self.user == user.id && self.epoch == user.session_epoch && now < self.expires_at
    }
}
