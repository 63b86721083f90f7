//! The one way in for every bulk change: a plan is made, the guard looks at it, and exactly it is applied.
//!
//! `plan` and `guard` write nothing. Preview and apply share the plan; what was held is applied as it was shown; what
//! was applied can be taken back.

pub mod apply;
pub mod bulk;
pub mod decide;
pub mod directory;
pub mod guard;
mod held;
pub mod inbox;
pub mod live;
pub mod pass;
pub mod plan;
pub mod push;
pub mod record;
pub mod rules;
pub mod task;
pub mod undo;

#[cfg(test)]
mod tests;
