//! musterd: the daemon that knows who may come in.

#![cfg_attr(test, allow(clippy::as_conversions))]

pub mod auth;
pub mod base;
pub mod directory;
pub mod lifecycle;
pub mod scim;
pub mod sources;
pub mod store;
pub mod sync;
pub mod tasks;
