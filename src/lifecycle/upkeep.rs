//! Upkeep: purges tombstones whose time is over, drops sessions, links, logins and codes that have ended, tokens that
//! ended long ago, the oldest runs, and audit lines that are older than they are kept. It waits while the clock is in doubt: nothing is destroyed
//! by a clock that is wrong.

use std::sync::Arc;
use std::time::Duration;

use super::settings::Settings;
use super::{clock, sweep};
use crate::base::clock::minus;
use crate::directory::audit::{Actor, Author};
use crate::directory::policy::days;
use crate::store::tx::Tx;
use crate::store::users::WriteError;
use crate::store::{Store, StoreError, audit, runs, sessions, tokens, users};
use crate::tasks::schedule::Schedule;
use crate::tasks::{Task, Work};

/// Rows dropped in one commit.
const CHUNK: usize = 500;
/// Tombstones purged in one run; the rest comes with the next.
const PURGED: usize = 5_000;

/// A token is kept so long after its end: whoever misses it may move the end.
const ENDED_TOKENS: Duration = days(90);

/// The upkeep of one daemon.
pub struct Upkeep {
    store: Arc<Store>,
    settings: Arc<Settings>,
    schedule: Schedule,
}

impl Upkeep {
    /// The upkeep of this store.
    #[must_use]
    pub fn new(store: Arc<Store>, settings: Arc<Settings>) -> Self {
        let schedule = settings.upkeep.clone();
        Self { store, settings, schedule }
    }

    async fn keep(&self) -> Result<String, StoreError> {
        if let Some(paused) = clock::check(&self.store).await? {
            return Ok(format!("paused: {}", paused.why));
        }
        let by = Author::of(Actor::System { part: "upkeep".to_owned() });
        // A fault of one part does not end the others.
        let (purged, trimmed) = (self.purge(&by).await, self.trim_audit(&by).await);
        let (pruned, dropped) = (self.prune_runs().await, self.drop_ended().await);
        let tokens = self.drop_tokens(&by).await;
        let (purged, (), (), dropped, ()) = (purged?, trimmed?, pruned?, dropped?, tokens?);
        Ok(format!("{purged} tombstones purged, {dropped} ended rows dropped"))
    }

    /// Purges tombstones one by one: one that cannot be is passed over, and told at the end.
    async fn purge(&self, by: &Author) -> Result<usize, StoreError> {
        let due = users::purgeable(&self.store.view(), self.store.clock().now(), PURGED)?;
        let (mut purged, mut fault) = (0_usize, None);
        for id in due {
            let by = by.clone().because("the tombstone's time is over");
            match self.store.write_bulk(move |tx: &mut Tx<'_>| users::purge(tx, &by, id)).await {
                Ok(_) => purged = purged.saturating_add(1),
                // The store itself: the next one would fare no better.
                Err(WriteError::Store(error)) if !matches!(error, StoreError::Record(_)) => return Err(error),
                Err(error) => {
                    tracing::warn!(user.id = %id, "a tombstone cannot be purged: {error}");
                    fault.get_or_insert(StoreError::Record(format!("the tombstone {id} cannot be purged: {error}")));
                }
            }
        }
        fault.map_or(Ok(purged), Err)
    }

    /// Drops audit lines that are older than they are kept, a few pages at a time: everybody else goes first.
    async fn trim_audit(&self, by: &Author) -> Result<(), StoreError> {
        let Some(retention) = self.settings.audit else { return Ok(()) };
        let before = minus(self.store.clock().now(), retention);
        let by = by.clone().because("the time of these lines is over");
        loop {
            let by = by.clone();
            if self.store.write_bulk(move |tx: &mut Tx<'_>| audit::trim(tx, &by, before)).await? == 0 {
                return Ok(());
            }
        }
    }

    async fn drop_ended(&self) -> Result<usize, StoreError> {
        let mut dropped = 0_usize;
        loop {
            let chunk = self.store.write_bulk(|tx: &mut Tx<'_>| sessions::drop_ended(tx, CHUNK)).await?;
            dropped = dropped.saturating_add(chunk);
            if chunk < CHUNK {
                return Ok(dropped);
            }
        }
    }

    /// Removes tokens that ended long ago; the rest comes with the next run.
    async fn drop_tokens(&self, by: &Author) -> Result<(), StoreError> {
        let before = minus(self.store.clock().now(), ENDED_TOKENS);
        let ended = tokens::ended(&self.store.view(), before, CHUNK)?;
        if ended.is_empty() {
            return Ok(());
        }
        let by = by.clone().because("it ended long ago");
        let drop = move |tx: &mut Tx<'_>| ended.iter().try_for_each(|id| tokens::drop_ended(tx, &by, *id, before));
        self.store.write_bulk(drop).await
    }

    async fn prune_runs(&self) -> Result<(), StoreError> {
        let refused = minus(self.store.clock().now(), days(sweep::NO_HOLDS));
        let prune = move |tx: &mut Tx<'_>| {
            runs::drop_refused(tx, refused)?;
            runs::prune(tx)
        };
        self.store.write_bulk(prune).await
    }
}

impl Task for Upkeep {
    fn name(&self) -> &str {
        "upkeep"
    }

    fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    fn run(&self) -> Work<'_, Result<String, String>> {
        Box::pin(async { self.keep().await.map_err(|error| error.to_string()) })
    }
}
