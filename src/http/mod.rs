//! HTTP: the outside of the daemon. Handlers extract, call and answer; rules live elsewhere.
//!
//! Every route stands in one table ([`routes`]) with what its caller must be; a route without that does not
//! compile. Who is calling is decided before the handler runs.

pub mod api;
pub mod caller;
pub mod console;
pub mod error;
pub mod extract;
pub mod metrics;
pub mod middleware;
mod openapi;
pub mod policies;
pub mod problems;
mod reply;
pub mod routes;
pub mod scim;
pub mod serve;
pub mod settings;
pub mod state;
