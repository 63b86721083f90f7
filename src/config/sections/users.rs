//! `[users]`, `[inactivity]`, `[notices]`, `[audit]`, `[sweep]` and `[upkeep]`: how long accounts and audit lines live,
//! who is told ahead, and what the sweep may do about it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::super::Settings as All;
use super::super::reader::Reader;
use super::super::section::Section;
use super::{CENTURY, DAY, HOUR, budget, schedule};
use crate::base::id::RoleId;
use crate::directory::field::{Email, Username};
use crate::directory::policy::{UserDefaults, days};
use crate::directory::role::{self, Scope};
use crate::lifecycle::policy::{InactivityPolicy, Steps};
use crate::lifecycle::settings::{Notices, Settings};

/// How often the sweep runs where nothing is set.
const SWEEP: &str = "1h";
/// When notices are written where nothing is set: in the morning.
const NOTICES: &str = "0 8 * * *";
/// How often the upkeep runs where nothing is set.
const UPKEEP: &str = "1h";
/// Most users who are exempt by name.
const EXEMPT_MAX: usize = 1_000;

/// Reads the sections.
pub(in super::super) fn read(reader: &mut Reader, now: Timestamp) -> Settings {
    let users = read_users(reader);
    let inactivity = read_inactivity(reader);
    let notices = read_notices(reader, now);
    let audit = reader.section("audit").optional_duration("retention", DAY..=CENTURY, None);
    let upkeep = schedule(&mut reader.section("upkeep"), UPKEEP, now);
    let section = &mut reader.section("sweep");
    Settings {
        schedule: schedule(section, SWEEP, now),
        budget: budget(section),
        inactivity,
        users,
        notices,
        upkeep,
        audit,
        password_max_age: None,
        grants: Vec::new(),
    }
}

/// Adds what other sections say of the life of accounts, and looks at the whole.
pub(in super::super) fn complete(reader: &mut Reader, all: &mut All) {
    all.join();
    doubt_silence(reader, &all.lifecycle);
}

/// Accounts that are disabled without a word to their owners are hardly what was meant.
fn doubt_silence(reader: &mut Reader, settings: &Settings) {
    if let Some(problem) = silence(settings) {
        reader.section("inactivity").doubt("threshold", problem);
    }
}

/// Why nobody is told before their quiet account is disabled, where any is.
pub(in super::super) fn silence(settings: &Settings) -> Option<String> {
    let notices = &settings.notices;
    let missing = if !notices.can_leave {
        "there is no [mail]: set mail.host, and start again"
    } else if !notices.are_on() {
        "notices.schedule is off: set a time"
    } else if notices.inactivity.first.is_none() {
        "notices.inactivity_first is off: set how long before"
    } else {
        return None;
    };
    let problem = || format!("quiet accounts are disabled, and nobody is told before: {missing}");
    disables(&settings.inactivity).then(problem)
}

/// Is anybody disabled for being quiet?
pub(in super::super) fn disables(policy: &InactivityPolicy) -> bool {
    let InactivityPolicy { threshold, sources, roles, .. } = policy;
    threshold.iter().chain(sources.values().flatten()).chain(roles.values().flatten()).next().is_some()
}

fn read_users(reader: &mut Reader) -> UserDefaults {
    let default = UserDefaults::default();
    let section = &mut reader.section("users");
    UserDefaults {
        lifetime: section.optional_duration("default_lifetime", HOUR..=CENTURY, default.lifetime),
        retention: section.duration("tombstone_retention", DAY..=CENTURY, default.retention),
    }
}

fn read_inactivity(reader: &mut Reader) -> InactivityPolicy {
    let default = InactivityPolicy::default();
    let section = &mut reader.section("inactivity");
    let threshold = section.optional_duration("threshold", DAY..=CENTURY, default.threshold);
    let names = section.list("exempt_users", "a username", Vec::<String>::new());
    if names.len() > EXEMPT_MAX {
        section.fault("exempt_users", format!("must not name more than {EXEMPT_MAX} users; exempt a source or a role"));
    }
    let mut exempt_users = BTreeSet::new();
    for name in names {
        match Username::parse(&name) {
            Ok(name) => drop(exempt_users.insert(name.folded())),
            Err(error) => section.fault("exempt_users", format!("{name:?}: {error}")),
        }
    }
    let roles = read_roles(&mut section.section("roles"));
    InactivityPolicy { threshold, roles, exempt_users, sources: BTreeMap::new() }
}

/// What is said of each system role. Everybody holds the plain one: what is said of everybody is said without it.
fn read_roles(section: &mut Section<'_>) -> BTreeMap<RoleId, Option<Duration>> {
    let mut roles = BTreeMap::new();
    for role in role::built_in().iter().filter(|role| role.scope == Scope::System && !role::is_plain(&role.id)) {
        if let Some(own) = section.own_duration(role.id.as_str(), DAY..=CENTURY) {
            roles.insert(role.id.clone(), own);
        }
    }
    roles
}

fn read_notices(reader: &mut Reader, now: Timestamp) -> Notices {
    let section = &mut reader.section("notices");
    let schedule = schedule(section, NOTICES, now);
    let account = read_steps(section, ["account_first", "account_daily_from"]);
    let password = read_steps(section, ["password_first", "password_daily_from"]);
    let inactivity = read_steps(section, ["inactivity_first", "inactivity_daily_from"]);
    let copy_to = section.list("copy_to", "a username or an address", Vec::<String>::new());
    for name in &copy_to {
        // Mail goes to whatever has an `@` and is nobody's name.
        let is_good = if name.contains('@') { Email::parse(name).is_ok() } else { Username::parse(name).is_ok() };
        if !is_good {
            section.fault("copy_to", format!("{name:?} is neither a username nor an address"));
        }
    }
    Notices { schedule, can_leave: false, account, password, inactivity, copy_to }
}

fn read_steps(section: &mut Section<'_>, [first_key, daily_key]: [&str; 2]) -> Steps {
    let default = Steps::default();
    let first = section.optional_duration(first_key, HOUR..=days(365), default.first);
    let daily_from = section.optional_duration(daily_key, HOUR..=days(365), default.daily_from);
    if first.zip(daily_from).is_some_and(|(first, daily)| daily >= first) {
        section.fault(daily_key, format!("must be less than {first_key}, or \"off\""));
    }
    Steps { first, daily_from }
}
