//! Logins on the running daemon.

mod login;
mod requirements_p_t;
mod totp;
