//! What may become a password, what a login says of one that may not stay, and how often another is tried.

use super::*;
use crate::auth::links::LinkFor;
use crate::auth::passwords::breached::BreachedSet;
use crate::base::id::OrganizationId;
use crate::directory::login::PasswordReason;
use crate::directory::organization::Organization;

/// The reason for which a login of somebody with this password asks for another.
async fn reason(world: &World, name: &str, password: &str) -> Option<PasswordReason> {
    let user = world.add(name, "local").await;
    let hash = world.auth.hasher.hash(&Secret::new(password)).await.unwrap();
    let set = move |tx: &mut Tx<'_>| crate::store::credentials::set(tx, user.id, hash.clone(), 0);
    world.auth.store.write(set).await.unwrap();
    match world.login(name, password).await {
        Ok(Outcome::Asked { stage: Stage::PasswordChange(reason), .. }) => Some(reason),
        Ok(Outcome::Granted { .. }) => None,
        _ => panic!("neither in nor asked for a password"),
    }
}

#[tokio::test]
async fn what_a_login_asks_for_says_what_is_wrong_with_the_password() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("breached");
    std::fs::write(&file, "9A2340D45969B8988F73F7104EB5D6A0DE327971:3\r\n").unwrap();
    let set = BreachedSet::new(file);
    let world = world(|settings| {
        settings.passwords.min_strength = 3;
        settings.breached_set = Some(set);
    });
    assert_eq!(reason(&world, "ada", PASSWORD).await, None);
    assert_eq!(reason(&world, "bob", "short").await, Some(PasswordReason::TooWeak));
    assert_eq!(reason(&world, "cas", "Password1234567").await, Some(PasswordReason::Blocklisted));
    assert_eq!(reason(&world, "dan", "a phrase that has leaked").await, Some(PasswordReason::Breached));
}

#[tokio::test]
async fn a_password_runs_out_at_the_age_of_the_settings_and_the_login_asks_for_another() {
    let world = world(|settings| settings.passwords.max_age = Some(crate::directory::policy::days(90)));
    world.with_password("ada", "local").await;
    let hash = world.auth.hasher.hash(&Secret::new(PASSWORD)).await.unwrap();
    let bob = world.add("bob", "local").await;
    let prepared = world.auth.prepare_hash(&bob, &Secret::new(hash)).unwrap();
    let set = move |tx: &mut Tx<'_>| prepared.commit(tx, &Author::system("test"), false);
    world.auth.store.write(set).await.unwrap();
    world.auth.store.clock().advance(SignedDuration::from_hours(24 * 90 - 1));
    granted(world.login("ada", PASSWORD).await);
    world.auth.store.clock().advance(SignedDuration::from_hours(1));
    // Nobody knows how old the password behind an imported hash is: its age counts from the import.
    for name in ["ada", "bob"] {
        let (transaction, stage) = asked(world.login(name, PASSWORD).await);
        assert_eq!(stage, Stage::PasswordChange(PasswordReason::Expired), "{name}");
        let new = Secret::new("another long password");
        granted(world.auth.change_password(&transaction, &new, &Origin::default()).await);
        granted(world.login(name, "another long password").await);
    }
}

#[tokio::test]
async fn a_login_takes_ten_new_passwords_and_is_over() {
    let world = Arc::new(world(|_| {}));
    let ada = world.with_password("ada", "local").await;
    world.change(&ada, |user, _| User { must_change_password: true, ..user }).await;
    let (transaction, _) = asked(world.login("ada", PASSWORD).await);
    let tries: Vec<_> = (0..30)
        .map(|_| {
            let (world, transaction) = (world.clone(), transaction.clone());
            let try_one = async move {
                world.auth.change_password(&transaction, &Secret::new(PASSWORD), &Origin::default()).await.err()
            };
            tokio::spawn(try_one)
        })
        .collect();
    let mut looked_at = 0;
    for one in tries {
        match one.await.unwrap() {
            Some(LoginError::Password(_)) => looked_at += 1,
            Some(LoginError::NoSuchTransaction) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(looked_at, 10);
    let (transaction, _) = asked(world.login("ada", PASSWORD).await);
    let new = Secret::new("another long password");
    granted(world.auth.change_password(&transaction, &new, &Origin::default()).await);
}

#[tokio::test]
async fn a_link_takes_ten_new_passwords_and_is_used_up() {
    let world = world(|_| {});
    let ada = world.with_password("ada", "local").await;
    let issue = world.auth.store.write(move |tx: &mut Tx<'_>| {
        Authenticator::issue_link(tx, &ada, LinkFor::Reset, Duration::from_secs(3_600), "https://dir.example.org")
    });
    let url = issue.await.unwrap();
    let token = url.expose().split('#').nth(1).unwrap();
    for tried in 0..12 {
        let refused = world.auth.use_link(token, &Secret::new(PASSWORD), &Origin::default()).await.err();
        match refused {
            Some(LoginError::Password(faults)) => assert!(tried < 10 && faults[0].code == "used_before"),
            Some(LoginError::NoSuchTransaction) => assert!(tried >= 10),
            other => panic!("{other:?}"),
        }
    }
    granted(world.login("ada", PASSWORD).await);
}

#[tokio::test]
async fn a_refusal_names_earlier_passwords_and_every_other_rule_at_once() {
    let world = world(|settings| {
        settings.passwords.min_length = 40;
        settings.passwords.require_digit = true;
        settings.passwords.min_strength = 4;
    });
    let ada = world.add("ada", "local").await;
    let hash = world.auth.hasher.hash(&Secret::new("letmeinletmein")).await.unwrap();
    let set = move |tx: &mut Tx<'_>| crate::store::credentials::set(tx, ada.id, hash.clone(), 0);
    world.auth.store.write(set).await.unwrap();
    let ada = users::by_login(&world.auth.store.view(), "ada").unwrap().unwrap();
    let refused = world.auth.prepare_password(&ada, &Secret::new("letmeinletmein")).await;
    let Err(LoginError::Password(faults)) = refused else { panic!("it was taken") };
    let codes: Vec<_> = faults.iter().map(|fault| fault.code).collect();
    assert_eq!(codes, ["too_short", "no_digit", "blocklisted", "too_guessable", "used_before"]);
}

#[tokio::test]
async fn names_of_ones_organisations_and_of_this_service_are_common() {
    let world = world(|settings| settings.issuer = "Gatehouse".to_owned());
    let organization = Organization {
        id: OrganizationId::new(world.auth.store.clock().now(), world.auth.store.rng()),
        name: DisplayName::parse("Rocket Works").unwrap(),
        description: crate::directory::field::Description::default(),
        created_at: world.auth.store.clock().now(),
        modified_at: None,
        revision: 1,
    };
    let id = organization.id;
    let create =
        move |tx: &mut Tx<'_>| crate::store::organizations::create(tx, &Author::system("test"), organization.clone());
    world.auth.store.write(create).await.unwrap();
    let ada = world.add("ada", "local").await;
    let member = User { organizations: [(id, std::collections::BTreeSet::new())].into(), ..ada.clone() };
    let is_taken =
        async |user: &User, password: &str| world.auth.prepare_password(user, &Secret::new(password)).await.is_ok();
    assert!(!is_taken(&member, "Rocket-Works-2026").await && is_taken(&ada, "Rocket-Works-2026").await);
    assert!(!is_taken(&ada, "Gatehouse-123456").await && is_taken(&ada, "the gatehouse is open").await);
}
