//! `[passwords]` and `[hashing]`: what a password must be, and what hashing one may cost.

use super::super::reader::Reader;
use crate::auth::settings::Hashing;
use crate::directory::policy::PasswordRules;

/// Reads `[passwords]`.
pub(in super::super) fn read(reader: &mut Reader) -> PasswordRules {
    let default = PasswordRules::default();
    let section = &mut reader.section("passwords");
    // NIST SP 800-63B-4 §3.1.1.2: never fewer than eight characters.
    let rules = PasswordRules {
        min_length: section.integer("min_length", 8..=256, default.min_length),
        min_length_with_factor: section.integer("min_length_with_factor", 8..=256, default.min_length_with_factor),
        history: section.integer("history", 0..=24, default.history),
        max_bytes: default.max_bytes,
    };
    if rules.min_length_with_factor > rules.min_length {
        section.fault("min_length_with_factor", "must not be more than passwords.min_length");
    }
    rules
}

/// Reads `[hashing]`.
pub(in super::super) fn read_hashing(reader: &mut Reader) -> Hashing {
    let default = Hashing::default();
    let section = &mut reader.section("hashing");
    let hashing = Hashing {
        memory_kib: section.integer("memory_kib", 8..=1_048_576, default.memory_kib),
        iterations: section.integer("iterations", 1..=100, default.iterations),
        lanes: section.integer("lanes", 1..=64, default.lanes),
        threads: section.integer("threads", 0..=1024, default.threads),
        queue: section.integer("queue", 1..=100_000, default.queue),
    };
    // RFC 9106 §3.1.
    if hashing.memory_kib < hashing.lanes * 8 {
        section.fault("memory_kib", "must be at least 8 KiB for each of hashing.lanes");
    }
    hashing
}
