//! What goes wrong on the way ends a reading in words, within its time, and no token is in them.

use std::time::Duration;

use musterd::base::clock::Stopwatch;
use musterd::base::id::ExternalId;
use musterd::base::secret::Secret;
use musterd::sources::scim_pull::{Access, Settings};
use musterd::sources::{Instead, PullError, Source, Trial};

use super::{incomplete, pull, settings, source};
use crate::harness::fake_scim::{FakeScim, Reply, Service, TOKEN, group};

fn with_users(count: usize) -> FakeScim {
    FakeScim::start(Service::with_users(count))
}

/// The error of a reading that did not even begin, or that cannot work.
async fn refused(settings: Settings) -> String {
    match pull(&source(settings)).await {
        Err(PullError::Unavailable(why) | PullError::Misconfigured(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_service_is_waited_for_as_it_asks() {
    let fake = with_users(150);
    fake.reply("Users", Reply::new(429, "").with("retry-after", 1));
    fake.reply("startIndex=100", Reply::new(503, "").with("retry-after", 1));
    // By its own clock, which is far from ours.
    let date = |second: u8| format!("Sun, 06 Nov 1994 08:49:{second:02} GMT");
    fake.reply("Groups", Reply::new(429, "").with("date", date(37)).with("retry-after", date(38)));
    let watch = Stopwatch::start();
    assert_eq!(pull(&source(settings(&fake))).await.unwrap().users.len(), 150);
    let took = watch.elapsed();
    assert!((Duration::from_secs(3)..Duration::from_secs(30)).contains(&took), "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wait_that_outlasts_the_reading_is_told_at_once() {
    let fake = with_users(150);
    fake.reply("startIndex=100", Reply::new(429, "").with("retry-after", 3600));
    let watch = Stopwatch::start();
    let why = incomplete(settings(&fake)).await;
    assert!(why.contains("busy (429)") && why.contains("3600 s"), "{why}");
    assert!(watch.elapsed() < Duration::from_secs(20));
    fake.reply("Users/ID-1", Reply::new(503, "").with("retry-after", 60));
    let id = ExternalId::parse("ID-1").unwrap();
    assert!(matches!(source(settings(&fake)).look_up(&id).await, Err(PullError::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_passes_is_tried_again_and_one_that_stays_ends_the_reading() {
    let fake = with_users(150);
    fake.reply("startIndex=100", Reply::new(500, "oops"));
    fake.reply("startIndex=100", Reply { cut: true, ..Reply::new(200, "{\"totalResults\": 150}") });
    assert_eq!(pull(&source(settings(&fake))).await.unwrap().users.len(), 150);
    for _ in 0..3 {
        fake.reply("startIndex=100", Reply::new(500, "oops"));
    }
    let why = incomplete(settings(&fake)).await;
    assert!(why.contains("answers 500"), "{why}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_redirect_is_followed_and_the_token_goes_nowhere_else() {
    let (fake, elsewhere) = (with_users(3), with_users(3));
    for status in [301, 302, 307, 308] {
        let to = format!("{}/Users?secret=hunter2", elsewhere.url);
        fake.reply("Users", Reply::new(status, "").with("location", to));
        let why = refused(settings(&fake)).await;
        assert!(why.contains("not followed") && why.contains("set url") && !why.contains("hunter2"), "{why}");
    }
    assert!(elsewhere.take().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_have_their_size_their_depth_and_their_time() {
    let fake = with_users(3);
    let huge = format!("{{\"totalResults\": 1, \"x\": \"{}\"}}", "x".repeat(10_000_000));
    fake.reply("Users", Reply::new(200, &huge));
    let small = Settings { answer_limit: 1_000_000, ..settings(&fake) };
    assert!(incomplete(small).await.contains("answer_limit"));
    let deep = format!("{{\"totalResults\": 1, \"Resources\": {}{}}}", "[".repeat(50_000), "]".repeat(50_000));
    fake.reply("Users", Reply::new(200, deep));
    assert!(incomplete(settings(&fake)).await.contains("cannot be read as JSON"));
    fake.reply("Users", Reply::new(200, "<html>"));
    assert!(incomplete(settings(&fake)).await.contains("is url the SCIM base URL?"));
    let slow = Reply { delay: Duration::from_secs(1), ..Reply::new(200, "{}") };
    for _ in 0..4 {
        fake.reply("Groups", slow.clone());
    }
    let watch = Stopwatch::start();
    let hasty = Settings { operation_timeout: Duration::from_millis(300), ..settings(&fake) };
    let why = incomplete(hasty).await;
    assert!(why.contains("operation_timeout"), "{why}");
    assert!(watch.elapsed() < Duration::from_secs(20));
    for _ in 0..9 {
        fake.reply("Users", Reply::new(200, "{}").with("x-long", "x".repeat(500_000)));
    }
    assert!(matches!(pull(&source(settings(&fake))).await, Err(PullError::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reading_ends_with_its_time() {
    let fake = with_users(150);
    for _ in 0..8 {
        fake.reply("startIndex=100", Reply::new(503, ""));
    }
    let watch = Stopwatch::start();
    let why = incomplete(Settings { pass_timeout: Duration::from_secs(3), ..settings(&fake) }).await;
    assert!(why.contains("busy (503)"), "{why}");
    assert!(watch.elapsed() < Duration::from_secs(20));
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_say_what_to_do_and_never_the_token() {
    let fake = with_users(3);
    let wrong = Settings { access: Some(Access::Token(Secret::new("s3cret-token"))), ..settings(&fake) };
    let why = refused(wrong).await;
    assert!(why.contains("401: the token is refused") && why.contains("******** is no token"), "{why}");
    assert!(!why.contains("s3cret-token"));
    fake.reply("Users", Reply::error(403, "", "not you"));
    assert!(refused(settings(&fake)).await.contains("may not read this"));
    let nowhere = Settings { url: format!("{}/nothing", fake.url), ..settings(&fake) };
    assert!(refused(nowhere).await.contains("is url the SCIM base URL"));
    fake.reply("Groups", Reply::error(404, "", "no"));
    let why = incomplete(settings(&fake)).await;
    assert!(why.contains("set groups = false"), "{why}");
    let nobody = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap();
    let source = source(Settings { url: format!("http://{nobody}"), ..settings(&fake) });
    assert!(matches!(pull(&source).await, Err(PullError::Unavailable(_))));
    assert!(source.health()[0].down.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_tells_each_step_and_another_service_never_gets_the_configured_token() {
    let (fake, elsewhere) = (with_users(12), with_users(2));
    fake.change(|service| service.groups.push(group("g", "Tech", &["ID-1"])));
    let source = source(settings(&fake));
    let report = source.test(Trial { thorough: true, ..Trial::default() }).await;
    assert!(report.passed(), "{report:?}");
    let names: Vec<_> = report.steps.iter().map(|step| step.name).collect();
    assert_eq!(names, ["connection", "token", "service", "users", "mapping", "changes", "groups"]);
    assert_eq!(report.samples.len(), 5);
    assert!(report.steps[5].outcome.as_ref().unwrap().contains("by meta.lastModified"), "{report:?}");
    let urls = Some(vec![elsewhere.url.clone()]);
    let other = Trial { instead: Instead { urls: urls.clone(), ..Instead::default() }, ..Trial::default() };
    let report = source.test(other).await;
    assert!(report.steps[0].outcome.as_ref().unwrap_err().contains("needs its token"), "{report:?}");
    assert!(elsewhere.take().is_empty());
    let instead = Instead { urls, bind_password: Some(Secret::new(TOKEN)), ..Instead::default() };
    assert!(source.test(Trial { instead, ..Trial::default() }).await.passed());
    fake.change(|service| service.tokens.clear());
    let report = source.test(Trial::default()).await;
    assert!(!report.passed() && !format!("{report:?}").contains(TOKEN), "{report:?}");
}
