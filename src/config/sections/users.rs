//! `[users]`, `[inactivity]`, `[audit]` and `[sweep]`: how long accounts and audit lines live, and what the sweep may
//! do about it.

use jiff::Timestamp;

use super::super::reader::Reader;
use super::{CENTURY, DAY, HOUR, budget, schedule};
use crate::directory::policy::{InactivityPolicy, UserDefaults};
use crate::lifecycle::settings::Settings;

/// How often the sweep runs where nothing is set.
const SWEEP: &str = "1h";

/// Reads the sections.
pub(in super::super) fn read(reader: &mut Reader, now: Timestamp) -> Settings {
    let users = read_users(reader);
    let inactivity = read_inactivity(reader);
    let audit = reader.section("audit").optional_duration("retention", DAY..=CENTURY, None);
    let section = &mut reader.section("sweep");
    Settings { schedule: schedule(section, SWEEP, now), budget: budget(section), inactivity, users, audit }
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
    InactivityPolicy { threshold: section.optional_duration("threshold", DAY..=CENTURY, default.threshold) }
}
