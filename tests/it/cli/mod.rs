//! The command, and the daemon as a process.

mod commands;
mod key;
mod lines;
mod manners;
mod process;
mod rights;
mod settings;
mod tokens;
mod upkeep;
