//! The sweep: disables who has expired or gone quiet, purges tombstones, drops what has ended. Its cost
//! follows who is due, not who exists.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::rules;
use super::settings::Settings;
use crate::base::clock::minus;
use crate::base::id::RunId;
use crate::directory::audit::{Actor, Author};
use crate::directory::plan::{Cause, Counts, PlanItem, Run};
use crate::directory::role;
use crate::directory::user::User;
use crate::store::tx::Tx;
use crate::store::{Store, StoreError, sessions, users};
use crate::sync::guard::{self, Loss};
use crate::sync::plan::Draft;
use crate::sync::source::Pass;
use crate::tasks::schedule::Schedule;
use crate::tasks::{Task, Work};

/// Most users that one sweep looks at; the rest comes with the next.
const MOST: usize = 100_000;
/// Rows dropped in one commit.
const CHUNK: usize = 500;

/// The sweep of one daemon.
pub struct Sweep {
    store: Arc<Store>,
    settings: Settings,
}

/// What a sweep would do.
#[derive(Debug)]
pub struct Preview {
    /// Who would be disabled, and why.
    pub items: Vec<PlanItem>,
    /// How many of what.
    pub counts: Counts,
    /// Why it would be held, if it would.
    pub held: Option<String>,
}

impl Sweep {
    /// A sweep over this store.
    #[must_use]
    pub fn new(store: Arc<Store>, settings: Settings) -> Self {
        Self { store, settings }
    }

    /// What a sweep at `at` would do. Writes nothing.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn preview(&self, at: Timestamp) -> Result<Preview, StoreError> {
        let (items, counts) = self.plan(at)?;
        let held = guard::must_be_held(self.loss(counts)?, self.settings.budget);
        Ok(Preview { items, counts, held })
    }

    /// Sweeps now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self, by: Author) -> Result<Run, StoreError> {
        let started_at = self.store.clock().now();
        let id = RunId::new(started_at, self.store.rng());
        let (items, counts) = self.plan(started_at)?;
        let active = self.loss(counts)?.active;
        let draft = Draft { items, counts, skipped: Vec::new(), active };
        let pass = Pass { store: self.store.clone(), budget: self.settings.budget, lifetime: None };
        let ended = pass.finish(id, &Cause::Sweep, draft, &by).await?;
        self.purge(&by).await?;
        self.drop_ended().await?;
        pass.keep(id, Cause::Sweep, started_at, ended, by).await
    }

    fn plan(&self, at: Timestamp) -> Result<(Vec<PlanItem>, Counts), StoreError> {
        let threshold = self.settings.inactivity.threshold;
        let view = self.store.view();
        let mut ids = users::expired(&view, at, MOST)?;
        if let Some(threshold) = threshold {
            ids.extend(users::quiet(&view, minus(at, threshold), MOST)?);
        }
        let due: BTreeSet<_> = ids.iter().copied().collect();
        let candidates: Vec<User> = users::get_many(&view, &ids)?;
        let mut others_stay = false;
        if candidates.iter().any(User::is_system_admin) {
            for id in users::holders(&view, role::SYSTEM_ADMIN, usize::MAX)? {
                let stays = |user: User| user.is_valid(at) && user.expires_at.is_none();
                others_stay |= !due.contains(&id) && users::get(&view, id)?.is_some_and(stays);
            }
        }
        Ok(rules::plan(candidates, threshold, others_stay, at))
    }

    /// Active users are only counted when more are due than the floor allows anyway.
    fn loss(&self, counts: Counts) -> Result<Loss, StoreError> {
        let counted = counts.disable > self.settings.budget.floor;
        let active = if counted { users::quiet(&self.store.view(), Timestamp::MAX, usize::MAX)?.len() } else { 0 };
        Ok(Loss { disabled: counts.disable, active, read: None })
    }

    async fn purge(&self, by: &Author) -> Result<(), StoreError> {
        for id in users::purgeable(&self.store.view(), self.store.clock().now(), MOST)? {
            let by = by.clone().because("the tombstone's time is over");
            let purge = self.store.write(move |tx: &mut Tx<'_>| users::purge(tx, &by, id));
            purge.await.map_err(|error| StoreError::Record(error.to_string()))?;
        }
        Ok(())
    }

    async fn drop_ended(&self) -> Result<(), StoreError> {
        while self.store.write(|tx: &mut Tx<'_>| sessions::drop_ended(tx, CHUNK)).await? == CHUNK {}
        Ok(())
    }
}

impl Task for Sweep {
    fn name(&self) -> &str {
        "sweep"
    }

    fn schedule(&self) -> &Schedule {
        &self.settings.schedule
    }

    fn run(&self) -> Work<'_, Result<String, String>> {
        Box::pin(async {
            let by = Author::of(Actor::System { part: "sweep".to_owned() });
            let run = self.sweep(by).await.map_err(|error| error.to_string())?;
            Ok(format!("{} disabled", run.counts.disable))
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use jiff::SignedDuration;

    use super::*;
    use crate::base::clock::Clock;
    use crate::base::id::{RoleId, SourceId, UserId};
    use crate::base::rng::Rng;
    use crate::directory::field::{DisplayName, Username};
    use crate::directory::plan::Outcome;
    use crate::directory::policy::{Budget, InactivityPolicy, UserDefaults, days};
    use crate::directory::user::{NewUser, UserChange};

    fn sweep(threshold: Option<Duration>) -> Sweep {
        let clock = Clock::manual(Timestamp::from_second(1_000_000).unwrap());
        let store = Arc::new(Store::in_memory(clock, Rng::seeded(1)).unwrap());
        let settings = Settings {
            schedule: Schedule::every(Duration::from_secs(3_600)),
            budget: Budget::default(),
            inactivity: InactivityPolicy { threshold },
            users: UserDefaults::default(),
        };
        Sweep::new(store, settings)
    }

    async fn add(sweep: &Sweep, name: &str, rest: UserChange) -> UserId {
        let new = NewUser {
            id: UserId::new(sweep.store.clock().now(), sweep.store.rng()),
            username: Username::parse(name).unwrap(),
            name: DisplayName::parse(name).unwrap(),
            source: SourceId::local(),
            rest,
            disabled: None,
        };
        let id = new.id;
        let create = move |tx: &mut Tx<'_>| users::create(tx, &Author::system("test"), new.clone(), None);
        sweep.store.write(create).await.unwrap();
        id
    }

    fn admin() -> UserChange {
        UserChange { roles: Some([RoleId::parse(role::SYSTEM_ADMIN).unwrap()].into()), ..UserChange::default() }
    }

    #[tokio::test]
    async fn the_quiet_are_disabled_and_the_last_administrator_stays() {
        let sweep = sweep(Some(days(30)));
        let root = add(&sweep, "root", admin()).await;
        let ada = add(&sweep, "ada", UserChange::default()).await;
        let later = crate::base::clock::plus(sweep.store.clock().now(), days(31));
        let preview = sweep.preview(later).unwrap();
        assert_eq!(preview.items.iter().map(|item| item.user).collect::<Vec<_>>(), [Some(ada)]);
        assert!(users::get(&sweep.store.view(), ada).unwrap().unwrap().is_active(), "a preview writes nothing");
        sweep.store.clock().set(later);
        sweep.sweep(Author::system("sweep")).await.unwrap();
        assert!(!users::get(&sweep.store.view(), ada).unwrap().unwrap().is_active());
        assert!(users::get(&sweep.store.view(), root).unwrap().unwrap().is_active());
    }

    #[tokio::test]
    async fn a_sweep_over_its_budget_is_held() {
        let sweep = sweep(Some(days(30)));
        add(&sweep, "root", admin()).await;
        for n in 0..30 {
            add(&sweep, &format!("u{n}"), UserChange::default()).await;
        }
        sweep.store.clock().advance(SignedDuration::from_hours(24 * 40));
        let run = sweep.sweep(Author::system("sweep")).await.unwrap();
        assert!(matches!(run.outcome, Outcome::Held { .. }), "{run:?}");
        assert_eq!(users::quiet(&sweep.store.view(), Timestamp::MAX, 99).unwrap().len(), 31);
    }

    #[tokio::test]
    async fn the_expired_are_disabled_with_that_reason() {
        let sweep = sweep(None);
        let end = crate::base::clock::plus(sweep.store.clock().now(), days(1));
        let ada = add(&sweep, "ada", UserChange { expires_at: Some(Some(end)), ..UserChange::default() }).await;
        sweep.store.clock().set(end);
        assert_eq!(sweep.sweep(Author::system("sweep")).await.unwrap().counts.disable, 1);
        let state = users::get(&sweep.store.view(), ada).unwrap().unwrap().state;
        assert!(serde_json::to_string(&state).unwrap().contains(r#""reason":"expired""#));
    }
}
