//! The login from end to end on the memory engine, with sources whose answers the tests set.

mod codes;
mod factors;
mod hashes;
mod outage;
mod own;
mod passkeys;
mod password_rules;
mod passwords;
mod sessions;
mod throttling;
mod verdicts;

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::task::TaskTracker;
use totp_rs::{Builder, Secret as TotpSecret};

use super::factors::code::{Channel, CodeKind};
use super::factors::totp::TotpKind;
use super::factors::{Enrolment, Factors, Kind, MethodError, Response};
use super::flow::Refusal;
use super::hasher::Hasher;
use super::login::{Authenticator, LoginError, Newcomers, Origin, Outcome};
use super::prove::{Chosen, Given, Wish};
use super::settings::{Hashing, Settings};
use super::throttle::Throttle;
use super::verify::Backend;
use crate::base::clock::Clock;
use crate::base::id::{ExternalId, RoleId, SourceId, UserId};
use crate::base::rng::Rng;
use crate::base::secret::Secret;
use crate::directory::audit::{Actor, AuditLine, Author};
use crate::directory::factor::Method;
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
    asked: AtomicU32,
}

impl Fake {
    fn new(id: &str, says: Says) -> Arc<Self> {
        Arc::new(Self { id: SourceId::parse(id).unwrap(), says: Mutex::new(says), asked: AtomicU32::new(0) })
    }

    fn now_says(&self, says: Says) {
        *self.says.lock().unwrap() = says;
    }

    fn times_asked(&self) -> u32 {
        self.asked.load(Ordering::SeqCst)
    }
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
        self.asked.fetch_add(1, Ordering::SeqCst);
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
    let hashing = Hashing { memory_kib: 64, iterations: 1, lanes: 1, threads: 1, queue: 64, reserved: 8 };
    let mut settings = Settings { hashing, deadline: Duration::from_millis(300), ..Settings::default() };
    change(&mut settings);
    let (corp, late) = (Fake::new("corp", Says::Truth), Fake::new("late", Says::Wrong));
    let backend = |id: &str, verifier: Option<Arc<dyn Source>>| Backend {
        id: SourceId::parse(id).unwrap(),
        login: id != "closed",
        keeps_passwords: verifier.is_none(),
        verifier,
        verify_with: None,
        breaker: Arc::default(),
        outage_cache: None,
        lockout: None,
    };
    let backends = vec![
        backend("corp", Some(corp.clone())),
        backend("local", None),
        backend("okta", None),
        backend("closed", None),
        backend("late", Some(late.clone())),
    ];
    let auth = Authenticator {
        grants: Arc::default(),
        passkeys: None,
        factors: Factors::new(kinds(&settings)),
        hasher: Hasher::start(&settings.hashing, store.rng()).unwrap(),
        throttle: Throttle::new(settings.lockout.clone(), store.clone()),
        newcomers: Arc::new(Taker(store.clone())),
        beside: TaskTracker::new(),
        store,
        settings,
        backends,
    };
    World { auth, corp, late }
}

fn kinds(settings: &Settings) -> [Arc<dyn Kind>; 2] {
    let (life, resend_after) = (settings.mfa.code_life, settings.mfa.resend_after);
    let mail = CodeKind { channel: Channel::Mail, life, resend_after };
    [Arc::new(TotpKind { issuer: "musterd".to_owned() }), Arc::new(mail)]
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
        self.auth.authenticate(name, &Secret::new(password), None, &Origin::default()).await
    }

    /// Begins to enrol a one-time password in a login.
    async fn enrol(&self, transaction: &Secret) -> Result<Enrolment, LoginError> {
        self.auth.enrol(transaction, Wish::default(), &Origin::default()).await.map(|(_, enrolment)| enrolment)
    }

    /// Answers a login with a code.
    async fn verify(&self, transaction: &Secret, code: &str) -> Result<Outcome, LoginError> {
        self.auth.verify_factor(transaction, Chosen::default(), code_given(code), &Origin::default()).await
    }

    /// The code that an authenticator app shows now.
    fn code(&self, enrolment: &Enrolment) -> String {
        let secret = enrolment.shown.0["secret"].as_str().unwrap();
        let bytes = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
        let totp = Builder::new().with_secret(TotpSecret::from(bytes)).with_account_name("x").build().unwrap();
        totp.generate(self.auth.store.clock().now().as_second().try_into().unwrap()).to_string()
    }
}

/// A factor of this method.
fn wish(method: Method) -> Wish {
    Wish { method: Some(method), ..Wish::default() }
}

/// A code and nothing else.
fn code_given(code: &str) -> Given {
    let response = Response { code: Some(Secret::new(code)), credential: None };
    Given { response, trust_device: false }
}

/// The newest lines about a user, the last one first.
fn trail(world: &World, user: &User) -> Vec<AuditLine> {
    let query = audit::Query { user: Some(user.id), ..audit::Query::default() };
    audit::list(&world.auth.store.view(), &query, None, 9).unwrap().lines
}

/// What one of them says of each backend that was asked.
fn backends(line: &AuditLine) -> &[serde_json::Value] {
    line.details["backends"].as_array().unwrap()
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
async fn a_login_never_outlasts_its_deadline() {
    let world = world(|_| {});
    world.add("eve", "corp").await;
    world.corp.now_says(Says::Hangs);
    let watch = crate::base::clock::Stopwatch::start();
    assert!(matches!(world.login("eve", "secret").await, Err(LoginError::BackendUnavailable)));
    assert!(watch.elapsed() < Duration::from_secs(5));
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

/// Why tries were held back, as far as the trail tells of them.
fn held(world: &World) -> Vec<String> {
    let query = audit::Query { action: Some("login.held".to_owned()), ..audit::Query::default() };
    let lines = audit::list(&world.auth.store.view(), &query, None, 99).unwrap().lines;
    lines.into_iter().filter_map(|line| line.reason).collect()
}
