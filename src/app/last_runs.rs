//! Joins the driver of background work with the store, which remembers when it ran.

use std::sync::Arc;

use jiff::Timestamp;

use crate::store::tx::Tx;
use crate::store::{Store, StoreError, tasks};
use crate::tasks::{Journal, Work};

/// Remembers in the store when a task ran last.
pub(super) struct LastRuns(pub(super) Arc<Store>);

impl Journal for LastRuns {
    fn last_run(&self, name: &str) -> Option<Timestamp> {
        tasks::last_run(&self.0.view(), name).unwrap_or_else(|error| {
            tracing::error!(task = name, error = %error, "the last run of a task cannot be read");
            None
        })
    }

    fn begin(&self, name: &str, now: Timestamp) -> Work<'_, ()> {
        let name = name.to_owned();
        Box::pin(async move {
            let task = name.clone();
            let write = move |tx: &mut Tx<'_>| tasks::begin_run(tx, &name, now);
            if let Err(error) = self.0.write::<_, StoreError>(write).await {
                tracing::error!(task, error = %error, "the run of a task cannot be noted");
            }
        })
    }
}
