//! Logins, sessions and tokens on the running daemon.

mod factors;
mod forward_auth;
mod jwt;
mod login;
mod out_means_out;
mod proxies;
mod sessions;
mod totp;
