//! The life of an account after its making: expiry, inactivity, notices, tombstones. `policy` and `rules` are pure; the
//! sweep goes through plan and guard like every bulk change; nothing is done by a clock that is in doubt.

pub mod clock;
pub mod look;
pub mod notices;
pub mod policy;
pub mod rules;
pub mod settings;
pub mod sweep;
pub mod upcoming;
pub mod upkeep;

#[cfg(test)]
mod tests;
