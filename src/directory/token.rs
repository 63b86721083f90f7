//! API tokens: what applications, administrators' programs and SCIM clients carry.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::id::{SourceId, TokenId, UserId};
use crate::directory::permission::Permission;

/// What a token opens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// The SCIM endpoint, as the identity provider of this one source.
    Scim(SourceId),
    /// The API, with these permissions.
    Scopes(BTreeSet<Permission>),
}

/// An API token without its secret. Kept under the hash of its text.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApiToken {
    /// Its public name, by which it is listed and revoked.
    pub id: TokenId,
    /// What people call it.
    pub name: String,
    /// The first characters of its text, to recognise it by.
    pub prefix: String,
    /// What it opens.
    pub grant: Grant,
    /// When it was made.
    pub created_at: Timestamp,
    /// The administrator who made it with a session: it dies with that user's right to come in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<UserId>,
    /// The owner's session epoch when it was made; it dies when the owner's moves on.
    #[serde(default)]
    pub owner_epoch: u64,
    /// When it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was last used (kept to the hour).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}

impl ApiToken {
    /// Has its own life not ended?
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }
}
