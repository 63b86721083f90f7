//! musterd: the daemon that knows who may come in.
//!
//! One crate of rooms; `ARCHITECTURE.md` says what each owns and who may knock on whose door.

pub mod app;
pub mod auth;
pub mod base;
pub mod cli;
pub mod config;
pub mod directory;
pub mod exchange;
pub mod http;
pub mod lifecycle;
pub mod notify;
pub mod scim;
pub mod sources;
pub mod store;
pub mod sync;
pub mod tasks;
pub mod web;
