//! The one way in for every bulk change: a plan is made, the guard looks at it, and exactly it is applied.
//!
//! `plan` and `guard` are pure. Preview and apply share the plan; what was held is applied as it was shown.

pub mod apply;
pub mod guard;
pub mod plan;
pub mod source;
pub mod task;

#[cfg(test)]
mod tests;
