//! The wire to a directory server, from the URL to one LDAP connection that can be trusted not to do harm.
//!
//! The way of the bytes: `transport` (TCP, StartTLS, TLS) → [`guard`] (size, depth, shape) → the LDAP
//! library, kept by `link`. Whom to trust and who we are: `tls`, with `pin` and `identity`. Which server to use:
//! [`health`]. This folder knows nothing of users, filters of the settings or logins.

pub mod ber;
pub mod certificate;
pub mod endpoint;
pub(crate) mod error;
pub mod guard;
pub mod health;
pub(crate) mod identity;
pub(crate) mod link;
pub(crate) mod pin;
pub(crate) mod tls;
pub(crate) mod transport;
