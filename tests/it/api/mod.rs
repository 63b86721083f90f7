//! The administration API on the running daemon.

mod access;
mod audit;
mod bad_input;
mod groups;
mod tokens;
mod users;
