//! Second factors: enrolled at login, asked for, throttled, and used once.

use super::*;
use crate::base::id::GroupId;
use crate::directory::grant::Grant;
use crate::directory::group::{Group, GroupAtSource, Member};
use crate::store::groups;
use crate::store::users::WriteError;

#[tokio::test]
async fn a_forced_factor_is_enrolled_at_login_and_asked_for_from_then_on() {
    let world = world(|_| {});
    let ada = world.with_password("ada", "local").await;
    world.change(&ada, |user, _| User { mfa: MfaPolicy::Forced, ..user }).await;
    let (transaction, stage) = asked(world.login("ada", PASSWORD).await);
    assert_eq!(stage, Stage::Enrolment);
    let early = world.verify(&transaction, "123456").await;
    assert!(matches!(early, Err(LoginError::WrongStep(Stage::Enrolment))));
    let enrolment = world.enrol(&transaction).await.unwrap();
    assert!(matches!(world.verify(&transaction, "000000").await, Err(LoginError::InvalidCredentials)));
    let code = world.code(&enrolment);
    granted(world.verify(&transaction, &code).await);

    let (transaction, stage) = asked(world.login("ada", PASSWORD).await);
    assert_eq!(stage, Stage::Factor);
    let replay = world.verify(&transaction, &code).await;
    assert!(matches!(replay, Err(LoginError::InvalidCredentials)), "a step is accepted once");
    world.auth.store.clock().advance(SignedDuration::from_secs(30));
    let code = world.code(&enrolment);
    granted(world.verify(&transaction, &code).await);
    let dead = world.verify(&transaction, &code).await;
    assert!(matches!(dead, Err(LoginError::NoSuchTransaction)));
}

#[tokio::test]
async fn o_03_fifty_parallel_submissions_of_one_code_let_one_in() {
    let world = Arc::new(world(|settings| {
        settings.mfa.rules.mode = MfaMode::All;
        settings.lockout.code_attempts = 1_000;
    }));
    world.with_password("ada", "local").await;
    let (transaction, _) = asked(world.login("ada", PASSWORD).await);
    let enrolment = world.enrol(&transaction).await.unwrap();
    granted(world.verify(&transaction, &world.code(&enrolment)).await);
    world.auth.store.clock().advance(SignedDuration::from_secs(30));
    let code = world.code(&enrolment);
    let mut tries = Vec::new();
    for _ in 0..50 {
        let (transaction, _) = asked(world.login("ada", PASSWORD).await);
        let (world, code) = (world.clone(), code.clone());
        tries.push(tokio::spawn(async move { world.verify(&transaction, &code).await.is_ok() }));
    }
    let mut accepted = 0;
    for one in tries {
        accepted += u32::from(one.await.unwrap());
    }
    assert_eq!(accepted, 1);
}

#[tokio::test]
async fn t_05_codes_are_throttled_over_all_logins_of_a_user() {
    let world = world(|settings| settings.mfa.rules.mode = MfaMode::All);
    world.with_password("ada", "local").await;
    let (transaction, _) = asked(world.login("ada", PASSWORD).await);
    world.enrol(&transaction).await.unwrap();
    let mut outcomes = Vec::new();
    for _ in 0..4 {
        let (transaction, _) = asked(world.login("ada", PASSWORD).await);
        world.enrol(&transaction).await.unwrap();
        for _ in 0..2 {
            outcomes.push(world.verify(&transaction, "000000").await);
        }
    }
    let checked = outcomes.iter().filter(|outcome| matches!(outcome, Err(LoginError::InvalidCredentials))).count();
    let refused = outcomes.iter().filter(|outcome| matches!(outcome, Err(LoginError::TooManyAttempts(_)))).count();
    assert_eq!((checked, refused), (5, 3));
}

#[tokio::test]
async fn an_older_login_cannot_enrol_a_factor_beside_the_owners() {
    let world = world(|settings| settings.mfa.rules.mode = MfaMode::All);
    world.with_password("ada", "local").await;
    let (older, _) = asked(world.login("ada", PASSWORD).await);
    let planted = world.enrol(&older).await.unwrap();
    let (newer, _) = asked(world.login("ada", PASSWORD).await);
    let own = world.enrol(&newer).await.unwrap();
    granted(world.verify(&newer, &world.code(&own)).await);
    let late = world.verify(&older, &world.code(&planted)).await;
    assert!(matches!(late, Err(LoginError::NoSuchTransaction)));
    assert!(matches!(world.enrol(&older).await, Err(LoginError::NoSuchTransaction)));
}

#[tokio::test]
async fn an_administrator_by_group_is_asked_for_a_factor_like_any_other() {
    let mut world = world(|settings| settings.mfa.rules.mode = MfaMode::Administrators);
    let eve = world.add("eve", "corp").await;
    granted(world.login("eve", "secret").await);
    let rule = "cn=admins,dc=example,dc=org -> role system-admin".parse().unwrap();
    world.auth.grants = [Grant { source: eve.source.clone(), rule }].into();
    let make = move |tx: &mut Tx<'_>| {
        let (id, name) = (GroupId::new(tx.now(), tx.rng()), DisplayName::parse("admins").unwrap());
        let at = GroupAtSource { entry: "CN=admins,dc=example,dc=org".to_owned(), primary_key: None };
        let group = Group { at_source: Some(at), ..Group::new(id, name, eve.source.clone(), tx.now()) };
        groups::create(tx, &Author::system("test"), group)?;
        groups::change_members(tx, &Author::system("test"), id, &[Member::User(eve.id)], &[]).map(drop)
    };
    world.auth.store.write::<_, WriteError>(make).await.unwrap();
    assert_eq!(asked(world.login("eve", "secret").await).1, Stage::Enrolment);
}
