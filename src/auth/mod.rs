//! Who may come in: the login flow, passwords, second factors and sessions.
//!
//! [`flow`] is one pure machine that decides what a login needs next; [`login`] does what it decides.
//! Factors never call factors, and nobody is let in but by [`flow::next`] saying so.

pub mod accounts;
pub mod breaker;
pub mod conclusion;
mod counting;
mod device;
pub mod factors;
pub mod flow;
pub mod forgotten;
pub mod hasher;
pub mod jwt;
pub mod links;
pub mod login;
pub mod offline;
pub mod outcome;
pub mod own;
pub mod passkeys;
pub mod passwordless;
pub mod passwords;
mod power;
mod profile;
pub mod prove;
mod refused;
pub mod sessions;
pub mod settings;
pub mod steps;
pub mod throttle;
pub mod verify;

#[cfg(test)]
mod tests;
