//! Logins on the running daemon.

mod login;
mod totp;
