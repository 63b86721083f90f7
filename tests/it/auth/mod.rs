//! Logins on the running daemon.

mod face;
mod login;
mod totp;
