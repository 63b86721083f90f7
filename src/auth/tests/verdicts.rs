//! What the verdicts of sources make of a login: accepted, wrong, refused, unavailable.

use super::*;

#[tokio::test]
async fn a_dead_backend_never_blocks_a_local_user() {
    let world = world(|_| {});
    world.with_password("ada", "local").await;
    for says in [Says::Hangs, Says::Down] {
        world.corp.now_says(says);
        granted(world.login("ada", PASSWORD).await);
    }
    assert_eq!(world.corp.times_asked(), 0);
}

#[tokio::test]
async fn an_unavailable_backend_is_no_wrong_password() {
    let world = world(|_| {});
    world.add("eve", "corp").await;
    world.corp.now_says(Says::Down);
    for _ in 0..20 {
        assert!(matches!(world.login("eve", "secret").await, Err(LoginError::BackendUnavailable)));
    }
    assert_eq!(world.corp.times_asked(), 3, "the breaker gives it a rest");
}

#[tokio::test]
async fn a_source_verifies_its_own_users_and_others_unless_told_otherwise() {
    let open = world(|_| {});
    open.add("eve", "corp").await;
    open.with_password("kim", "okta").await;
    granted(open.login("eve", "secret").await);
    granted(open.login("kim", PASSWORD).await);
    granted(open.login("kim", "secret").await);
    let strict = world(|settings| settings.only_from_source = true);
    strict.with_password("kim", "okta").await;
    assert!(matches!(strict.login("kim", "secret").await, Err(LoginError::InvalidCredentials)));
    granted(strict.login("kim", PASSWORD).await);
}

#[tokio::test]
async fn only_existing_users_come_in_unless_the_option_takes_newcomers() {
    let closed = world(|_| {});
    assert!(matches!(closed.login("newcomer", "secret").await, Err(LoginError::InvalidCredentials)));
    assert_eq!(closed.corp.times_asked(), 1, "it is asked all the same, so that the time does not tell");
    let open = world(|settings| settings.existing_users_only = false);
    granted(open.login("newcomer", "secret").await);
    assert!(users::by_username(&open.auth.store.view(), "newcomer").unwrap().is_some());
    assert!(matches!(open.login("another", "wrong").await, Err(LoginError::InvalidCredentials)));
}

#[tokio::test]
async fn every_login_leaves_a_line_with_the_backends_that_were_asked() {
    let world = world(|_| {});
    let kim = world.with_password("kim", "okta").await;
    drop(world.login("kim", "wrong").await);
    granted(world.login("kim", PASSWORD).await);
    let lines = trail(&world, &kim);
    let actions: Vec<_> = lines.iter().map(|line| line.action.as_str()).take(2).collect();
    assert_eq!(actions, ["login.succeeded", "login.refused"]);
    let asked: Vec<_> = backends(&lines[1]).iter().map(|one| one["backend"].as_str().unwrap()).collect();
    assert_eq!(asked, ["okta", "corp", "late"]);
    assert!(!serde_json::to_string(&lines).unwrap().contains(PASSWORD));
}

#[tokio::test]
async fn a_wrong_local_password_is_wrong_and_counts_whatever_a_hanging_backend_does() {
    let world = world(|_| {});
    world.with_password("ada", "local").await;
    world.corp.now_says(Says::Hangs);
    for _ in 0..5 {
        assert!(matches!(world.login("ada", "wrong").await, Err(LoginError::InvalidCredentials)));
    }
    assert!(matches!(world.login("ada", PASSWORD).await, Err(LoginError::TooManyAttempts(_))));
    assert_eq!(world.corp.times_asked(), 3, "a deadline that passed counts for the breaker");
}

#[tokio::test]
async fn another_sources_yes_does_not_open_an_administrators_account() {
    let world = world(|_| {});
    let admin = world.with_password("admin", "local").await;
    granted(world.login("admin", "secret").await);
    world.change(&admin, |user, _| User { roles: [RoleId::parse("system-admin").unwrap()].into(), ..user }).await;
    assert!(matches!(world.login("admin", "secret").await, Err(LoginError::InvalidCredentials)));
    granted(world.login("admin", PASSWORD).await);
}

#[tokio::test]
async fn an_entry_that_is_somebody_elses_opens_nobodys_account() {
    let world = world(|_| {});
    world.with_password("ada", "local").await;
    granted(world.login("ada", "secret").await);
    // The entry that the source finds by that name is known as another user.
    let other = NewUser {
        rest: UserChange { external_id: Some(Some(entry().external_id)), ..UserChange::default() },
        ..new_user(&world.auth.store, "eve", SourceId::parse("corp").unwrap())
    };
    let create = move |tx: &mut Tx<'_>| users::create(tx, &Author::system("test"), other.clone(), None);
    world.auth.store.write(create).await.unwrap();
    assert!(matches!(world.login("ada", "secret").await, Err(LoginError::InvalidCredentials)));
}

#[tokio::test]
async fn whom_their_own_source_keeps_out_nobody_lets_in_and_only_a_proof_is_told_why() {
    use RefusalReason::{Disabled, Expired, Locked, MustChangePassword, NotPermitted};
    let world = world(|_| {});
    let eve = world.add("eve", "corp").await;
    world.late.now_says(Says::Truth);
    let cases = [
        (Disabled, true, "account_disabled"),
        (Expired, true, "account_expired"),
        (MustChangePassword, true, "password_change_at_source"),
        (NotPermitted, true, "refused_by_source"),
        (Disabled, false, "refused_by_source"),
        (MustChangePassword, false, "refused_by_source"),
        (Locked, false, "refused_by_source"),
    ];
    for (reason, proved, why) in cases {
        world.corp.now_says(Says::KeepsOut(reason, proved));
        let error = world.login("eve", "secret").await.err().unwrap();
        let told = match &error {
            LoginError::Refused(refusal) => crate::auth::login::refusal_name(*refusal),
            LoginError::ChangeAtSource(source) if source.as_str() == "corp" => "password_change_at_source",
            LoginError::InvalidCredentials => "refused_by_source",
            other => panic!("{other:?}"),
        };
        assert_eq!(told, why, "{reason:?} {proved}");
        let line = trail(&world, &eve).remove(0);
        assert_eq!((line.action.as_str(), line.reason.as_deref()), ("login.refused", Some(why)));
        let asked = backends(&line);
        assert_eq!(asked.len(), 1, "{asked:?}");
        assert_eq!((&asked[0]["verdict"], &asked[0]["reason"]), (&"refused".into(), &reason.name().into()));
    }
    assert_eq!(world.late.times_asked(), 0, "nobody else was asked");
}

#[tokio::test]
async fn a_refusal_of_a_source_that_is_not_the_users_own_is_only_noted() {
    let world = world(|_| {});
    world.add("kim", "late").await;
    world.corp.now_says(Says::KeepsOut(RefusalReason::Disabled, true));
    world.late.now_says(Says::Truth);
    granted(world.login("kim", "secret").await);
    world.late.now_says(Says::Wrong);
    assert!(matches!(world.login("kim", "secret").await, Err(LoginError::InvalidCredentials)));
}

#[tokio::test]
async fn a_proved_refusal_is_no_wrong_password_and_an_unproved_one_is() {
    let world = world(|_| {});
    world.add("eve", "corp").await;
    let refuse = |proved| world.corp.now_says(Says::KeepsOut(RefusalReason::NotPermitted, proved));
    refuse(true);
    for _ in 0..20 {
        assert!(matches!(world.login("eve", "secret").await, Err(LoginError::InvalidCredentials)));
    }
    refuse(false);
    for _ in 0..5 {
        assert!(matches!(world.login("eve", "secret").await, Err(LoginError::InvalidCredentials)));
    }
    assert!(matches!(world.login("eve", "secret").await, Err(LoginError::TooManyAttempts(_))));
}

#[tokio::test]
async fn an_entry_that_is_somebody_elses_proves_nobodys_password() {
    let world = world(|_| {});
    let ada = world.with_password("ada", "local").await;
    let other = NewUser {
        rest: UserChange { external_id: Some(Some(entry().external_id)), ..UserChange::default() },
        ..new_user(&world.auth.store, "eve", SourceId::parse("corp").unwrap())
    };
    let create = move |tx: &mut Tx<'_>| users::create(tx, &Author::system("test"), other.clone(), None);
    world.auth.store.write(create).await.unwrap();
    let proved = world.auth.prove_password(&ada, &Secret::new("secret"), &Origin::default()).await;
    assert!(matches!(proved, Err(LoginError::InvalidCredentials)));
    world.auth.prove_password(&ada, &Secret::new(PASSWORD), &Origin::default()).await.unwrap();
}
