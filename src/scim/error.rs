//! The one error of the SCIM room and its wire form (RFC 7644 §3.12).
//!
//! Owns status codes and `scimType` words. Refuses to carry values of attributes: a detail
//! names the attribute and what to do, because a value may be a password.

use std::fmt;

use serde_json::{Value, json};

/// The schema URN of an error message (RFC 7644 §3.12).
pub const ERROR_URN: &str = "urn:ietf:params:scim:api:messages:2.0:Error";

/// The detail word of an error (RFC 7644 §3.12, table 9; the last three: RFC 9865 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScimType {
    /// The filter is broken or compares what cannot be compared.
    InvalidFilter,
    /// The result is too large to be computed.
    TooMany,
    /// A value is taken that must be unique.
    Uniqueness,
    /// The change is not compatible with the attribute's mutability.
    Mutability,
    /// The message does not have the form it must have.
    InvalidSyntax,
    /// The path of an operation is broken or unknown.
    InvalidPath,
    /// The path selects nothing.
    NoTarget,
    /// A value is missing or of the wrong kind.
    InvalidValue,
    /// The protocol version is not supported.
    InvalidVers,
    /// The request would expose sensitive data in a URL, or probe it.
    Sensitive,
    /// The cursor was not made by this server.
    InvalidCursor,
    /// The cursor is too old.
    ExpiredCursor,
    /// The page size does not fit the cursor.
    InvalidCount,
}

impl ScimType {
    /// The word on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidFilter => "invalidFilter",
            Self::TooMany => "tooMany",
            Self::Uniqueness => "uniqueness",
            Self::Mutability => "mutability",
            Self::InvalidSyntax => "invalidSyntax",
            Self::InvalidPath => "invalidPath",
            Self::NoTarget => "noTarget",
            Self::InvalidValue => "invalidValue",
            Self::InvalidVers => "invalidVers",
            Self::Sensitive => "sensitive",
            Self::InvalidCursor => "invalidCursor",
            Self::ExpiredCursor => "expiredCursor",
            Self::InvalidCount => "invalidCount",
        }
    }
}

/// A refusal in SCIM terms (RFC 7644 §3.12).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScimError {
    /// The HTTP status.
    pub status: u16,
    /// The detail word, where the RFC defines one.
    pub scim_type: Option<ScimType>,
    /// What is wrong, where, and what to do.
    pub detail: String,
}

impl ScimError {
    /// An error without a `scimType`, for any status.
    #[must_use]
    pub fn plain(status: u16, detail: impl Into<String>) -> Self {
        Self { status, scim_type: None, detail: detail.into() }
    }

    /// An error with the status that belongs to `scim_type`: 409 uniqueness, 403 sensitive, else 400.
    #[must_use]
    pub fn typed(scim_type: ScimType, detail: impl Into<String>) -> Self {
        let status = match scim_type {
            ScimType::Uniqueness => 409,
            ScimType::Sensitive => 403,
            _ => 400,
        };
        Self { status, scim_type: Some(scim_type), detail: detail.into() }
    }

    /// 400 `invalidFilter`.
    #[must_use]
    pub fn invalid_filter(detail: impl Into<String>) -> Self {
        Self::typed(ScimType::InvalidFilter, detail)
    }

    /// 400 `invalidSyntax`.
    #[must_use]
    pub fn invalid_syntax(detail: impl Into<String>) -> Self {
        Self::typed(ScimType::InvalidSyntax, detail)
    }

    /// 400 `invalidPath`.
    #[must_use]
    pub fn invalid_path(detail: impl Into<String>) -> Self {
        Self::typed(ScimType::InvalidPath, detail)
    }

    /// 400 `invalidValue`.
    #[must_use]
    pub fn invalid_value(detail: impl Into<String>) -> Self {
        Self::typed(ScimType::InvalidValue, detail)
    }

    /// 400 `noTarget`.
    #[must_use]
    pub fn no_target(detail: impl Into<String>) -> Self {
        Self::typed(ScimType::NoTarget, detail)
    }

    /// 400 `mutability`.
    #[must_use]
    pub fn mutability(detail: impl Into<String>) -> Self {
        Self::typed(ScimType::Mutability, detail)
    }

    /// 409 `uniqueness`.
    #[must_use]
    pub fn uniqueness(detail: impl Into<String>) -> Self {
        Self::typed(ScimType::Uniqueness, detail)
    }

    /// 403 `sensitive`.
    #[must_use]
    pub fn sensitive(detail: impl Into<String>) -> Self {
        Self::typed(ScimType::Sensitive, detail)
    }

    /// 400 `tooMany`.
    #[must_use]
    pub fn too_many(detail: impl Into<String>) -> Self {
        Self::typed(ScimType::TooMany, detail)
    }

    /// 400 `invalidVers`.
    #[must_use]
    pub fn invalid_version(detail: impl Into<String>) -> Self {
        Self::typed(ScimType::InvalidVers, detail)
    }

    /// 404 for a resource.
    #[must_use]
    pub fn not_found(kind: &str, id: &str) -> Self {
        Self::plain(404, format!("{kind} \"{}\" not found", excerpt(id)))
    }

    /// The error message body (RFC 7644 §3.12): `status` is a string.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut body = json!({
            "schemas": [ERROR_URN],
            "status": self.status.to_string(),
            "detail": self.detail,
        });
        if let (Some(scim_type), Some(members)) = (self.scim_type, body.as_object_mut()) {
            members.insert("scimType".to_owned(), Value::from(scim_type.as_str()));
        }
        body
    }
}

impl fmt::Display for ScimError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.scim_type {
            Some(scim_type) => write!(out, "{} {}: {}", self.status, scim_type.as_str(), self.detail),
            None => write!(out, "{}: {}", self.status, self.detail),
        }
    }
}

impl std::error::Error for ScimError {}

/// The beginning of a client's text, short enough for an error detail.
pub(crate) fn excerpt(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut short: String = text.chars().take(LONGEST).filter(|c| !c.is_control()).collect();
    if text.chars().nth(LONGEST).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_is_a_string_and_scim_type_only_where_defined() {
        let typed = ScimError::uniqueness("userName is taken").to_json();
        assert_eq!(
            typed,
            json!({"schemas": [ERROR_URN], "status": "409", "scimType": "uniqueness", "detail": "userName is taken"})
        );
        let plain = ScimError::not_found("User", "abc").to_json();
        assert_eq!(plain.get("scimType"), None);
        assert_eq!(plain["status"], "404");
        assert_eq!(ScimError::sensitive("x").status, 403);
    }

    #[test]
    fn excerpts_are_short_and_without_control_characters() {
        assert_eq!(excerpt("a\nb"), "ab");
        assert!(excerpt(&"x".repeat(10_000)).chars().count() <= 61);
    }
}
