//! One file per section, or per few small ones that belong together: their keys, ranges and cross-checks.
//!
//! No default value of a module stands here: each comes from the `Default` of the module's settings.

pub(super) mod alerts;
pub(super) mod face;
pub(super) mod forward_auth;
pub(super) mod jwt;
pub(super) mod ldap;
pub(super) mod log;
pub(super) mod login;
pub(super) mod mail;
pub(super) mod passkeys;
pub(super) mod passwords;
pub(super) mod scim;
pub(super) mod scim_pull;
pub(super) mod server;
pub(super) mod sms;
pub(super) mod sources;
pub(super) mod store;
pub(super) mod users;
pub(super) mod webhooks;

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::section::Section;
use crate::directory::policy::{Budget, days};
use crate::tasks::schedule::Schedule;

/// A second.
const SECOND: Duration = Duration::from_secs(1);
/// A minute.
const MINUTE: Duration = Duration::from_secs(60);
/// An hour.
const HOUR: Duration = Duration::from_secs(3600);
/// A day.
const DAY: Duration = days(1);
/// What an entry of a list of networks must be.
const NETWORK: &str = "an address such as 127.0.0.1, or a network such as 10.0.0.0/8 (no bits behind its prefix)";
/// Longer than anybody waits.
const CENTURY: Duration = days(36_500);

/// Reads `schedule` and `time_zone`.
fn schedule(section: &mut Section<'_>, default: &str, now: Timestamp) -> Schedule {
    let text = section.text("schedule", default);
    let mut zone = section.text("time_zone", "UTC");
    if TimeZone::get(&zone).is_err() {
        section.fault("time_zone", format!("{zone:?} is no time zone such as Europe/Amsterdam"));
        "UTC".clone_into(&mut zone);
    }
    Schedule::parse(&text, &zone, now).unwrap_or_else(|problem| {
        section.fault("schedule", problem);
        Schedule::every(DAY)
    })
}

/// Reads `budget_floor`, `budget_percent` and `budget_count`.
fn budget(section: &mut Section<'_>) -> Budget {
    let default = Budget::default();
    let any: RangeInclusive<usize> = 0..=10_000_000;
    Budget {
        floor: section.integer("budget_floor", any.clone(), default.floor),
        percent: section.integer("budget_percent", 0..=100, default.percent),
        count: section.integer("budget_count", any, default.count),
    }
}

/// Does this host name or address stay on this machine?
fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host.eq_ignore_ascii_case("localhost") || address.is_ok_and(|address| address.is_loopback())
}
