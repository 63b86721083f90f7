//! The command, and the daemon as a process.

mod commands;
mod process;
mod upkeep;
