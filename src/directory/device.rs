//! A device on which somebody proved a second factor, and which stands in for it for some days.

use std::net::IpAddr;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::clock::plus;
use crate::base::id::{DeviceId, UserId};
use crate::directory::user::User;

/// A trusted device. Kept under the hash of its token.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Device {
    /// Its public name, for lists.
    pub id: DeviceId,
    /// Whose it is.
    pub user: UserId,
    /// The user's session epoch when it was trusted; it dies when the user's moves on, as with each change of factors.
    pub epoch: u64,
    /// When it was trusted.
    pub created_at: Timestamp,
    /// When it stood in last.
    pub last_used_at: Timestamp,
    /// When it is asked again.
    pub expires_at: Timestamp,
    /// The network address that it was trusted from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// What its program calls itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
}

impl Device {
    /// Does it still stand in for the second factor of this user? No longer than devices are trusted by the policy of
    /// now (`None`: not at all), nor than it was promised.
    #[must_use]
    pub fn is_trusted(&self, user: &User, now: Timestamp, life: Option<Duration>) -> bool {
        self.user == user.id
            && self.epoch == user.session_epoch
            && now < self.expires_at
            && life.is_some_and(|life| now < plus(self.created_at, life))
    }
}
