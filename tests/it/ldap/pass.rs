//! A full reading is complete, or it is an error.

use std::collections::HashSet;
use std::time::Duration;

use musterd::base::clock::Stopwatch;
use musterd::sources::PullError;
use musterd::sources::ldap::Settings;

use super::{Pull, Pulled, over_tls, settings, source};
use crate::harness::fault_proxy::{Fault, FaultProxy};
use crate::harness::slapd::Slapd;

async fn pull(settings: Settings) -> Result<Pulled, PullError> {
    source(settings).pull().await
}

/// The way to slapd's TLS port through a proxy.
async fn proxied(slapd: &Slapd) -> (FaultProxy, Settings) {
    let proxy = FaultProxy::start(slapd.tls_port).await;
    let settings = settings(&format!("ldaps://{}", proxy.address()), Some(slapd.ca_file()));
    (proxy, Settings { page_size: 100, ..settings })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_pass_reads_everyone_over_ldaps_and_over_start_tls() {
    let slapd = Slapd::start(1200);
    let start_tls = Settings { start_tls: true, ..settings(&slapd.ldap_url(), Some(slapd.ca_file())) };
    let by_address = settings(&format!("ldaps://127.0.0.1:{}", slapd.tls_port), Some(slapd.ca_file()));
    for settings in [over_tls(&slapd), start_tls, by_address] {
        let pulled = pull(settings).await.unwrap();
        assert_eq!((pulled.users.len(), pulled.skipped.len()), (1200, 0));
        let ids: HashSet<_> = pulled.users.iter().map(|user| user.external_id.as_str()).collect();
        assert_eq!(ids.len(), 1200);
        let user = pulled.users.iter().find(|user| user.username == "u0000007").unwrap();
        assert_eq!(user.name, "User u0000007");
        assert_eq!(user.email.clone().flatten().as_deref(), Some("u0000007@example.org"));
        assert_eq!(user.phone.clone().flatten().as_deref(), Some("+49 30 0000007"));
        assert_eq!(user.label, "uid=u0000007,ou=people,dc=example,dc=org");
        assert_eq!(user.external_id.as_str().len(), 36);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rename_keeps_the_identifier_and_a_deleted_entry_is_gone() {
    let slapd = Slapd::start(3);
    let source = source(over_tls(&slapd));
    let before = source.pull().await.unwrap();
    slapd
        .change("dn: uid=u0000001,ou=people,dc=example,dc=org\nchangetype: modrdn\nnewrdn: uid=ada\ndeleteoldrdn: 1\n");
    slapd.delete_user("u0000002");
    let after = source.pull().await.unwrap();
    let id = |pulled: &Pulled, name: &str| {
        pulled.users.iter().find(|user| user.username == name).map(|user| user.external_id.clone())
    };
    assert_eq!(id(&before, "u0000001").unwrap(), id(&after, "ada").unwrap());
    assert_eq!((after.users.len(), id(&after, "u0000002")), (2, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn entries_that_cannot_be_users_are_skipped_and_told() {
    let slapd = Slapd::start(2);
    slapd.add("dn: cn=nameless,ou=people,dc=example,dc=org\nobjectClass: inetOrgPerson\ncn: nameless\nsn: x\n");
    slapd.modify("u0000002", "delete: mail");
    let pulled = pull(over_tls(&slapd)).await.unwrap();
    assert_eq!(pulled.users.len(), 2);
    assert!(pulled.users.iter().any(|user| user.email == Some(None)));
    assert_eq!(pulled.skipped.len(), 1);
    assert!(pulled.skipped[0].external_id.is_some());
    assert!(pulled.skipped[0].problem.contains("attributes.username"), "{}", pulled.skipped[0].problem);
}

#[tokio::test(flavor = "multi_thread")]
async fn users_whom_the_source_disabled_are_read_as_inactive() {
    let slapd = Slapd::start(3);
    slapd.modify("u0000002", "replace: title\ntitle: gone");
    let settings = Settings { disabled_when: Some("(title=gone)".to_owned()), ..over_tls(&slapd) };
    let pulled = pull(settings).await.unwrap();
    let inactive: Vec<_> =
        pulled.users.iter().filter(|user| user.disabled.is_some()).map(|user| user.username.as_str()).collect();
    assert_eq!((pulled.users.len(), inactive), (3, vec!["u0000002"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_filter_that_matches_nobody_gives_an_empty_but_complete_reading() {
    let slapd = Slapd::start(2);
    let pulled = pull(Settings { user_filter: Some("(uid=nobody)".to_owned()), ..over_tls(&slapd) }).await.unwrap();
    assert!(pulled.users.is_empty() && pulled.skipped.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_to_another_server_makes_the_pass_incomplete_unless_it_is_to_be_ignored() {
    let slapd = Slapd::start(3);
    let elsewhere = "dn: ou=elsewhere,ou=people,dc=example,dc=org\nobjectClass: referral\nobjectClass: extensibleObject\n\
                     ou: elsewhere\nref: ldap://elsewhere.invalid/ou=elsewhere,ou=people,dc=example,dc=org\n";
    slapd.add(elsewhere);
    match pull(over_tls(&slapd)).await {
        Err(PullError::Incomplete { why, .. }) => assert!(why.contains("ignore_referrals"), "{why}"),
        other => panic!("{other:?}"),
    }
    let pulled = pull(Settings { ignore_referrals: Some(true), ..over_tls(&slapd) }).await.unwrap();
    assert_eq!(pulled.users.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_size_limit_makes_the_pass_incomplete_not_short() {
    let slapd = Slapd::start_limited(60, "25");
    for page_size in [10, 500] {
        match pull(Settings { page_size, ..over_tls(&slapd) }).await {
            Err(PullError::Incomplete { read, why }) => {
                assert!(read <= 25, "{read}");
                assert!(why.contains("size limit") && why.contains("raise it for the bind DN"), "{why}");
            }
            other => panic!("{other:?}"),
        }
    }
    let capped = pull(Settings { max_entries: 5, page_size: 3, ..over_tls(&slapd) }).await;
    assert!(matches!(capped, Err(PullError::Incomplete { why, .. }) if why.contains("max_entries")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_base_or_a_refused_reader_is_a_matter_of_the_settings() {
    let slapd = Slapd::start(1);
    let gone = pull(Settings { base_dn: "ou=gone,dc=example,dc=org".to_owned(), ..over_tls(&slapd) }).await;
    assert!(matches!(gone, Err(PullError::Misconfigured(why)) if why.contains("base_dn")));
    let password = Some(musterd::base::secret::Secret::new("not-the-password"));
    match pull(Settings { bind_password: password, ..over_tls(&slapd) }).await {
        Err(PullError::Misconfigured(why)) => {
            assert!(why.contains("bind_password") && !why.contains("not-the-password"), "{why}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_an_unknown_authority_is_refused() {
    let slapd = Slapd::start(1);
    for start_tls in [false, true] {
        let url = if start_tls { slapd.ldap_url() } else { slapd.ldaps_url() };
        match pull(Settings { start_tls, ..settings(&url, Some(slapd.other_ca_file())) }).await {
            Err(PullError::Misconfigured(why)) => assert!(why.contains("ca_file"), "{why}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_for_another_name_is_refused() {
    let slapd = Slapd::start(1);
    let proxy = FaultProxy::start_on("127.0.0.2", slapd.tls_port).await;
    match pull(settings(&format!("ldaps://{}", proxy.address()), Some(slapd.ca_file()))).await {
        Err(PullError::Misconfigured(why)) => assert!(why.contains("subject alternative"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_has_expired_is_refused() {
    let slapd = Slapd::start_expired(1);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    match pull(over_tls(&slapd)).await {
        Err(PullError::Misconfigured(why)) => assert!(why.contains("expired"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_cut_anywhere_is_an_error_and_never_a_short_reading() {
    let slapd = Slapd::start(400);
    let (proxy, settings) = proxied(&slapd).await;
    for bytes in [0, 500, 3_000, 20_000, 40_000, 60_000] {
        proxy.set(Fault::CutAfter(bytes));
        match pull(settings.clone()).await {
            Err(PullError::Incomplete { read, why }) => {
                assert!(read < 400 && (why.contains("closed the connection") || why.contains("lost")), "{why}");
            }
            Err(PullError::Unavailable(_)) if bytes <= 3_000 => {}
            other => panic!("{bytes}: {other:?}"),
        }
    }
    proxy.set(Fault::Pass);
    assert_eq!(pull(settings).await.unwrap().users.len(), 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_in_the_middle_of_a_pass_is_an_error() {
    let mut slapd = Slapd::start(400);
    let (proxy, settings) = proxied(&slapd).await;
    proxy.set(Fault::Drip(2000, Duration::from_millis(20)));
    let pass = tokio::spawn(pull(settings));
    tokio::time::sleep(Duration::from_millis(200)).await;
    slapd.stop();
    assert!(pass.await.unwrap().is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stalled_server_ends_the_pass_within_its_deadlines() {
    let slapd = Slapd::start(400);
    let (proxy, settings) = proxied(&slapd).await;
    let short = Duration::from_millis(300);
    let settings = Settings { connect_timeout: short, idle_timeout: short, operation_timeout: short, ..settings };
    for (fault, expected) in [(Fault::Stall, "connect_timeout"), (Fault::StallAfter(30_000), "no answer")] {
        proxy.set(fault);
        let started = Stopwatch::start();
        let error = pull(settings.clone()).await.unwrap_err();
        assert!(!matches!(error, PullError::Misconfigured(_)), "{error}");
        assert!(error.to_string().contains(expected), "{error}");
        assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dripping_server_cannot_outlast_the_deadline_of_the_pass() {
    let slapd = Slapd::start(400);
    let (proxy, settings) = proxied(&slapd).await;
    let source = source(Settings { pass_timeout: Duration::from_millis(800), ..settings });
    proxy.set(Fault::Drip(500, Duration::from_millis(20)));
    let started = Stopwatch::start();
    let why = source.pull().await.unwrap_err().to_string();
    assert!(why.contains("pass_timeout"), "{why}");
    assert!(started.elapsed() < Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_server_is_read_when_the_first_is_down() {
    let slapd = Slapd::start(2);
    let (proxy, settings) = proxied(&slapd).await;
    proxy.set(Fault::Refuse);
    let urls = vec![settings.urls[0].clone(), slapd.ldaps_url()];
    let pulled = pull(Settings { urls, ..settings }).await.unwrap();
    assert_eq!(pulled.users.len(), 2);
}

/// Not a promise but a measurement: `cargo test --release -- --ignored --nocapture figures`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures; takes a minute"]
async fn figures_of_a_pass_over_100_000_entries() {
    let slapd = Slapd::start(100_000);
    for settings in [over_tls(&slapd), settings(&format!("ldap://127.0.0.1:{}", slapd.port), None)] {
        for page_size in [500, 1000] {
            let source = source(Settings { page_size, ..settings.clone() });
            let started = Stopwatch::start();
            let users = source.pull().await.unwrap().users.len();
            println!("{} page {page_size}: {users} entries in {:?}", settings.urls[0], started.elapsed());
        }
    }
}
