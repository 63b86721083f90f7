//! musterd: the daemon that knows who may come in.

#![cfg_attr(test, allow(clippy::as_conversions))]

pub mod base;
pub mod directory;
pub mod store;
