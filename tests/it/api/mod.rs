//! The administration API on the running daemon.

mod access;
mod audit;
mod bad_input;
mod bulk;
mod contract;
mod escalation;
mod export;
mod groups;
mod import;
mod long_imports;
mod matrix;
mod moved_in;
mod organizations;
mod roles;
mod schemathesis;
mod settings;
mod tokens;
mod users;
