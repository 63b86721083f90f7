//! Passwords of local users: tried, changed in the login, and set by a link.

use super::*;
use crate::auth::forgotten::Typed;
use crate::auth::links::LinkFor;
use crate::directory::message::Body;

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
            let kind = LinkFor::SetUp;
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
            let kind = LinkFor::Reset;
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
async fn who_forgot_a_password_that_is_kept_elsewhere_is_told_where_by_mail() {
    let world = world(|_| {});
    world.add("eve", "corp").await;
    world.add("old", "closed").await;
    let origin = Origin::default();
    for name in ["eve", "old", "nobody"] {
        let typed = Typed::parse(name).unwrap();
        world.auth.forgotten(&typed, &origin, "https://dir.example.org").await.unwrap();
    }
    let messages = crate::store::outbox::list(&world.auth.store.view(), 9).unwrap();
    let told: Vec<_> = messages.iter().map(|(_, message)| (message.to.as_str(), message.body.clone())).collect();
    assert!(told == [("eve@example.org", Body::PasswordElsewhere { source: "corp".to_owned() })]);
}
