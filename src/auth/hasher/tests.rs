//! Passwords are hashed and verified, those of other programs too, and nobody waits in an endless queue.

use super::*;

fn cheap() -> Hashing {
    Hashing { memory_kib: 64, iterations: 1, lanes: 1, threads: 1, queue: 4, reserved: 0 }
}

fn hasher() -> Hasher {
    Hasher::start(&cheap(), &Rng::seeded(1)).unwrap()
}

async fn check(hasher: &Hasher, password: &str, hash: &str) -> Result<Checked, HashError> {
    hasher.check(&Secret::new(password), hash, Seat::Anybody).await
}

#[tokio::test]
async fn p_03_a_password_verifies_against_its_hash_only_in_whichever_form_its_letters_come() {
    let hasher = hasher();
    let hash = hasher.hash(&Secret::new("correct horse é")).await.unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
    assert!(hasher.verify(&Secret::new("correct horse e\u{301}"), &hash).await.unwrap());
    assert!(!hasher.verify(&Secret::new("correct horse e"), &hash).await.unwrap());
    assert!(!hasher.is_outdated(&hash));
    let dearer = Hasher::start(&Hashing { memory_kib: 128, ..cheap() }, &Rng::seeded(1)).unwrap();
    assert!(dearer.is_outdated(&hash));
    assert!(dearer.verify(&Secret::new("correct horse é"), &hash).await.unwrap());
    assert!(dearer.verify_decoy(Seat::Anybody).await.is_ok());
}

#[tokio::test]
async fn p_02_every_byte_of_a_password_counts_up_to_1024() {
    let hasher = hasher();
    for length in [63, 71, 72, 199, 1023] {
        let same = "x".repeat(length);
        let hash = hasher.hash(&Secret::new(format!("{same}a"))).await.unwrap();
        assert_eq!(check(&hasher, &format!("{same}a"), &hash).await, Ok(Checked::Right), "{length}");
        assert_eq!(check(&hasher, &format!("{same}b"), &hash).await, Ok(Checked::Wrong), "{length}");
    }
    let long = "x".repeat(1025);
    let hash = hasher.hash(&Secret::new(long.clone())).await.unwrap();
    assert_eq!(check(&hasher, &long, &hash).await, Ok(Checked::Wrong), "longer ones are never right");
}

#[tokio::test]
async fn a_known_answer_of_the_reference_implementation_verifies() {
    // echo -n "password" | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32 (RFC 9106 reference tool)
    let hash = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    assert_eq!(check(&hasher(), "password", hash).await, Ok(Checked::Right));
}

#[tokio::test]
async fn p_10_hashes_of_other_programs_verify_and_count_as_outdated() {
    // Made by crypt(3), and by Python's hashlib as Django and LDAP servers put it together.
    let hasher = hasher();
    for hash in [
        "$2a$05$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.",
        "$2b$05$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.",
        "$2y$05$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.",
        "{CRYPT}$2b$05$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.",
        "pbkdf2_sha1$1000$seasalt$LPTbYn9/9ALjztx0Dtq5V+DLYLg=",
        "pbkdf2_sha256$1000$seasalt$DrdiWD40lyBuydnjvZiDrdQMx1S1mOA9O0QYex0R6ww=",
        "pbkdf2_sha512$1000$seasalt$FMS8/pUv/fQNmHKwUnMEHJsdcm2LuxCxAOnZ9c4UqOCkw4+nZ2+AQePOZ2vckECQ2flS+R6TadgB5G+3lvNTZQ==",
        "{SSHA}h76P59bZw+9u3y2Y6+8H8pSUQpZzZWFzYWx0",
        "{SSHA256}cQT+sGrhEsxATnXARf6SLWOVn9Cu+D5gPlWKenBNMbxzZWFzYWx0",
        "{SSHA512}4YlInOn8cHNFn0oITbffwvt9DOeyNIhP1rfGxPvfgVOeSaadJ3FhNvG1bC0bg0J+R9l8FZKtOrHXAn6drLvTiXNlYXNhbHQ=",
    ] {
        assert_eq!(check(&hasher, "correct horse battery", hash).await, Ok(Checked::Right), "{hash}");
        assert_eq!(check(&hasher, "correct horse batterz", hash).await, Ok(Checked::Wrong), "{hash}");
        assert!(hasher.is_outdated(hash), "{hash}");
    }
}

#[tokio::test]
async fn p_10_more_than_bcrypt_looks_at_is_neither_right_nor_wrong() {
    // crypt("x" 72 times, "$2y$04$…"): bcrypt itself takes anything that begins so.
    let hash = "$2y$04$abcdefghijklmnopqrstuubzadhGtS2zEF.gu0yd0opP6cVzb.e0i";
    let hasher = hasher();
    assert_eq!(check(&hasher, &"x".repeat(72), hash).await, Ok(Checked::Right));
    assert_eq!(check(&hasher, &"x".repeat(71), hash).await, Ok(Checked::Wrong));
    assert_eq!(check(&hasher, &"x".repeat(73), hash).await, Ok(Checked::MustReset));
    assert_eq!(hasher.verify(&Secret::new("x".repeat(73)), hash).await, Ok(false));
}

#[tokio::test]
async fn a_hash_that_would_cost_too_much_is_refused_unread() {
    let hasher = hasher();
    for hash in [
        "",
        "x",
        "$argon2id$v=19$m=4194304,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
        "$argon2i$v=19$m=64,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    ] {
        assert_eq!(check(&hasher, "x", hash).await, Err(HashError::Unusable), "{hash}");
    }
}

#[tokio::test]
async fn what_needs_more_memory_than_the_threads_hold_is_costly() {
    let settings = Hashing::default();
    for (hash, costly) in [
        ("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", false),
        ("$argon2id$v=19$m=12288,t=3,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", false),
        ("$argon2id$v=19$m=19457,t=1,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", true),
        ("$argon2id$v=19$m=19456,t=64,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc", true),
        ("$2b$13$abcdefghijklmnopqrstuuD3mHdCr44zlIZ.VZCaYRpfQhXMYnEo.", true),
        ("{SSHA}h76P59bZw+9u3y2Y6+8H8pSUQpZzZWFzYWx0", false),
    ] {
        assert_eq!(settings.is_costly(&StoredHash::parse(hash).ok().unwrap()), costly, "{hash}");
    }
}

#[tokio::test]
async fn p_12_a_full_queue_says_busy_at_once_and_has_a_place_for_an_administrator() {
    let slow = Hashing { memory_kib: 65_536, iterations: 3, queue: 2, reserved: 1, ..cheap() };
    let hasher = Hasher::start(&slow, &Rng::seeded(1)).unwrap();
    // Until one runs and one waits.
    let mut tries = Vec::new();
    while !hasher.is_busy() {
        let hasher = hasher.clone();
        tries.push(tokio::spawn(async move { hasher.verify_decoy(Seat::Anybody).await }));
        tokio::task::yield_now().await;
    }
    for _ in 0..20 {
        assert_eq!(hasher.verify_decoy(Seat::Anybody).await, Err(HashError::Busy));
    }
    assert_eq!(hasher.verify_decoy(Seat::Administrator).await, Ok(()));
    let mut checked = 0;
    for outcome in tries {
        checked += usize::from(outcome.await.unwrap().is_ok());
    }
    assert_eq!(checked, 2);
}
