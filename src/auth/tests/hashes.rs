//! Hashes of other programs at the login, and the queue of those that wait for one.

use super::*;
use crate::auth::hasher::Seat;
use crate::store::credentials::{self, Credential};

/// crypt("x" 72 times): bcrypt forgets what comes after.
const BCRYPT_72: &str = "$2y$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i";

async fn with_hash(world: &World, username: &str, hash: &str) -> User {
    let user = world.add(username, "local").await;
    let prepared = world.auth.prepare_hash(&user, &Secret::new(hash)).unwrap();
    let set = move |tx: &mut Tx<'_>| prepared.commit(tx, &Author::system("test"), false);
    world.auth.store.write(set).await.unwrap()
}

async fn credential(world: &World, user: &User) -> Credential {
    world.auth.beside.close();
    world.auth.beside.wait().await;
    world.auth.beside.reopen();
    credentials::get(&world.auth.store.view(), user.id).unwrap().unwrap()
}

#[tokio::test]
async fn p_10_an_imported_hash_lets_in_and_is_argon2id_from_then_on() {
    let world = world(|_| {});
    for (n, hash) in [
        "$2b$05$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.",
        "pbkdf2_sha256$1000$seasalt$DrdiWD40lyBuydnjvZiDrdQMx1S1mOA9O0QYex0R6ww=",
        "{SSHA}h76P59bZw+9u3y2Y6+8H8pSUQpZzZWFzYWx0",
    ]
    .into_iter()
    .enumerate()
    {
        let user = with_hash(&world, &format!("user{n}"), hash).await;
        let name = user.username.as_str();
        assert!(matches!(world.login(name, "wrong password").await, Err(LoginError::InvalidCredentials)));
        assert!(credential(&world, &user).await.hash == hash, "a wrong password changes nothing");
        granted(world.login(name, PASSWORD).await);
        let now = credential(&world, &user).await;
        assert!(now.hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$") && now.history.is_empty());
        granted(world.login(name, PASSWORD).await);
        assert!(credential(&world, &user).await.hash == now.hash);
    }
}

#[tokio::test]
async fn p_09_a_hash_with_lower_parameters_is_made_anew_at_the_next_login() {
    let world = world(|_| {});
    let weaker = Hashing { memory_kib: 32, iterations: 1, lanes: 1, threads: 1, queue: 64, reserved: 8 };
    let hash = Hasher::start(&weaker, &Rng::seeded(1)).unwrap().hash(&Secret::new(PASSWORD)).await.unwrap();
    let ada = with_hash(&world, "ada", &hash).await;
    granted(world.login("ada", PASSWORD).await);
    assert!(credential(&world, &ada).await.hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
}

#[test]
fn p_09_the_parameters_are_the_least_that_is_advised_or_more() {
    let Hashing { memory_kib, iterations, lanes, .. } = Hashing::default();
    assert!(memory_kib >= 19_456 && iterations >= 2 && lanes >= 1);
}

#[tokio::test]
async fn p_10_more_than_bcrypt_looks_at_lets_nobody_in_and_the_trail_says_why() {
    let world = world(|settings| settings.passwords.blocklist = false);
    let ada = with_hash(&world, "ada", BCRYPT_72).await;
    let tried = world.login("ada", &"x".repeat(73)).await;
    assert!(matches!(tried, Err(LoginError::InvalidCredentials)));
    let line = trail(&world, &ada).remove(0);
    assert!(backends(&line).iter().any(|asked| asked["verdict"] == "must_reset"), "{line:?}");
    granted(world.login("ada", &"x".repeat(72)).await);
}

#[tokio::test]
async fn a_malformed_hash_is_refused_in_words_and_so_is_one_for_whom_another_keeps_it() {
    let world = world(|_| {});
    let (ada, eve) = (world.add("ada", "local").await, world.add("eve", "corp").await);
    for (user, hash, code) in [(&ada, "hunter2", "unusable_hash"), (&eve, BCRYPT_72, "kept_elsewhere")] {
        let Err(LoginError::Password(faults)) = world.auth.prepare_hash(user, &Secret::new(hash)) else {
            panic!("it was taken")
        };
        assert_eq!((faults[0].field.as_str(), faults[0].code), ("password_hash", code));
        assert!(!faults[0].message.contains(hash));
    }
}

#[tokio::test]
async fn p_12_a_login_that_finds_no_place_is_busy_counts_nothing_and_is_told_of_once() {
    let world = world(|settings| {
        settings.hashing = Hashing { memory_kib: 65_536, iterations: 4, lanes: 1, threads: 1, queue: 2, reserved: 1 };
    });
    let ada = world.with_password("ada", "local").await;
    let eve = world.add("eve", "corp").await;
    let mut rush = Vec::new();
    for _ in 0..9 {
        // Until one runs and one waits.
        while !world.auth.hasher.is_busy() {
            let hasher = world.auth.hasher.clone();
            rush.push(tokio::spawn(async move { hasher.verify_decoy(Seat::Anybody).await }));
            tokio::task::yield_now().await;
        }
        assert!(matches!(world.login("ada", "wrong password").await, Err(LoginError::Busy)));
    }
    // What a source that was asked has said counts all the same.
    assert!(matches!(world.login("eve", "wrong").await, Err(LoginError::InvalidCredentials)));
    assert_eq!(world.auth.throttle.consecutive(eve.id, world.auth.store.clock().now()), 1);
    for one in rush {
        let _done = one.await.unwrap();
    }
    granted(world.login("ada", PASSWORD).await);
    assert_eq!(world.auth.throttle.consecutive(ada.id, world.auth.store.clock().now()), 0);
    assert_eq!(held(&world), ["busy"]);
}
