//! A verdict on a password is right, or it is none.

use std::time::Duration;

use musterd::base::clock::Stopwatch;
use musterd::base::id::ExternalId;
use musterd::base::secret::Secret;
use musterd::sources::ldap::Settings;
use musterd::sources::{Person, Source};

use super::{over_tls, settings, shown, source, verdict};
use crate::harness::fault_proxy::{Fault, FaultProxy};
use crate::harness::slapd::Slapd;

#[tokio::test(flavor = "multi_thread")]
async fn the_right_password_is_accepted_and_every_other_is_wrong() {
    let slapd = Slapd::start(3);
    let source = source(over_tls(&slapd));
    let odd = "p(s)*\\ :w";
    slapd.add_user("odd-one", odd, "");
    assert_eq!(verdict(&source, "odd-one", odd).await.0, "accepted");
    for name in ["u0000002", "U0000002", "u0000002@example.org"] {
        assert_eq!(verdict(&source, name, "pw-2").await, ("accepted", "u0000002".to_owned()), "{name}");
    }
    for (name, password) in [
        ("u0000002", "pw-1"),
        ("u0000002", "PW-2"),
        ("nobody", "pw-2"),
        ("", "pw-2"),
        ("*", "pw-2"),
        ("u000000*", "pw-2"),
        ("*)(uid=*", "pw-2"),
        ("u0000002)(objectClass=*", "pw-2"),
        ("u0000002\0", "pw-2"),
        ("reader", crate::harness::slapd::READER_PASSWORD),
    ] {
        assert_eq!(verdict(&source, name, password).await.0, "wrong", "{name:?} {password:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_person_is_verified_by_identifier_only() {
    let slapd = Slapd::start(2);
    let source = source(over_tls(&slapd));
    let pulled = source.pull().await.unwrap();
    let id = &pulled.users.iter().find(|user| user.username == "u0000001").unwrap().external_id;
    for (id, password, expected) in [
        (id.clone(), "pw-1", "accepted"),
        (id.clone(), "pw-2", "wrong"),
        (ExternalId::parse("u0000001").unwrap(), "pw-1", "wrong"),
        (ExternalId::parse("*").unwrap(), "pw-1", "wrong"),
    ] {
        let verdict = shown(source.verify(Person::Known { id: &id, entry: None }, &Secret::new(password)).await);
        assert_eq!(verdict, (expected, String::new()), "{id} {password}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_password_is_wrong_and_never_leaves_the_process() {
    let slapd = Slapd::start(1);
    let proxy = FaultProxy::start(slapd.tls_port).await;
    let source = source(settings(&format!("ldaps://{}", proxy.address()), Some(slapd.ca_file())));
    for password in ["", " ", "\0", "\0pw-1"] {
        assert_eq!(verdict(&source, "u0000001", password).await.0, "wrong", "{password:?}");
    }
    assert_eq!(proxy.accepted(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_fits_two_entries_is_nobodys() {
    let slapd = Slapd::start(3);
    slapd.modify("u0000002", "replace: mail\nmail: u0000001@example.org");
    let source = source(over_tls(&slapd));
    assert_eq!(verdict(&source, "u0000001@example.org", "pw-1").await.0, "wrong");
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_whom_the_source_disabled_is_refused() {
    let slapd = Slapd::start(2);
    slapd.modify("u0000001", "replace: title\ntitle: gone");
    let source = source(Settings { disabled_when: Some("(title=gone)".to_owned()), ..over_tls(&slapd) });
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "refused");
    assert_eq!(verdict(&source, "u0000001", "pw-2").await.0, "wrong");
    assert_eq!(verdict(&source, "u0000002", "pw-2").await.0, "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_is_unavailable_not_wrong() {
    let mut slapd = Slapd::start(1);
    let source = source(over_tls(&slapd));
    slapd.stop();
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "unavailable");
    slapd.restart();
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "accepted");
    slapd.stop();
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "unavailable");
    slapd.restart();
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_died_in_the_pool_is_replaced_unseen() {
    let mut slapd = Slapd::start(1);
    let source = source(over_tls(&slapd));
    for _ in 0..3 {
        assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "accepted");
        slapd.restart();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_died_without_a_word_are_replaced_within_the_login() {
    let slapd = Slapd::start(1);
    let proxy = FaultProxy::start(slapd.tls_port).await;
    let settings = settings(&format!("ldaps://{}", proxy.address()), Some(slapd.ca_file()));
    let source = source(Settings { login_timeout: Duration::from_secs(2), ..settings });
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "accepted");
    proxy.freeze();
    assert_eq!(verdict(&source, "u0000001", "pw-1").await, ("accepted", "u0000001".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hanging_server_is_unavailable_within_the_deadline_of_the_login() {
    let slapd = Slapd::start(1);
    let proxy = FaultProxy::start(slapd.tls_port).await;
    let settings = settings(&format!("ldaps://{}", proxy.address()), Some(slapd.ca_file()));
    let source = source(Settings { login_timeout: Duration::from_millis(700), ..settings });
    for warm in [false, true] {
        if warm {
            proxy.set(Fault::Pass);
            assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "accepted");
        }
        proxy.set(Fault::Stall);
        let started = Stopwatch::start();
        let (word, why) = verdict(&source, "u0000001", "pw-1").await;
        assert_eq!(word, "unavailable", "{why}");
        assert!(started.elapsed() < Duration::from_millis(1200), "{:?}", started.elapsed());
    }
    proxy.set(Fault::Pass);
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_first_server_does_not_cost_logins_their_second() {
    let slapd = Slapd::start(1);
    let proxy = FaultProxy::start(slapd.tls_port).await;
    proxy.set(Fault::Stall);
    let settings = settings(&format!("ldaps://{}", proxy.address()), Some(slapd.ca_file()));
    let urls = vec![settings.urls[0].clone(), slapd.ldaps_url()];
    let source = source(Settings { urls, login_timeout: Duration::from_secs(2), ..settings });
    for _ in 0..3 {
        assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "accepted");
    }
    assert!(proxy.accepted() <= 1, "{}", proxy.accepted());
}

#[tokio::test(flavor = "multi_thread")]
async fn many_logins_at_once_share_the_few_connections() {
    let slapd = Slapd::start(20);
    let proxy = FaultProxy::start(slapd.tls_port).await;
    let settings = settings(&format!("ldaps://{}", proxy.address()), Some(slapd.ca_file()));
    let source = std::sync::Arc::new(source(settings));
    let logins = (0..200_usize).map(|count| {
        let (source, user) = (std::sync::Arc::clone(&source), count % 20 + 1);
        tokio::spawn(async move {
            let right = count % 3 != 0;
            let password = if right { format!("pw-{user}") } else { "pw".to_owned() };
            let expected = if right { "accepted" } else { "wrong" };
            assert_eq!(verdict(&source, &format!("u{user:07}"), &password).await.0, expected);
        })
    });
    for login in logins.collect::<Vec<_>>() {
        login.await.unwrap();
    }
    assert!(proxy.accepted() <= 8, "{}", proxy.accepted());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_replaced_after_a_thousand_operations() {
    let slapd = Slapd::start(1);
    let proxy = FaultProxy::start(slapd.tls_port).await;
    let source = source(settings(&format!("ldaps://{}", proxy.address()), Some(slapd.ca_file())));
    for count in 0..1_005 {
        let (word, why) = verdict(&source, "u0000001", "pw-1").await;
        assert_eq!(word, "accepted", "{count}: {why}");
    }
    assert_eq!(proxy.accepted(), 4, "one for searches, one for binds, and one more each");
}

/// Not a promise but a measurement.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn figures_of_logins() {
    let slapd = Slapd::start(1000);
    let source = std::sync::Arc::new(source(over_tls(&slapd)));
    for at_once in [1, 4, 16] {
        let started = Stopwatch::start();
        let runs = (0..at_once).map(|_| {
            let source = std::sync::Arc::clone(&source);
            tokio::spawn(async move {
                for user in 1..=500 {
                    let (word, why) = verdict(&source, &format!("u{user:07}"), &format!("pw-{user}")).await;
                    assert_eq!(word, "accepted", "{why}");
                }
            })
        });
        for run in runs.collect::<Vec<_>>() {
            run.await.unwrap();
        }
        println!("{at_once} at once: {:.0} logins/s", f64::from(at_once * 500) / started.elapsed().as_secs_f64());
    }
}
