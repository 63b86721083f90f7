//! A directory in memory with two identity providers, okta and entra, and a client for its router.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::auth::hasher::Hasher;
use crate::auth::jwt::Signer;
use crate::auth::login::{Authenticator, Newcomers};
use crate::auth::settings::{Hashing, Settings as LoginSettings};
use crate::auth::throttle::Throttle;
use crate::auth::verify::Backend;
use crate::base::clock::Clock;
use crate::base::id::{SourceId, TokenId, UserId};
use crate::base::rng::Rng;
use crate::base::secret::{TokenKind, hash_token, new_token};
use crate::directory::audit::{Actor, Author};
use crate::directory::policy::UserDefaults;
use crate::directory::token::{ApiToken, Grant, Profile};
use crate::directory::user::{RuleError, User};
use crate::http::policies::{Policies, Settling, Wish};
use crate::http::routes;
use crate::http::scim::journal;
use crate::http::scim::settings::{Push, Settings as ScimSettings};
use crate::http::settings::Settings;
use crate::http::state::{App, Inside, SourceInfo, SourceKind};
use crate::lifecycle::sweep::Sweep;
use crate::sources::PulledUser;
use crate::store::tx::Tx;
use crate::store::users::WriteError;
use crate::store::{Store, StoreError, tokens, users};
use crate::sync::bulk::Bulk;
use crate::sync::rules::Rules;
use crate::tasks::{Driver, Journal, Work};

pub(super) const BASE: &str = "https://id.example.org/scim/v2";
pub(super) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(super) const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";
pub(super) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

struct Nobody;

impl Newcomers for Nobody {
    fn take<'a>(
        &'a self,
        _: &'a SourceId,
        _: PulledUser,
    ) -> Pin<Box<dyn Future<Output = Result<Option<User>, StoreError>> + Send + 'a>> {
        Box::pin(async { Ok(None) })
    }
}

impl Policies for Nobody {
    fn change(&self, _: Wish, _: Author) -> Settling<'_> {
        Box::pin(async { Err(StoreError::Stopped.into()) })
    }

    fn reload(&self, _: Author) -> Settling<'_> {
        Box::pin(async { Err(StoreError::Stopped.into()) })
    }
}

impl Journal for Nobody {
    fn last_run(&self, _: &str) -> Option<Timestamp> {
        None
    }

    fn begin(&self, _: &str, _: Timestamp) -> Work<'_, ()> {
        Box::pin(async {})
    }
}

/// The directory and a client of each provider.
pub(super) struct World {
    pub(super) app: App,
    pub(super) clock: Clock,
    pub(super) okta: Client,
    pub(super) entra: Client,
}

/// One caller of the router.
#[derive(Clone)]
pub(super) struct Client {
    router: Router,
    pub(super) token: Option<String>,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

pub(super) fn source(name: &str) -> SourceId {
    SourceId::parse(name).unwrap()
}

pub(super) async fn world() -> World {
    world_with(|_| {}).await
}

/// What a test may set.
pub(super) struct Setup {
    pub(super) http: Settings,
    pub(super) login: LoginSettings,
    pub(super) scim: ScimSettings,
    /// What okta may do.
    pub(super) push: Push,
    /// How long a new user lives.
    pub(super) lifetime: Option<Duration>,
}

pub(super) async fn world_with(change: impl FnOnce(&mut Setup)) -> World {
    let clock = Clock::manual(Timestamp::from_second(1_800_000_000).unwrap());
    let store = Arc::new(Store::in_memory(clock.clone(), Rng::seeded(1)).unwrap());
    let settings = Settings { public_url: "https://id.example.org".to_owned(), ..Settings::default() };
    let hashing = Hashing { memory_kib: 64, iterations: 1, lanes: 1, threads: 1, queue: 64, reserved: 8 };
    let login = LoginSettings { hashing, ..LoginSettings::default() };
    let mut setup = Setup {
        http: settings,
        login,
        scim: ScimSettings::default(),
        push: Push::default(),
        lifetime: Some(Duration::from_secs(86_400)),
    };
    change(&mut setup);
    let Setup { http: settings, login, scim, push, lifetime } = setup;
    let backend = |id: &str, verify_with: Option<&str>| Backend {
        id: source(id),
        login: true,
        keeps_passwords: verify_with.is_none(),
        verifier: None,
        verify_with: verify_with.map(source),
        breaker: Arc::default(),
        outage_cache: None,
        lockout: None,
    };
    let auth = Authenticator {
        factors: crate::auth::factors::Factors::default(),
        passkeys: None,
        beside: tokio_util::task::TaskTracker::new(),
        hasher: Hasher::start(&login.hashing, store.rng()).unwrap(),
        throttle: Throttle::new(login.lockout.clone(), store.clone()),
        grants: std::sync::Arc::default(),
        newcomers: Arc::new(Nobody),
        store: store.clone(),
        settings: login,
        backends: vec![backend("local", None), backend("okta", None), backend("entra", Some("local"))],
    };
    let kinds = [("local", SourceKind::Local), ("okta", SourceKind::Scim), ("entra", SourceKind::Scim)];
    let info = |(id, kind): (&str, SourceKind)| SourceInfo {
        id: source(id),
        kind,
        enabled: true,
        login: true,
        push: (kind == SourceKind::Scim).then(|| push.clone()),
        pulled: None,
    };
    let app = Arc::new(Inside {
        alarms: Arc::new(NoAlarms),
        webhooks: Arc::new([]),
        metrics: Arc::default(),
        settings,
        journal: Arc::new(journal::Journal::new(&scim)),
        pages: Arc::default(),
        scim,
        auth: Arc::new(auth),
        jwt: Arc::new(Signer::new(store.clone(), Default::default(), String::new())),
        sources: kinds.map(info).into(),
        bulk: Arc::new(Bulk::new(store.clone(), Rules::default())),
        sweep: Arc::new(Sweep::new(store.clone(), Arc::new(crate::lifecycle::settings::tests::settings()))),
        driver: Arc::new(Driver::new(Vec::new(), Arc::new(Nobody), clock.clone())),
        mails: None,
        texts: None,
        users: UserDefaults { lifetime, ..UserDefaults::default() },
        shown: Arc::default(),
        policies: Arc::new(Nobody),
        store,
    });
    let router = routes::router(app.clone());
    let okta = Client { router: router.clone(), token: Some(token(&app, "okta").await) };
    let entra = Client { router, token: Some(token(&app, "entra").await) };
    World { app, clock, okta, entra }
}

pub(super) async fn token(app: &App, of: &str) -> String {
    give_token(app, Grant::Scim(source(of))).await
}

pub(super) async fn give_token(app: &App, grant: Grant) -> String {
    give_token_for(app, grant, Profile::Default).await
}

pub(super) async fn give_token_for(app: &App, grant: Grant, profile: Profile) -> String {
    let text = new_token(TokenKind::Api, app.store.rng());
    let hash = hash_token(TokenKind::Api, text.expose()).unwrap();
    let (now, name) = (app.store.clock().now(), "test".to_owned());
    let id = TokenId::new(now, app.store.rng());
    let token = ApiToken { profile, ..ApiToken::new(id, name, "mst_a_".to_owned(), grant, now) };
    let keep = move |tx: &mut Tx<'_>| tokens::create(tx, &Author::system("test"), hash, &token);
    app.store.write(keep).await.unwrap();
    text.expose().to_owned()
}

impl World {
    pub(super) fn pass_seconds(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }

    pub(super) fn user(&self, id: &str) -> User {
        users::get(&self.app.store.view(), id.parse().unwrap()).unwrap().unwrap()
    }

    /// The session of a user who logs in.
    pub(super) async fn session(&self, username: &str, password: &str) -> String {
        let body = json!({"username": username, "password": password}).to_string();
        let request = Request::post("/api/v1/authenticate").header("content-type", "application/json");
        let response = self.okta.router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        let answer: Value = serde_json::from_slice(&bytes).unwrap();
        answer["session"]["token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// What an administrator does to a user.
    pub(super) async fn administer(
        &self,
        id: &str,
        rule: impl Fn(User, Actor, Timestamp) -> Result<User, RuleError> + Send + 'static,
    ) -> User {
        let id: UserId = id.parse().unwrap();
        let author = Author::of(Actor::Socket { uid: 0 });
        let change = move |tx: &mut Tx<'_>| {
            let by = author.actor.clone();
            users::update(tx, &author, id, "user.changed", |user, now| rule(user, by, now))
        };
        let outcome: Result<User, WriteError> = self.app.store.write(change).await;
        outcome.unwrap()
    }
}

impl Client {
    pub(super) fn with(&self, token: Option<&str>) -> Self {
        Self { router: self.router.clone(), token: token.map(str::to_owned) }
    }

    pub(super) async fn request(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = &self.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(body.into()).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        if !bytes.is_empty() {
            assert_eq!(parts.headers[header::CONTENT_TYPE], "application/scim+json", "{path}");
        }
        let body = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn send(&self, method: Method, path: &str, body: &Value) -> Answer {
        let path = format!("/scim/v2{path}");
        self.request(method, &path, &[("content-type", "application/scim+json")], body.to_string()).await
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, &format!("/scim/v2{path}"), &[], Body::empty()).await
    }

    pub(super) async fn delete(&self, path: &str) -> Answer {
        self.request(Method::DELETE, &format!("/scim/v2{path}"), &[], Body::empty()).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, &body).await
    }

    pub(super) async fn put(&self, path: &str, body: Value) -> Answer {
        self.send(Method::PUT, path, &body).await
    }

    /// A PATCH of these operations.
    pub(super) async fn patch(&self, path: &str, operations: Value) -> Answer {
        let schemas = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"];
        self.send(Method::PATCH, path, &json!({"schemas": schemas, "Operations": operations})).await
    }

    /// A list by a filter.
    pub(super) async fn find(&self, path: &str, filter: &str) -> Answer {
        let encoded: String = filter.bytes().map(|byte| format!("%{byte:02X}")).collect();
        self.get(&format!("{path}?filter={encoded}")).await
    }

    /// A user, made; gives the id.
    pub(super) async fn user(&self, name: &str, more: Value) -> String {
        let mut body = json!({"schemas": [USER], "userName": name});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.post("/Users", body).await.expect(201).id()
    }

    /// A group, made; gives the id.
    pub(super) async fn group(&self, name: &str, members: &[&str]) -> String {
        let members: Vec<_> = members.iter().map(|id| json!({"value": id})).collect();
        let body = json!({"schemas": [GROUP], "displayName": name, "members": members});
        self.post("/Groups", body).await.expect(201).id()
    }
}

impl Answer {
    #[track_caller]
    pub(super) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.body);
        if status >= 400 {
            assert_eq!(self.body["schemas"], json!(["urn:ietf:params:scim:api:messages:2.0:Error"]));
            assert_eq!(self.body["status"], status.to_string());
        }
        self
    }

    #[track_caller]
    pub(super) fn refused(self, status: u16, scim_type: &str) -> Self {
        let answer = self.expect(status);
        assert_eq!(answer.body["scimType"], scim_type, "{}", answer.body);
        answer
    }

    pub(super) fn id(&self) -> String {
        self.body["id"].as_str().unwrap().to_owned()
    }

    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// One member of each resource of a list.
    pub(super) fn each(&self, name: &str) -> Vec<Value> {
        self.body["Resources"].as_array().unwrap().iter().map(|resource| resource[name].clone()).collect()
    }

    /// The ids of a group's members.
    pub(super) fn members(&self) -> Vec<&str> {
        let members = self.body["members"].as_array();
        members
            .map_or_else(Vec::new, |members| members.iter().map(|member| member["value"].as_str().unwrap()).collect())
    }
}

/// Nothing needs anybody.
struct NoAlarms;

impl crate::http::state::Alarms for NoAlarms {
    fn active(&self) -> Vec<crate::store::alarms::Alarm> {
        Vec::new()
    }
}
