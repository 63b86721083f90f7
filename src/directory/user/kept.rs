//! What of a source's word on a person is not taken.

use serde::{Deserialize, Serialize};

/// An attribute that a source owns, and that an administrator may keep here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptAttribute {
    /// The login name.
    Username,
    /// The name to show.
    Name,
    /// The email address.
    Email,
    /// The phone number.
    Phone,
    /// The description.
    Description,
    /// The expiry.
    ExpiresAt,
}

impl KeptAttribute {
    /// All of them, each with its name in settings and records.
    pub const ALL: &'static [(&'static str, Self)] = &[
        ("username", Self::Username),
        ("name", Self::Name),
        ("email", Self::Email),
        ("phone", Self::Phone),
        ("description", Self::Description),
        ("expires_at", Self::ExpiresAt),
    ];

    /// The attribute of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, attribute)| *attribute)
    }
}
