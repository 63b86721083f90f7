//! Sweep, notices and upkeep on the memory engine, by a manual clock.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::notices::Notices;
use super::settings::Settings;
use super::sweep::Sweep;
use super::upkeep::Upkeep;
use crate::base::clock::Clock;
use crate::base::id::{RoleId, SourceId, UserId};
use crate::base::rng::Rng;
use crate::directory::audit::Author;
use crate::directory::field::{DisplayName, Email, Username};
use crate::directory::message::Message;
use crate::directory::role;
use crate::directory::user::{NewUser, User, UserChange};
use crate::store::tx::Tx;
use crate::store::{Store, outbox, users};
use crate::tasks::Task;

mod notices;
mod sweep;
mod upcoming;
mod upkeep;

/// A store and what is done for the life of its accounts.
struct World {
    store: Arc<Store>,
    sweep: Sweep,
    notices: Notices,
    upkeep: Upkeep,
}

/// A world with these settings.
fn world(change: impl FnOnce(&mut Settings)) -> World {
    let clock = Clock::manual("2026-01-01T08:00:00Z".parse().unwrap());
    let store = Arc::new(Store::in_memory(clock, Rng::seeded(1)).unwrap());
    let mut settings = super::settings::tests::settings();
    change(&mut settings);
    World::over(store, settings)
}

impl World {
    fn over(store: Arc<Store>, settings: Settings) -> Self {
        let settings = Arc::new(settings);
        let sweep = Sweep::new(store.clone(), settings.clone());
        let notices = Notices::new(store.clone(), settings.clone());
        Self { sweep, notices, upkeep: Upkeep::new(store.clone(), settings), store }
    }

    /// The same store by other settings.
    fn with(&self, change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = self.sweep.settings().clone();
        change(&mut settings);
        Self::over(self.store.clone(), settings)
    }

    fn now(&self) -> Timestamp {
        self.store.clock().now()
    }

    fn days_pass(&self, days: i64) {
        self.store.clock().advance(SignedDuration::from_hours(24 * days));
    }

    fn in_days(&self, days: i64) -> Timestamp {
        self.now().checked_add(SignedDuration::from_hours(24 * days)).unwrap()
    }

    /// A user with an address, and these changes.
    async fn add(&self, name: &str, rest: UserChange) -> UserId {
        let email = Some(Some(Email::parse(&format!("{name}@example.org")).unwrap()));
        let new = NewUser {
            id: UserId::new(self.now(), self.store.rng()),
            username: Username::parse(name).unwrap(),
            name: DisplayName::parse(name).unwrap(),
            source: SourceId::local(),
            rest: UserChange { email: rest.email.clone().or(email), ..rest },
            disabled: None,
        };
        let id = new.id;
        let create = move |tx: &mut Tx<'_>| users::create(tx, &Author::system("test"), new.clone(), None);
        self.store.write(create).await.unwrap();
        id
    }

    async fn change(&self, id: UserId, rule: impl Fn(User) -> User + Send + 'static) {
        let change = move |tx: &mut Tx<'_>| {
            users::update(tx, &Author::system("test"), id, "user.changed", |user, _| Ok(rule(user)))
        };
        self.store.write(change).await.unwrap();
    }

    fn get(&self, id: UserId) -> User {
        users::get(&self.store.view(), id).unwrap().unwrap()
    }

    /// Every message since the last look, as its kind and where it goes.
    async fn mail(&self) -> Vec<(String, Message)> {
        let all = outbox::list(&self.store.view(), usize::MAX).unwrap();
        let ids: Vec<_> = all.iter().map(|(id, _)| *id).collect();
        let remove = move |tx: &mut Tx<'_>| {
            ids.iter().for_each(|id| outbox::remove(tx, *id));
            Ok::<_, crate::store::StoreError>(())
        };
        self.store.write(remove).await.unwrap();
        all.into_iter().map(|(_, message)| (format!("{} {}", message.body.kind(), message.to), message)).collect()
    }

    /// The kinds of messages since the last look, with where they go.
    async fn told(&self) -> Vec<String> {
        self.mail().await.into_iter().map(|(told, _)| told).collect()
    }

    async fn run(&self, task: &dyn Task) -> String {
        task.run().await.unwrap()
    }
}

fn admin() -> UserChange {
    UserChange { roles: Some([RoleId::parse(role::SYSTEM_ADMIN).unwrap()].into()), ..UserChange::default() }
}

fn ends(at: Timestamp) -> UserChange {
    UserChange { expires_at: Some(Some(at)), ..UserChange::default() }
}

fn plain() -> UserChange {
    UserChange::default()
}
