//! What a provider has sent, and what came of it, can be read again.

use axum::body::Body;
use axum::http::Method;
use jiff::Timestamp;
use serde_json::json;

use super::support::{USER, World, source, world, world_with};
use crate::directory::journal::Exchange;
use crate::store::journal;

async fn exchanges(world: &World, of: &str) -> Vec<Exchange> {
    world.app.journal.flush(&world.app.store).await;
    journal::list(&world.app.store.view(), &source(of), None, 99, |_| true).unwrap()
}

#[tokio::test]
async fn each_request_of_a_token_is_kept_with_its_answer_and_without_its_secrets() {
    let world = world().await;
    let body = json!({"schemas": [USER], "userName": "ada", "password": "correct horse battery"});
    let id = world.okta.post("/Users", body.clone()).await.expect(201).id();
    world.okta.post("/Users", body).await.expect(409);
    world.okta.get("/Users?count=1&filter=password%20eq%20%22correct%20horse%20battery%22").await.expect(403);
    world.okta.patch(&format!("/Users/{id}"), json!([{"op": "add", "path": "nothing", "value": 1}])).await.expect(400);
    let headers = [("content-type", "application/scim+json")];
    world
        .okta
        .request(Method::PUT, &format!("/scim/v2/Users/{id}"), &headers, "{\"password\": \"s3c")
        .await
        .expect(400);
    world.okta.request(Method::POST, "/scim/v2/Users", &headers, Body::from("x".repeat(2 << 20))).await.expect(413);
    world.entra.get("/Users").await.expect(200);
    world.okta.with(Some("mst_x")).get("/Users").await.expect(401);

    let all = exchanges(&world, "okta").await;
    let said: Vec<_> = all.iter().rev().map(|one| (one.method.as_str(), one.status)).collect();
    assert_eq!(said, [("POST", 201), ("POST", 409), ("GET", 403), ("PATCH", 400), ("PUT", 400), ("POST", 413)]);
    let text = serde_json::to_string(&all).unwrap();
    assert!(!text.contains("correct") && !text.contains("s3c"), "{text}");
    let (made, clash, broken) = (&all[5], &all[4], &all[1]);
    let sent: serde_json::Value = serde_json::from_str(made.body.as_ref().unwrap()).unwrap();
    assert_eq!((&sent["userName"], &sent["password"]), (&json!("ada"), &json!("[redacted]")));
    assert_eq!((clash.scim_type.as_deref(), clash.is_refused()), (Some("uniqueness"), true));
    assert!(clash.detail.as_deref().unwrap().contains("userName"));
    assert_eq!((broken.body.as_deref(), broken.size), (Some("[not JSON]"), 17));
    assert!(all[0].body.is_none());
    assert_eq!(exchanges(&world, "entra").await.len(), 1, "a source's requests are its own");
}

#[tokio::test]
async fn requests_are_forgotten_in_time_and_pages_are_filled() {
    let world = world_with(|setup| setup.scim.journal = Some(std::time::Duration::from_secs(3_600))).await;
    for _ in 0..150 {
        world.okta.get("/Users?count=0").await.expect(200);
        world.app.journal.flush(&world.app.store).await;
    }
    world.pass_seconds(1_800);
    for _ in 0..2 {
        world.okta.get("/Groups").await.expect(200);
    }
    assert_eq!(journal::list(&world.app.store.view(), &source("okta"), None, 999, |_| true).unwrap().len(), 150);
    world.pass_seconds(1_900);
    world.okta.get("/Schemas").await.expect(200);
    let left = exchanges(&world, "okta").await;
    assert!(left.len() < 150 && left.iter().any(|one| one.path == "/scim/v2/Groups"), "{}", left.len());
    let before = left[0].at;
    let older = journal::list(&world.app.store.view(), &source("okta"), Some(before), 99, |one| one.is_refused());
    assert!(older.unwrap().is_empty());
    assert!(left.iter().all(|one| one.at > Timestamp::UNIX_EPOCH));
}

#[tokio::test]
async fn where_the_settings_want_none_nothing_is_kept() {
    let world = world_with(|setup| setup.scim.journal = None).await;
    world.okta.get("/Users").await.expect(200);
    assert!(exchanges(&world, "okta").await.is_empty());
}

#[tokio::test]
async fn a_request_that_was_cut_off_is_kept_too() {
    let world = world().await;
    let headers = [("content-type", "application/scim+json")];
    let mut post = Box::pin(world.okta.request(Method::POST, "/scim/v2/Users", &headers, Body::new(Never)));
    assert!(futures_poll(&mut post).await.is_none());
    // As when a client hangs up.
    drop(post);
    let all = exchanges(&world, "okta").await;
    assert_eq!((all[0].method.as_str(), all[0].status), ("POST", 503));
    assert!(all[0].detail.as_deref().unwrap().starts_with("cut off"));
}

/// A body that never comes.
struct Never;

impl hyper::body::Body for Never {
    type Data = axum::body::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<hyper::body::Frame<Self::Data>, Self::Error>>> {
        std::task::Poll::Pending
    }
}

async fn futures_poll<T>(future: &mut (impl Future<Output = T> + Unpin)) -> Option<T> {
    use std::task::Poll;
    std::future::poll_fn(|context| match std::pin::Pin::new(&mut *future).poll(context) {
        Poll::Ready(answer) => Poll::Ready(Some(answer)),
        Poll::Pending => Poll::Ready(None),
    })
    .await
}
