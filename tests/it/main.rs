//! All integration tests in one binary.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "these are tests"
)]

mod api;
mod auth;
mod cli;
mod e2e;
mod harness;
mod layering;
mod ldap;
mod lifecycle;
mod notify;
mod scim;
mod scim_pull;
mod source;
mod store;
mod tidy;
