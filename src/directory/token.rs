//! API tokens: what applications, administrators' programs and SCIM clients carry.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::base::id::{SourceId, TokenId, UserId};
use crate::base::network::Network;
use crate::base::secret::TokenHash;
use crate::directory::permission::{Permission, Permissions};

/// Most networks of a token.
pub const NETWORKS: usize = 32;
/// What an identity provider does by its token.
const PROVIDER: [Permission; 6] = [
    Permission::UsersCreate,
    Permission::UsersUpdate,
    Permission::UsersState,
    Permission::UsersDelete,
    Permission::UsersPassword,
    Permission::GroupsManage,
];
/// Refusals of other networks that a token remembers; as long as all are of this hour, no further one is told.
const REFUSALS: usize = 8;
/// A network is told of once in this time.
const REFUSAL_AGAIN: SignedDuration = SignedDuration::from_hours(1);

/// What a token opens.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// The SCIM endpoint, as the identity provider of this one source.
    Scim(SourceId),
    /// The API, with these permissions.
    Scopes(Permissions),
}

/// What a token is for, as its grant tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An application that logs users in, or asks whether they are.
    Application,
    /// A program that administers, watches or reads.
    Administration,
    /// The identity provider of a source.
    Scim,
}

impl Kind {
    /// Every kind with its name.
    pub const ALL: [(&'static str, Self); 3] =
        [("application", Self::Application), ("administration", Self::Administration), ("scim", Self::Scim)];
}

impl Grant {
    /// What a token with it is for.
    #[must_use]
    pub fn kind(&self) -> Kind {
        let logins = [Permission::LoginAuthenticate, Permission::LoginIntrospect].into_iter().collect();
        match self {
            Self::Scim(_) => Kind::Scim,
            Self::Scopes(scopes) if scopes.is_subset(logins) => Kind::Application,
            Self::Scopes(_) => Kind::Administration,
        }
    }

    /// What its bearer can do by it: nobody gives what they do not hold.
    #[must_use]
    pub fn permissions(&self) -> Permissions {
        match self {
            Self::Scim(_) => PROVIDER.into_iter().collect(),
            Self::Scopes(scopes) => *scopes,
        }
    }

    /// The names of its permissions, where it has such.
    #[must_use]
    pub fn scope_names(&self) -> Option<Vec<&'static str>> {
        match self {
            Self::Scim(_) => None,
            Self::Scopes(scopes) => Some(scopes.names()),
        }
    }
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

/// The text that a token had before its last rotation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Previous {
    /// Its hash.
    pub hash: TokenHash,
    /// Its first characters.
    pub prefix: String,
    /// It opens nothing from then on.
    pub until: Timestamp,
    /// When it was last used after the rotation (kept to the hour).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_used_at: Option<Timestamp>,
}

/// A use from a network that the token is not for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// Where from.
    pub network: Network,
    /// When it was told last.
    pub at: Timestamp,
}

/// Which of its two texts was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Text {
    /// The one that it has.
    Current,
    /// The one from before the last rotation.
    Previous,
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
    /// The token that made it: it ends with that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made_by: Option<TokenId>,
    /// Where it may be used from; empty: from everywhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub networks: Vec<Network>,
    /// How often it was changed by somebody.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub revision: u64,
    /// When it last got a new text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rotated_at: Option<Timestamp>,
    /// The text before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
    /// Where else it was used from of late.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<Refusal>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl ApiToken {
    /// A token that was made now, without anything that it may go without.
    #[must_use]
    pub fn new(id: TokenId, name: String, prefix: String, grant: Grant, now: Timestamp) -> Self {
        Self {
            id,
            name,
            prefix,
            grant,
            profile: Profile::Default,
            created_at: now,
            owner: None,
            owner_epoch: 0,
            expires_at: None,
            last_used_at: None,
            made_by: None,
            networks: Vec::new(),
            revision: 0,
            rotated_at: None,
            previous: None,
            refused: Vec::new(),
        }
    }

    /// Has its own life not ended?
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires_at.is_none_or(|end| now < end)
    }

    /// Does it open anything by this text of its own?
    #[must_use]
    pub fn opens_by(&self, text: Text, now: Timestamp) -> bool {
        let is_over = || self.previous.as_ref().is_none_or(|previous| previous.until <= now);
        self.is_live(now) && (text == Text::Current || !is_over())
    }

    /// May it be used from there? Who has no address is on this machine, and on none of the networks.
    #[must_use]
    pub fn is_for(&self, address: Option<IpAddr>) -> bool {
        let lies_in = |address| self.networks.iter().any(|network| network.contains(address));
        self.networks.is_empty() || address.is_some_and(lies_in)
    }

    /// Does it last no longer than the other one, and work from nowhere else?
    #[must_use]
    pub fn lies_within(&self, other: &Self) -> bool {
        let lasts_no_longer = other.expires_at.is_none_or(|limit| self.expires_at.is_some_and(|end| end <= limit));
        lasts_no_longer && self.works_only_where(other)
    }

    /// Does it work from nowhere else than the other one?
    #[must_use]
    pub fn works_only_where(&self, other: &Self) -> bool {
        let is_covered = |network: &Network| other.networks.iter().any(|wide| wide.covers(network));
        other.networks.is_empty() || (!self.networks.is_empty() && self.networks.iter().all(is_covered))
    }

    /// What is left of it within the token that made it: it opens no more, lasts no longer, and works from nowhere else.
    /// Where nothing is left, it ends.
    #[must_use]
    pub fn within(self, maker: &Self, now: Timestamp) -> Self {
        let held = maker.grant.permissions();
        let networks = common(&self.networks, &maker.networks);
        let is_left =
            networks.is_some() && (self.grant.kind() != Kind::Scim || self.grant.permissions().is_subset(held));
        let end = if is_left { maker.expires_at } else { Some(now) };
        let grant = match self.grant {
            Grant::Scopes(scopes) => Grant::Scopes(scopes.and(held)),
            provider @ Grant::Scim(_) => provider,
        };
        let networks = networks.unwrap_or(self.networks);
        Self { grant, networks, expires_at: self.expires_at.into_iter().chain(end).min(), ..self }
    }

    /// When this text was last used.
    #[must_use]
    pub fn last_use_of(&self, text: Text) -> Option<Timestamp> {
        match text {
            Text::Current => self.last_used_at,
            Text::Previous => self.previous.as_ref().and_then(|previous| previous.last_used_at),
        }
    }

    /// The token after a use of this text.
    #[must_use]
    pub fn used(mut self, text: Text, now: Timestamp) -> Self {
        if text == Text::Previous
            && let Some(previous) = &mut self.previous
        {
            previous.last_used_at = Some(now);
        }
        self.last_used_at = Some(now);
        self
    }

    /// The token after a use from a network that it is not for; `None`: that was told of late, or too much was.
    #[must_use]
    pub fn refused_at(&self, network: Network, now: Timestamp) -> Option<Self> {
        let of_late = |refusal: &&Refusal| now.duration_since(refusal.at) < REFUSAL_AGAIN;
        let mut refused: Vec<Refusal> = self.refused.iter().filter(of_late).cloned().collect();
        if refused.len() >= REFUSALS || refused.iter().any(|refusal| refusal.network == network) {
            return None;
        }
        refused.push(Refusal { network, at: now });
        Some(Self { refused, ..self.clone() })
    }

    /// The token with a new text; the one that it had works until `until`, the one before that no more.
    #[must_use]
    pub fn rotated(self, hash: TokenHash, prefix: String, until: Timestamp, now: Timestamp) -> Self {
        let until = self.expires_at.map_or(until, |end| end.min(until));
        let previous = (until > now).then_some(Previous { hash, prefix: self.prefix, until, last_used_at: None });
        Self { prefix, previous, rotated_at: Some(now), revision: self.revision.saturating_add(1), ..self }
    }
}

/// Where both are: no more networks than a token has. `None`: nowhere.
fn common(some: &[Network], others: &[Network]) -> Option<Vec<Network>> {
    if some.is_empty() || others.is_empty() {
        return Some([some, others].concat());
    }
    let lies_in = |all: &[Network], network: &Network| all.iter().any(|wide| wide.covers(network));
    let narrower = others.iter().filter(|network| lies_in(some, network) && !some.contains(network));
    let both = some.iter().filter(|network| lies_in(others, network)).chain(narrower);
    let both: Vec<Network> = both.take(NETWORKS).copied().collect();
    (!both.is_empty()).then_some(both)
}

#[cfg(test)]
#[path = "token/tests.rs"]
mod tests;
