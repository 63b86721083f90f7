//! The API under `/api/v1`, one file an area, and its routes.

use super::routes::Route;

/// The routes of the API.
#[must_use]
pub fn routes() -> Vec<Route> {
    Vec::new()
}
