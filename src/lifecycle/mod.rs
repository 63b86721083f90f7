//! The life of an account after its making: expiry, inactivity, tombstones. `rules` is pure; the sweep goes
//! through plan and guard like every bulk change.

pub mod rules;
pub mod settings;
pub mod sweep;
