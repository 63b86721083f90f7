//! The audit trail's lines: who changed what, why, and from what to what. Secrets never stand in them.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::id::{GroupId, OrganizationId, RunId, SourceId, TokenId, UserId};

/// Who did it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Actor {
    /// A user, with a session or a password link.
    User {
        /// Who.
        id: UserId,
    },
    /// The bearer of an API token.
    Token {
        /// Which.
        id: TokenId,
    },
    /// Somebody on this machine, through the admin socket.
    Socket {
        /// The caller's user id there.
        uid: u32,
    },
    /// A source: its identity provider, or a pass over it.
    Source {
        /// Which.
        id: SourceId,
        /// The pass, where it was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        run: Option<RunId>,
    },
    /// musterd itself: `sweep`, `setup`.
    System {
        /// Which part of it.
        part: String,
    },
    /// Somebody who has not proved who they are.
    Anonymous,
}

/// Who asked for a change, from where and why: handed to every function that changes a record.
#[derive(Clone, Debug)]
pub struct Author {
    /// Who.
    pub actor: Actor,
    /// The network address, where there was one.
    pub address: Option<IpAddr>,
    /// The request that asked for it.
    pub request: Option<String>,
    /// Why, in words.
    pub reason: Option<String>,
}

impl Author {
    /// A part of musterd itself.
    #[must_use]
    pub fn system(part: &str) -> Self {
        Self::of(Actor::System { part: part.to_owned() })
    }

    /// An actor without a request.
    #[must_use]
    pub fn of(actor: Actor) -> Self {
        Self { actor, address: None, request: None, reason: None }
    }

    /// The same author, with a reason.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}

/// What was changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Target {
    /// A user.
    User {
        /// Which.
        id: UserId,
        /// Its username at the time.
        username: String,
    },
    /// A group.
    Group {
        /// Which.
        id: GroupId,
        /// Its name at the time.
        name: String,
    },
    /// An organisation.
    Organization {
        /// Which.
        id: OrganizationId,
        /// Its name at the time.
        name: String,
    },
    /// An API token.
    Token {
        /// Which.
        id: TokenId,
        /// Its name.
        name: String,
    },
    /// A source.
    Source {
        /// Which.
        id: SourceId,
    },
    /// A name that belongs to nobody: a login that was refused.
    Unknown,
    /// The directory as a whole.
    Directory,
}

/// One attribute before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The attribute.
    pub attribute: String,
    /// Its value before; absent when it had none.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub old: serde_json::Value,
    /// Its value after; absent when it has none.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub new: serde_json::Value,
}

/// One line of the trail as it is stored and shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditLine {
    /// Its place in the trail, from 1, without gaps.
    pub seq: u64,
    /// When it was committed.
    pub at: Timestamp,
    /// What happened: `user.created`, `login.refused`.
    pub action: String,
    /// Who did it.
    pub actor: Actor,
    /// To what.
    pub target: Target,
    /// The network address, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// The request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Attribute by attribute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// More facts, for logins and runs.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub details: serde_json::Map<String, serde_json::Value>,
    /// SHA-256 over the previous line's hash and this line's other members by name, in hexadecimal.
    pub hash: String,
}
