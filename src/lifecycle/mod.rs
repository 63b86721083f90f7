//! The life of an account after its making: expiry, inactivity, notices, tombstones. `policy` and `rules` are pure; the
//! sweep goes through plan and guard like every bulk change; nothing is done by a clock that is in doubt.

use std::sync::Arc;

use crate::store::Store;
use crate::tasks::Task;

pub mod clock;
pub mod look;
pub mod notices;
pub mod policy;
pub mod rules;
pub mod settings;
pub mod sweep;
pub mod upcoming;
pub mod upkeep;

/// What is done in the background for the life of accounts. The clock is looked at first.
#[must_use]
pub fn work(store: &Arc<Store>, settings: &Arc<settings::Settings>, sweep: &Arc<sweep::Sweep>) -> Vec<Arc<dyn Task>> {
    vec![
        Arc::new(clock::ClockWatch::new(store.clone())),
        Arc::new(notices::Notices::new(store.clone(), settings.clone())),
        sweep.clone(),
        Arc::new(upkeep::Upkeep::new(store.clone(), settings.clone())),
    ]
}

#[cfg(test)]
mod tests;
