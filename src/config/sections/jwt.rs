//! `[jwt]`: tokens that applications check by themselves.

use super::super::reader::Reader;
use super::{HOUR, SECOND};
use crate::auth::jwt::{LIFETIME_MAX, Settings};
use crate::directory::policy::days;

/// Longest name of an audience, in bytes.
const AUDIENCE_MAX: usize = 256;

/// Reads the section.
pub(in super::super) fn read(reader: &mut Reader) -> Settings {
    let default = Settings::default();
    let section = &mut reader.section("jwt");
    let settings = Settings {
        enabled: section.boolean("enabled", default.enabled),
        lifetime: section.duration("lifetime", SECOND * 10..=LIFETIME_MAX, default.lifetime),
        rotate_every: section.duration("rotate_every", HOUR * 48..=days(365), default.rotate_every),
        audiences: section.list("audiences", "a text", default.audiences),
        groups: section.boolean("groups", default.groups),
    };
    let is_bad = |audience: &&String| audience.is_empty() || audience.len() > AUDIENCE_MAX;
    if let Some(bad) = settings.audiences.iter().find(is_bad) {
        section.fault("audiences", format!("{bad:?} must have 1 to {AUDIENCE_MAX} bytes"));
    }
    if settings.enabled && settings.audiences.is_empty() {
        section.fault("audiences", "must name the applications that tokens may be for");
    }
    settings
}
