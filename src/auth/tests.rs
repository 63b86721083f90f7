//! The login from end to end on the memory engine, with sources whose answers the tests set.

mod outage;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::task::TaskTracker;
use totp_rs::{Builder, Secret as TotpSecret};

use super::breaker::Breaker;
use super::flow::Refusal;
use super::hasher::Hasher;
use super::login::{Authenticator, LoginError, Newcomers, Origin, Outcome};
use super::settings::{Hashing, Settings};
use super::throttle::Throttle;
use super::verify::Backend;
use crate::base::clock::Clock;
use crate::base::id::{ExternalId, RoleId, SourceId, UserId};
use crate::base::rng::Rng;
use crate::base::secret::Secret;
use crate::directory::audit::{Actor, Author};
use crate::directory::field::{DisplayName, Email, Username};
use crate::directory::login::Stage;
use crate::directory::policy::MfaMode;
use crate::directory::user::{DisabledReason, MfaPolicy, NewUser, User, UserChange};
use crate::sources::{
    Answer, Bookmark, Output, Person, PullError, PulledUser, Read, RefusalReason, Source, TestReport, Trial, Verdict,
};
use crate::store::tx::Tx;
use crate::store::{Store, StoreError, audit, users};

const PASSWORD: &str = "correct horse battery";

/// What a fake source answers.
#[derive(Clone, Copy, PartialEq)]
enum Says {
    /// The password `secret` is right.
    Truth,
    /// That every password is wrong.
    Wrong,
    /// That this one is right.
    Only(&'static str),
    /// Nothing, ever.
    Hangs,
    /// That it is down.
    Down,
    /// That it keeps everybody out; with `true`, the password was right.
    KeepsOut(RefusalReason, bool),
}

struct Fake {
    id: SourceId,
    says: Mutex<Says>,
    asked: Mutex<u32>,
}

impl Source for Fake {
    fn id(&self) -> &SourceId {
        &self.id
    }

    fn read(&self, _: Option<Bookmark>, _: Output) -> Answer<'_, Result<Read, PullError>> {
        Box::pin(async { Err(PullError::Unavailable("nothing to read".to_owned())) })
    }

    fn look_up<'a>(&'a self, _: &'a ExternalId) -> Answer<'a, Result<Option<PulledUser>, PullError>> {
        Box::pin(async { Ok(None) })
    }

    fn verify<'a>(&'a self, _: Person<'a>, password: &'a Secret) -> Answer<'a, Verdict> {
        *self.asked.lock().unwrap() += 1;
        let says = *self.says.lock().unwrap();
        Box::pin(async move {
            match says {
                Says::Truth if password.expose() == "secret" => Verdict::Accepted(Some(Box::new(entry()))),
                Says::Only(right) if password.expose() == right => Verdict::Accepted(None),
                Says::Truth | Says::Wrong | Says::Only(_) => Verdict::Wrong,
                Says::Hangs => std::future::pending().await,
                Says::Down => Verdict::Unavailable("down".to_owned()),
                Says::KeepsOut(reason, proved) => {
                    Verdict::Refused(crate::sources::Refusal { reason, proved, text: String::new() })
                }
            }
        })
    }

    fn test(&self, _: Trial) -> Answer<'_, TestReport> {
        Box::pin(async { TestReport::default() })
    }
}

fn entry() -> PulledUser {
    PulledUser {
        external_id: ExternalId::parse("id-new").unwrap(),
        label: "uid=newcomer".to_owned(),
        username: "newcomer".to_owned(),
        name: "New Comer".to_owned(),
        email: None,
        phone: None,
        description: None,
        disabled: None,
        expires_at: None,
        primary_group: None,
        passing: None,
    }
}

struct Taker(Arc<Store>);

impl Newcomers for Taker {
    fn take<'a>(
        &'a self,
        source: &'a SourceId,
        entry: PulledUser,
    ) -> Pin<Box<dyn Future<Output = Result<Option<User>, StoreError>> + Send + 'a>> {
        let new = new_user(&self.0, &entry.username, source.clone());
        Box::pin(async move {
            let create = move |tx: &mut Tx<'_>| {
                Ok::<_, StoreError>(users::create(tx, &Author::system("test"), new.clone(), None).ok())
            };
            self.0.write(create).await
        })
    }
}

fn new_user(store: &Store, username: &str, source: SourceId) -> NewUser {
    let external = (!source.is_local()).then(|| ExternalId::parse(&format!("id-{username}")).unwrap());
    NewUser {
        id: UserId::new(store.clock().now(), store.rng()),
        username: Username::parse(username).unwrap(),
        name: DisplayName::parse(username).unwrap(),
        source,
        rest: UserChange {
            email: Some(Some(Email::parse(&format!("{username}@example.org")).unwrap())),
            external_id: Some(external),
            ..UserChange::default()
        },
        disabled: None,
    }
}

struct World {
    auth: Authenticator,
    corp: Arc<Fake>,
    /// A second directory, after all the other sources.
    late: Arc<Fake>,
}

fn world(change: impl FnOnce(&mut Settings)) -> World {
    let clock = Clock::manual(Timestamp::from_second(1_800_000_000).unwrap());
    let store = Arc::new(Store::in_memory(clock, Rng::seeded(1)).unwrap());
    let hashing = Hashing { memory_kib: 64, iterations: 1, lanes: 1, threads: 1, queue: 64 };
    let mut settings = Settings { hashing, deadline: Duration::from_millis(300), ..Settings::default() };
    change(&mut settings);
    let fake = |id: &str, says| {
        Arc::new(Fake { id: SourceId::parse(id).unwrap(), says: Mutex::new(says), asked: Mutex::new(0) })
    };
    let (corp, late) = (fake("corp", Says::Truth), fake("late", Says::Wrong));
    let backend = |id: &str, verifier: Option<Arc<dyn Source>>| Backend {
        id: SourceId::parse(id).unwrap(),
        login: id != "closed",
        keeps_passwords: verifier.is_none(),
        verifier,
        verify_with: None,
        breaker: Breaker::default(),
        outage_cache: None,
    };
    let backends = vec![
        backend("corp", Some(corp.clone())),
        backend("local", None),
        backend("okta", None),
        backend("closed", None),
        backend("late", Some(late.clone())),
    ];
    let auth = Authenticator {
        grants: Vec::new(),
        hasher: Hasher::start(&settings.hashing, store.rng()).unwrap(),
        throttle: Throttle::new(settings.lockout.clone()),
        newcomers: Arc::new(Taker(store.clone())),
        beside: TaskTracker::new(),
        store,
        settings,
        backends,
    };
    World { auth, corp, late }
}

impl World {
    async fn add(&self, username: &str, source: &str) -> User {
        let new = new_user(&self.auth.store, username, SourceId::parse(source).unwrap());
        let create = move |tx: &mut Tx<'_>| users::create(tx, &Author::system("test"), new.clone(), None);
        self.auth.store.write(create).await.unwrap()
    }

    async fn with_password(&self, username: &str, source: &str) -> User {
        let user = self.add(username, source).await;
        let prepared = self.auth.prepare_password(&user, &Secret::new(PASSWORD)).await.unwrap();
        let set = move |tx: &mut Tx<'_>| prepared.commit(tx, &Author::system("test"), false);
        self.auth.store.write(set).await.unwrap()
    }

    async fn change(&self, user: &User, rule: impl Fn(User, Timestamp) -> User + Send + 'static) -> User {
        let id = user.id;
        let update = move |tx: &mut Tx<'_>| {
            users::update(tx, &Author::system("test"), id, "user.changed", |user, now| Ok(rule(user, now)))
        };
        self.auth.store.write(update).await.unwrap()
    }

    async fn login(&self, name: &str, password: &str) -> Result<Outcome, LoginError> {
        self.auth.authenticate(name, &Secret::new(password), &Origin::default()).await
    }

    fn code(&self, secret: &Secret) -> String {
        let bytes = data_encoding::BASE32_NOPAD.decode(secret.expose().as_bytes()).unwrap();
        let totp = Builder::new().with_secret(TotpSecret::from(bytes)).with_account_name("x").build().unwrap();
        totp.generate(self.auth.store.clock().now().as_second().try_into().unwrap()).to_string()
    }
}

fn granted(outcome: Result<Outcome, LoginError>) -> Secret {
    match outcome {
        Ok(Outcome::Granted { token, .. }) => token,
        Ok(Outcome::Asked { stage, .. }) => panic!("asked for {stage:?}"),
        Err(error) => panic!("{error:?}"),
    }
}

fn asked(outcome: Result<Outcome, LoginError>) -> (Secret, Stage) {
    match outcome {
        Ok(Outcome::Asked { transaction, stage, .. }) => (transaction, stage),
        Ok(Outcome::Granted { .. }) => panic!("granted"),
        Err(error) => panic!("{error:?}"),
    }
}

#[tokio::test]
async fn a_local_user_logs_in_by_username_or_email_in_any_case() {
    let world = world(|_| {});
    world.with_password("Ada", "local").await;
    for name in ["ada", "ADA", " ada ", "Ada@Example.org"] {
        let token = granted(world.login(name, PASSWORD).await);
        assert!(world.auth.session(token.expose()).unwrap().is_some());
    }
    assert!(matches!(world.login("ada", "wrong").await, Err(LoginError::InvalidCredentials)));
    assert!(matches!(world.login("ada", "").await, Err(LoginError::InvalidCredentials)));
    assert!(matches!(world.login("nobody", PASSWORD).await, Err(LoginError::InvalidCredentials)));
}

#[tokio::test]
async fn a_dead_backend_never_blocks_a_local_user() {
    let world = world(|_| {});
    world.with_password("ada", "local").await;
    for says in [Says::Hangs, Says::Down] {
        *world.corp.says.lock().unwrap() = says;
        granted(world.login("ada", PASSWORD).await);
    }
    assert_eq!(*world.corp.asked.lock().unwrap(), 0);
}

#[tokio::test]
async fn an_unavailable_backend_is_no_wrong_password() {
    let world = world(|_| {});
    world.add("eve", "corp").await;
    *world.corp.says.lock().unwrap() = Says::Down;
    for _ in 0..20 {
        assert!(matches!(world.login("eve", "secret").await, Err(LoginError::BackendUnavailable)));
    }
    assert_eq!(*world.corp.asked.lock().unwrap(), 3, "the breaker gives it a rest");
}

#[tokio::test]
async fn a_login_never_outlasts_its_deadline() {
    let world = world(|_| {});
    world.add("eve", "corp").await;
    *world.corp.says.lock().unwrap() = Says::Hangs;
    let watch = crate::base::clock::Stopwatch::start();
    assert!(matches!(world.login("eve", "secret").await, Err(LoginError::BackendUnavailable)));
    assert!(watch.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_source_verifies_its_own_users_and_others_unless_told_otherwise() {
    let open = world(|_| {});
    open.add("eve", "corp").await;
    open.with_password("kim", "okta").await;
    granted(open.login("eve", "secret").await);
    granted(open.login("kim", PASSWORD).await);
    granted(open.login("kim", "secret").await);
    let strict = world(|settings| settings.only_from_source = true);
    strict.with_password("kim", "okta").await;
    assert!(matches!(strict.login("kim", "secret").await, Err(LoginError::InvalidCredentials)));
    granted(strict.login("kim", PASSWORD).await);
}

#[tokio::test]
async fn only_existing_users_come_in_unless_the_option_takes_newcomers() {
    let closed = world(|_| {});
    assert!(matches!(closed.login("newcomer", "secret").await, Err(LoginError::InvalidCredentials)));
    assert_eq!(*closed.corp.asked.lock().unwrap(), 1, "it is asked all the same, so that the time does not tell");
    let open = world(|settings| settings.existing_users_only = false);
    granted(open.login("newcomer", "secret").await);
    assert!(users::by_username(&open.auth.store.view(), "newcomer").unwrap().is_some());
    assert!(matches!(open.login("another", "wrong").await, Err(LoginError::InvalidCredentials)));
}

#[tokio::test]
async fn only_who_gave_the_right_password_is_told_why_not() {
    let world = world(|_| {});
    let ada = world.with_password("ada", "local").await;
    world.change(&ada, |user, now| user.disable(DisabledReason::Admin, Actor::Anonymous, now).unwrap()).await;
    assert!(matches!(world.login("ada", "wrong").await, Err(LoginError::InvalidCredentials)));
    assert!(matches!(world.login("ada", PASSWORD).await, Err(LoginError::Refused(Refusal::Disabled))));
    let bob = world.with_password("bob", "local").await;
    world.change(&bob, |user, now| User { expires_at: Some(now), ..user }).await;
    assert!(matches!(world.login("bob", PASSWORD).await, Err(LoginError::Refused(Refusal::Expired))));
    world.with_password("eve", "closed").await;
    assert!(matches!(world.login("eve", PASSWORD).await, Err(LoginError::Refused(Refusal::SourceNotAllowed))));
}

#[tokio::test]
async fn out_means_out_for_sessions_and_logins_under_way() {
    let world = world(|_| {});
    let ada = world.with_password("ada", "local").await;
    let token = granted(world.login("ada", PASSWORD).await);
    world.change(&ada, |user, now| user.disable(DisabledReason::Admin, Actor::Anonymous, now).unwrap()).await;
    assert!(world.auth.session(token.expose()).unwrap().is_none());
    world.change(&ada, |user, now| user.enable(now).unwrap()).await;
    assert!(world.auth.session(token.expose()).unwrap().is_none(), "it does not come back");
    world.change(&ada, |user, _| User { must_change_password: true, ..user }).await;
    let (transaction, _) = asked(world.login("ada", PASSWORD).await);
    world.change(&ada, |user, now| user.disable(DisabledReason::Admin, Actor::Anonymous, now).unwrap()).await;
    let late =
        world.auth.change_password(&transaction, &Secret::new("another long password"), &Origin::default()).await;
    assert!(matches!(late, Err(LoginError::NoSuchTransaction)));
}

#[tokio::test]
async fn an_expiry_ends_sessions_at_its_second_and_for_good() {
    let world = world(|_| {});
    let ada = world.with_password("ada", "local").await;
    let end = crate::base::clock::plus_seconds(world.auth.store.clock().now(), 60);
    world.change(&ada, move |user, _| User { expires_at: Some(end), ..user }).await;
    let token = granted(world.login("ada", PASSWORD).await);
    world.auth.store.clock().set(end);
    assert!(world.auth.session(token.expose()).unwrap().is_none());
}

#[tokio::test]
async fn a_session_ends_when_idle_and_at_its_absolute_end() {
    let world = world(|_| {});
    world.with_password("ada", "local").await;
    let token = granted(world.login("ada", PASSWORD).await);
    let clock = world.auth.store.clock();
    for _ in 0..26 {
        clock.advance(SignedDuration::from_mins(55));
        let alive = world.auth.session(token.expose()).unwrap().is_some();
        // The note of the use is written by the store's thread: wait for it by writing once more.
        world.auth.store.write(|_: &mut Tx<'_>| Ok::<_, StoreError>(())).await.unwrap();
        let age = clock.now().duration_since(Timestamp::from_second(1_800_000_000).unwrap());
        assert_eq!(alive, age < SignedDuration::from_hours(24), "{age:?}");
    }
    let token = granted(world.login("ada", PASSWORD).await);
    clock.advance(SignedDuration::from_mins(61));
    assert!(world.auth.session(token.expose()).unwrap().is_none());
}

#[tokio::test]
async fn a_forced_factor_is_enrolled_at_login_and_asked_for_from_then_on() {
    let world = world(|_| {});
    let ada = world.with_password("ada", "local").await;
    world.change(&ada, |user, _| User { mfa: MfaPolicy::Forced, ..user }).await;
    let (transaction, stage) = asked(world.login("ada", PASSWORD).await);
    assert_eq!(stage, Stage::Enrolment);
    let origin = Origin::default();
    let early = world.auth.verify_code(&transaction, "123456", &origin).await;
    assert!(matches!(early, Err(LoginError::WrongStep(Stage::Enrolment))));
    let enrolment = world.auth.enrol(&transaction).await.unwrap();
    assert!(matches!(
        world.auth.verify_code(&transaction, "000000", &origin).await,
        Err(LoginError::InvalidCredentials)
    ));
    let code = world.code(&enrolment.secret);
    granted(world.auth.verify_code(&transaction, &code, &origin).await);

    let (transaction, stage) = asked(world.login("ada", PASSWORD).await);
    assert_eq!(stage, Stage::Factor);
    let replay = world.auth.verify_code(&transaction, &code, &origin).await;
    assert!(matches!(replay, Err(LoginError::InvalidCredentials)), "a step is accepted once");
    world.auth.store.clock().advance(SignedDuration::from_secs(30));
    let code = world.code(&enrolment.secret);
    granted(world.auth.verify_code(&transaction, &code, &origin).await);
    let dead = world.auth.verify_code(&transaction, &code, &origin).await;
    assert!(matches!(dead, Err(LoginError::NoSuchTransaction)));
}

#[tokio::test]
async fn fifty_parallel_submissions_of_one_code_let_one_in() {
    let world = Arc::new(world(|settings| {
        settings.mfa = MfaMode::All;
        settings.lockout.code_attempts = 1_000;
    }));
    world.with_password("ada", "local").await;
    let (transaction, _) = asked(world.login("ada", PASSWORD).await);
    let enrolment = world.auth.enrol(&transaction).await.unwrap();
    granted(world.auth.verify_code(&transaction, &world.code(&enrolment.secret), &Origin::default()).await);
    world.auth.store.clock().advance(SignedDuration::from_secs(30));
    let code = world.code(&enrolment.secret);
    let mut tries = Vec::new();
    for _ in 0..50 {
        let (transaction, _) = asked(world.login("ada", PASSWORD).await);
        let (world, code) = (world.clone(), code.clone());
        tries.push(tokio::spawn(async move {
            world.auth.verify_code(&transaction, &code, &Origin::default()).await.is_ok()
        }));
    }
    let mut accepted = 0;
    for one in tries {
        accepted += u32::from(one.await.unwrap());
    }
    assert_eq!(accepted, 1);
}

#[tokio::test]
async fn codes_are_throttled_over_all_logins_of_a_user() {
    let world = world(|settings| settings.mfa = MfaMode::All);
    world.with_password("ada", "local").await;
    let (transaction, _) = asked(world.login("ada", PASSWORD).await);
    world.auth.enrol(&transaction).await.unwrap();
    let mut outcomes = Vec::new();
    for _ in 0..4 {
        let (transaction, _) = asked(world.login("ada", PASSWORD).await);
        world.auth.enrol(&transaction).await.unwrap();
        for _ in 0..2 {
            outcomes.push(world.auth.verify_code(&transaction, "000000", &Origin::default()).await);
        }
    }
    let checked = outcomes.iter().filter(|outcome| matches!(outcome, Err(LoginError::InvalidCredentials))).count();
    let refused = outcomes.iter().filter(|outcome| matches!(outcome, Err(LoginError::TooManyAttempts(_)))).count();
    assert_eq!((checked, refused), (5, 3));
}

#[tokio::test]
async fn five_wrong_passwords_are_checked_whatever_spelling_is_typed() {
    let world = Arc::new(world(|_| {}));
    world.with_password("ada", "local").await;
    let spellings = ["ada", "ADA", " Ada", "ada@example.org", "ADA@EXAMPLE.ORG", "ａｄａ"];
    let tries: Vec<_> = (0..24)
        .map(|n| {
            let world = world.clone();
            tokio::spawn(async move { world.login(spellings[n % 6], "wrong password").await })
        })
        .collect();
    let mut checked = 0;
    for one in tries {
        checked += u32::from(matches!(one.await.unwrap(), Err(LoginError::InvalidCredentials)));
    }
    assert_eq!(checked, 5);
    assert!(matches!(world.login("ada", PASSWORD).await, Err(LoginError::TooManyAttempts(_))));
    world.auth.store.clock().advance(SignedDuration::from_mins(15));
    granted(world.login("ada", PASSWORD).await);
}

#[tokio::test]
async fn a_password_that_must_change_is_changed_in_the_login_by_the_rules() {
    let world = world(|_| {});
    let ada = world.with_password("ada", "local").await;
    let token = granted(world.login("ada", PASSWORD).await);
    world.change(&ada, |user, _| User { must_change_password: true, ..user }).await;
    let (transaction, stage) = asked(world.login("ada", PASSWORD).await);
    assert!(matches!(stage, Stage::PasswordChange(_)));
    let origin = Origin::default();
    for bad in ["short", PASSWORD, ""] {
        let refused = world.auth.change_password(&transaction, &Secret::new(bad), &origin).await;
        assert!(matches!(refused, Err(LoginError::Password(_))), "{bad:?}");
    }
    granted(world.auth.change_password(&transaction, &Secret::new("another long password"), &origin).await);
    assert!(world.auth.session(token.expose()).unwrap().is_none(), "earlier sessions end");
    granted(world.login("ada", "another long password").await);
    assert!(matches!(world.login("ada", PASSWORD).await, Err(LoginError::InvalidCredentials)));
}

#[tokio::test]
async fn a_password_that_is_too_weak_by_now_is_asked_anew() {
    let world = world(|settings| settings.passwords.min_length = 40);
    let ada = world.add("ada", "local").await;
    let hash = world.auth.hasher.hash(&Secret::new(PASSWORD)).await.unwrap();
    let set = move |tx: &mut Tx<'_>| crate::store::credentials::set(tx, ada.id, hash.clone(), 0);
    world.auth.store.write(set).await.unwrap();
    assert!(matches!(asked(world.login("ada", PASSWORD).await).1, Stage::PasswordChange(_)));
}

#[tokio::test]
async fn a_password_link_works_once_and_the_newest_kills_the_older() {
    let world = world(|_| {});
    let ada = world.add("ada", "local").await;
    let link = || {
        let ada = ada.clone();
        world.auth.store.write(move |tx: &mut Tx<'_>| {
            let kind = super::passwords::LinkFor::SetUp;
            Authenticator::issue_link(tx, &ada, kind, Duration::from_secs(3_600), "https://dir.example.org")
        })
    };
    let token = |url: &Secret| url.expose().split('#').nth(1).unwrap().to_owned();
    let older = token(&link().await.unwrap());
    let newer = token(&link().await.unwrap());
    let origin = Origin::default();
    let refused = world.auth.use_link(&older, &Secret::new(PASSWORD), &origin).await;
    assert!(matches!(refused, Err(LoginError::NoSuchTransaction)));
    let weak = world.auth.use_link(&newer, &Secret::new("short"), &origin).await;
    assert!(matches!(weak, Err(LoginError::Password(_))), "a refused password does not use the link up");
    world.auth.use_link(&newer, &Secret::new(PASSWORD), &origin).await.unwrap();
    let again = world.auth.use_link(&newer, &Secret::new(PASSWORD), &origin).await;
    assert!(matches!(again, Err(LoginError::NoSuchTransaction)));
    granted(world.login("ada", PASSWORD).await);
    let messages = crate::store::outbox::list(&world.auth.store.view(), 9).unwrap();
    assert_eq!(messages.len(), 2);
    assert!(messages[1].1.to == "ada@example.org");
}

#[tokio::test]
async fn a_link_dies_with_its_time_its_address_and_its_user() {
    let world = world(|_| {});
    let origin = Origin::default();
    for cause in 0..3 {
        let ada = world.add(&format!("ada{cause}"), "local").await;
        let owner = ada.clone();
        let issue = world.auth.store.write(move |tx: &mut Tx<'_>| {
            let kind = super::passwords::LinkFor::Reset;
            Authenticator::issue_link(tx, &owner, kind, Duration::from_secs(3_600), "https://dir.example.org")
        });
        let url = issue.await.unwrap();
        match cause {
            0 => world.auth.store.clock().advance(SignedDuration::from_hours(1)),
            1 => drop(
                world
                    .change(&ada, |user, _| User { email: Some(Email::parse("new@example.org").unwrap()), ..user })
                    .await,
            ),
            _ => drop(
                world
                    .change(&ada, |user, now| user.disable(DisabledReason::Admin, Actor::Anonymous, now).unwrap())
                    .await,
            ),
        }
        let token = url.expose().split('#').nth(1).unwrap();
        let used = world.auth.use_link(token, &Secret::new(PASSWORD), &origin).await;
        assert!(matches!(used, Err(LoginError::NoSuchTransaction)), "cause {cause}");
    }
}

#[tokio::test]
async fn the_password_of_a_directory_user_is_not_set_here() {
    let world = world(|_| {});
    let eve = world.add("eve", "corp").await;
    let refused = world.auth.prepare_password(&eve, &Secret::new(PASSWORD)).await;
    assert!(matches!(refused, Err(LoginError::Password(faults)) if faults[0].code == "kept_elsewhere"));
}

#[tokio::test]
async fn every_login_leaves_a_line_with_the_backends_that_were_asked() {
    let world = world(|_| {});
    let kim = world.with_password("kim", "okta").await;
    drop(world.login("kim", "wrong").await);
    granted(world.login("kim", PASSWORD).await);
    let lines =
        audit::list(&world.auth.store.view(), &audit::Query { user: Some(kim.id), ..audit::Query::default() }, None, 9)
            .unwrap()
            .lines;
    let actions: Vec<_> = lines.iter().map(|line| line.action.as_str()).take(2).collect();
    assert_eq!(actions, ["login.succeeded", "login.refused"]);
    let backends = lines[1].details.get("backends").unwrap().to_string();
    assert!(backends.contains("okta") && backends.contains("corp"), "{backends}");
    assert!(!serde_json::to_string(&lines).unwrap().contains(PASSWORD));
}

#[tokio::test]
async fn an_older_login_cannot_enrol_a_factor_beside_the_owners() {
    let world = world(|settings| settings.mfa = MfaMode::All);
    world.with_password("ada", "local").await;
    let origin = Origin::default();
    let (older, _) = asked(world.login("ada", PASSWORD).await);
    let planted = world.auth.enrol(&older).await.unwrap();
    let (newer, _) = asked(world.login("ada", PASSWORD).await);
    let own = world.auth.enrol(&newer).await.unwrap();
    granted(world.auth.verify_code(&newer, &world.code(&own.secret), &origin).await);
    let late = world.auth.verify_code(&older, &world.code(&planted.secret), &origin).await;
    assert!(matches!(late, Err(LoginError::NoSuchTransaction)));
    assert!(matches!(world.auth.enrol(&older).await, Err(LoginError::NoSuchTransaction)));
}

#[tokio::test]
async fn a_wrong_local_password_is_wrong_and_counts_whatever_a_hanging_backend_does() {
    let world = world(|_| {});
    world.with_password("ada", "local").await;
    *world.corp.says.lock().unwrap() = Says::Hangs;
    for _ in 0..5 {
        assert!(matches!(world.login("ada", "wrong").await, Err(LoginError::InvalidCredentials)));
    }
    assert!(matches!(world.login("ada", PASSWORD).await, Err(LoginError::TooManyAttempts(_))));
    assert_eq!(*world.corp.asked.lock().unwrap(), 3, "a deadline that passed counts for the breaker");
}

#[tokio::test]
async fn another_sources_yes_does_not_open_an_administrators_account() {
    let world = world(|_| {});
    let admin = world.with_password("admin", "local").await;
    granted(world.login("admin", "secret").await);
    world.change(&admin, |user, _| User { roles: [RoleId::parse("system-admin").unwrap()].into(), ..user }).await;
    assert!(matches!(world.login("admin", "secret").await, Err(LoginError::InvalidCredentials)));
    granted(world.login("admin", PASSWORD).await);
}

#[tokio::test]
async fn an_entry_that_is_somebody_elses_opens_nobodys_account() {
    let world = world(|_| {});
    world.with_password("ada", "local").await;
    granted(world.login("ada", "secret").await);
    // The entry that the source finds by that name is known as another user.
    let other = NewUser {
        rest: UserChange { external_id: Some(Some(entry().external_id)), ..UserChange::default() },
        ..new_user(&world.auth.store, "eve", SourceId::parse("corp").unwrap())
    };
    let create = move |tx: &mut Tx<'_>| users::create(tx, &Author::system("test"), other.clone(), None);
    world.auth.store.write(create).await.unwrap();
    assert!(matches!(world.login("ada", "secret").await, Err(LoginError::InvalidCredentials)));
}

fn trail(world: &World, user: &User) -> Vec<crate::directory::audit::AuditLine> {
    let query = audit::Query { user: Some(user.id), ..audit::Query::default() };
    audit::list(&world.auth.store.view(), &query, None, 9).unwrap().lines
}

#[tokio::test]
async fn whom_their_own_source_keeps_out_nobody_lets_in_and_only_a_proof_is_told_why() {
    use RefusalReason::{Disabled, Expired, Locked, MustChangePassword, NotPermitted};
    let world = world(|_| {});
    let eve = world.add("eve", "corp").await;
    *world.late.says.lock().unwrap() = Says::Truth;
    let cases = [
        (Disabled, true, "account_disabled"),
        (Expired, true, "account_expired"),
        (MustChangePassword, true, "password_change_at_source"),
        (NotPermitted, true, "refused_by_source"),
        (Disabled, false, "refused_by_source"),
        (MustChangePassword, false, "refused_by_source"),
        (Locked, false, "refused_by_source"),
    ];
    for (reason, proved, why) in cases {
        *world.corp.says.lock().unwrap() = Says::KeepsOut(reason, proved);
        let error = world.login("eve", "secret").await.err().unwrap();
        let told = match &error {
            LoginError::Refused(refusal) => super::login::refusal_name(*refusal),
            LoginError::ChangeAtSource(source) if source.as_str() == "corp" => "password_change_at_source",
            LoginError::InvalidCredentials => "refused_by_source",
            other => panic!("{other:?}"),
        };
        assert_eq!(told, why, "{reason:?} {proved}");
        let line = trail(&world, &eve).remove(0);
        assert_eq!((line.action.as_str(), line.reason.as_deref()), ("login.refused", Some(why)));
        let asked = line.details.get("backends").unwrap().as_array().unwrap();
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert_eq!((&asked[0]["verdict"], &asked[0]["reason"]), (&"refused".into(), &reason.name().into()));
    }
    assert_eq!(*world.late.asked.lock().unwrap(), 0, "nobody else was asked");
}

#[tokio::test]
async fn a_refusal_of_a_source_that_is_not_the_users_own_is_only_noted() {
    let world = world(|_| {});
    world.add("kim", "late").await;
    *world.corp.says.lock().unwrap() = Says::KeepsOut(RefusalReason::Disabled, true);
    *world.late.says.lock().unwrap() = Says::Truth;
    granted(world.login("kim", "secret").await);
    *world.late.says.lock().unwrap() = Says::Wrong;
    assert!(matches!(world.login("kim", "secret").await, Err(LoginError::InvalidCredentials)));
}

#[tokio::test]
async fn a_proved_refusal_is_no_wrong_password_and_an_unproved_one_is() {
    let world = world(|_| {});
    world.add("eve", "corp").await;
    let refuse = |proved| *world.corp.says.lock().unwrap() = Says::KeepsOut(RefusalReason::NotPermitted, proved);
    refuse(true);
    for _ in 0..20 {
        assert!(matches!(world.login("eve", "secret").await, Err(LoginError::InvalidCredentials)));
    }
    refuse(false);
    for _ in 0..5 {
        assert!(matches!(world.login("eve", "secret").await, Err(LoginError::InvalidCredentials)));
    }
    assert!(matches!(world.login("eve", "secret").await, Err(LoginError::TooManyAttempts(_))));
}

#[tokio::test]
async fn an_entry_that_is_somebody_elses_proves_nobodys_password() {
    let world = world(|_| {});
    let ada = world.with_password("ada", "local").await;
    let other = NewUser {
        rest: UserChange { external_id: Some(Some(entry().external_id)), ..UserChange::default() },
        ..new_user(&world.auth.store, "eve", SourceId::parse("corp").unwrap())
    };
    let create = move |tx: &mut Tx<'_>| users::create(tx, &Author::system("test"), other.clone(), None);
    world.auth.store.write(create).await.unwrap();
    let proved = world.auth.prove_password(&ada, &Secret::new("secret"), &Origin::default()).await;
    assert!(matches!(proved, Err(LoginError::InvalidCredentials)));
    world.auth.prove_password(&ada, &Secret::new(PASSWORD), &Origin::default()).await.unwrap();
}
