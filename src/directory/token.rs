//! API tokens: what applications, administrators' programs and SCIM clients carry.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::id::{SourceId, TokenId, UserId};
use crate::directory::permission::Permissions;

/// What a token opens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// The SCIM endpoint, as the identity provider of this one source.
    Scim(SourceId),
    /// The API, with these permissions.
    Scopes(Permissions),
}

/// How a client of the SCIM endpoint speaks, and what it wants to hear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Profile {
    /// Every dialect is understood; a PATCH is answered with the resource.
    #[default]
    Default,
    /// Microsoft Entra ID: every dialect; a PATCH is answered with 204.
    Entra,
    /// Okta: every dialect; a PATCH is answered with the resource.
    Okta,
    /// RFC 7643 and RFC 7644 to the letter: what is outside of them is refused.
    Strict,
}

impl Profile {
    /// Every profile with its name.
    pub const ALL: [(&'static str, Self); 4] =
        [("default", Self::Default), ("entra", Self::Entra), ("okta", Self::Okta), ("strict", Self::Strict)];

    /// The profile of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, profile)| *profile)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, profile)| *profile == self).map_or("", |(name, _)| name)
    }

    /// Is it the one that tokens have unless told?
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::Default
    }

    /// Is what stands outside of the RFCs refused?
    #[must_use]
    pub fn is_strict(self) -> bool {
        self == Self::Strict
    }

    /// Does a PATCH bring the resource back (RFC 7644 §3.5.2 leaves it open)?
    #[must_use]
    pub fn shows_patched(self) -> bool {
        self != Self::Entra
    }
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
    /// How its bearer speaks SCIM, where it opens that.
    #[serde(default, skip_serializing_if = "Profile::is_default")]
    pub profile: Profile,
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
