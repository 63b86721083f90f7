//! `[login]`, `[mfa]`, `[sessions]` and `[lockout]`: how somebody comes in, and for how long.

use super::super::reader::Reader;
use super::{DAY, HOUR, MINUTE, NETWORK, SECOND, passkeys, passwords};
use crate::auth::settings::{FactorSettings, Settings};
use crate::base::id::SourceId;
use crate::directory::factor::Method;
use crate::directory::policy::{LockoutPolicy, MfaMode, MfaRules, SessionPolicy, days};

/// Reads the sections, and those of passkeys, passwords and hashing. Passkeys are bound to the public address.
pub(in super::super) fn read(reader: &mut Reader, public_url: &str) -> Settings {
    let default = Settings::default();
    let passwords = passwords::read(reader);
    let breached_set = passwords::read_breached_set(reader);
    let hashing = passwords::read_hashing(reader);
    let passkeys = passkeys::read(reader, public_url);
    let section = &mut reader.section("login");
    let only_from_source = section.boolean("only_from_source", default.only_from_source);
    let existing_users_only = section.boolean("existing_users_only", default.existing_users_only);
    let deadline = section.duration("deadline", SECOND..=MINUTE, default.deadline);
    let transaction = section.duration("transaction_lifetime", MINUTE..=HOUR, default.transaction);
    let forgotten_password = section.boolean("forgotten_password", default.forgotten_password);
    let (mfa, issuer) = read_factors(reader, &default);
    Settings {
        only_from_source,
        existing_users_only,
        deadline,
        forgotten_password,
        transaction,
        mfa,
        issuer,
        sessions: read_sessions(reader, &default.sessions),
        lockout: read_lockout(reader, &default.lockout),
        passkeys,
        passwords,
        breached_set,
        hashing,
    }
}

/// The sources that logins ask first, in their order.
pub(in super::super) fn order(reader: &mut Reader) -> Vec<SourceId> {
    let section = &mut reader.section("login");
    let mut order = Vec::new();
    for text in section.list("order", "the id of a source", Vec::<String>::new()) {
        match SourceId::parse(&text) {
            Ok(id) if order.contains(&id) => section.fault("order", format!("names {text:?} twice")),
            Ok(id) => order.push(id),
            Err(error) => section.fault("order", error.to_string()),
        }
    }
    order
}

fn read_factors(reader: &mut Reader, default: &Settings) -> (FactorSettings, String) {
    let section = &mut reader.section("mfa");
    let modes = [("off", MfaMode::Off), ("all", MfaMode::All), ("administrators", MfaMode::Administrators)];
    let mode = section.choice("policy", &modes, default.mfa.rules.mode);
    let groups = section.list("groups", "the name of a group, or of a source and its group as in corp:admins", vec![]);
    let usual = default.mfa.methods.iter().copied().collect();
    let methods: Vec<Method> = section.list("methods", "passkey, totp, sms, email or face", usual);
    if methods.contains(&Method::Recovery) {
        section.fault("methods", "must not name recovery: recovery codes stand in for every other method");
    }
    let factors = FactorSettings {
        rules: MfaRules { mode, groups, ..MfaRules::default() },
        methods: methods.into_iter().collect(),
        code_life: section.duration("code_lifetime", MINUTE..=MINUTE * 10, default.mfa.code_life),
        trusted_device: section.optional_duration("trusted_device", DAY..=days(365), default.mfa.trusted_device),
        ..default.mfa.clone()
    };
    (factors, section.text("issuer", &default.issuer))
}

/// What second factors need from other sections.
pub(in super::super) fn check(reader: &mut Reader, settings: &crate::config::Settings) {
    let section = &mut reader.section("mfa");
    let lacks = |method| settings.auth.mfa.methods.contains(&method) && !settings.has_way(method);
    if lacks(Method::Email) {
        section.fault("methods", "names email, and there is no section [mail] by which codes could go");
    }
    if lacks(Method::Sms) {
        section
            .fault("methods", "names sms, and no provider is configured that could send codes: see [[sms.providers]]");
    }
}

fn read_sessions(reader: &mut Reader, default: &SessionPolicy) -> SessionPolicy {
    let section = &mut reader.section("sessions");
    let policy = SessionPolicy {
        idle: section.duration("idle", MINUTE..=days(365), default.idle),
        absolute: section.duration("absolute", MINUTE..=days(365), default.absolute),
        link: section.duration("link_lifetime", MINUTE..=DAY, default.link),
        // OWASP ASVS 6.4.1: 24 hours at most.
        lent_password: section.duration("initial_password_lifetime", HOUR..=DAY, default.lent_password),
    };
    if policy.idle > policy.absolute {
        section.fault("idle", "must not be longer than sessions.absolute");
    }
    policy
}

fn read_lockout(reader: &mut Reader, default: &LockoutPolicy) -> LockoutPolicy {
    let section = &mut reader.section("lockout");
    LockoutPolicy {
        password_attempts: section.integer("password_attempts", 1..=1000, default.password_attempts),
        code_attempts: section.integer("code_attempts", 1..=100, default.code_attempts),
        network_attempts: section.integer("network_attempts", 1..=1_000_000, default.network_attempts),
        // NIST SP 800-63B-4 §3.2.2: no more than 100.
        consecutive_attempts: section.integer("consecutive_attempts", 5..=100, default.consecutive_attempts),
        wait: section.duration("wait", SECOND..=DAY, default.wait),
        allow_networks: section.list("allow_networks", NETWORK, default.allow_networks.clone()),
        deny_networks: section.list("deny_networks", NETWORK, default.deny_networks.clone()),
        trusted_networks: section.list("trusted_networks", NETWORK, default.trusted_networks.clone()),
    }
}
