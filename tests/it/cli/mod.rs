//! The command, and the daemon as a process.

mod commands;
mod key;
mod process;
mod upkeep;
