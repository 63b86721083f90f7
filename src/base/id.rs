//! A type for every identifier, so that mixing two up does not compile.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::base::rng::Rng;

/// A text that is not an identifier of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} {problem}")]
pub struct InvalidId {
    what: &'static str,
    problem: &'static str,
}

macro_rules! uuid_ids {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier (UUIDv7, RFC 9562 §5.7): sorts by the time of its making.
            #[must_use]
            pub fn new(now: Timestamp, rng: &Rng) -> Self {
                let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
                Self(uuid::Builder::from_unix_timestamp_millis(millis, &rng.bytes()).into_uuid())
            }

            /// Was it made after that time, to the millisecond?
            #[must_use]
            pub fn is_after(&self, at: Timestamp) -> bool {
                let at = u64::try_from(at.as_millisecond()).unwrap_or(0).to_be_bytes();
                self.as_bytes().get(..6) > at.get(2..)
            }

            /// The sixteen bytes as they stand in a key.
            #[must_use]
            pub fn as_bytes(&self) -> &[u8; 16] {
                self.0.as_bytes()
            }

            /// The identifier of sixteen bytes out of a key.
            #[must_use]
            pub fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let invalid = InvalidId { what: stringify!($name), problem: "is not a UUID" };
                Uuid::try_parse(text).map(Self).map_err(|_| invalid)
            }
        }
    )*};
}

uuid_ids! {
    /// A user's identifier: made once, never used again.
    UserId,
    /// A group's identifier.
    GroupId,
    /// An organisation's identifier.
    OrganizationId,
    /// An API token's public identifier (not the secret).
    TokenId,
    /// A session's public identifier (not the secret).
    SessionId,
    /// One pass of a source, an import or a sweep.
    RunId,
    /// A plan of changes.
    PlanId,
    /// One second factor of one user.
    FactorId,
    /// A trusted device's public identifier (not the secret).
    DeviceId,
    /// A resource of a type that the settings add.
    ResourceId,
}

/// Longest slug in bytes.
pub const SLUG_MAX: usize = 64;

/// May it stand in a slug behind the letter that begins it?
#[must_use]
pub fn is_slug_char(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_'
}

fn check_slug(what: &'static str, text: &str) -> Result<(), InvalidId> {
    match text.chars().next() {
        None => Err(InvalidId { what, problem: "is empty" }),
        Some(first) if !first.is_ascii_lowercase() => {
            Err(InvalidId { what, problem: "must start with a lower-case letter" })
        }
        Some(_) if text.len() > SLUG_MAX => Err(InvalidId { what, problem: "is longer than 64 characters" }),
        Some(_) if !text.chars().all(is_slug_char) => {
            Err(InvalidId { what, problem: "may only hold a-z, 0-9, '-' and '_'" })
        }
        Some(_) => Ok(()),
    }
}

macro_rules! slug_ids {
    ($($(#[$doc:meta])* $name:ident = $what:literal),* $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Parses a name of `a-z`, `0-9`, `-`, `_`, starting with a letter, at most 64 long.
            ///
            /// # Errors
            /// Says what is wrong with the text.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                check_slug($what, text)?;
                Ok(Self(text.to_owned()))
            }

            /// The name as text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }
    )*};
}

slug_ids! {
    /// The configured name of a source of users: `local`, `corp`, `okta`.
    SourceId = "source id",
    /// The name of a role: `system-admin`, `helpdesk`.
    RoleId = "role id",
}

impl SourceId {
    /// The source of users that musterd itself keeps.
    #[must_use]
    pub fn local() -> Self {
        Self("local".to_owned())
    }

    /// Is this the source of users that musterd itself keeps?
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.0 == "local"
    }
}

/// The identifier by which a source knows a user or group: immutable there and opaque here.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ExternalId(String);

impl ExternalId {
    /// Longest external id in bytes.
    pub const MAX: usize = 512;

    /// Takes any text of 1 to 512 bytes without NUL.
    ///
    /// # Errors
    /// Says what is wrong with the text.
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let what = "external id";
        match text {
            "" => Err(InvalidId { what, problem: "is empty" }),
            _ if text.len() > Self::MAX => Err(InvalidId { what, problem: "is longer than 512 bytes" }),
            _ if text.contains('\0') => Err(InvalidId { what, problem: "holds a NUL" }),
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// The identifier as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ExternalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for ExternalId {
    type Error = InvalidId;

    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::parse(&text)
    }
}

impl From<ExternalId> for String {
    fn from(id: ExternalId) -> Self {
        id.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_survive_their_text() {
        let rng = Rng::seeded(1);
        let early = UserId::new(Timestamp::from_second(1_000).unwrap(), &rng);
        let late = UserId::new(Timestamp::from_second(2_000).unwrap(), &rng);
        assert!(early < late);
        assert_eq!(early.to_string().parse::<UserId>().unwrap(), early);
        assert_eq!(UserId::from_bytes(*late.as_bytes()), late);
    }

    #[test]
    fn a_source_id_is_a_plain_name() {
        for bad in ["", "A", "1a", "a b", "ä", "a/b", &"a".repeat(65)] {
            assert!(SourceId::parse(bad).is_err(), "{bad:?}");
        }
        assert!(SourceId::parse("corp-ldap_2").is_ok());
    }
}
