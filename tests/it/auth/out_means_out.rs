//! S-05: whoever falls out is refused at once, whatever they hold: each cause, with everything that a user can hold.

use std::time::Duration;

use jiff::SignedDuration;
use musterd::base::clock::Stopwatch;
use serde_json::{Value, json};

use crate::e2e::directory::settings;
use crate::harness::daemon::{Caller, TestDaemon};
use crate::harness::slapd::Slapd;

const PASSWORD: &str = "correct horse battery";
const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

/// From the end of the cause to the last refusal.
const LIMIT: Duration = Duration::from_secs(1);

/// Long lives: what is refused is refused for the cause, and for nothing else.
const LONG: &str = "[sessions]\nidle = \"90d\"\nabsolute = \"90d\"\nlink_lifetime = \"1d\"\n\
                    [login]\ntransaction_lifetime = \"1h\"\n[jwt]\nenabled = true\naudiences = [\"wiki\"]\n";

/// What puts somebody out, with how it is brought about.
type Cause<'a, T> = (&'static str, &'a dyn Fn(&str) -> T);

/// What somebody holds.
enum Held {
    Session(String),
    Cookie(String),
    Introspected(String),
    Signed(String),
    ApiToken(String),
    Transaction(String),
    Link(String),
}

struct Desk {
    daemon: TestDaemon,
    admin: Caller,
    application: Caller,
}

impl Desk {
    fn new(settings: &str) -> Self {
        let daemon = TestDaemon::start_with_server("trusted_proxies = [\"127.0.0.1\"]\n", &format!("{LONG}{settings}"));
        let admin = daemon.admin();
        let application = daemon.with_token(&daemon.token(&["--scope", "login.introspect"]));
        Self { daemon, admin, application }
    }

    /// Lets a user come to everything that one can hold.
    fn fill(&self, name: &str, password: &str, is_administrator: bool) -> Vec<Held> {
        let mut held = Vec::new();
        let session = self.daemon.session(name, password);
        let own = self.daemon.with_token(&session);
        if is_administrator {
            let roles = self.admin.patch(&format!("/api/v1/users/{name}"), &json!({"roles": ["system-admin"]}));
            assert_eq!(roles.status, 200, "{roles:?}");
            let made = own.post("/api/v1/tokens", &json!({"name": "mine", "scopes": ["users.view"]}));
            held.push(Held::ApiToken(made.text("/token")));
        }
        let signed = own.post("/api/v1/session/token", &json!({"audience": "wiki"}));
        held.push(Held::Signed(signed.text("/access_token")));
        held.extend(self.link(name));
        let forced = self.admin.patch(&format!("/api/v1/users/{name}"), &json!({"mfa": "forced"}));
        assert_eq!(forced.status, 200, "{forced:?}");
        let begun = self.daemon.login(name, password);
        assert_eq!(begun.json["status"], "mfa_enrolment_required", "{begun:?}");
        held.push(Held::Transaction(begun.text("/transaction")));
        held.extend([
            Held::Cookie(session.clone()),
            Held::Introspected(session.clone()),
            Held::Session(session.clone()),
        ]);
        for one in &held {
            assert!(self.opens(one), "{} opens before", one.name());
        }
        held
    }

    /// A password link, for whose password is kept here.
    fn link(&self, name: &str) -> Option<Held> {
        let link = self.admin.post(&format!("/api/v1/users/{name}/password-link"), &json!({}));
        let link = (link.status == 201).then(|| link.text("/password_link"))?;
        Some(Held::Link(link.rsplit_once(['#', '=']).unwrap().1.to_owned()))
    }

    fn opens(&self, held: &Held) -> bool {
        let is_active = |token: &str| {
            let answer = self.application.post("/api/v1/introspect", &json!({"token": token})).json;
            assert!(answer["active"] == true || answer == json!({"active": false}), "{answer}");
            answer["active"] == true
        };
        let anonymous = self.daemon.anonymous();
        let (status, refused) = match held {
            Held::Introspected(token) | Held::Signed(token) => return is_active(token),
            Held::Session(token) => return self.daemon.is_in(token),
            Held::ApiToken(token) => (self.daemon.with_token(token).get("/api/v1/users?limit=1").status, 401),
            Held::Cookie(token) => {
                let cookie = format!("__Host-musterd={token}");
                let headers = [
                    ("cookie", cookie.as_str()),
                    ("x-original-url", "https://app.example.org/"),
                    ("x-original-method", "GET"),
                ];
                (anonymous.call("GET", "/api/v1/forward-auth", None, &headers).status, 401)
            }
            Held::Transaction(token) => {
                (anonymous.post(&format!("/api/v1/authenticate/{token}/enrol"), &json!({"method": "totp"})).status, 404)
            }
            // Too short for the rules: a link that is good says so, and stays.
            Held::Link(token) => {
                (anonymous.post("/api/v1/password-link", &json!({"token": token, "password": "x"})).status, 404)
            }
        };
        status != refused
    }

    /// Nothing opens any more, and that within the limit.
    fn all_refused(&self, cause: &str, held: &[Held]) {
        let watch = Stopwatch::start();
        for one in held {
            assert!(!self.opens(one), "{} after: {cause}", one.name());
        }
        assert!(watch.elapsed() < LIMIT, "{cause}: {:?}", watch.elapsed());
    }
}

impl Held {
    fn name(&self) -> &'static str {
        match self {
            Self::Session(_) => "the session",
            Self::Cookie(_) => "the cookie",
            Self::Introspected(_) => "the session by introspection",
            Self::Signed(_) => "the signed token by introspection",
            Self::ApiToken(_) => "the API token",
            Self::Transaction(_) => "the login under way",
            Self::Link(_) => "the password link",
        }
    }
}

#[test]
fn whoever_an_administrator_puts_out_holds_nothing_any_more() {
    let desk = Desk::new("");
    let admin = &desk.admin;
    let path = |name: &str, rest: &str| format!("/api/v1/users/{name}{rest}");
    let causes: [Cause<'_, u16>; 7] = [
        ("disabled", &|name| admin.post(&path(name, "/disable"), &json!({})).status),
        ("removed", &|name| admin.delete(&path(name, "")).status),
        ("password set", &|name| {
            admin.post(&path(name, "/password"), &json!({"password": "another long password"})).status
        }),
        ("factors reset", &|name| admin.delete(&path(name, "/mfa")).status),
        ("sessions ended", &|name| admin.delete(&path(name, "/sessions")).status),
        ("expired", &|name| {
            let end = desk.daemon.clock.now() + SignedDuration::from_secs(60);
            let answer = admin.patch(&path(name, ""), &json!({"expires_at": end.to_string()}));
            desk.daemon.advance(SignedDuration::from_secs(60));
            answer.status
        }),
        ("command", &|name| {
            let output = desk.daemon.musterd(&["user", "end-sessions", name]);
            if output.status.success() { 200 } else { 500 }
        }),
    ];
    for (n, (cause, bring_about)) in causes.into_iter().enumerate() {
        let name = format!("ada{n}");
        desk.daemon.local_user(&name, PASSWORD);
        let held = desk.fill(&name, PASSWORD, true);
        assert_eq!(held.len(), 7);
        let status = bring_about(&name);
        assert!((200..300).contains(&status), "{cause}: {status}");
        desk.all_refused(cause, &held);
    }
}

#[test]
fn a_new_password_ends_what_was_held_whoever_sets_it() {
    let desk = Desk::new("");
    let own = |held: &[Held]| {
        held.iter().find_map(|one| match one {
            Held::Session(token) => Some(desk.daemon.with_token(token)),
            _ => None,
        })
    };
    let new = "another long password";
    desk.daemon.local_user("ada", PASSWORD);
    let held = desk.fill("ada", PASSWORD, true);
    let change = json!({"current_password": PASSWORD, "password": new});
    assert_eq!(own(&held).unwrap().post("/api/v1/me/password", &change).status, 204);
    desk.all_refused("own change", &held);

    desk.daemon.local_user("bob", PASSWORD);
    let held = desk.fill("bob", PASSWORD, true);
    let link = held.iter().find_map(|one| if let Held::Link(token) = one { Some(token) } else { None });
    let used = desk.daemon.anonymous().post("/api/v1/password-link", &json!({"token": link, "password": new}));
    assert_eq!(used.status, 204, "{used:?}");
    desk.all_refused("link used", &held);
}

#[test]
fn whoever_has_gone_quiet_holds_nothing_after_the_sweep() {
    let desk = Desk::new("[inactivity]\nthreshold = \"30d\"\n");
    desk.daemon.local_user("ada", PASSWORD);
    let mut held = desk.fill("ada", PASSWORD, true);
    desk.daemon.advance(SignedDuration::from_hours(24 * 29));
    // A use of anything would not be quiet; a login under way, a signed token and a link have ended long before.
    held.retain(|one| !matches!(one, Held::Transaction(_) | Held::Signed(_) | Held::Link(_)));
    desk.daemon.advance(SignedDuration::from_hours(23));
    held.extend(desk.link("ada"));
    assert!(held.iter().any(|one| matches!(one, Held::Link(_)) && desk.opens(one)), "not before");
    // Somebody else keeps the last way in open, whoever else goes.
    desk.daemon.local_user("boss", PASSWORD);
    let roles = desk.admin.patch("/api/v1/users/boss", &json!({"roles": ["system-admin"]}));
    assert_eq!(roles.status, 200, "{roles:?}");
    desk.daemon.advance(SignedDuration::from_hours(1));
    let swept = desk.admin.post("/api/v1/sweep", &json!({}));
    assert_eq!(swept.status, 200, "{swept:?}");
    assert_eq!(desk.admin.get("/api/v1/users/ada").json["state"], "disabled", "{swept:?}");
    desk.all_refused("inactivity", &held);
}

#[test]
fn whoever_a_provider_takes_out_holds_nothing_any_more() {
    let desk = Desk::new("[[sources]]\nid = \"okta\"\nkind = \"scim\"\n");
    let okta = desk.daemon.with_token(&desk.daemon.token(&["--source", "okta"]));
    let patch = |id: &str, path: &str, value: Value| {
        let operation = json!({"op": "replace", "path": path, "value": value});
        okta.patch(&format!("/scim/v2/Users/{id}"), &json!({"schemas": [PATCH], "Operations": [operation]})).status
    };
    let causes: [Cause<'_, u16>; 3] = [
        ("active: false", &|id| patch(id, "active", json!(false))),
        ("DELETE", &|id| okta.delete(&format!("/scim/v2/Users/{id}")).status),
        ("password", &|id| patch(id, "password", json!("another long password"))),
    ];
    for (n, (cause, bring_about)) in causes.into_iter().enumerate() {
        let name = format!("kim{n}");
        let wish = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "displayName": "Kim",
            "emails": [{"value": format!("{name}@example.com"), "primary": true}], "password": PASSWORD,
        });
        let id = okta.post("/scim/v2/Users", &wish).text("/id");
        // A provider sets no password of an administrator.
        let held = desk.fill(&name, PASSWORD, cause != "password");
        let status = bring_about(&id);
        assert!((200..300).contains(&status), "{cause}: {status}");
        desk.all_refused(cause, &held);
    }
}

#[test]
fn whoever_the_directory_takes_out_holds_nothing_any_more() {
    let slapd = Slapd::start(5);
    let desk = Desk::new(&settings(&slapd, "disabled_when = \"(title=gone)\"\n"));
    let sync = || {
        let output = desk.daemon.musterd(&["source", "sync", "corp", "--full"]);
        assert!(output.status.success(), "{output:?}");
    };
    sync();
    let causes: [Cause<'_, ()>; 2] = [
        ("vanished", &|name| slapd.delete_user(name)),
        ("disabled at the source", &|name| slapd.modify(name, "replace: title\ntitle: gone")),
    ];
    for (n, (cause, bring_about)) in causes.into_iter().enumerate() {
        let name = format!("u000000{}", n + 1);
        let held = desk.fill(&name, &format!("pw-{}", n + 1), true);
        assert_eq!(held.len(), 6, "all but a link");
        bring_about(&name);
        sync();
        desk.all_refused(cause, &held);
    }
}
