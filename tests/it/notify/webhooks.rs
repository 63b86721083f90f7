//! Webhooks against an endpoint that is verified, that misbehaves, and while the daemon is killed.

mod faults;
mod killed;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use musterd::base::certificates::SeenCertificates;
use musterd::base::clock::{Clock, Stopwatch, minus};
use musterd::base::rng::Rng;
use musterd::base::secret::Secret;
use musterd::directory::audit::{Author, Target};
use musterd::directory::message::{Body, Message, Via};
use musterd::notify::dispatch::{Outbox, Tally as Mails};
use musterd::notify::webhooks::settings::{Settings, read_key};
use musterd::notify::webhooks::{Tally, Webhook, forget_others};
use musterd::store::audit::{self, Entry};
use musterd::store::tx::Tx;
use musterd::store::webhooks::{self, Standing};
use musterd::store::{Store, StoreError, outbox};
use serde_json::Value;

use crate::harness::certificates::file;
use crate::harness::daemon::TestDaemon;
use crate::harness::operation_peers::verified;
use crate::harness::web_server::{Asked, Does, WebServer};

pub(super) const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const NEXT_SECRET: &str = "whsec_HxweHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgE=";

fn ok() -> Does {
    Does::answer("204 No Content", "", "")
}

fn down() -> Does {
    Does::answer("500 Internal Server Error", "", "<html>hunter2</html>")
}

fn settings(server: &WebServer, events: &[&str]) -> Settings {
    Settings {
        name: "portal".to_owned(),
        url: format!("https://{}/hooks", server.authority),
        keys: [SECRET, NEXT_SECRET].iter().map(|key| read_key(&Secret::new(*key)).ok().unwrap()).collect(),
        events: events.iter().map(|event| event.parse().unwrap()).collect(),
        ca_file: Some(file("ca.pem")),
        timeout: Duration::from_millis(1_500),
    }
}

fn store() -> Arc<Store> {
    let clock = Clock::manual(Timestamp::from_second(1_800_000_000).unwrap());
    Arc::new(Store::in_memory(clock, Rng::seeded(7)).unwrap())
}

/// A webhook for everything, whose endpoint does this, and its store.
async fn webhook(server: &WebServer) -> (Webhook, Arc<Store>) {
    let store = store();
    (Webhook::begin(settings(server, &["*"]), store.clone()).await.unwrap(), store)
}

/// So many lines of this action come into the trail.
async fn happens(store: &Store, action: &'static str, times: usize) {
    let write = move |tx: &mut Tx<'_>| {
        (0..times).try_for_each(|_| audit::append(tx, &Author::system("test"), Entry::new(action, Target::Directory)))
    };
    store.write::<_, StoreError>(write).await.unwrap();
}

fn standing(store: &Store) -> Standing {
    webhooks::get(&store.view(), "portal").unwrap().unwrap()
}

fn waiting(store: &Store) -> usize {
    webhooks::waiting(&store.view(), "portal", 10_000).unwrap().len()
}

pub(super) fn number(asked: &Asked) -> u64 {
    let body: Value = serde_json::from_str(&asked.body).unwrap();
    body["data"]["seq"].as_u64().unwrap_or_default()
}

fn numbers(server: &WebServer) -> Vec<u64> {
    server.asked().iter().map(number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_reference_library_takes_events_by_either_secret_and_no_other() {
    let server = WebServer::start(Some("server"), ok()).await;
    // The library looks at the time as well.
    let store = Arc::new(Store::in_memory(Clock::system(), Rng::seeded(7)).unwrap());
    happens(&store, "user.created", 2).await;
    let wanted = settings(&server, &["user.*", "login.refused"]);
    let seen = SeenCertificates::default();
    let webhook = Webhook::begin(wanted, store.clone()).await.unwrap().noting_certificates(&seen);
    for action in ["user.created", "group.created", "login.refused", "login.succeeded", "user.removed"] {
        happens(&store, action, 1).await;
    }
    let tally = webhook.follow_and_deliver().await.unwrap();
    assert_eq!(tally, Tally { delivered: 3, failed: 0, waiting: 0 });
    let [(place, end)] = &seen.list()[..] else { panic!() };
    let days = end.duration_since(store.clock().now()).as_hours() / 24;
    assert!(place == "127.0.0.1" && (28..=30).contains(&days), "{place} {days}");
    let asked = server.asked();
    assert_eq!(numbers(&server), [3, 5, 7], "a new one begins at the end of the trail, and gets what it wants");
    for (secret, is_taken) in [(SECRET, true), (NEXT_SECRET, true), (&SECRET.replace("AAEC", "BBEC"), false)] {
        let said = verified(secret, &asked);
        assert!(said.len() == 3 && said.iter().all(|said| (said == "ok") == is_taken), "{said:?}");
    }
    let body: Value = serde_json::from_str(&asked[1].body).unwrap();
    assert_eq!((&body["type"], &body["data"]["action"]), (&"login.refused".into(), &"login.refused".into()));
    assert!(body["timestamp"] == body["data"]["at"] && body["data"].get("hash").is_none(), "{body}");
    assert_eq!(
        (asked[0].line.as_str(), asked[0].header("content-type")),
        ("POST /hooks", "application/json".to_owned())
    );
    let mut tampered = asked[0].clone();
    tampered.body = tampered.body.replace("user.created", "user.removed");
    assert_ne!(verified(SECRET, &[tampered]), ["ok"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_goes_to_the_path_as_it_is_written() {
    for path in ["", "/", "/hooks", "/hooks/"] {
        let (server, store) = (WebServer::start(Some("server"), ok()).await, store());
        let url = format!("https://{}{path}", server.authority);
        let webhook = Webhook::begin(Settings { url, ..settings(&server, &["*"]) }, store.clone()).await.unwrap();
        happens(&store, "user.created", 1).await;
        webhook.follow_and_deliver().await.unwrap();
        assert_eq!(server.asked()[0].line, format!("POST {}", if path.is_empty() { "/" } else { path }));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stops_the_daemon_does_not_wait_for_what_is_behind() {
    let server = WebServer::start(Some("server"), Does::Hangs).await;
    let (webhook, store) = webhook(&server).await;
    happens(&store, "user.created", 9).await;
    let stop = async {
        while server.asked().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        webhook.stop();
    };
    // The first is under way; nothing comes behind it, and nothing is lost.
    let (tally, ()) = tokio::join!(webhook.follow_and_deliver(), stop);
    assert_eq!(tally.unwrap(), Tally { delivered: 0, failed: 1, waiting: 9 });
    server.turns_to(ok());
    store.clock().set(standing(&store).not_before.unwrap());
    assert_eq!(webhook.follow_and_deliver().await.unwrap(), Tally { waiting: 9, ..Tally::default() });
    assert_eq!((server.asked().len(), waiting(&store)), (1, 9));
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_goes_wrong_no_event_is_lost_and_their_order_stays() {
    let redirect = "location: https://127.0.0.1:1/elsewhere\r\n";
    let server = WebServer::start(Some("server"), down()).await;
    let (webhook, store) = webhook(&server).await;
    happens(&store, "user.created", 3).await;
    let mut failures = 0;
    for (does, said) in [
        (down(), "it answers 500"),
        (Does::answer("301 Moved", redirect, ""), "redirects are not followed"),
        (Does::answer("401 Unauthorized", "", ""), "does it know the secret?"),
        (Does::answer("429 Too Many Requests", "", ""), "429: not now"),
        (Does::Says("no HTTP at all\r\n\r\n".to_owned()), "https://127.0.0.1"),
        (Does::Drops, "https://127.0.0.1"),
        (Does::Hangs, "no answer within"),
        (Does::Floods, "larger than"),
        (Does::Trickles, "no answer within"),
    ] {
        server.turns_to(does);
        assert_eq!(
            webhook.follow_and_deliver().await.unwrap(),
            Tally { delivered: 0, failed: 1, waiting: 3 },
            "{said}"
        );
        failures += 1;
        let standing = standing(&store);
        let answer = standing.last_answer.unwrap();
        assert!(!answer.accepted && answer.said.contains(said) && !answer.said.contains("hunter2"), "{answer:?}");
        assert_eq!(standing.failures, failures);
        // Until its time has come it is left alone.
        assert_eq!(webhook.follow_and_deliver().await.unwrap().failed, 0);
        store.clock().set(standing.not_before.unwrap());
    }
    assert!(server.asked().iter().all(|asked| number(asked) == 1), "the second waits for the first");
    assert!(server.asked().iter().all(|asked| asked.header("webhook-id") == server.asked()[0].header("webhook-id")));
    server.turns_to(ok());
    assert_eq!(webhook.follow_and_deliver().await.unwrap().delivered, 3);
    assert_eq!(numbers(&server)[9..], [1, 2, 3]);
    let standing = standing(&store);
    assert_eq!((standing.failures, standing.failing_since, standing.delivered, waiting(&store)), (0, None, 3, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_sent_to_an_endpoint_whose_certificate_is_not_trusted() {
    for (certificate, authority, said) in [
        ("server", "other.pem", "not signed by a trusted authority"),
        ("expired", "ca.pem", "has expired"),
        ("no-san", "ca.pem", "is not for this host"),
    ] {
        let server = WebServer::start(Some(certificate), ok()).await;
        let store = store();
        let settings = Settings { ca_file: Some(file(authority)), ..settings(&server, &["*"]) };
        let seen = SeenCertificates::default();
        let webhook = Webhook::begin(settings, store.clone()).await.unwrap().noting_certificates(&seen);
        happens(&store, "user.created", 1).await;
        assert_eq!(webhook.follow_and_deliver().await.unwrap().failed, 1);
        // That of a stranger is nobody's concern; one that has ended is.
        assert_eq!(seen.list().len(), usize::from(certificate == "expired"));
        assert!(server.asked().is_empty() && waiting(&store) == 1, "{certificate}");
        let answer = standing(&store).last_answer.unwrap().said;
        assert!(answer.contains(said), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_the_endpoint_cannot_take_holds_the_others_up_for_minutes_only() {
    let server = WebServer::start(Some("server"), Does::Minds("\"seq\":2,".to_owned())).await;
    let (webhook, store) = webhook(&server).await;
    happens(&store, "user.created", 4).await;
    let began = store.clock().now();
    while standing(&store).delivered < 3 {
        webhook.follow_and_deliver().await.unwrap();
        store.clock().advance(SignedDuration::from_secs(1));
    }
    let took = store.clock().now().duration_since(began).as_secs();
    assert!((600..700).contains(&took), "{took} s");
    let mut asked = numbers(&server);
    asked.dedup();
    assert_eq!(asked, [1, 2, 3, 4]);
    assert_eq!(waiting(&store), 1);
    server.turns_to(ok());
    store.clock().advance(SignedDuration::from_hours(1));
    webhook.follow_and_deliver().await.unwrap();
    assert_eq!((numbers(&server).last(), waiting(&store)), (Some(&2), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_is_gone_is_asked_no_more_until_somebody_says_so() {
    let server = WebServer::start(Some("server"), Does::answer("410 Gone", "", "")).await;
    let (webhook, store) = webhook(&server).await;
    happens(&store, "user.created", 2).await;
    for _ in 0..3 {
        webhook.follow_and_deliver().await.unwrap();
        store.clock().advance(SignedDuration::from_hours(2));
    }
    assert_eq!(server.asked().len(), 1);
    // The same after a restart; at another URL it goes on.
    let again = Webhook::begin(settings(&server, &["*"]), store.clone()).await.unwrap();
    again.follow_and_deliver().await.unwrap();
    assert_eq!(server.asked().len(), 1);
    let trial = again.test().await.unwrap();
    assert!(!trial.accepted && trial.said.contains("410"), "{}", trial.said);
    server.turns_to(ok());
    let moved = Settings { url: format!("https://{}/other", server.authority), ..settings(&server, &["*"]) };
    let moved = Webhook::begin(moved, store.clone()).await.unwrap();
    assert_eq!(moved.follow_and_deliver().await.unwrap().delivered, 2);
    // Or when a trial is taken.
    server.turns_to(Does::answer("410 Gone", "", ""));
    happens(&store, "user.created", 1).await;
    moved.follow_and_deliver().await.unwrap();
    server.turns_to(ok());
    assert_eq!(moved.follow_and_deliver().await.unwrap().delivered, 0);
    assert!(moved.test().await.unwrap().accepted);
    assert_eq!(moved.follow_and_deliver().await.unwrap().delivered, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_asks_to_wait_is_left_alone_for_so_long() {
    let busy = Does::answer("503 Service Unavailable", "retry-after: 300\r\n", "");
    let server = WebServer::start(Some("server"), busy).await;
    let (webhook, store) = webhook(&server).await;
    happens(&store, "user.created", 1).await;
    webhook.follow_and_deliver().await.unwrap();
    server.turns_to(ok());
    store.clock().advance(SignedDuration::from_secs(299));
    assert_eq!(webhook.follow_and_deliver().await.unwrap().delivered, 0);
    store.clock().advance(SignedDuration::from_secs(1));
    assert_eq!(webhook.follow_and_deliver().await.unwrap().delivered, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_older_than_three_days_is_dropped_and_counted() {
    let server = WebServer::start(Some("server"), down()).await;
    let (webhook, store) = webhook(&server).await;
    happens(&store, "user.created", 2).await;
    webhook.follow_and_deliver().await.unwrap();
    store.clock().advance(SignedDuration::from_hours(71));
    happens(&store, "user.changed", 1).await;
    server.turns_to(ok());
    store.clock().advance(SignedDuration::from_hours(1));
    assert_eq!(webhook.follow_and_deliver().await.unwrap().delivered, 1);
    assert_eq!((numbers(&server), standing(&store).expired), (vec![1, 3], 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_that_the_trail_dropped_before_they_were_seen_are_counted() {
    let server = WebServer::start(Some("server"), ok()).await;
    let (webhook, store) = webhook(&server).await;
    for _ in 0..3 {
        happens(&store, "user.created", 200).await;
        store.clock().advance(SignedDuration::from_hours(24 * 30));
    }
    let before = minus(store.clock().now(), Duration::from_secs(45 * 24 * 3_600));
    let trim = move |tx: &mut Tx<'_>| audit::trim(tx, &Author::system("sweep"), before);
    let dropped = store.write(trim).await.unwrap();
    assert!(dropped > 0);
    assert_eq!(webhook.follow_and_deliver().await.unwrap().delivered, 1, "the line that tells of it");
    let standing = standing(&store);
    assert_eq!((standing.missed, standing.expired), (dropped, 600 - dropped));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_trail_fills_no_outbox_and_comes_whole_and_in_order() {
    let server = WebServer::start(Some("server"), down()).await;
    let (webhook, store) = webhook(&server).await;
    for _ in 0..30 {
        happens(&store, "user.created", 100).await;
    }
    webhook.follow_and_deliver().await.unwrap();
    assert_eq!((waiting(&store), standing(&store).position), (200, 200));
    server.turns_to(ok());
    store.clock().advance(SignedDuration::from_secs(5));
    let watch = Stopwatch::start();
    while standing(&store).delivered < 3_000 {
        webhook.follow_and_deliver().await.unwrap();
        assert!(watch.elapsed() < Duration::from_secs(120), "{:?}", standing(&store));
    }
    crate::store::tell(&format!("webhooks: 3000 events over TLS in {:?}, a connection each", watch.elapsed()));
    assert_eq!(numbers(&server)[1..], (1..=3_000).collect::<Vec<u64>>());
    assert!(outbox::list(&store.view(), 9).unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_and_webhooks_leave_each_others_messages_alone() {
    let server = WebServer::start(Some("server"), down()).await;
    let (webhook, store) = webhook(&server).await;
    happens(&store, "user.created", 1).await;
    let mail = Message::to_address("ops@example.org", Body::MailTest, store.clock().now(), Timestamp::MAX);
    let push = move |tx: &mut Tx<'_>| -> Result<(), StoreError> { outbox::push(tx, &mail).map(drop) };
    store.write(push).await.unwrap();
    webhook.follow_and_deliver().await.unwrap();
    let channel = Arc::new(musterd::notify::channel::MemoryChannel::default());
    let mails = Outbox::new(store.clone()).with(Via::Mail, Some(channel.clone()), 1);
    assert_eq!(mails.dispatch().await.unwrap(), Mails { sent: 1, ..Mails::default() });
    assert_eq!((channel.take().len(), waiting(&store)), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_that_the_settings_name_no_more_is_forgotten_with_what_waits() {
    let server = WebServer::start(Some("server"), down()).await;
    let (webhook, store) = webhook(&server).await;
    happens(&store, "user.created", 5).await;
    webhook.follow_and_deliver().await.unwrap();
    assert_eq!(waiting(&store), 5);
    forget_others(&store, &["portal"]).await.unwrap();
    assert_eq!(waiting(&store), 5);
    forget_others(&store, &["other"]).await.unwrap();
    assert!(outbox::list(&store.view(), 9).unwrap().is_empty());
    assert_eq!(webhooks::get(&store.view(), "portal").unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_sees_how_a_webhook_stands_and_tries_it() {
    let server = WebServer::start(Some("server"), ok()).await;
    let ca = file("ca.pem").display().to_string();
    let text = format!(
        "[[webhooks]]\nname = \"portal\"\nurl = \"https://{}/hooks\"\nsecret = \"{SECRET}\"\nevents = [\"user.*\"]\n\
         ca_file = \"{ca}\"\n",
        server.authority
    );
    let daemon = tokio::task::spawn_blocking(move || TestDaemon::start(&text)).await.unwrap();
    tokio::task::spawn_blocking(move || {
        let admin = daemon.admin();
        daemon.local_user("ada", "correct horse battery staple");
        let working = || {
            daemon.inside.driver.poke("webhook:portal");
            let shown = admin.get("/api/v1/webhooks");
            // The first administrator was made after the webhook had begun.
            let item = &shown.json["items"][0];
            (item["state"] == "working" && item["delivered"] == 2 && item["waiting"] == 0).then_some(shown)
        };
        let shown = crate::notify::wait_for(working);
        assert!(!shown.json.to_string().contains("whsec_"));
        let tried = admin.post("/api/v1/webhooks/portal/test", &serde_json::json!({}));
        assert_eq!((tried.status, &tried.json["accepted"]), (200, &Value::Bool(true)), "{tried:?}");
        assert_eq!(admin.post("/api/v1/webhooks/nobody/test", &serde_json::json!({})).status, 404);
        let viewer = daemon.with_token(&daemon.token(&["--scope", "alarms.view"]));
        assert_eq!(viewer.get("/api/v1/webhooks").status, 200);
        assert_eq!(viewer.post("/api/v1/webhooks/portal/test", &serde_json::json!({})).status, 403);
        let output = daemon.musterd(&["webhook", "test", "portal"]);
        assert!(output.status.success() && output.stdout.starts_with(b"taken: it answers 204"), "{output:?}");
        let list = String::from_utf8(daemon.musterd(&["webhook", "list"]).stdout).unwrap();
        assert!(list.contains("portal") && list.contains("working"), "{list}");
        server.turns_to(down());
        let output = daemon.musterd(&["webhook", "test", "portal"]);
        assert!(!output.status.success() && output.stdout.starts_with(b"not taken: it answers 500"), "{output:?}");
    })
    .await
    .unwrap();
}
