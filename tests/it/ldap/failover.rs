//! Of several servers, one that fails is left alone for a while, and people can see which.

use std::time::Duration;

use musterd::sources::ldap::Settings;

use super::{Pull, over_tls, source, verdict};
use crate::harness::fault_proxy::{Fault, FaultProxy};
use crate::harness::slapd::Slapd;

#[tokio::test(flavor = "multi_thread")]
async fn the_health_of_each_server_is_known_with_its_certificate() {
    let slapd = Slapd::start(1);
    let proxy = FaultProxy::start(slapd.tls_port).await;
    proxy.set(Fault::Stall);
    let good = over_tls(&slapd);
    let urls = vec![format!("ldaps://{}", proxy.address()), slapd.ldaps_url()];
    let source = source(Settings { urls: urls.clone(), connect_timeout: Duration::from_millis(700), ..good });
    assert!(source.endpoints().iter().all(|health| health.healthy && health.seconds.is_none()));
    for _ in 0..3 {
        assert_eq!(source.pull().await.unwrap().users.len(), 1);
    }
    assert_eq!(proxy.accepted(), 1, "only the first reading waits for a dead server");
    let health = source.endpoints();
    assert_eq!(health.iter().map(|health| health.url.clone()).collect::<Vec<_>>(), urls);
    assert_eq!(health.iter().map(|health| health.healthy).collect::<Vec<_>>(), [false, true]);
    assert!(health[0].problem.as_ref().unwrap().contains("connect_timeout"), "{health:?}");
    let certificate = health[1].certificate.as_ref().unwrap();
    assert_eq!((certificate.subject.as_str(), certificate.issuer.as_str()), ("CN=localhost", "CN=musterd test ca"));
    assert_eq!(certificate.names, ["localhost", "127.0.0.1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_connections_and_never_answers_costs_one_login() {
    let slapd = Slapd::start(1);
    let proxy = FaultProxy::start(slapd.port).await;
    proxy.set(Fault::Stall);
    let urls = vec![format!("ldap://{}", proxy.address()), slapd.ldaps_url()];
    let source = source(Settings { urls, login_timeout: Duration::from_millis(1200), ..over_tls(&slapd) });
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "unavailable");
    // The task of the login that was given up ends a moment later.
    while source.endpoints()[0].healthy {
        tokio::task::yield_now().await;
    }
    for _ in 0..3 {
        assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "accepted");
    }
    assert_eq!(proxy.accepted(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_all_servers_failed_all_are_tried_and_the_first_that_is_back_is_used() {
    let mut slapd = Slapd::start(1);
    let proxy = FaultProxy::start(slapd.tls_port).await;
    let urls = vec![format!("ldaps://{}", proxy.address()), slapd.ldaps_url()];
    let source = source(Settings { urls, ..over_tls(&slapd) });
    slapd.stop();
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "unavailable");
    assert!(source.endpoints().iter().all(|health| !health.healthy));
    slapd.restart();
    assert_eq!(verdict(&source, "u0000001", "pw-1").await.0, "accepted");
    assert_eq!(source.endpoints().iter().map(|health| health.healthy).collect::<Vec<_>>(), [true, false]);
}
