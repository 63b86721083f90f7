//! Sessions and logins under way end when their user is out, and in their time.

use super::*;

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
async fn a_shorter_life_of_sessions_holds_for_those_that_are_there() {
    let mut world = world(|_| {});
    let ada = world.with_password("ada", "local").await;
    let token = granted(world.login("ada", PASSWORD).await);
    world.auth.store.clock().advance(SignedDuration::from_mins(30));
    world.auth.settings.sessions.absolute = Duration::from_secs(31 * 60);
    assert!(world.auth.session(token.expose()).unwrap().is_some());
    world.auth.settings.sessions.absolute = Duration::from_secs(30 * 60);
    assert!(world.auth.session(token.expose()).unwrap().is_none());
    assert!(world.auth.sessions_of(&ada).unwrap().is_empty());
    // A longer one gives no session more than it was promised.
    world.auth.settings.sessions.absolute = Duration::from_secs(48 * 3_600);
    world.auth.settings.sessions.idle = Duration::from_secs(48 * 3_600);
    assert!(world.auth.session(token.expose()).unwrap().is_some());
    world.auth.store.clock().advance(SignedDuration::from_hours(24));
    assert!(world.auth.session(token.expose()).unwrap().is_none());
}
