//! What was accepted stands in for a directory that is out of reach: when it does, and when it does not.

use super::*;
use crate::store::verifiers;

const AGE: Duration = Duration::from_secs(4 * 3_600);

/// A world whose first directory lets what it accepted stand in for it; and its user, who has logged in.
async fn away(change: impl FnOnce(&mut Settings)) -> (World, User) {
    let mut world = world(change);
    world.auth.backends[0].outage_cache = Some(AGE);
    let eve = world.add("eve", "corp").await;
    let eve = world.change(&eve, |user, _| User { mfa: MfaPolicy::Disabled, ..user }).await;
    drop(world.login("eve", "secret").await.unwrap());
    world.settle().await;
    world.corp.now_says(Says::Down);
    (world, eve)
}

impl World {
    /// Waits for what goes on beside the logins.
    async fn settle(&self) {
        self.auth.beside.close();
        self.auth.beside.wait().await;
        self.auth.beside.reopen();
    }

    fn hash_of(&self, user: &User) -> Option<String> {
        verifiers::get(&self.auth.store.view(), user.id).unwrap().map(|kept| kept.hash)
    }

    fn advance(&self, by: Duration) {
        self.auth.store.clock().advance(by.try_into().unwrap());
    }
}

#[tokio::test]
async fn what_was_accepted_lets_in_during_an_outage_and_the_trail_says_so() {
    let (world, eve) = away(|_| {}).await;
    world.advance(Duration::from_secs(60));
    let token = granted(world.login("eve", "secret").await);
    let session = world.auth.session(token.expose()).unwrap().unwrap().1.clone();
    assert_eq!(session.authenticated_by.as_str(), "corp");
    let line = trail(&world, &eve).into_iter().find(|line| line.action == "login.succeeded").unwrap();
    let asked = backends(&line);
    let verdicts: Vec<_> = asked.iter().map(|one| one["verdict"].as_str().unwrap()).collect();
    assert_eq!(verdicts, ["unavailable", "wrong", "accepted_offline"]);
    assert_eq!((&asked[2]["backend"], &asked[2]["age_seconds"]), (&"corp".into(), &60.into()));
    // The breaker is open by now.
    for _ in 0..5 {
        granted(world.login("eve", "secret").await);
    }
    assert_eq!(world.corp.times_asked(), 4);
}

#[tokio::test]
async fn a_wrong_password_is_wrong_and_counts_during_an_outage() {
    let (world, _) = away(|_| {}).await;
    for _ in 0..5 {
        assert!(matches!(world.login("eve", "guess").await, Err(LoginError::InvalidCredentials)));
    }
    assert!(matches!(world.login("eve", "secret").await, Err(LoginError::TooManyAttempts(_))));
}

#[tokio::test]
async fn nothing_is_kept_and_nothing_stands_in_where_it_is_off() {
    let mut world = world(|_| {});
    let eve = world.add("eve", "corp").await;
    granted(world.login("eve", "secret").await);
    world.settle().await;
    assert!(world.hash_of(&eve).is_none());
    world.corp.now_says(Says::Down);
    assert!(matches!(world.login("eve", "secret").await, Err(LoginError::BackendUnavailable)));
    // It was on, and is off now.
    let (mut was_on, eve) = away(|_| {}).await;
    assert!(was_on.hash_of(&eve).is_some());
    was_on.auth.backends[0].outage_cache = None;
    assert!(matches!(was_on.login("eve", "secret").await, Err(LoginError::BackendUnavailable)));
    // Of other sources' users nothing is kept, whoever accepted their password.
    world.corp.now_says(Says::Truth);
    world.auth.backends[0].outage_cache = Some(AGE);
    let kim = world.with_password("kim", "okta").await;
    granted(world.login("kim", "secret").await);
    granted(world.login("kim", PASSWORD).await);
    world.settle().await;
    assert!(world.hash_of(&kim).is_none());
}

#[tokio::test]
async fn it_is_good_for_its_time_and_a_login_renews_it() {
    let (world, eve) = away(|_| {}).await;
    world.advance(AGE);
    granted(world.login("eve", "secret").await);
    world.settle().await;
    world.advance(Duration::from_secs(1));
    assert!(matches!(world.login("eve", "secret").await, Err(LoginError::BackendUnavailable)), "nothing renewed it");
    let first = world.hash_of(&eve);
    world.corp.now_says(Says::Truth);
    granted(world.login("eve", "secret").await);
    world.settle().await;
    let second = world.hash_of(&eve);
    assert_ne!(second, first);
    world.advance(AGE / 5);
    granted(world.login("eve", "secret").await);
    world.settle().await;
    assert_eq!(world.hash_of(&eve), second, "a young one is not made again");
    world.corp.now_says(Says::Down);
    granted(world.login("eve", "secret").await);
}

#[tokio::test]
async fn whatever_ends_what_a_user_holds_ends_it() {
    type Rule = fn(User, Timestamp) -> User;
    let off: Rule = |user, now| user.disable(DisabledReason::Admin, Actor::Anonymous, now).unwrap();
    let back: Rule = |user, now| user.enable(now).unwrap();
    let expired: Rule = |user, now| User { expires_at: Some(now), ..user };
    let longer: Rule = |user, _| User { expires_at: None, ..user };
    let ended: Rule = |user, _| user.end_sessions();
    let cases = [("disabled", vec![off, back]), ("expired", vec![expired, longer]), ("ended", vec![ended])];
    for (what, rules) in cases {
        let (world, eve) = away(|_| {}).await;
        for rule in rules {
            world.change(&eve, rule).await;
        }
        assert!(matches!(world.login("eve", "secret").await, Err(LoginError::BackendUnavailable)), "{what}");
    }
    let (world, eve) = away(|_| {}).await;
    world.auth.reset_factors(Author::system("test"), &eve).await.unwrap();
    assert!(matches!(world.login("eve", "secret").await, Err(LoginError::BackendUnavailable)), "factors");
    let (world, eve) = away(|_| {}).await;
    world.change(&eve, off).await;
    assert!(world.login("eve", "secret").await.is_err(), "who is disabled stays out");
}

#[tokio::test]
async fn an_expiry_that_nobody_has_swept_is_a_gate_as_ever() {
    let (world, eve) = away(|_| {}).await;
    let end = crate::base::clock::plus_seconds(world.auth.store.clock().now(), 60);
    world.change(&eve, move |user, _| User { expires_at: Some(end), ..user }).await;
    granted(world.login("eve", "secret").await);
    world.advance(Duration::from_secs(60));
    assert!(matches!(world.login("eve", "secret").await, Err(LoginError::Refused(Refusal::Expired))));
}

#[tokio::test]
async fn a_changed_password_takes_the_place_of_the_old_one() {
    let (world, _) = away(|_| {}).await;
    world.corp.now_says(Says::Only("changed"));
    granted(world.login("eve", "changed").await);
    world.settle().await;
    world.corp.now_says(Says::Down);
    assert!(matches!(world.login("eve", "secret").await, Err(LoginError::InvalidCredentials)));
    granted(world.login("eve", "changed").await);
}

#[tokio::test]
async fn a_password_that_its_source_no_longer_accepts_goes_at_once() {
    let (world, eve) = away(|_| {}).await;
    world.corp.now_says(Says::Only("changed"));
    assert!(matches!(world.login("eve", "typing error").await, Err(LoginError::InvalidCredentials)));
    assert!(world.hash_of(&eve).is_some(), "that says nothing of the one that is kept");
    assert!(matches!(world.login("eve", "secret").await, Err(LoginError::InvalidCredentials)));
    assert!(world.hash_of(&eve).is_none());
    world.corp.now_says(Says::Down);
    assert!(matches!(world.login("eve", "secret").await, Err(LoginError::BackendUnavailable)));
}

#[tokio::test]
async fn whom_the_source_kept_out_it_does_not_let_in_when_it_is_away() {
    let (world, _) = away(|_| {}).await;
    world.corp.now_says(Says::KeepsOut(RefusalReason::Locked, false));
    assert!(world.login("eve", "guess").await.is_err());
    world.corp.now_says(Says::Down);
    granted(world.login("eve", "secret").await);
    // Also where the source does not say whether the password was right: what is kept says so.
    for (proved, why) in [(true, "account_disabled"), (false, "invalid_credentials")] {
        let (world, _) = away(|_| {}).await;
        world.corp.now_says(Says::KeepsOut(RefusalReason::Disabled, proved));
        let told = match world.login("eve", "secret").await {
            Err(LoginError::Refused(Refusal::Disabled)) => "account_disabled",
            Err(LoginError::InvalidCredentials) => "invalid_credentials",
            other => panic!("{:?}", other.err()),
        };
        assert_eq!(told, why);
        world.settle().await;
        world.corp.now_says(Says::Down);
        assert!(matches!(world.login("eve", "secret").await, Err(LoginError::BackendUnavailable)));
    }
}

#[tokio::test]
async fn the_second_factor_is_asked_for_as_ever() {
    let (world, eve) = away(|settings| settings.mfa.rules.mode = MfaMode::All).await;
    let (transaction, stage) = asked(world.login("eve", "secret").await);
    assert_eq!(stage, Stage::Enrolment);
    let enrolment = world.enrol(&transaction).await.unwrap();
    granted(world.verify(&transaction, &world.code(&enrolment)).await);
    let line = trail(&world, &eve).into_iter().find(|line| line.action == "login.succeeded").unwrap();
    assert!(backends(&line).iter().any(|one| one["verdict"] == "accepted_offline"));
    assert_eq!(asked(world.login("eve", "secret").await).1, Stage::Factor);
}

#[tokio::test]
async fn it_proves_nothing_for_changes_of_credentials() {
    let (world, eve) = away(|_| {}).await;
    let proved = world.auth.prove_password(&eve, &Secret::new("secret"), &Origin::default()).await;
    assert!(matches!(proved, Err(LoginError::BackendUnavailable)));
}

#[tokio::test]
async fn the_directory_that_verifies_pushed_users_is_stood_in_for_too() {
    let (mut world, _) = away(|_| {}).await;
    world.corp.now_says(Says::Truth);
    let okta = world.auth.backends.iter_mut().find(|backend| backend.id.as_str() == "okta").unwrap();
    (okta.keeps_passwords, okta.verify_with) = (false, Some(SourceId::parse("corp").unwrap()));
    let kim = world.add("kim", "okta").await;
    granted(world.login("kim", "secret").await);
    world.settle().await;
    world.corp.now_says(Says::Down);
    granted(world.login("kim", "secret").await);
    let okta = world.auth.backends.iter_mut().find(|backend| backend.id.as_str() == "okta").unwrap();
    okta.verify_with = Some(SourceId::parse("late").unwrap());
    assert!(world.hash_of(&kim).is_some());
    assert!(matches!(world.login("kim", "secret").await, Err(LoginError::InvalidCredentials)), "another verifies now");
}

#[tokio::test]
async fn a_directory_that_hangs_leaves_time_for_the_next() {
    let world = world(|_| {});
    world.add("kim", "late").await;
    world.corp.now_says(Says::Hangs);
    world.late.now_says(Says::Truth);
    for _ in 0..5 {
        granted(world.login("kim", "secret").await);
    }
    assert_eq!(world.corp.times_asked(), 3);
}
