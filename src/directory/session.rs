//! Sessions, password links and logins under way: what a bearer of a token stands for.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::clock::plus;
use crate::base::id::{SessionId, SourceId, TokenId, UserId};
use crate::directory::factor::Method;
use crate::directory::password::Tries;
use crate::directory::policy::SessionPolicy;
use crate::directory::user::User;

/// Clocks are put right by seconds, now and then.
const CLOCK_SLACK: std::time::Duration = std::time::Duration::from_secs(60);

/// A session: who logged in, how, and until when. Kept under the hash of its token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// Its public name, for lists.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// The user's session epoch when it began; it dies when the user's moves on.
    pub epoch: u64,
    /// When it began.
    pub created_at: Timestamp,
    /// When the bearer last proved who they are.
    pub authenticated_at: Timestamp,
    /// When it was last used (kept to the minute).
    pub last_used_at: Timestamp,
    /// When it ends whatever happens.
    pub expires_at: Timestamp,
    /// The source that verified the password.
    pub authenticated_by: SourceId,
    /// How the bearer proved who they are.
    pub methods: BTreeSet<Method>,
    /// The network address of the login.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<std::net::IpAddr>,
    /// The application that logged the user in, where one did with its token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<TokenId>,
    /// What the client's program calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

impl Session {
    /// When it ends however much it is used: as it was promised when it began, or earlier by the policy of now.
    #[must_use]
    pub fn ends_at(&self, policy: &SessionPolicy) -> Timestamp {
        self.expires_at.min(plus(self.created_at, policy.absolute))
    }

    /// Is the bearer still in? Computed at every use: no sweep is needed for anybody to be out. A session lasts no
    /// longer than the policy of now allows, nor than it was promised when it began.
    #[must_use]
    pub fn is_valid(&self, user: &User, now: Timestamp, policy: &SessionPolicy) -> bool {
        let idle_end = plus(self.last_used_at, policy.idle);
        // Used in the future: the clock went back, and nothing can be said of how long it was idle.
        let later = plus(now, CLOCK_SLACK);
        self.user == user.id
            && self.epoch == user.session_epoch
            && now < self.ends_at(policy)
            && now < idle_end
            && self.last_used_at <= later
            && user.is_valid(now)
    }
}

/// A link by which somebody sets a password. Kept under the hash of its token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PasswordLink {
    /// Whose password it sets.
    pub user: UserId,
    /// The user's session epoch when it was made; it dies when the user's moves on.
    pub epoch: u64,
    /// The address it was made for; it dies when the user's address changes.
    pub email: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// New passwords that were tried with it.
    #[serde(default, skip_serializing_if = "Tries::are_none")]
    pub tried: Tries,
}

impl PasswordLink {
    /// May it still be used?
    #[must_use]
    pub fn is_valid(&self, user: &User, now: Timestamp) -> bool {
        self.user == user.id
            && self.epoch == user.session_epoch
            && self.email == user.email.as_ref().map(|email| email.folded()).unwrap_or_default()
            && now < self.expires_at
            && user.is_valid(now)
    }
}
