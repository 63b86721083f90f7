//! Two years of 1,000 accounts on the memory engine, day by day: the real tasks under the real driver on one side, the
//! model on the other. State, reason and mail of everybody are compared after every run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use musterd::base::clock::Clock;
use musterd::base::id::{RoleId, SourceId, UserId};
use musterd::base::rng::Rng;
use musterd::directory::audit::{Actor, Author};
use musterd::directory::field::{DisplayName, Email, Username};
use musterd::directory::message::Body;
use musterd::directory::policy::{Budget, UserDefaults, days};
use musterd::directory::role;
use musterd::directory::user::{Disabled, DisabledReason, NewUser, State, User, UserChange};
use musterd::lifecycle::clock::ClockWatch;
use musterd::lifecycle::notices::Notices;
use musterd::lifecycle::policy::{InactivityPolicy, Steps};
use musterd::lifecycle::settings::{Notices as NoticeSettings, Settings};
use musterd::lifecycle::sweep::Sweep;
use musterd::lifecycle::upkeep::Upkeep;
use musterd::store::tx::Tx;
use musterd::store::{Store, StoreError, credentials, outbox, tasks, users, verify};
use musterd::tasks::schedule::Schedule;
use musterd::tasks::{Driver, Journal, Work};

use crate::harness::dice::Dice;

use super::model::{self, Account, DAY, Event, Kind, Minute, Out, Rules};

const USERS: usize = 1_000;
const DAYS: i64 = 730;
const BEGIN: &str = "2026-01-01T00:00:00Z";
const ZONE: &str = "Europe/Amsterdam";
/// Hours, in that zone.
const SWEEP_AT: i8 = 2;
const NOTICES_AT: i8 = 8;

fn one_in(dice: &Dice, sides: u64) -> bool {
    dice.number(0..sides) == 0
}

fn between(dice: &Dice, from: i64, to: i64) -> i64 {
    from + i64::try_from(dice.number(0..u64::try_from(to - from + 1).unwrap())).unwrap()
}

fn at(minute: Minute) -> Timestamp {
    BEGIN.parse::<Timestamp>().unwrap().checked_add(SignedDuration::from_mins(minute)).unwrap()
}

fn minute(at: Timestamp) -> Minute {
    let passed = at.duration_since(BEGIN.parse().unwrap());
    assert_eq!(passed.as_secs() % 60, 0, "{at}");
    passed.as_mins()
}

fn source(number: usize) -> SourceId {
    SourceId::parse(["local", "corp", "shop"][number]).unwrap()
}

/// Remembers as the daemon does when a task ran last.
struct LastRuns(Arc<Store>);

impl Journal for LastRuns {
    fn last_run(&self, name: &str) -> Option<Timestamp> {
        tasks::last_run(&self.0.view(), name).unwrap()
    }

    fn begin(&self, name: &str, now: Timestamp) -> Work<'_, ()> {
        let name = name.to_owned();
        Box::pin(async move {
            let write = move |tx: &mut Tx<'_>| tasks::begin_run(tx, &name, now);
            self.0.write::<_, StoreError>(write).await.unwrap();
        })
    }
}

fn settings(rules: &Rules) -> Settings {
    let parse = |line: &str| Schedule::parse(line, ZONE, at(0)).unwrap();
    let span = |days_long: Option<i64>| days_long.map(|number| days(number.try_into().unwrap()));
    let steps = Steps { first: span(Some(rules.first)), daily_from: span(rules.daily_from) };
    let auditors = rules.auditors.map(|own| (RoleId::parse(role::SYSTEM_AUDITOR).unwrap(), span(own)));
    Settings {
        schedule: parse(&format!("0 {SWEEP_AT} * * *")),
        // The guard has tests of its own; here everybody who is due goes.
        budget: Budget { floor: USERS, percent: 100, count: USERS },
        inactivity: InactivityPolicy {
            threshold: span(rules.threshold),
            sources: rules.sources.iter().map(|(number, own)| (source(*number), span(*own))).collect(),
            roles: auditors.into_iter().collect(),
            exempt_users: rules.exempt.iter().map(|number| format!("u{number}")).collect(),
        },
        users: UserDefaults::default(),
        notices: NoticeSettings {
            schedule: if rules.notices { parse(&format!("0 {NOTICES_AT} * * *")) } else { parse("off") },
            can_leave: true,
            account: steps,
            password: steps,
            inactivity: steps,
            copy_to: Vec::new(),
        },
        upkeep: parse("0 4 * * *"),
        audit: Some(days(60)),
        password_max_age: span(rules.password_age),
        grants: Vec::new(),
    }
}

/// The daemon's side.
struct Daemon {
    store: Arc<Store>,
    driver: Driver,
    ids: Vec<UserId>,
}

impl Daemon {
    fn driver(store: &Arc<Store>, rules: &Rules) -> Driver {
        let settings = Arc::new(settings(rules));
        let work: Vec<Arc<dyn musterd::tasks::Task>> = vec![
            Arc::new(ClockWatch::new(store.clone())),
            Arc::new(Notices::new(store.clone(), settings.clone())),
            Arc::new(Sweep::new(store.clone(), settings.clone())),
            Arc::new(Upkeep::new(store.clone(), settings)),
        ];
        Driver::new(work, Arc::new(LastRuns(store.clone())), store.clock().clone())
    }

    async fn make(&mut self, account: &Account, ends: Option<Minute>) {
        let name = format!("u{}", account.number);
        let role = |is: bool, role: &str| is.then(|| RoleId::parse(role).unwrap());
        let roles = [role(account.is_admin, role::SYSTEM_ADMIN), role(account.is_auditor, role::SYSTEM_AUDITOR)];
        let new = NewUser {
            id: UserId::new(self.store.clock().now(), self.store.rng()),
            username: Username::parse(&name).unwrap(),
            name: DisplayName::parse(&name).unwrap(),
            source: SourceId::local(),
            rest: UserChange {
                email: Some(Some(Email::parse(&format!("{name}@example.org")).unwrap())),
                roles: Some(roles.into_iter().flatten().collect()),
                expires_at: ends.map(|end| Some(at(end))),
                ..UserChange::default()
            },
            disabled: None,
        };
        self.ids.push(new.id);
        let create = move |tx: &mut Tx<'_>| users::create(tx, &Author::system("test"), new.clone(), None);
        self.store.write(create).await.unwrap();
    }

    async fn happens(&self, number: usize, event: Event) {
        let id = self.ids[number];
        let rule = move |user: User, now: Timestamp| match event {
            Event::Used => Ok(user.logged_in(now)),
            Event::DisabledByHand => user.disable(DisabledReason::Admin, Actor::Anonymous, now),
            Event::EnabledByHand => user.enable(now),
            Event::Ends(ends) => Ok(User { expires_at: ends.map(at), ..user }),
            Event::Moved { source: number } => Ok(User { source: source(number), ..user }),
            Event::Mailbox(true) => {
                Ok(User { email: Some(Email::parse(&format!("u{number}@example.org")).unwrap()), ..user })
            }
            Event::Mailbox(false) => Ok(User { email: None, ..user }),
            Event::PasswordSet | Event::Made { .. } => Ok(user),
        };
        let write = move |tx: &mut Tx<'_>| {
            if event == Event::PasswordSet {
                credentials::set(tx, id, "$argon2id$".to_owned(), 0)?;
            }
            users::update(tx, &Author::system("test"), id, "user.changed", rule)
        };
        self.store.write(write).await.unwrap();
    }

    /// The mail since the last look: to whom, what, and which day it names.
    async fn mail(&self) -> Vec<(usize, Kind, Option<Minute>)> {
        let all = outbox::list(&self.store.view(), usize::MAX).unwrap();
        let places: Vec<_> = all.iter().map(|(place, _)| *place).collect();
        if !places.is_empty() {
            let remove = move |tx: &mut Tx<'_>| {
                places.iter().for_each(|place| outbox::remove(tx, *place));
                Ok::<_, StoreError>(())
            };
            self.store.write(remove).await.unwrap();
        }
        let read = |body: &Body| match body {
            Body::AccountExpires { at } => (Kind::Account, Some(minute(*at))),
            Body::PasswordExpires { at } => (Kind::Password, Some(minute(*at))),
            Body::InactivityNear { at } => (Kind::Inactivity, Some(minute(*at))),
            Body::DisabledForInactivity => (Kind::Disabled, None),
            other => panic!("{other:?}"),
        };
        let mut mail: Vec<_> = all
            .iter()
            .map(|(_, message)| {
                let number = message.to.trim_start_matches('u').split('@').next().unwrap().parse().unwrap();
                let (kind, due) = read(&message.body);
                (number, kind, due)
            })
            .collect();
        mail.sort();
        mail
    }

    fn out(&self) -> BTreeMap<usize, Out> {
        let all = users::get_many(&self.store.view(), &self.ids).unwrap();
        let reason = |user: &User| match &user.state {
            State::Active => None,
            State::Disabled(Disabled { reason: DisabledReason::Admin, .. }) => Some(Out::ByHand),
            State::Disabled(Disabled { reason: DisabledReason::Expired, .. }) => Some(Out::Expired),
            State::Disabled(Disabled { reason: DisabledReason::Inactivity, .. }) => Some(Out::Quiet),
            other => panic!("{other:?}"),
        };
        let number = |user: &User| user.username.as_str().trim_start_matches('u').parse::<usize>().unwrap();
        all.iter().filter_map(|user| Some((number(user), reason(user)?))).collect()
    }
}

/// When the clock of the zone shows this hour first after a minute: found by looking at each.
fn next_hour(after: Minute, hour: i8) -> Minute {
    let zone = TimeZone::get(ZONE).unwrap();
    let shows = |minute: Minute| {
        let zoned = at(minute).to_zoned(zone.clone());
        (zoned.hour(), zoned.minute()) == (hour, 0)
    };
    let mut at = after - after.rem_euclid(60) + 60;
    // Where 02:00 does not exist, the first minute after the gap stands for it.
    let mut skipped = None;
    while !shows(at) {
        let (before, now) = (at - 60, at);
        let hours = [before, now].map(|minute| self::at(minute).to_zoned(zone.clone()).hour());
        if hours[0] < hour && hours[1] > hour {
            skipped = Some(now);
            break;
        }
        at += 60;
    }
    skipped.unwrap_or(at)
}

/// The model's side, and what it saw.
struct World {
    accounts: Vec<Account>,
    rules: Rules,
    daemon: Daemon,
    /// When sweep and notices are due next, by the model.
    next: [Minute; 2],
    seen: BTreeMap<String, usize>,
}

impl World {
    fn count(&mut self, what: &str, number: usize) {
        *self.seen.entry(what.to_owned()).or_default() += number;
    }

    async fn event(&mut self, number: usize, now: Minute, event: Event) {
        self.accounts[number].note(now, event);
        self.daemon.happens(number, event).await;
        self.count("events", 1);
    }

    /// The daemon looks at what is due; so does the model; both are compared.
    async fn look(&mut self, now: Minute, is_doubtful: bool) {
        self.daemon.driver.run_due().await;
        let mut expected = Vec::new();
        // Where notices are off, theirs waits until they are on again.
        let due = [self.next[0] <= now, self.rules.notices && self.next[1] <= now];
        // Notices come before the sweep where both are due.
        if due[1] && !is_doubtful {
            for account in &mut self.accounts {
                for (kind, due) in account.notices(&self.rules, now) {
                    account.was_told(kind, now, due);
                    expected.push((account.number, kind, Some(due)));
                }
            }
            self.count("runs of notices", 1);
        }
        if due[0] && !is_doubtful {
            for (number, why) in model::sweep(&self.accounts, &self.rules, now) {
                let account = &mut self.accounts[number];
                account.put_out(now, why);
                if why == Out::Quiet && account.has_mailbox() {
                    expected.push((number, Kind::Disabled, None));
                }
                self.count(&format!("{why:?}"), 1);
            }
            self.count("sweeps", 1);
        }
        for (next, (due, hour)) in self.next.iter_mut().zip(due.into_iter().zip([SWEEP_AT, NOTICES_AT])) {
            if due {
                *next = next_hour(now, hour);
            }
        }
        expected.sort();
        for (_, kind, _) in &expected {
            *self.seen.entry(format!("told of {kind:?}")).or_default() += 1;
        }
        assert_eq!(self.daemon.mail().await, expected, "mail at {} ({now})", at(now));
        if due.contains(&true) {
            let out = self.accounts.iter().filter_map(|one| Some((one.number, one.out()?)));
            let (ours, theirs) = (out.collect::<BTreeMap<_, _>>(), self.daemon.out());
            let differ = |number: &&usize| ours.get(*number) != theirs.get(*number);
            let all: BTreeSet<&usize> = ours.keys().chain(theirs.keys()).collect();
            let differing: Vec<_> = all.iter().filter(|number| differ(number)).collect();
            assert!(differing.is_empty(), "states at {}: {differing:?}, {:?}", at(now), self.accounts[**differing[0]]);
            let admins = self.accounts.iter().filter(|one| one.is_admin && one.out().is_none()).count();
            assert!(admins > 0, "the last way in");
            self.count("states compared", self.accounts.len());
        }
    }

    /// Something happens to an account, as lives go.
    async fn live(&mut self, dice: &Dice, number: usize, now: Minute) {
        let account = &self.accounts[number];
        let (out, is_admin, ends) = (account.out(), account.is_admin, account.ends());
        let is_expired = ends.is_some_and(|end| end <= now);
        let soon = |dice: &Dice| now + between(dice, 1, 120) * DAY + between(dice, 0, 1_439);
        let event = match dice.number(0..12) {
            0 if out.is_none() && !is_admin => Event::DisabledByHand,
            0 | 1 if out.is_some() && !is_expired => Event::EnabledByHand,
            2 if !is_admin => Event::Ends(Some(soon(dice))),
            3 if !is_admin => Event::Ends(None),
            4 => Event::Moved { source: dice.number(0..3).try_into().unwrap() },
            5 => Event::Mailbox(one_in(dice, 2)),
            6 => Event::PasswordSet,
            _ if out.is_none() && !is_expired => Event::Used,
            _ => return,
        };
        self.event(number, now, event).await;
    }
}

/// What the settings are from which day on.
fn chapters() -> Vec<(i64, Rules)> {
    let first = Rules {
        threshold: Some(90),
        sources: [(1, Some(45)), (2, None)].into(),
        auditors: Some(Some(20)),
        exempt: vec![3, 7, 11],
        notices: true,
        first: 14,
        daily_from: Some(3),
        password_age: Some(180),
    };
    vec![
        (0, first.clone()),
        (120, Rules { threshold: Some(30), exempt: vec![7], ..first.clone() }),
        (210, Rules { notices: false, threshold: Some(60), ..first.clone() }),
        (260, Rules { first: 30, daily_from: None, ..first.clone() }),
        (340, Rules { threshold: None, sources: [(0, Some(2)), (1, Some(200))].into(), ..first.clone() }),
        (400, Rules { auditors: Some(None), first: 7, daily_from: Some(6), password_age: Some(60), ..first.clone() }),
        (520, Rules { threshold: Some(400), sources: BTreeMap::new(), auditors: None, ..first.clone() }),
        (600, Rules { threshold: Some(25), sources: [(1, None)].into(), password_age: None, ..first }),
    ]
}

async fn simulate(seed: u64, users: usize) -> BTreeMap<String, usize> {
    let clock = Clock::manual(at(0));
    let store = Arc::new(Store::in_memory(clock.clone(), Rng::seeded(1)).unwrap());
    let dice = Dice::new(seed);
    let mut chapters = chapters();
    let rules = chapters.remove(0).1;
    let driver = Daemon::driver(&store, &rules);
    let daemon = Daemon { store: store.clone(), driver, ids: Vec::new() };
    let next = [next_hour(0, SWEEP_AT), next_hour(0, NOTICES_AT)];
    let mut world = World { accounts: Vec::new(), rules, daemon, next, seen: BTreeMap::new() };
    world.look(0, false).await;
    let (mut down_until, mut doubt_until): (Minute, Option<(Minute, i64)>) = (0, None);
    for now in (30..DAYS * DAY).step_by(240) {
        let (day, ahead) = (now / DAY, doubt_until.map_or(0, |(_, jump)| jump));
        clock.set(at(now + ahead));
        // A third of the lives begin at once, the others over the first year.
        let wanted = users / 3 + usize::try_from(day.min(365)).unwrap() * (users - users / 3) / 365;
        if let Some((end, jump)) = doubt_until {
            if now < end {
                world.look(now, true).await;
                continue;
            }
            clock.jump(SignedDuration::from_mins(-jump));
            doubt_until = None;
            // By a clock that was ahead the tasks had their turn, and found it in doubt; by one that was behind they
            // had it long ago.
            let next = |hour| if jump > 0 { next_hour(now, hour) } else { now };
            world.next[0] = next(SWEEP_AT);
            if world.rules.notices {
                world.next[1] = next(NOTICES_AT);
            }
        }
        if world.accounts.len() < wanted {
            let number = world.accounts.len();
            for number in number..wanted {
                let mut account = Account::new(number, number < 5, number % 20 == 6);
                let ends = (number >= 5 && one_in(&dice, 4)).then(|| now + between(&dice, 1, 300) * DAY);
                account.note(now, Event::Made { ends });
                world.daemon.make(&account, ends).await;
                world.accounts.push(account);
            }
        }
        for _ in 0..users / 160 {
            let number = usize::try_from(dice.number(0..world.accounts.len().try_into().unwrap())).unwrap();
            world.live(&dice, number, now).await;
        }
        if chapters.first().is_some_and(|(from, _)| *from <= day) {
            world.rules = chapters.remove(0).1;
            world.daemon.driver = Daemon::driver(&store, &world.rules);
            world.count("changed settings", 1);
        }
        if now < down_until {
            continue;
        }
        match dice.number(0..400) {
            0..6 => {
                down_until = now + between(&dice, 1, 9) * DAY;
                world.daemon.driver = Daemon::driver(&store, &world.rules);
                world.count("downtimes", 1);
            }
            6..9 => {
                clock.reboot(SignedDuration::ZERO);
                world.count("boots", 1);
                world.look(now, false).await;
            }
            9..11 => {
                let jump = between(&dice, 2, 500) * DAY * if one_in(&dice, 2) { -1 } else { 1 };
                doubt_until = Some((now + between(&dice, 1, 4) * DAY, jump));
                clock.jump(SignedDuration::from_mins(jump));
                world.look(now, true).await;
                world.count("jumps of the clock", 1);
            }
            _ => world.look(now, false).await,
        }
    }
    let report = verify::verify(&store.view()).unwrap();
    assert!(report.differences.is_empty(), "{report:?}");
    world.seen
}

#[test]
fn two_years_of_a_thousand_lives_are_as_the_model_says() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let stopwatch = musterd::base::clock::Stopwatch::start();
    let seen = runtime.block_on(simulate(20_260_101, USERS));
    eprintln!("{seen:#?} in {:?}", stopwatch.elapsed());
    // Nothing is proved by what did not happen.
    for (what, least) in [
        ("sweeps", 400),
        ("runs of notices", 350),
        ("Quiet", 300),
        ("Expired", 100),
        ("told of Account", 300),
        ("told of Password", 100),
        ("told of Inactivity", 500),
        ("told of Disabled", 100),
        ("downtimes", 20),
        ("boots", 5),
        ("jumps of the clock", 5),
        ("changed settings", 7),
    ] {
        assert!(seen.get(what).is_some_and(|number| *number >= least), "{what}: {seen:?}");
    }
}
