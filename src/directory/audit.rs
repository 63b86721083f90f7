//! The audit trail's lines: who changed what, why, and from what to what. Secrets never stand in them.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use crate::base::id::{GroupId, OrganizationId, ResourceId, RoleId, RunId, SourceId, TokenId, UserId};

/// Who did it.
#[derive(Clone, Debug, PartialEq, Deserialize)]
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
    /// The bulk change or import that it is part of.
    pub run: Option<RunId>,
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
        Self { actor, address: None, request: None, reason: None, run: None }
    }

    /// The same author, with a reason.
    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }
}

/// What was changed.
#[derive(Clone, Debug, PartialEq, Deserialize)]
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
    /// A role.
    Role {
        /// Which.
        id: RoleId,
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
    /// A resource of a type that the settings add.
    Resource {
        /// Which.
        id: ResourceId,
        /// Its type.
        #[serde(rename = "type")]
        type_name: String,
    },
    /// A name that belongs to nobody: a login that was refused.
    Unknown,
    /// The directory as a whole.
    Directory,
}

/// Writes an object; its members must come in the order of their names.
macro_rules! object {
    ($serializer:expr, $($name:literal: $value:expr),*) => {{
        let mut object = $serializer.serialize_map(None)?;
        $(object.serialize_entry($name, $value)?;)*
        object.end()
    }};
}

// By hand, because the tag would come first: a line's text is hashed, and its members stand in the order of their names.
impl Serialize for Actor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::User { id } => object!(serializer, "id": id, "kind": "user"),
            Self::Token { id } => object!(serializer, "id": id, "kind": "token"),
            Self::Socket { uid } => object!(serializer, "kind": "socket", "uid": uid),
            Self::Source { id, run: None } => object!(serializer, "id": id, "kind": "source"),
            Self::Source { id, run: Some(run) } => object!(serializer, "id": id, "kind": "source", "run": run),
            Self::System { part } => object!(serializer, "kind": "system", "part": part),
            Self::Anonymous => object!(serializer, "kind": "anonymous"),
        }
    }
}

impl Serialize for Target {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::User { id, username } => object!(serializer, "id": id, "kind": "user", "username": username),
            Self::Group { id, name } => object!(serializer, "id": id, "kind": "group", "name": name),
            Self::Organization { id, name } => object!(serializer, "id": id, "kind": "organization", "name": name),
            Self::Role { id } => object!(serializer, "id": id, "kind": "role"),
            Self::Token { id, name } => object!(serializer, "id": id, "kind": "token", "name": name),
            Self::Source { id } => object!(serializer, "id": id, "kind": "source"),
            Self::Resource { id, type_name } => {
                object!(serializer, "id": id, "kind": "resource", "type": type_name)
            }
            Self::Unknown => object!(serializer, "kind": "unknown"),
            Self::Directory => object!(serializer, "kind": "directory"),
        }
    }
}

impl Actor {
    /// In one word or two: `user 018f…`, `source corp`, `system sweep`, `anonymous`. A source's runs do not count.
    #[must_use]
    pub fn who(&self) -> String {
        match self {
            Self::User { id } => format!("user {id}"),
            Self::Token { id } => format!("token {id}"),
            Self::Socket { uid } => format!("socket {uid}"),
            Self::Source { id, .. } => format!("source {}", id.as_str()),
            Self::System { part } => format!("system {part}"),
            Self::Anonymous => "anonymous".to_owned(),
        }
    }
}

impl Target {
    /// The id of what it is, where it has one.
    #[must_use]
    pub fn id(&self) -> Option<String> {
        match self {
            Self::User { id, .. } => Some(id.to_string()),
            Self::Group { id, .. } => Some(id.to_string()),
            Self::Organization { id, .. } => Some(id.to_string()),
            Self::Role { id } => Some(id.as_str().to_owned()),
            Self::Token { id, .. } => Some(id.to_string()),
            Self::Source { id } => Some(id.as_str().to_owned()),
            Self::Resource { id, .. } => Some(id.to_string()),
            Self::Unknown | Self::Directory => None,
        }
    }
}

/// One attribute before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The attribute.
    pub attribute: String,
    /// Its value after; absent when it has none.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub new: serde_json::Value,
    /// Its value before; absent when it had none.
    #[serde(default, skip_serializing_if = "serde_json::Value::is_null")]
    pub old: serde_json::Value,
}

/// One line of the trail as it is stored and shown; its members stand in the order of their names.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditLine {
    /// What happened: `user.created`, `login.refused`.
    pub action: String,
    /// Who did it.
    pub actor: Actor,
    /// The network address, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// When it was committed.
    pub at: Timestamp,
    /// Attribute by attribute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changes: Vec<Change>,
    /// More facts, for logins and runs.
    #[serde(default, skip_serializing_if = "serde_json::Map::is_empty")]
    pub details: serde_json::Map<String, serde_json::Value>,
    /// SHA-256 over the previous line's hash and this line's other members by name, in hexadecimal.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hash: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<String>,
    /// The bulk change or import that it is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<RunId>,
    /// Its place in the trail, from 1, without gaps.
    pub seq: u64,
    /// To what.
    pub target: Target,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::rng::Rng;

    #[test]
    fn the_members_of_a_line_stand_in_the_order_of_their_names() {
        let (at, rng) = (Timestamp::UNIX_EPOCH, Rng::seeded(1));
        let (user, token, source) = (UserId::new(at, &rng), TokenId::new(at, &rng), SourceId::local());
        let actors = [
            Actor::User { id: user },
            Actor::Token { id: token },
            Actor::Socket { uid: 7 },
            Actor::Source { id: source.clone(), run: None },
            Actor::Source { id: source.clone(), run: Some(RunId::new(at, &rng)) },
            Actor::System { part: "sweep".to_owned() },
            Actor::Anonymous,
            Actor::Anonymous,
            Actor::Anonymous,
        ];
        let name = || "n".to_owned();
        let targets = [
            Target::User { id: user, username: name() },
            Target::Group { id: GroupId::new(at, &rng), name: name() },
            Target::Organization { id: OrganizationId::new(at, &rng), name: name() },
            Target::Role { id: RoleId::parse("helpdesk").unwrap() },
            Target::Token { id: token, name: name() },
            Target::Source { id: source },
            Target::Resource { id: ResourceId::new(at, &rng), type_name: name() },
            Target::Unknown,
            Target::Directory,
        ];
        for (actor, target) in actors.into_iter().zip(targets) {
            let line = AuditLine {
                action: "user.changed".to_owned(),
                actor,
                address: Some(IpAddr::from([192, 0, 2, 7])),
                at,
                changes: vec![Change { attribute: name(), new: json!({"b": 1, "a": 2}), old: json!(3) }],
                details: json!({"z": 1, "a": {"y": 1, "b": 2}}).as_object().unwrap().clone(),
                hash: name(),
                reason: Some(name()),
                request: Some(name()),
                run: Some(RunId::new(at, &rng)),
                seq: 1,
                target,
            };
            // A value sorts its members.
            let sorted = serde_json::to_value(&line).unwrap();
            assert_eq!(serde_json::to_string(&line).unwrap(), sorted.to_string());
            assert_eq!(serde_json::from_value::<AuditLine>(sorted).unwrap(), line);
        }
    }
}
