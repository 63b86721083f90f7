//! `[passwords]` and `[hashing]`: what a password must be, and what hashing one may cost.

use super::super::reader::Reader;
use super::{CENTURY, DAY};
use crate::auth::passwords::breached::BreachedSet;
use crate::auth::settings::Hashing;
use crate::directory::password::PasswordRules;
use crate::directory::stored_hash::{ITERATIONS_MAX, LANES_MAX, MEMORY_MAX, WORK_MAX};

/// Reads `[passwords]`.
pub(in super::super) fn read(reader: &mut Reader) -> PasswordRules {
    let default = PasswordRules::default();
    let section = &mut reader.section("passwords");
    // NIST SP 800-63B-4 §3.1.1.2: never fewer than eight characters.
    let rules = PasswordRules {
        min_length: section.integer("min_length", 8..=256, default.min_length),
        min_length_with_factor: section.integer("min_length_with_factor", 8..=256, default.min_length_with_factor),
        admin_min_length: section.integer("admin_min_length", 8..=256, default.admin_min_length),
        max_bytes: default.max_bytes,
        require_upper: section.boolean("require_upper", default.require_upper),
        require_lower: section.boolean("require_lower", default.require_lower),
        require_digit: section.boolean("require_digit", default.require_digit),
        require_special: section.boolean("require_special", default.require_special),
        forbid_names: section.boolean("forbid_names", default.forbid_names),
        history: section.integer("history", 0..=24, default.history),
        max_age: section.optional_duration("max_age", DAY..=CENTURY, default.max_age),
        blocklist: section.boolean("blocklist", default.blocklist),
        min_strength: section.integer("min_strength", 0..=4, default.min_strength),
    };
    if rules.min_length_with_factor > rules.min_length {
        section.fault("min_length_with_factor", "must not be more than passwords.min_length");
    }
    rules
}

/// Reads `passwords.breached_set`. One that is not there, or is none, is no reason to keep everybody out.
pub(in super::super) fn read_breached_set(reader: &mut Reader) -> Option<BreachedSet> {
    let section = &mut reader.section("passwords");
    let path = section.optional_file("breached_set")?;
    let set = BreachedSet::new(path.clone());
    if let Err(error) = set.check() {
        section.doubt("breached_set", format!("{} {error}", path.display()));
    }
    Some(set)
}

/// Reads `[hashing]`.
pub(in super::super) fn read_hashing(reader: &mut Reader) -> Hashing {
    let default = Hashing::default();
    let section = &mut reader.section("hashing");
    let queue = section.integer("queue", 1..=100_000, default.queue);
    let hashing = Hashing {
        memory_kib: section.integer("memory_kib", 8..=MEMORY_MAX, default.memory_kib),
        iterations: section.integer("iterations", 1..=ITERATIONS_MAX, default.iterations),
        lanes: section.integer("lanes", 1..=LANES_MAX, default.lanes),
        threads: section.integer("threads", 0..=1024, default.threads),
        queue,
        reserved: section.integer("reserved", 0..=10_000, default.reserved.min(queue / 4)),
    };
    // RFC 9106 §3.1.
    if hashing.memory_kib < hashing.lanes * 8 {
        section.fault("memory_kib", "must be at least 8 KiB for each of hashing.lanes");
    }
    // What is hashed must be verified again.
    if u64::from(hashing.memory_kib).saturating_mul(u64::from(hashing.iterations)) > WORK_MAX {
        section.fault("iterations", format!("times hashing.memory_kib must not be more than {WORK_MAX}"));
    }
    if hashing.reserved >= hashing.queue {
        section.fault("reserved", "must be less than hashing.queue: somebody else must find a place too");
    }
    hashing
}
