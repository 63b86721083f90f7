//! Tokens by client credentials: fetched once, again when they end or are refused, and never shown.

use musterd::base::secret::Secret;
use musterd::sources::PullError;
use musterd::sources::scim_pull::{Access, Settings};

use super::{pull, settings, source};
use crate::harness::fake_scim::{CLIENT, FakeScim, Reply, Service};

fn client(fake: &FakeScim, secret: &str) -> Settings {
    let access = Access::Client {
        token_url: fake.token_url(),
        client_id: CLIENT.0.to_owned(),
        client_secret: Secret::new(secret),
        scope: Some("scim read".to_owned()),
    };
    Settings { access: Some(access), ..settings(fake) }
}

fn fetched(fake: &FakeScim) -> usize {
    fake.take().iter().filter(|asked| asked.method == "POST").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_fetched_once_and_again_when_it_is_refused() {
    let fake = FakeScim::start(Service::with_users(150));
    let source = source(client(&fake, CLIENT.1));
    assert_eq!(pull(&source).await.unwrap().users.len(), 150);
    let posts: Vec<_> = fake.take().into_iter().filter(|asked| asked.method == "POST").collect();
    assert_eq!(posts.len(), 1);
    assert_eq!(posts[0].body, "grant_type=client_credentials&scope=scim+read");
    pull(&source).await.unwrap();
    assert_eq!(fetched(&fake), 0);
    fake.change(|service| service.tokens.clear());
    assert_eq!(pull(&source).await.unwrap().users.len(), 150);
    assert_eq!(fetched(&fake), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_ends_is_not_used_any_more() {
    let fake = FakeScim::start(Service::with_users(3));
    fake.change(|service| service.expires_in = 0);
    pull(&source(client(&fake, CLIENT.1))).await.unwrap();
    assert!(fetched(&fake) > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_server_that_is_busy_or_away_for_a_moment_is_waited_for() {
    let fake = FakeScim::start(Service::with_users(3));
    fake.reply("/token", Reply::new(429, "").with("retry-after", 1));
    fake.reply("/token", Reply { cut: true, ..Reply::new(200, "{\"access_token\": \"x\"}") });
    assert_eq!(pull(&source(client(&fake, CLIENT.1))).await.unwrap().users.len(), 3);
    assert_eq!(fetched(&fake), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_wants_the_secret_in_the_body_gets_it_there() {
    let fake = FakeScim::start(Service::with_users(3));
    fake.change(|service| service.secret_in_body = true);
    assert_eq!(pull(&source(client(&fake, CLIENT.1))).await.unwrap().users.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_token_server_says_is_told_without_the_secret() {
    let fake = FakeScim::start(Service::with_users(3));
    for (script, word) in [
        (None, "check client_id, client_secret and scope"),
        (Some(Reply::new(200, "<html>")), "no OAuth token"),
        (Some(Reply::new(302, "").with("location", "https://elsewhere.example.org")), "not followed"),
        (Some(Reply::new(200, "{\"access_token\": \"x\", \"token_type\": \"mac\"}")), "no bearer token"),
    ] {
        let secret = if script.is_none() { "wrong-secret" } else { CLIENT.1 };
        script.into_iter().for_each(|reply| fake.reply("/token", reply));
        match pull(&source(client(&fake, secret))).await {
            Err(PullError::Unavailable(why)) => {
                assert!(why.contains(word) && !why.contains(secret), "{why} has no {word}");
            }
            other => panic!("{other:?}"),
        }
    }
    // A service that refuses every token is asked twice, not for ever.
    for _ in 0..9 {
        fake.reply("Users", Reply::error(401, "", "no"));
    }
    fake.take();
    assert!(pull(&source(client(&fake, CLIENT.1))).await.is_err());
    assert_eq!(fetched(&fake), 2);
}
