//! What an identity provider has asked of the SCIM endpoint, request by request.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::base::id::TokenId;

/// One request, without its secrets, and what was answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Exchange {
    /// When it was answered.
    pub at: Timestamp,
    /// The request, as the audit trail and the log name it.
    pub request: String,
    /// The token that it carried.
    pub token: TokenId,
    /// The HTTP method.
    pub method: String,
    /// The path, with the query string.
    pub path: String,
    /// The JSON text of the body as it was sent, but for its secrets; none was, or it was too large to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// Bytes of the body.
    pub size: u64,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The SCIM error type, where it was refused for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scim_type: Option<String>,
    /// Why it was refused, or what came of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// How long it took, in microseconds.
    pub microseconds: u64,
}

impl Exchange {
    /// Was it refused, or did it fail?
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.status >= 400
    }
}
