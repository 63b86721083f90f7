//! The one HTTP client of the daemon: to one place that the settings name, and nowhere else.
//!
//! It follows no redirect and uses no proxy; what it takes of an answer has a bound, and so has the time. Certificates
//! are always verified, and plain HTTP stays on this host. Whoever uses it names its own settings in the errors.

pub(crate) mod client;
pub(crate) mod noting;
pub(crate) mod place;
pub(crate) mod tls;

pub(crate) use hyper::body::Bytes;
pub(crate) use hyper::{Method, header};
