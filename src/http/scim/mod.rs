//! The SCIM 2.0 endpoint: the bearer token decides the source, and one source never sees another's users.
//!
//! The protocol itself is the room `scim`; here it meets the store.

use super::routes::Route;

pub mod reply;

/// The routes under `/scim/v2`.
#[must_use]
pub fn routes() -> Vec<Route> {
    Vec::new()
}
