//! SCIM 2.0 as a pure protocol: schemas, filters, PATCH, projection, lists, errors, discovery.
//!
//! Owns how RFC 7643 and RFC 7644 read and shape JSON, and the dialects real clients speak.
//! Refuses IO, async, clocks and any knowledge of the store: everything here is a function of its arguments.

pub mod bulk;
pub mod definitions;
pub mod discovery;
pub mod error;
pub mod evaluate;
pub mod filter;
pub mod list;
pub mod patch;
pub mod path;
pub mod project;
pub mod redact;
pub mod resource;
pub mod schema;
pub mod schemas;
pub mod sort;
pub mod strict;

mod compare;
mod value;

pub use error::{ScimError, ScimType};

/// A resource as a JSON object; in canonical form once `resource::accept` has seen it.
pub type Resource = serde_json::Map<String, serde_json::Value>;
