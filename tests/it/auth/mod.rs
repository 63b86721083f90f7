//! Logins, sessions and tokens on the running daemon.

mod face;
mod factors;
mod forgotten;
mod forward_auth;
mod jwt;
mod login;
mod out_means_out;
mod passkey_logins;
mod passkeys;
mod password_pages;
mod password_rules;
mod proxies;
mod requirements_p_t;
mod sessions;
mod totp;
