//! How logins run: which backends, how long, and what hashing may cost.

use std::collections::BTreeSet;
use std::time::Duration;

use super::passkeys;
use super::passwords::breached::BreachedSet;
use crate::directory::factor::Method;
use crate::directory::password::PasswordRules;
use crate::directory::policy::{LockoutPolicy, MfaRules, SessionPolicy};

/// The settings of the login.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Ask the user's own source only, instead of every backend in source order.
    pub only_from_source: bool,
    /// Refuse whom the directory does not know; otherwise a user is made at the first login that a source verifies.
    pub existing_users_only: bool,
    /// A login is answered within this time.
    pub deadline: Duration,
    /// Who forgot their password is mailed a link. Only where mail goes out.
    pub forgotten_password: bool,
    /// A login that waits for its next step ends after this long.
    pub transaction: Duration,
    /// Whom to ask for a second factor, and which there are.
    pub mfa: FactorSettings,
    /// The name that authenticator apps show.
    pub issuer: String,
    /// Where passkeys are used.
    pub passkeys: passkeys::Settings,
    /// What a password must be.
    pub passwords: PasswordRules,
    /// Passwords that are known from breaches and refused.
    pub breached_set: Option<BreachedSet>,
    /// When somebody who guesses is kept out.
    pub lockout: LockoutPolicy,
    /// How long sessions and links live.
    pub sessions: SessionPolicy,
    /// What hashing may cost.
    pub hashing: Hashing,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            only_from_source: false,
            existing_users_only: true,
            deadline: Duration::from_secs(10),
            forgotten_password: true,
            transaction: Duration::from_secs(600),
            mfa: FactorSettings::default(),
            issuer: "musterd".to_owned(),
            passkeys: passkeys::Settings::default(),
            passwords: PasswordRules::default(),
            breached_set: None,
            lockout: LockoutPolicy::default(),
            sessions: SessionPolicy::default(),
            hashing: Hashing::default(),
        }
    }
}

/// Whom to ask for a second factor, and which there are.
#[derive(Clone, Debug, PartialEq)]
pub struct FactorSettings {
    /// Whom to ask.
    pub rules: MfaRules,
    /// The methods that may be enrolled and are asked for. Recovery codes stand in for each of them.
    pub methods: BTreeSet<Method>,
    /// A code that was sent is good for this long.
    pub code_life: Duration,
    /// Another one can be sent after this long.
    pub resend_after: Duration,
    /// For how long a device may be trusted; `None` for not at all.
    pub trusted_device: Option<Duration>,
}

impl Default for FactorSettings {
    fn default() -> Self {
        Self {
            rules: MfaRules::default(),
            methods: [Method::Totp, Method::Passkey].into(),
            code_life: Duration::from_secs(300),
            resend_after: Duration::from_secs(60),
            trusted_device: None,
        }
    }
}

/// What hashing a password may cost (RFC 9106; the OWASP minimum by default).
#[derive(Clone, Debug, PartialEq)]
pub struct Hashing {
    /// Memory of one hash in KiB.
    pub memory_kib: u32,
    /// Passes over the memory.
    pub iterations: u32,
    /// Lanes.
    pub lanes: u32,
    /// Threads that hash, each with memory of its own; 0 is one for each core.
    pub threads: usize,
    /// Passwords that wait for a thread; more are refused at once.
    pub queue: usize,
    /// How many of these places are kept for those whose roles hold permissions.
    pub reserved: usize,
}

impl Default for Hashing {
    fn default() -> Self {
        Self { memory_kib: 19_456, iterations: 2, lanes: 1, threads: 0, queue: 64, reserved: 8 }
    }
}
