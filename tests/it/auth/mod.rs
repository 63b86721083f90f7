//! Logins on the running daemon.

mod factors;
mod login;
mod totp;
