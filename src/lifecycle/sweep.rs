//! The sweep: disables who has expired or gone quiet, purges tombstones and audit lines whose time is over, drops what
//! has ended. Its cost follows who is due, not who exists.

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
use crate::store::{Store, StoreError, audit, runs, sessions, users};
use crate::sync::pass::{Pass, Planned};
use crate::sync::plan::Draft;
use crate::sync::rules::Rules;
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
    /// Lets one sweep run at a time.
    lease: tokio::sync::Mutex<()>,
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
        Self { store, settings, lease: tokio::sync::Mutex::default() }
    }

    /// What a sweep at `at` would do. Writes nothing.
    ///
    /// # Errors
    /// When the store cannot read.
    pub fn preview(&self, at: Timestamp) -> Result<Preview, StoreError> {
        let draft = self.plan(at)?;
        let held = self.pass().must_be_held(&Cause::Sweep, &draft, None)?;
        Ok(Preview { items: draft.items, counts: draft.counts, held })
    }

    /// Sweeps now.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn sweep(&self, by: Author) -> Result<Run, StoreError> {
        let started_at = self.store.clock().now();
        let id = RunId::new(started_at, self.store.rng());
        let _lease = self.lease.lock().await;
        let previous = runs::list_runs(&self.store.view(), Some(&Cause::Sweep), 1)?.pop().map(|run| run.started_at);
        let draft = self.plan(started_at)?;
        let ended = self.pass().finish(id, &Cause::Sweep, Planned::of(draft), None, None, &by).await?;
        let run = self.pass().keep(id, Cause::Sweep, started_at, ended, by.clone()).await?;
        // After a long gap, or a clock that jumped, nothing is destroyed before the next sweep has come as it should.
        if previous.is_some_and(|previous| self.missed_none(previous, started_at)) {
            self.purge(&by).await?;
            self.trim_audit(&by, started_at).await?;
        }
        self.drop_ended().await?;
        Ok(run)
    }

    /// Has no sweep that the schedule wanted been left out between these two?
    fn missed_none(&self, previous: Timestamp, now: Timestamp) -> bool {
        let next = |last| self.settings.schedule.next(Some(last), now);
        match next(previous) {
            Some(due) if due <= now => next(due).is_none_or(|after| after > now),
            _ => true,
        }
    }

    fn pass(&self) -> Pass {
        let rules = Rules { budget: self.settings.budget, users: self.settings.users.clone(), ..Rules::default() };
        Pass::new(self.store.clone(), rules)
    }

    fn plan(&self, at: Timestamp) -> Result<Draft, StoreError> {
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
        let (items, counts) = rules::plan(candidates, threshold, others_stay, at);
        let active = self.active(counts)?;
        Ok(Draft { items, counts, active, ..Draft::default() })
    }

    /// Active users are only counted when somebody is due: the cost follows who is.
    fn active(&self, counts: Counts) -> Result<usize, StoreError> {
        if counts.disable == 0 {
            return Ok(0);
        }
        Ok(users::quiet(&self.store.view(), Timestamp::MAX, usize::MAX)?.len())
    }

    async fn purge(&self, by: &Author) -> Result<(), StoreError> {
        let most = self.settings.budget.count;
        for id in users::purgeable(&self.store.view(), self.store.clock().now(), most)? {
            let by = by.clone().because("the tombstone's time is over");
            let purge = self.store.write(move |tx: &mut Tx<'_>| users::purge(tx, &by, id));
            purge.await.map_err(|error| StoreError::Record(error.to_string()))?;
        }
        Ok(())
    }

    /// Drops audit lines that are older than they are kept, a few pages at a time: everybody else goes first.
    async fn trim_audit(&self, by: &Author, now: Timestamp) -> Result<(), StoreError> {
        let Some(retention) = self.settings.audit else { return Ok(()) };
        let (by, before) = (by.clone().because("the time of these lines is over"), minus(now, retention));
        loop {
            let by = by.clone();
            if self.store.write_bulk(move |tx: &mut Tx<'_>| audit::trim(tx, &by, before)).await? == 0 {
                return Ok(());
            }
        }
    }

    async fn drop_ended(&self) -> Result<(), StoreError> {
        while self.store.write(|tx: &mut Tx<'_>| sessions::drop_ended(tx, CHUNK)).await? == CHUNK {}
        self.store.write(|tx: &mut Tx<'_>| runs::prune(tx)).await
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
            audit: None,
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
    async fn a_tombstone_is_purged_in_its_time_but_never_by_a_jump_of_the_clock() {
        for schedule in ["1h", "7d"] {
            let mut sweep = sweep(None);
            sweep.settings.schedule = Schedule::parse(schedule, "UTC", Timestamp::UNIX_EPOCH).unwrap();
            let interval = crate::tasks::schedule::parse_duration(schedule).unwrap();
            let by = || Author::system("sweep");
            let ada = add(&sweep, "ada", UserChange::default()).await;
            let remove = move |tx: &mut Tx<'_>| {
                let by = Author::system("test");
                users::update(tx, &by.clone(), ada, "user.removed", |user, at| Ok(user.remove(by.actor, at, days(30))))
            };
            sweep.store.write(remove).await.unwrap();
            sweep.sweep(by()).await.unwrap();
            sweep.store.clock().advance(SignedDuration::from_hours(24 * 31));
            sweep.sweep(by()).await.unwrap();
            assert!(users::get(&sweep.store.view(), ada).unwrap().is_some(), "{schedule}: not by a jump");
            sweep.store.clock().set(crate::base::clock::plus(sweep.store.clock().now(), interval));
            sweep.sweep(by()).await.unwrap();
            assert!(users::get(&sweep.store.view(), ada).unwrap().is_none(), "{schedule}: in its time");
        }
    }

    #[tokio::test]
    async fn old_audit_lines_are_dropped_in_their_time_but_never_by_a_jump_of_the_clock() {
        let mut sweep = sweep(None);
        sweep.settings.audit = Some(days(30));
        let by = || Author::system("sweep");
        let oldest = |sweep: &Sweep| {
            let mut seq = None;
            let first = |line: serde_json::Value| {
                seq = line["seq"].as_u64();
                Ok::<_, StoreError>(false)
            };
            audit::each(&sweep.store.view(), &audit::Query::default(), first).unwrap();
            seq
        };
        for n in 0..20 {
            for m in 0..20 {
                add(&sweep, &format!("u{n}-{m}"), UserChange::default()).await;
            }
            sweep.store.clock().advance(SignedDuration::from_hours(24));
        }
        sweep.sweep(by()).await.unwrap();
        sweep.store.clock().advance(SignedDuration::from_hours(24 * 20));
        sweep.sweep(by()).await.unwrap();
        assert_eq!(oldest(&sweep), Some(1), "not by a jump");
        sweep.store.clock().advance(SignedDuration::from_hours(1));
        sweep.sweep(by()).await.unwrap();
        let first = oldest(&sweep).unwrap();
        assert!((100..=201).contains(&first), "{first}");
        assert!(audit::verify(&sweep.store.view()).unwrap() > 0);
        sweep.store.clock().advance(SignedDuration::from_hours(1));
        sweep.sweep(by()).await.unwrap();
        assert_eq!(oldest(&sweep), Some(first), "nothing more is due");
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
