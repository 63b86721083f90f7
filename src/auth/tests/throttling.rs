//! Who guesses is kept out: by account, network, source and for good; told of, and let in again.

use serde_json::Value;

use super::*;
use crate::directory::policy::SourceLockout;

const WRONG: &str = "wrong password";

fn from(address: &str) -> Origin {
    Origin { address: Some(address.parse().unwrap()), ..Origin::default() }
}

async fn try_from(world: &World, address: &str, name: &str, password: &str) -> Result<Outcome, LoginError> {
    world.auth.authenticate(name, &Secret::new(password), None, &from(address)).await
}

fn is_held(outcome: &Result<Outcome, LoginError>) -> bool {
    matches!(outcome, Err(LoginError::TooManyAttempts(_)))
}

fn is_wrong(outcome: &Result<Outcome, LoginError>) -> bool {
    matches!(outcome, Err(LoginError::InvalidCredentials))
}

/// The same daemon after an end and a start.
async fn restart(world: &mut World) {
    world.auth.store.write::<_, StoreError>(|_| Ok(())).await.unwrap();
    world.auth.throttle = Throttle::new(world.auth.settings.lockout.clone(), world.auth.store.clone());
}

#[tokio::test]
async fn t_02_of_two_hundred_wrong_passwords_at_a_time_five_are_checked() {
    let world = Arc::new(world(|_| {}));
    world.with_password("ada", "local").await;
    let tries: Vec<_> = (0..200)
        .map(|_| {
            let world = world.clone();
            tokio::spawn(async move { is_wrong(&world.login("ada", WRONG).await) })
        })
        .collect();
    let mut checked = 0;
    for one in tries {
        checked += u32::from(one.await.unwrap());
    }
    assert_eq!(checked, 5);
}

#[tokio::test]
async fn t_04_what_a_waiting_account_holds_back_counts_against_the_network_and_not_against_the_account() {
    let world = world(|settings| settings.lockout.network_attempts = 8);
    world.with_password("ada", "local").await;
    world.with_password("bob", "local").await;
    let mut outcomes = Vec::new();
    for _ in 0..8 {
        outcomes.push(try_from(&world, "192.0.2.1", "ada", WRONG).await);
    }
    assert_eq!(
        (outcomes.iter().filter(|one| is_wrong(one)).count(), outcomes.iter().filter(|one| is_held(one)).count()),
        (5, 3)
    );
    assert!(is_held(&try_from(&world, "192.0.2.1", "bob", PASSWORD).await), "the network waits");
    granted(try_from(&world, "192.0.2.2", "bob", PASSWORD).await);
    world.auth.store.clock().advance(SignedDuration::from_mins(15));
    granted(try_from(&world, "192.0.2.1", "ada", PASSWORD).await);
}

#[tokio::test]
async fn a_network_of_many_people_is_not_counted() {
    let world = world(|settings| {
        settings.lockout.network_attempts = 3;
        settings.lockout.trusted_networks = vec!["192.0.2.0/24".parse().unwrap()];
    });
    for n in 0..9 {
        assert!(is_wrong(&try_from(&world, "192.0.2.1", &format!("nobody{n}"), WRONG).await));
    }
}

#[tokio::test]
async fn a_network_that_is_not_let_in_is_told_so_before_anything_is_checked() {
    let world = world(|settings| {
        settings.lockout.allow_networks = vec!["10.0.0.0/8".parse().unwrap()];
        settings.lockout.deny_networks = vec!["10.6.6.0/24".parse().unwrap()];
    });
    world.with_password("ada", "local").await;
    for address in ["192.0.2.1", "10.6.6.6", "::ffff:10.6.6.7"] {
        for _ in 0..50 {
            let denied = try_from(&world, address, "ada", PASSWORD).await;
            assert!(matches!(denied, Err(LoginError::NetworkNotAllowed)), "{address}");
        }
    }
    assert_eq!(world.corp.times_asked(), 0);
    assert_eq!(held(&world).len(), 6, "the first and the tenth of each: {:?}", held(&world));
    granted(try_from(&world, "10.1.1.1", "ada", PASSWORD).await);
    granted(world.login("ada", PASSWORD).await);
}

#[tokio::test]
async fn a_restart_ends_no_wait_and_forgets_no_failure() {
    let mut world = world(|_| {});
    let ada = world.with_password("ada", "local").await;
    for name in ["ada", "nobody"] {
        for _ in 0..3 {
            assert!(is_wrong(&try_from(&world, "192.0.2.1", name, WRONG).await));
        }
    }
    restart(&mut world).await;
    for name in ["ada", "nobody"] {
        let mut checked = 0;
        for _ in 0..4 {
            checked += u32::from(is_wrong(&world.login(name, WRONG).await));
        }
        assert_eq!(checked, 2, "{name}");
    }
    restart(&mut world).await;
    assert!(is_held(&world.login("ada", PASSWORD).await) && is_held(&world.login("nobody", PASSWORD).await));
    world.auth.store.clock().advance(SignedDuration::from_mins(15));
    granted(world.login("ada", PASSWORD).await);
    restart(&mut world).await;
    assert_eq!(world.auth.throttle.consecutive(ada.id, world.auth.store.clock().now()), 0);
}

#[tokio::test]
async fn t_01_the_hundred_and_first_failure_in_a_row_is_never_checked_until_somebody_unlocks() {
    let world = world(|settings| settings.lockout.consecutive_attempts = 12);
    let ada = world.with_password("ada", "local").await;
    let mut checked = 0;
    for _ in 0..30 {
        checked += u32::from(is_wrong(&world.login("ada", WRONG).await));
        world.auth.store.clock().advance(SignedDuration::from_hours(25));
    }
    assert_eq!(checked, 12);
    assert!(is_held(&world.login("ada", PASSWORD).await));
    let reasons: Vec<_> = trail(&world, &ada).into_iter().filter_map(|line| line.reason).collect();
    assert!(reasons.iter().any(|why| why == "consecutive_attempts"), "{reasons:?}");
    assert_eq!(world.auth.waiting(ada.id, world.auth.store.clock().now())["needs_unlock"], true);
    world.auth.unlock(Author::system("test"), &ada).await.unwrap();
    granted(world.login("ada", PASSWORD).await);
}

#[tokio::test]
async fn t_06_an_administrator_and_a_new_password_end_a_wait() {
    let mut world = world(|_| {});
    let ada = world.with_password("ada", "local").await;
    let lock = async |world: &World| {
        for _ in 0..6 {
            let _held = world.login("ada", WRONG).await;
        }
        assert!(is_held(&world.login("ada", PASSWORD).await));
    };
    lock(&world).await;
    world.auth.unlock(Author::system("test"), &ada).await.unwrap();
    restart(&mut world).await;
    granted(world.login("ada", PASSWORD).await);
    lock(&world).await;
    let new = Secret::new("another long password");
    world.auth.set_password(Author::system("test"), &ada, &new, false).await.unwrap();
    restart(&mut world).await;
    granted(world.login("ada", "another long password").await);
}

#[tokio::test]
async fn t_09_a_wait_is_told_when_it_begins_and_a_few_times_while_it_lasts() {
    let world = world(|_| {});
    let ada = world.with_password("ada", "local").await;
    for _ in 0..40 {
        let _refused = try_from(&world, "192.0.2.1", "ada", WRONG).await;
    }
    let mut lines: Vec<_> = trail(&world, &ada).into_iter().filter(|line| line.action != "login.refused").collect();
    lines.reverse();
    let told: Vec<_> = lines.iter().map(|line| (line.action.as_str(), line.reason.as_deref())).collect();
    let why = Some("password_attempts");
    assert_eq!(told[told.len() - 3..], [("login.locked", why), ("login.held", why), ("login.held", why)]);
    let last = lines.last().unwrap();
    assert_eq!((&last.details["times"], last.address), (&Value::from(10), from("192.0.2.1").address));
}

#[tokio::test]
async fn a_source_is_asked_few_wrong_passwords_for_a_name_whoever_has_it_here() {
    let lockout = SourceLockout { attempts: 3, wait: Duration::from_secs(1_800) };
    for (name, source) in [("bob", Some("local")), ("eve", Some("corp")), ("nobody", None)] {
        let mut world = world(|_| {});
        world.auth.backends[0].lockout = Some(lockout);
        match source {
            Some("local") => drop(world.with_password(name, "local").await),
            Some(source) => drop(world.add(name, source).await),
            None => {}
        }
        let mut outcomes = Vec::new();
        for _ in 0..3 {
            outcomes.push(world.login(name, WRONG).await);
        }
        assert!(outcomes.iter().all(is_wrong), "{name}");
        restart(&mut world).await;
        assert!(is_held(&world.login(name, WRONG).await), "{name}: all are told alike");
        assert_eq!(world.corp.times_asked(), 3, "{name}");
        world.auth.store.clock().advance(SignedDuration::from_mins(30));
        let _again = world.login(name, WRONG).await;
        assert_eq!(world.corp.times_asked(), 4, "{name}");
    }
}

#[tokio::test]
async fn a_source_that_is_not_asked_keeps_nobody_out_whom_another_lets_in() {
    let mut world = world(|_| {});
    world.auth.backends[0].lockout = Some(SourceLockout { attempts: 2, wait: Duration::from_secs(1_800) });
    world.with_password("bob", "local").await;
    world.corp.now_says(Says::Wrong);
    for _ in 0..3 {
        let _refused = world.login("bob", WRONG).await;
    }
    granted(world.login("bob", PASSWORD).await);
    // Whose password another source verifies is asked about at the first one too, and is wrong there each time.
    world.add("zoe", "late").await;
    world.late.now_says(Says::Only("right"));
    for _ in 0..6 {
        granted(world.login("zoe", "right").await);
    }
    assert_eq!(world.corp.times_asked(), 2 + 2);
}
