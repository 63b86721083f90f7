//! Certificates that end soon.

use super::*;

#[tokio::test]
async fn certificates_are_told_of_three_weeks_one_week_and_then_each_day_before_their_end() {
    let world = World::new();
    let end = plus(world.now(), days(30));
    world.seen.note("ldap.example.org", end);
    world.seen.note("other.example.org", Timestamp::MAX);
    let mut told = Vec::new();
    for hour in 0..(31 * 24) {
        told.extend(world.look().await.iter().map(|_| 30 - hour / 24));
        world.advance(60);
    }
    assert_eq!(told, [21, 7, 6, 5, 4, 3, 2, 1, 0]);
    assert_eq!(world.causes(), ["certificate:ldap.example.org"]);
    let world = World::over(world.store.clone());
    world.look().await;
    assert_eq!(world.causes(), ["certificate:ldap.example.org"], "a start forgets none");
    world.seen.note("ldap.example.org", plus(world.now(), days(90)));
    world.look().await;
    assert!(world.causes().is_empty(), "a new one was seen");
}

/// A certificate that ends on 6 December 2026,
const SOON: &str = "\
    MIIBEjCBuQIUXC+0D+p6m3IW7KjE4TuuG17acgEwCgYIKoZIzj0EAwIwDDEKMAgGA1UEAwwBYTAeFw0yNjExMjYxMjMzNTFaFw0y\
    NjEyMDYxMjMzNTFaMAwxCjAIBgNVBAMMAWEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASQ6SgIStYFUubcAauNWpR+2khUzgZQ\
    ClknQXA3UlBn5jQwOJPIsvDqpJyvB/ILm8nZPxpcJty/FzlbsqgRkBIAMAoGCCqGSM49BAMCA0gAMEUCIQDlA9AwtbjCu2cIPUsB\
    PNXliIDz0OU9yjNgU5gCriaNLQIgafYMAey1OZ0uNhpIhwOF6pgj/Y3pFpp9WetB7sgCq5w=";
/// and one that ends in 2036.
const LATE: &str = "\
    MIIBEzCBuQIUbFIBUPL6QhtW7Tb0gB+HJOD4HFcwCgYIKoZIzj0EAwIwDDEKMAgGA1UEAwwBYTAeFw0yNjExMjYxMjMzNTFaFw0z\
    NjExMjMxMjMzNTFaMAwxCjAIBgNVBAMMAWEwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATYG50U7fF+WIuowyaVv0G3DIrPp84f\
    2p0AxhegxBCCAiLwBZXx7DLR/sDJ1d1/VV19cho8JBT5i6P2PDoa5UeUMAoGCCqGSM49BAMCA0kAMEYCIQDqwVuLflfB1QNdBWj9\
    agleRCI0bHmUSrW8Dx1KgTcE8gIhAJsaBo2BNfa7Tucb3PL3pbI5aQ5eqsOnhAXFegpUdMxv";

#[tokio::test]
async fn of_authorities_the_last_end_counts_and_of_our_own_file_the_first_certificate() {
    let world = World::new();
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, certificates: [&str; 2]| {
        let pem = |base64| format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n");
        std::fs::write(folder.path().join(name), certificates.map(pem).concat()).unwrap();
        folder.path().join(name)
    };
    let (soon_first, late_first) = (file("soon-first", [SOON, LATE]), file("late-first", [LATE, SOON]));
    let files = [
        ("authorities", CertificateFile::Authorities(soon_first.clone())),
        ("own", CertificateFile::Own(soon_first)),
        ("other", CertificateFile::Own(late_first)),
    ];
    let files = files.map(|(key, file)| (key.to_owned(), file)).to_vec();
    let now: Timestamp = "2026-12-01T00:00:00Z".parse().unwrap();
    let probe = Certificates { seen: SeenCertificates::default(), files, began: now };
    let found = probe.look(&world.store, now).unwrap();
    assert_eq!(found.iter().map(Finding::cause).collect::<Vec<_>>(), ["certificate:own"]);
}
