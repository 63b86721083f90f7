//! The command, and the daemon as a process.

mod commands;
mod key;
mod lines;
mod process;
mod upkeep;
